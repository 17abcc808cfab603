"""The supervisor: what dies comes back, and nothing is left behind."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from webapp.supervisor import LONGEST_DELAY_S, Program, Supervisor, backoff_s

# A supervisor of five programs. "base" is stopped last, "late" waits, "last" for all the others.
# "tree" starts a child of its own that ignores SIGTERM; "mortal" ends at once.
SCRIPT = """
import asyncio, sys
from pathlib import Path
from webapp.supervisor import Program, Supervisor

folder = Path(sys.argv[1])
tree = '''
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
                          "open('child.started', 'w').close(); time.sleep(600)"])
open("tree.pid", "w").write(str(os.getpid())); open("child.pid", "w").write(str(child.pid))
time.sleep(600)
'''
base = '''
import os, signal, sys, time
def stop(*_):
    open("base.saw", "w").write("tree" if os.path.exists("/proc/" + open("tree.pid").read()) else "nobody")
    sys.exit()
signal.signal(signal.SIGTERM, stop)
open("base.started", "w").close()
time.sleep(600)
'''
mortal = "open('mortal.starts', 'a').write('x'); print('a last word'); raise SystemExit(3)"

async def meanwhile():
    await asyncio.sleep(0.3)
    print("too early" if (folder / "late.started").exists() else "up", flush=True)
    supervisor.prepared.set()
    while not (folder / "late.started").exists():
        await asyncio.sleep(0.02)
    print("too early" if (folder / "last.started").exists() else "ready", flush=True)
    supervisor.ready.set()

programs = [Program("base", [sys.executable, "-c", base], {}, needed_to_stop=True)]
programs += [Program("tree", [sys.executable, "-c", tree], {}), Program("mortal", [sys.executable, "-c", mortal], {})]
late = "import time; open('late.started', 'w').close(); time.sleep(600)"
programs += [Program("late", [sys.executable, "-c", late], {}, waits=True)]
programs += [Program("last", [sys.executable, "-c", late.replace("late", "last")], {}, late=True)]

async def main():
    global supervisor
    supervisor = Supervisor(programs, lambda line: print(line, flush=True), folder=folder)
    await supervisor.run(meanwhile)

asyncio.run(main())
print("stopped", flush=True)
"""


def until(condition: Callable[[], bool], limit_s: float = 30.0) -> bool:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert until((tmp_path / "child.started").exists)
    yield process
    process.kill()
    process.wait()


def pids(folder: Path) -> list[int]:
    return [int((folder / name).read_text()) for name in ("tree.pid", "child.pid")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_leaves_nothing_behind(
    supervisor: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    running = pids(tmp_path)
    assert all(alive(pid) for pid in running)
    supervisor.send_signal(number)
    output, _ = supervisor.communicate(timeout=30)
    assert supervisor.returncode == 0
    assert output.endswith("stopped\n")
    assert until(lambda: not any(alive(pid) for pid in running), 5)


def test_what_dies_is_started_again_and_said(supervisor: subprocess.Popen[str], tmp_path: Path) -> None:
    assert until(lambda: len((tmp_path / "mortal.starts").read_text()) >= 2)
    supervisor.terminate()
    output, _ = supervisor.communicate(timeout=30)
    assert "mortal | a last word" in output
    assert "mortal | mortal ended with exit status 3; it starts again in 0.5 s." in output


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_killed_supervisor_takes_its_programs_along(supervisor: subprocess.Popen[str], tmp_path: Path) -> None:
    tree, child = pids(tmp_path)
    supervisor.kill()
    assert until(lambda: not alive(tree), 5)
    if alive(child):
        os.kill(child, signal.SIGKILL)  # it is the program's own business, and this one ignores everything


def test_waiting_grows_and_stays_bounded() -> None:
    assert [backoff_s(failures) for failures in (1, 2, 3)] == [0.5, 1.0, 2.0]
    assert backoff_s(50) == LONGEST_DELAY_S


def test_a_log_that_cannot_be_written_costs_its_lines_and_nothing_else(tmp_path: Path) -> None:
    lines: list[str] = []

    def write(line: str) -> None:
        if "full" in line:
            raise OSError(errno.ENOSPC, "No space left on device")
        lines.append(line)

    supervisor = Supervisor([Program("some", [], {})], write, folder=tmp_path)
    for line in ("before", "full", "after"):
        supervisor.say("some", line)
    assert lines == ["some | before", "some | after"]


def test_what_the_others_need_to_stop_is_stopped_last(supervisor: subprocess.Popen[str], tmp_path: Path) -> None:
    assert until(lambda: (tmp_path / "child.started").exists() and (tmp_path / "base.started").exists())
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(30) == 0
    assert (tmp_path / "base.saw").read_text() == "nobody"


def test_what_waits_is_started_once_all_is_prepared_or_ready(supervisor: subprocess.Popen[str], tmp_path: Path) -> None:
    assert until(lambda: (tmp_path / "late.started").exists() and (tmp_path / "last.started").exists())
    supervisor.send_signal(signal.SIGTERM)
    assert "too early" not in supervisor.communicate(timeout=30)[0]
