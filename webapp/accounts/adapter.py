"""How sign-up behaves on this installation."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Opens or closes sign-up by the `ACCOUNT_SIGNUP_OPEN` setting."""

    def is_open_for_signup(self, request: Any) -> bool:
        """Tell whether strangers may create accounts."""
        return bool(settings.ACCOUNT_SIGNUP_OPEN)
