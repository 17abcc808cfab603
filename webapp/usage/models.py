"""The usage ledger: entries are added, never changed."""

from typing import Any, NoReturn

from django.conf import settings
from django.db import models


class UsageEntry(models.Model):
    """One measured use. Corrections are further entries with a negative quantity."""

    class Kind(models.TextChoices):
        """What was used; seconds unless it says otherwise."""

        SESSION_SPOKEN = "session_spoken", "seconds spoken in a conversation"
        SESSION_IDLE = "session_idle", "seconds listened or idle in a conversation"
        RENDERED = "rendered", "seconds of video rendered"
        BUILD = "build", "avatars built (count)"

    kind = models.CharField(max_length=20, choices=Kind.choices)
    quantity = models.FloatField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    avatar_code = models.CharField(max_length=10, blank=True)
    reference = models.CharField(max_length=64, blank=True, help_text="The session or build it was used by.")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "usage entries"
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "reference"], condition=~models.Q(reference=""), name="one_entry_per_use"
            )
        ]

    def __str__(self) -> str:
        return f"{self.quantity:g} {self.kind}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the entry.

        Raises `TypeError` when it is already in the ledger.
        """
        if not self._state.adding:
            raise TypeError("The usage ledger is append-only: add a correcting entry instead.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: nothing leaves the ledger."""
        raise TypeError("The usage ledger is append-only: add a correcting entry instead.")
