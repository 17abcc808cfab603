"""The corpus: sentences spoken by every free voice at hand, with exact phones. All of it is synthetic.

`slt`, the one female voice of flite and Festival, is spoken for the scores alone: it and every recorded human are
voices the network has never heard. So is the Piper voice.
"""

import subprocess
import tempfile
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.random import Generator

from avatars.engine.speech.styles import Style
from avatars.engine.speech.training.clips import Clip, clip_of, phones_of_arpabet, save, split
from avatars.engine.speech.training.espeak import Espeak
from avatars.engine.speech.training.piper import piper
from avatars.engine.speech.training.texts import Part, sentences
from avatars.engine.speech.voice import LocalVoice

SEED: Final = 11
ESPEAK_ACCENTS: Final = ("en-us", "en-us", "en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc", "en-029")
ESPEAK_VARIANTS: Final = (
    *("Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo", "Jacky"),
    *("Lee", "Marco", "Mario", "Michael", "Mike", "Nguyen", "Storm", "adam", "anika", "antonio", "aunty", "belinda"),
    *("benjamin", "boris", "caleb", "david", "ed", "edward", "edward2", "f1", "f2", "f3", "f4", "f5", "grandma"),
    *("grandpa", "gustave", "iven", "iven2", "iven3", "iven4", "john", "kaukovalta", "klatt", "klatt2", "klatt3"),
    *("klatt4", "klatt5", "klatt6", "linda", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "marcelo", "max"),
    *("michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby"),
    *("steph", "steph2", "steph3", "travis", "victor", "zac"),
)
FESTIVAL: Final = """({voice})
(define (one text file)
 (let ((spoken (utt.synth (eval (list 'Utterance 'Text text)))))
  (utt.save.wave spoken file 'riff)
  (mapcar (lambda (item) (format t "%s:%f " (item.name item) (item.feat item "end")))
   (utt.relation.items spoken 'Segment))
  (format t "\\n")))
"""


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the corpus: who speaks, how much of which sentences."""

    part: Part
    minutes: float
    voices: Callable[[list[str], Generator], Iterator[Clip]]


def espeak(texts: list[str], random: Generator) -> Iterator[Clip]:
    """Some eighty variants in eight accents, at many paces and pitches."""
    engine = Espeak()
    for text in texts:
        voice = f"{random.choice(ESPEAK_ACCENTS)}+{random.choice(ESPEAK_VARIANTS)}"
        pace, pitch, melody = random.integers(120, 230), random.integers(10, 90), random.integers(20, 80)
        yield engine.say(text, voice, int(pace), int(pitch), int(melody))


def flite(*names: str) -> Callable[[list[str], Generator], Iterator[Clip]]:
    """Voices of flite, one after the other."""

    def speak(texts: list[str], random: Generator) -> Iterator[Clip]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "said.wav"
            for index, text in enumerate(texts):
                stretch = f"duration_stretch={random.uniform(0.8, 1.15):.2f}"
                command = ["flite", "-voice", names[index % len(names)], "--setf", stretch]
                command += ["-psdur", "-t", text, "-o", str(file)]
                said = subprocess.run(command, capture_output=True, text=True, check=True)
                yield _from_ends(file, said.stdout)

    return speak


def festival(*names: str) -> Callable[[list[str], Generator], Iterator[Clip]]:
    """Voices of Festival, one after the other, fifty sentences to a process."""

    def speak(texts: list[str], random: Generator) -> Iterator[Clip]:
        with tempfile.TemporaryDirectory() as folder:
            for first in range(0, len(texts), 50):
                name = names[first // 50 % len(names)]
                files = [Path(folder) / f"{index}.wav" for index in range(len(texts[first : first + 50]))]
                script = Path(folder) / "script.scm"
                lines = [FESTIVAL.format(voice=name)]
                for text, file in zip(texts[first:], files, strict=False):
                    lines.append(f"(Parameter.set 'Duration_Stretch {random.uniform(0.8, 1.15):.2f})")
                    lines.append(f"(one {_quoted(text)} {_quoted(str(file))})")
                script.write_text("\n".join(lines))
                said = subprocess.run(["festival", "-b", str(script)], capture_output=True, text=True, check=True)
                for file, ends in zip(files, said.stdout.splitlines(), strict=True):
                    yield _from_ends(file, ends)

    return speak


def parlo(texts: list[str], random: Generator) -> Iterator[Clip]:
    """The voice that comes with Parlo, as people of every size."""
    voice = LocalVoice.shared()
    for text in texts:
        size = random.uniform(0.78, 1.2)
        style = Style(
            "",
            pitch=float(np.clip(size**2.2 * random.uniform(0.8, 1.25), 0.42, 1.5)),
            formants=size,
            pace=random.uniform(0.78, 1.25),
            melody=random.uniform(0.6, 1.3),
            tilt_db=random.uniform(-2.0, 2.0),
        )
        speech = voice.say(text, style)
        yield clip_of(speech.samples, 24_000, speech.phones or ())


SOURCES: Final[dict[str, Source]] = {
    "espeak": Source(Part.TRAIN, 60, espeak),
    "flite": Source(Part.TRAIN, 60, flite("rms", "awb", "kal16", "rms", "awb")),
    "festival": Source(Part.TRAIN, 24, festival("voice_ked_diphone", "voice_kal_diphone")),
    "parlo": Source(Part.TRAIN, 160, parlo),
    "espeak-choose": Source(Part.CHOOSE, 3, espeak),
    "flite-slt-choose": Source(Part.CHOOSE, 3, flite("slt")),
    "espeak-test": Source(Part.TEST, 4, espeak),
    "flite-test": Source(Part.TEST, 4, flite("rms", "awb", "kal16")),
    "parlo-test": Source(Part.TEST, 4, parlo),
    "flite-slt-test": Source(Part.TEST, 4, flite("slt")),
    "piper-test": Source(Part.TEST, 4, piper),
    "festival-slt-test": Source(Part.TEST, 4, festival("voice_cmu_us_slt_arctic_hts")),
}


def make(name: str, folder: Path) -> float:
    """Speak one source into `folder`, if it is not there yet; return its minutes."""
    source = SOURCES[name]
    random = np.random.default_rng([SEED, *name.encode()])
    texts = sentences(source.part)
    random.shuffle(texts)
    clips: list[Clip] = []
    seconds = 0.0
    # A sentence lasts about three seconds; what is asked for is cut off where there is enough.
    for clip in source.voices(texts[: int(source.minutes * 30)], random):
        clips.append(clip)
        seconds += clip.duration_s
        if seconds > source.minutes * 60:
            break
    save(clips, folder / f"{name}.npz")
    return seconds / 60


def _from_ends(file: Path, ends: str) -> Clip:
    """A clip of a WAV file and segments written as `name:end` with seconds."""
    with wave.open(str(file)) as sound:
        rate_hz = sound.getframerate()
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.float32) / 32768
    phones, start_s = [], 0.0
    for segment in ends.split():
        name, _, end = segment.rpartition(":")
        phones += split(phones_of_arpabet(name), start_s, float(end))
        start_s = float(end)
    return clip_of(samples, rate_hz, phones)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', "") + '"'
