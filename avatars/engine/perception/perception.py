"""Everything Parlo can see in a picture, behind one object that loads its networks when they are first needed."""

from threading import Lock
from typing import ClassVar, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from avatars.engine.perception.blendshapes import Blendshapes
from avatars.engine.perception.detector import SUSPECT_SCORE_MIN, Detection, Detector
from avatars.engine.perception.face import Face
from avatars.engine.perception.identity import Identity
from avatars.engine.perception.landmarks import Landmarker, Region, region_of
from avatars.engine.perception.matte import Matter
from avatars.engine.perception.pose import head_pose

PRESENCE_MIN: Final = 0.5
SAME_FACE_OVERLAP: Final = 0.5
# The landmarks that stand for the detector's five points: eyes' irises, nose tip, mouth corners.
FIVE_LANDMARKS: Final = (468, 473, 1, 61, 291)

Network = TypeVar("Network")


class Perception:
    """Faces, mattes and identities. Thread-safe; use `shared()` so that a process holds each network once."""

    _shared: ClassVar["Perception | None"] = None
    _shared_lock: ClassVar[Lock] = Lock()

    def __init__(self) -> None:
        self._lock = Lock()
        self._networks: dict[type[object], object] = {}

    @classmethod
    def shared(cls) -> "Perception":
        """Return the one instance of this process."""
        with cls._shared_lock:
            if cls._shared is None:
                cls._shared = cls()
            return cls._shared

    def release(self) -> None:
        """Free all networks; the next question loads what it needs again."""
        with self._lock:
            self._networks.clear()

    def faces(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Return every face in a (height, width, 3) uint8 BGR picture, largest first."""
        found: list[Face] = []
        for detection in self._network(Detector).detect(picture):
            face = self._measured(picture, self._region(detection))
            if face is not None and not any(_overlap(face.box, other.box) > SAME_FACE_OVERLAP for other in found):
                found.append(face)
        return sorted(found, key=lambda face: -float(face.box[2] * face.box[3]))

    def suspects(self, picture: NDArray[np.uint8]) -> list[Detection]:
        """Return what looks a little like a face, surest first: no more than a hint at where an animal's may be."""
        return Detector(SUSPECT_SCORE_MIN).suspect(picture)

    def track(self, picture: NDArray[np.uint8], previous_landmarks: NDArray[np.float32]) -> Face | None:
        """Return the face of the frame before, found again; None where it is gone. One network pass, no detector."""
        return self._measured(picture, region_of(previous_landmarks), passes=1)

    def refine(self, picture: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> Face | None:
        """Return the face near known landmarks, measured with full accuracy; None where there is none."""
        return self._measured(picture, region_of(landmarks))

    def matte(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the person's matte (height, width) uint8 of a BGR picture."""
        return self._network(Matter).matte(picture)

    def embedding(self, picture: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        """Return the identity (128,) float32 of length 1; the dot product of two is their cosine."""
        return self._network(Identity).embedding(picture, face.five_points)

    def _region(self, detection: Detection) -> Region:
        return Region.around_box(detection.box, detection.five_points[0], detection.five_points[1])

    def _measured(self, picture: NDArray[np.uint8], region: Region, passes: int = 2) -> Face | None:
        landmarker = self._network(Landmarker)
        landmarks, presence = landmarker.locate(picture, region)
        for _ in range(passes - 1):
            if presence < PRESENCE_MIN:
                return None
            landmarks, presence = landmarker.locate(picture, region_of(landmarks))
        if presence < PRESENCE_MIN:
            return None
        low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
        return Face(
            box=np.concatenate([low, high - low]).astype(np.float32),
            five_points=landmarks[list(FIVE_LANDMARKS), :2].copy(),
            landmarks=landmarks,
            presence=presence,
            blendshapes=self._network(Blendshapes).weights(landmarks),
            pose_deg=head_pose(landmarks),
        )

    def _network(self, kind: type[Network]) -> Network:
        with self._lock:
            if kind not in self._networks:
                self._networks[kind] = kind()
            return cast(Network, self._networks[kind])


def _overlap(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return intersection over union of two boxes (left, top, width, height)."""
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(first[:2] + first[2:], second[:2] + second[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    return shared / max(float(np.prod(first[2:]) + np.prod(second[2:])) - shared, 1e-6)
