"""Voices in the studio: listed, heard, and not too often."""

import re
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from avatars import voices
from avatars.models import Avatar
from avatars.voices import SAMPLE, VoiceSilent, find_sample, make_samples, sample_file, voice_choices


def test_there_are_voices_enough() -> None:
    assert len(voice_choices()) >= 5
    assert len({label for _, label in voice_choices()}) == len(voice_choices())


@pytest.mark.slow
def test_samples_are_made_once_and_by_another_process(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = find_sample("alto")
    with wave.open(str(file)) as sound:
        assert 2 < sound.getnframes() / sound.getframerate() < 8
    folder = Path(settings.MEDIA_ROOT) / "voices"
    assert len(list(folder.glob("*.wav"))) == len(voice_choices())
    (folder / "heart-of-old.wav").touch()
    assert make_samples(folder) == 0
    assert not (folder / "heart-of-old.wav").exists()
    monkeypatch.setattr("avatars.voices.subprocess.run", None)
    assert find_sample("alto") == file


def test_another_sentence_is_another_file(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sample_file("man")
    monkeypatch.setattr(voices, "SAMPLE", f"{SAMPLE} Again.")
    assert sample_file("man") != before


def test_a_process_that_fails_is_told(settings: Any, tmp_path: Path) -> None:
    settings.BASE_DIR = tmp_path
    with pytest.raises(VoiceSilent, match="doctor"):
        find_sample("man")


def test_creators_hear_voices(client: Client, creator: Any, settings: Any) -> None:
    assert client.get("/studio/voices/man.wav").status_code == 302
    client.force_login(creator)
    file = sample_file("man")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"RIFF")
    response = client.get("/studio/voices/man.wav")
    assert (response.status_code, response["Content-Type"]) == (200, "audio/wav")
    assert b"".join(response.streaming_content) == b"RIFF"
    assert client.get("/studio/voices/nobody.wav").status_code == 404
    assert client.get("/studio/voices/..%2Fman.wav").status_code == 404


def test_listening_has_a_limit(client: Client, creator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client.force_login(creator)
    monkeypatch.setattr("avatars.studio.find_sample", lambda voice: (_ for _ in ()).throw(KeyError(voice)))
    found = [client.get("/studio/voices/nobody.wav").status_code for _ in range(130)]
    assert found[0] == 404
    assert found[-1] == 429


def test_a_voice_that_cannot_be_heard_is_told(client: Client, creator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client.force_login(creator)

    def silent(voice: str) -> Path:
        raise VoiceSilent

    monkeypatch.setattr("avatars.studio.find_sample", silent)
    response = client.get("/studio/voices/man.wav")
    assert (response.status_code, response.content) == (503, b"This voice cannot be heard at the moment.")


def test_the_studio_lists_every_voice(client: Client, creator: Any, make_avatar: Callable[..., Avatar]) -> None:
    client.force_login(creator)
    page = client.get(f"/studio/{make_avatar(voice='alto').code}/").content.decode()
    for key, label in voice_choices():
        assert f'data-sample="/studio/voices/{key}.wav"' in page
        assert label in page
    (chosen,) = re.findall(r'<input type="radio" name="voice" value="(\w+)"[^>]* checked', page)
    assert chosen == "alto"
