"""Talking videos: what is in the file, and what is left when it cannot be written."""

import struct
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import pytest

from avatars.engine.gestures import find_gesture
from avatars.engine.performer import Mood, Performer, Take
from avatars.engine.speech import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, LocalVoice, Speech
from avatars.film import AFTER_FRAMES, BEFORE_FRAMES, Cue, Filmed, FilmFailed, film
from avatars.provenance import COMMENT, DIGITAL_SOURCE_TYPE, XMP_UUID
from tests.portraits import MONA_LISA, portrait_of


@pytest.fixture(scope="module")
def speech() -> Speech:
    return LocalVoice.shared().say("Maybe Bob has a map.")


@pytest.fixture(scope="module")
def shares() -> list[float]:
    return []


@pytest.fixture(scope="module")
def filmed(speech: Speech, shares: list[float], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Filmed]:
    path = tmp_path_factory.mktemp("film") / "talk.mp4"
    return path, film(portrait_of(MONA_LISA), speech, path, shares.append)


def sound_of(path: Path) -> np.ndarray:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=24_000)
    with av.open(str(path)) as container:
        pieces = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    return np.concatenate([piece.to_ndarray().reshape(-1) for piece in pieces])


def test_the_film_holds_the_whole_speech(filmed: tuple[Path, Filmed], speech: Speech) -> None:
    path, figures = filmed
    with av.open(str(path)) as container:
        pictures, sound = container.streams.video[0], container.streams.audio[0]
        assert (pictures.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        assert (pictures.width, pictures.height, pictures.average_rate) == (512, 512, 25)
        assert container.metadata["comment"] == COMMENT
        frames = [frame.pts for frame in container.decode(video=0)]
    assert len(frames) == figures.frames == BEFORE_FRAMES + int(np.ceil(speech.duration_s * 25)) + AFTER_FRAMES
    assert len(set(np.diff(frames))) == 1
    assert figures.duration_s == figures.frames / 25
    assert 0 < figures.draw_ms_per_frame < 200
    assert figures.encode_ms_per_frame > 0


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """The boxes on the top level of an MP4 file: type and content."""
    found, at = [], 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        assert size >= 8
        found.append((kind, data[at + 8 : at + size]))
        at += size
    return found


def test_the_film_says_that_a_machine_made_it(filmed: tuple[Path, Filmed]) -> None:
    """To people in the comment, to machines in an XMP packet; and the index still comes before the pictures."""
    content = boxes(filmed[0].read_bytes())
    assert [kind for kind, _ in content] == [b"ftyp", b"moov", b"free", b"mdat", b"uuid"]
    packet = content[-1][1]
    assert packet[:16] == XMP_UUID
    (description,) = ElementTree.fromstring(packet[16:].decode()).iter(
        "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
    )
    namespace = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
    assert description.attrib[namespace + "DigitalSourceType"] == DIGITAL_SOURCE_TYPE
    assert "".join(description.itertext()).strip() == COMMENT
    assert "Synthetic media" in COMMENT


def test_sound_and_picture_begin_together(filmed: tuple[Path, Filmed], speech: Speech) -> None:
    """The sound in the file is where the performance has it, to a millisecond or two."""
    path, figures = filmed
    heard = sound_of(path)
    assert abs(len(heard) / SAMPLE_RATE_HZ - figures.duration_s) < 0.05
    size = 1 << 18
    wanted = np.pad(speech.samples, (BEFORE_FRAMES * SAMPLES_PER_FRAME, 0))
    likeness = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size)))
    late = (int(np.argmax(likeness)) + size // 2) % size - size // 2
    assert abs(late / SAMPLE_RATE_HZ) < 0.002
    assert likeness.max() > 0.9 * np.square(wanted).sum()


def test_progress_is_told_frame_by_frame(filmed: tuple[Path, Filmed], shares: list[float]) -> None:
    assert len(shares) == filmed[1].frames
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_the_film_stands_alone_in_its_folder(filmed: tuple[Path, Filmed]) -> None:
    assert [entry.name for entry in filmed[0].parent.iterdir()] == ["talk.mp4"]


def test_a_gesture_alone_makes_a_silent_film(tmp_path: Path) -> None:
    path = tmp_path / "nod.mp4"
    cue = Cue("nod", 0.4)
    figures = film(portrait_of(MONA_LISA), None, path, lambda share: None, mood=Mood.WARM, cues=[cue])
    assert figures.frames == BEFORE_FRAMES + 10 + find_gesture("nod").frames + AFTER_FRAMES
    assert not np.abs(sound_of(path)).max() > 1e-4


def test_a_gesture_begins_when_it_is_cued(tmp_path: Path, speech: Speech, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[str, int]] = []
    frames = 0
    following = Performer.next

    def counted(self: Performer) -> Take:
        nonlocal frames
        frames += 1
        return following(self)

    monkeypatch.setattr(Performer, "next", counted)
    monkeypatch.setattr(Performer, "play_gesture", lambda self, name: begun.append((name, frames)))
    cues = [Cue("smile"), Cue("nod", 1.0)]
    film(portrait_of(MONA_LISA), speech, tmp_path / "talk.mp4", lambda share: None, cues=cues)
    assert begun == [("smile", BEFORE_FRAMES), ("nod", BEFORE_FRAMES + 25)]


def test_a_film_that_breaks_leaves_the_old_one(tmp_path: Path, speech: Speech, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "talk.mp4"
    path.write_bytes(b"the old one")

    def no_space(self: Performer) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Performer, "next", no_space)
    with pytest.raises(FilmFailed, match=r"talk\.mp4 could not be written: No space left on device"):
        film(portrait_of(MONA_LISA), speech, path, lambda share: None)
    assert path.read_bytes() == b"the old one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["talk.mp4"]


def test_a_stopped_film_leaves_nothing(tmp_path: Path, speech: Speech) -> None:
    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        film(portrait_of(MONA_LISA), speech, tmp_path / "talk.mp4", stop)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path: Path, speech: Speech) -> None:
    with pytest.raises(FilmFailed, match="No such file or directory"):
        film(portrait_of(MONA_LISA), speech, tmp_path / "gone" / "talk.mp4", lambda share: None)
