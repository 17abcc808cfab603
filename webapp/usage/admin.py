"""The ledger in the admin, to read only."""

from typing import Any

from django.contrib import admin
from unfold.admin import ModelAdmin

from webapp.usage.models import UsageEntry


@admin.register(UsageEntry)
class UsageEntryAdmin(ModelAdmin):  # type: ignore[misc]
    """Usage entries."""

    list_display = ("created_at", "kind", "quantity", "user", "avatar_code", "reference")
    list_filter = ("kind",)
    search_fields = ("user__username", "avatar_code", "reference")
    list_select_related = ("user",)

    def has_add_permission(self, request: Any) -> bool:
        """Entries are made by what is used."""
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        """Entries stay as they are."""
        return False

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        """Entries stay."""
        return False
