"""The page of an examination, for people: one HTML file that needs nothing beside it."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe
from numpy.typing import NDArray

from avatars.quality import charts
from avatars.quality.bars import CEILINGS, bar_for
from avatars.quality.examination import Examination
from avatars.quality.lips import GROUPS
from avatars.quality.measure import Measures

SHEET_WIDTH_PX: Final = 1100
SHEET_QUALITY: Final = 78
FACE_PX: Final = 96

SUMMARY: Final = {
    "opening_rmse_iod": "RMSE",
    "closure_rate": "p b m closed",
    "false_closure_rate": "false closure",
    "opening_p95_iod": "opening 95 %",
    "film_offset_ms": "film offset",
    "silence_parted_share": "parted in silence",
    "identity_mean": "likeness",
    "outside_changed_share": "outside changed",
    "jitter_px": "jitter",
}
"""The measures of the first table, with the short names of its columns."""
CONTROLS: Final = ("as it speaks", "another sound", "200 ms late", "still picture")


@dataclass(frozen=True, slots=True)
class Face:
    """One face of a page: its name, and its examination with a contact sheet, or the sentence that refuses it."""

    name: str
    examination: Examination | None = None
    sheet: NDArray[np.uint8] | None = None
    picture: NDArray[np.uint8] | None = None
    refusal: str = ""


def page(faces: Sequence[Face], spoken: str, ceilings: Mapping[str, Measures] = CEILINGS) -> str:
    """The HTML of a page about `faces`, all of which said `spoken`, with real people as ceilings."""
    examined = [face for face in faces if face.examination is not None]
    return render_to_string(
        "quality/page.html",
        {
            "spoken": spoken,
            "columns": list(SUMMARY.values()),
            "rows": [_summary(face) for face in faces],
            "ceilings": [(name, [_value(measures, each) for each in SUMMARY]) for name, measures in ceilings.items()],
            "bars": [str(bar_for(name, Measures())) for name in SUMMARY],
            "faces": [_details(face, ceilings) for face in examined],
            "met": sum(not face.examination.missed for face in examined if face.examination),
        },
    )


def _summary(face: Face) -> dict[str, Any]:
    if face.examination is None:
        return {"name": face.name, "refusal": face.refusal}
    return {
        "name": face.name,
        "anchor": _anchor(face.name),
        "picture": None if face.picture is None else _data_uri(face.picture, FACE_PX),
        "cells": [_cell(face.examination.measures, name) for name in SUMMARY],
        "missed": len(face.examination.missed),
    }


def _details(face: Face, ceilings: Mapping[str, Measures]) -> dict[str, Any]:
    found = face.examination
    assert found is not None
    seen = bool(np.isfinite(found.recording.detected).any())
    return {
        "name": face.name,
        "anchor": _anchor(face.name),
        "missed": [_missed(found.measures, name) for name in found.missed],
        "faults": found.faults,
        "comparison": found.comparison,
        "sheet": None if face.sheet is None else _data_uri(face.sheet, SHEET_WIDTH_PX),
        # The charts are made of numbers and of names of this program alone.
        "charts": _charts(found) if seen else {},
        "groups": GROUPS,
        "group_rows": [
            (GROUPS[at], [(count, round(100 * count / sum(row))) for count in row])
            for at, row in enumerate(found.measures.group_table)
            if sum(row)
        ],
        "controls": CONTROLS,
        "ceilings": list(ceilings),
        "measures": [_measure(found, name, ceilings) for name in found.verdicts],
    }


def _charts(found: Examination) -> dict[str, str]:
    recording = found.recording
    drawn = {
        "opening": charts.opening_chart(recording),
        "scatter": charts.scatter_chart(recording),
        "histogram": charts.histogram_chart(recording),
        "likeness": charts.likeness_chart(recording),
    }
    return {name: mark_safe(svg) for name, svg in drawn.items()}  # noqa: S308


def _measure(found: Examination, name: str, ceilings: Mapping[str, Measures]) -> dict[str, Any]:
    bar = bar_for(name, found.measures)
    assert bar is not None
    columns = (found.measures, found.shuffled, found.delayed, found.still, *ceilings.values())
    return {
        "name": name,
        "title": bar.title,
        "bar": str(bar),
        "why": bar.why,
        "holds": found.verdicts[name],
        "values": [_value(measures, name) for measures in columns],
        "reason": found.measures.reasons.get(name, ""),
    }


def _missed(measures: Measures, name: str) -> str:
    bar = bar_for(name, measures)
    assert bar is not None
    return f"{bar.title}: {_value(measures, name)}, should be {bar}."


def _cell(measures: Measures, name: str) -> dict[str, Any]:
    value, bar = getattr(measures, name), bar_for(name, measures)
    holds = None if value is None or bar is None else bar.holds(value)
    return {"value": _value(measures, name), "holds": holds, "reason": measures.reasons.get(name, "")}


def _value(measures: Measures, name: str) -> str:
    value = getattr(measures, name)
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _anchor(name: str) -> str:
    return "face-" + "".join(letter if letter.isalnum() else "-" for letter in name)


def _data_uri(picture: NDArray[np.uint8], width_px: int) -> str:
    height = round(picture.shape[0] * width_px / picture.shape[1])
    small = cv2.resize(picture, (width_px, height), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, SHEET_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
