"""What a worker holds, from its beat to /metrics."""

import pytest
from django.test import Client

from realtime import vitals
from realtime.placement import Registration, WorkerRecord


@pytest.mark.django_db
def test_what_a_worker_holds_is_exported(client: Client) -> None:
    Registration().beat(WorkerRecord("here.1.abc", "media.abc", 3, 1))
    vitals.publish("here.1.abc", {"sessions": 1, "tasks": 34, "threads": 7})
    lines = client.get("/metrics").content.decode().splitlines()
    for what, count in {"sessions": 1.0, "tasks": 34.0, "threads": 7.0}.items():
        assert f'parlo_media_worker_{what}{{worker="here.1.abc"}} {count}' in lines


@pytest.mark.django_db
def test_without_valkey_the_other_metrics_are_there(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr(vitals, "live_workers", away)
    page = client.get("/metrics").content.decode()
    assert "python_" in page
    assert "parlo_media_worker" not in page
