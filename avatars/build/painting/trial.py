"""Whether a trained network paints the mouth better than it is drawn, on the part of the clip that it never saw.

Everything is measured as it will be seen: by the network as it is in the file, painted by the painter that paints it live.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.build.painting.ground import Ground
from avatars.build.painting.lessons import Drawer, Lessons
from avatars.engine.controls import MOUTH, Control, rest
from avatars.engine.face import Rig
from avatars.engine.face.i420 import bgr_of
from avatars.engine.face.mouthbox import CHANGED, HALF, IOD, SIDE, MouthBox, box_pixels
from avatars.engine.face.painter import MouthPainter
from avatars.engine.face.weights import shape_weights
from avatars.engine.footage import OwnMouth
from avatars.engine.mouth_network import MouthNetwork, painter_with
from avatars.engine.perception import Perception
from avatars.engine.speech import Phone
from avatars.engine.speech.coarticulation import mouth_from_phones

# What is asked of a network that is to be used.
BETTER_DB: Final = 2.0
TEXTURE: Final = (0.75, 1.35)
SLOPE_MIN: Final = 0.85
FLICKER_MAX: Final = 1.1
CLOSED_IOD: Final = 0.03
CLOSED_MIN: Final = 0.99
# Of what is said to it, lips that the network learnt from must be so much.
KNOWN_MIN: Final = 0.7
# Who knew, mama, papa, fifty-five, waffles, she sees, oh no, three, cheap: every shape, each phone as long.
PHRASE: Final = (
    *(
        "HH",
        "UW",
        "N",
        "UW",
        "M",
        "AA",
        "M",
        "AH",
        "P",
        "AA",
        "P",
        "AH",
        "F",
        "IH",
        "F",
        "T",
        "IY",
        "F",
        "AA",
        "IH",
        "V",
    ),
    *("W", "AA", "F", "AH", "L", "Z", "SH", "IY", "S", "IY", "Z", "OW", "N", "OW", "TH", "R", "IY", "CH", "IY", "P"),
)
PHONE_S: Final = 0.09
# So far wider may lips be drawn to make up for a network that opens them less.
GAIN_MAX: Final = 1.3
LOOKED_AT: Final = 48
SEALED_LOOKS: Final = 12
REGION_IOD: Final = 0.13
WITHIN: Final = 0.9
FINE_PX: Final = 2.0

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Trial:
    """What was measured on n_open open mouths that were held out.

    drawn_db, painted_db: PSNR of the lips and around, against what was filmed. texture: detail inside the mouth, painted
    over real. flicker: how jerky painted pictures follow each other, over how jerky drawn ones do. slope: how far lips
    are seen open, over how far they really were, with the gain; bare_slope: without; drawn_slope: when only drawn.
    closed: share of sealed lips seen closed. known: how much of what the network makes is shown in ordinary speech.
    """

    n_open: int
    drawn_db: float
    painted_db: float
    texture: float
    flicker: float
    drawn_slope: float
    bare_slope: float
    slope: float
    gain: float
    closed: float
    known: float

    @property
    def passed(self) -> bool:
        """Whether the network is to be used."""
        return not self.faults

    @property
    def faults(self) -> tuple[str, ...]:
        """What speaks against using it, in words."""
        found = (
            (self.painted_db >= self.drawn_db + BETTER_DB, "it comes hardly nearer to what was filmed"),
            (TEXTURE[0] <= self.texture <= TEXTURE[1], "the inside of the mouth is too soft or too harsh"),
            (self.flicker <= FLICKER_MAX, "it flickers"),
            (self.slope >= SLOPE_MIN, "the mouth does not open far enough"),
            (self.closed >= CLOSED_MIN, "the lips do not close"),
            (self.known >= KNOWN_MIN, "it hardly shows the lips of ordinary speech, perhaps because of a smile"),
        )
        return tuple(words for holds, words in found if not holds)

    def to_json(self) -> dict[str, Any]:
        """The measures, rounded."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


def try_network(network: bytes, ground: Ground, held_out: Lessons, openings_iod: Array, rig: Rig) -> Trial:
    """Try a network. openings_iod: (n,) how far the lips were seen open in the clip's own pictures."""
    run, drawer = MouthNetwork(network), Drawer(rig)
    opened = held_out.opened
    drawn, amount, filmed = (_shares(one) for one in (held_out.drawn, held_out.painted[:, None], held_out.real))
    changes = np.stack([run(one, told) for one, told in zip(drawn, held_out.controls, strict=True)])
    painted = _bgr(drawn[:, :CHANGED] + changes * amount)
    before, real = _bgr(drawn[:, :CHANGED]), _bgr(filmed)
    region, inside = _regions(held_out, rig), _large(drawn[:, CHANGED]) > WITHIN
    at = np.flatnonzero(opened)
    at = at[np.linspace(0, len(at) - 1, min(LOOKED_AT, len(at))).round().astype(int)]
    wanted = openings_iod[at]

    def slope(painter: MouthPainter | None) -> float:
        seen = np.array([_opening(rig, drawer, painter, held_out.weights[k], int(held_out.sources[k])) for k in at])
        known = np.isfinite(seen)
        return float(seen[known] @ wanted[known] / max(float(np.square(wanted[known]).sum()), 1e-6))

    bare = slope(painter_with(rig, OwnMouth(network, 1.0)))
    gain = round(float(np.clip(1 / max(bare, 1e-3), 1, GAIN_MAX)), 3)
    painter = painter_with(rig, OwnMouth(network, gain))
    return Trial(
        n_open=int(opened.sum()),
        drawn_db=_psnr_db(before[opened], real[opened], region[opened]),
        painted_db=_psnr_db(painted[opened], real[opened], region[opened]),
        texture=_detail(painted[opened], inside[opened]) / max(_detail(real[opened], inside[opened]), 1e-6),
        flicker=_jerk(painted, held_out.frames, region) / max(_jerk(before, held_out.frames, region), 1e-6),
        drawn_slope=slope(None),
        bare_slope=bare,
        slope=slope(painter),
        gain=gain,
        closed=_closed(rig, drawer, painter),
        known=_known(rig, ground, painter),
    )


def _known(rig: Rig, ground: Ground, painter: MouthPainter) -> float:
    """How much of its change the network shows while `PHRASE` is spoken."""
    phones = tuple(Phone(symbol, PHONE_S * k, PHONE_S * (k + 1)) for k, symbol in enumerate(PHRASE))
    mouth = mouth_from_phones(phones, PHONE_S * len(phones))
    controls = rest(len(mouth))
    controls[:, MOUTH] = mouth
    box = MouthBox(rig)
    asked = [painter.opened(shape_weights(one, rig.portrait.kind, rig.mouth)) for one in controls]
    painted = [box.controls(weights) for weights in asked if float(box.masks(weights)[1].max()) > WITHIN / 2]
    return float(ground.known(np.stack(painted)).mean()) if painted else 0.0


def _opening(rig: Rig, drawer: Drawer, painter: MouthPainter | None, weights: Array, source: int) -> float:
    """How far lips of these weights are seen apart, IOD; not a number where no face is found."""
    footage = rig.portrait.footage
    assert footage is not None
    asked = weights if painter is None else painter.opened(weights)
    picture = drawer.draw(source, asked)
    pose = footage.poses[source]
    if painter is not None:
        painter.paint(picture, pose, asked)
    marks = rig.portrait.landmarks.copy()
    marks[:, :2] = marks[:, :2] @ pose[:, :2].T + pose[:, 2]
    face = Perception.shared().refine(bgr_of(picture), marks)
    return float("nan") if face is None else face.opening_iod


def _closed(rig: Rig, drawer: Drawer, painter: MouthPainter) -> float:
    footage = rig.portrait.footage
    assert footage is not None
    controls = rest()
    controls[[Control.JAW, Control.SEAL, Control.PRESS, Control.RELAX]] = 0.3, 1.0, 0.5, 1.0
    weights = shape_weights(controls, rig.portrait.kind, rig.mouth)
    sources = np.linspace(0, len(footage) - 1, SEALED_LOOKS).astype(int)
    seen = [_opening(rig, drawer, painter, weights, int(source)) for source in sources]
    known = [gap for gap in seen if np.isfinite(gap)]
    return sum(gap < CLOSED_IOD for gap in known) / len(known) if known else 0.0


def _shares(pictures: Picture) -> Array:
    return pictures.astype(np.float32) / np.float32(255)


def _bgr(boxes: Array) -> Picture:
    """Boxes (n, CHANGED, HALF, HALF) of 0..1 as BGR (n, SIDE, SIDE, 3)."""
    whole = np.clip(boxes * 255 + 0.5, 0, 255).astype(np.uint8)
    luma = whole[:, :4].reshape(-1, 2, 2, HALF, HALF).transpose(0, 3, 1, 4, 2).reshape(-1, SIDE * SIDE)
    planes = np.concatenate([luma, whole[:, 4:].reshape(len(whole), -1)], axis=1)
    return np.stack([bgr_of(one.reshape(SIDE * 3 // 2, SIDE)) for one in planes])


def _regions(held_out: Lessons, rig: Rig) -> NDArray[np.bool_]:
    """The lips and so much around them, (n, SIDE, SIDE)."""
    box, side = MouthBox(rig), 2 * round(REGION_IOD * IOD / 2) + 1
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    found = np.zeros((len(held_out), HALF, HALF), np.uint8)
    for mask, weights in zip(found, held_out.weights, strict=True):
        hull = cv2.convexHull(box_pixels(box.lines(weights)[2]))
        cv2.fillConvexPoly(mask, hull.round().astype(np.int32), (1,))
    return _large(np.stack([cv2.dilate(mask, around) for mask in found]).astype(np.float32)) > WITHIN / 2


def _large(masks: Array) -> Array:
    return np.stack([cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR) for mask in masks])


def _psnr_db(made: Picture, real: Picture, region: NDArray[np.bool_]) -> float:
    error = np.square(made[region].astype(np.float32) - real[region]).mean()
    return float(10 * np.log10(255**2 / max(float(error), 1e-6)))


def _detail(pictures: Picture, region: NDArray[np.bool_]) -> float:
    """How much fine detail there is in a region, grey levels."""
    greys = pictures.astype(np.float32).mean(axis=-1)
    fine = np.stack([grey - cv2.GaussianBlur(grey, (0, 0), FINE_PX) for grey in greys])
    return float(np.sqrt(np.square(fine[region]).mean())) if region.any() else 0.0


def _jerk(pictures: Picture, frames: NDArray[np.intp], region: NDArray[np.bool_]) -> float:
    """The second difference of pictures that follow each other, grey levels."""
    greys = pictures.astype(np.float32).mean(axis=-1)
    middle = np.flatnonzero((np.diff(frames)[:-1] == 1) & (np.diff(frames)[1:] == 1)) + 1
    seconds = [np.abs(greys[k + 1] - 2 * greys[k] + greys[k - 1])[region[k]] for k in middle]
    return float(np.concatenate(seconds).mean()) if seconds else 0.0
