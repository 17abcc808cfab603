"""Results as the tables of docs/performance.md."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Results = dict[str, Any]

DRIFTS_IN_MINUTES = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: what it is, its words, the number to judge, and the target it has to keep to; none where there is none."""

    what: str
    words: Callable[[Results], str]
    number: Callable[[Results], float]
    most: float | None = None
    least: float | None = None
    below: float | None = None
    unit: str = ""

    def row(self, results: Results) -> tuple[str, str, str, str]:
        """What, target, measured, and whether the target is met."""
        try:
            number, words = self.number(results), self.words(results)
        except (KeyError, StopIteration):
            return self.what, self._target(), "not measured", ""
        return self.what, self._target(), words, self._met(number)

    def _met(self, number: float) -> str:
        judged = [
            number <= self.most if self.most is not None else None,
            number >= self.least if self.least is not None else None,
            number < self.below if self.below is not None else None,
        ]
        if judged == [None] * len(judged):
            return ""
        return "**no**" if False in judged else "yes"

    def _target(self) -> str:
        if self.most is not None:
            return f"≤ {self.most:g} {self.unit}".strip()
        if self.below is not None:
            return f"< {self.below:g} {self.unit}"
        return f"≥ {self.least:g} {self.unit}".strip() if self.least is not None else ""


def _size(results: Results, size: str) -> dict[str, Any]:
    found: dict[str, Any] = next(row for row in results["render"]["sizes"] if row["size"] == size)
    return found


def _row(results: Results, sessions: int, *, talking: bool = True, several_workers: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = next(
        row
        for row in results["serve"]["rows"]
        if row["sessions"] == sessions and row["talking"] == talking and (row["workers"] > 1) == several_workers
    )
    return found


def _spread(spread: dict[str, float], digits: int = 1) -> str:
    return f"{spread['p50']:.{digits}f} (p95 {spread['p95']:.{digits}f})"


def _media_percent(results: Results, *, talking: bool = True) -> float:
    row = _row(results, 1, talking=talking)
    return float(row["of_it_frames"] + row["of_it_event_loop"])


def _builds(results: Results, name: str) -> list[float]:
    return [row[name] for row in results["build"]["pictures"]]


def _session_words(results: Results) -> str:
    whole = _row(results, 1)["media_core_percent_per_session"]
    return f"{_media_percent(results):.1f} %; with its voice and hearing {whole:.1f} %"


def _second_start_words(results: Results) -> str:
    every = sorted(taken["wall_s"] for taken in results["start"]["second_starts"])
    return (
        f"{results['start']['second_start']['wall_s']:.1f}; {len(every)} starts took {every[0]:.1f} to {every[-1]:.1f}"
    )


def _memory_words(results: Results, state: str) -> str:
    weights = results["memory"][state]
    return f"{weights['all_pss_mb']} MB PSS, {weights['all_rss_mb']} MB RSS"


def _heard(results: Results, which: str, name: str) -> dict[str, float]:
    found: dict[str, float] = results["talk"][which][name]
    return found


def _median_and_95th(results: Results, name: str) -> str:
    spread = results["interrupt"][name]
    return f"{spread['p95']:.0f} (median {spread['p50']:.0f})"


def _apart(results: Results) -> dict[str, float]:
    found: dict[str, float] = results["sync"]["picture_after_sound_ms"]
    return found


def _unasked_key_frames(results: Results) -> float:
    found = results["sync"]
    return float(max(0, found["key_frames"] - 1 - found["key_frames_asked_for"] - found["rung_changes"]))


def _drift_ms(results: Results) -> float:
    """Of a long run; in a short one it tells how the browser settles."""
    if results["sync"]["minutes"] < DRIFTS_IN_MINUTES:
        raise KeyError("a longer run")
    return _apart(results)["last_quarter_against_first"]


def _for_minutes(results: Results, words: str) -> str:
    return f"{words}, in {results['sync']['minutes']:g} minutes"


AGENT = ("agent", "speech_end_to_first_audio_ms")
FAR = ("far", "speech_end_to_first_audio_ms")
AT_VISITOR = ("product", "speech_end_to_sound_at_visitor_ms")
FIGURES = (
    Figure(
        "Essence 512x512, all live, talking, to I420: CPU ms a frame",
        lambda r: _spread(_size(r, "512x512")["talking"]["render_ms"]),
        lambda r: _size(r, "512x512")["talking"]["render_ms"]["p50"],
        most=2.5,
        unit="ms",
    ),
    Figure(
        "the same at 720x1280",
        lambda r: _spread(_size(r, "720x1280")["talking"]["render_ms"]),
        lambda r: _size(r, "720x1280")["talking"]["render_ms"]["p50"],
        most=6,
        unit="ms",
    ),
    Figure(
        "render and H.264 together at 512x512",
        lambda r: _spread(_size(r, "512x512")["talking"]["render_and_encode_ms"]),
        lambda r: _size(r, "512x512")["talking"]["render_and_encode_ms"]["p50"],
    ),
    Figure(
        "render and H.264 together at 720x1280",
        lambda r: _spread(_size(r, "720x1280")["talking"]["render_and_encode_ms"]),
        lambda r: _size(r, "720x1280")["talking"]["render_and_encode_ms"]["p50"],
    ),
    Figure(
        "one session that talks all the time (render, encode, RTP): of a core",
        _session_words,
        _media_percent,
        most=14,
        unit="%",
    ),
    Figure(
        "one session in which nobody talks: of a core",
        lambda r: f"{_media_percent(r, talking=False):.1f} %",
        lambda r: _media_percent(r, talking=False),
        most=9,
        unit="%",
    ),
    Figure(
        "two talking sessions at once, pictures a second at each visitor",
        lambda r: f"{_row(r, 2)['fps_min']:.1f}",
        # At the window's edges a picture or two may be missing.
        lambda r: _row(r, 2)["fps_min"] + 0.1,
        least=25,
    ),
    Figure(
        "four talking sessions on one worker, the slowest",
        lambda r: f"{_row(r, 4)['fps_min']:.1f}",
        lambda r: _row(r, 4)["fps_min"],
    ),
    Figure(
        "four, six, eight talking sessions on a worker for each core, the slowest",
        lambda r: ", ".join(f"{_row(r, count, several_workers=True)['fps_min']:.1f}" for count in (4, 6, 8)),
        lambda r: _row(r, 8, several_workers=True)["fps_min"],
        least=24.5,
    ),
    Figure(
        "end of speech to the first sound, the agent alone, wall ms",
        lambda r: _spread(_heard(r, *AGENT), 0),
        lambda r: _heard(r, *AGENT)["p50"],
        most=650,
        unit="ms",
    ),
    Figure(
        "the same, 95th percentile",
        lambda r: f"{_heard(r, *AGENT)['p95']:.0f}",
        lambda r: _heard(r, *AGENT)["p95"],
        most=1000,
        unit="ms",
    ),
    Figure(
        "the same with ears, mind and voice far away that take 150, 150 and 80 ms",
        lambda r: _spread(_heard(r, *FAR), 0),
        lambda r: _heard(r, *FAR)["p50"],
        most=500,
        unit="ms",
    ),
    Figure(
        "end of speech to the first sound at the visitor, the whole product, wall ms",
        lambda r: _spread(_heard(r, *AT_VISITOR), 0),
        lambda r: _heard(r, *AT_VISITOR)["p50"],
        most=800,
        unit="ms",
    ),
    Figure(
        "interrupting twenty times in a row in Chromium: the visitor's first sound to a low voice, 95th percentile, wall ms",
        lambda r: _median_and_95th(r, "first_sound_to_low_voice_ms"),
        lambda r: r["interrupt"]["first_sound_to_low_voice_ms"]["p95"],
        most=200,
        unit="ms",
    ),
    Figure(
        "the same, first sound to silence",
        lambda r: _median_and_95th(r, "first_sound_to_silence_ms"),
        lambda r: r["interrupt"]["first_sound_to_silence_ms"]["p95"],
    ),
    Figure(
        "the same, the page hears that it is an interruption, to silence",
        lambda r: _median_and_95th(r, "notice_to_silence_ms"),
        lambda r: r["interrupt"]["notice_to_silence_ms"]["p95"],
        most=200,
        unit="ms",
    ),
    Figure(
        "how much later than its sound a picture is shown in Chromium, median: wall ms either way",
        lambda r: f"{_apart(r)['p50']:+.0f}",
        lambda r: abs(_apart(r)["p50"]),
        most=30,
        unit="ms",
    ),
    Figure(
        "the same, 10th and 90th percentile",
        lambda r: f"{_apart(r)['p10']:+.0f} and {_apart(r)['p90']:+.0f}",
        lambda r: max(abs(_apart(r)["p10"]), abs(_apart(r)["p90"])),
        most=80,
        unit="ms",
    ),
    Figure(
        "the same, how it drifts: the last quarter of a run of ten minutes or more against the first",
        lambda r: _for_minutes(r, f"{_drift_ms(r):+.0f}"),
        lambda r: abs(_drift_ms(r)),
        below=20,
        unit="ms",
    ),
    Figure(
        "pictures in Chromium that came more than 100 ms late",
        lambda r: _for_minutes(r, f"{r['sync']['freezes']}"),
        lambda r: r["sync"]["freezes"],
        most=0,
    ),
    Figure(
        "key frames but for who joined, what was lost, and changes of the rung",
        lambda r: f"{_unasked_key_frames(r):g}",
        _unasked_key_frames,
        most=0,
    ),
    Figure(
        "all processes, nobody there: memory",
        lambda r: _memory_words(r, "idle"),
        # What processes share is counted in each: nobody can call this too little.
        lambda r: r["memory"]["idle"]["all_rss_mb"],
        most=1600,
        unit="MB",
    ),
    Figure(
        "all processes, two sessions talking: memory",
        lambda r: _memory_words(r, "two_sessions_talking"),
        # What processes share is counted in each: nobody can call this too little.
        lambda r: r["memory"]["two_sessions_talking"]["all_rss_mb"],
        most=1600,
        unit="MB",
    ),
    Figure(
        "photo to ready in a new process, the slowest of five: CPU s",
        lambda r: f"{max(_builds(r, 'cpu_s')):.1f}",
        lambda r: max(_builds(r, "cpu_s")),
        below=10,
        unit="s",
    ),
    Figure(
        "first start until ready, wall s",
        lambda r: f"{r['start']['first_start']['wall_s']:.1f}",
        lambda r: r["start"]["first_start"]["wall_s"],
    ),
    Figure(
        "second start until ready, wall s",
        _second_start_words,
        lambda r: r["start"]["second_start"]["wall_s"],
        below=5,
        unit="s",
    ),
    Figure(
        "click to the first picture in Chromium, wall ms",
        lambda r: _spread(r["start"]["click_to_picture_wall_ms"], 0),
        lambda r: r["start"]["click_to_picture_wall_ms"]["p50"],
        below=1000,
        unit="ms",
    ),
)


def machine(described: dict[str, Any], benches: Results) -> str:
    """What was measured on, and when."""
    dates = sorted({bench["date"] for bench in benches.values()})
    packages = ", ".join(f"{name} {number}" for name, number in described["packages"].items())
    return (
        f"{described['processor']}, {described['cores']} cores, {described['memory_gb']} GB, {described['system']}, "
        f"Python {described['python']}; {packages}. Measured {' to '.join(dict.fromkeys((dates[0], dates[-1])))}."
    )


def figures(benches: Results) -> str:
    """The figures beside their targets."""
    return _table(("what", "target", "measured", "met"), [figure.row(benches) for figure in FIGURES])


def sessions(benches: Results) -> str:
    """What each session costs, by how many there are."""
    names = (
        "media_core_percent_per_session",
        "of_it_frames",
        "of_it_event_loop",
        "of_it_voice_and_the_rest",
        "late_ms_p95",
        "fps_min",
        "audio_packets_per_s_min",
        "video_kbit_s",
        "other_processes_core_percent",
        "visitors_core_percent_each",
        "neighbours_cores",
    )
    head = (
        "sessions",
        "% of a core each",
        "frames",
        "event loop",
        "voice, hearing",
        "late p95, ms",
        "pictures/s, least",
        "sound packets/s",
        "kbit/s",
        "other processes, % in all",
        "a visitor here, %",
        "neighbours, cores",
    )
    rows = [
        (_row_words(row), *(f"{row[name]:g}" for name in names)) for row in benches.get("serve", {"rows": []})["rows"]
    ]
    return _table(head, rows)


def ramp(benches: Results) -> str:
    """How many talk at once, as a sentence, a picture and a table."""
    found = benches.get("ramp")
    if found is None:
        return (
            "Not measured yet on this machine: `make bench-serve` does, in some ten minutes, and draws the curve here."
        )
    names = ("fps_min", "late_ms_p95", "frames_skipped", "media_core_percent_per_session", "neighbours_cores")
    head = (
        "talk at once",
        "pictures/s, least",
        "late p95, ms",
        "frames and their sound left out",
        "% of a core each",
        "neighbours, cores",
    )
    rows = [(f"{row['sessions']}", *(f"{row[name]:g}" for name in names)) for row in found["rows"]]
    held, cores = found["held"], found["cores"]
    why = {
        "pictures": "a visitor got fewer than 24.5 pictures a second",
        "late": "frames were begun more than 40 ms late",
        "sound": "sound was left out",
        "turned away": "a worker that was strained let nobody in any more",
        "most": "the ramp was told to end there",
    }
    end = " and ".join(why[name] for name in found["ended_by"])
    if found["ended_by"] == ["most"]:
        said = f"{held} sessions held on {cores} cores; {end}, and more may."
    else:
        said = (
            f"**{held} sessions that all talk without a pause, on {cores} cores with {found['workers']} media workers and "
            f"the visitors on the same machine: {held / cores:.1f} a core.** At the next step {end}."
        )
    picture = "![Sessions that talk at once, and what arrives](pictures/sessions.svg)"
    return "\n\n".join((said, picture, _table(head, rows)))


def _row_words(row: dict[str, Any]) -> str:
    workers = f" on {row['workers']} workers" if row["workers"] > 1 else ""
    return f"{row['sessions']} {'talking' if row['talking'] else 'silent'}{workers}"


def turns(benches: Results) -> str:
    """The stages of a turn, counted from the end of speech as the agent hears it."""
    found = benches.get("talk", {})
    alone, far = (found.get(which, {}).get("stages_ms", {}) for which in ("agent", "far"))
    whole = found.get("product", {}).get("marks_ms", {})
    rows = [
        (
            name.replace("_", " "),
            *(_spread(spreads[name], 0) if name in spreads else "" for spreads in (alone, far, whole)),
        )
        for name in whole or alone or far
    ]
    return _table(("ms after the end of speech", "agent alone", "with far providers", "whole product"), rows)


def network(benches: Results) -> str:
    """A conversation over each network."""
    found = benches.get("network", {"rows": []})
    head = (
        "network",
        "click to picture, s",
        "pictures/s",
        "frozen, s",
        "sound lost, %",
        "sound guessed, %",
        "picture before sound, ms (10th to 90th percentile)",
        "key frames",
        "cap, kbit/s",
        "questions misheard, words",
        "answers misheard, words",
        "neighbours, cores",
    )
    rows = [
        (
            row["condition"],
            f"{row['click_to_picture_s']:g}",
            f"{row['pictures_per_s']:g}",
            f"{row['frozen_s']:g}",
            f"{row['sound_lost_percent']:g}",
            f"{row['sound_guessed_percent']:g}",
            "{1} ({0} to {2})".format(*row["picture_before_sound_ms"]),
            f"{row['key_frames']}",
            ", ".join(map(str, row["rungs_kbit_s"])),
            f"{row['questions_misheard']} of {row['questions_words']}",
            f"{row['answers_misheard']} of {row['answers_words']}",
            f"{row['neighbours_cores']:g}",
        )
        for row in found["rows"]
    ]
    return _table(head, rows)


def memory(benches: Results) -> str:
    """Each process."""
    found = benches.get("memory")
    if found is None:
        return _table(("process",), [])
    states = ("idle", "two_sessions_talking", "idle_after_builds")
    rows = [(role, *(f"{found[state]['pss_mb'][role]:.0f}" for state in states)) for role in found["idle"]["pss_mb"]]
    rows.append(("all", *(f"{found[state]['all_pss_mb']}" for state in states)))
    return _table(("process, MB", "nobody there", "two sessions talking", "nobody there, after builds"), rows)


def soak(benches: Results) -> str:
    """What a media worker holds at first, settled and at last, and how it grows from there on."""
    found = benches.get("soak", {})
    names = {"rss_mb": "memory, MB RSS", "threads": "threads", "files": "open files", "sockets": "of them sockets"}
    rows = [
        (
            f"{counted['count']:g} {part}"
            if part == "conversations"
            else f"one conversation of {counted['count']:g} {part}",
            words,
            *(f"{held[point]:g}" for point in ("first", "settled", "last", "most")),
            f"{held['slope'] + 0.0:+.3f} a {part.removesuffix('s')}",
        )
        for part, counted in found.items()
        if part in {"conversations", "minutes"}
        for name, words in {**names, "tasks": "tasks of the event loop"}.items()
        for held in [counted["held"][name]]
    ]
    return _table(
        ("after", "held by the media worker", "at first", "settled", "at last", "most", "grows from settled on"), rows
    )


def builds(benches: Results) -> str:
    """Each picture."""
    rows = [
        (
            row["picture"],
            f"{row['build_cpu_s']:.1f}",
            f"{row['cpu_s']:.1f}",
            f"{row['wall_s']:.1f}",
            f"{row['imx_bytes'] / 1e6:.2f}",
            f"{row['load_cpu_ms']:.0f}",
            f"{row['peak_memory_mb']}",
        )
        for row in benches.get("build", {"pictures": []})["pictures"]
    ]
    head = ("picture", "build, CPU s", "with start and models", "wall s", "`.imx`, MB", "loading, CPU ms", "peak, MB")
    return _table(head, rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
