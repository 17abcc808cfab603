"""The colours that a mouth is drawn with, measured on the face they belong to."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.frame import FACE_OVAL, LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS, FaceFrame
from avatars.engine.face.mouthline import MouthLine
from avatars.engine.portrait import Kind

LUMA_BGR: Final = np.array([0.114, 0.587, 0.299], np.float32)
TONGUE_OF_SKIN: Final = np.array([0.70, 0.66, 0.86], np.float32)
TOOTH_HUE_BGR: Final = np.array([0.90, 0.965, 1.025], np.float32)
CAVITY_HUE_BGR: Final = np.array([0.15, 0.14, 0.42], np.float32)
CAVITY_LUMA: Final = 0.225
# Skin redder than blue by this is an ordinary one in white light; by a third of that it may be one in cold light.
USUAL_WARMTH: Final = 1.55
COLOURFUL: Final = 0.35
COLD: Final = 0.4
# Teeth are about as bright as fair skin, and much brighter than dark skin: measured on smiles, less the light of a flash.
TOOTH_LUMA: Final = (60.0, 0.69)
TOOTH_BRIGHTEST: Final = 1.8
# The inside of the lips beside the lips themselves: darker, redder.
UPPER_INSIDE: Final = np.array([0.36, 0.36, 0.46], np.float32)
LOWER_INSIDE: Final = np.array([0.60, 0.60, 0.72], np.float32)
# Behind the lips so much of the light is what flesh throws back.
BOUNCE: Final = 0.33
TONE_PIXELS_MIN: Final = 64
ONE_TONE: Final = 0.024
"""So far, in shares of its brightness, may colours of a face depart from one tone for it to have none: grey or sepia.
Grey photographs depart from it by 0.014 at most, pale faces in colours by 0.035 at least."""
CAVITY_PAINT_BGR: Final = np.array([30, 20, 78], np.float32)
TONGUE_PAINT_BGR: Final = np.array([110, 95, 205], np.float32)
TOOTH_PAINT_BGR: Final = np.array([238, 244, 248], np.float32)
PAINTED_GAP_IOD: Final = 0.08
"""An opening that shows what a mouth is painted with; a narrower one may be the line between two lips."""
MUZZLE_LIP_BGR: Final = np.array([62, 56, 84], np.float32)
CHEEKS: Final = (205, 425, 50, 280)
LOWER_LIP_POINTS: Final = (84, 17, 314, 87, 14, 317)

ALIKE_LAB: Final = 12.0
SKIN_SAMPLES: Final = 18
MOUTH_CORNERS: Final = (61, 291)

Colour = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Palette:
    """BGR colours, 0..255 float32 (3,). upper_inside, lower_inside: of the lips, where they turn outwards.

    colourful: how much there are colours at all, 0 in a picture of one tone to 1.
    """

    skin: Colour
    lip: Colour
    tooth: Colour
    cavity: Colour
    tongue: Colour
    upper_inside: Colour
    lower_inside: Colour
    colourful: float = 1.0

    def shadow(self, by_channel: Colour) -> Colour:
        """What a shadow does to each channel, (3,) BGR factors or powers, as red as shadows are here."""
        return _muted(by_channel, self.colourful)

    @property
    def bounce(self) -> Colour:
        """The light between the lips that has been thrown back by them, once or more, of white light: (3,) BGR."""
        flesh = (self.lip * self.skin) ** 0.75
        return np.asarray(BOUNCE / max(1.0, float(flesh @ LUMA_BGR)) * flesh, np.float32)


def commonest_skin(lab: NDArray[np.float32], landmarks: NDArray[np.float32]) -> Colour:
    """The commonest colour (3,) between eyes and mouth of a picture in Lab: the paint of a drawn face."""
    height, width = lab.shape[:2]
    left, right = (landmarks[list(eye), :2].mean(axis=0) for eye in (LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS))
    mouth_left, mouth_right = landmarks[list(MOUTH_CORNERS), :2]
    share = np.linspace(0, 1, SKIN_SAMPLES, dtype=np.float32)[:, None]
    top, bottom = left + (right - left) * share, mouth_left + (mouth_right - mouth_left) * share
    at = (top[:, None] + (bottom - top)[:, None] * share[None]).reshape(-1, 2).round().astype(int)
    at = np.clip(at, 0, (width - 1, height - 1))
    seen = lab[at[:, 1], at[:, 0]]
    alike = np.linalg.norm(seen[:, None] - seen[None], axis=2) < ALIKE_LAB
    return np.asarray(seen[alike[int(alike.sum(axis=1).argmax())]].mean(axis=0), np.float32)


def measure_palette(
    picture: NDArray[np.uint8], landmarks: NDArray[np.float32], frame: FaceFrame, mouth: MouthLine, kind: Kind
) -> Palette:
    """The palette of a face; drawings and animals get plain mouth colours."""
    radius = max(2, round(0.05 * frame.iod_px))

    def median(ids: tuple[int, ...], size: int) -> Colour:
        patches = []
        for x, y in landmarks[list(ids), :2]:
            column, row = round(float(x)), round(float(y))
            patch = picture[max(0, row - size) : row + size + 1, max(0, column - size) : column + size + 1]
            if patch.size:
                patches.append(patch.reshape(-1, 3))
        pixels = np.concatenate(patches) if patches else np.full((1, 3), 128, np.uint8)
        return np.asarray(np.median(pixels, axis=0), np.float32)

    skin = np.maximum(median(CHEEKS, radius), 1)
    lip = np.maximum(median(LOWER_LIP_POINTS, max(1, radius // 3)), 1)
    if kind is Kind.DRAWING:
        lab = cv2.cvtColor(picture, cv2.COLOR_BGR2LAB).astype(np.float32)
        paint = commonest_skin(lab, landmarks)[None, None]
        skin = cv2.cvtColor(paint.round().astype(np.uint8), cv2.COLOR_LAB2BGR)[0, 0].astype(np.float32)
    if kind is not Kind.PHOTO:
        darkness = 0.8 if kind is Kind.ANIMAL else 1.0
        cavity, tongue = CAVITY_PAINT_BGR * darkness, TONGUE_PAINT_BGR * darkness
        if kind is Kind.DRAWING and mouth.gap > PAINTED_GAP_IOD:
            cavity, tongue = _drawn_mouth(picture, frame, mouth)
        if kind is Kind.ANIMAL:
            # Whatever colour the fur about it has, the rim of a muzzle's mouth is dark.
            lip = MUZZLE_LIP_BGR
        return Palette(skin, lip, TOOTH_PAINT_BGR, cavity, tongue, lip * UPPER_INSIDE, lip * LOWER_INSIDE)
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [landmarks[list(FACE_OVAL), :2].round().astype(np.int32)], 255)
    seen = picture[mask > 0].astype(np.float32)
    tone = _Tone.of(seen)
    luma = seen @ LUMA_BGR
    lit = luma[luma > np.median(luma)] if luma.size else np.array([128.0])
    lightest = min(float(np.percentile(luma, 90)), 1.12 * float(np.median(lit))) if luma.size else 128.0
    brightness = min(TOOTH_LUMA[0] + TOOTH_LUMA[1] * lightest, TOOTH_BRIGHTEST * lightest)
    # 0 on a face without any colour, 1 in white light, less than 0 where the light is blue.
    warmth = float(np.log(skin[2] / skin[0]) / np.log(USUAL_WARMTH))
    colourful = float(np.clip(warmth / COLOURFUL, 0, 1)) if tone is None else 0.0
    # Skin that is much redder than usual is so by itself; skin that is bluer is in blue light, and teeth are with it.
    warmer, colder = float(np.clip(warmth, 1.0, 2.2)) - 1.0, float(np.clip(warmth, -2.0, COLD)) - COLD
    tint = USUAL_WARMTH ** (0.25 * warmer + 0.40 * colder)
    hue = _muted(TOOTH_HUE_BGR, colourful) * np.array([1 / tint, 1, tint], np.float32)
    cheek = float(skin @ LUMA_BGR)
    lip_hue = lip / max(1.0, float(lip @ LUMA_BGR))
    cavity_hue = _muted(CAVITY_HUE_BGR, colourful) * np.float32(CAVITY_LUMA / float(CAVITY_HUE_BGR @ LUMA_BGR))
    tooth = np.asarray(np.minimum(hue / float(hue @ LUMA_BGR) * brightness, 250), np.float32)
    cavity = np.float32(0.5 * cheek) * (cavity_hue + np.float32(CAVITY_LUMA) * lip_hue)
    tongue = 0.475 * lip + 0.5 * skin * _muted(TONGUE_OF_SKIN, colourful)
    upper_inside, lower_inside = (lip * _muted(inside, colourful) for inside in (UPPER_INSIDE, LOWER_INSIDE))

    def toned(colour: NDArray[np.floating]) -> Colour:
        return np.asarray(colour if tone is None else tone.at(colour), np.float32)

    return Palette(
        skin=skin,
        lip=lip,
        tooth=toned(tooth),
        cavity=toned(cavity),
        tongue=toned(tongue),
        upper_inside=toned(upper_inside),
        lower_inside=toned(lower_inside),
        colourful=colourful,
    )


@dataclass(frozen=True, slots=True)
class _Tone:
    """How the colour of a picture of one tone follows from its brightness.

    bends: (3, 3) what B, G and R are beyond the luma, for each power of it. darkest, brightest: the luma that is known.
    """

    bends: NDArray[np.float32]
    darkest: float
    brightest: float

    @classmethod
    def of(cls, seen: NDArray[np.float32]) -> "_Tone | None":
        """The tone of BGR pixels (n, 3), None where they have colours."""
        if len(seen) < TONE_PIXELS_MIN:
            return None
        luma = seen @ LUMA_BGR
        bends, *_ = np.linalg.lstsq(_powers(luma), seen - luma[:, None], rcond=None)
        departs = seen - luma[:, None] - _powers(luma) @ bends
        if float(np.sqrt(np.square(departs).sum(axis=1).mean())) > ONE_TONE * max(1.0, float(luma.mean())):
            return None
        darkest, brightest = np.percentile(luma, (2, 98))
        return cls(bends.astype(np.float32), float(darkest), float(brightest))

    def at(self, colour: NDArray[np.floating]) -> Colour:
        """A colour (3,) in this tone, as bright as it was."""
        luma = float(colour @ LUMA_BGR)
        known = float(np.clip(luma, self.darkest, self.brightest))
        beyond = (_powers(np.array([known], np.float32)) @ self.bends)[0]
        # Where it is darker than anything known it fades, like all of the picture, towards black.
        return np.asarray(np.clip(luma + beyond * min(1.0, luma / max(known, 1.0)), 0, 255), np.float32)


def _powers(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    share = luma / np.float32(255)
    return np.stack([np.ones_like(share), share, share**2], axis=-1)


def _muted(hue: Colour, colourful: float) -> Colour:
    """A hue as it is seen on a face that is so colourful, 0..1: of a grey picture everything is grey."""
    luma = np.float32(hue @ LUMA_BGR)
    return np.asarray(luma + (hue - luma) * np.float32(colourful), np.float32)


def _drawn_mouth(picture: NDArray[np.uint8], frame: FaceFrame, mouth: MouthLine) -> tuple[Colour, Colour]:
    """The two colours that an open mouth is drawn with: at the top, and at the bottom where a tongue would be."""
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    local = frame.to_face(np.stack([columns, rows], axis=-1))
    x, y = local[..., 0], local[..., 1]
    upper, lower = (np.interp(x, mouth.xs, line) for line in (mouth.upper, mouth.lower))
    depth = (y - upper) / np.maximum(lower - upper, 1e-3)
    inside = (np.abs(x) < 0.8 * mouth.half_width) & (lower - upper > 0.5 * mouth.gap)

    def usual(low: float, high: float) -> Colour:
        pixels = picture[inside & (depth > low) & (depth < high)]
        return np.asarray(np.median(pixels, axis=0) if len(pixels) else CAVITY_PAINT_BGR, np.float32)

    return usual(0.12, 0.45), usual(0.65, 0.9)
