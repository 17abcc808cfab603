"""When a ramp of sessions ends, and the picture that is drawn of it."""

from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.bench_ramp import failings
from benchmarks.curve import curve
from benchmarks.tables import ramp


def step(sessions: int = 1, **other: Any) -> dict[str, Any]:
    smooth = {"fps_min": 25.0, "late_ms_p95": 2.0, "frames_skipped": 0, "neighbours_cores": 0.0}
    spent = {"media_core_percent_per_session": 13.0, "other_processes_core_percent": 2.0}
    return {"sessions": sessions, **smooth, **spent, **other}


@pytest.mark.parametrize(
    ("row", "failed"),
    [
        (step(), []),
        (step(fps_min=24.5, late_ms_p95=40.0), []),
        (step(fps_min=24.4), ["pictures"]),
        (step(late_ms_p95=40.1), ["late"]),
        (step(frames_skipped=1), ["sound"]),
        (step(fps_min=20, late_ms_p95=90, frames_skipped=7), ["pictures", "late", "sound"]),
    ],
)
def test_a_step_fails_by_any_of_three(row: dict[str, Any], failed: list[str]) -> None:
    assert failings(row) == failed


@pytest.mark.parametrize("steps", [1, 2, 9])
def test_every_step_is_in_every_graph_and_inside_the_picture(steps: int) -> None:
    rows = [step(number + 1, fps_min=25 - number, late_ms_p95=number**2.5) for number in range(steps)]
    drawn = ElementTree.fromstring(curve({"rows": rows, "cores": 2}))
    width, height = (float(drawn.attrib[name]) for name in ("width", "height"))
    dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in drawn.iter() if dot.tag.endswith("circle")]
    assert len(dots) == 3 * steps
    assert all(0 < x < width and 0 < y < height for x, y in dots)
    assert [y for _, y in dots[:steps]] == sorted(y for _, y in dots[:steps])


def test_the_page_says_how_many_a_core_and_why_no_more() -> None:
    result = {"workers": 2, "cores": 2, "held": 7, "ended_by": ["late", "sound"], "rows": [step(7), step(8)]}
    said = ramp({"ramp": result})
    assert "7 sessions" in said
    assert "3.5 a core" in said
    assert "begun more than 40 ms late and sound was left out" in said
    assert "Not measured" in ramp({})
