"""A bad network: a link that loses, delays and narrows what passes over it, between this machine and a place far away.

The place is a network namespace whose only way out is a device of this process. What is sent there comes out here late, or not
at all, and the other way round. Needs root and /dev/net/tun; no scheduler of the kernel's is used.

`python -m benchmarks.link NAME` holds a link and reads a condition from each line of its standard input.
"""

import asyncio
import fcntl
import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
QUEUE_S = 0.3
LONGEST_PACKET = 2048
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


@dataclass(frozen=True)
class Condition:
    """How a link is, in each direction.

    loss: share of packets that are lost, at random. delay_ms: how long each takes besides. rate_kbit_s: how much passes in a
    second, headers included; what would wait longer than `QUEUE_S` for it is lost. down: nothing passes.
    """

    loss: float = 0.0
    delay_ms: float = 0.0
    rate_kbit_s: float | None = None
    down: bool = False


class Line:
    """One direction of a link: says of each packet when it comes out. All times in seconds of one clock."""

    def __init__(self, seed: int, condition: Condition | None = None) -> None:
        self.condition = condition or Condition()
        self.passed = self.lost = self.crowded_out = self.bytes = 0
        self.longest_wait_s = 0.0
        self._chance = random.Random(seed)
        self._free_s = 0.0

    def admit(self, now_s: float, size: int) -> float | None:
        """When a packet of `size` bytes that is sent now comes out; None where it is lost."""
        condition = self.condition
        if condition.down or self._chance.random() < condition.loss:
            self.lost += 1
            return None
        sent_s = now_s
        if condition.rate_kbit_s is not None:
            wait_s = max(0.0, self._free_s - now_s)
            if wait_s > QUEUE_S:
                self.crowded_out += 1
                return None
            self.longest_wait_s = max(self.longest_wait_s, wait_s)
            sent_s = self._free_s = now_s + wait_s + size * 8 / 1000 / condition.rate_kbit_s
        self.passed += 1
        self.bytes += size
        return sent_s + condition.delay_ms / 1000

    def counts(self) -> dict[str, float]:
        """What has become of the packets since it was asked last."""
        counts = {
            "passed": self.passed,
            "lost": self.lost,
            "crowded_out": self.crowded_out,
            "bytes": self.bytes,
            "longest_wait_ms": round(1000 * self.longest_wait_s),
        }
        self.passed = self.lost = self.crowded_out = self.bytes = 0
        self.longest_wait_s = 0.0
        return counts


def tun(name: str) -> int:
    """Make a device of this name; the packets that the kernel sends by it are read from the file that is returned."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def pass_on(source: int, sink: int, line: Line) -> None:
    """Take everything that waits at one device to the other, each packet at its time."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            packet = os.read(source, LONGEST_PACKET)
        except BlockingIOError:
            return
        now_s = loop.time()
        if (due_s := line.admit(now_s, len(packet))) is None:
            continue
        if due_s <= now_s:
            _write(sink, packet)
        else:
            loop.call_at(due_s, _write, sink, packet)


def _write(sink: int, packet: bytes) -> None:
    try:
        os.write(sink, packet)
    except OSError:
        # The device is not up yet, or not any more.
        return


async def hold(name: str) -> None:
    """Hold a link until there is no more input; answers each condition with what became of the packets under the last one."""
    near, far = tun(f"{name}n"), tun(f"{name}f")
    # The same packets are lost in every run.
    there, back = Line(1), Line(2)
    loop = asyncio.get_running_loop()
    loop.add_reader(near, pass_on, near, far, there)
    loop.add_reader(far, pass_on, far, near, back)
    while line := await asyncio.to_thread(sys.stdin.readline):
        there.condition = back.condition = Condition(**json.loads(line))
        print(json.dumps({"to_visitor": there.counts(), "from_visitor": back.counts()}), flush=True)


def ip(*words: str) -> None:
    """Run an ip command."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Link:
    """A link that is held by a process of its own, and the far place at its end. Made by `link`.

    near, far: the addresses of this machine and of the place. inside: what a command starts with to run there.
    """

    def __init__(self, name: str, number: int, process: subprocess.Popen[str]) -> None:
        self.near, self.far = f"10.78.{number}.1", f"10.78.{number}.2"
        self.inside = ("ip", "netns", "exec", name)
        self._process = process

    def become(self, condition: Condition) -> dict[str, Any]:
        """Be like this from now on; returns what became of the packets since the last time, by direction."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(condition)) + "\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


def why_no_link() -> str:
    """Why there can be no link here; empty where there can."""
    if os.geteuid() != 0 or not os.access("/dev/net/tun", os.W_OK):
        return "a bad network needs root and /dev/net/tun"
    name = f"parlo-try-{os.getpid()}"
    try:
        ip("netns", "add", name)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        return f"network namespaces are not to be had here: {error}"
    ip("netns", "del", name)
    return ""


@contextmanager
def link() -> Iterator[Link]:
    """A link and its far place, gone afterwards. Raises `OSError` and `CalledProcessError` where `why_no_link` says so."""
    number = os.getpid() % 250 + 1
    name = f"parlo{number}"
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.link", name],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    made = Link(name, number, process)
    try:
        made.become(Condition())
        ip("netns", "add", name)
        ip("link", "set", f"{name}f", "netns", name)
        ip("address", "add", made.near, "peer", made.far, "dev", f"{name}n")
        ip("link", "set", f"{name}n", "up")
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "address", "add", made.far, "peer", made.near, "dev", f"{name}f")
        ip("-n", name, "link", "set", f"{name}f", "up")
        ip("-n", name, "route", "add", "default", "dev", f"{name}f")
        yield made
    finally:
        process.kill()
        process.communicate()
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


if __name__ == "__main__":
    asyncio.run(hold(sys.argv[1]))
