"""The certificate for local networks: who trusts it, for what, how it is renewed, and Parlo serving with it."""

import os
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.management import call_command
from django.test import Client

from tests.rtc.coturn import free_port
from webapp import certificate as certificate_module
from webapp import checks, programs
from webapp.certificate import (
    CERTIFICATE_LIFE,
    CertificateFiles,
    covered_names,
    ensure_certificate,
    fault_of,
    local_names,
)
from webapp.management.commands.run import address, readiness

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime.now(UTC)
NAMES = ("127.0.0.1", "localhost", "192.168.7.7", "parlobox.local", "parlobox")


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    return CertificateFiles(tmp_path / "tls")


@contextmanager
def serving(files: CertificateFiles) -> Iterator[int]:
    """A server on 127.0.0.1 that shakes hands once with the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                context.wrap_socket(connection, server_side=True).close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def shake_hands(files: CertificateFiles, name: str, *, trusted: bool = True) -> None:
    """Connect as a device would that trusts the authority and calls the server by this name. Raises `SSLError`."""
    context = ssl.create_default_context(cafile=str(files.authority) if trusted else None)
    with serving(files) as port, socket.create_connection(("127.0.0.1", port), 5) as line:
        context.wrap_socket(line, server_hostname=name).close()


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_who_trusts_the_authority_trusts_every_name(files: CertificateFiles) -> None:
    assert ensure_certificate(files, NAMES)
    for name in NAMES:
        shake_hands(files, name)
    with pytest.raises(ssl.SSLCertVerificationError, match="match"):
        shake_hands(files, "192.168.7.8")
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        shake_hands(files, "localhost", trusted=False)


def test_telephones_find_nothing_to_object_to(files: CertificateFiles) -> None:
    ensure_certificate(files, NAMES)
    shown = read(files.certificate)
    life = shown.not_valid_after_utc - shown.not_valid_before_utc
    assert life < timedelta(days=398)
    usage = shown.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert x509.ExtendedKeyUsageOID.SERVER_AUTH in usage
    assert set(covered_names(shown)) == set(NAMES)
    assert read(files.authority).extensions.get_extension_for_class(x509.NameConstraints).critical


def test_a_stolen_authority_opens_no_other_site(files: CertificateFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_certificate(files, NAMES)
    key = serialization.load_pem_private_key(files.authority_key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    mine = ec.generate_private_key(ec.SECP256R1())
    for name in ("bank.example", "www.example.org", "8.8.8.8"):
        forged = certificate_module._make_certificate(mine, read(files.authority), key, [name], NOW)
        certificate_module._write(files.certificate, files.key, forged, mine)
        with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
            shake_hands(files, name)


def test_keys_are_for_their_owner_alone(files: CertificateFiles) -> None:
    ensure_certificate(files, NAMES)
    for path in (files.key, files.authority_key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(files.folder.stat().st_mode) == 0o700


def test_it_is_renewed_in_time_and_the_authority_stays(files: CertificateFiles) -> None:
    assert ensure_certificate(files, NAMES, NOW)
    first, authority = files.certificate.read_bytes(), files.authority.read_bytes()
    assert not ensure_certificate(files, NAMES[:2], NOW + timedelta(days=300))
    assert files.certificate.read_bytes() == first
    assert not ensure_certificate(files, NAMES, NOW + CERTIFICATE_LIFE - timedelta(days=20))
    assert files.certificate.read_bytes() != first
    assert not ensure_certificate(files, [*NAMES, "10.0.0.9"], NOW)
    assert "10.0.0.9" in covered_names(read(files.certificate))
    assert files.authority.read_bytes() == authority


def test_an_authority_that_may_not_vouch_for_a_name_is_replaced(files: CertificateFiles) -> None:
    ensure_certificate(files, NAMES)
    for name in ("talk.example.org", "203.0.113.7"):
        assert ensure_certificate(files, [*NAMES, name])
        shake_hands(files, name)
    assert ensure_certificate(files, NAMES, NOW + timedelta(days=3640))


@pytest.mark.parametrize("path", ["certificate", "key", "authority", "authority_key"])
def test_a_damaged_file_is_made_anew(files: CertificateFiles, path: str) -> None:
    ensure_certificate(files, NAMES)
    getattr(files, path).write_bytes(b"-----BEGIN NONSENSE-----")
    ensure_certificate(files, NAMES)
    shake_hands(files, "localhost")


def test_what_is_wrong_with_a_certificate_is_said(files: CertificateFiles, tmp_path: Path) -> None:
    assert "There is no file" in fault_of(files.certificate, files.key)
    ensure_certificate(files, NAMES)
    assert fault_of(files.certificate, files.key) == ""
    assert "are not a certificate and its private key" in fault_of(files.certificate, files.authority_key)
    assert "ran out on" in fault_of(files.certificate, files.key, NOW + timedelta(days=400))


def test_a_machine_is_called_by_its_addresses_and_its_name() -> None:
    names = local_names(["192.168.7.7", "fd00::2"])
    assert names[:2] == ["192.168.7.7", "fd00::2"]
    assert {"localhost", "127.0.0.1", f"{socket.gethostname().split('.')[0].lower()}.local"} <= set(names)


def test_settings_are_checked(settings: Any, files: CertificateFiles) -> None:
    settings.TLS_CERTIFICATE = str(files.certificate)
    assert "Only one" in checks.certificate()[0].msg
    settings.TLS_KEY = str(files.key)
    assert "no file" in checks.certificate()[0].msg
    ensure_certificate(files, NAMES)
    assert checks.certificate() == []
    settings.BIND = "0.0.0.0"
    assert checks.reachable_from_outside() == []


def test_one_command_makes_it_and_says_what_to_write(settings: Any) -> None:
    out = StringIO()
    call_command("lan", "talk.lan", "--only-certificate", stdout=out)
    assert "talk.lan" in out.getvalue()
    assert f"TLS_KEY={settings.PARLO_DATA_DIR}/tls/key.pem" in out.getvalue()
    assert "BIND=0.0.0.0" in out.getvalue()
    assert "talk.lan" in covered_names(read(settings.PARLO_DATA_DIR / "tls" / "certificate.pem"))


def test_the_command_becomes_parlo(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *what: became.append(what))
    out = StringIO()
    call_command("lan", "talk.example.org", stdout=out)
    ((program, arguments, environment),) = became
    assert (program, arguments[-1]) == (sys.executable, "run")
    assert environment["BIND"] == "0.0.0.0"
    assert "talk.example.org" in environment["ALLOWED_HOSTS"].split(",")
    assert "localhost" in environment["ALLOWED_HOSTS"].split(",")
    assert f"https://talk.example.org:{settings.PORT}/trust/" in out.getvalue()


def test_the_authority_is_handed_out_where_it_is_in_use(client: Client, settings: Any, tmp_path: Path) -> None:
    settings.PARLO_DATA_DIR = tmp_path
    files = CertificateFiles(tmp_path / "tls")
    ensure_certificate(files, NAMES)
    assert client.get("/trust/").status_code == 404
    assert client.get("/trust/parlo.crt").status_code == 404
    settings.TLS_CERTIFICATE, settings.TLS_KEY = str(files.certificate), str(files.key)
    assert client.get("/trust/").status_code == 200
    handed = client.get("/trust/parlo.crt")
    assert handed["Content-Type"] == "application/x-x509-ca-cert"
    assert x509.load_pem_x509_certificate(handed.content) == read(files.authority)


def test_the_web_process_serves_https(settings: Any, tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path / "with: colon" / "tls")
    ensure_certificate(files, NAMES)
    settings.TLS_CERTIFICATE, settings.TLS_KEY = str(files.certificate), str(files.key)
    settings.BIND, settings.PORT = "127.0.0.1", free_port()
    assert address() == f"https://localhost:{settings.PORT}/"
    (web,) = (program for program in programs.programs() if program.name == "web")
    trusting = ssl.create_default_context(cafile=str(files.authority))
    environment = {
        **os.environ,
        **web.environment,
        "PARLO_DATA_DIR": str(tmp_path / "data"),
        "TLS_CERTIFICATE": str(files.certificate),
        "TLS_KEY": str(files.key),
    }
    with (tmp_path / "web.log").open("wb") as log:
        process = subprocess.Popen(web.command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urlopen(f"https://localhost:{settings.PORT}/healthz", timeout=5, context=trusting) as answer:
                    assert answer.status == 200
                break
            except (URLError, OSError):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError((tmp_path / "web.log").read_text()) from None
                time.sleep(0.1)
        ready, missing = readiness()
        assert not ready
        assert missing
        assert "The web process" not in missing
    finally:
        process.terminate()
        process.wait(10)
