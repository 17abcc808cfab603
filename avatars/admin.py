"""Avatars and builds in the admin."""

from typing import Any

from django.contrib import admin
from unfold.admin import ModelAdmin, TabularInline

from avatars.forms import LinkForm, LinkRows
from avatars.models import Avatar, Build, GestureTrigger, Link, Pair


class PairInline(TabularInline):  # type: ignore[misc]
    """What an avatar answers word for word."""

    model = Pair
    extra = 0


class GestureTriggerInline(TabularInline):  # type: ignore[misc]
    """Words that set off its gestures."""

    model = GestureTrigger
    extra = 0


class LinkInline(TabularInline):  # type: ignore[misc]
    """Pages that it may show."""

    model = Link
    form = LinkForm
    formset = LinkRows
    extra = 0


@admin.register(Avatar)
class AvatarAdmin(ModelAdmin):  # type: ignore[misc]
    """Avatars; files are made by builds, never by hand."""

    list_display = ("code", "name", "owner", "state", "visibility", "kind", "demo", "created_at")
    list_filter = ("state", "visibility", "kind", "demo")
    search_fields = ("code", "name", "owner__username", "owner__email")
    readonly_fields = ("code", "state", "imx", "poster", "preview", "demo_key", "created_at", "updated_at")
    list_select_related = ("owner",)
    inlines = (PairInline, GestureTriggerInline, LinkInline)

    def has_add_permission(self, request: Any) -> bool:
        """Avatars are made in the studio."""
        return False


@admin.register(Build)
class BuildAdmin(ModelAdmin):  # type: ignore[misc]
    """Builds, to read only."""

    list_display = ("id", "avatar", "state", "stage", "progress", "error_code", "created_at", "finished_at")
    list_filter = ("state", "error_code")
    search_fields = ("avatar__code", "avatar__name")
    list_select_related = ("avatar",)

    def has_add_permission(self, request: Any) -> bool:
        """Builds are started in the studio."""
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        """Builds are history."""
        return False
