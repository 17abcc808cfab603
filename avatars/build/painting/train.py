"""Training: Adam on pairs of neighbouring pictures, ever slower, from a fixed seed; the best on what is watched is kept."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from avatars.build.painting.ground import Ground
from avatars.build.painting.lessons import Lessons
from avatars.build.painting.network import Parameters, apply, initial
from avatars.engine.face.mouthbox import CHANGED, MIDDLE_GAP

SEED: Final = 1
PAIRS: Final = 6
STEPS: Final = 800
WATCH_EVERY: Final = 50
# So often in a row what is watched may get no better.
PATIENCE: Final = 6
WARM_STEPS: Final = 50
RATE: Final = 2e-3
RATE_LAST: Final = 4e-5
DECAY: Final = 0.01
CLIP: Final = 1.0
NOISE: Final = 0.05
# Errors count this much anywhere, and so much more around the inside of the mouth.
WEIGHT: Final = 0.35
WEIGHT_INSIDE: Final = 2.65
INSIDE_REACH_PX: Final = 9
INSIDE_FADE_PX: Final = 4.5
EDGES: Final = 2.0
CHANGES: Final = 1.0
# Where little is painted there is no need for much.
IDLE: Final = 0.05
SHOWN: Final = 0.02
SELDOM: Final = 0.15
OFTEN_IOD: Final = 0.1
CENTRES: Final = 64
# Lips are painted that differ from some that were learnt from by no more than this, in spreads of all controls together:
# tried by eye on speech, farther ones were washed out.
NEAR: Final = 2.5

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Examples:
    """Lessons as they are learnt. how_much: (n, HALF, HALF), how much errors count."""

    lessons: Lessons
    ground: Ground
    how_much: Array

    @classmethod
    def of(cls, lessons: Lessons, ground: Ground) -> "Examples":
        """Lessons, and what is known of all of them."""
        how_much = []
        for within in lessons.drawn[:, -1]:
            wide = cv2.dilate(within.astype(np.float32) / 255, np.ones((INSIDE_REACH_PX, INSIDE_REACH_PX), np.uint8))
            how_much.append(WEIGHT + WEIGHT_INSIDE * cv2.GaussianBlur(wide, (0, 0), INSIDE_FADE_PX))
        return cls(lessons, ground, np.stack(how_much).astype(np.float32))

    def batch(self, at: NDArray[np.intp], noise: Array | float = 0.0) -> tuple[Any, ...]:
        """What `loss` takes of the pictures `at`, pair after pair, told with some noise."""
        one = self.lessons
        told = self.ground.standard(one.controls[at]) + np.float32(noise)
        return one.drawn[at], one.painted[at], one.real[at], told, self.how_much[at]


def loss(
    parameters: Parameters, drawn: jax.Array, painted: jax.Array, real: jax.Array, told: jax.Array, how_much: jax.Array
) -> jax.Array:
    """All (2 n, ...), as in `Lessons`: a picture and the one after it, in turns."""
    drawn, real = (jnp.moveaxis(one.astype(jnp.float32) / 255, 1, -1) for one in (drawn, real))
    amount = painted.astype(jnp.float32)[..., None] / 255
    change = apply(parameters, drawn, told)
    error = (drawn[..., :CHANGED] + change * amount - real) * (amount > SHOWN)
    weight = how_much[..., None]
    total = jnp.mean(jnp.abs(error) * weight) + IDLE * jnp.mean(jnp.abs(change) * (1 - amount))
    luma = _luma(error)
    strong = jnp.repeat(jnp.repeat(jnp.sqrt(how_much), 2, axis=1), 2, axis=2)
    for apart in (1, 2):
        across = jnp.abs(luma[:, :, apart:] - luma[:, :, :-apart]) * strong[:, :, apart:]
        down = jnp.abs(luma[:, apart:] - luma[:, :-apart]) * strong[:, apart:]
        total += EDGES / 4 * (across.mean() + down.mean())
    return total + CHANGES * jnp.mean(jnp.abs(error[1::2] - error[::2]) * weight[::2])


def _luma(values: jax.Array) -> jax.Array:
    """The luma of boxes (n, rows, columns, CHANGED) at its full size, (n, 2 * rows, 2 * columns)."""
    count, rows, columns = values.shape[:3]
    parts = values[..., :4].reshape(count, rows, columns, 2, 2)
    return parts.transpose(0, 1, 3, 2, 4).reshape(count, 2 * rows, 2 * columns)


def train(learnt: Lessons, watched: Lessons, ground: Ground, progress: Callable[[float, float], None]) -> Parameters:
    """Train; `progress` hears the share of the steps done, 0..1, and how many seconds the rest takes at most."""
    examples, seen = Examples.of(learnt, ground), Examples.of(watched, ground)
    pairs, judged = _pairs(learnt), _pairs(watched)
    likely = SELDOM + np.minimum(learnt.controls[pairs, MIDDLE_GAP] / OFTEN_IOD, 1)
    likely /= likely.sum()
    rate = optax.warmup_cosine_decay_schedule(0.0, RATE, WARM_STEPS, STEPS, RATE_LAST)
    optimiser = optax.chain(optax.clip_by_global_norm(CLIP), optax.adamw(rate, b2=0.99, weight_decay=DECAY))

    def step(parameters: Parameters, state: Any, *batch: jax.Array) -> tuple[Parameters, Any]:
        slope = jax.grad(loss)(parameters, *batch)
        updates, state = optimiser.update(slope, state, parameters)
        return optax.apply_updates(parameters, updates), state

    stepped, judge = jax.jit(step), jax.jit(loss)
    random = np.random.default_rng(SEED)
    parameters = initial(SEED)
    state = optimiser.init(parameters)
    best, best_loss, since = parameters, np.inf, 0
    began_s = time.monotonic()
    for count in range(1, STEPS + 1):
        at = _both(random.choice(pairs, PAIRS, p=likely))
        noise = random.normal(size=(len(at), len(ground.mean))).astype(np.float32) * np.float32(NOISE)
        parameters, state = stepped(parameters, state, *examples.batch(at, noise))
        if count % WATCH_EVERY:
            continue
        batches = np.array_split(judged, max(1, len(judged) // PAIRS))
        now = float(np.mean([judge(parameters, *seen.batch(_both(one[:PAIRS]))) for one in batches]))
        since = 0 if now < best_loss else since + 1
        if now < best_loss:
            best, best_loss = parameters, now
        progress(count / STEPS, (time.monotonic() - began_s) / count * (STEPS - count))
        if since == PATIENCE:
            break
    return best


def _pairs(lessons: Lessons) -> NDArray[np.intp]:
    """The first ones of pictures that follow each other, drawn into pictures that do, too."""
    one = np.diff(lessons.frames) == 1
    return np.flatnonzero(one & np.isin(np.diff(lessons.sources), (1, 1 - lessons.sources.max() - 1)))


def _both(first: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.stack([first, first + 1], axis=1).reshape(-1)


def ground_of(lessons: Lessons) -> Ground:
    """What there is to know: the spread of the controls, and some of them as far apart as possible."""
    mean, spread = lessons.controls.mean(axis=0), lessons.controls.std(axis=0) + np.float32(1e-3)
    standard = (lessons.controls - mean) / spread
    centres = [int(np.linalg.norm(standard, axis=1).argmin())]
    apart = np.linalg.norm(standard - standard[centres[0]], axis=1)
    while len(centres) < min(CENTRES, len(standard)):
        centres.append(int(apart.argmax()))
        apart = np.minimum(apart, np.linalg.norm(standard - standard[centres[-1]], axis=1))
    return Ground(mean, spread, standard[centres].astype(np.float32), max(float(apart.max()), NEAR))
