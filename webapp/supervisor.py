"""Running Parlo's processes together: one that dies is started again, and when the supervisor goes all go."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FIRST_DELAY_S: Final = 0.5
LONGEST_DELAY_S: Final = 30.0
HEALTHY_AFTER_S: Final = 30.0
GRACE_S: Final = 8.0
LINE_LIMIT_BYTES: Final = 1024 * 1024
PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Program:
    """One process to keep running: its name in the log, its command line, and what its environment has besides ours.

    waits: it is started only when `Supervisor.prepared` is set. late: only when `Supervisor.ready` is, so that it takes
    nothing from those that somebody waits for.
    needed_to_stop: the others still talk to it while they stop, so it is stopped after them. stopped_by: the signal that
    asks it to end now.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    waits: bool = False
    needed_to_stop: bool = False
    late: bool = False
    stopped_by: signal.Signals = signal.SIGTERM


def backoff_s(failures: int) -> float:
    """Return how long to wait before the next start, after so many short lives in a row."""
    return float(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** max(0, failures - 1)))


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Ask the kernel to stop this child when the supervisor is killed outright and cannot do it."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Supervisor:
    """Keeps programs running until told to stop. Each has a process group of its own, which is stopped as a whole."""

    def __init__(self, programs: Sequence[Program], write: Callable[[str], None], *, folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        self.write = write
        self.stopping = asyncio.Event()
        self.prepared = asyncio.Event()
        self.ready = asyncio.Event()
        self.groups: dict[str, int] = {}
        self.width = max(len(program.name) for program in programs)

    def say(self, name: str, line: str) -> None:
        """Write one line of one program. Where the log cannot be written, on a full disk say, lines are lost and nothing else."""
        with suppress(OSError):
            self.write(f"{name:<{self.width}} | {line}")

    async def run(self, meanwhile: Callable[[], Awaitable[None]]) -> None:
        """Run every program, and `meanwhile` beside them, until SIGINT, SIGTERM or `stopping`; then stop them all."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stopping.set)
        keepers = {program.name: asyncio.create_task(self._keep(program)) for program in self.programs}
        beside = asyncio.ensure_future(meanwhile())
        await self.stopping.wait()
        beside.cancel()
        for needed in (False, True):
            await self._stop({program.name for program in self.programs if program.needed_to_stop is needed}, keepers)
        with suppress(asyncio.CancelledError):
            await beside

    async def _stop(self, names: Set[str], keepers: Mapping[str, asyncio.Task[None]]) -> None:
        """Stop the programs of these names, gently and then for good."""
        ending = [keepers[name] for name in names]
        for kill in (False, True):
            for program in self.programs:
                self._signal({program.name} & names, signal.SIGKILL if kill else program.stopped_by)
            if ending:
                _, late = await asyncio.wait(ending, timeout=GRACE_S)
                ending = list(late)

    def _signal(self, names: Set[str], number: signal.Signals) -> None:
        for name in names & self.groups.keys():
            with suppress(ProcessLookupError):
                os.killpg(self.groups[name], number)

    async def _keep(self, program: Program) -> None:
        """Start a program again whenever it ends, later each time it does not last."""
        failures = 0
        if program.waits:
            await self._either(self.prepared, self.stopping)
        if program.late:
            await self._either(self.ready, self.stopping)
        while not self.stopping.is_set():
            started = time.monotonic()
            code = await self._once(program)
            if self.stopping.is_set():
                return
            failures = 1 if time.monotonic() - started > HEALTHY_AFTER_S else failures + 1
            delay_s = backoff_s(failures)
            ended = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
            self.say(program.name, f"{program.name} {ended}; it starts again in {delay_s:g} s.")
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), delay_s)

    @staticmethod
    async def _either(*events: asyncio.Event) -> None:
        """Wait until one of the events is set."""
        waiting = [asyncio.create_task(event.wait()) for event in events]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    async def _once(self, program: Program) -> int:
        """Run a program to its end, passing on what it writes, and leave nothing of its group behind."""
        # A pipe of our own: asyncio's would hold back the news of an exit for as long as any grandchild has it open.
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *program.command,
                env={**os.environ, **program.environment},
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        finally:
            os.close(writing)
        self.groups[program.name] = process.pid
        if self.stopping.is_set():
            self._signal({program.name}, program.stopped_by)
        pump = asyncio.create_task(self._pump(program.name, reading))
        code = await process.wait()
        # What the program started may outlive it, and may hold its output open.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await pump
        del self.groups[program.name]
        return code

    async def _pump(self, name: str, reading: int) -> None:
        """Pass on every line that arrives at a pipe, until all its writers are gone."""
        stream = asyncio.StreamReader(limit=LINE_LIMIT_BYTES)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", buffering=0)
        )
        try:
            while True:
                try:
                    line = await stream.readline()
                except ValueError:
                    continue  # a line beyond the limit is dropped, the program is not
                if not line:
                    return
                self.say(name, line.decode(errors="replace").rstrip())
        finally:
            transport.close()
