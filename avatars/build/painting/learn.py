"""From an avatar of a video and that video to the same avatar with the person's own mouth: lessons, training, trial."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from avatars.build.clip import Clip, open_clip
from avatars.build.framing import Frame
from avatars.build.loop import Loop
from avatars.build.painting.lessons import lessons, taught
from avatars.build.painting.onnx_file import quantised, written
from avatars.build.painting.train import ground_of, train
from avatars.build.painting.trial import Trial, try_network
from avatars.build.stretch import Stretch
from avatars.build.tracking import follow
from avatars.engine.face import Rig
from avatars.engine.footage import OwnMouth
from avatars.imx import Manifest, open_imx, write_imx

# Fewer open mouths, about ten seconds of them, teach less than they spoil.
OPEN_MIN: Final = 240
EXAMPLES: Final = 65
FOLLOWED: Final = 0.30
DRAWN: Final = 0.42
TRAINED: Final = 0.95

Told = Callable[[float, str], None]
"""Hears the share done, 0..1, and a sentence."""


class TooLittleSpeech(Exception):
    """The clip shows too few open mouths to learn from; the text says so."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """mouth: what was learnt, None where it is no better than what is drawn; trial: how it did."""

    trial: Trial
    mouth: OwnMouth | None


def learn_mouth(avatar: Path, source: Path, out: Path, told: Told) -> Learnt:
    """Teach a network the mouth in the video `source` that `avatar` was built from; where it helps, write `out`.

    Raises `TooLittleSpeech`, `ImxError`, `BuildRefused`, and `ValueError` for an avatar that is not of this video.
    """
    opened = open_imx(avatar)
    portrait, manifest = opened.portrait(), opened.manifest
    clip = open_clip(source)
    frame, stretch = _recipe(manifest, clip)
    track = follow(clip, lambda share: told(FOLLOWED * share, "Following the face again."))
    wanted = taught(track, stretch)
    open_count = int((np.nan_to_num(track.opening_iod[wanted]) > 0.05).sum())
    if open_count < OPEN_MIN:
        raise TooLittleSpeech(
            f"The video shows an open mouth for only {open_count / clip.rate_hz:.0f} seconds of speech."
        )
    rig = Rig.from_portrait(portrait)
    ats = np.array(
        [moment.at for moment in Loop(clip, track, stretch, frame, (portrait.width, portrait.height)).moments]
    )
    begun = lambda share: told(FOLLOWED + (DRAWN - FOLLOWED) * share, "Drawing what was said again.")  # noqa: E731
    whole = lessons(clip, track, frame, rig, ats.astype(np.float32), wanted, begun)
    learnt, watched, held_out = whole.parts()
    ground = ground_of(learnt)

    def trained(share: float, rest_s: float) -> None:
        told(DRAWN + (TRAINED - DRAWN) * share, f"Learning how the mouth looks: {_minutes(rest_s)} at most.")

    parameters = train(learnt, watched, ground, trained)
    told(TRAINED, "Trying it on what it never saw.")
    chosen = np.linspace(0, len(learnt) - 1, EXAMPLES).round().astype(int)
    examples = learnt.drawn[chosen].astype(np.float32) / 255
    network = quantised(written(parameters, ground), examples, learnt.controls[chosen])
    trial = try_network(network, ground, held_out, track.opening_iod[held_out.frames], rig)
    if not trial.passed:
        return Learnt(trial, None)
    mouth = OwnMouth(network, trial.gain)
    assert portrait.footage is not None
    write_imx(
        out,
        replace(portrait, footage=replace(portrait.footage, mouth=mouth)),
        replace(manifest, measures={**manifest.measures, "own_mouth": trial.to_json()}),
        poster=opened.poster(),
        preview=opened.preview(),
    )
    return Learnt(trial, mouth)


def _recipe(manifest: Manifest, clip: Clip) -> tuple[Frame, Stretch]:
    """Where the face was taken from, and which pictures became the loop."""
    recipe: dict[str, Any] = manifest.recipe
    try:
        size = recipe["source"]["width"], recipe["source"]["height"]
        frame, stretch = Frame(*recipe["frame"]), Stretch(**recipe["loop"])
    except (KeyError, TypeError) as error:
        raise ValueError("This avatar does not say which part of a video it was made from. Build it again.") from error
    if size != (clip.width, clip.height):
        raise ValueError("This avatar was made from another video.")
    return frame, stretch


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} seconds more"
    return f"{round(seconds / 60)} minutes more"
