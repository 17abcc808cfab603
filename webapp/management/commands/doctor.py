"""`manage.py doctor`: what is missing or misconfigured, in words, with the remedy."""

import dataclasses
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from webapp.doctor import Finding, examine


class Command(BaseCommand):
    """Looks at everything; the exit status is 1 when something needed is missing."""

    help = "Say what is missing or misconfigured, and what to do about it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --json."""
        parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")

    def handle(self, **options: Any) -> None:
        """Examine and report."""
        findings = examine()
        ok = all(finding.ok for finding in findings if finding.needed)
        if options["json"]:
            self.stdout.write(json.dumps({"ok": ok, "checks": [dataclasses.asdict(finding) for finding in findings]}))
        else:
            for finding in findings:
                self._tell(finding)
            self.stdout.write("\nAll is well." if ok else "\nSomething needed is missing; the remedies stand above.")
        if not ok:
            raise SystemExit(1)

    def _tell(self, finding: Finding) -> None:
        mark = "ok" if finding.ok else "MISSING" if finding.needed else "note"
        self.stdout.write(f"{mark:<8}{finding.name:<16}{finding.message}")
        if not finding.ok and finding.remedy:
            self.stdout.write(f"{'':<24}-> {finding.remedy}")
