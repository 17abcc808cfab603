"""The person's own upper teeth, where a picture shows them: found, cleaned of what is not tooth, put behind the lips."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.falloff import smoothstep
from avatars.engine.face.frame import FaceFrame
from avatars.engine.face.mouthline import MouthLine
from avatars.engine.face.palette import LUMA_BGR, Palette

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]

# The upright grid over a face that teeth are looked for on: so many steps to an IOD, as fine as the picture within limits.
REACH_X_IOD: Final = 0.62
REACH_Y_IOD: Final = 0.32
STEPS_PER_IOD: Final = (160.0, 320.0)
# A mouth in which nothing is so bright, in parts of the skin, shows no teeth.
BRIGHT_MIN: Final = 0.6
# A tongue is redder than skin, teeth are not.
REDNESS_MAX: Final = 1.04
HEIGHT_IOD: Final = (0.022, 0.30)
EDGE_MIN: Final = 0.10
SHARE_MIN: Final = 0.35
# So much of the middle half of the mouth shows teeth, each column so surely.
SHOWN_MIN: Final = 0.6
PRESENT_MIN: Final = 0.5
# Between the lip and the edge there is this much tooth; less, and a dark mouth is between.
SOLID_MIN: Final = 0.55
# What a path along the incisal edge pays for each step up or down.
STEP_PENALTY: Final = 0.045
# How much better a later edge must be for each bit of a dark line that is passed before it: behind that are lower teeth.
PASSED_PENALTY: Final = 3.0
# Where rows close on each other there may be no line between them; teeth are not longer than this for nothing.
LONG_IOD: Final = 0.15
LONG_PENALTY: Final = 4.0
# Teeth stand in a row: so far may an edge depart from an even curve.
UNEVEN_IOD: Final = 0.009
EVEN_IOD: Final = 0.009
ABOVE_IOD: Final = 0.12
RIM_IOD: Final = 0.045

# How bright own teeth may be, of what drawn ones would be, and how far they are brought there.
LIGHT: Final = (0.72, 1.20)
GAIN: Final = (0.80, 1.40)


@dataclass(frozen=True, slots=True)
class OwnTeeth:
    """A row of teeth over face coordinates.

    colours: (rows, columns, 3) float32 BGR; cover: (rows, columns) 0..1; edge_y: where the middle ones end; share: how
    much of what is seen of teeth in a smile is here.
    """

    colours: Array
    cover: Array
    step_iod: float
    edge_y: float
    share: float

    def at(self, places: Array) -> Picture:
        """BGR and cover (..., 4) uint8 at places (rows, columns, 2), face coordinates."""
        rows, columns = self.cover.shape
        x = places[..., 0] / self.step_iod + np.float32((columns - 1) / 2)
        y = places[..., 1] / self.step_iod + np.float32((rows - 1) / 2)
        stack = np.dstack([self.colours, 255 * self.cover])
        drawn = cv2.remap(stack, x.astype(np.float32), y.astype(np.float32), cv2.INTER_CUBIC)
        return np.asarray(np.clip(drawn + 0.5, 0, 255), np.uint8)

    def over(self, frame: FaceFrame, size: tuple[int, int]) -> Picture:
        """The same (height, width, 4) uint8 where they are in a picture of that width and height."""
        xs, ys = (np.arange(count, dtype=np.float32) for count in size)
        return self.at(frame.to_face(np.stack(np.meshgrid(xs, ys), axis=-1)))


def find_teeth(picture: Picture, frame: FaceFrame, mouth: MouthLine, palette: Palette) -> OwnTeeth | None:
    """The upper teeth that a picture shows, or None where it shows none to speak of."""
    if not mouth.is_open:
        return None
    step = 1 / float(np.clip(frame.iod_px, *STEPS_PER_IOD))
    xs = _axis(REACH_X_IOD, step)
    ys = _axis(REACH_Y_IOD, step)
    x, y = np.meshgrid(xs, ys)
    pixels = frame.to_pixels(np.stack([x, y], axis=-1))
    flags, border = cv2.INTER_CUBIC, cv2.BORDER_REPLICATE
    seen = cv2.remap(picture, pixels[..., 0], pixels[..., 1], flags, borderMode=border).astype(np.float32)
    upper = np.interp(xs, mouth.xs, mouth.upper).astype(np.float32)
    lower = np.interp(xs, mouth.xs, mouth.lower).astype(np.float32)
    within = np.abs(xs) < 0.97 * mouth.half_width
    white = _whiteness(seen, (y > upper + 0.008) & (y < lower - 0.004) & within, palette, step)
    if white is None:
        return None
    edge, clear = _incisal_edge(white, ys, upper, lower, step)
    present = _presence(white, y, upper, edge, within, step)
    middle = np.abs(xs) < 0.5 * mouth.half_width
    shown = middle & (present > PRESENT_MIN)
    if shown.sum() < SHOWN_MIN * middle.sum() or not _is_row(white, y, upper, edge, clear, shown):
        return None
    edge = _evened(edge, xs, present, step)
    across = cv2.GaussianBlur(smoothstep(0.26, 0.52, present)[None], (0, 0), 0.020 / step)[0]
    cover = across * smoothstep(0.003, -0.004, y - edge) * smoothstep(0.002, 0.014, y - upper)
    share = float(cover.sum()) * step**2 / (2 * mouth.half_width * 0.10)
    if share < SHARE_MIN:
        return None
    colours = _in_light(_cleaned(seen, white, y, upper, edge, step), cover, palette)
    colours, cover = _grown(colours, cover, white, y, upper, step)
    cover = np.asarray(cv2.GaussianBlur(cover, (0, 0), max(0.004 / step, 0.4)), np.float32)
    return OwnTeeth(colours, cover, step, float(np.median(edge[np.abs(xs) < 0.10])), share)


def _is_row(white: Array, y: Array, upper: Array, edge: Array, clear: Array, shown: NDArray[np.bool_]) -> bool:
    """Whether what is between the lip and the edge, in the columns that show teeth, is a row of them."""
    between = (y > upper + 0.012) & (y < edge)
    solid = (np.minimum(white, 1) * between).sum(axis=0) / np.maximum(between.sum(axis=0), 1)
    lowest, highest = HEIGHT_IOD
    height = float((edge - upper)[shown].mean())
    return bool(
        lowest < height < highest and clear[shown].mean() > EDGE_MIN and float(np.median(solid[shown])) > SOLID_MIN
    )


def _axis(reach: float, step: float) -> Array:
    steps = round(reach / step)
    return (np.arange(-steps, steps + 1) * step).astype(np.float32)


def _mean_over(values: Array, first: float, last: float, step: float) -> Array:
    """The mean of each column between so many IOD from each place, downwards."""
    low, high = round(first / step), max(round(last / step), round(first / step))
    kernel = np.zeros((2 * max(abs(low), abs(high)) + 1, 1), np.float32)
    middle = len(kernel) // 2
    kernel[middle + low : middle + high + 1] = 1 / (high - low + 1)
    return np.asarray(cv2.filter2D(values, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.float32)


def _whiteness(seen: Array, inside: NDArray[np.bool_], palette: Palette, step: float) -> Array | None:
    """How much each place is like tooth, about 1 where it is; None where nothing is.

    Teeth are dimmer towards the corners, so each column has a measure of its own.
    """
    luma = seen @ LUMA_BGR
    redness = seen[..., 2] / np.maximum(seen[..., 1], 1)
    if not inside.any():
        return None
    brightest = float(np.percentile(luma[inside], 85))
    tooth = inside & (luma > 0.85 * brightest)
    tooth_red = float(np.median(redness[tooth]))
    skin_red, lip_red = (float(colour[2] / colour[1]) for colour in (palette.skin, palette.lip))
    if brightest < BRIGHT_MIN * float(palette.skin @ LUMA_BGR) or tooth_red > REDNESS_MAX * skin_red:
        return None
    flesh = max(lip_red, skin_red)
    red = smoothstep(0.35, 0.80, (redness - tooth_red) / (flesh - tooth_red)) if flesh > tooth_red + 0.06 else 0 * luma
    clean = np.where(inside & (red < 0.5), luma, np.nan)
    columns = np.full(luma.shape[1], 0.0, np.float32)
    some = np.isfinite(clean).sum(axis=0) > 2
    columns[some] = np.nanpercentile(clean[:, some], 80, axis=0)
    local = cv2.GaussianBlur(columns[None], (0, 0), 0.06 / step, borderType=cv2.BORDER_REPLICATE)
    weight = cv2.GaussianBlur(some[None].astype(np.float32), (0, 0), 0.06 / step, borderType=cv2.BORDER_REPLICATE)
    local = np.clip(local / np.maximum(weight, 1e-3), 0.48 * brightest, 1.1 * brightest)
    return np.asarray(np.clip(luma / local, 0, 1.1) * (1 - 0.8 * red), np.float32)


def _incisal_edge(white: Array, ys: Array, upper: Array, lower: Array, step: float) -> tuple[Array, Array]:
    """Where the upper teeth end in each column, and how clear an edge that is: a path from side to side where what is
    above is tooth and what is just below is not, and before which no dark line is passed."""
    white = np.asarray(cv2.GaussianBlur(white, (0, 0), 0.008 / step, sigmaY=0.4), np.float32)
    above = _mean_over(white, -0.028, -0.006, step)
    reach = max(1, round(0.012 / step))
    below = cv2.erode(white, np.ones((reach, 1), np.uint8), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    after = _mean_over(white, 0.016, 0.034, step)
    dip = np.maximum(0, np.minimum(above, after) - below)
    passed = np.maximum.accumulate(dip, axis=0)
    behind = round(0.016 / step)
    passed = np.concatenate([np.zeros_like(passed[:behind]), passed[:-behind]])
    clear = np.clip(above, 0, 1) - below
    gain = clear - PASSED_PENALTY * passed
    gain -= LONG_PENALTY * np.maximum(0, ys[:, None] - upper - LONG_IOD)
    gain[(ys[:, None] < upper + 0.024) | (ys[:, None] > lower + 0.010)] = -1.0
    rows, columns = gain.shape
    best, came_from = gain.copy(), np.zeros(gain.shape, np.int8)
    moves = np.array([0, -1, 1, -2, 2])
    for column in range(1, columns):
        before = np.pad(best[:, column - 1], 2, constant_values=-np.inf)
        options = np.stack([before[2 + move : 2 + move + rows] - STEP_PENALTY * abs(move) for move in moves])
        choice = options.argmax(axis=0)
        came_from[:, column] = moves[choice]
        best[:, column] += options[choice, np.arange(rows)]
    path = np.zeros(columns, np.intp)
    path[-1] = int(best[:, -1].argmax())
    for column in range(columns - 1, 0, -1):
        path[column - 1] = path[column] + came_from[path[column], column]
    return ys[path], clear[path, np.arange(columns)]


def _presence(white: Array, y: Array, upper: Array, edge: Array, within: NDArray[np.bool_], step: float) -> Array:
    """How surely each column shows teeth; once it does not, towards a corner, none beyond it does."""
    rows = (y > np.maximum(upper + 0.008, edge - 0.06)) & (y < edge - 0.004)
    mean = (white * rows).sum(axis=0) / np.maximum(rows.sum(axis=0), 1)
    mean = np.where(within & (rows.sum(axis=0) > 1), mean, 0).astype(np.float32)
    soft = cv2.GaussianBlur(mean[None], (0, 0), 0.026 / step)[0]
    middle = len(soft) // 2
    outwards = np.concatenate([np.minimum.accumulate(soft[middle::-1])[:0:-1], np.minimum.accumulate(soft[middle:])])
    return np.asarray(outwards, np.float32)


def _evened(edge: Array, xs: Array, present: Array, step: float) -> Array:
    """The edge without kinks: near an even curve, whatever single columns say."""
    weights = np.where(present > 0.4, 1.0, 1e-3)
    fit = np.zeros(4)
    for _ in range(6):
        fit = np.polyfit(xs, edge, 3, w=weights)
        weights = np.where(present > 0.4, 1.0, 1e-3) / (1 + np.square((np.polyval(fit, xs) - edge) / 0.012))
    curve = np.polyval(fit, xs).astype(np.float32)
    near = curve + np.clip(edge - curve, -UNEVEN_IOD, UNEVEN_IOD)
    return np.asarray(
        cv2.GaussianBlur(near[None], (0, 0), EVEN_IOD / step, borderType=cv2.BORDER_REPLICATE)[0], np.float32
    )


def _cleaned(seen: Array, white: Array, y: Array, upper: Array, edge: Array, step: float) -> Array:
    """Tooth where between the teeth's ends there is something else: the dark between them, the lip or gum below."""
    good = smoothstep(0.50, 0.80, white) * (y > upper + 0.010) * (y < edge - 0.004)
    filled = seen
    for size in (0.10, 0.03, 0.012):
        weight = cv2.GaussianBlur(good, (0, 0), 0.5 * size / step, sigmaY=size / step)[..., None]
        spread = cv2.GaussianBlur(seen * good[..., None], (0, 0), 0.5 * size / step, sigmaY=size / step)
        share = np.clip(weight / 0.05, 0, 1) if filled is not seen else np.float32(1)
        filled = filled + (spread / np.maximum(weight, 1e-4) - filled) * share
    ends, low = smoothstep(-0.050, -0.024, y - edge), smoothstep(-0.095, -0.060, y - edge)
    dark = np.maximum(ends * smoothstep(0.78, 0.58, white), low * smoothstep(0.60, 0.42, white))
    amount = np.maximum(dark, smoothstep(-0.009, -0.003, y - edge))
    cleaned = seen + (filled - seen) * amount[..., None]
    # Towards its end a tooth lets light through.
    return np.asarray(cleaned * (1 - 0.10 * smoothstep(-0.024, 0, y - edge))[..., None], np.float32)


def _in_light(colours: Array, cover: Array, palette: Palette) -> Array:
    """The teeth neither as pale as a flash nor as dim as a hardly opened mouth makes them."""
    expected = float(palette.tooth @ LUMA_BGR)
    usual = float(np.median((colours @ LUMA_BGR)[cover > 0.5])) if (cover > 0.5).any() else expected
    wanted = float(np.clip(usual, LIGHT[0] * expected, LIGHT[1] * expected))
    return np.asarray(colours * np.clip(wanted / max(usual, 1.0), *GAIN), np.float32)


def _grown(colours: Array, cover: Array, white: Array, y: Array, upper: Array, step: float) -> tuple[Array, Array]:
    """Each column carried on upwards, a little darker: what the lip hid where the teeth were seen."""
    # What is right below the lip is mixed with it; more than a little of it is gum.
    rim = (y > upper + 0.010) & (y < upper + RIM_IOD) & (white > 0.7)
    depths = (y[rim.argmax(axis=0), 0] - upper)[rim.any(axis=0) & (cover.max(axis=0) > 0.5)]
    depth = 0.006 + (float(np.percentile(depths, 70)) if len(depths) > 5 else 0.010)
    top = np.clip(np.searchsorted(y[:, 0], upper + depth), 0, len(y) - 1)
    columns = np.arange(len(top))
    over = np.maximum(top - np.arange(len(y))[:, None], 0) * step
    fade = 1 - 0.20 * np.clip(over / ABOVE_IOD, 0, 1)
    hidden = over > 0
    soft = cv2.GaussianBlur(colours, (0, 0), 0.016 / step, sigmaY=0.006 / step)
    colours = np.where(hidden[..., None], soft[top, columns] * fade[..., None], colours)
    cover = np.where(hidden, cover[top, columns] * smoothstep(ABOVE_IOD + 0.03, ABOVE_IOD, over), cover)
    return colours.astype(np.float32), cover.astype(np.float32)
