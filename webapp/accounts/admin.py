"""Users and API secrets in the admin."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from webapp.accounts.models import ApiSecret, User


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    """Users."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    add_fieldsets = ((None, {"fields": ("username", "email", "password1", "password2")}),)


@admin.register(ApiSecret)
class ApiSecretAdmin(ModelAdmin):  # type: ignore[misc]
    """API secrets: the secret itself is shown once, when it is made."""

    list_display = ("prefix", "name", "user", "created", "expiry_date", "revoked")
    fields = ("name", "user", "prefix", "expiry_date", "revoked")
    readonly_fields = ("prefix",)
    search_fields = ("prefix", "name", "user__username")
    list_select_related = ("user",)

    def save_model(self, request: Any, obj: ApiSecret, form: Any, change: bool) -> None:
        """Save; a new secret is shown once."""
        if change:
            obj.save()
            return
        secret = ApiSecret.objects.assign_key(obj)
        obj.save()
        messages.warning(request, f"The secret is {secret} - copy it now, it is not shown again.")
