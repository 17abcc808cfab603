"""What every test may use: a cache and a channel layer in memory, users and avatars."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# No test is timed: the machine may have other things to do.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _isolated(settings: Any, tmp_path: Path) -> Iterator[None]:
    """Give each test a media folder, a cache and a channel layer that nobody else sees."""
    from django.core.cache import cache

    settings.MEDIA_ROOT = tmp_path / "media"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def make_user(db: None, django_user_model: Any) -> Callable[..., Any]:
    """Return a function that creates users."""

    def make(name: str = "ada", **fields: Any) -> Any:
        return django_user_model.objects.create_user(
            username=name, email=f"{name}@example.org", password="correct horse battery", **fields
        )

    return make


@pytest.fixture
def user(make_user: Callable[..., Any]) -> Any:
    """Return somebody with an account and no avatars."""
    return make_user("visitor")


@pytest.fixture
def creator(make_user: Callable[..., Any]) -> Any:
    """Return somebody who makes avatars."""
    return make_user("creator")


@pytest.fixture
def make_avatar(creator: Any) -> Callable[..., Any]:
    """Return a function that creates avatars; they are ready, private and the creator's unless told otherwise."""
    from django.core.files.base import ContentFile

    from avatars.models import Avatar

    def make(*, files: bool = True, **fields: Any) -> Avatar:
        avatar = Avatar(**{"owner": creator, "name": "Ada", "state": Avatar.State.READY, **fields})
        if files:
            avatar.imx.save("avatar.imx", ContentFile(b"imx"), save=False)
            avatar.poster.save("poster.jpg", ContentFile(b"\xff\xd8\xff poster"), save=False)
            avatar.preview.save("preview.mp4", ContentFile(b"0123456789"), save=False)
        avatar.save()
        return avatar

    return make


@pytest.fixture
def avatar(make_avatar: Callable[..., Any]) -> Any:
    """Return a ready, private avatar of the creator's."""
    return make_avatar()
