"""Training: a fixed number of steps from a fixed seed, AdamW in two stages.

The first learns to hear: it also has to name the phones, runs ever slower, and ends with the mean of its last weights.
The second settles: it only moves the mouth, may move it faster, and its rate falls to nothing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.random import Generator

from avatars.engine.speech.audio_driver import CLOSED, LOOK_AHEAD_MS, LOW_LATENCY_MS, MEMORY_STEPS, MOVING
from avatars.engine.speech.mel import BANDS, STEP_MS
from avatars.engine.speech.training.clips import Array
from avatars.engine.speech.training.lessons import TARGETS, Lessons
from avatars.engine.speech.training.network import Parameters, apply, initial

SEED: Final = 13
BATCH: Final = 12
LENGTH_STEPS: Final = 300
DECAY: Final = 0.02
CLIP: Final = 1.0
KEPT: Final = 0.998
CLOSED_WEIGHT: Final = 2.0
DEAF: Final = 0.4
DEAF_BANDS: Final = 9
# How many steps after its moment each head speaks.
DELAYS: Final = ((LOOK_AHEAD_MS - STEP_MS * 2) // STEP_MS, (LOW_LATENCY_MS - STEP_MS * 2) // STEP_MS)


@dataclass(frozen=True, slots=True)
class Stage:
    """rate: of step n. weights: of the controls' errors, in the order of `REGRESSED`. change: weight of errors in how
    fast they move; phones: of the names. mean: end with the mean of the last weights."""

    steps: int
    rate: Callable[[Any], jax.Array]
    weights: tuple[float, ...]
    change: float
    phones: float
    mean: bool


STAGES: Final = (
    Stage(
        3000,
        lambda n: 2e-3 * jnp.minimum(n / 200, jnp.sqrt(1000 / jnp.maximum(n, 1000))),
        (2.0, 1.5, 1.5, 1.0, 1.0, 0.5, 0.3),
        change=6.0,
        phones=0.2,
        mean=True,
    ),
    Stage(
        1500,
        lambda n: 1.2e-3 * jnp.minimum(n / 50, (1 + jnp.cos(jnp.pi * n / 1500)) / 2),
        (2.0, 1.5, 1.5, 1.0, 1.5, 1.0, 0.5),
        change=1.5,
        phones=0.0,
        mean=False,
    ),
)


def loss(parameters: Parameters, stage: Stage, heard: jax.Array, mouth: jax.Array, phone: jax.Array) -> jax.Array:
    """heard: (batch, MEMORY_STEPS + steps, FEATURES). mouth, phone: (batch, MEMORY_STEPS + steps, ...), undelayed."""
    said = apply(parameters, heard)
    steps = said.shape[1]
    importance = jnp.array(stage.weights)
    total = jnp.zeros(())
    for head, delay in enumerate(DELAYS):
        now = said[:, :, head]
        wanted = mouth[:, MEMORY_STEPS - delay : MEMORY_STEPS - delay + steps]
        named = phone[:, MEMORY_STEPS - delay : MEMORY_STEPS - delay + steps]
        error = now[..., :CLOSED] - wanted[..., :CLOSED]
        total += 6 * jnp.mean(importance * jnp.square(error))
        total += stage.change * jnp.mean(importance * jnp.square(jnp.diff(error, axis=1)))
        closed = optax.sigmoid_binary_cross_entropy(now[..., CLOSED], wanted[..., CLOSED])
        total += jnp.mean(closed * (1 + (CLOSED_WEIGHT - 1) * wanted[..., CLOSED]))
        total += 0.2 * jnp.mean(optax.sigmoid_binary_cross_entropy(now[..., MOVING], wanted[..., MOVING]))
        names = optax.softmax_cross_entropy_with_integer_labels(now[..., TARGETS:], named)
        total += stage.phones * jnp.mean(names)
    return total / len(DELAYS)


def train(lessons: Lessons, told: Callable[[str, Parameters], None]) -> Parameters:
    """Train from `SEED`; `told` hears every 250 steps how it goes, and gets what there is."""
    parameters = initial(SEED)
    for number, stage in enumerate(STAGES):
        parameters = _trained(parameters, stage, lessons, np.random.default_rng(SEED + number), told)
        # As they would come out of the file.
        parameters = jax.tree.map(lambda values: values.astype(jnp.float16).astype(jnp.float32), parameters)
    return parameters


def _trained(
    parameters: Parameters, stage: Stage, lessons: Lessons, random: Generator, told: Callable[[str, Parameters], None]
) -> Parameters:
    optimiser = optax.chain(optax.clip_by_global_norm(CLIP), optax.adamw(stage.rate, weight_decay=DECAY))
    state = optimiser.init(parameters)

    def step(parameters: Parameters, mean: Parameters, state: Any, *batch: jax.Array) -> tuple[Any, ...]:
        value, slope = jax.value_and_grad(lambda at: loss(at, stage, *batch))(parameters)
        updates, state = optimiser.update(slope, state, parameters)
        parameters = optax.apply_updates(parameters, updates)
        mean = jax.tree.map(lambda old, new: KEPT * old + (1 - KEPT) * new, mean, parameters)
        return parameters, mean, state, value

    stepped = jax.jit(step)
    mean = parameters
    begun, recent = time.process_time(), []
    last = len(lessons.heard) - MEMORY_STEPS - LENGTH_STEPS
    for count in range(1, stage.steps + 1):
        starts = random.integers(0, last, BATCH)
        window = starts[:, None] + np.arange(MEMORY_STEPS + LENGTH_STEPS)
        heard = _varied(lessons.heard[window].astype(np.float32), random)
        batch = heard, lessons.mouth[window].astype(np.float32), lessons.phone[window].astype(np.int32)
        parameters, mean, state, value = stepped(parameters, mean, state, *batch)
        recent.append(value)
        if count % 250 == 0:
            so_far = mean if stage.mean else parameters
            told(f"{count} steps, loss {np.mean(recent):.4f}, {time.process_time() - begun:.0f} s of CPU", so_far)
            recent = []
    return mean if stage.mean else parameters


def _varied(heard: Array, random: Generator) -> Array:
    """The same with another gain and tilt, and now and then some bands that tell nothing."""
    gain, tilt = random.normal(0, 0.15, (2, len(heard), 1, 1))
    heard = heard + (gain + tilt * np.tile(np.linspace(-1, 1, BANDS), 2)).astype(np.float32)
    bands = heard.reshape(*heard.shape[:2], 2, BANDS)
    for index in np.flatnonzero(random.random(len(bands)) < DEAF):
        first, count = int(random.integers(BANDS)), int(random.integers(1, DEAF_BANDS))
        some = bands[index, :, :, first : first + count]
        some[:] = some.mean(axis=0)
    return heard
