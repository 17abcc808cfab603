"""Recorded gestures: what is taken, whose they are, how one gets into an avatar's file and out of it again."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from avatars.build import build_avatar
from avatars.builder import publish
from avatars.forms import GestureTriggerFormSet
from avatars.imx import open_imx
from avatars.making import Made
from avatars.models import Avatar, Build, GestureClip
from avatars.recorded import recording
from avatars.recorded.recording import STALE_AFTER, record, recover_unmade, remove
from tests.clips import moving_pictures, painted_clip, write_clip
from webapp.accounts.models import ApiSecret

MP4 = b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 40


@pytest.fixture
def studio(client: Client, creator: Any) -> Client:
    client.force_login(creator)
    return client


@pytest.fixture
def filmed(make_avatar: Any) -> Avatar:
    """An avatar from a video, as far as the database knows."""
    made: Avatar = make_avatar()
    Build.objects.create(avatar=made, state=Build.State.READY, report={"source_kind": "video"})
    return made


@pytest.fixture(scope="module")
def painting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("painting") / "painting.imx"
    build_avatar(painted_clip(), path, size=(256, 256))
    return path


@pytest.fixture(scope="module")
def nodding(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    pictures = list(moving_pictures()[12:50])
    return write_clip(tmp_path_factory.mktemp("nodding") / "nod.mp4", pictures).read_bytes()


def send(client: Client, avatar: Avatar, content: bytes = MP4, **more: Any) -> Any:
    given = {"clip": SimpleUploadedFile("wave.mp4", content), "gesture": "mini_wave_hello", "consent": "on", **more}
    return client.post(f"/studio/{avatar.code}/gestures/", {name: value for name, value in given.items() if value})


def page(client: Client, avatar: Avatar) -> str:
    return str(client.get(f"/studio/{avatar.code}/gestures/").content.decode())


def test_a_clip_is_taken_and_waits(studio: Client, filmed: Avatar) -> None:
    assert send(studio, filmed).status_code == 302
    clip = GestureClip.objects.get()
    assert (clip.name, clip.label, clip.word, clip.state) == ("mini_wave_hello", "Wave", "wave", "waiting")
    assert "wave" not in clip.file.name
    assert clip.consent_text.startswith("I may use this clip")
    assert 'data-busy="yes"' in page(studio, filmed)
    assert f"/studio/{filmed.code}/gestures/" in studio.get(f"/studio/{filmed.code}/").content.decode()


def test_a_gesture_has_a_name_of_its_own(studio: Client, filmed: Avatar) -> None:
    assert send(studio, filmed, gesture="", title="My  Salute!").status_code == 302
    clip = GestureClip.objects.get()
    assert (clip.name, clip.label, clip.word) == ("my_salute", "My Salute!", "my_salute")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"consent": ""}, "without this consent"),
        ({"clip": ""}, "Choose a clip"),
        ({"clip": SimpleUploadedFile("a.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 30)}, "needs a clip"),
        ({"clip": SimpleUploadedFile("a.mp4", b"")}, "empty"),
        ({"gesture": "", "title": "123"}, "name of letters"),
        ({"gesture": "somersault"}, "valid choice"),
    ],
)
def test_what_is_no_gesture_is_refused_in_words(
    studio: Client, filmed: Avatar, given: dict[str, Any], words: str
) -> None:
    answer = send(studio, filmed, **given)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not GestureClip.objects.exists()


def test_a_photo_has_no_recorded_gestures_and_says_so(studio: Client, avatar: Avatar) -> None:
    assert "Only an avatar from a video" in page(studio, avatar)
    assert "needs an avatar from a video" in studio.get(f"/studio/{avatar.code}/").content.decode()
    assert send(studio, avatar).status_code == 422
    assert not GestureClip.objects.exists()


def test_eight_are_the_most_and_each_name_is_there_once(studio: Client, filmed: Avatar) -> None:
    send(studio, filmed)
    assert "already" in send(studio, filmed).content.decode()
    for title in "abcdefg":
        assert send(studio, filmed, gesture="", title=title).status_code == 302
    assert "8 gestures are the most" in send(studio, filmed, gesture="", title="z").content.decode()


def test_gestures_are_their_owners_alone(client: Client, make_user: Any, filmed: Avatar) -> None:
    clip = stored(filmed)
    client.force_login(make_user("other"))
    addresses = ("", "list/", f"{clip.pk}/preview.mp4")
    assert {client.get(f"/studio/{filmed.code}/gestures/{path}").status_code for path in addresses} == {404}
    assert client.post(f"/studio/{filmed.code}/gestures/{clip.pk}/delete/").status_code == 404
    _, secret = ApiSecret.objects.create_key(name="laptop", user=make_user("third"))
    theirs = client.get(f"/v1/avatars/{filmed.code}/gestures", headers={"Authorization": f"Bearer {secret}"})
    assert theirs.status_code == 404


def stored(avatar: Avatar, content: bytes = MP4, **fields: Any) -> GestureClip:
    clip = GestureClip(
        avatar=avatar, **{"name": "mini_wave_hello", "label": "Wave", **fields}, consent_at=timezone.now()
    )
    clip.file.save("clip.mp4", ContentFile(content), save=True)
    return clip


@pytest.fixture
def painted(filmed: Avatar, painting: Path) -> Avatar:
    filmed.imx.save("avatar.imx", ContentFile(painting.read_bytes()))
    return filmed


def gestures_in(avatar: Avatar) -> list[str]:
    avatar.refresh_from_db()
    return [one.name for one in open_imx(default_storage.path(avatar.imx.name or "")).manifest.gestures]


def test_a_gesture_gets_into_the_file_and_out_of_it(
    studio: Client, painted: Avatar, nodding: bytes, django_capture_on_commit_callbacks: Any
) -> None:
    before = painted.imx.name
    clip = stored(painted, nodding)
    with django_capture_on_commit_callbacks(execute=True):
        record(clip.pk)
    clip.refresh_from_db()
    assert (clip.state, clip.message) == (GestureClip.State.READY, "")
    assert gestures_in(painted) == ["mini_wave_hello"]
    assert painted.imx.name != before
    assert not default_storage.exists(before)
    film = studio.get(clip.preview_url)
    assert film.headers["Content-Type"] == "video/mp4"
    assert len(film.content) > 2000
    # Another name for the same clip joins it, and a rebuild of the file makes both anew.
    other = stored(painted, nodding, name="salute", label="Salute")
    record(other.pk)
    assert gestures_in(painted) == ["mini_wave_hello", "salute"]

    with django_capture_on_commit_callbacks(execute=True):
        assert studio.post(f"/studio/{painted.code}/gestures/{clip.pk}/delete/").status_code == 302
    clip.refresh_from_db()
    assert clip.state == GestureClip.State.REMOVING
    with django_capture_on_commit_callbacks(execute=True):
        record(clip.pk)
    assert gestures_in(painted) == ["salute"]
    assert not GestureClip.objects.filter(pk=clip.pk).exists()
    assert not default_storage.exists(clip.file.name)
    assert not default_storage.exists(clip.preview.name)


def test_a_clip_that_cannot_be_used_says_why(painted: Avatar) -> None:
    clip = stored(painted, MP4)
    record(clip.pk)
    clip.refresh_from_db()
    assert clip.state == GestureClip.State.FAILED
    assert "damaged" in clip.message
    assert gestures_in(painted) == []


def test_a_mistake_of_ours_is_told_in_words(painted: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(clip: GestureClip) -> None:
        raise RuntimeError("never shown")

    monkeypatch.setattr(recording, "_make", broken)
    clip = stored(painted)
    record(clip.pk)
    clip.refresh_from_db()
    assert f"under clip {clip.pk}" in clip.message
    assert "never shown" not in clip.message


def test_a_file_that_changed_meanwhile_has_the_gesture_made_again(
    painted: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued: list[int] = []
    monkeypatch.setattr(recording, "enqueue", lambda clip: queued.append(clip.pk))

    def changed(clip: GestureClip) -> None:
        raise recording.FileChanged

    monkeypatch.setattr(recording, "_make", changed)
    clip = stored(painted)
    record(clip.pk)
    clip.refresh_from_db()
    assert clip.state == GestureClip.State.WAITING
    assert queued == [clip.pk]


def test_another_build_makes_the_gestures_anew(filmed: Avatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queued: list[int] = []
    monkeypatch.setattr(recording, "enqueue", lambda clip: queued.append(clip.pk))
    clip = stored(filmed, state=GestureClip.State.READY, progress=1.0)
    build = Build.objects.create(avatar=filmed, state=Build.State.RUNNING)
    (tmp_path / "new.imx").write_bytes(b"new")
    publish(build, Made(tmp_path / "new.imx", b"", b"", "photo", (64, 64), {"source_kind": "video"}))
    clip.refresh_from_db()
    assert (clip.state, clip.progress) == (GestureClip.State.WAITING, 0.0)
    assert queued == [clip.pk]


def test_what_a_dead_builder_left_is_taken_up_once_more(filmed: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    queued: list[int] = []
    monkeypatch.setattr(recording, "enqueue", lambda clip: queued.append(clip.pk))
    long_ago = timezone.now() - STALE_AFTER - timedelta(seconds=1)
    once = stored(filmed, name="a", state="running", started_at=long_ago, attempts=1)
    twice = stored(filmed, name="b", state="running", started_at=long_ago, attempts=2)
    going = stored(filmed, name="c", state="removing", started_at=long_ago, attempts=2)
    alive = stored(filmed, name="d", state="running", started_at=timezone.now(), attempts=1)
    assert recover_unmade() == 3
    states = dict(GestureClip.objects.values_list("name", "state"))
    assert states == {"a": "waiting", "b": "failed", "c": "removing", "d": "running"}
    assert queued == [once.pk, going.pk]
    assert twice.pk not in queued
    assert alive.pk not in queued


def test_clips_go_with_their_avatar(filmed: Avatar, django_capture_on_commit_callbacks: Any) -> None:
    clip = stored(filmed)
    name = clip.file.name
    with django_capture_on_commit_callbacks(execute=True):
        filmed.delete()
    assert not default_storage.exists(name)


def test_words_can_set_off_a_recorded_gesture(filmed: Avatar) -> None:
    stored(filmed, name="salute", label="Salute")

    def rows(gesture: str) -> Any:
        given = {
            "triggers-TOTAL_FORMS": "1",
            "triggers-INITIAL_FORMS": "0",
            "triggers-0-words": "aye",
            "triggers-0-said_by": "avatar",
            "triggers-0-gesture": gesture,
        }
        return GestureTriggerFormSet(given, instance=filmed)

    assert rows("salute").is_valid()
    assert rows("smile").is_valid()
    assert not rows("somersault").is_valid()


def test_the_api_makes_tells_and_removes(creator: Any, filmed: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "enqueue", lambda clip: None)
    _, secret = ApiSecret.objects.create_key(name="laptop", user=creator)
    studio = Client(headers={"Authorization": f"Bearer {secret}"})
    address = f"/v1/avatars/{filmed.code}/gestures"
    assert studio.get(address).json() == []
    answer = studio.post(
        address, {"clip": SimpleUploadedFile("a.mp4", MP4), "gesture": "clap_cheer", "consent": "true"}
    )
    assert answer.status_code == 202
    assert answer.json()["word"] == "clap"
    told = studio.get(f"{address}/clap_cheer").json()
    assert (told["state"], told["preview_url"]) == ("waiting", None)
    refused = studio.post(address, {"clip": SimpleUploadedFile("a.mp4", MP4), "gesture": "clap_cheer"})
    assert refused.status_code == 400
    assert studio.delete(f"{address}/clap_cheer").status_code == 204
    assert GestureClip.objects.get().state == GestureClip.State.REMOVING
    assert studio.get(f"{address}/nothing").status_code == 404
    assert studio.get(f"{address}/clap_cheer/preview.mp4").status_code == 404
    GestureClip.objects.get().preview.save("a.mp4", ContentFile(b"film"))
    assert studio.get(studio.get(f"{address}/clap_cheer").json()["preview_url"]).content == b"film"
    assert Client().get(address).status_code == 401


def test_what_is_being_removed_cannot_be_removed_twice(filmed: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    queued: list[int] = []
    monkeypatch.setattr(recording, "enqueue", lambda clip: queued.append(clip.pk))
    clip = stored(filmed)
    filmed.imx.delete(save=True)
    remove(clip)
    # Without a file of the avatar's there is nothing to take it out of.
    record(clip.pk)
    assert not GestureClip.objects.exists()
