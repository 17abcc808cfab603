"""`manage.py reseal_keys`: after the secret key was changed, seal the providers' keys with the new one."""

from typing import Any

from django.core.management.base import BaseCommand

from webapp.providers.models import Provider
from webapp.providers.sealing import SealBroken, resealed


class Command(BaseCommand):
    """Opens with SECRET_KEY or any of SECRET_KEY_FALLBACKS, and seals with SECRET_KEY."""

    help = "Seal the keys of providers with the present SECRET_KEY; afterwards SECRET_KEY_FALLBACKS can go."

    def handle(self, **options: Any) -> None:
        """Reseal."""
        done = lost = 0
        for provider in Provider.objects.exclude(sealed_key=""):
            try:
                provider.sealed_key = resealed(provider.sealed_key)
            except SealBroken:
                lost += 1
                continue
            provider.save(update_fields=["sealed_key"])
            done += 1
        self.stdout.write(f"Keys sealed anew: {done}." + (f" {lost} can not be read any more." if lost else ""))
