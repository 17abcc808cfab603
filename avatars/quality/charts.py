"""Charts of a recording as SVG: plain lines, points and bars, coloured by the page they stand in."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from avatars.engine.controls import FRAME_RATE_HZ
from avatars.engine.speech import SAMPLE_RATE_HZ, Phone
from avatars.quality.measure import REAL_OPENING_P95_IOD
from avatars.quality.metrics import Array, envelope_db
from avatars.quality.recording import Recording

WIDTH: Final = 1080
HEIGHT: Final = 240
SQUARE: Final = 320
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 12, 34
OPENING_STEP_IOD: Final = 0.05
BINS: Final = 32
SOUND_SPAN_DB: Final = 40.0


class _Plot:
    """A frame with axes in which data are placed."""

    def __init__(self, width: int, height: int, x: tuple[float, float], y: tuple[float, float], label: str) -> None:
        self.width, self.height, self.x, self.y = width, height, x, y
        self.parts: list[str] = []
        self.label = label

    def across(self, value: float) -> float:
        low, high = self.x
        return round(LEFT + (value - low) / (high - low) * (self.width - LEFT - RIGHT), 1)

    def down(self, value: float) -> float:
        low, high = self.y
        return round(self.height - BOTTOM - (value - low) / (high - low) * (self.height - TOP - BOTTOM), 1)

    def axes(self, xs: Sequence[float], ys: Sequence[float], x_title: str, y_title: str) -> None:
        """Grid lines with their values, and what the axes are."""
        for value in ys:
            at = self.down(value)
            self.parts.append(f'<path class="grid" d="M{LEFT} {at}H{self.width - RIGHT}"/>')
            self.parts.append(f'<text x="{LEFT - 6}" y="{at + 4}" text-anchor="end">{value:g}</text>')
        for value in xs:
            at = self.across(value)
            self.parts.append(f'<text x="{at}" y="{self.height - BOTTOM + 15}" text-anchor="middle">{value:g}</text>')
        self.parts.append(
            f'<text x="{self.width - RIGHT}" y="{self.height - 4}" text-anchor="end">{x_title}</text>'
            f'<text x="2" y="{self.height - 4}">{y_title}</text>'
        )

    def line(self, xs: Array, ys: Array, kind: str) -> None:
        """A line, broken where it has no value."""
        path, drawing = [], False
        for x, y in zip(xs, ys, strict=True):
            if not np.isfinite(y):
                drawing = False
                continue
            path.append(f"{'L' if drawing else 'M'}{self.across(float(x))} {self.down(float(y))}")
            drawing = True
        self.parts.append(f'<path class="{kind}" d="{"".join(path)}"/>')

    def svg(self) -> str:
        """The whole chart."""
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{self.label}">'
            f"{''.join(self.parts)}</svg>"
        )


def opening_chart(recording: Recording) -> str:
    """Openings over time: commanded and seen again, over the loudness of vowels; phones of closed lips below."""
    seen, told = recording.detected, recording.commanded
    frames = len(seen)
    times = (np.arange(frames) + 0.5) / FRAME_RATE_HZ
    high = _ceiling(seen, told)
    plot = _Plot(WIDTH, HEIGHT, (0, frames / FRAME_RATE_HZ), (0, high), "Opening of the lips over time, with the sound")
    if len(recording.samples):
        sound = envelope_db(recording.samples, SAMPLE_RATE_HZ, FRAME_RATE_HZ)[:frames]
        loud = np.clip((sound - sound.max()) / SOUND_SPAN_DB + 1, 0, 1) * high
        edge = " ".join(f"{plot.across(float(t))},{plot.down(float(v))}" for t, v in zip(times, loud, strict=False))
        base = plot.down(0)
        plot.parts.append(
            f'<polygon class="sound" points="{plot.across(0)},{base} {edge} {plot.across(times[-1])},{base}"/>'
        )
    for phone in recording.phones or ():
        if phone.symbol in {"P", "B", "M"}:
            plot.parts.append(_phone_mark(plot, phone, high))
    plot.axes(range(0, int(frames / FRAME_RATE_HZ) + 1), _steps(high), "seconds", "opening, IOD")
    if len(told):
        plot.line(times, told, "told")
    plot.line(times, seen, "seen")
    return plot.svg()


def scatter_chart(recording: Recording) -> str:
    """Commanded against seen again, a point a frame; on the diagonal they agree."""
    told, seen = recording.commanded, recording.detected
    high = _ceiling(seen, told)
    plot = _Plot(SQUARE, SQUARE, (0, high), (0, high), "Openings commanded against openings seen")
    plot.axes(_steps(high), _steps(high), "commanded, IOD", "seen")
    plot.parts.append(
        f'<path class="ideal" d="M{plot.across(0)} {plot.down(0)}L{plot.across(high)} {plot.down(high)}"/>'
    )
    for x, y in zip(told, seen, strict=False):
        if np.isfinite(y):
            plot.parts.append(
                f'<circle class="point" cx="{plot.across(float(x))}" cy="{plot.down(float(y))}" r="2.2"/>'
            )
    return plot.svg()


def histogram_chart(recording: Recording) -> str:
    """How often the lips are seen how far open while something is said, and where a real speaker's 95 % lie."""
    seen = recording.detected[np.isfinite(recording.detected)]
    high = _ceiling(recording.detected, recording.commanded)
    edges = np.linspace(0, high, BINS + 1)
    counts = np.histogram(np.clip(seen, 0, high), edges)[0] / max(1, len(seen)) * 100
    top = max(5.0, float(np.ceil(counts.max(initial=0) / 5) * 5))
    plot = _Plot(SQUARE, SQUARE, (0, high), (0, top), "How often the lips are how far open")
    plot.axes(_steps(high), np.linspace(0, top, 6).round(1).tolist(), "opening, IOD", "% of frames")
    for low, upper, count in zip(edges, edges[1:], counts, strict=False):
        x, y = plot.across(float(low)), plot.down(float(count))
        width = round(plot.across(float(upper)) - x - 1, 1)
        plot.parts.append(f'<rect class="bin" x="{x}" y="{y}" width="{width}" height="{plot.down(0) - y:.1f}"/>')
    at = plot.across(REAL_OPENING_P95_IOD)
    plot.parts.append(f'<path class="real" d="M{at} {TOP}V{plot.down(0)}"/>')
    plot.parts.append(f'<text x="{at + 4}" y="{TOP + 10}">real, 95 %</text>')
    return plot.svg()


def likeness_chart(recording: Recording) -> str:
    """The likeness to the face at rest over time."""
    values = recording.likeness
    low = min(0.5, float(np.floor(values.min(initial=1.0) * 10) / 10))
    length_s = len(recording.detected) / FRAME_RATE_HZ
    plot = _Plot(WIDTH, HEIGHT // 2 + 40, (0, length_s), (low, 1.0), "Likeness to the face at rest over time")
    plot.axes(
        range(0, int(length_s) + 1),
        np.arange(low, 1.01, 0.1 if low > 0.3 else 0.2).round(1).tolist(),
        "seconds",
        "cosine",
    )
    plot.line(np.linspace(0, length_s, len(values)), values, "seen")
    return plot.svg()


def _phone_mark(plot: _Plot, phone: Phone, high: float) -> str:
    left, right = plot.across(phone.start_s), plot.across(phone.end_s)
    return (
        f'<rect class="lips" x="{left}" y="{TOP}" width="{max(1.0, round(right - left, 1))}" '
        f'height="{plot.down(0) - TOP:.1f}"/>'
        f'<text class="phone" x="{(left + right) / 2:.1f}" y="{plot.down(high) + 10}" text-anchor="middle">'
        f"{phone.symbol.lower()}</text>"
    )


def _ceiling(seen: Array, told: Array) -> float:
    known = np.concatenate([seen[np.isfinite(seen)], told])
    return max(0.2, float(np.ceil(known.max(initial=0) / OPENING_STEP_IOD) * OPENING_STEP_IOD))


def _steps(high: float) -> list[float]:
    step = OPENING_STEP_IOD if high <= 0.3 else 2 * OPENING_STEP_IOD
    return [round(float(value), 2) for value in np.arange(0, high + 1e-9, step)]
