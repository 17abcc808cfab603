"""Chosen providers, and downloads of language models."""

from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from webapp.providers.sealing import seal, unseal


class Provider(models.Model):
    """One choice of an ear, a mind or a voice: for an avatar, or for the whole installation where it names none.

    Without an address the model is one on this machine.
    """

    class Kind(models.TextChoices):
        """What it does."""

        STT = "stt", "Hearing"
        LLM = "llm", "Thinking"
        TTS = "tts", "Speaking"
        REALTIME = "realtime", "Speech to speech"

    avatar = models.ForeignKey(
        "avatars.Avatar", null=True, blank=True, on_delete=models.CASCADE, related_name="providers"
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    url = models.CharField(max_length=300, blank=True)
    model = models.CharField(max_length=120, blank=True)
    sealed_key = models.TextField(blank=True, editable=False)
    voice = models.CharField(max_length=80, blank=True)
    rate_hz = models.PositiveIntegerField(
        default=24_000, validators=[MinValueValidator(8_000), MaxValueValidator(48_000)]
    )
    language = models.CharField(max_length=3, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["avatar", "kind"], name="one_provider_of_a_kind"),
            models.UniqueConstraint(
                fields=["kind"], condition=models.Q(avatar=None), name="one_provider_of_a_kind_for_all"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.model or 'built in'}"

    @property
    def key(self) -> str:
        """The key in the clear. Raises `SealBroken`."""
        return unseal(self.sealed_key)

    @key.setter
    def key(self, value: str) -> None:
        self.sealed_key = seal(value)


class Download(models.Model):
    """A language model on its way to this machine. The brain process fetches; the pages ask and watch."""

    class State(models.TextChoices):
        """How far it has come."""

        WANTED = "wanted", "Waiting"
        RUNNING = "running", "Downloading"
        CHECKING = "checking", "Checking"
        STOPPED = "stopped", "Stopped"
        FAILED = "failed", "Failed"
        READY = "ready", "Ready"

    UNDER_WAY: ClassVar[frozenset[str]] = frozenset({State.WANTED, State.RUNNING, State.CHECKING})

    name = models.CharField(max_length=60, unique=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WANTED)
    bytes_done = models.PositiveBigIntegerField(default=0)
    message = models.CharField(max_length=300, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.get_state_display()}"
