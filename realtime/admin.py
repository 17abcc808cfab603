"""Sessions and rooms in the admin."""

from typing import Any

from django.contrib import admin
from unfold.admin import ModelAdmin

from realtime.models import Room, Session


@admin.register(Session)
class SessionAdmin(ModelAdmin):  # type: ignore[misc]
    """Sessions, to read only."""

    list_display = ("id", "avatar_code", "user", "state", "reason", "worker", "spoken_s", "idle_s", "created_at")
    list_filter = ("state", "reason")
    search_fields = ("id", "avatar_code", "user__username")
    list_select_related = ("user",)

    def has_add_permission(self, request: Any) -> bool:
        """Sessions are begun by talking."""
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        """Sessions are history."""
        return False


@admin.register(Room)
class RoomAdmin(ModelAdmin):  # type: ignore[misc]
    """Rooms, to read and to delete; their codes are keys and are not shown."""

    list_display = ("avatar", "creator", "most_talkers", "created_at", "expires_at")
    fields = ("avatar", "creator", "most_talkers", "created_at", "expires_at")
    list_select_related = ("avatar", "creator")

    def has_add_permission(self, request: Any) -> bool:
        """Rooms are made on an avatar's page."""
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        """What a room is does not change."""
        return False
