"""Training: a fixed number of steps from a fixed seed, AdamW in two stages.

The first learns to hear: it also has to name the phones, runs ever slower, and ends with the mean of its last weights.
The second settles: it only moves the mouth, may move it faster, and its rate falls to nothing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import jax
import jax.numpy as jnp
import optax

from avatars.engine.speech.audio_driver import CLOSED, LOOK_AHEAD_MS, LOW_LATENCY_MS, MEMORY_STEPS, MOVING
from avatars.engine.speech.mel import BANDS, STEP_MS
from avatars.engine.speech.training.lessons import HEARD_LOWEST, HEARD_UNIT, MOUTH_UNIT, TARGETS, Lessons
from avatars.engine.speech.training.network import Parameters, apply, initial

SEED: Final = 13
BATCH: Final = 32
ROUND: Final = 250
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
        30_000,
        lambda n: 2e-3 * jnp.minimum(n / 400, jnp.sqrt(4000 / jnp.maximum(n, 4000))),
        (2.0, 1.5, 1.5, 1.0, 1.0, 0.5, 0.3),
        change=6.0,
        phones=0.2,
        mean=True,
    ),
    Stage(
        15_000,
        lambda n: 1.2e-3 * jnp.minimum(n / 100, (1 + jnp.cos(jnp.pi * n / 15_000)) / 2),
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
    """Train from `SEED`; `told` hears every `ROUND` steps how it goes, and gets what there is."""
    parameters = initial(SEED)
    tape = tuple(jnp.asarray(part) for part in (lessons.heard, lessons.mouth, lessons.phone))
    for number, stage in enumerate(STAGES):
        parameters = _trained(parameters, stage, tape, jax.random.key(SEED + number), told)
        # As they would come out of the file.
        parameters = jax.tree.map(lambda values: values.astype(jnp.float16).astype(jnp.float32), parameters)
    return parameters


def _trained(
    parameters: Parameters,
    stage: Stage,
    tape: tuple[jax.Array, ...],
    key: jax.Array,
    told: Callable[[str, Parameters], None],
) -> Parameters:
    optimiser = optax.chain(optax.clip_by_global_norm(CLIP), optax.adamw(stage.rate, weight_decay=DECAY))
    length = MEMORY_STEPS + LENGTH_STEPS
    last = len(tape[0]) - length

    def step(carried: Any, key: jax.Array, tape: tuple[jax.Array, ...]) -> tuple[Any, jax.Array]:
        parameters, mean, state = carried
        places, changes = jax.random.split(key)
        starts = jax.random.randint(places, (BATCH,), 0, last)
        heard, mouth, phone = (jax.vmap(partial(_window, part, length=length))(starts) for part in tape)
        batch = _varied(heard * HEARD_UNIT + HEARD_LOWEST, changes), mouth * MOUTH_UNIT, phone.astype(jnp.int32)
        value, slope = jax.value_and_grad(lambda at: loss(at, stage, *batch))(parameters)
        updates, state = optimiser.update(slope, state, parameters)
        parameters = optax.apply_updates(parameters, updates)
        mean = jax.tree.map(lambda old, new: KEPT * old + (1 - KEPT) * new, mean, parameters)
        return (parameters, mean, state), value

    # One call for a whole round; the tape is handed over, or it would be compiled in.
    stepped = jax.jit(
        lambda carried, keys, tape: jax.lax.scan(lambda so_far, key: step(so_far, key, tape), carried, keys)
    )
    carried: Any = (parameters, parameters, optimiser.init(parameters))
    begun = time.monotonic()
    for count in range(ROUND, stage.steps + 1, ROUND):
        key, here = jax.random.split(key)
        carried, values = stepped(carried, jax.random.split(here, ROUND), tape)
        learnt: Parameters = carried[1] if stage.mean else carried[0]
        told(f"{count} steps, loss {float(jnp.mean(values)):.4f}, {time.monotonic() - begun:.0f} s", learnt)
    return learnt


def _window(part: jax.Array, start: jax.Array, length: int) -> jax.Array:
    return jax.lax.dynamic_slice_in_dim(part, start, length)


def _varied(heard: jax.Array, key: jax.Array) -> jax.Array:
    """The same with another gain and tilt, and now and then some bands that tell nothing.

    heard: (batch, steps, FEATURES).
    """
    level, draw, low, many = jax.random.split(key, 4)
    count = len(heard)
    gain, tilt = 0.15 * jax.random.normal(level, (2, count, 1, 1))
    heard = heard + gain + tilt * jnp.tile(jnp.linspace(-1, 1, BANDS), 2)
    bands = heard.reshape(*heard.shape[:2], 2, BANDS)
    first = jax.random.randint(low, (count, 1), 0, BANDS)
    until = first + jax.random.randint(many, (count, 1), 1, DEAF_BANDS)
    number = jnp.arange(BANDS)
    deaf = (jax.random.uniform(draw, (count, 1)) < DEAF) & (number >= first) & (number < until)
    there = deaf[:, None, None]
    mean = jnp.mean(bands, axis=1, keepdims=True)
    return jnp.where(there, mean, bands).reshape(heard.shape)
