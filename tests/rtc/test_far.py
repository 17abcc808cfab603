"""Calls between machines that cannot reach each other, each a network namespace of its own: through a relay, and through NAT."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from realtime.rtc import Network
from tests.rtc.coturn import SECRET, coturn, needs_coturn
from tests.rtc.far_end import described
from webapp.ice import turn_credentials

ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 60.0
PORTS = range(41_000, 41_010)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def why_not() -> str:
    """Why networks cannot be made here; empty where they can."""
    if shutil.which("ip") is None:
        return "there is no ip command here (Debian: apt-get install iproute2)"
    name = f"parlo-try-{os.getpid()}"
    try:
        ip("netns", "add", name)
        ip("-n", name, "link", "add", "try", "type", "veth", "peer", "tried")
    except subprocess.CalledProcessError as error:
        return f"network namespaces are not permitted here: {error.stderr.strip()}"
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return ""


@dataclass(frozen=True)
class Place:
    """A network namespace: a machine, as far as its programs can tell."""

    name: str

    @property
    def inside(self) -> list[str]:
        return ["ip", "netns", "exec", self.name]

    def forward(self, on: bool) -> None:
        """Pass on what is meant for others, or do not."""
        self.run("sh", "-c", f"echo {int(on)} > /proc/sys/net/ipv4/ip_forward")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self.inside, *command], capture_output=True, text=True)


@dataclass(frozen=True)
class Land:
    """Visitor 10.77.1.2, worker 10.77.2.2; between them a machine with 10.77.1.1 and 10.77.2.1, which passes nothing on."""

    visitor: Place
    middle: Place
    worker: Place


@pytest.fixture(scope="module")
def land() -> Iterator[Land]:
    if reason := why_not():
        pytest.skip(reason)
    places = Land(*(Place(f"parlo-{os.getpid()}-{role}") for role in ("visitor", "middle", "worker")))
    with ExitStack() as stack:
        for place in (places.visitor, places.middle, places.worker):
            ip("netns", "add", place.name)
            stack.callback(ip, "netns", "del", place.name)
            ip("-n", place.name, "link", "set", "lo", "up")
        for number, place in ((1, places.visitor), (2, places.worker)):
            ip(
                "-n",
                places.middle.name,
                "link",
                "add",
                f"to{number}",
                "type",
                "veth",
                "peer",
                "eth0",
                "netns",
                place.name,
            )
            for owner, device, host in ((places.middle, f"to{number}", 1), (place, "eth0", 2)):
                ip("-n", owner.name, "address", "add", f"10.77.{number}.{host}/24", "dev", device)
                ip("-n", owner.name, "link", "set", device, "up")
            ip("-n", place.name, "route", "add", "default", "via", f"10.77.{number}.1")
        places.middle.forward(False)
        yield places


@contextmanager
def far_end(place: Place, role: str, network: Network) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*place.inside, sys.executable, "-m", "tests.rtc.far_end", role, described(network)],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "webapp.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def heard(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise AssertionError(f"the other end stopped:\n{process.communicate()[1][-3000:]}")
    told: dict[str, Any] = json.loads(line)
    return told


def told(process: subprocess.Popen[str], **message: Any) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()


def call(land: Land, visitor: Network, worker: Network) -> dict[str, Any]:
    """Let the visitor see some pictures; returns which way they came."""
    with far_end(land.visitor, "visitor", visitor) as here, far_end(land.worker, "worker", worker) as there:
        told(there, **heard(here))
        told(here, **heard(there))
        return heard(here)


def test_neither_reaches_the_other(land: Land) -> None:
    # A machine that is there refuses a port that nobody listens at; one that is not says nothing.
    for place, near, far in ((land.visitor, "10.77.1.1", "10.77.2.2"), (land.worker, "10.77.2.1", "10.77.1.2")):
        for address, answers in ((near, "ConnectionRefusedError"), (far, "TimeoutError")):
            script = f"import socket; socket.create_connection(({address!r}, 9), 1)"
            assert answers in place.run(sys.executable, "-c", script).stderr


@needs_coturn
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_pictures_come_through_the_visitors_relay(land: Land, tmp_path: Path, transport: str) -> None:
    options = ("-n", "--no-tls", "--listening-ip=10.77.2.1")
    with coturn(tmp_path, host="10.77.1.1", relay="10.77.2.1", options=options, inside=land.middle.inside) as turn:
        server = turn.server(*turn_credentials(SECRET, "visitor", int(time.time()) + 60), transport)
        way = call(land, Network(turn=server), Network())
    assert way == {"local": "relay", "remote": "10.77.2.2"}


@needs_coturn
def test_pictures_come_through_the_workers_relay(land: Land, tmp_path: Path) -> None:
    options = ("-n", "--no-tls", "--listening-ip=10.77.1.1")
    with coturn(tmp_path, host="10.77.2.1", relay="10.77.1.1", options=options, inside=land.middle.inside) as turn:
        server = turn.server(*turn_credentials(SECRET, "worker", int(time.time()) + 60))
        way = call(land, Network(), Network(turn=server))
    assert way == {"local": "host", "remote": "10.77.1.1"}


@pytest.mark.skipif(shutil.which("nft") is None, reason="there is no nft here (Debian: apt-get install nftables)")
def test_pictures_come_through_nat_from_an_announced_address(land: Land) -> None:
    rules = f"""
        table ip parlo {{
          chain before {{
            type nat hook prerouting priority dstnat;
            iifname "to1" udp dport {PORTS[0]}-{PORTS[-1]} dnat to 10.77.2.2;
          }}
          chain after {{
            type nat hook postrouting priority srcnat;
            oifname "to1" masquerade;
          }}
          chain between {{
            type filter hook forward priority filter; policy drop;
            ct state established accept;
            ct status dnat accept;
          }}
        }}
    """
    loaded = subprocess.run([*land.middle.inside, "nft", "-f", "-"], input=rules, capture_output=True, text=True)
    if loaded.returncode:
        pytest.skip(f"this kernel has no NAT for namespaces: {loaded.stderr.strip()[:200]}")
    land.middle.forward(True)
    try:
        way = call(land, Network(), Network(ports=PORTS, announced=("10.77.1.1",)))
    finally:
        land.middle.forward(False)
        land.middle.run("nft", "delete", "table", "ip", "parlo")
    assert way == {"local": "host", "remote": "10.77.1.1"}
