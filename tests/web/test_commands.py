"""`doctor` tells what is missing; `run` refuses in words what it cannot do."""

import fcntl
import json
import socket
import sys
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from webapp import doctor
from webapp.management.commands import run
from webapp.management.commands.run import address, reachable_host
from webapp.programs import programs
from webapp.supervisor import Program


def report(capture: StringIO) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(capture.getvalue().splitlines()[-1])
    return content


@pytest.mark.django_db
def test_the_doctor_speaks_json() -> None:
    out = StringIO()
    call_command("doctor", "--json", stdout=out)
    found = report(out)
    assert found["ok"] is True
    assert {"python", "packages", "database", "valkey", "hearing", "voice", "brain"} <= {
        check["name"] for check in found["checks"]
    }


@pytest.mark.django_db
def test_the_doctor_finds_what_is_missing_and_goes_on(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.PARLO_DATA_DIR = settings.PARLO_DATA_DIR / "gone"
    out = StringIO()
    with pytest.raises(SystemExit) as stop:
        call_command("doctor", stdout=out)
    assert stop.value.code == 1
    told = out.getvalue()
    assert "MISSING data directory" in told
    assert "-> Make it writable for this user, or set PARLO_DATA_DIR." in told
    assert "ok      python" in told


def test_an_examination_that_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise OSError("no such luck")

    monkeypatch.setattr(doctor, "EXAMINATIONS", (broken, doctor.python))
    first, second = doctor.examine()
    assert (first.name, first.ok) == ("broken", False)
    assert "no such luck" in first.message
    assert second.ok


def test_run_names_the_port_in_use(settings: Any) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        settings.PORT = holder.getsockname()[1]
        with pytest.raises(CommandError, match=rf"Port {settings.PORT} is in use by another program"):
            call_command("run")


def test_run_refuses_a_data_directory_in_use(settings: Any) -> None:
    with (settings.PARLO_DATA_DIR / "run.lock").open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(CommandError, match="already runs with the data directory"):
            call_command("run")


def test_run_says_why_it_could_not_be_prepared(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: run.Command) -> None:
        raise OSError("the disk is full")

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        settings.PORT = probe.getsockname()[1]
    sleeper = Program("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], {})
    monkeypatch.setattr(run.Command, "_prepare", broken)
    monkeypatch.setattr(run, "programs", lambda: [sleeper])
    with pytest.raises(CommandError, match="could not be prepared: the disk is full"):
        call_command("run", stdout=StringIO())


@pytest.mark.parametrize(
    ("bind", "host", "shown"),
    [
        ("127.0.0.1", "127.0.0.1", "http://localhost:8000/"),
        ("0.0.0.0", "127.0.0.1", "http://localhost:8000/"),
        ("::", "[::1]", "http://localhost:8000/"),
        ("192.0.2.4", "192.0.2.4", "http://192.0.2.4:8000/"),
        ("2001:db8::1", "[2001:db8::1]", "http://[2001:db8::1]:8000/"),
    ],
)
def test_the_address_to_open(settings: Any, bind: str, host: str, shown: str) -> None:
    settings.BIND, settings.PORT = bind, 8000
    assert reachable_host() == host
    assert address() == shown


def test_what_runs_follows_the_settings(settings: Any) -> None:
    settings.MEDIA_WORKERS = 1
    assert [program.name for program in programs()] == ["valkey", "web", "media.1", "builder", "brain"]
    settings.VALKEY_EMBEDDED, settings.LLM_URL, settings.MEDIA_WORKERS = False, "http://brain/v1", 2
    assert [program.name for program in programs()] == ["web", "media.1", "media.2", "builder"]
    assert [program.name for program in programs() if program.late] == ["media.2"]
