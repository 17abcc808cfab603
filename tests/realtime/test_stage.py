"""The avatar on stage: lines in order, an interruption that reaches everything, and what the page is told."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from avatars.engine.activity import Activity
from avatars.engine.gestures import Gesture, UnknownGesture, find_gesture
from avatars.engine.performer import Line, Mood, Playback
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, Phone, Speech
from realtime.agent import Cue
from realtime.stage import LiveStage, Temperament


class Actor:
    """Stands in for the performer: keeps what it is told to say."""

    def __init__(self) -> None:
        self.said: list[tuple[int, str]] = []
        self.activities: list[Activity] = []
        self.gestures: list[tuple[str, bool, bool]] = []
        self.mood, self.idle_gestures, self.pauses = Mood.NEUTRAL, False, 0
        self.queued_ms = 0
        self.cuts = 0
        self.playback = Playback(None, 0.0)
        self.spoke = asyncio.Event()

    def say(self, turn: int, line: Line) -> None:
        self.said.append((turn, line.text))
        self.queued_ms += line.frames * 40
        self.spoke.set()

    def cut(self) -> Playback:
        self.cuts += 1
        self.queued_ms = 0
        return self.playback

    def set_activity(self, activity: Activity) -> None:
        self.activities.append(activity)

    def set_mood(self, mood: Mood) -> None:
        self.mood = mood

    def set_idle_gestures(self, on: bool) -> None:
        self.idle_gestures = on

    def find_gesture(self, name: str) -> Gesture:
        return find_gesture(name)

    def play_gesture(self, name: str, *, stop_on_user_speech: bool, stop_on_agent_speech: bool) -> None:
        self.gestures.append((name, stop_on_user_speech, stop_on_agent_speech))

    def user_paused(self) -> None:
        self.pauses += 1

    async def has_said(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.said) < count:
                self.spoke.clear()
                await self.spoke.wait()


class Stage:
    """A stage among fakes; `busy` holds up the thread that prepares lines."""

    def __init__(self, prepare: ThreadPoolExecutor) -> None:
        self.actor = Actor()
        self.events: list[dict[str, Any]] = []
        self.live = LiveStage(self.actor, prepare, self.events.append)  # type: ignore[arg-type]
        self._free = threading.Event()
        self._prepare = prepare

    def busy(self) -> None:
        self._prepare.submit(self._free.wait, 10)

    async def free(self) -> None:
        """Let the thread go on, and wait until it has done everything and the loop has heard of it."""
        self._free.set()
        await asyncio.wrap_future(self._prepare.submit(lambda: None))
        await asyncio.sleep(0)


@pytest.fixture
def prepare() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
async def stage(prepare: ThreadPoolExecutor) -> Stage:
    return Stage(prepare)


def speech(text: str, seconds: float = 1.0) -> Speech:
    return Speech(np.zeros(round(seconds * SAMPLE_RATE_HZ), np.float32), (Phone("AA", 0.0, seconds),), text)


async def test_lines_are_said_in_the_order_in_which_they_came(stage: Stage) -> None:
    # The longer ones take longer to work out.
    for number in range(8):
        stage.live.play(1 + number // 4, speech(str(number), 4.0 - number / 2))
    await stage.actor.has_said(8)
    assert stage.actor.said == [(1 + number // 4, str(number)) for number in range(8)]


async def test_what_is_in_preparation_counts_as_queued(stage: Stage) -> None:
    stage.busy()
    assert stage.live.queued_ms() == 0
    stage.live.play(1, speech("one", 1.0))
    stage.live.play(1, speech("two", 0.5))
    assert stage.live.queued_ms() == 1500
    await stage.free()
    assert len(stage.actor.said) == 2
    assert stage.live.queued_ms() == 1520
    stage.actor.queued_ms = 0
    assert stage.live.queued_ms() == 0


async def test_it_is_known_when_the_first_frame_of_a_turn_left(stage: Stage) -> None:
    for turn, leaves_s in ((None, 1.0), (4, 1.04), (4, 1.08), (None, 1.12), (4, 1.16)):
        stage.actor.playback = Playback(turn, 0.0)
        assert stage.live.performed(leaves_s) == turn
    assert (stage.live.left_s(4), stage.live.left_s(5)) == (1.04, None)
    stage.actor.playback = Playback(5, 40.0)
    stage.live.performed(1.2)
    assert (stage.live.left_s(4), stage.live.left_s(5)) == (None, 1.2)


async def test_an_interruption_drops_what_is_in_preparation(stage: Stage) -> None:
    stage.busy()
    stage.live.play(1, speech("one"))
    stage.live.play(1, speech("two"))
    stage.actor.playback = Playback(1, 120.0)
    assert stage.live.interrupt() == Playback(1, 120.0)
    assert stage.live.queued_ms() == 0
    await stage.free()
    assert stage.actor.said == []
    assert stage.actor.cuts == 1
    assert stage.live.queued_ms() == 0


async def test_what_comes_after_an_interruption_is_said(stage: Stage) -> None:
    stage.busy()
    stage.live.play(1, speech("old"))
    stage.live.interrupt()
    stage.live.play(2, speech("new", 0.4))
    assert stage.live.queued_ms() == 400
    await stage.free()
    await stage.actor.has_said(1)
    assert stage.actor.said == [(2, "new")]
    assert stage.live.queued_ms() == 400


async def test_a_line_that_cannot_be_prepared_does_not_hold_up_the_next(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    prepare = Line.prepare

    def sometimes(spoken: Speech, seed: int = 0) -> Line:
        if spoken.text == "broken":
            raise ValueError("cannot be said")
        return prepare(spoken, seed)

    monkeypatch.setattr(Line, "prepare", sometimes)
    stage.live.play(1, speech("broken"))
    stage.live.play(1, speech("whole"))
    await stage.actor.has_said(1)
    assert stage.actor.said == [(1, "whole")]
    assert stage.live.queued_ms() == 1000


async def test_the_page_is_told_and_the_performer_holds_itself(stage: Stage) -> None:
    stage.live.set_activity(Activity.THINKING)
    stage.live.send({"type": "caption", "text": "Hello"})
    assert stage.actor.activities == [Activity.THINKING]
    assert stage.events == [{"type": "caption", "text": "Hello"}]
    assert stage.live.playback() is stage.actor.playback


async def test_a_page_that_comes_back_is_told_the_last_state(stage: Stage) -> None:
    told: list[dict[str, Any]] = []
    stage.live.repeat_state(told.append)
    assert told == []
    for state in ("listening", "thinking"):
        stage.live.send({"type": "state", "state": state})
    stage.live.send({"type": "caption", "text": "Hello"})
    stage.live.repeat_state(told.append)
    assert told == [{"type": "state", "state": "thinking"}]


async def test_a_gesture_is_played_and_the_page_told(stage: Stage) -> None:
    stage.live.play_gesture(Cue("Nod", stop_on_user_speech=True))
    assert stage.actor.gestures == [("talk_head_nod_subtle", True, False)]
    assert stage.events == [{"type": "gesture", "name": "talk_head_nod_subtle"}]
    with pytest.raises(UnknownGesture):
        stage.live.play_gesture(Cue("somersault"))
    assert len(stage.events) == 1


async def test_a_temperament_and_pauses_reach_the_performer(stage: Stage) -> None:
    stage.live.take_on(Temperament(Mood.SERIOUS, idle_gestures=True))
    stage.live.user_paused()
    assert (stage.actor.mood, stage.actor.idle_gestures, stage.actor.pauses) == (Mood.SERIOUS, True, 1)
