"""What is behind the lips: cavity, tongue, lower and upper teeth, drawn per pixel in face coordinates.

Upper teeth are fixed to the skull, lower teeth and tongue ride on the jaw. How much light there is depends on the size
of the opening: bright teeth in a small opening give a drawn mouth away. Where little light gets to teeth they are red
rather than grey, for the lips are all around and throw theirs on them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.falloff import bell, smoothstep
from avatars.engine.face.palette import Palette
from avatars.engine.face.teeth import LOWER_ROW, UPPER_EDGE, UPPER_HEIGHT, UPPER_ROW
from avatars.engine.portrait import Kind

Array = NDArray[np.float32]

# Behind protruded lips an opening is dark: so much of the teeth does full rounding hide.
HIDDEN_BY_ROUNDING: Final = 0.94
# Teeth that rest on the lower lip stand in front of the mouth, in so much of the light.
TUCKED_LIGHT: Final = 0.62


@dataclass(frozen=True, slots=True)
class Opening:
    """The opening of one frame over a box of pixels. x, y: face coordinates (rows, columns); upper, lower: the inner
    lips at each x. meets_y: where the lips meet when nothing moves them; the skull and all in it is placed by that.
    jaw_drop in IOD. own, own_alpha: the person's own teeth in place, or None."""

    x: Array
    y: Array
    upper: Array
    lower: Array
    meets_y: float
    jaw_drop: float
    rounding: float
    tongue: float
    press: float
    tuck: float
    own: Array | None
    own_alpha: Array | None

    @property
    def height(self) -> float:
        return float((self.lower - self.upper).max())


def draw_interior(opening: Opening, palette: Palette, kind: Kind, iod_px: float) -> Array:
    """The picture behind the lips, (rows, columns, 3) float32 BGR; only what lies between them is meant to be seen."""
    if kind is Kind.DRAWING:
        return _flat(opening, palette, iod_px)
    x, y = opening.x, opening.y
    gap = opening.lower - opening.upper
    height = opening.height
    seen = x[gap > 0.12 * height]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (-0.1, 0.1)
    half = max(0.05, (high - low) / 2)
    centre = (low + high) / 2
    across = np.abs(x - centre) / half
    depth = y - opening.upper
    light = float(
        np.clip(0.36 + 0.64 * height / 0.13, 0.36, 1)
        * np.clip(0.62 + 0.38 * half / 0.30, 0.6, 1)
        * (1 - 0.36 * opening.rounding)
    )

    relative = depth / max(height, 1e-3)
    shade = (0.72 + 0.45 * relative - 0.20 * across**2) * (0.55 + 0.45 * light)
    colour = palette.cavity * np.maximum(shade, 0.2)[..., None]

    drop = opening.jaw_drop
    top = 0.34 * drop + 0.030 - 0.105 * opening.tongue + 0.16 * np.square((x - centre) / 0.34)
    below = y - opening.meets_y - top
    shade = (
        light
        * (0.48 + 0.54 * smoothstep(-0.02, 0.13, below))
        * (1 - 0.22 * bell(x - centre, 0.022) * smoothstep(0.02, 0.09, below))
        * (1 - 0.35 * np.minimum(across, 1) ** 2)
    )
    wet = (
        0.19
        * min(1.0, height / 0.15)
        * (
            bell(np.abs(x - centre - 0.01) - 0.075, 0.035) * bell(below - 0.055, 0.016)
            + 0.5 * bell(x - centre + 0.05, 0.02) * bell(below - 0.10, 0.012)
        )
    )
    tongue = palette.tongue * shade[..., None] + 255 * wet[..., None] * light
    colour = _over(colour, tongue, smoothstep(-0.02, 0.055, below))

    enclosed = (0.62 + 0.38 * smoothstep(0, 0.05, depth)) * (0.65 + 0.35 * smoothstep(0, 0.04, opening.lower - y))
    colour = colour * enclosed[..., None]
    if kind is Kind.PHOTO:
        colour = _teeth(colour, opening, palette, iod_px, across, centre, light, enclosed)
    return _wet_band(colour, opening, palette, across, height)


def _teeth(
    colour: Array,
    opening: Opening,
    palette: Palette,
    iod_px: float,
    across: Array,
    centre: float,
    light: float,
    enclosed: Array,
) -> Array:
    """Lower and upper teeth over what is behind them; the person's own upper ones where the source shows them."""
    x, y, drop = opening.x, opening.y, opening.jaw_drop
    depth = y - opening.upper
    seen = 1 - HIDDEN_BY_ROUNDING * float(smoothstep(0.15, 0.85, opening.rounding))
    direct = light * seen * enclosed
    row_shade, rise = LOWER_ROW.at(x - centre)
    level = opening.meets_y + drop + 0.020 + (0.03 if opening.press > 0.5 else 0.0)
    edge = level + 0.012 * np.square((x - centre) / 0.2) + rise
    alpha = seen * np.clip((y - edge) * iod_px + 0.5, 0, 1) * smoothstep(1.05, 0.8, across)
    shade = row_shade * (0.60 - 0.30 * across**2) * np.clip(0.30 + depth / 0.20, 0.25, 1)
    colour = _over(colour, _lit(palette.tooth, direct * np.maximum(shade, 0), palette), alpha)

    # Into the corners of the mouth no light is thrown back either.
    corner = (1 - 0.45 * smoothstep(0.50, 1.05, across))[..., None]
    if opening.own is None or opening.own_alpha is None:
        row_shade, rise = UPPER_ROW.at(x - centre * 0.3)
        edge = opening.meets_y + UPPER_EDGE - rise
        under = 1 - 0.30 * np.exp(-np.maximum(0, y - edge) / 0.025) * (y > edge)
        colour = np.asarray(colour * under[..., None], np.float32)
        alpha = (
            seen
            * np.clip((edge - y) * iod_px * 0.6 + 0.5, 0, 1)
            * smoothstep(edge - UPPER_HEIGHT - 0.01, edge - UPPER_HEIGHT + 0.01, y)
            * smoothstep(1.12, 0.92, across)
        )
        shade = 0.88 * row_shade * (1 - 0.55 * smoothstep(0.35, 1.0, across)) * np.clip(0.60 + depth / 0.10, 0.60, 1)
        # Towards the edge a tooth lets light through and looks a little darker and cooler.
        shade = shade * (1 - 0.10 * smoothstep(0.03, 0.0, edge - y))
        colour = _over(colour, _lit(palette.tooth, _in_front(direct * shade, opening), palette) * corner, alpha)
    else:
        shade = (1 - 0.45 * smoothstep(0.45, 1.05, across)) * np.clip(0.66 + depth / 0.10, 0.66, 1)
        # The shade of the lips is on them already.
        direct = (0.30 + 0.70 * light) * seen * enclosed
        colour = _over(
            colour, _lit(opening.own, _in_front(direct * shade, opening), palette) * corner, opening.own_alpha * seen
        )
    return colour


def _in_front(direct: Array, opening: Opening) -> Array:
    """The light on the upper teeth, which is more where the lower lip is tucked under them."""
    return np.asarray(direct + opening.tuck * (TUCKED_LIGHT - direct), np.float32)


def _lit(colour: Array, direct: Array, palette: Palette) -> Array:
    """A colour in so much of the light from outside, 0..1, and for the rest in what the lips throw back."""
    share = direct[..., None]
    return np.asarray(colour * (share + (1 - share) * palette.bounce), np.float32)


def _wet_band(colour: Array, opening: Opening, palette: Palette, across: Array, height: float) -> Array:
    """The inside of the lips that turns outwards as they part, and more as they protrude: red, moist, with a fine
    highlight on the lower one."""
    rounding = opening.rounding
    band = max(0.004, min(0.020 + 0.016 * rounding, (0.16 + 0.22 * rounding) * height))
    fade = 1 - 0.6 * smoothstep(0.6, 1, across)
    from_upper, from_lower = opening.y - opening.upper, opening.lower - opening.y
    upper = np.broadcast_to(palette.upper_inside, colour.shape)
    colour = _over(colour, upper, 0.85 * fade * smoothstep(1.1 * band, 0.15 * band, from_upper))
    highlight = 0.16 * bell(from_lower - 0.45 * band, 0.3 * band)
    lower = palette.lower_inside + 255 * 0.5 * highlight[..., None]
    return _over(colour, lower, 0.90 * fade * smoothstep(1.25 * band, 0.1 * band, from_lower))


def _flat(opening: Opening, palette: Palette, iod_px: float) -> Array:
    """A drawn mouth: one dark colour, a tongue, a band of white where the mouth is wide open."""
    x, y = opening.x, opening.y
    colour = np.broadcast_to(palette.cavity, (*x.shape, 3)).copy()
    top = opening.upper + 0.62 * np.maximum(opening.lower - opening.upper, 0.02) + 0.10 * np.square(x / 0.3)
    return _over(
        colour,
        np.broadcast_to(palette.tongue, colour.shape),
        np.clip((y - top) * iod_px * 0.7 + 0.5, 0, 1) * smoothstep(0.03, 0.08, opening.height),
    )


def _over(below: Array, above: Array, alpha: Array) -> Array:
    return np.asarray(below + (above - below) * alpha[..., None], np.float32)
