"""The contact sheet: one face in every pose that tends to go wrong, labelled, for a person to judge."""

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.activity import Activity
from avatars.engine.blending import blended
from avatars.engine.controls import Control, Controls, rest
from avatars.engine.expression import Mood, offsets
from avatars.engine.face.drawing import renderer_of
from avatars.engine.face.i420 import bgr_of
from avatars.engine.face.rig import Rig
from avatars.engine.gestures import GESTURES
from avatars.engine.portrait import Portrait

Picture = NDArray[np.uint8]

CELL_PX: Final = 300
COLUMNS: Final = 5
ZOOM_REACH_IOD: Final = 0.62
EYES_REACH_IOD: Final = 0.95
FACE_REACH_IOD: Final = 1.7
SPOKEN_CELLS: Final = 10
GESTURE_CELLS: Final = 8
ROW_PX: Final = 200
SENTENCE_PX: Final = 28
ROW_MOUTHS: Final = ("rest", "MBP", "AA", "IY", "UW", "S", "FV", "shout")
SPEAKING_RELAX: Final = 0.85
RESTING_RELAX: Final = 0.5

_C = Control

# Mouth shapes of speech at full strength.
VISEMES: Final[Mapping[str, Mapping[Control, float]]] = {
    "rest": {},
    "AA": {_C.JAW: 0.90, _C.UPPER_LIP: 0.23, _C.LOWER_LIP: 0.25, _C.WIDE: 0.05},
    "IY": {_C.JAW: 0.14, _C.UPPER_LIP: 0.28, _C.LOWER_LIP: 0.32, _C.WIDE: 0.70},
    "UW": {_C.JAW: 0.16, _C.UPPER_LIP: -0.05, _C.LOWER_LIP: 0.05, _C.ROUND: 1.0},
    "OW": {_C.JAW: 0.39, _C.UPPER_LIP: 0.02, _C.LOWER_LIP: 0.09, _C.ROUND: 0.78},
    "S": {_C.JAW: 0.06, _C.UPPER_LIP: 0.21, _C.LOWER_LIP: 0.25, _C.WIDE: 0.40},
    "MBP": {_C.JAW: 0.12, _C.PRESS: 0.60, _C.SEAL: 1.0},
    "FV": {_C.JAW: 0.12, _C.TUCK: 1.0},
    "L": {_C.JAW: 0.30, _C.UPPER_LIP: 0.16, _C.LOWER_LIP: 0.20, _C.WIDE: 0.18, _C.TONGUE: 0.9},
    "SH": {_C.JAW: 0.09, _C.UPPER_LIP: 0.21, _C.LOWER_LIP: 0.23, _C.ROUND: 0.60},
    "EH": {_C.JAW: 0.48, _C.UPPER_LIP: 0.28, _C.LOWER_LIP: 0.28, _C.WIDE: 0.40},
    "sealed, jaw open": {_C.JAW: 0.80, _C.SEAL: 1.0},
    "smile": {_C.SMILE: 0.8},
    "shout": {_C.JAW: 1.2, _C.UPPER_LIP: 0.5, _C.LOWER_LIP: 0.4},
    "half seal": {_C.JAW: 0.40, _C.SEAL: 0.6},
}
EYES: Final[Mapping[str, Mapping[Control, float]]] = {
    "blink .5": {_C.BLINK_LEFT: 0.5, _C.BLINK_RIGHT: 0.5},
    "blink 1": {_C.BLINK_LEFT: 1.0, _C.BLINK_RIGHT: 1.0},
    "gaze right": {_C.GAZE_X: 0.03},
    "gaze down": {_C.GAZE_Y: 0.025},
    "gaze up, brow": {_C.GAZE_Y: -0.02, _C.BROW: 0.04},
}
HEADS: Final[Mapping[str, Mapping[Control, float]]] = {
    "yaw -6": {_C.YAW_DEG: -6.0},
    "yaw 6": {_C.YAW_DEG: 6.0},
    "pitch 5": {_C.PITCH_DEG: 5.0},
    "roll 4": {_C.ROLL_DEG: 4.0},
    "all at once": {
        **{_C.JAW: 0.6, _C.YAW_DEG: 4.0, _C.PITCH_DEG: -3.0, _C.ROLL_DEG: 3.0, _C.BLINK_LEFT: 0.3, _C.BLINK_RIGHT: 0.3},
        **{_C.SHIFT_X: 0.03, _C.BREATH: 1.0},
    },
}


def sheet(portrait: Portrait, track: Controls | None = None) -> Picture:
    """Draw the contact sheet of a portrait, (height, width, 3) uint8 BGR.

    track: (frames, CONTROL_COUNT), shown as a row of frames at equal distances where it is given.
    """
    rig = Rig.from_portrait(portrait)
    shapes = {name: _draw(rig, values, SPEAKING_RELAX if values else 0.0) for name, values in VISEMES.items()}
    eyes = {name: _draw(rig, values, 0.0) for name, values in EYES.items()}
    heads = {name: _draw(rig, values, RESTING_RELAX) for name, values in HEADS.items()}
    cells = [_label(_mouth(rig, picture), name) for name, picture in shapes.items()]
    cells += [_label(_eyes(rig, picture), name) for name, picture in eyes.items()]
    cells += [_label(_whole(shapes[name]), name) for name in list(VISEMES)[:COLUMNS]]
    cells += [_label(_whole(picture), name) for name, picture in heads.items()]
    if track is not None:
        for index in np.linspace(0, len(track) - 1, SPOKEN_CELLS).round().astype(int):
            cells.append(_label(_mouth(rig, _drawn(rig, track[index])), f"frame {index}"))
    rows = [np.hstack(cells[start : start + COLUMNS]) for start in range(0, len(cells), COLUMNS)]
    return np.vstack(rows)


def row(portrait: Portrait, name: str) -> Picture:
    """Draw what most easily goes wrong as one row of a sheet of many faces, (ROW_PX, width, 3) uint8 BGR.

    The source, the mouth in eight shapes, then the whole picture with an open mouth, and with closed eyes and a turned head.
    """
    rig = Rig.from_portrait(portrait)
    shapes = {
        each: _draw(rig, VISEMES[each], RESTING_RELAX if each == "rest" else SPEAKING_RELAX) for each in ROW_MOUTHS
    }
    turned = _draw(rig, {**EYES["blink 1"], **HEADS["yaw 6"]}, RESTING_RELAX)
    cells = [(_whole(portrait.picture), name)]
    cells += [(_mouth(rig, picture), each) for each, picture in shapes.items()]
    cells += [(_whole(shapes["AA"]), "AA"), (_whole(turned), "blink, yaw 6")]
    return np.hstack([_label(_small(cell), text) for cell, text in cells])


def refused_row(name: str, sentence: str) -> Picture:
    """A line that says why there is no row of this face, as wide as one of `row`."""
    empty = np.zeros((SENTENCE_PX, ROW_PX * (len(ROW_MOUTHS) + 3), 3), np.uint8)
    return _label(empty, f"{name}: {sentence}")


def gesture_sheet(portrait: Portrait) -> Picture:
    """Draw every gesture of a portrait as a row of frames, the moods above, (height, width, 3) uint8 BGR."""
    rig = Rig.from_portrait(portrait)
    at_rest = rest()
    at_rest[Control.RELAX] = RESTING_RELAX

    def cell(added: Controls, name: str) -> Picture:
        return _label(_face(rig, _drawn(rig, blended(at_rest, added))), name)

    cells = [cell(offsets(mood, Activity.IDLE), mood) for mood in Mood]
    cells += [np.zeros_like(cells[0])] * (GESTURE_CELLS - len(cells))
    for gesture in GESTURES.values():
        for index in np.linspace(0, gesture.frames - 1, GESTURE_CELLS + 2).round().astype(int)[1:-1]:
            cells.append(cell(gesture.track[index], f"{gesture.word} {index}"))
    rows = [np.hstack(cells[start : start + GESTURE_CELLS]) for start in range(0, len(cells), GESTURE_CELLS)]
    return np.vstack(rows)


def _vector(values: Mapping[Control, float]) -> Controls:
    controls = rest()
    for control, value in values.items():
        controls[control] = value
    return controls


def _draw(rig: Rig, values: Mapping[Control, float], relax: float) -> Picture:
    return _drawn(rig, _vector({Control.RELAX: relax, **values}))


def _drawn(rig: Rig, controls: Controls) -> Picture:
    """The first frame of a session of its own: a face from a video is then where its portrait shows it."""
    return bgr_of(renderer_of(rig).render(controls))


def _cut(picture: Picture, centre: NDArray[np.float32], reach_px: float) -> Picture:
    """A square around `centre`, enlarged to a cell; where the picture ends its edge goes on."""
    x, y = float(centre[0]) - reach_px, float(centre[1]) - reach_px
    scale = 2 * reach_px / CELL_PX
    at = np.array([[scale, 0, x], [0, scale, y]], np.float32)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    cell = cv2.warpAffine(picture, at, (CELL_PX, CELL_PX), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cell, np.uint8)


def _mouth(rig: Rig, picture: Picture) -> Picture:
    return _cut(picture, rig.frame.to_pixels(np.array([0, 0.06], np.float32)), ZOOM_REACH_IOD * rig.frame.iod_px)


def _eyes(rig: Rig, picture: Picture) -> Picture:
    middle = rig.frame.eyes_middle - 0.1 * rig.frame.iod_px * rig.frame.down
    return _cut(picture, middle, EYES_REACH_IOD * rig.frame.iod_px)


def _face(rig: Rig, picture: Picture) -> Picture:
    middle = (rig.frame.eyes_middle + rig.frame.origin) * np.float32(0.5)
    return _cut(picture, middle, FACE_REACH_IOD * rig.frame.iod_px)


def _whole(picture: Picture) -> Picture:
    """The whole picture in a square cell."""
    height, width = picture.shape[:2]
    scale = CELL_PX / max(height, width)
    small = cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    cell = np.zeros((CELL_PX, CELL_PX, 3), np.uint8)
    cell[: small.shape[0], : small.shape[1]] = small
    return cell


def _small(cell: Picture) -> Picture:
    return np.asarray(cv2.resize(cell, (ROW_PX, ROW_PX), interpolation=cv2.INTER_AREA), np.uint8)


def _label(cell: Picture, name: str) -> Picture:
    for colour, thickness in (((0, 0, 0), 3), ((0, 255, 255), 1)):
        cv2.putText(cell, name, (5, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, thickness, cv2.LINE_AA)
    return cell
