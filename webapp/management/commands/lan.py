"""`manage.py lan`: Parlo for every device in the local network, over https, with one command."""

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from realtime.rtc.network import own_addresses
from webapp.certificate import CertificateFiles, ensure_certificate, local_names

TRUST = """
Other devices do not know this certificate yet. Open https://{host}:{port}/trust/ on each of them once, past the
browser's warning: that page says how to trust it on a telephone and on a computer.
"""


class Command(BaseCommand):
    """Makes or renews the certificate, then becomes `manage.py run` with the settings that go with it."""

    help = (
        "Run Parlo for the local network over https, with a certificate of its own; NAME adds names or addresses to it."
    )
    # Those of the settings it is going to run with are checked there.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("name", nargs="*", help="a further name or IP address under which others call this machine")
        parser.add_argument(
            "--only-certificate", action="store_true", help="make the certificate, say where it is, and end"
        )

    def handle(self, *, name: list[str], only_certificate: bool, **options: Any) -> None:
        """Prepare and run."""
        files = CertificateFiles(settings.PARLO_DATA_DIR / "tls")
        names = list(dict.fromkeys([*name, *local_names(own_addresses())]))
        new = ensure_certificate(files, names)
        environment = {
            "BIND": "0.0.0.0",  # noqa: S104 - what this command is for
            "TLS_CERTIFICATE": str(files.certificate),
            "TLS_KEY": str(files.key),
            "ALLOWED_HOSTS": ",".join(dict.fromkeys([*settings.ALLOWED_HOSTS, *names])),
        }
        self.stdout.write(f"The certificate is good for {', '.join(names)}.")
        if only_certificate:
            self.stdout.write(
                "\n".join(["To use it, write into .env:", *(f"{key}={value}" for key, value in environment.items())])
            )
            return
        self.stdout.write(f"Others in this network reach Parlo at https://{names[0]}:{settings.PORT}/")
        if new:
            self.stdout.write(TRUST.format(host=names[0], port=settings.PORT))
        self.stdout.flush()
        os.execve(  # noqa: S606 - this very program, with other settings
            sys.executable, [sys.executable, str(settings.BASE_DIR / "manage.py"), "run"], {**os.environ, **environment}
        )
