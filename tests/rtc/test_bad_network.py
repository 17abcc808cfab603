"""Calls over a link that loses, delays or narrows: they come about, and pictures arrive."""

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.link import Condition, link, why_no_link
from realtime.rtc import Network
from tests.rtc.test_far import far_end, heard, told

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_no_link()), reason=why_no_link())]


@pytest.mark.parametrize(
    "condition",
    [Condition(loss=0.1, delay_ms=50), Condition(delay_ms=300), Condition(rate_kbit_s=500), Condition(0.05, 100, 500)],
    ids=["lossy", "far", "narrow", "all of it"],
)
def test_a_call_comes_about(condition: Condition) -> None:
    with link() as way:
        way.become(condition)
        far: Any = SimpleNamespace(inside=way.inside)
        near: Any = SimpleNamespace(inside=())
        with far_end(far, "visitor", Network()) as here, far_end(near, "worker", Network()) as there:
            told(there, **heard(here))
            told(here, **heard(there))
            # Said once it has seen some pictures.
            assert heard(here)["local"] == "host"
