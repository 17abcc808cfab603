"""The voices a creator can choose from, and a sample of each to hear."""

import fcntl
import hashlib
import os
import subprocess
import sys
import wave
from functools import cache
from pathlib import Path
from typing import Final

from django.conf import settings

SAMPLE: Final = "Hello, this is how I sound. What shall we talk about?"
SAMPLES_WITHIN_S: Final = 60.0


class VoiceSilent(Exception):
    """A sample could not be made; the text is a sentence."""


@cache
def voice_choices() -> list[tuple[str, str]]:
    """Return (style key, label) pairs; the speech engine is only imported when a page needs them."""
    from avatars.engine.speech import VOICE_STYLES

    return [(key, str(label)) for key, label in VOICE_STYLES.items()]


def sample_file(key: str) -> Path:
    """Return where the sample of a voice is kept; the name changes with the voice. Raises `KeyError`."""
    from avatars.engine.speech.styles import STYLES

    digest = hashlib.sha256(f"{STYLES[key]} {SAMPLE}".encode()).hexdigest()[:12]
    return Path(settings.MEDIA_ROOT) / "voices" / f"{key}-{digest}.wav"


def find_sample(key: str) -> Path:
    """Return the sample of a voice, made at the first call.

    A process of its own makes those of all voices, so that the voice's model does not stay in the web process. Raises
    `KeyError` for an unknown voice and `VoiceSilent`.
    """
    file = sample_file(key)
    if not file.exists():
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "voice_samples", "--out", str(file.parent)]
        try:
            subprocess.run(  # noqa: S603 - our own command
                command,
                check=True,
                capture_output=True,
                timeout=SAMPLES_WITHIN_S,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        except (subprocess.SubprocessError, OSError) as error:
            raise VoiceSilent("The samples of the voices could not be made. `manage.py doctor` may say why.") from error
    return file


def make_samples(folder: Path) -> int:
    """Speak what is missing in `folder`, and remove what no voice has any more. Returns how many were spoken."""
    import numpy as np

    from avatars.engine.speech import SAMPLE_RATE_HZ, LocalVoice

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = 0
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = {sample_file(key).name: key for key, _ in voice_choices()}
        for file in folder.glob("*.wav"):
            if file.name not in wanted:
                file.unlink()
        for name, key in wanted.items():
            if (folder / name).exists():
                continue
            samples = LocalVoice.shared().say(SAMPLE, key).samples
            draft = folder / f"{name}.part"
            with wave.open(str(draft), "wb") as writer:
                writer.setnchannels(1)
                writer.setsampwidth(2)
                writer.setframerate(SAMPLE_RATE_HZ)
                writer.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
            draft.rename(folder / name)
            made += 1
    return made
