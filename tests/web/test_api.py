"""The REST API: who sees what, and the one shape of its errors."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from avatars.models import Avatar
from webapp.accounts.models import ApiSecret

PUBLIC = Avatar.Visibility.PUBLIC


@pytest.fixture
def secret(creator: Any) -> tuple[ApiSecret, str]:
    return ApiSecret.objects.create_key(name="laptop", user=creator)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_everybody_lists_public_avatars(client: Client, make_avatar: Callable[..., Avatar]) -> None:
    public = make_avatar(visibility=PUBLIC, persona="hidden thoughts")
    make_avatar()
    response = client.get("/v1/avatars")
    (entry,) = response.json()["results"]
    assert entry["code"] == public.code
    assert entry["talk_url"] == f"http://testserver/a/{public.code}/talk/"
    assert "hidden thoughts" not in response.content.decode()


def test_a_secret_opens_your_own(client: Client, avatar: Avatar, secret: tuple[ApiSecret, str]) -> None:
    address = f"/v1/avatars/{avatar.code}"
    assert client.get(address).status_code == 404
    assert client.get(address, headers=bearer(secret[1])).json()["code"] == avatar.code
    assert len(client.get("/v1/avatars", headers=bearer(secret[1])).json()["results"]) == 1


def test_secrets_are_stored_hashed(secret: tuple[ApiSecret, str]) -> None:
    key, text = secret
    key.refresh_from_db()
    assert text.partition(".")[2] not in "".join(str(value) for value in vars(key).values())
    assert text.startswith(key.prefix)


def spoil(key: ApiSecret, how: str) -> None:
    if how == "revoked":
        key.revoked = True
    elif how == "expired":
        key.expiry_date = timezone.now() - timedelta(seconds=1)
    else:
        key.user.is_active = False
        key.user.save()
    key.save()


@pytest.mark.parametrize("how", ["revoked", "expired", "inactive"])
def test_spoilt_secrets_open_nothing(client: Client, secret: tuple[ApiSecret, str], how: str) -> None:
    spoil(secret[0], how)
    response = client.get("/v1/avatars", headers=bearer(secret[1]))
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "unauthorized"


@pytest.mark.parametrize(
    ("method", "address", "status", "code"),
    [
        ("get", "/v1/avatars/A00BBB0000", 404, "not_found"),
        ("get", "/v1/nothing", 404, "not_found"),
        ("delete", "/v1/avatars", 401, "unauthorized"),
    ],
)
def test_errors_have_one_shape(client: Client, db: None, method: str, address: str, status: int, code: str) -> None:
    headers = bearer("wrong.secret") if status == 401 else {}
    response = getattr(client, method)(address, headers=headers)
    assert response.status_code == status
    error = response.json()["error"]
    assert (error["code"], error["http_status"]) == (code, status)
    assert error["message"].endswith(".")


def test_too_many_requests_have_the_shape_too(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from rest_framework.throttling import AnonRateThrottle

    monkeypatch.setattr(AnonRateThrottle, "THROTTLE_RATES", {"anon": "1/min"})
    monkeypatch.setattr(AnonRateThrottle, "cache", cache)
    client.get("/v1/avatars")
    response = client.get("/v1/avatars")
    assert response.status_code == 429
    assert response.json()["error"]["code"] == "throttled"


def test_the_schema_describes_the_resources(client: Client, db: None) -> None:
    response = client.get("/v1/schema")
    assert response.status_code == 200
    assert b"/v1/avatars/{code}" in response.content
    assert b"ApiSecret" in response.content


def test_creators_make_see_once_and_revoke_secrets(client: Client, creator: Any, user: Any) -> None:
    client.force_login(creator)
    response = client.post("/accounts/secrets/", {"name": "laptop"})
    text = response.context["secret"]
    assert text in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    page = client.get("/accounts/secrets/").content.decode()
    assert "laptop" in page
    assert text not in page
    assert Client().get("/v1/avatars", headers=bearer(text)).status_code == 200
    revocation = f"/accounts/secrets/{text.partition('.')[0]}/revoke/"
    client.force_login(user)
    assert client.post(revocation).status_code == 404
    client.force_login(creator)
    assert client.post(revocation).status_code == 302
    assert Client().get("/v1/avatars", headers=bearer(text)).status_code == 401


def new_avatar(**changes: Any) -> dict[str, Any]:
    picture = SimpleUploadedFile("me.jpg", b"\xff\xd8\xff\xe0" + b"\0" * 64)
    return {"name": "Mona", "source": picture, "licence": "own", "consent": "true", **changes}


def test_a_secret_makes_avatars(client: Client, creator: Any, secret: tuple[ApiSecret, str]) -> None:
    response = client.post("/v1/avatars", new_avatar(), headers=bearer(secret[1]))
    assert response.status_code == 202
    made = response.json()
    assert (made["state"], made["build"]["state"]) == ("queued", "queued")
    assert Avatar.objects.get(code=made["code"]).owner == creator


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"consent": ""}, "consent"), ({"source": ""}, "Choose a picture or a video."), ({"name": ""}, "name")],
)
def test_bad_requests_say_what_is_wrong(
    client: Client, secret: tuple[ApiSecret, str], changes: dict[str, Any], words: str
) -> None:
    response = client.post("/v1/avatars", new_avatar(**changes), headers=bearer(secret[1]))
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "invalid"
    assert words in error["message"]
    assert not Avatar.objects.exists()


def test_strangers_make_nothing(client: Client, db: None) -> None:
    assert client.post("/v1/avatars", new_avatar()).status_code == 401
    assert not Avatar.objects.exists()


def test_builds_are_shown_to_their_owner_alone(
    client: Client, make_avatar: Callable[..., Avatar], secret: tuple[ApiSecret, str]
) -> None:
    avatar = make_avatar(visibility=PUBLIC)
    avatar.builds.create(message="A private matter.")
    address = f"/v1/avatars/{avatar.code}"
    assert client.get(address).json()["build"] is None
    assert client.get(address, headers=bearer(secret[1])).json()["build"]["message"] == "A private matter."


def test_what_a_build_found_is_told_to_its_owner(client: Client, avatar: Avatar, secret: tuple[ApiSecret, str]) -> None:
    remark = {"code": "dim", "tone": "better", "text": "The face is a little dark.", "advice": "Use a lamp."}
    avatar.builds.create(state="ready", report={"remarks": [remark]})
    address = f"/v1/avatars/{avatar.code}"
    assert client.get(address, headers=bearer(secret[1])).json()["build"]["remarks"] == [remark]
    avatar.builds.create(state="queued")
    assert client.get(address, headers=bearer(secret[1])).json()["build"]["remarks"] == []
