"""A mouth for speech of which only the sound is known: a small network hears it, a few laws move the lips.

The network is causal and sees the sound up to some way past the moment it judges, so in a live stream the sound has to
be delayed by the look-ahead; the picture never is. With a whole utterance at hand nothing is delayed. How the network
is made is in `training`; speech that comes with phones still looks better and is preferred where there is a choice.
"""

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.controls import MOUTH_COUNT, RANGES, Control
from avatars.engine.speech.coarticulation import PRESSED, SPEAKING_RELAX, frame_count
from avatars.engine.speech.mel import PAST_SAMPLES, STEP_SAMPLES, log_mel
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from avatars.engine.weights import Weight, weight_path

Array = NDArray[np.float32]

# A frame is known when so many more frames of sound are there: 100 and 60 ms past the moment it shows, for the mouth
# leads by 40 ms.
LOOK_AHEAD_MS: Final = 120
LOW_LATENCY_MS: Final = 80
# So much sound before a piece tells the network all it can know.
LOOK_BACK_MS: Final = 720

# What the network says of each step of 20 ms, in this order; then how likely lips are closed, and are not at rest.
REGRESSED: Final = (
    *(Control.JAW, Control.UPPER_LIP, Control.LOWER_LIP, Control.WIDE, Control.ROUND, Control.TUCK, Control.TONGUE),
)
CLOSED: Final = len(REGRESSED)
MOVING: Final = CLOSED + 1
# Unsure, it says too little: factors that bring each control to the extent phones give it, and a tuck that is only noise.
# It was taught with lips that opened a quarter further.
EXTENT: Final = np.array([0.88, 0.88, 0.88, 1.15, 1.55, 1.25, 1.45], np.float32)
TUCK_NOISE: Final = 0.06
# Steps before the one it judges that the network remembers.
MEMORY_STEPS: Final = 32
STEPS_PER_FRAME: Final = SAMPLES_PER_FRAME // STEP_SAMPLES
# Closing takes more certainty than staying closed.
CLOSES: Final = 0.9
STAYS_CLOSED: Final = 0.8
PARTED: Final = 0.45
# Below the first the mouth is still; above the second nothing is held back.
STILL: Final = 0.2
FREE: Final = 0.5
_NOTHING: Final = np.zeros(0, np.float32)


class AudioDriver:
    """Sound in, mouth out, piece by piece. Holds the state of one stream; not thread-safe.

    low_latency: look ahead `LOW_LATENCY_MS` and not `LOOK_AHEAD_MS`; lips close less reliably.
    """

    def __init__(self, *, low_latency: bool = False) -> None:
        self._head = int(low_latency)
        self._ahead_steps = STEPS_PER_FRAME * (LOW_LATENCY_MS if low_latency else LOOK_AHEAD_MS) // 40
        self._sound = np.zeros(PAST_SAMPLES, np.float32)
        self._memory = np.repeat(log_mel(np.zeros(PAST_SAMPLES + STEP_SAMPLES, np.float32)), MEMORY_STEPS, axis=0)
        self._judged = np.zeros((0, MOVING + 1), np.float32)
        self._early_steps = self._ahead_steps
        self._closed = False
        self._samples, self._frames = 0, 0

    def push(self, samples: Array) -> Array:
        """The mouth (frames, MOUTH_COUNT) at 25 Hz that is known with these samples (n,), any n, on top of all before.

        Frame i belongs to samples i * SAMPLES_PER_FRAME and on, counted from the first push.
        """
        self._samples += len(samples)
        return self._heard(np.clip(np.nan_to_num(samples), -1, 1).astype(np.float32, copy=False))

    def finish(self) -> Array:
        """The mouth of what is left, heard as if silence followed; nothing may be pushed after it."""
        missing = frame_count(self._samples / SAMPLE_RATE_HZ) - self._frames
        ahead = self._ahead_steps * STEP_SAMPLES + SAMPLES_PER_FRAME
        return self._heard(np.zeros(ahead, np.float32))[:missing]

    def _heard(self, samples: Array) -> Array:
        self._sound = np.concatenate([self._sound, samples])
        steps = (len(self._sound) - PAST_SAMPLES) // STEP_SAMPLES
        if steps:
            until = PAST_SAMPLES + steps * STEP_SAMPLES
            heard = np.concatenate([self._memory, log_mel(self._sound[:until])])
            self._sound, self._memory = self._sound[until - PAST_SAMPLES :], heard[-MEMORY_STEPS:]
            said = _session().run(None, {"heard": heard[None]})[0][0, :, self._head]
            early = min(self._early_steps, steps)
            self._early_steps -= early
            self._judged = np.concatenate([self._judged, said[early:]])
        frames = len(self._judged) // STEPS_PER_FRAME
        judged, self._judged = np.split(self._judged, [frames * STEPS_PER_FRAME])
        self._frames += frames
        return self._moved(judged.reshape(frames, STEPS_PER_FRAME, MOVING + 1))

    def _moved(self, judged: Array) -> Array:
        """The laws: (frames, STEPS_PER_FRAME, MOVING + 1) as the network has it to (frames, MOUTH_COUNT)."""
        track = np.zeros((len(judged), MOUTH_COUNT), np.float32)
        mean = judged.mean(axis=1)
        free = np.clip((mean[:, MOVING] - STILL) / (FREE - STILL), 0, 1)
        mean[:, REGRESSED.index(Control.TUCK)] = np.maximum(mean[:, REGRESSED.index(Control.TUCK)] - TUCK_NOISE, 0)
        track[:, list(REGRESSED)] = EXTENT * mean[:, :CLOSED] * free[:, None]
        for frame, likely in enumerate(judged[:, :, CLOSED]):
            for step in likely:
                self._closed = bool(step > (STAYS_CLOSED if self._closed else CLOSES))
                if self._closed:
                    track[frame, Control.SEAL] = 1
        # Lips that may be about to close come halfway.
        near = np.clip((mean[:, CLOSED] - PARTED) / (CLOSES - PARTED), 0, 1) / 2
        track[:, Control.SEAL] = np.maximum(track[:, Control.SEAL], near) * (free > 0)
        track[:, Control.PRESS] = PRESSED * (track[:, Control.SEAL] == 1)
        track[:, Control.RELAX] = SPEAKING_RELAX
        return np.clip(track, _LOW, _HIGH)


def mouth_from_sound(samples: Array, before: Array = _NOTHING, after: Array = _NOTHING) -> Array:
    """The mouth (frames, MOUTH_COUNT) at 25 Hz for mono samples (n,) at `SAMPLE_RATE_HZ`, in -1..1.

    before, after: (n,), the sound around them, which is heard too. What comes after should last `LOOK_AHEAD_MS`.
    """
    driver = AudioDriver()
    whole = np.pad(before, (-len(before) % SAMPLES_PER_FRAME, 0))
    first, frames = len(whole) // SAMPLES_PER_FRAME, frame_count(len(samples) / SAMPLE_RATE_HZ)
    track = np.concatenate([driver.push(np.concatenate([whole, samples, after])), driver.finish()])
    return track[first : first + frames]


_LOW: Final = np.array([RANGES[Control(index)].low for index in range(MOUTH_COUNT)], np.float32)
_HIGH: Final = np.array([RANGES[Control(index)].high for index in range(MOUTH_COUNT)], np.float32)


@cache
def _session() -> Any:
    # Imported here: whoever speaks with phones does not need it.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    path = str(weight_path(Weight.AUDIO_DRIVER))
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
