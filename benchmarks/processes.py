"""What Linux tells of a process: processor time and memory."""

import os
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# What a command line holds, and what the process is called.
ROLES = (
    ("valkey", "valkey"),
    ("daphne", "web"),
    ("mediaworker", "media"),
    ("builder", "builder"),
    ("brain", "brain"),
    ("manage.py run", "supervisor"),
)


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes: resident, and with what is shared divided among those who share it."""

    rss_mb: float
    pss_mb: float


def cpu_s(process: int) -> float:
    """CPU seconds a process has used, its threads together."""
    return _used_s(Path(f"/proc/{process}/stat"))


def main_thread_cpu_s(process: int) -> float:
    """CPU seconds its first thread has used: in the media worker, the event loop."""
    return _used_s(Path(f"/proc/{process}/task/{process}/stat"))


def memory(process: int) -> Memory:
    """What it holds now."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return Memory(round(kilobytes["Rss"] / 1024, 1), round(kilobytes["Pss"] / 1024, 1))


def peak_mb(process: int) -> float:
    """The most it was ever resident with."""
    status = Path(f"/proc/{process}/status").read_text()
    return round(int(status.partition("VmHWM:")[2].split()[0]) / 1024, 1)


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds now. rss_mb: resident megabytes. files: everything that is open, sockets among it."""

    rss_mb: float
    threads: int
    files: int
    sockets: int


def held(process: int) -> Held:
    """What it holds."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    opened = []
    for entry in Path(f"/proc/{process}/fd").iterdir():
        # What was closed meanwhile is not held.
        with suppress(OSError):
            opened.append(str(entry.readlink()))
    sockets = sum(target.startswith("socket:") for target in opened)
    return Held(round(int(status["VmRSS"].split()[0]) / 1024, 1), int(status["Threads"]), len(opened), sockets)


def machine_cpu_s() -> float:
    """CPU seconds everybody on this machine has used."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle, waiting = fields[3:5]
    return (sum(fields) - idle - waiting) / TICKS_PER_S


class Neighbours:
    """How many cores others take on a machine that is shared, so that a figure in wall time can be judged.

    processes: those that are being measured and run already; this one is left out by itself.
    """

    def __init__(self, processes: Collection[int] = ()) -> None:
        self._wall_s, self._machine_s = time.monotonic(), machine_cpu_s()
        self._own_s = self._spent_s(processes)

    def cores(self, processes: Collection[int]) -> float:
        """Cores since the start. processes: those that are being measured now."""
        others_s = machine_cpu_s() - self._machine_s - (self._spent_s(processes) - self._own_s)
        return round(max(0.0, others_s / (time.monotonic() - self._wall_s)), 2)

    def _spent_s(self, processes: Collection[int]) -> float:
        return sum(map(cpu_s, processes)) + time.process_time()


def family(supervisor: int) -> dict[str, int]:
    """The supervisor and its children, by role; of several media workers the last one."""
    return dict(members(supervisor))


def members(supervisor: int) -> list[tuple[str, int]]:
    """The supervisor and all its children, each with its role."""
    found = [("supervisor", supervisor)]
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            # It has ended meanwhile.
            continue
        if parent == supervisor:
            role = next((role for words, role in ROLES if words in command), command)
            found.append((role, int(folder.name)))
    return found


def descendants(process: int) -> list[int]:
    """Its children, theirs, and so on."""
    parents = {}
    for folder in Path("/proc").iterdir():
        # What has ended meanwhile is none.
        with suppress(OSError):
            if folder.name.isdigit():
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found, look_at = [], [process]
    while look_at:
        parent = look_at.pop()
        children = [child for child, of in parents.items() if of == parent]
        found += children
        look_at += children
    return found


def _used_s(stat: Path) -> float:
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
