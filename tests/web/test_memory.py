"""Pages and the API of what avatars remember: whose it is, who sees it, how it is deleted."""

import html
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from avatars.models import Avatar
from realtime.models import Acquaintance, Memory
from webapp.accounts.models import ApiSecret

TEA = "The visitor likes tea <b>with milk</b>."


@pytest.fixture
def nell(make_avatar: Callable[..., Avatar]) -> Avatar:
    return make_avatar(name="Nell", visibility=Avatar.Visibility.PUBLIC, remembers=True)


@pytest.fixture
def memory(nell: Avatar, user: Any) -> Memory:
    acquaintance = Acquaintance.objects.create(user=user, avatar=nell)
    return Memory.objects.create(acquaintance=acquaintance, text=TEA)


@pytest.fixture
def visitor(client: Client, user: Any) -> Client:
    client.force_login(user)
    return client


def allow(client: Client, avatar: Avatar, on: str = "1") -> int:
    return int(client.post(f"/a/{avatar.code}/remember/", {"on": on}).status_code)


def test_consent_is_given_and_withdrawn_where_one_talks(visitor: Client, user: Any, nell: Avatar) -> None:
    assert allow(visitor, nell) == 200
    assert allow(visitor, nell) == 200
    acquaintance = Acquaintance.objects.get(user=user, avatar=nell)
    Memory.objects.create(acquaintance=acquaintance, text=TEA)
    assert allow(visitor, nell, "0") == 200
    assert not Memory.objects.exists()
    assert allow(visitor, nell, "0") == 200


def test_strangers_are_not_remembered(client: Client, nell: Avatar) -> None:
    response = client.post(f"/a/{nell.code}/remember/", {"on": "1"})
    assert response.status_code == 403
    assert "Sign in" in response.json()["message"]
    assert not Acquaintance.objects.exists()


def test_nobody_consents_to_what_is_not_offered(visitor: Client, make_avatar: Any, nell: Avatar) -> None:
    assert allow(visitor, make_avatar(remembers=True)) == 404
    assert allow(visitor, make_avatar(visibility=Avatar.Visibility.PUBLIC)) == 404
    assert allow(visitor, nell, "maybe") == 404
    assert visitor.get(f"/a/{nell.code}/remember/").status_code == 405
    assert not Acquaintance.objects.exists()


def test_consent_can_be_withdrawn_after_the_owner_switched_it_off(visitor: Client, memory: Memory) -> None:
    Avatar.objects.update(remembers=False)
    assert allow(visitor, memory.acquaintance.avatar, "0") == 200
    assert not Memory.objects.exists()


def test_consent_needs_the_forms_token(user: Any, nell: Avatar) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert allow(client, nell) == 403


def test_the_page_shows_what_is_remembered(visitor: Client, memory: Memory) -> None:
    response = visitor.get("/accounts/memories/")
    page = response.content.decode()
    assert "no-store" in response["Cache-Control"]
    assert "Nell" in page
    assert TEA not in page
    assert TEA in html.unescape(page)
    # The demo brain thinks in tests, and the page is honest about it.
    assert "cannot take notes" in page
    Avatar.objects.update(remembers=False)
    assert "switched memory off" in visitor.get("/accounts/memories/").content.decode()


def test_one_memory_is_deleted(visitor: Client, memory: Memory) -> None:
    other = Memory.objects.create(acquaintance=memory.acquaintance, text="The visitor has a cat.")
    assert visitor.post(f"/accounts/memories/{memory.pk}/delete/").status_code == 302
    assert list(Memory.objects.all()) == [other]


def test_all_of_an_avatars_memories_are_deleted(visitor: Client, memory: Memory) -> None:
    assert visitor.post(f"/accounts/memories/of/{memory.acquaintance.pk}/delete/").status_code == 302
    assert not Memory.objects.exists()
    assert Acquaintance.objects.exists()


def test_withdrawing_deletes(visitor: Client, memory: Memory) -> None:
    assert visitor.post(f"/accounts/memories/of/{memory.acquaintance.pk}/withdraw/").status_code == 302
    assert not Memory.objects.exists()
    assert not Acquaintance.objects.exists()


@pytest.mark.parametrize("address", ["{memory}/delete/", "of/{of}/delete/", "of/{of}/withdraw/"])
def test_what_is_remembered_of_others_is_not_there(
    client: Client, memory: Memory, creator: Any, make_user: Any, address: str
) -> None:
    path = f"/accounts/memories/{address.format(memory=memory.pk, of=memory.acquaintance.pk)}"
    assert client.post(path).status_code == 302
    # Neither for the avatar's owner nor for staff.
    for other in (creator, make_user("staff", is_staff=True, is_superuser=True)):
        client.force_login(other)
        assert client.post(path).status_code == 404
        assert client.get(path).status_code == 405
        assert "milk" not in client.get("/accounts/memories/").content.decode()
    assert Memory.objects.exists()


def test_the_owner_and_the_admin_never_read_it(client: Client, memory: Memory, make_user: Any) -> None:
    avatar = memory.acquaintance.avatar
    client.force_login(avatar.owner)
    assert "milk" not in client.get(f"/studio/{avatar.code}/").content.decode()
    client.force_login(make_user("staff", is_staff=True, is_superuser=True))
    for path in (
        f"/admin/avatars/avatar/{avatar.pk}/change/",
        f"/admin/avatars/avatar/{avatar.pk}/delete/",
        f"/admin/accounts/user/{memory.acquaintance.user_id}/delete/",
    ):
        response = client.get(path)
        assert response.status_code == 200
        assert "milk" not in response.content.decode()
    assert client.get("/admin/realtime/memory/").status_code == 404


def test_pages_ask_strangers_to_sign_in(client: Client, db: None) -> None:
    assert "/accounts/login/" in client.get("/accounts/memories/")["Location"]


def test_the_page_to_talk_offers_it_as_things_stand(client: Client, user: Any, nell: Avatar) -> None:
    path = f"/a/{nell.code}/talk/"
    page = client.get(path).content.decode()
    assert "Nell can remember you" in page
    assert 'id="remember"' not in page
    client.force_login(user)
    page = client.get(path).content.decode()
    assert 'id="remember"' in page
    assert "It cannot take notes" in page
    assert '"remembered": false' in page
    allow(client, nell)
    page = client.get(path).content.decode()
    assert '"remembered": true' in page
    assert "Nell remembers you" in page
    Avatar.objects.update(remembers=False)
    page = client.get(path).content.decode()
    assert 'id="memory"' not in page
    assert '"remembered": false' in page


def test_the_page_starts_one_conversation_and_not_two(client: Client, nell: Avatar) -> None:
    page = client.get(f"/a/{nell.code}/talk/").content.decode()
    assert "talk/memory" in page
    assert "talk/page" not in page
    Avatar.objects.update(remembers=False)
    page = client.get(f"/a/{nell.code}/talk/").content.decode()
    assert "talk/page" in page
    assert "talk/memory" not in page


def test_rooms_remember_nobody(client: Client, user: Any, nell: Avatar) -> None:
    client.force_login(user)
    page = client.post(f"/a/{nell.code}/rooms/", follow=True).content.decode()
    assert "Join and talk" in page
    assert 'id="memory' not in page
    assert "memory.js" not in page


def test_it_is_off_until_the_owner_wants_it(make_avatar: Any) -> None:
    assert not Avatar().remembers


def bearer(user: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {ApiSecret.objects.create_key(name='laptop', user=user)[1]}"}


def test_the_api_lists_ones_own(client: Client, memory: Memory, user: Any, creator: Any) -> None:
    (entry,) = client.get("/v1/memories", headers=bearer(user)).json()["results"]
    assert (entry["id"], entry["avatar"], entry["text"]) == (memory.pk, memory.acquaintance.avatar.code, TEA)
    assert set(entry) == {"id", "avatar", "text", "created_at"}
    assert client.get("/v1/memories", headers=bearer(creator)).json()["results"] == []
    assert client.get("/v1/memories").status_code == 401


def test_the_api_deletes_ones_own(client: Client, memory: Memory, user: Any, creator: Any) -> None:
    path = f"/v1/memories/{memory.pk}"
    assert client.delete(path).status_code == 401
    assert client.delete(path, headers=bearer(creator)).status_code == 404
    assert client.get(path, headers=bearer(user)).status_code == 405
    assert client.delete(path, headers=bearer(user)).status_code == 204
    assert client.delete(path, headers=bearer(user)).status_code == 404
