"""The network in JAX: from the box of a drawn mouth, and what is known of its lips, to what has to be changed in it.

A small U-Net over three sizes. The numbers that describe the lips scale and shift its channels; four learnt planes tell
it where in the box it is.
"""

from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from avatars.engine.face.mouthbox import CHANGED, CHANNELS, CONTROL_COUNT, HALF

WIDTHS: Final = (16, 32, 56)
HIDDEN: Final = 48
PLACES: Final = 4
LEAK: Final = 0.1
TAPS: Final = 3
CONTROL_LIMIT: Final = 3.0
# Each convolution: its name, what goes in and what comes out.
LAYERS: Final = (
    ("down0a", CHANNELS, WIDTHS[0]),
    ("down0b", WIDTHS[0], WIDTHS[0]),
    ("down1a", WIDTHS[0] + PLACES, WIDTHS[1]),
    ("down1b", WIDTHS[1], WIDTHS[1]),
    ("down2a", WIDTHS[1], WIDTHS[2]),
    ("down2b", WIDTHS[2], WIDTHS[2]),
    ("up1a", WIDTHS[2] + WIDTHS[1], WIDTHS[1]),
    ("up1b", WIDTHS[1], WIDTHS[1]),
    ("up0a", WIDTHS[1] + WIDTHS[0], WIDTHS[0]),
    ("up0b", WIDTHS[0], WIDTHS[0]),
    ("out", WIDTHS[0], CHANGED),
)

Parameters = dict[str, Any]


def initial(seed: int) -> Parameters:
    """Weights to begin with; the network they make changes nothing."""
    random = np.random.default_rng(seed)

    def layer(wide: int, shape: tuple[int, ...], gain: float = 2.0) -> Parameters:
        weight = random.normal(size=shape) * np.sqrt(gain / wide)
        return {"weight": jnp.asarray(weight, jnp.float32), "bias": jnp.zeros(shape[-1], jnp.float32)}

    made: Parameters = {name: layer(TAPS * TAPS * wide, (TAPS, TAPS, wide, out)) for name, wide, out in LAYERS}
    made["out"]["weight"] *= 0.0
    made["told0"] = layer(CONTROL_COUNT, (CONTROL_COUNT, HIDDEN))
    made["told1"] = layer(HIDDEN, (HIDDEN, HIDDEN))
    made["told2"] = layer(HIDDEN, (HIDDEN, 2 * sum(WIDTHS)), 0.02)
    made["places"] = jnp.asarray(random.normal(size=(HALF // 2, HALF // 2, PLACES)) * 0.1, jnp.float32)
    return made


def apply(parameters: Parameters, drawn: jax.Array, controls: jax.Array) -> jax.Array:
    """drawn: (n, HALF, HALF, CHANNELS), 0..1. controls: (n, CONTROL_COUNT), standardised. To (n, HALF, HALF, CHANGED)."""

    def convolved(name: str, values: jax.Array) -> jax.Array:
        layer = parameters[name]
        form = ("NHWC", "HWIO", "NHWC")
        made = jax.lax.conv_general_dilated(values, layer["weight"], (1, 1), "SAME", dimension_numbers=form)
        return jnp.asarray(made + layer["bias"])

    def level(name: str, values: jax.Array, told: jax.Array | None = None) -> jax.Array:
        values = convolved(f"{name}a", values)
        if told is not None:
            scale, shift = jnp.split(told[:, None, None], 2, axis=-1)
            values = values * (1 + scale) + shift
        return _leaky(convolved(f"{name}b", _leaky(values)))

    told = jnp.clip(controls, -CONTROL_LIMIT, CONTROL_LIMIT)
    for index in range(3):
        layer = parameters[f"told{index}"]
        told = told @ layer["weight"] + layer["bias"]
        told = _leaky(told) if index < 2 else told
    first, second, third = jnp.split(told, np.cumsum([2 * width for width in WIDTHS])[:2], axis=-1)
    large = level("down0", drawn - 0.5, first)
    places = jnp.broadcast_to(parameters["places"], (len(drawn), *parameters["places"].shape))
    middle = level("down1", jnp.concatenate([_halved(large), places], axis=-1), second)
    small = level("down2", _halved(middle), third)
    back = level("up1", jnp.concatenate([_doubled(small), middle], axis=-1))
    back = level("up0", jnp.concatenate([_doubled(back), large], axis=-1))
    return convolved("out", back)


def _leaky(values: jax.Array) -> jax.Array:
    return jnp.where(values > 0, values, LEAK * values)


def _halved(values: jax.Array) -> jax.Array:
    count, rows, columns, channels = values.shape
    return values.reshape(count, rows // 2, 2, columns // 2, 2, channels).mean(axis=(2, 4))


def _doubled(values: jax.Array) -> jax.Array:
    return jnp.repeat(jnp.repeat(values, 2, axis=1), 2, axis=2)
