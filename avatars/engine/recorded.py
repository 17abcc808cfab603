"""Recorded gestures: what a person does in a clip of their own, played in place of the idle loop while the lips go on.

Where the wire has a name for one it is used; the word is what people write, as in "[wave]".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    # What decodes footage is heavy, and pages only want the names.
    from avatars.engine.footage import Footage

LIMIT: Final = 8
FRAMES_MIN: Final = 20
FRAMES_MAX: Final = 260
# What can be written in square brackets in a text.
NAME_PATTERN: Final = re.compile(r"[a-z][a-z_]{0,29}")
WORDS: Final[Mapping[str, str]] = {
    "mini_wave_hello": "wave",
    "clap_cheer": "clap",
    "heart_hands": "heart",
    "blow_kiss_heart": "kiss",
    "thumbs_up_pulse": "thumbs_up",
    "celebration_jump": "celebrate",
    "laugh_react": "laugh",
    "talk_head_nod_subtle": "nod",
}
"""The words for names that the wire knows; any other name is its own word."""
LABELS: Final[Mapping[str, str]] = {
    "mini_wave_hello": "Wave",
    "thumbs_up_pulse": "Thumbs up",
    "clap_cheer": "Clap",
    "heart_hands": "Heart with the hands",
    "blow_kiss_heart": "Blow a kiss",
    "celebration_jump": "Celebrate",
    "laugh_react": "Laugh",
    "talk_head_nod_subtle": "Nod",
}
"""What people read for these names."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordedGesture:
    """One gesture of a person in a video, drawn where the loop of the portrait has them.

    name: on the wire and in the database. label: what people read. footage: its pictures, as large as the loop's.
    lips: (frames,) float32, how much of speaking lips is drawn, 0 while something is in front of them. free: (frames,
    rows, columns) uint8 over cells of 8 pixels, how far skin may be moved, 0 where a hand is; None for no hand at all.
    enter, leave: (loop frames,) float32, how far each picture of the loop is from the first one here, and from the last.
    """

    name: str
    label: str
    footage: Footage
    lips: NDArray[np.float32]
    enter: NDArray[np.float32]
    leave: NDArray[np.float32]
    free: NDArray[np.uint8] | None = None

    @property
    def word(self) -> str:
        """What is written in a text."""
        return WORDS.get(self.name, self.name)

    @property
    def frames(self) -> int:
        return len(self.footage)
