"""From the end of a question to the first sound of the answer, in real time.

Three times: the agent alone with the local ears, brain and voice, the agent alone with others that are far away, and the
whole product with the local ones and its face, streamed to a visitor. The questions are spoken by the local voice, or are
the WAV files (16 kHz, mono) that are given.
"""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import soxr  # type: ignore[import-untyped]

from avatars.engine.performer import Activity, Playback
from avatars.engine.speech import SAMPLE_RATE_HZ, LocalVoice, Speech
from benchmarks.far_providers import far_providers
from benchmarks.live_talk import live_talk
from benchmarks.measure import Spread, print_result
from benchmarks.processes import Neighbours
from benchmarks.visitor import MICROPHONE_RATE_HZ
from realtime.agent import Agent, AgentSettings, Cue, build_providers
from realtime.agent.protocols import HEARING_RATE_HZ, Samples
from realtime.agent.vad import FRAME_MS, FRAME_SAMPLES
from realtime.brain import brain_ready, brain_url

ROOT = Path(__file__).resolve().parents[1]
QUESTIONS = (
    "Hello, who are you?",
    "What is the capital of France?",
    "Can you tell me something about the sea?",
    "What should I do on a rainy Sunday?",
    "Why is the sky blue?",
    "Do you like music?",
    "How far away is the moon?",
    "What did you have for breakfast today?",
    "Could you help me plan a small birthday party?",
    "I am a little tired this evening.",
    "I was thinking about taking the train to the coast tomorrow morning, what do you think?",
    "My sister lives in a small town near the mountains and wants me to visit her next week.",
    "Is it going to rain?",
    "Tell me a joke.",
    "Please explain how a lighthouse works and why it needs such a strong lamp.",
    "Which of your books should I read first?",
    "That was not what I asked.",
    "Good morning!",
    "When did people begin to sail across the ocean?",
    "Would you like to hear what happened to me today?",
)
STYLES = ("man", "heart", "alto", "deep_man")
LOUD_WITHIN_DB = 28.0
ANSWER_WITHIN_S = 20.0
STAGES = ("transcript", "turn_decided", "first_token", "first_audio")


class TimedStage:
    """Plays in real time, without a picture."""

    def __init__(self) -> None:
        self.marks: list[dict[str, int]] = []
        self.heard: list[str] = []
        self.answers: list[str] = []
        self.first_sound_s: float | None = None
        self.quiet = asyncio.Event()
        self._turn: int | None = None
        self._begun_s = self._until_s = 0.0

    def play(self, turn: int, speech: Speech) -> None:
        now_s = time.monotonic()
        self.first_sound_s = self.first_sound_s or now_s
        if turn != self._turn or now_s > self._until_s:
            self._begun_s = now_s if turn != self._turn else self._begun_s + now_s - self._until_s
            self._until_s = now_s
        self._turn = turn
        self._until_s += speech.duration_s

    def interrupt(self) -> Playback:
        playback = self.playback()
        self._until_s = 0.0
        # The question was not over: its answer comes later.
        self.first_sound_s = None
        self.quiet.clear()
        return playback

    def playback(self) -> Playback:
        now_s = time.monotonic()
        heard_ms = (min(now_s, self._until_s) - self._begun_s) * 1000
        return Playback(self._turn if now_s < self._until_s else None, max(0.0, heard_ms))

    def play_gesture(self, cue: Cue) -> None:
        pass

    def user_paused(self) -> None:
        pass

    def queued_ms(self) -> int:
        return max(0, int((self._until_s - time.monotonic()) * 1000))

    def left_s(self, turn: int) -> float | None:
        return self._begun_s if turn == self._turn else None

    def set_activity(self, activity: Activity) -> None:
        pass

    def send(self, event: dict[str, Any]) -> None:
        if event["type"] == "latency":
            self.marks.append(event["marks"])
        elif event["type"] in {"notice", "error"}:
            raise SystemExit(f"The conversation failed: {event['message']}")
        elif event["type"] == "caption" and event["final"]:
            (self.heard if event["who"] == "user" else self.answers).append(event["text"])
            if event["who"] == "avatar":
                self.quiet.set()


def spoken_questions(count: int) -> Iterator[Samples]:
    """Questions at the rate at which the agent hears."""
    for number in range(count):
        speech = LocalVoice.shared().say(QUESTIONS[number % len(QUESTIONS)], STYLES[number % len(STYLES)])
        yield soxr.resample(speech.samples, SAMPLE_RATE_HZ, HEARING_RATE_HZ)


def recorded(path: Path) -> Samples:
    """A WAV file's samples."""
    with wave.open(str(path)) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (HEARING_RATE_HZ, 1, 2):
            raise SystemExit(f"{path} has to be mono, 16 bit, at {HEARING_RATE_HZ} Hz.")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / np.float32(32768)


def speech_end_s(samples: Samples) -> float:
    """The end of the last 10 ms that are nearly as loud as the loudest."""
    frame = HEARING_RATE_HZ // 100
    power = np.square(samples[: len(samples) // frame * frame].reshape(-1, frame)).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-LOUD_WITHIN_DB / 10))
    return float((loud[-1] + 1) / 100)


async def ask(agent: Agent, stage: TimedStage, question: Samples) -> float:
    """Speak one question in real time and wait for the end of the answer; milliseconds to its first sound."""
    stage.first_sound_s = None
    stage.quiet.clear()
    noise = np.random.default_rng(5).normal(0, 3e-4, len(question) + int(ANSWER_WITHIN_S * HEARING_RATE_HZ))
    heard = noise.astype(np.float32)
    heard[: len(question)] += question
    start_s = time.monotonic()
    for number in range(len(heard) // FRAME_SAMPLES):
        await asyncio.sleep(max(0.0, start_s + (number + 1) * FRAME_MS / 1000 - time.monotonic()))
        agent.hear(heard[number * FRAME_SAMPLES : (number + 1) * FRAME_SAMPLES])
        if stage.quiet.is_set() and number * FRAME_SAMPLES > len(question):
            break
    if stage.first_sound_s is None:
        raise SystemExit("A question was not answered.")
    return (stage.first_sound_s - start_s - speech_end_s(question)) * 1000


def settings(port: int = 0, url: str = "") -> SimpleNamespace:
    """Those of an installation with the local providers and its brain on this port, or with all three at this address."""
    model = "far" if url else ""
    parts = {"URL": url, "MODEL": model, "API_KEY": ""}
    chosen = {f"{name}_{part}": value for name in ("LLM", "STT", "TTS") for part, value in parts.items()}
    return SimpleNamespace(
        **chosen, BRAIN_PORT=port, WHISPER_MODEL_DIR="", TTS_RATE_HZ=24_000, TTS_VOICE="", SMART_TURN_MODEL=""
    )


async def talk(questions: list[Samples], settings: SimpleNamespace, process: int) -> dict[str, Any]:
    """One conversation of these questions. process: of the brain, or of what stands in for it."""
    stage = TimedStage()
    persona = "You are Ada, a friendly lighthouse keeper."
    agent = Agent(AgentSettings(persona=persona, name="Ada"), build_providers(settings), stage)
    await agent.start()
    # The first turn loads the voice and fills the brain's cache.
    await ask(agent, stage, questions[0])
    for noted in (stage.marks, stage.heard, stage.answers):
        noted.clear()
    neighbours = Neighbours([process])
    before_s = time.process_time()
    total_ms = [await ask(agent, stage, question) for question in questions]
    cpu_s = time.process_time() - before_s
    neighbours_cores = neighbours.cores([process])
    await agent.close()
    return {
        "turns": len(questions),
        "speech_end_to_first_audio_ms": Spread.of(total_ms).as_dict(),
        "stages_ms": {name: Spread.of([float(m[name]) for m in stage.marks]).as_dict() for name in STAGES},
        "turns_ms": [round(turn_ms) for turn_ms in total_ms],
        "agent_cpu_s_per_turn": round(cpu_s / len(questions), 3),
        "neighbours_cores": neighbours_cores,
        "heard": stage.heard,
        "answers": stage.answers,
    }


@contextmanager
def brain() -> Iterator[tuple[int, int]]:
    """A local brain of our own; its port and its process's number."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, str(ROOT / "manage.py"), "brain", "--port", str(port)]
    with subprocess.Popen(command, env={**os.environ, "LLM_URL": ""}, stdout=subprocess.DEVNULL) as process:
        try:
            deadline_s = time.monotonic() + 60
            while not brain_ready(brain_url(port)):
                if process.poll() is not None or time.monotonic() > deadline_s:
                    raise SystemExit("The local brain did not start.")
                time.sleep(0.2)
            yield port, process.pid
        finally:
            process.terminate()


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=len(QUESTIONS), help="how many spoken questions")
    parser.add_argument("--only", choices=("agent", "far", "product"), help="one of the three")
    parser.add_argument("wav", nargs="*", type=Path, help="recorded questions in place of spoken ones")
    arguments = parser.parse_args()
    questions = [recorded(path) for path in arguments.wav] or list(spoken_questions(arguments.turns))
    figures = {}
    if arguments.only in {None, "agent"}:
        with brain() as (port, process):
            figures["agent"] = asyncio.run(talk(questions, settings(port=port), process))
    if arguments.only in {None, "far"}:
        with far_providers() as (url, process):
            figures["far"] = asyncio.run(talk(questions, settings(url=url), process))
    if arguments.only in {None, "product"}:
        fine = [soxr.resample(question, HEARING_RATE_HZ, MICROPHONE_RATE_HZ) for question in questions]
        figures["product"] = live_talk(fine, [speech_end_s(question) for question in questions])
    print_result("talk", **figures)


if __name__ == "__main__":
    main()
