"""A certificate for a machine without a domain: browsers on other machines give the microphone to https alone.

An authority of this installation's own signs it. Whoever trusts the authority trusts it for names and addresses of local networks
only: that is written into it (RFC 5280 section 4.2.1.10), so that its key, were it stolen, opens no other site.
"""

import ipaddress
import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Telephones refuse certificates that are good for much longer.
CERTIFICATE_LIFE: Final = timedelta(days=390)
AUTHORITY_LIFE: Final = timedelta(days=3650)
RENEW_BEFORE: Final = timedelta(days=30)
LOCAL_DOMAINS: Final = ("localhost", "local", "lan", "internal", "home.arpa")
LOCAL_NETWORKS: Final = (
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)
_KEY_USAGE_OFF: Final = dict.fromkeys(
    (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where certificate, key and authority are kept: all in one folder, PEM."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """What the web process shows."""
        return self.folder / "certificate.pem"

    @property
    def key(self) -> Path:
        """The certificate's private key."""
        return self.folder / "key.pem"

    @property
    def authority(self) -> Path:
        """What other devices are told to trust."""
        return self.folder / "authority.pem"

    @property
    def authority_key(self) -> Path:
        """With it the next certificate is signed."""
        return self.folder / "authority-key.pem"


def local_names(addresses: Iterable[str]) -> list[str]:
    """Every name and address under which others in the local network may call this machine."""
    host = socket.gethostname().split(".")[0].lower()
    return list(dict.fromkeys([*addresses, f"{host}.local", host, "localhost", "127.0.0.1"]))


def ensure_certificate(files: CertificateFiles, names: Sequence[str], now: datetime | None = None) -> bool:
    """Make what is missing, runs out or does not cover `names`. Returns whether the authority is new: nobody trusts it yet."""
    now = now or datetime.now(UTC)
    files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority, authority_key = _read(files.authority, files.authority_key)
    new_authority = (
        authority is None or _runs_out(authority, now) or not all(_permits(authority, name) for name in names)
    )
    if new_authority or authority is None or authority_key is None:
        authority_key = ec.generate_private_key(ec.SECP256R1())
        authority = _make_authority(authority_key, names, now)
        _write(files.authority, files.authority_key, authority, authority_key)
        new_authority = True
    certificate, key = _read(files.certificate, files.key)
    if (
        certificate is None
        or _runs_out(certificate, now)
        or not _signed_by(certificate, authority)
        or not set(names) <= set(covered_names(certificate))
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        _write(files.certificate, files.key, _make_certificate(key, authority, authority_key, names, now), key)
    return new_authority


def covered_names(certificate: x509.Certificate) -> list[str]:
    """The names and addresses a certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def fault_of(certificate_path: Path, key_path: Path, now: datetime | None = None) -> str:
    """What is wrong with a certificate and its key, in a sentence; empty where nothing is."""
    now = now or datetime.now(UTC)
    for path in (certificate_path, key_path):
        if not path.is_file():
            return f"There is no file {path}."
    certificate, key = _read(certificate_path, key_path)
    if certificate is None or key is None:
        return f"{certificate_path} and {key_path} are not a certificate and its private key in PEM, or cannot be read."
    if now >= certificate.not_valid_after_utc:
        return f"The certificate {certificate_path} ran out on {certificate.not_valid_after_utc:%d %B %Y}."
    return ""


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _is_local(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return any(address in network for network in map(ipaddress.ip_network, LOCAL_NETWORKS))


def _make_authority(key: ec.EllipticCurvePrivateKey, names: Sequence[str], now: datetime) -> x509.Certificate:
    """Sign an authority for local names, and for those of `names` that are not local."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Parlo on {socket.gethostname()}"[:64])])
    permitted: list[x509.GeneralName] = [x509.DNSName(domain) for domain in LOCAL_DOMAINS]
    permitted += [x509.IPAddress(ipaddress.ip_network(network)) for network in LOCAL_NETWORKS]
    for name in names:
        general = _general_name(name)
        if isinstance(general, x509.DNSName) and not _in_domains(name, LOCAL_DOMAINS):
            permitted.append(general)
        elif isinstance(general, x509.IPAddress) and not _is_local(ipaddress.ip_address(name)):
            permitted.append(x509.IPAddress(ipaddress.ip_network(name)))
    return (
        _builder(subject, subject, key, now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**{**_KEY_USAGE_OFF, "key_cert_sign": True, "crl_sign": True}), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None), critical=True)
        .sign(key, hashes.SHA256())
    )


def _make_certificate(
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    now: datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Parlo")])
    return (
        _builder(subject, authority.subject, key, now, CERTIFICATE_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**{**_KEY_USAGE_OFF, "digital_signature": True}), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks of other devices may be a little behind.
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _permits(authority: x509.Certificate, name: str) -> bool:
    permitted = authority.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    values = [entry.value for entry in permitted]
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return _in_domains(name, [value for value in values if isinstance(value, str)])
    return any(address in value for value in values if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network))


def _in_domains(name: str, domains: Iterable[str]) -> bool:
    return any(name == domain or name.endswith(f".{domain}") for domain in domains)


def _runs_out(certificate: x509.Certificate, now: datetime) -> bool:
    return now + RENEW_BEFORE >= certificate.not_valid_after_utc


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _read(certificate_path: Path, key_path: Path) -> tuple[x509.Certificate | None, ec.EllipticCurvePrivateKey | None]:
    """Read a pair; both None where one is missing or damaged, or they do not belong together."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
        pairs = certificate.public_key() == key.public_key()
    except (OSError, ValueError, TypeError):
        return None, None
    return (certificate, key) if pairs else (None, None)  # type: ignore[return-value]


def _write(
    certificate_path: Path, key_path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for path, data, mode in (
        (key_path, pem, 0o600),
        (certificate_path, certificate.public_bytes(serialization.Encoding.PEM), 0o644),
    ):
        fresh = path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(data)
        fresh.replace(path)
