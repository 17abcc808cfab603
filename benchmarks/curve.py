"""The ramp of sessions as an SVG: three small graphs under one another. Its colours follow the reader's light or dark."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

WIDTH, PANEL, LEFT, RIGHT, TOP, BOTTOM = 720, 150, 56, 28, 34, 44
STYLE = (
    "svg{--paper:#fff;--ink:#1f2328;--faint:#d0d7de;--line:#0969da;--limit:#bc4c00}"
    "@media(prefers-color-scheme:dark){svg{--paper:#0d1117;--ink:#e6edf3;--faint:#30363d;--line:#4493f8;--limit:#f0883e}}"
    "text{font:13px system-ui,sans-serif;fill:var(--ink)}.title{font-weight:600}.right{text-anchor:end}.mid{text-anchor:middle}"
    ".line{fill:none;stroke:var(--line);stroke-width:2.5}.dot{fill:var(--line)}"
    ".limit{stroke:var(--limit);stroke-width:1.5;stroke-dasharray:6 4}.limits{fill:var(--limit)}.axis{stroke:var(--faint)}"
)


@dataclass(frozen=True, slots=True)
class Graph:
    """One of the graphs. values: by step. limit: where a step fails, and words for it. floor: the axis begins there."""

    title: str
    values: Sequence[float]
    limit: float
    limit_words: str
    floor: float = 0.0


def curve(ramp: dict[str, Any]) -> str:
    """The whole picture, of the result of `ramp`."""
    rows = ramp["rows"]
    spent = [
        (row["media_core_percent_per_session"] * row["sessions"] + row["other_processes_core_percent"]) / 100
        for row in rows
    ]
    graphs = (
        Graph("pictures a second, the slowest visitor", [row["fps_min"] for row in rows], 24.5, "24.5", 20.0),
        Graph("how late frames are begun, 95th percentile, ms", [row["late_ms_p95"] for row in rows], 40.0, "40 ms"),
        Graph("cores taken by Parlo", spent, float(ramp["cores"]), f"{ramp['cores']} cores"),
    )
    at = [row["sessions"] for row in rows]
    height = PANEL * len(graphs)
    drawn = "".join(_drawn(graph, at, PANEL * number) for number, graph in enumerate(graphs))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">'
        f"<title>Sessions that talk at once, and what arrives</title><style>{STYLE}</style>"
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="var(--paper)"/>{drawn}</svg>\n'
    )


def _drawn(graph: Graph, at: Sequence[int], top: int) -> str:
    """One graph, its upper edge at `top`."""
    high = max(*graph.values, graph.limit) * 1.1
    floor = min(graph.floor, *graph.values)
    upper, lower = top + TOP, top + PANEL - BOTTOM

    def x(sessions: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (sessions - at[0] + 0.5) / (at[-1] - at[0] + 1)

    def y(value: float) -> float:
        return lower - (lower - upper) * (value - floor) / (high - floor)

    points = [(x(sessions), y(value)) for sessions, value in zip(at, graph.values, strict=True)]
    limit_y = y(graph.limit)
    parts = [
        f'<text class="title" x="{LEFT}" y="{top + 20}">{escape(graph.title)}</text>',
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{lower}" y2="{lower}"/>',
        f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{limit_y:.1f}" y2="{limit_y:.1f}"/>',
        f'<text class="limits right" x="{LEFT - 6}" y="{limit_y + 4:.1f}">{escape(graph.limit_words)}</text>',
        f'<polyline class="line" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}"/>',
    ]
    for (a, b), sessions, value in zip(points, at, graph.values, strict=True):
        # Below the point where above it there is the limit.
        beside = b + 18 if 0 <= b - limit_y < 18 else b - 9
        parts.append(f'<circle class="dot" cx="{a:.1f}" cy="{b:.1f}" r="4"/>')
        parts.append(f'<text class="mid" x="{a:.1f}" y="{beside:.1f}">{value:.3g}</text>')
        parts.append(f'<text class="mid" x="{a:.1f}" y="{lower + 18}">{sessions}</text>')
    parts.append(f'<text class="right" x="{LEFT - 6}" y="{lower + 18}">talk</text>')
    return "".join(parts)
