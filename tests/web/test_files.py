"""Posters and previews: tags, ranges, downloads."""

from typing import Any

import pytest
from django.test import Client

from avatars.models import Avatar


@pytest.fixture
def public(make_avatar: Any) -> Avatar:
    avatar: Avatar = make_avatar(visibility=Avatar.Visibility.PUBLIC)
    return avatar


def test_the_poster_is_sent_once(client: Client, public: Avatar) -> None:
    first = client.get(public.poster_url)
    assert first.status_code == 200
    assert first["Content-Type"] == "image/jpeg"
    assert first["X-Content-Type-Options"] == "nosniff"
    assert "private" in first["Cache-Control"]
    again = client.get(public.poster_url, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    assert again.content == b""


@pytest.mark.parametrize(
    ("asked", "status", "content", "span"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=0-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=5-2", 416, b"", "bytes */10"),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
def test_ranges(client: Client, public: Avatar, asked: str, status: int, content: bytes, span: str | None) -> None:
    response = client.get(public.preview_url, headers={"Range": asked})
    assert (response.status_code, response.content, response.get("Content-Range")) == (status, content, span)


def test_a_missing_file_is_a_404(client: Client, public: Avatar) -> None:
    public.poster.storage.delete(public.poster.name)
    assert client.get(public.poster_url).status_code == 404


def test_the_owner_downloads_the_avatar(client: Client, avatar: Avatar, creator: Any) -> None:
    client.force_login(creator)
    response = client.get(f"/studio/{avatar.code}/download/")
    assert response.content == b"imx"
    assert response["Content-Disposition"] == f'attachment; filename="{avatar.code}.imx"'


def test_deleting_an_account_takes_its_files_along(
    avatar: Avatar, creator: Any, django_capture_on_commit_callbacks: Any
) -> None:
    storage, names = avatar.imx.storage, [avatar.imx.name, avatar.poster.name, avatar.preview.name]
    with django_capture_on_commit_callbacks(execute=True):
        creator.delete()
    assert not any(storage.exists(name) for name in names)


def test_deleting_takes_the_files_along(
    client: Client, avatar: Avatar, creator: Any, django_capture_on_commit_callbacks: Any
) -> None:
    storage, name = avatar.imx.storage, avatar.imx.name
    client.force_login(creator)
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(f"/studio/{avatar.code}/delete/").status_code == 302
    assert not Avatar.objects.exists()
    assert not storage.exists(name)
