"""A voice sample: kept with consent alone, heard by its creator alone, gone when consent is."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from avatars.builder import publish
from avatars.making import Made
from avatars.models import Avatar, Build, VoiceSample
from avatars.voice import taking
from avatars.voice.taking import STALE_AFTER, recover_untaken, take
from tests.build.test_voice import hush, speech, write_talking

SOUNDS = {"source_kind": "video", "measures": {"has_sound": True}}


@pytest.fixture
def studio(client: Client, creator: Any) -> Client:
    client.force_login(creator)
    return client


@pytest.fixture
def speaking(make_avatar: Any, tmp_path: Path) -> Avatar:
    made: Avatar = make_avatar()
    data = write_talking(tmp_path / "a.mp4", np.concatenate([hush(1), speech(5), hush(1)])).read_bytes()
    Build.objects.create(avatar=made, state=Build.State.READY, report=SOUNDS, source=ContentFile(data, "source.mp4"))
    return made


def ask(client: Client, avatar: Avatar, **given: str) -> Any:
    return client.post(f"/studio/{avatar.code}/voice/", {"speaker": "Cleo", "consent": "on", **given})


def kept(avatar: Avatar) -> VoiceSample:
    sample = VoiceSample(avatar=avatar, speaker="Cleo", state=VoiceSample.State.READY, consent_at=timezone.now())
    sample.file.save("voice.wav", ContentFile(b"RIFF sound"), save=True)
    return sample


def test_nothing_is_taken_before_it_is_asked_for(studio: Client, speaking: Avatar, avatar: Avatar) -> None:
    assert "keep a sample of the voice" in studio.get(f"/studio/{speaking.code}/").content.decode()
    assert "keep a sample of the voice" not in studio.get(f"/studio/{avatar.code}/").content.decode()
    page = studio.get(f"/studio/{speaking.code}/voice/").content.decode()
    assert "does not speak with it" in page
    assert not VoiceSample.objects.exists()
    assert ask(studio, avatar).status_code == 404


@pytest.mark.parametrize(
    ("given", "words"), [({"consent": ""}, "without this consent"), ({"speaker": " "}, "whose voice")]
)
def test_consent_and_a_name_are_needed(studio: Client, speaking: Avatar, given: dict[str, str], words: str) -> None:
    answer = ask(studio, speaking, **given)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not VoiceSample.objects.exists()


def test_a_sample_is_taken_heard_and_withdrawn(
    studio: Client, speaking: Avatar, django_capture_on_commit_callbacks: Any
) -> None:
    assert ask(studio, speaking).status_code == 302
    assert ask(studio, speaking).status_code == 302
    sample = VoiceSample.objects.get()
    assert (sample.speaker, sample.state) == ("Cleo", VoiceSample.State.WAITING)
    assert sample.consent_text.startswith("It is my own voice")
    take(sample.pk)
    sample.refresh_from_db()
    assert (sample.state, sample.message) == (VoiceSample.State.READY, "")
    assert sample.seconds == pytest.approx(5, abs=0.7)
    heard = studio.get(f"/studio/{speaking.code}/voice/sample.wav")
    assert heard.content.startswith(b"RIFF")
    assert (
        "attachment" in studio.get(f"/studio/{speaking.code}/voice/sample.wav?download").headers["Content-Disposition"]
    )
    with django_capture_on_commit_callbacks(execute=True):
        assert studio.post(f"/studio/{speaking.code}/voice/withdraw/").status_code == 302
    assert not VoiceSample.objects.exists()
    assert not default_storage.exists(sample.file.name)
    assert studio.get(f"/studio/{speaking.code}/voice/sample.wav").status_code == 404


def test_a_voice_is_its_creators_alone(client: Client, make_user: Any, speaking: Avatar) -> None:
    kept(speaking)
    client.force_login(make_user("other"))
    for path in ("", "sample/", "sample.wav"):
        assert client.get(f"/studio/{speaking.code}/voice/{path}").status_code == 404
    assert client.post(f"/studio/{speaking.code}/voice/withdraw/").status_code == 404
    assert VoiceSample.objects.exists()


def test_consent_that_was_withdrawn_meanwhile_leaves_nothing(
    studio: Client, speaking: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    from avatars.build import voice

    ask(studio, speaking)
    sample = VoiceSample.objects.get()

    def withdrawn(path: Path) -> tuple[bytes, float]:
        VoiceSample.objects.all().delete()
        return b"RIFF", 4.0

    monkeypatch.setattr(voice, "voice_sample", withdrawn)
    take(sample.pk)
    assert not VoiceSample.objects.exists()
    folder = f"voices/{speaking.code}"
    assert not default_storage.exists(folder) or default_storage.listdir(folder)[1] == []


def test_what_cannot_be_taken_says_why(studio: Client, speaking: Avatar) -> None:
    Build.objects.update(source=ContentFile(b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 40, "source.mp4").name)
    ask(studio, speaking)
    sample = VoiceSample.objects.get()
    take(sample.pk)
    sample.refresh_from_db()
    assert sample.state == VoiceSample.State.FAILED
    assert sample.message == "The avatar's video is gone. Upload it again."


def test_an_interrupted_sample_ends_in_words(speaking: Avatar) -> None:
    sample = kept(speaking)
    VoiceSample.objects.update(state=VoiceSample.State.WAITING, consent_at=timezone.now() - STALE_AFTER - timedelta(1))
    assert recover_untaken() == 1
    sample.refresh_from_db()
    assert "interrupted" in sample.message
    assert taking.recover_untaken() == 0


def test_another_build_and_the_avatars_end_take_it_along(
    speaking: Avatar, tmp_path: Path, django_capture_on_commit_callbacks: Any
) -> None:
    name = kept(speaking).file.name
    build = Build.objects.create(avatar=speaking, state=Build.State.RUNNING)
    (tmp_path / "new.imx").write_bytes(b"new")
    with django_capture_on_commit_callbacks(execute=True):
        publish(build, Made(tmp_path / "new.imx", b"", b"", "photo", (64, 64), SOUNDS))
    assert not VoiceSample.objects.exists()
    assert not default_storage.exists(name)
    name = kept(speaking).file.name
    with django_capture_on_commit_callbacks(execute=True):
        speaking.delete()
    assert not default_storage.exists(name)
