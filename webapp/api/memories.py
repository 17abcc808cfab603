"""The memories resource: what avatars remember of the caller."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.generics import DestroyAPIView, ListAPIView
from rest_framework.pagination import CursorPagination

from realtime.models import Memory


class MemorySerializer(serializers.ModelSerializer[Memory]):
    """One fact that an avatar remembers of the caller."""

    avatar = serializers.CharField(source="acquaintance.avatar.code", help_text="The avatar's code.")

    class Meta:
        model = Memory
        fields = ["id", "avatar", "text", "created_at"]


class MemoryPagination(CursorPagination):
    """Newest first, fifty at a time."""

    page_size = 50
    ordering = ("-created_at", "-pk")


def own_memories(user: Any) -> QuerySet[Memory]:
    """Return what is remembered of `user`, who alone may know of it."""
    return Memory.objects.filter(acquaintance__user=user.pk).select_related("acquaintance__avatar")


class MemoryList(ListAPIView[Memory]):
    """What avatars remember of you."""

    serializer_class = MemorySerializer
    pagination_class = MemoryPagination

    def get_queryset(self) -> QuerySet[Memory]:
        """Return the caller's own."""
        return own_memories(self.request.user)


class MemoryDetail(DestroyAPIView[Memory]):
    """One of them; DELETE forgets it. Somebody else's is not there."""

    serializer_class = MemorySerializer
    lookup_field = "id"

    def get_queryset(self) -> QuerySet[Memory]:
        """Return the caller's own."""
        return own_memories(self.request.user)
