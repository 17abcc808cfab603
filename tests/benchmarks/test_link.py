"""The bad network that others are measured on: what it loses, how long things take, what a narrow one lets through."""

import subprocess
import sys

import pytest

from benchmarks.link import QUEUE_S, Condition, Line, link, why_no_link


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.1, 1.0])
def test_it_loses_its_share_and_the_same_packets_each_time(loss: float) -> None:
    one, other = Line(7, Condition(loss)), Line(7, Condition(loss))
    came = [one.admit(at / 1000, 100) is not None for at in range(10_000)]
    assert came == [other.admit(at / 1000, 100) is not None for at in range(10_000)]
    assert 1 - sum(came) / len(came) == pytest.approx(loss, abs=0.01)
    assert one.counts()["lost"] == came.count(False)


@pytest.mark.parametrize(
    ("condition", "sent", "due_s"),
    [
        (Condition(), [(0.0, 1000), (0.0, 1000)], [0.0, 0.0]),
        (Condition(delay_ms=150), [(0.0, 1000), (0.1, 1000)], [0.15, 0.25]),
        # 1000 bytes are 16 ms of 500 kbit/s.
        (Condition(rate_kbit_s=500), [(0.0, 1000), (0.0, 1000), (0.1, 1000)], [0.016, 0.032, 0.116]),
        (Condition(rate_kbit_s=500, delay_ms=50), [(0.0, 500), (0.004, 500)], [0.058, 0.066]),
        (Condition(down=True), [(0.0, 1000), (5.0, 1)], [None, None]),
    ],
)
def test_a_packet_comes_out_when_it_should(
    condition: Condition, sent: list[tuple[float, int]], due_s: list[float | None]
) -> None:
    line = Line(1, condition)
    assert [line.admit(*packet) for packet in sent] == [
        pytest.approx(due) if due is not None else None for due in due_s
    ]


def test_a_narrow_line_keeps_nobody_waiting_for_longer_than_its_queue() -> None:
    line = Line(1, Condition(rate_kbit_s=500))
    # 800 kbit/s for ten seconds.
    waits_s = [due - at / 100 for at in range(1000) if (due := line.admit(at / 100, 1000)) is not None]
    assert max(waits_s) <= QUEUE_S + 0.016
    assert len(waits_s) * 8 / 10 == pytest.approx(500, rel=0.05)
    counts = line.counts()
    assert counts["crowded_out"] == 1000 - len(waits_s)
    assert line.counts()["passed"] == 0


def test_it_changes_on_the_way() -> None:
    line = Line(1)
    assert line.admit(1.0, 10) == 1.0
    line.condition = Condition(down=True)
    assert line.admit(2.0, 10) is None
    line.condition = Condition(delay_ms=100)
    assert line.admit(3.0, 10) == pytest.approx(3.1)


ECHO = "import socket; s = socket.create_server(({!r}, 7777)); c, _ = s.accept(); c.sendall(c.recv(9))"
CALL = """
import socket, time
start_s = time.monotonic()
there = socket.create_connection(({!r}, 7777), 5)
there.sendall(b"here")
print(there.recv(9), time.monotonic() - start_s)
"""


@pytest.mark.skipif(bool(why_no_link()), reason=why_no_link())
def test_a_far_place_is_reached_over_it_as_slowly_as_it_should() -> None:
    with link() as way:
        way.become(Condition(delay_ms=80))
        with subprocess.Popen([*way.inside, sys.executable, "-c", ECHO.format(way.far)]) as there:
            for _ in range(20):
                told = subprocess.run([sys.executable, "-c", CALL.format(way.far)], capture_output=True, text=True)
                if told.returncode == 0:
                    break
            there.wait(10)
    word, took_s = told.stdout.split()
    assert word == "b'here'"
    # Two ways there and two back: one for the connection, one for the word.
    assert float(took_s) >= 0.32
