"""A performance: sound and mouth together, frame by frame; what is said, cut, and counted."""

import functools
import itertools
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatars.engine.activity import Activity
from avatars.engine.controls import CONTROL_COUNT, FRAME_MS, MOUTH_COUNT, Control, clipped
from avatars.engine.expression import MOODS
from avatars.engine.footage import Footage
from avatars.engine.gestures import GESTURES, UnknownGesture, find_gesture
from avatars.engine.performer import RESTING_RELAX, Line, Mood, Performer, Playback, Take
from avatars.engine.recorded import RecordedGesture
from avatars.engine.speech import LocalVoice
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Phone, Speech


class Camera:
    """Stands in for the renderer: the picture is the number of the drawing."""

    projector: object = None

    def __init__(self) -> None:
        self.drawn: list[np.ndarray] = []

    def render(self, controls: np.ndarray) -> np.ndarray:
        self.drawn.append(controls.copy())
        return np.array([[len(self.drawn) % 256]], np.uint8)


def performer(seed: int = 1) -> Performer:
    return Performer(Camera(), seed)  # type: ignore[arg-type]


def line(frames: int, jaw: float = 0.8, level: float = 0.5) -> Line:
    """An open mouth and a steady level."""
    mouth = np.zeros((frames, MOUTH_COUNT), np.float32)
    mouth[:, Control.JAW] = jaw
    mouth[:, Control.RELAX] = 0.85
    return Line(
        np.full(frames * SAMPLES_PER_FRAME, level, np.float32), mouth, np.zeros((frames, CONTROL_COUNT), np.float32)
    )


@functools.cache
def spoken() -> Line:
    """A sentence full of closed lips."""
    return Line.prepare(LocalVoice.shared().say("Maybe Bob may have a map."))


def takes(actor: Performer, count: int) -> list[Take]:
    return [actor.next() for _ in range(count)]


def loudness(frames: list[Take]) -> list[float]:
    return [round(float(np.abs(frame.samples).max()), 3) for frame in frames]


def jaws(frames: list[Take]) -> list[float]:
    return [round(float(frame.controls[Control.JAW]), 3) for frame in frames]


def test_the_same_seed_performs_the_same() -> None:
    one, other, stranger = performer(3), performer(3), performer(4)
    for actor in (one, other, stranger):
        actor.say(1, line(5))
    first, second, third = (np.stack([t.controls for t in takes(actor, 50)]) for actor in (one, other, stranger))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


def test_silence_is_still() -> None:
    for frame in takes(performer(), 100):
        assert frame.samples.shape == (SAMPLES_PER_FRAME,)
        assert not frame.samples.any()
        mouth = frame.controls[:MOUTH_COUNT].copy()
        assert mouth[Control.RELAX] == RESTING_RELAX
        mouth[Control.RELAX] = 0
        assert not mouth.any()


def test_each_frame_carries_its_own_sound_and_mouth() -> None:
    actor = performer()
    frames = 10
    said = line(frames)
    ramp = np.repeat(np.linspace(0.1, 1, frames, dtype=np.float32), SAMPLES_PER_FRAME)
    mouth = said.mouth.copy()
    mouth[:, Control.JAW] = np.linspace(0.1, 1, frames)
    actor.say(1, Line(ramp, mouth, said.accents))
    for number, frame in enumerate(takes(actor, frames)):
        assert np.array_equal(frame.samples, ramp[number * SAMPLES_PER_FRAME : (number + 1) * SAMPLES_PER_FRAME])
        assert frame.controls[Control.JAW] == mouth[number, Control.JAW]


def test_accents_are_added_to_the_motion() -> None:
    still, nodding = performer(), performer()
    accented = line(3)
    accented.accents[:, Control.PITCH_DEG] = 1.5
    still.say(1, line(3))
    nodding.say(1, accented)
    for plain, accent in zip(takes(still, 3), takes(nodding, 3), strict=True):
        difference = accent.controls - plain.controls
        assert difference[Control.PITCH_DEG] == pytest.approx(1.5, abs=1e-5)
        assert np.count_nonzero(difference) == 1


def test_lines_of_one_turn_follow_each_other_without_a_gap() -> None:
    actor = performer()
    actor.say(1, line(3, level=0.2))
    actor.say(1, line(2, level=0.4))
    assert actor.queued_ms == 200
    assert loudness(takes(actor, 6)) == [0.2, 0.2, 0.2, 0.4, 0.4, 0.0]
    assert actor.queued_ms == 0


def test_playback_counts_what_was_said_of_the_turn() -> None:
    actor = performer()
    assert actor.playback == Playback(None, 0.0)
    actor.say(7, line(3))
    assert actor.playback == Playback(None, 0.0)
    takes(actor, 1)
    assert actor.playback == Playback(7, 40.0)
    takes(actor, 2)
    assert actor.playback == Playback(7, 120.0)
    takes(actor, 1)
    assert actor.playback == Playback(None, 120.0)


def test_a_turn_whose_next_line_is_late_keeps_counting() -> None:
    actor = performer()
    actor.say(7, line(3))
    takes(actor, 8)
    assert actor.playback == Playback(None, 120.0)
    actor.say(7, line(2))
    takes(actor, 1)
    assert actor.playback == Playback(7, 160.0)


def test_the_next_turn_counts_from_nothing() -> None:
    actor = performer()
    actor.say(7, line(2))
    actor.say(8, line(2))
    played = []
    for _ in range(4):
        actor.next()
        played.append(actor.playback)
    assert played == [Playback(7, 40.0), Playback(7, 80.0), Playback(8, 40.0), Playback(8, 80.0)]


def test_a_cut_fades_within_a_frame_and_closes_the_mouth_within_two() -> None:
    actor = performer()
    actor.say(1, line(10))
    takes(actor, 4)
    assert actor.cut() == Playback(1, 160.0)
    after = takes(actor, 6)
    fade = after[0].samples
    assert fade[0] == pytest.approx(0.5)
    assert (np.diff(fade) <= 0).all()
    assert fade[-1] == 0
    assert loudness(after[1:]) == [0.0] * 5
    closing = jaws(after)
    assert closing == [0.4, *[0.0] * 5]


def test_a_cut_drops_what_waits() -> None:
    actor = performer()
    for turn in (1, 1, 2):
        actor.say(turn, line(10))
    takes(actor, 1)
    actor.cut()
    assert actor.queued_ms == 0
    takes(actor, 1)
    assert actor.playback == Playback(None, 40.0)
    assert loudness(takes(actor, 5)) == [0.0] * 5


def test_a_cut_before_the_first_frame_is_heard_by_nobody() -> None:
    actor = performer()
    actor.say(1, line(10))
    assert actor.cut() == Playback(None, 0.0)
    assert loudness(takes(actor, 3)) == [0.0] * 3
    assert actor.cut() == Playback(None, 0.0)


def test_a_second_cut_does_not_break_off_the_fade() -> None:
    actor = performer()
    actor.say(1, line(10))
    takes(actor, 2)
    actor.cut()
    actor.cut()
    assert loudness(takes(actor, 2)) == [0.5, 0.0]


def test_what_is_said_right_after_a_cut_begins_under_the_fade() -> None:
    actor = performer()
    actor.say(1, line(10))
    takes(actor, 2)
    actor.cut()
    actor.say(2, line(2, level=0.1))
    first, second = takes(actor, 2)
    assert first.samples[0] == pytest.approx(0.6)
    assert first.samples[-1] == pytest.approx(0.1)
    assert loudness([second]) == [0.1]
    assert actor.playback == Playback(2, 80.0)


def test_the_same_turn_said_again_after_a_cut_counts_from_nothing() -> None:
    actor = performer()
    actor.say(1, line(10))
    takes(actor, 5)
    actor.cut()
    actor.say(1, line(10))
    takes(actor, 1)
    assert actor.playback == Playback(1, 40.0)


def test_the_mouth_comes_to_rest_after_the_last_word() -> None:
    actor = performer()
    actor.say(1, line(3))
    assert jaws(takes(actor, 9))[3:] == [0.533, 0.267, 0.0, 0.0, 0.0, 0.0]


def test_a_smile_comes_and_goes_slowly() -> None:
    actor = performer()
    actor.say(1, line(20))
    relax = [float(frame.controls[Control.RELAX]) for frame in takes(actor, 80)]
    assert max(relax) == pytest.approx(0.85)
    assert relax[-1] == pytest.approx(RESTING_RELAX)
    assert np.diff([RESTING_RELAX, *relax]).max() < 0.04
    # A laugh that is open by 0.3 IOD comes back with less than 0.06 IOD a second: a face in silence is still.
    assert np.diff(relax).min() * 25 * 0.3 > -0.06


def test_a_picture_that_is_too_late_is_not_drawn() -> None:
    camera = Camera()
    actor = Performer(camera, 1)  # type: ignore[arg-type]
    actor.say(1, line(4))
    before = actor.next()
    drawn = len(camera.drawn)
    late = actor.next(draw=False)
    assert late.picture is before.picture
    assert len(camera.drawn) == drawn
    # Its sound is said all the same, and time goes on.
    assert loudness([late]) == [0.5]
    assert actor.playback == Playback(1, 80.0)
    assert actor.next().picture is not before.picture


def test_the_activity_decides_how_the_head_is_held() -> None:
    idle, thinking = performer(), performer()
    thinking.set_activity(Activity.THINKING)
    gaze = [np.mean([t.controls[Control.GAZE_X] for t in takes(actor, 500)]) for actor in (idle, thinking)]
    assert gaze[1] > gaze[0] + 0.01


def test_a_gesture_is_played_on_top_of_what_the_face_does() -> None:
    still, nodding = performer(), performer()
    takes(still, 5), takes(nodding, 5)
    nodding.play_gesture("nod")
    track = find_gesture("nod").track
    pairs = zip(takes(still, 60), takes(nodding, 60), strict=True)
    difference = np.stack([nod.controls - plain.controls for plain, nod in pairs])
    assert np.allclose(difference[: len(track), Control.PITCH_DEG], track[:, Control.PITCH_DEG], atol=0.6)
    assert not difference[len(track) :].any()


@pytest.mark.parametrize("gesture", GESTURES)
@pytest.mark.parametrize("mood", Mood)
def test_lips_keep_to_the_speech_whatever_the_face_does(gesture: str, mood: Mood) -> None:
    plain, lively = performer(), performer()
    lively.set_mood(mood)
    takes(plain, 15), takes(lively, 15)
    for actor in (plain, lively):
        actor.say(1, spoken())
    lively.play_gesture(gesture)
    lips = [index for index in range(MOUTH_COUNT) if index not in (Control.SMILE, Control.RELAX)]
    for calm, moved in zip(takes(plain, 75), takes(lively, 75), strict=True):
        assert np.array_equal(calm.controls[lips], moved.controls[lips])
        # A smile of the source may be taken back further, which parts no lips.
        assert moved.controls[Control.RELAX] >= calm.controls[Control.RELAX]
        assert np.array_equal(calm.samples, moved.samples)
        assert np.array_equal(clipped(moved.controls), moved.controls)


def test_a_gesture_may_end_when_somebody_speaks() -> None:
    actor = performer()
    actor.play_gesture("smile", stop_on_user_speech=True)
    assert takes(actor, 15)[-1].controls[Control.SMILE] > 0.3
    actor.set_activity(Activity.LISTENING)
    assert takes(actor, 12)[-1].controls[Control.SMILE] == 0
    actor.set_activity(Activity.IDLE)
    actor.play_gesture("smile", stop_on_agent_speech=True)
    assert takes(actor, 15)[-1].controls[Control.SMILE] > 0.3
    actor.say(1, line(30))
    assert takes(actor, 12)[-1].controls[Control.SMILE] == 0


class Projections:
    """Stands in for what plays recorded gestures: keeps what it is told."""

    def __init__(self) -> None:
        still = Footage((), np.zeros((30, 2, 3), np.float32))
        full = np.ones(30, np.float32)
        self.gestures = (RecordedGesture("mini_wave_hello", "Wave", still, full, full, full),)
        self.told: list[str] = []

    def play(self, gesture: RecordedGesture) -> None:
        self.told.append(gesture.name)

    def stop(self) -> None:
        self.told.append("stop")


def waving_performer() -> tuple[Performer, list[str]]:
    camera = Camera()
    camera.projector = Projections()  # type: ignore[assignment]
    return Performer(camera, 1), camera.projector.told  # type: ignore[arg-type, attr-defined]


def test_a_recorded_gesture_is_asked_for_by_its_word() -> None:
    actor, told = waving_performer()
    assert actor.find_gesture("Wave").name == actor.find_gesture("mini_wave_hello").name
    actor.play_gesture("wave")
    takes(actor, 3)
    assert told == ["mini_wave_hello"]
    with pytest.raises(UnknownGesture, match="wave"):
        actor.play_gesture("somersault")
    with pytest.raises(UnknownGesture):
        performer().play_gesture("wave")


def test_a_recorded_gesture_stops_once_for_those_who_were_named() -> None:
    actor, told = waving_performer()
    actor.play_gesture("wave", stop_on_user_speech=True)
    actor.say(1, line(4))
    takes(actor, 4)
    assert told == ["mini_wave_hello"]
    actor.set_activity(Activity.LISTENING)
    takes(actor, 3)
    assert told == ["mini_wave_hello", "stop"]
    actor.play_gesture("wave", stop_on_agent_speech=True)
    takes(actor, 3)
    actor.say(2, line(4))
    takes(actor, 3)
    assert told == ["mini_wave_hello", "stop"] * 2


def test_one_gesture_takes_the_place_of_another_of_either_kind() -> None:
    actor, told = waving_performer()
    actor.play_gesture("smile")
    takes(actor, 12)
    actor.play_gesture("wave")
    assert takes(actor, 12)[-1].controls[Control.SMILE] == 0
    actor.play_gesture("smile")
    assert told[-2:] == ["mini_wave_hello", "stop"]


def test_a_gesture_can_be_stopped() -> None:
    actor = performer()
    actor.play_gesture("smile")
    takes(actor, 15)
    actor.stop_gesture()
    smiles = [frame.controls[Control.SMILE] for frame in takes(actor, 12)]
    assert smiles[0] > 0.3
    assert smiles[-1] == 0


def test_a_gesture_nobody_knows_is_refused() -> None:
    with pytest.raises(UnknownGesture):
        performer().play_gesture("somersault")


def test_gestures_of_its_own_accord_are_off_unless_switched_on() -> None:
    plain, lively = performer(), performer()
    lively.set_idle_gestures(True)
    expressions = [Control.SMILE, Control.BROW, Control.CHEEKS]
    calm, moved = (np.stack([t.controls for t in takes(actor, 60 * 25)]) for actor in (plain, lively))
    assert not calm[:, expressions].any()
    assert moved[:, expressions].any()


def test_a_mood_is_put_on_from_the_next_frame() -> None:
    actor = performer()
    takes(actor, 3)
    actor.set_mood(Mood.CHEERFUL)
    smiles = [float(frame.controls[Control.SMILE]) for frame in takes(actor, 20)]
    assert smiles == sorted(smiles)
    assert 0 < smiles[0] < 0.05
    assert smiles[-1] == pytest.approx(MOODS[Mood.CHEERFUL][Control.SMILE], rel=0.01)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**16),
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from(list(GESTURES))), max_size=8),
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from(list(Activity)), st.sampled_from(list(Mood))), max_size=6),
)
def test_whatever_is_asked_of_a_face_it_does_not_jump(
    seed: int, cues: list[tuple[int, str]], turns: list[tuple[int, Activity, Mood]]
) -> None:
    actor = performer(seed)
    track = []
    for frame in range(260):
        for _, gesture in (cue for cue in cues if cue[0] == frame):
            actor.play_gesture(gesture)
        for _, activity, mood in (turn for turn in turns if turn[0] == frame):
            actor.set_activity(activity)
            actor.set_mood(mood)
        track.append(actor.next().controls)
    steps = np.abs(np.diff(np.stack(track), axis=0))
    assert steps[:, [Control.YAW_DEG, Control.PITCH_DEG, Control.ROLL_DEG]].max() < 2.6
    assert steps[:, [Control.SMILE, Control.CHEEKS, Control.FROWN]].max() < 0.5
    assert steps[:, Control.BROW].max() < 0.035


def test_gestures_come_from_any_thread() -> None:
    actor = performer()
    over = threading.Event()

    def cue() -> None:
        while not over.is_set():
            for gesture in GESTURES:
                actor.play_gesture(gesture)
                actor.stop_gesture()

    threads = [threading.Thread(target=cue) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        frames = takes(actor, 300)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert all(np.array_equal(clipped(frame.controls), frame.controls) for frame in frames)


def test_a_line_without_frames_is_nothing() -> None:
    actor = performer()
    actor.say(1, line(0))
    assert actor.queued_ms == 0
    assert loudness(takes(actor, 1)) == [0.0]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3 * SAMPLE_RATE_HZ))
def test_a_line_is_whole_frames_with_all_of_the_sound(samples: int) -> None:
    sound = np.random.default_rng(samples).uniform(-1, 1, samples).astype(np.float32)
    phones = (Phone("AA", 0.0, samples / SAMPLE_RATE_HZ, 2),)
    made = Line.prepare(Speech(sound, phones, "Ah."))
    assert len(made.samples) == made.frames * SAMPLES_PER_FRAME
    assert made.accents.shape == (made.frames, CONTROL_COUNT)
    assert np.array_equal(made.samples[:samples], sound)
    assert not made.samples[samples:].any()
    assert 0 <= made.frames * FRAME_MS - samples * 1000 / SAMPLE_RATE_HZ < FRAME_MS


def test_a_line_is_worked_out_the_same_for_the_same_seed() -> None:
    phones = tuple(Phone("AA", at * 0.6, at * 0.6 + 0.6, 2) for at in range(6))
    speech = Speech(np.zeros(round(3.6 * SAMPLE_RATE_HZ), np.float32), phones)
    assert np.array_equal(Line.prepare(speech, 5).accents, Line.prepare(speech, 5).accents)
    assert not np.array_equal(Line.prepare(speech, 5).accents, Line.prepare(speech, 6).accents)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.tuples(st.integers(1, 3), st.integers(0, 6)), st.just("cut"), st.integers(1, 9))))
def test_whatever_happens_heard_is_what_was_performed(events: list[tuple[int, int] | str | int]) -> None:
    actor = performer()
    heard_ms = 0.0
    for event in events:
        if isinstance(event, tuple):
            actor.say(event[0], line(event[1]))
        elif event == "cut":
            assert actor.cut().heard_ms == heard_ms
        else:
            for _ in range(int(event)):
                frame = actor.next()
                playback = actor.playback
                assert frame.samples.shape == (SAMPLES_PER_FRAME,)
                assert (playback.turn is not None) == bool(frame.controls[Control.JAW] == np.float32(0.8))
                if playback.turn is not None:
                    assert playback.heard_ms in {FRAME_MS, heard_ms + FRAME_MS}
                heard_ms = playback.heard_ms
    assert actor.queued_ms % FRAME_MS == 0


def test_only_who_is_told_to_be_sparing_shows_a_picture_twice() -> None:
    camera = Camera()
    lavish, sparing = performer(2), Performer(camera, 2, spare=True)  # type: ignore[arg-type]
    every, spared = takes(lavish, 100), takes(sparing, 100)
    assert not any(take.unchanged for take in every)
    unchanged = [take.unchanged for take in spared]
    assert 20 < sum(unchanged) < 50
    assert len(camera.drawn) == 1 + 100 - sum(unchanged)
    for before, take in itertools.pairwise(spared):
        assert (take.picture == before.picture).all() == take.unchanged
    # What moves is the same either way.
    assert all((one.controls == other.controls).all() for one, other in zip(every, spared, strict=True))


def test_a_speaking_mouth_is_drawn_in_every_frame() -> None:
    actor = Performer(Camera(), 2, spare=True)  # type: ignore[arg-type]
    actor.say(1, spoken())
    moving = [take for take in takes(actor, spoken().frames)[2:-2] if take.controls[Control.JAW] > 0.1]
    assert len(moving) > 10
    assert np.mean([take.unchanged for take in moving]) < 0.1
