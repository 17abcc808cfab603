"""The times of turns, from the worker that counts them to /metrics."""

import pytest
from django.test import Client

from realtime import turn_times
from realtime.placement import Registration, WorkerRecord
from realtime.turn_times import TurnTimes


@pytest.mark.django_db
def test_what_a_worker_counts_is_exported(client: Client) -> None:
    Registration().beat(WorkerRecord("here.1.abc", "media.abc", 3, 1))
    times = TurnTimes()
    times.note({"speech_end": 0, "transcript": 100, "first_audio": 640})
    times.note({"speech_end": 0, "transcript": 101, "first_audio": 9000})
    times.publish("here.1.abc")
    lines = client.get("/metrics").content.decode().splitlines()
    for line in (
        'parlo_turn_seconds_bucket{le="0.1",step="transcript",worker="here.1.abc"} 1.0',
        'parlo_turn_seconds_bucket{le="0.15",step="transcript",worker="here.1.abc"} 2.0',
        'parlo_turn_seconds_bucket{le="0.5",step="first_audio",worker="here.1.abc"} 0.0',
        'parlo_turn_seconds_bucket{le="0.65",step="first_audio",worker="here.1.abc"} 1.0',
        'parlo_turn_seconds_bucket{le="+Inf",step="first_audio",worker="here.1.abc"} 2.0',
        'parlo_turn_seconds_count{step="first_audio",worker="here.1.abc"} 2.0',
        'parlo_turn_seconds_sum{step="first_audio",worker="here.1.abc"} 9.64',
    ):
        assert line in lines
    assert not [line for line in lines if "speech_end" in line]


@pytest.mark.django_db
def test_without_valkey_the_other_metrics_are_there(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr(turn_times, "live_workers", away)
    page = client.get("/metrics").content.decode()
    assert "process_" in page or "python_" in page
    assert "parlo_turn_seconds" not in page
