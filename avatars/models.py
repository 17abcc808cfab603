"""Avatars, and the builds that make them."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, ClassVar, Final
from uuid import uuid4

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.fields.files import FieldFile
from django.urls import reverse

from avatars.codes import CODE_LENGTH, CODE_PATTERN, new_code

# What is longer does not fit into the ears' window of half a minute.
LONGEST_TURN_S: Final = 28


def _avatar_file(avatar: Avatar, filename: str) -> str:
    """Name a published file: never the same twice, so that a cached or open old one is never half replaced."""
    return f"avatars/{avatar.code}/{uuid4().hex}{PurePath(filename).suffix}"


def _source_file(build: Build, filename: str) -> str:
    """Name an uploaded source; what the uploader called it is forgotten."""
    return f"sources/{build.avatar.code}/{uuid4().hex}{PurePath(filename).suffix}"


def _knowledge_file(document: Document, filename: str) -> str:
    """Name a file to learn from, until it is read."""
    return f"knowledge/{document.avatar.code}/{uuid4().hex}{PurePath(filename).suffix}"


def _gesture_file(clip: GestureClip, filename: str) -> str:
    """Name an uploaded clip, or the film of its gesture."""
    return f"gestures/{clip.avatar.code}/{uuid4().hex}{PurePath(filename).suffix}"


def _voice_file(sample: VoiceSample, filename: str) -> str:
    """Name a voice sample."""
    return f"voices/{sample.avatar.code}/{uuid4().hex}{PurePath(filename).suffix}"


class AvatarQuerySet(models.QuerySet["Avatar"]):
    """Avatars by who may see them."""

    def listed(self) -> AvatarQuerySet:
        """Return those that anybody finds in the gallery."""
        return self.filter(Avatar.LISTED)

    def owned_by(self, user: Any) -> AvatarQuerySet:
        """Return those of one creator."""
        return self.filter(owner=user) if user.is_authenticated else self.none()

    def visible_to(self, user: Any) -> AvatarQuerySet:
        """Return those that `user` may open by their code; the same rule as `permissions.can_view`."""
        seen = ~Q(visibility=Avatar.Visibility.PRIVATE) & Q(state=Avatar.State.READY)
        return self.filter(seen | Q(owner=user)) if user.is_authenticated else self.filter(seen)


class Avatar(models.Model):
    """A character a creator owns: likeness, voice and persona."""

    class Visibility(models.TextChoices):
        """Who may see and talk to an avatar."""

        PRIVATE = "private", "Private: only you"
        UNLISTED = "unlisted", "Unlisted: anyone with the link"
        PUBLIC = "public", "Public: shown in the gallery"

    class Kind(models.TextChoices):
        """What sort of face the picture shows."""

        PHOTO = "photo", "Photo or painting"
        DRAWING = "drawing", "Drawing"
        ANIMAL = "animal", "Animal or other"

    class Mood(models.TextChoices):
        """What the face shows by nature."""

        NEUTRAL = "neutral", "Neutral"
        WARM = "warm", "Warm"
        SERIOUS = "serious", "Serious"
        CHEERFUL = "cheerful", "Cheerful"

    class Patience(models.TextChoices):
        """How long it waits in a silence before it answers."""

        SHORT = "short", "Short: answers quickly, may cut in"
        NORMAL = "normal", "Normal"
        LONG = "long", "Long: leaves time to think"

    class State(models.TextChoices):
        """How far the avatar has come."""

        DRAFT = "draft", "Draft"
        QUEUED = "queued", "Waiting to be built"
        BUILDING = "building", "Being built"
        AWAITING_FACE_MARKING = "awaiting_face_marking", "Waiting for you to mark the face"
        READY = "ready", "Ready"
        FAILED = "failed", "Could not be built"

    SENTENCES: ClassVar[dict[str, str]] = {
        State.DRAFT: "There is no picture or video yet.",
        State.QUEUED: "The build waits for its turn.",
        State.BUILDING: "The avatar is being built.",
        State.AWAITING_FACE_MARKING: "No face was found by itself: mark six points in the picture.",
        State.READY: "Ready to talk.",
        State.FAILED: "The build did not succeed.",
    }
    LISTED: ClassVar[Q]
    # The agent's tools, and the switch that each of them has.
    TOOLS: ClassVar[dict[str, str]] = {
        "time": "can_tell_time",
        "calculator": "can_calculate",
        "gesture": "can_gesture",
        "link": "can_show_links",
        "hang_up": "can_hang_up",
    }

    code = models.CharField(
        max_length=CODE_LENGTH,
        unique=True,
        default=new_code,
        editable=False,
        validators=[RegexValidator(f"^{CODE_PATTERN.pattern}$")],
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="avatars"
    )
    name = models.CharField(max_length=60)
    tagline = models.CharField(max_length=120, blank=True)
    persona = models.TextField(max_length=4000, blank=True)
    greeting = models.CharField(max_length=300, blank=True)
    voice = models.CharField(max_length=40, default="heart")
    mood = models.CharField(max_length=10, choices=Mood.choices, default=Mood.NEUTRAL)
    idle_gestures = models.BooleanField(default=False)
    patience = models.CharField(max_length=10, choices=Patience.choices, default=Patience.NORMAL)
    longest_turn_s = models.PositiveSmallIntegerField(
        default=LONGEST_TURN_S, validators=[MinValueValidator(5), MaxValueValidator(LONGEST_TURN_S)]
    )
    can_tell_time = models.BooleanField(default=False)
    can_calculate = models.BooleanField(default=False)
    can_gesture = models.BooleanField(default=False)
    can_show_links = models.BooleanField(default=False)
    can_hang_up = models.BooleanField(default=False)
    remembers = models.BooleanField(default=False, help_text="Of visitors with an account, and only if they allow it.")
    visibility = models.CharField(max_length=10, choices=Visibility.choices, default=Visibility.PRIVATE)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.PHOTO)
    licence = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=24, choices=State.choices, default=State.DRAFT)
    imx = models.FileField(upload_to=_avatar_file, blank=True)
    poster = models.FileField(upload_to=_avatar_file, blank=True)
    preview = models.FileField(upload_to=_avatar_file, blank=True)
    width = models.PositiveSmallIntegerField(default=512, help_text="Of the picture, in pixels.")
    height = models.PositiveSmallIntegerField(default=512, help_text="Of the picture, in pixels.")
    demo = models.BooleanField(default=False)
    demo_key = models.CharField(max_length=40, unique=True, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = AvatarQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["visibility", "state", "-created_at"])]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"

    def get_absolute_url(self) -> str:
        """Return the address of the avatar's page."""
        return reverse("avatar", args=[self.code])

    @property
    def talk_url(self) -> str:
        """The address of the page to talk on."""
        return reverse("talk", args=[self.code])

    @property
    def poster_url(self) -> str:
        """The address of the still picture, or "" while there is none. It changes with the picture."""
        return self._file_url("avatar_poster", self.poster.name)

    @property
    def preview_url(self) -> str:
        """The address of the short silent film, or "" while there is none. It changes with the film."""
        return self._file_url("avatar_preview", self.preview.name)

    def _file_url(self, view: str, name: str | None) -> str:
        return f"{reverse(view, args=[self.code])}?v={PurePath(name).stem[:12]}" if name else ""

    @property
    def spoken_greeting(self) -> str:
        """The greeting as it is heard, without the stage directions in it."""
        from avatars.engine.directions import without_directions

        return " ".join(without_directions(self.greeting)[0].split())

    @property
    def shape(self) -> str:
        """The shape of the picture in one word: square, tall or wide."""
        if self.width == self.height:
            return "square"
        return "tall" if self.height > self.width else "wide"

    @property
    def tools(self) -> frozenset[str]:
        """The tools that its owner switched on, by the names that the agent's registry has for them."""
        return frozenset(tool for tool, switch in self.TOOLS.items() if getattr(self, switch))

    @property
    def is_ready(self) -> bool:
        """Whether the avatar can be talked to."""
        return self.state == self.State.READY and bool(self.imx)

    @property
    def from_video(self) -> bool:
        """Whether it moves as the person in a video does, and so can have recorded gestures."""
        return (self._ready_report or {}).get("source_kind") == "video"

    @property
    def has_sound(self) -> bool:
        """Whether it is from a video with sound in it."""
        return self.from_video and bool((self._ready_report or {}).get("measures", {}).get("has_sound"))

    @property
    def video(self) -> FieldFile | None:
        """The video that it is from, where that is still kept."""
        build = self.builds.filter(state=Build.State.READY).first()
        return build.source if build is not None and build.source and self.from_video else None

    @property
    def _ready_report(self) -> dict[str, Any] | None:
        build = self.builds.filter(state=Build.State.READY).first()
        return None if build is None else build.report

    @property
    def state_sentence(self) -> str:
        """The state in words."""
        return self.SENTENCES[self.state]

    @property
    def latest_build(self) -> Build | None:
        """The build started last."""
        return self.builds.first()


class Pair(models.Model):
    """Something an avatar is asked and what it then answers, word for word."""

    LIMIT: ClassVar[int] = 60

    avatar = models.ForeignKey(Avatar, on_delete=models.CASCADE, related_name="pairs")
    questions = models.TextField(max_length=500, help_text="One way of asking on each line.")
    answer = models.CharField(max_length=500)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return str(self.questions).partition("\n")[0]


class Document(models.Model):
    """A file an avatar knows from. The builder reads it once; then its passages are kept, and the file is not."""

    class State(models.TextChoices):
        """How far it has been read."""

        WAITING = "waiting", "Waiting to be read"
        READING = "reading", "Being read"
        READY = "ready", "Known"
        FAILED = "failed", "Could not be read"

    LIMIT: ClassVar[int] = 20
    LIMIT_PASSAGES: ClassVar[int] = 2000

    avatar = models.ForeignKey(Avatar, on_delete=models.CASCADE, related_name="documents")
    name = models.CharField(max_length=100)
    file = models.FileField(upload_to=_knowledge_file, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    message = models.CharField(max_length=300, blank=True)
    pages = models.PositiveSmallIntegerField(default=0, help_text="0 where the file has none.")
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return str(self.name)

    @property
    def under_way(self) -> bool:
        """Whether it is still to be read."""
        return self.state in (self.State.WAITING, self.State.READING)


class Passage(models.Model):
    """A stretch of a document, and what it means."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="passages")
    heading = models.CharField(max_length=120, blank=True)
    text = models.TextField()
    page = models.PositiveSmallIntegerField(default=0, help_text="From 1; 0 where the document has no pages.")
    meaning = models.BinaryField(help_text="384 numbers, little-endian float32.")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"passage {self.pk} of {self.document_id}"


class GestureClip(models.Model):
    """A clip of the creator's that is a gesture of their avatar, for which it is kept: another build needs it again."""

    class State(models.TextChoices):
        """How far it has been made."""

        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Being made"
        READY = "ready", "Ready"
        FAILED = "failed", "Could not be made"
        REMOVING = "removing", "Being removed"

    LIMIT: ClassVar[int] = 8

    avatar = models.ForeignKey(Avatar, on_delete=models.CASCADE, related_name="gesture_clips")
    name = models.CharField(max_length=30, help_text="On the wire, and in texts.")
    label = models.CharField(max_length=40)
    file = models.FileField(upload_to=_gesture_file)
    preview = models.FileField(upload_to=_gesture_file, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    progress = models.FloatField(default=0.0)
    message = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    consent_at = models.DateTimeField()
    consent_text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["avatar", "name"], name="one_gesture_of_each_name")]

    def __str__(self) -> str:
        return str(self.label)

    @property
    def word(self) -> str:
        """What is written in a text."""
        from avatars.engine.recorded import WORDS

        return WORDS.get(self.name, self.name)

    @property
    def under_way(self) -> bool:
        """Whether something is still to be done."""
        return self.state in (self.State.WAITING, self.State.RUNNING, self.State.REMOVING)

    @property
    def preview_url(self) -> str:
        """The address of the short film of it, or "" while there is none."""
        if not self.preview.name:
            return ""
        address = reverse("studio_gesture_preview", args=[self.avatar.code, self.pk])
        return f"{address}?v={PurePath(self.preview.name).stem[:12]}"


class VoiceSample(models.Model):
    """Clear speech from an avatar's video, kept because its creator asked for it. At most one."""

    class State(models.TextChoices):
        """How far it has been taken."""

        WAITING = "waiting", "Being taken"
        READY = "ready", "Kept"
        FAILED = "failed", "Could not be taken"

    avatar = models.OneToOneField(Avatar, on_delete=models.CASCADE, related_name="voice_sample")
    speaker = models.CharField(max_length=60)
    file = models.FileField(upload_to=_voice_file, blank=True)
    seconds = models.FloatField(default=0.0)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    message = models.CharField(max_length=300, blank=True)
    consent_at = models.DateTimeField()
    consent_text = models.TextField()

    def __str__(self) -> str:
        return f"voice of {self.speaker}"


class GestureTrigger(models.Model):
    """Words that set off a gesture in a conversation."""

    class Speaker(models.TextChoices):
        """Who has to say them."""

        AVATAR = "avatar", "the avatar"
        USER = "user", "the visitor"
        EITHER = "either", "either of them"

    LIMIT: ClassVar[int] = 40

    avatar = models.ForeignKey(Avatar, on_delete=models.CASCADE, related_name="triggers")
    words = models.TextField(max_length=500, help_text="One word or phrase on each line.")
    said_by = models.CharField(max_length=10, choices=Speaker.choices, default=Speaker.AVATAR)
    gesture = models.CharField(max_length=40)
    stop_on_user_speech = models.BooleanField(default=False)
    stop_on_agent_speech = models.BooleanField(default=False)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return str(self.words).partition("\n")[0]


class Link(models.Model):
    """A page that an avatar may show a card of. Visitors open it, or do not."""

    LIMIT: ClassVar[int] = 20

    avatar = models.ForeignKey(Avatar, on_delete=models.CASCADE, related_name="links")
    title = models.CharField(max_length=60)
    url = models.CharField(max_length=500)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return str(self.title)


Avatar.LISTED = Q(visibility=Avatar.Visibility.PUBLIC, state=Avatar.State.READY)


class Build(models.Model):
    """One attempt at turning a source into an avatar."""

    class State(models.TextChoices):
        """How far the build has come."""

        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        AWAITING_FACE_MARKING = "awaiting_face_marking", "Waiting for the face to be marked"
        READY = "ready", "Done"
        FAILED = "failed", "Failed"

    class Size(models.TextChoices):
        """The avatar's picture, width x height in pixels."""

        SQUARE = "512x512", "Square, 512x512"
        SQUARE_LARGE = "768x768", "Large square, 768x768"
        TALL = "720x1280", "Portrait, 720x1280"
        WIDE = "1280x720", "Landscape, 1280x720"

    class Shot(models.TextChoices):
        """How much of the character is in the picture."""

        FACE = "face", "Head and shoulders"
        FIGURE = "figure", "The whole figure"

    class Mouth(models.TextChoices):
        """What has become of the person's own mouth, once the avatar of a video is ready."""

        UNKNOWN = "", "Never asked"
        WAITING = "waiting", "Waiting to be learnt"
        LEARNING = "learning", "Being learnt"
        OWN = "own", "Painted as it was learnt"
        DRAWN = "drawn", "Drawn"

    FINAL: ClassVar[frozenset[str]] = frozenset({State.READY, State.FAILED})

    avatar = models.ForeignKey(Avatar, on_delete=models.CASCADE, related_name="builds")
    source = models.FileField(upload_to=_source_file)
    smile = models.FileField(
        upload_to=_source_file, blank=True, help_text="A second picture of the person, whose teeth are taken."
    )
    points = models.JSONField(null=True, blank=True)
    kind = models.CharField(max_length=10, choices=Avatar.Kind.choices, blank=True)
    size = models.CharField(max_length=9, choices=Size.choices, default=Size.SQUARE)
    shot = models.CharField(max_length=10, choices=Shot.choices, default=Shot.FACE)
    state = models.CharField(max_length=24, choices=State.choices, default=State.QUEUED)
    stage = models.CharField(max_length=40, blank=True)
    progress = models.FloatField(default=0.0)
    message = models.CharField(max_length=500, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    report = models.JSONField(null=True, blank=True)
    mouth = models.CharField(max_length=10, choices=Mouth.choices, blank=True)
    mouth_progress = models.FloatField(default=0.0)
    mouth_message = models.CharField(max_length=300, blank=True)
    mouth_attempts = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    consent_at = models.DateTimeField(null=True, blank=True)
    consent_text = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"build {self.pk} of {self.avatar.code}"

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the avatar's picture in pixels."""
        width, _, height = self.size.partition("x")
        return int(width), int(height)
