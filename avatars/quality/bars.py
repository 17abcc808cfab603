"""The one table of what is good enough, and the real speakers it was set by.

How the bars were set. Each starts at what the literature or the product asks for. Then real people on film went through
the same tracker, the ceiling: where a bar asked for more than they reach, it was moved to where they are, with some room
for the length of a sample. A drawn face is never asked to be better than a real one is seen to be; the only bars above
the ceiling are about what no film can show, such as closed lips where the phones are known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from avatars.quality.measure import Measures

TOOTHY_IOD: Final = 0.05
"""A source whose lips are further apart than this loses some of its likeness with its smile."""
DELAY_TOLERANCE_MS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Bar:
    """What one measure has to be: at least `low` and at most `high`, either of them open."""

    title: str
    low: float | None
    high: float | None
    why: str

    def holds(self, value: float) -> bool:
        """Whether a value is good enough."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.low is None:
            return f"≤ {self.high:g}"
        return f"≥ {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


BARS: Final[Mapping[str, Bar]] = MappingProxyType(
    {
        "opening_rmse_iod": Bar(
            "Lips do what they are told (RMSE, IOD)",
            *(None, 0.03),
            "A lip is 0.09 to 0.15 IOD thick; less than a third of it is not seen.",
        ),
        "opening_r": Bar(
            "The same as a correlation",
            *(0.80, None),
            "Good faces have 0.85 to 0.97. It falls where openings are small, so the RMSE decides.",
        ),
        "opening_lag_ms": Bar("Lips are as late as they are told", -20, 20, "Half a frame."),
        "opening_p95_iod": Bar(
            "How far the lips open (95 %, IOD)",
            *(0.09, 0.14),
            "A real speaker: 0.114 with his pauses. More is shouting, less is mumbling.",
        ),
        "width_ratio": Bar(
            "Range of widths against a real mouth",
            *(0.60, 1.80),
            "Real speakers seen by this tracker: 0.7 to 1.8 of the one it is held against.",
        ),
        "offset_ms": Bar(
            "Picture against sound (ms late)",
            *(-20, 20),
            "Half a frame. Viewers notice 45 ms of early and 125 ms of late sound (ITU-R BT.1359).",
        ),
        "film_offset_ms": Bar("The same in the written film", -20, 20, "As above, after both codecs."),
        "release_offset_ms": Bar(
            "The same by the bursts of p and b",
            *(-40, 40),
            "One frame: the median of a few bursts is less exact than a correlation.",
        ),
        "drift_ms_per_hour": Bar("Drift (ms an hour)", -20, 20, "A conversation lasts an hour."),
        "sound_r": Bar(
            "Lips follow the syllables (r)",
            *(0.30, 0.80),
            "A real speaker: 0.47, less a third for a short sample. More than 0.8 is flapping with the loudness.",
        ),
        "voiced_r": Bar(
            "The same within what is voiced",
            *(0.10, 0.80),
            "A real speaker: 0.47. Within vowels loudness says little about a jaw that follows the phones.",
        ),
        "closure_rate": Bar(
            "p, b and m with closed lips",
            0.98,
            None,
            "Viewers see a missing closure before anything but a wrong timing.",
        ),
        "false_closure_rate": Bar("Open vowels with closed lips", None, 0.03, "A vowel needs an opening."),
        "contact_rate": Bar("f and v at the teeth", 0.85, None, "Lower lip within 0.03 IOD of the upper."),
        "group_f1": Bar(
            "Four groups of sounds told by shape (F1)",
            *(0.50, None),
            "Twice what another part of the sound gives, 0.2 to 0.25; lips alone show no more of a running sentence.",
        ),
        "silence_parted_share": Bar(
            "Lips parted in silence", None, 0.01, "The most usual complaint about talking faces."
        ),
        "silence_speed_iod_s": Bar(
            "Speed of lips in silence (IOD/s)",
            *(None, 0.20),
            "A real person's closed lips are seen to move with 0.135 by this tracker, who sits stiller than a speaker.",
        ),
        "lip_speed_p99_iod_s": Bar(
            "Fastest lips (IOD/s)", None, 1.45, "Real speakers: 1.0 and 1.3, less a tenth for the length of a sample."
        ),
        "fast_share": Bar(
            "Movement above 8 Hz",
            *(None, 0.03),
            "A real person: 0.005 over a minute of talk and pauses; a sentence full of closures has up to five times as much.",
        ),
        "jerk": Bar("Abruptness (1/s²)", None, 1900, "A real person: 1460, at 25 Hz; 1.3 times as much."),
        "jitter_px": Bar(
            "Eyes and nose wander (pixels)",
            None,
            0.3,
            "At 512 pixels, while only the mouth moves; followed in the pixels, for a mesh moves the eyes with the mouth.",
        ),
        "identity_mean": Bar(
            "Likeness while speaking (cosine)", 0.94, None, "One person in two photographs: 0.64 to 0.88."
        ),
        "upper_ssim": Bar(
            "Brows and forehead unchanged (SSIM)",
            0.98,
            None,
            "A speaking mouth moves neither; lids may follow a smile.",
        ),
        "outside_changed_share": Bar(
            "Pixels changed outside the mouth's region", None, 0.0, "Head held still, before the codec: identical."
        ),
        "background_changed_share": Bar(
            "Pixels changed in the background", None, 0.0, "In motion, before the codec: identical."
        ),
        "flicker_levels": Bar("Skin flickers (grey levels)", None, 1.0, "Less than one level is not seen."),
        "seam_levels": Bar("Edge of the moving region (grey levels)", None, 1.5, "Two levels are seen as a line."),
        "seam_de": Bar("Colour step there (dE)", None, 2.0, "2.3 is what an eye just notices."),
        "texture_ratio": Bar(
            "Detail in the open mouth against a real one",
            *(0.6, 2.5),
            "The real one was filmed by a webcam at a third of the size, which takes half of it.",
        ),
        "motion_levels": Bar(
            "The picture moves while it speaks (levels)",
            1.8,
            None,
            "Real people: 1.9 to 8.8 in the most moved of 64 cells.",
        ),
        "loop_seam_ratio": Bar(
            "Step where the video begins again", None, 1.5, "In steps elsewhere in the loop; twice is seen as a jump."
        ),
        "idle_motion_ratio": Bar(
            "The loop moves as far as the clip did",
            *(0.85, 1.15),
            "More is shimmer, or a way back to the beginning that is too far; less is a frozen face.",
        ),
        "idle_abruptness_ratio": Bar(
            "The loop moves as smoothly as the clip did",
            *(0.85, 1.15),
            "Second differences over first ones: more trembles, less glides.",
        ),
        "sound_db": Bar("Level of the sound (dB)", -45, None, "A recording of silence proves nothing."),
    }
)
TOOTHY: Final = Bar(
    BARS["identity_mean"].title, 0.86, None, "The smile goes while it speaks, and with it some of the likeness."
)

CEILINGS: Final[Mapping[str, Measures]] = MappingProxyType(
    {
        "A real speaker (9 s, 12 pictures a second)": Measures(
            opening_p95_iod=0.2439,
            opening_ratio=2.14,
            width_ratio=1.81,
            sound_r=0.4665,
            sound_r_shuffled=0.1826,
            voiced_r=0.4677,
            intensity_r=0.0703,
            offset_ms=-8.5,
            lip_speed_p99_iod_s=1.2918,
            identity_min=0.597,
            identity_mean=0.7001,
            motion_levels=5.6572,
            sound_db=-31.8,
            frames=217,
        ),
        "A real person at a webcam (53 s, no sound)": Measures(
            opening_p95_iod=0.3374,
            opening_ratio=2.96,
            width_ratio=1.35,
            silence_speed_iod_s=0.1348,
            lip_speed_p99_iod_s=1.0107,
            fast_share=0.0048,
            jerk=1463.6,
            identity_min=0.6653,
            identity_mean=0.8166,
            texture_ratio=1.0,
            motion_levels=1.872,
            frames=1337,
        ),
    }
)
"""What real people reach through the same tracker. Both laugh, so their openings are wider than in plain speech."""


def bar_for(name: str, measures: Measures) -> Bar | None:
    """The bar of a measure for this face; None where nothing is asked."""
    toothy = measures.source_opening_iod is not None and measures.source_opening_iod > TOOTHY_IOD
    return TOOTHY if name == "identity_mean" and toothy else BARS.get(name)


def verdicts(measures: Measures) -> dict[str, bool | None]:
    """Which bars hold, in the order of the table; None where the measure is missing."""
    held: dict[str, bool | None] = {}
    for name in BARS:
        value, bar = getattr(measures, name), bar_for(name, measures)
        held[name] = None if value is None or bar is None else bar.holds(value)
    return held


def sham_faults(measures: Measures, shuffled: Measures, delayed: Measures, still: Measures) -> list[str]:
    """Sentences about controls that passed where they had to fail: then the measures prove nothing about this face."""
    faults = []
    for name, title in (("sound_r", "the syllables"), ("closure_rate", "closures"), ("group_f1", "shapes")):
        real, sham = getattr(measures, name), getattr(shuffled, name)
        bar = BARS[name]
        if real is not None and bar.holds(real) and sham is not None and bar.holds(sham):
            faults.append(f"Another part of the sound passes the bar for {title} as well.")
    if shuffled.offset_ms is not None and measures.offset_ms is not None:
        faults.append("Another part of the sound gives an offset as well.")
    if measures.offset_ms is not None:
        found = None if delayed.offset_ms is None else delayed.offset_ms - measures.offset_ms
        if found is None or abs(found - 200) > DELAY_TOLERANCE_MS:
            seen = "not found" if found is None else f"found as {found:.0f} ms"
            faults.append(f"A picture 200 ms late is {seen}.")
    if still.sound_r is not None or still.opening_r is not None:
        faults.append("A still picture is said to move with the sound.")
    if measures.sound_db is not None and not BARS["sound_db"].holds(measures.sound_db):
        faults.append("The sound is too soft to prove anything.")
    return faults
