"""Who may do what with an avatar."""

from typing import Any

from avatars.models import Avatar


def can_edit(user: Any, avatar: Avatar) -> bool:
    """Tell whether `user` may change or delete the avatar: its owner alone. The demo avatars belong to nobody."""
    return bool(user.is_authenticated and avatar.owner_id is not None and avatar.owner_id == user.pk)


def can_view(user: Any, avatar: Avatar) -> bool:
    """Tell whether `user` may open the avatar's page: its owner, or anyone once it is ready and not private."""
    if can_edit(user, avatar):
        return True
    return avatar.visibility != Avatar.Visibility.PRIVATE and avatar.state == Avatar.State.READY


def can_talk(user: Any, avatar: Avatar) -> bool:
    """Tell whether `user` may talk to the avatar: whoever may see it, once there is something to talk to."""
    return can_view(user, avatar) and avatar.is_ready


def can_download(user: Any, avatar: Avatar) -> bool:
    """Tell whether `user` may take the avatar's file away: its owner alone."""
    return can_edit(user, avatar) and bool(avatar.imx)
