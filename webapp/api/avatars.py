"""The avatars resource."""

from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import AllowAny

from avatars.models import Avatar


class AvatarSerializer(serializers.ModelSerializer[Avatar]):
    """What the world may know of an avatar; the persona is its creator's own."""

    poster_url = serializers.SerializerMethodField()
    talk_url = serializers.SerializerMethodField()

    class Meta:
        model = Avatar
        fields = ["code", "name", "tagline", "kind", "state", "visibility", "poster_url", "talk_url", "created_at"]

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


class AvatarPagination(CursorPagination):
    """Newest first, fifty at a time."""

    page_size = 50
    ordering = "-created_at"


class AvatarList(ListAPIView[Avatar]):
    """Public avatars, and with an API secret your own."""

    permission_classes = [AllowAny]
    serializer_class = AvatarSerializer
    pagination_class = AvatarPagination

    def get_queryset(self) -> QuerySet[Avatar]:
        """Return what the caller may list."""
        if self.request.user.is_authenticated:
            return Avatar.objects.filter(Q(owner=self.request.user) | Avatar.LISTED)
        return Avatar.objects.listed()


class AvatarDetail(RetrieveAPIView[Avatar]):
    """One avatar by its code; somebody else's private one is not there."""

    permission_classes = [AllowAny]
    serializer_class = AvatarSerializer
    lookup_field = "code"

    def get_queryset(self) -> QuerySet[Avatar]:
        """Return what the caller may see."""
        user: Any = self.request.user
        return Avatar.objects.visible_to(user)
