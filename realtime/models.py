"""A session: one live conversation, from join to leave. A room: a link under which several meet in one.

What is said is never stored; of users who allow it, a few facts are.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import ClassVar, Final
from uuid import uuid4

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone

from realtime.guests import MOST_SEATS, MOST_TALKERS

# Neither vowels nor what looks like something else. 12 of 28 are 57 bits: nobody guesses them while a room is open.
ROOM_LETTERS: Final = "BCDFGHJKLMNPRSTVWXYZ23456789"
ROOM_CODE_LENGTH: Final = 12
ROOM_OPEN_FOR: Final = timedelta(hours=24)


def new_room_code() -> str:
    """Draw a code that cannot be guessed."""
    return "".join(secrets.choice(ROOM_LETTERS) for _ in range(ROOM_CODE_LENGTH))


def room_closes_at() -> datetime:
    """When a room that is made now closes."""
    return timezone.now() + ROOM_OPEN_FOR


class Room(models.Model):
    """Where several people meet one avatar. Whoever knows `code` may talk, whoever knows `watch_code` may watch.

    creator: whoever made it, if they had an account; its use is theirs. most_talkers: how many may talk at once.
    """

    code = models.CharField(max_length=ROOM_CODE_LENGTH, unique=True, editable=False, default=new_room_code)
    watch_code = models.CharField(max_length=ROOM_CODE_LENGTH, unique=True, editable=False, default=new_room_code)
    avatar = models.ForeignKey("avatars.Avatar", on_delete=models.CASCADE, related_name="rooms")
    creator = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="rooms"
    )
    most_talkers = models.PositiveSmallIntegerField(
        default=MOST_TALKERS, validators=[MinValueValidator(1), MaxValueValidator(MOST_SEATS)]
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(default=room_closes_at)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"room with {self.avatar_id}"

    def get_absolute_url(self) -> str:
        """The address for those who may talk."""
        return reverse("room", args=[self.code])

    @property
    def watch_url(self) -> str:
        """The address for those who may watch."""
        return reverse("room", args=[self.watch_code])

    @property
    def is_over(self) -> bool:
        """Whether its time is over."""
        return timezone.now() >= self.expires_at


class Session(models.Model):
    """Who talked to which avatar, where and for how long. Written by the media worker that holds it.

    turns: of the last ones, the turn's number and its steps in milliseconds after the end of the visitor's speech.
    """

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
        HUNG_UP = "hung_up", "The avatar hung up"
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
    turns = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["state", "worker"])]

    def __str__(self) -> str:
        return f"session {self.pk} with {self.avatar_code}"


class Acquaintance(models.Model):
    """A user who lets an avatar remember them: their consent, which takes all memories with it when it is deleted."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="acquaintances")
    avatar = models.ForeignKey("avatars.Avatar", on_delete=models.CASCADE, related_name="acquaintances")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["user", "avatar"], name="one_acquaintance")]

    def __str__(self) -> str:
        return f"acquaintance {self.pk}"


class Memory(models.Model):
    """A fact that an avatar remembers of a user. For nobody's eyes but that user's."""

    LIMIT: ClassVar[int] = 20

    acquaintance = models.ForeignKey(Acquaintance, on_delete=models.CASCADE, related_name="memories")
    text = models.CharField(max_length=160)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "memories"

    def __str__(self) -> str:
        # The admin names what goes with a deleted user or avatar.
        return f"memory {self.pk}"
