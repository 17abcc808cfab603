"""The avatars resource."""

from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotAuthenticated, Throttled, ValidationError
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from avatars.builds import TooManyBuilds, create_avatar
from avatars.forms import CONSENT_TEXT, LICENCES, NewAvatarForm
from avatars.models import Avatar, Build
from avatars.permissions import can_edit


class RemarkSerializer(serializers.Serializer[dict[str, str]]):
    """One thing a build found out."""

    code = serializers.CharField(help_text="Names the rule that made this remark.")
    tone = serializers.ChoiceField(choices=["better", "note", "good"], help_text="`better`: this could be better.")
    text = serializers.CharField()
    advice = serializers.CharField(help_text="What would help, or nothing.")


class BuildSerializer(serializers.ModelSerializer[Build]):
    """How a build goes, and what it found out."""

    remarks = serializers.SerializerMethodField()

    class Meta:
        model = Build
        fields = ["state", "stage", "progress", "message", "error_code", "remarks", "created_at", "finished_at"]

    @extend_schema_field(RemarkSerializer(many=True))
    def get_remarks(self, build: Build) -> list[dict[str, str]]:
        """Return what could be better, what is worth knowing and what is good, in this order."""
        return list((build.report or {}).get("remarks", []))


class AvatarSerializer(serializers.ModelSerializer[Avatar]):
    """What the world may know of an avatar; the persona is its creator's own."""

    poster_url = serializers.SerializerMethodField()
    talk_url = serializers.SerializerMethodField()
    build = serializers.SerializerMethodField()

    class Meta:
        model = Avatar
        fields = [
            "code",
            "name",
            "tagline",
            "kind",
            "state",
            "visibility",
            "poster_url",
            "talk_url",
            "build",
            "created_at",
        ]

    def _absolute(self, path: str) -> str:
        return str(self.context["request"].build_absolute_uri(path))

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_poster_url(self, avatar: Avatar) -> str | None:
        """Return the address of the still picture."""
        return self._absolute(avatar.poster_url) if avatar.poster_url else None

    @extend_schema_field(serializers.URLField())
    def get_talk_url(self, avatar: Avatar) -> str:
        """Return the address of the page to talk on."""
        return self._absolute(avatar.talk_url)

    @extend_schema_field(BuildSerializer(allow_null=True))
    def get_build(self, avatar: Avatar) -> dict[str, Any] | None:
        """Return how the newest build goes, to the owner alone."""
        build = avatar.latest_build if can_edit(self.context["request"].user, avatar) else None
        return dict(BuildSerializer(build).data) if build else None


class AvatarPagination(CursorPagination):
    """Newest first, fifty at a time."""

    page_size = 50
    ordering = "-created_at"


class NewAvatarSerializer(serializers.Serializer[Avatar]):
    """What a new avatar is made from, as the schema shows it; `NewAvatarForm` is what checks it."""

    name = serializers.CharField(max_length=60)
    source = serializers.FileField(
        help_text="A JPEG, PNG or WebP picture, or an MP4, MOV or WebM video of 3 to 60 seconds."
    )  # type: ignore[assignment]
    smile = serializers.FileField(
        required=False,
        help_text="A second picture of the same person, smiling: its teeth are shown where the lips are closed.",
    )
    kind = serializers.ChoiceField(choices=Avatar.Kind.choices, required=False)
    size = serializers.ChoiceField(choices=Build.Size.choices, required=False)
    shot = serializers.ChoiceField(choices=Build.Shot.choices, required=False)
    licence = serializers.ChoiceField(choices=LICENCES)
    consent = serializers.BooleanField(help_text=CONSENT_TEXT)


class AvatarList(ListAPIView[Avatar]):
    """Public avatars, and with an API secret your own; POST makes one."""

    permission_classes = [AllowAny]
    serializer_class = AvatarSerializer
    pagination_class = AvatarPagination

    def get_queryset(self) -> QuerySet[Avatar]:
        """Return what the caller may list."""
        if self.request.user.is_authenticated:
            return Avatar.objects.filter(Q(owner=self.request.user) | Avatar.LISTED)
        return Avatar.objects.listed()

    @extend_schema(request={"multipart/form-data": NewAvatarSerializer}, responses={202: AvatarSerializer})
    def post(self, request: Request) -> Response:
        """Start building an avatar; ask for it by its code to hear how the build goes."""
        if not request.user.is_authenticated:
            raise NotAuthenticated
        form = NewAvatarForm(request.POST, request.FILES)
        if not form.is_valid():
            raise ValidationError({field: [str(words) for words in found] for field, found in form.errors.items()})
        try:
            avatar = create_avatar(request.user, form)
        except TooManyBuilds as refusal:
            raise Throttled(detail=str(refusal)) from refusal
        return Response(self.get_serializer(avatar).data, status=202)


class AvatarDetail(RetrieveAPIView[Avatar]):
    """One avatar by its code; somebody else's private one is not there."""

    permission_classes = [AllowAny]
    serializer_class = AvatarSerializer
    lookup_field = "code"

    def get_queryset(self) -> QuerySet[Avatar]:
        """Return what the caller may see."""
        user: Any = self.request.user
        return Avatar.objects.visible_to(user)
