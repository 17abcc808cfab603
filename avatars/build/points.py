"""Six points placed by hand, and the whole mesh fitted to them."""

import math
from dataclasses import astuple, dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from avatars.build.refusal import BuildRefused
from avatars.build.thinplate import ThinPlate
from avatars.engine.perception import canonical_mesh

IOD_MIN_PX: Final = 20
IRIS_SHARE: Final = 0.19
"""Radius of an iris in widths of its eye."""
# Each eye: outer and inner corner, upper and lower lid middle; the iris centre and its ring follow at 468 and 473.
_EYES: Final = ((33, 133, 159, 145, 468), (263, 362, 386, 374, 473))
_INNER_UPPER: Final = (191, 80, 81, 82, 13, 312, 311, 310, 415)
_INNER_LOWER: Final = (95, 88, 178, 87, 14, 317, 402, 318, 324)
_MOUTH_LEFT, _MOUTH_RIGHT, _LIP_UPPER, _LIP_LOWER, _CHIN = 61, 291, 13, 14, 152


@dataclass(frozen=True, slots=True)
class FacePoints:
    """Six points (x, y) in pixels of the source; left and right as seen in the picture."""

    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    mouth_left: tuple[float, float]
    mouth_right: tuple[float, float]
    mouth_middle: tuple[float, float]
    chin: tuple[float, float]

    @classmethod
    def from_json(cls, content: Any) -> "FacePoints":
        """Read the six points from `{"left_eye": [x, y], ...}`. Raises `BuildRefused`."""
        names = [field.name for field in fields(cls)]
        try:
            values = {name: (float(content[name][0]), float(content[name][1])) for name in names}
            fits = all(len(content[name]) == 2 for name in names)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise _bad("Give all six points as [x, y]: " + ", ".join(names) + ".") from error
        if not fits or not all(math.isfinite(value) for point in values.values() for value in point):
            raise _bad("Give all six points as two numbers each: " + ", ".join(names) + ".")
        return cls(**values)

    @classmethod
    def of(cls, landmarks: NDArray[np.float32]) -> "FacePoints":
        """Return where the six points stand on a mesh (478, 3) that was found."""
        return cls(*((round(float(x), 1), round(float(y), 1)) for x, y in anchors(landmarks)))

    def to_json(self) -> dict[str, list[float]]:
        """Return the points as JSON values."""
        return {field.name: [float(value) for value in getattr(self, field.name)] for field in fields(self)}

    def array(self) -> NDArray[np.float32]:
        """Return the points (6, 2) float32 in the order of the fields."""
        return np.array(astuple(self), np.float32)

    def scaled(self, factor: float) -> "FacePoints":
        """Return the points of the same picture drawn `factor` times as large."""
        return FacePoints(*((x * factor, y * factor) for x, y in astuple(self)))

    def quarter_turns(self) -> int:
        """Return how many quarter turns, anticlockwise, bring the face nearest to upright, 0 to 3; 0 where that is unsure."""
        left, right = np.array(self.left_eye), np.array(self.right_eye)
        across, down = right - left, np.array(self.chin) - (left + right) / 2
        by_eyes = round(math.degrees(math.atan2(across[1], across[0])) / 90) % 4
        by_chin = round(math.degrees(math.atan2(-down[0], down[1])) / 90) % 4
        return by_eyes if by_eyes == by_chin else 0

    def turned(self, quarters: int, width: int, height: int) -> "FacePoints":
        """Return the points of a picture of this size, turned anticlockwise by quarters."""
        points = self.array()
        for _ in range(quarters):
            points = np.stack([points[:, 1], width - 1 - points[:, 0]], axis=1)
            width, height = height, width
        return FacePoints(*((float(x), float(y)) for x, y in points))

    def check(self, width: int, height: int) -> None:
        """Refuse points that cannot be a face in a picture of this size. Raises `BuildRefused`."""
        points = self.array()
        if (points < 0).any() or (points >= (width, height)).any():
            raise _bad("Every point has to lie inside the picture. Place the six points again.")
        left_eye, right_eye, mouth_left, mouth_right, middle, chin = points
        across = right_eye - left_eye
        iod_px = float(np.hypot(*across))
        if iod_px < IOD_MIN_PX:
            raise _bad(
                f"The eyes are only {iod_px:.0f} pixels apart and need {IOD_MIN_PX}. "
                "Place the six points again, or use a larger picture."
            )
        across = across / iod_px
        down = np.array([-across[1], across[0]])
        mouth_px = float((mouth_right - mouth_left) @ across)
        drop = float((middle - (left_eye + right_eye) / 2) @ down)
        if not 0.15 * iod_px < mouth_px < 4 * iod_px:
            raise _bad("Left and right are as you see them in the picture. Place eyes and mouth corners again.")
        if drop < 0.2 * iod_px or float((chin - middle) @ down) < 0.08 * iod_px:
            raise _bad("The mouth belongs below the eyes and the chin below the mouth. Place the six points again.")


def _bad(message: str) -> BuildRefused:
    return BuildRefused("bad_points", message)


def template() -> NDArray[np.float32]:
    """Return the mean face, lips closed, with irises: (478, 3) float32 centimetres, x right, y down, z away."""
    mesh = canonical_mesh().copy()
    # The mean face's lips stand apart; a picture marked by hand is taken to show a closed mouth.
    seam = (mesh[list(_INNER_UPPER)] + mesh[list(_INNER_LOWER)]) / 2
    mesh[list(_INNER_UPPER)] = mesh[list(_INNER_LOWER)] = seam
    irises = []
    for outer, inner, upper, lower, _ in _EYES:
        centre = mesh[[outer, inner, upper, lower]].mean(axis=0)
        radius = IRIS_SHARE * float(np.hypot(*(mesh[outer, :2] - mesh[inner, :2])))
        ring = [(radius, 0), (0, -radius), (-radius, 0), (0, radius)]
        irises += [centre, *(centre + np.array([x, y, 0], np.float32) for x, y in ring)]
    return np.concatenate([mesh, np.array(irises, np.float32)]).astype(np.float32)


def anchors(mesh: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return where the six points stand on a mesh (478, 3): (6, 2) float32 in the order of `FacePoints`."""
    flat = mesh[:, :2]
    eyes = [flat[[outer, inner]].mean(axis=0) for outer, inner, *_ in _EYES]
    middle = flat[[_LIP_UPPER, _LIP_LOWER]].mean(axis=0)
    return np.array([*eyes, flat[_MOUTH_LEFT], flat[_MOUTH_RIGHT], middle, flat[_CHIN]], np.float32)


def fitted_mesh(points: FacePoints) -> NDArray[np.float32]:
    """Return the template bent so that its six anchors lie on the points: (478, 3) float32 in the points' pixels."""
    mesh = template()
    target = points.array()
    warp = ThinPlate(anchors(mesh), target)
    fitted = mesh.copy()
    fitted[:, :2] = warp(mesh[:, :2])
    iod_cm = float(np.hypot(*(anchors(mesh)[1] - anchors(mesh)[0])))
    iod_px = float(np.hypot(*(target[1] - target[0])))
    fitted[:, 2] = (mesh[:, 2] - mesh[:, 2].mean()) * iod_px / iod_cm
    return fitted
