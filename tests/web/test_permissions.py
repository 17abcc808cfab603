"""Who may do what with whose avatar."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client

from avatars.models import Avatar
from avatars.permissions import can_download, can_edit, can_talk, can_view

PRIVATE, UNLISTED, PUBLIC = Avatar.Visibility.PRIVATE, Avatar.Visibility.UNLISTED, Avatar.Visibility.PUBLIC
READY, BUILDING = Avatar.State.READY, Avatar.State.BUILDING

STUDIO = ["/studio/{}/", "/studio/{}/delete/", "/studio/{}/download/", "/studio/{}/source/"]
STUDIO_POSTS = ["/studio/{}/", "/studio/{}/delete/", "/studio/{}/points/", "/studio/{}/replace/"]
PAGES = ["/a/{}/", "/a/{}/talk/", "/a/{}/poster.jpg", "/a/{}/preview.mp4"]


@pytest.mark.parametrize(
    ("visibility", "state", "others_see"),
    [
        (PRIVATE, READY, False),
        (UNLISTED, READY, True),
        (PUBLIC, READY, True),
        (PUBLIC, BUILDING, False),
        (UNLISTED, BUILDING, False),
    ],
)
def test_what_others_see(
    make_avatar: Callable[..., Avatar], user: Any, creator: Any, visibility: str, state: str, others_see: bool
) -> None:
    avatar = make_avatar(visibility=visibility, state=state)
    for other in (user, AnonymousUser()):
        assert can_view(other, avatar) is others_see
        assert can_talk(other, avatar) is others_see
        assert not can_edit(other, avatar)
        assert not can_download(other, avatar)
        assert Avatar.objects.visible_to(other).exists() is others_see
    assert can_view(creator, avatar)
    assert can_edit(creator, avatar)
    assert can_download(creator, avatar)
    assert can_talk(creator, avatar) is (state == READY)
    assert Avatar.objects.visible_to(creator).exists()


def test_nobody_edits_a_demo(make_avatar: Callable[..., Avatar], user: Any) -> None:
    demo = make_avatar(owner=None, demo=True, visibility=PUBLIC)
    assert can_view(user, demo)
    assert not can_edit(user, demo)
    assert not can_edit(AnonymousUser(), demo)


def test_only_public_ready_avatars_are_listed(make_avatar: Callable[..., Avatar]) -> None:
    listed = make_avatar(visibility=PUBLIC)
    make_avatar(visibility=PUBLIC, state=BUILDING)
    make_avatar(visibility=UNLISTED)
    make_avatar(visibility=PRIVATE)
    assert list(Avatar.objects.listed()) == [listed]


@pytest.mark.parametrize("address", PAGES + STUDIO)
def test_somebody_elses_private_avatar_is_not_there(client: Client, avatar: Avatar, user: Any, address: str) -> None:
    client.force_login(user)
    assert client.get(address.format(avatar.code)).status_code == 404
    assert client.get(address.format("A00BBB0000")).status_code == 404


@pytest.mark.parametrize("address", STUDIO_POSTS)
def test_somebody_else_changes_nothing(client: Client, make_avatar: Any, user: Any, address: str) -> None:
    avatar = make_avatar(visibility=PUBLIC)
    client.force_login(user)
    assert client.post(address.format(avatar.code), {"name": "Mine"}).status_code == 404
    avatar.refresh_from_db()
    assert avatar.name == "Ada"


@pytest.mark.parametrize("address", [*STUDIO, "/studio/new/"])
def test_the_studio_asks_strangers_to_sign_in(client: Client, avatar: Avatar, address: str) -> None:
    response = client.get(address.format(avatar.code))
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("address", PAGES)
def test_strangers_do_not_see_private_pages(client: Client, avatar: Avatar, address: str) -> None:
    assert client.get(address.format(avatar.code)).status_code == 404


def test_forms_need_their_token(avatar: Avatar, creator: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(creator)
    assert client.post(f"/studio/{avatar.code}/delete/").status_code == 403
    assert Avatar.objects.filter(pk=avatar.pk).exists()
