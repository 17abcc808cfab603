"""A session: one live conversation, from join to leave. What is said in it is never stored."""

from __future__ import annotations

from uuid import uuid4

from django.conf import settings
from django.db import models


class Session(models.Model):
    """Who talked to which avatar, where and for how long. Written by the media worker that holds it."""

    class State(models.TextChoices):
        """How far the session has come."""

        LIVE = "live", "Live"
        ENDED = "ended", "Ended"

    class Reason(models.TextChoices):
        """Why it ended."""

        LEFT = "left", "The visitor left"
        LOST = "lost", "The connection was lost"
        IDLE = "idle", "Nobody said anything for long"
        FAILED = "failed", "Something failed"
        STOPPED = "stopped", "The media worker was stopped"
        WORKER_LOST = "worker_lost", "The media worker died"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    avatar = models.ForeignKey("avatars.Avatar", null=True, on_delete=models.SET_NULL, related_name="sessions")
    avatar_code = models.CharField(max_length=10)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    worker = models.CharField(max_length=80)
    state = models.CharField(max_length=10, choices=State.choices, default=State.LIVE)
    reason = models.CharField(max_length=12, choices=Reason.choices, blank=True)
    spoken_s = models.FloatField(default=0.0)
    idle_s = models.FloatField(default=0.0)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["state", "worker"])]

    def __str__(self) -> str:
        return f"session {self.pk} with {self.avatar_code}"
