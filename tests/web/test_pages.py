"""What every page promises: a policy, no foreign hosts, words for errors."""

import errno
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from avatars.models import Avatar
from webapp import disk

FOREIGN = re.compile(r"""(?:src|href|action|srcset)\s*=\s*["']?(?:https?:)?//[^"'\s>]+""")
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*application/(?:ld\+)?json)[^>]*>|\son[a-z]+=", re.IGNORECASE)
INLINE_STYLE = re.compile(r"<style|\sstyle\s*=", re.IGNORECASE)

OPEN = ["/", "/?q=ada", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/a/{}/", "/a/{}/talk/"]
OWN = [
    "/studio/",
    "/studio/new/",
    "/studio/{}/",
    "/studio/{}/delete/",
    "/studio/{}/providers/",
    "/accounts/logout/",
    "/accounts/email/",
    "/accounts/secrets/",
]
ADMINS = ["/settings/brain/", "/settings/providers/"]
ERRORS = ["/nothing/", "/a/A00BBB0000/"]


@pytest.fixture
def public(make_avatar: Callable[..., Avatar]) -> Avatar:
    return make_avatar(visibility=Avatar.Visibility.PUBLIC)


@pytest.mark.parametrize("address", OPEN + OWN + ADMINS + ERRORS)
def test_pages_keep_to_themselves(client: Client, public: Avatar, creator: Any, address: str) -> None:
    if address in OWN + ADMINS:
        creator.is_staff = address in ADMINS
        creator.save()
        client.force_login(creator)
    response = client.get(address.format(public.code))
    assert response.status_code == (404 if address in ERRORS else 200)
    page = response.content.decode()
    assert "<html" in page
    assert not FOREIGN.findall(page)
    assert not INLINE_SCRIPT.findall(page)
    assert not INLINE_STYLE.findall(page)
    policy = response["Content-Security-Policy"]
    assert "script-src 'self';" in policy + ";"
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert "microphone=(self)" in response["Permissions-Policy"]


def test_what_creators_write_is_escaped(client: Client, make_avatar: Callable[..., Avatar]) -> None:
    nasty = "</script><script>alert(1)</script>"
    avatar = make_avatar(name=nasty[:60], tagline=nasty, greeting=nasty, visibility=Avatar.Visibility.PUBLIC)
    for address in ("/", f"/a/{avatar.code}/", f"/a/{avatar.code}/talk/"):
        assert "<script>alert" not in client.get(address).content.decode()


def test_the_gallery_finds(client: Client, make_avatar: Callable[..., Avatar]) -> None:
    make_avatar(name="Ada", visibility=Avatar.Visibility.PUBLIC)
    make_avatar(name="Bob", visibility=Avatar.Visibility.PUBLIC)
    page = client.get("/", {"q": "ad"})
    assert [avatar.name for avatar in page.context["avatars"]] == ["Ada"]


def test_the_talk_page_tells_the_demo_brain(client: Client, public: Avatar, settings: Any) -> None:
    assert client.get(public.talk_url).context["talk_config"]["demo_brain"] is True
    settings.LLM_URL = "http://brain/v1"
    config = client.get(public.talk_url).context["talk_config"]
    assert config["demo_brain"] is False
    assert config["ws_url"] == f"/ws/talk/{public.code}/"
    assert "persona" not in config


def test_an_error_of_ours_shows_no_trace(client: Client, public: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> bool:
        raise ZeroDivisionError("inner workings")

    monkeypatch.setattr("avatars.views.can_view", fail)
    client.raise_request_exception = False
    response = client.get(f"/a/{public.code}/")
    assert response.status_code == 500
    assert "inner workings" not in response.content.decode()


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), OperationalError("database or disk is full")],
)
def test_a_full_disk_is_told_as_what_it_is(
    client: Client, public: Avatar, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any) -> bool:
        # As it comes out of a storage or a form that knows nothing of disks.
        raise RuntimeError("cannot save") from error

    monkeypatch.setattr("avatars.views.can_view", fail)
    client.raise_request_exception = False
    response = client.get(f"/a/{public.code}/")
    assert response.status_code == 507
    assert disk.FULL in response.content.decode()


def test_what_is_no_full_disk_is_not_called_one() -> None:
    assert not disk.is_full(None)
    assert not disk.is_full(OSError(errno.EACCES, "Permission denied"))
    assert not disk.is_full(OperationalError("database is locked"))
    assert disk.sentence(ValueError("no"), "Something else.") == "Something else."
    assert disk.sentence(OSError(errno.EDQUOT, "Quota exceeded"), "Something else.") == disk.FULL


def test_foreign_names_are_answered_in_words(client: Client) -> None:
    response = client.get("/", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert "ALLOWED_HOSTS" in response.content.decode()
    assert "evil" not in response.content.decode()


def test_a_stale_form_is_told_in_words(public: Avatar) -> None:
    response = Client(enforce_csrf_checks=True).post("/accounts/login/", {})
    assert response.status_code == 403
    assert "reload the page" in response.content.decode()


def test_signing_up_leads_to_the_studio(client: Client, db: None) -> None:
    secret = "a long enough phrase"
    fields = {"email": "new@example.org", "username": "new", "password1": secret, "password2": secret}
    response = client.post("/accounts/signup/", fields)
    assert (response.status_code, response["Location"]) == (302, "/studio/")
    client.post("/accounts/logout/")
    response = client.post("/accounts/login/", {"login": "NEW@example.org", "password": secret})
    assert response["Location"] == "/studio/"


def test_sign_up_can_be_closed(client: Client, db: None, settings: Any) -> None:
    settings.ACCOUNT_SIGNUP_OPEN = False
    secret = "a long enough phrase"
    fields = {"email": "new@example.org", "username": "new", "password1": secret, "password2": secret}
    client.post("/accounts/signup/", fields)
    from webapp.accounts.models import User

    assert not User.objects.exists()


def test_metrics_are_not_for_strangers(client: Client, make_user: Callable[..., Any], settings: Any) -> None:
    stranger = {"REMOTE_ADDR": "192.0.2.7"}
    assert client.get("/metrics", **stranger).status_code == 403
    assert client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 403
    assert client.get("/metrics").status_code == 200
    settings.METRICS_TOKEN = "t0ken"
    assert client.get("/metrics", headers={"Authorization": "Bearer t0ken"}, **stranger).status_code == 200
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}, **stranger).status_code == 403
    client.force_login(make_user("staff", is_staff=True))
    assert client.get("/metrics", **stranger).status_code == 200


def test_the_admin_is_for_staff(client: Client, user: Any, make_user: Callable[..., Any], avatar: Avatar) -> None:
    client.force_login(user)
    assert client.get("/admin/").status_code == 302
    client.force_login(make_user("staff", is_staff=True, is_superuser=True))
    for address in (
        "",
        "avatars/avatar/",
        "avatars/build/",
        "usage/usageentry/",
        "accounts/user/",
        "accounts/apisecret/",
    ):
        assert client.get(f"/admin/{address}").status_code == 200


def test_health(client: Client) -> None:
    assert client.get("/healthz").json() == {"ok": True}


def test_readiness_names_what_is_missing(client: Client, db: None) -> None:
    response = client.get("/readyz")
    assert response.status_code == 503
    parts = response.json()["parts"]
    assert parts["database"]["ok"]
    assert not parts["media"]["ok"]


def test_the_studio_shows_what_a_build_found(client: Client, creator: Any, avatar: Avatar) -> None:
    remark = {"code": "dim", "tone": "better", "text": "The face is <dark>.", "advice": "Use a lamp."}
    avatar.builds.create(state="ready", report={"remarks": [remark]})
    client.force_login(creator)
    html = client.get(f"/studio/{avatar.code}/").content.decode()
    assert '<li data-tone="better">' in html
    assert "The face is &lt;dark&gt;." in html
    assert "Use a lamp." in html
