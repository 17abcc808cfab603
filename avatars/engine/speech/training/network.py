"""The network, in JAX: a causal convolution over the steps with two heads, one for each look-ahead."""

from typing import Any, Final, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from avatars.engine.speech.audio_driver import MEMORY_STEPS, MOVING
from avatars.engine.speech.mel import FEATURES
from avatars.engine.speech.training.clips import SYMBOLS

WIDTH: Final = 96
TAPS: Final = 3
DILATIONS: Final = (1, 1, 2, 4, 7)
HEADS: Final = 2
TARGETS: Final = MOVING + 1
# What a head says in training: its targets, and which phone it hears.
SAID: Final = TARGETS + len(SYMBOLS)

Parameters: TypeAlias = dict[str, Any]

assert (TAPS - 1) * (1 + sum(DILATIONS)) == MEMORY_STEPS


def initial(seed: int) -> Parameters:
    """Parameters drawn after He et al. (2015); matrices are (inputs, outputs), taps of a convolution side by side."""
    random = np.random.default_rng(seed)

    def layer(inputs: int, outputs: int, gain: float = 1.0) -> dict[str, Any]:
        weight = random.standard_normal((inputs, outputs)) * gain * np.sqrt(2 / inputs)
        return {"weight": jnp.asarray(weight, jnp.float32), "bias": jnp.zeros(outputs)}

    parameters: Parameters = {"first": layer(TAPS * FEATURES, WIDTH)}
    for index in range(len(DILATIONS)):
        parameters[f"wide{index}"] = layer(TAPS * WIDTH, WIDTH)
        parameters[f"mix{index}"] = layer(WIDTH, WIDTH, 0.3)
    parameters["turn"] = layer(WIDTH, WIDTH)
    for head in range(HEADS):
        parameters[f"say{head}"] = layer(WIDTH // HEADS, SAID, 0.3)
    return parameters


def apply(parameters: Parameters, heard: jax.Array) -> jax.Array:
    """What is said (batch, steps - MEMORY_STEPS, HEADS, SAID) of (batch, steps, FEATURES); probabilities as logits."""

    def dense(name: str, values: jax.Array) -> jax.Array:
        return values @ parameters[name]["weight"] + parameters[name]["bias"]

    def convolved(name: str, values: jax.Array, dilation: int) -> jax.Array:
        steps = values.shape[1] - (TAPS - 1) * dilation
        taps = [values[:, tap * dilation : tap * dilation + steps] for tap in range(TAPS)]
        return dense(name, jnp.concatenate(taps, axis=-1))

    values = jax.nn.relu(convolved("first", heard, 1))
    for index, dilation in enumerate(DILATIONS):
        changed = dense(f"mix{index}", jax.nn.relu(convolved(f"wide{index}", values, dilation)))
        values = values[:, (TAPS - 1) * dilation :] + changed
    turned = jax.nn.relu(dense("turn", jax.nn.relu(values)))
    halves = jnp.split(turned, HEADS, axis=-1)
    return jnp.stack([dense(f"say{head}", half) for head, half in enumerate(halves)], axis=2)
