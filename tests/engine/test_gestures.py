"""Gestures: from rest to rest without a jerk, within what a face can do, and never at the cost of the lips."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatars.engine.activity import Activity
from avatars.engine.blending import FREE_SHARE, LIMITED_SOFTLY, blended
from avatars.engine.controls import CONTROL_COUNT, MOUTH_COUNT, RANGES, Control, clipped, rest
from avatars.engine.expression import MOODS, Expression, Mood
from avatars.engine.face.weights import shape_weights
from avatars.engine.gesture_player import FADE_FRAMES, GesturePlayer, IdleGestures
from avatars.engine.gestures import GESTURES, Gesture, UnknownGesture, find_gesture
from avatars.engine.portrait import Kind
from tests.portraits import ASTRONAUT, MONA_LISA, rig_of

ANGLES = [Control.YAW_DEG, Control.PITCH_DEG, Control.ROLL_DEG]
LIDS = [Control.BLINK_LEFT, Control.BLINK_RIGHT]
LIPS = [control for control in Control if control < MOUTH_COUNT and control is not Control.SMILE]
EVERY = pytest.mark.parametrize("gesture", GESTURES.values(), ids=lambda gesture: gesture.word)
SPAN = np.array([RANGES[control].high - RANGES[control].low for control in Control], np.float32)
# The most that a control may change from one frame to the next, as a share of its range, and how suddenly that may
# change. Both are reached by the shoulders of somebody who laughs; they move by no more than two pixels.
FASTEST = 0.32
MOST_SUDDEN = 0.22


def frames(controls: st.SearchStrategy[float]) -> st.SearchStrategy[np.ndarray]:
    """Frames of controls; each value is a share of the range."""
    low = np.array([RANGES[control].low for control in Control], np.float32)
    return st.lists(controls, min_size=CONTROL_COUNT, max_size=CONTROL_COUNT).map(
        lambda shares: low + SPAN * np.array(shares, np.float32)
    )


def speed_of(track: np.ndarray) -> np.ndarray:
    """Change from frame to frame but for the lids', in shares of the range, with rest before and after."""
    whole = np.concatenate([np.zeros((2, CONTROL_COUNT)), track, np.zeros((2, CONTROL_COUNT))])
    return np.delete(np.diff(whole, axis=0) / SPAN, LIDS, axis=1)


@EVERY
def test_it_begins_and_ends_at_rest(gesture: Gesture) -> None:
    assert not gesture.track[0].any()
    assert not gesture.track[-1].any()
    assert np.abs(gesture.track).max() > 0
    assert 20 <= gesture.frames <= 75
    assert not gesture.track.flags.writeable


@EVERY
def test_it_keeps_every_range_and_leaves_the_lips_alone(gesture: Gesture) -> None:
    assert np.allclose(clipped(gesture.track), gesture.track, atol=1e-6)
    assert not gesture.track[:, LIPS].any()


@EVERY
def test_it_moves_without_a_jerk(gesture: Gesture) -> None:
    speed = speed_of(gesture.track)
    assert np.abs(speed).max() < FASTEST
    assert np.abs(np.diff(speed, axis=0)).max() < MOST_SUDDEN
    assert np.abs(np.diff(gesture.track[:, ANGLES], axis=0)).max() < 1.6
    # A lid is the fastest thing on a face; two frames it takes all the same.
    assert np.abs(np.diff(gesture.track[:, LIDS], axis=0)).max() < 0.7


def test_names_are_those_of_the_wire() -> None:
    assert {"talk_head_nod_subtle", "laugh_react"} <= set(GESTURES)
    assert len({gesture.word for gesture in GESTURES.values()}) == len(GESTURES) == 9


@pytest.mark.parametrize("name", ["nod", " Nod ", "talk_head_nod_subtle", "TALK HEAD NOD SUBTLE"])
def test_a_gesture_is_found_by_name_and_by_word(name: str) -> None:
    assert find_gesture(name) is GESTURES["talk_head_nod_subtle"]


@pytest.mark.parametrize("name", ["", "wave", "nod!"])
def test_an_unknown_gesture_is_refused_in_words(name: str) -> None:
    with pytest.raises(UnknownGesture, match="Choose one of nod, shake"):
        find_gesture(name)


def played(cues: dict[int, Gesture], count: int) -> np.ndarray:
    """A track of a player that is given each gesture at its frame."""
    player = GesturePlayer()
    track = []
    for frame in range(count):
        if frame in cues:
            player.play(cues[frame])
        track.append(player.next(user_speaks=False, agent_speaks=False))
    assert not player.busy
    return np.stack(track)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.integers(0, 90), st.sampled_from(list(GESTURES.values())), min_size=1, max_size=8))
def test_one_gesture_melts_into_the_next(cues: dict[int, Gesture]) -> None:
    track = played(cues, 180)
    speed = speed_of(track)
    # One on its way out beside one that begins: at most both together.
    assert np.abs(speed).max() < 1.5 * FASTEST
    assert np.abs(np.diff(speed, axis=0)).max() < 2 * MOST_SUDDEN
    assert not track[max(cues) + cues[max(cues)].frames + FADE_FRAMES :].any()


def test_a_gesture_alone_is_played_as_it_is() -> None:
    gesture = GESTURES["head_tilt"]
    track = played({3: gesture}, 70)
    assert np.array_equal(track[3 : 3 + gesture.frames], gesture.track)
    assert not track[:3].any()


@pytest.mark.parametrize(
    ("stops", "speaks", "goes_on"),
    [
        ({"stop_on_user_speech": True}, {"user_speaks": True, "agent_speaks": False}, False),
        ({"stop_on_agent_speech": True}, {"user_speaks": False, "agent_speaks": True}, False),
        ({"stop_on_agent_speech": True}, {"user_speaks": True, "agent_speaks": False}, True),
        ({"stop_on_user_speech": True}, {"user_speaks": False, "agent_speaks": True}, True),
        ({}, {"user_speaks": True, "agent_speaks": True}, True),
    ],
)
def test_it_stops_for_those_who_are_named(stops: dict[str, bool], speaks: dict[str, bool], goes_on: bool) -> None:
    player = GesturePlayer()
    player.play(GESTURES["smile"], **stops)
    for _ in range(20):
        before = player.next(user_speaks=False, agent_speaks=False)
    after = np.stack([player.next(**speaks) for _ in range(FADE_FRAMES)])
    assert bool(after[-1].any()) is goes_on
    assert np.abs(np.diff([before[Control.SMILE], *after[:, Control.SMILE]])).max() < 0.2


def test_the_smile_of_nobody_parts_sealed_lips() -> None:
    rng = np.random.default_rng(1)
    for rig, kind in (
        (rig_of(MONA_LISA), Kind.PHOTO),
        (rig_of(ASTRONAUT), Kind.PHOTO),
        (rig_of(MONA_LISA), Kind.ANIMAL),
    ):
        for gesture in GESTURES.values():
            for mood in MOODS.values():
                controls = rest()
                controls[[Control.JAW, Control.WIDE, Control.ROUND, Control.PRESS]] = rng.uniform(0, 1, 4)
                controls[Control.RELAX] = 0.85
                controls[Control.SEAL] = 1
                added = gesture.track[int(np.argmax(np.abs(gesture.track[:, Control.SMILE])))].copy()
                for control, value in mood.items():
                    added[control] += value
                frame = clipped(blended(controls, added))
                weights = shape_weights(frame, kind, rig.mouth)
                upper, lower = rig.fields.contours(weights)
                plain = rig.fields.contours(shape_weights(controls, kind, rig.mouth))
                gap, plain_gap = ((low - up)[:, 1].max() for up, low in ((upper, lower), plain))
                assert gap < max(0.004, plain_gap + 0.001)


@settings(max_examples=100, deadline=None)
@given(frames(st.floats(0, 1)), frames(st.floats(-0.5, 1.5)))
def test_whatever_is_put_on_the_face_keeps_its_range(controls: np.ndarray, added: np.ndarray) -> None:
    added[LIPS] = 0
    out = blended(controls, added)
    assert np.allclose(out, clipped(out), atol=1e-5)
    assert np.array_equal(out[LIPS], controls[LIPS])


@settings(max_examples=30, deadline=None)
@given(frames(st.floats(0.2, 0.8)))
def test_nothing_put_on_changes_nothing(controls: np.ndarray) -> None:
    controls[list(LIMITED_SOFTLY)] *= FREE_SHARE
    assert np.allclose(blended(controls, rest()), controls, atol=1e-6)


def test_a_wink_is_no_blink() -> None:
    controls, wink = rest(), rest()
    controls[LIDS] = 0.9
    wink[Control.BLINK_LEFT] = 1
    assert blended(controls, wink)[LIDS].tolist() == [1.0, 0.0]


def test_rounded_lips_smile_less() -> None:
    smile, rounded = rest(), rest()
    smile[Control.SMILE] = 0.6
    rounded[Control.ROUND] = 1.0
    assert blended(rounded, smile)[Control.SMILE] < 0.4 * blended(rest(), smile)[Control.SMILE]


def test_gestures_of_its_own_accord_come_now_and_then_while_nobody_speaks() -> None:
    idle = IdleGestures(np.random.default_rng(3))
    assert not any(idle.next(Activity.SPEAKING) for _ in range(5000))
    begun = [frame for frame in range(5 * 60 * 25) if idle.next(Activity.IDLE)]
    assert 12 <= len(begun) <= 34
    assert np.diff(begun).min() >= 9 * 25


@pytest.mark.parametrize("mood", [mood for mood in Mood if MOODS[mood]])
def test_a_mood_is_there_in_a_quarter_of_a_second_and_does_not_jump(mood: Mood) -> None:
    expression = Expression()
    assert not expression.next(Activity.IDLE).any()
    expression.mood = mood
    track = np.stack([expression.next(Activity.IDLE) for _ in range(40)])
    for control, value in MOODS[mood].items():
        share = track[:, control] / value
        assert share[4] < 0.9 < share[7]
        assert share.max() < 1.001
        assert np.abs(np.diff([0, *share])).max() < 0.25
    expression.mood = Mood.NEUTRAL
    back = np.stack([expression.next(Activity.IDLE) for _ in range(60)])
    assert np.abs(back[-1]).max() < 1e-4


def test_who_thinks_frowns_a_little_and_who_listens_looks_up() -> None:
    expression = Expression()
    thinking = [expression.next(Activity.THINKING) for _ in range(20)][-1]
    listening = [expression.next(Activity.LISTENING) for _ in range(30)][-1]
    assert thinking[Control.FROWN] > 0.2 > listening[Control.FROWN]
    assert listening[Control.BROW] > 0
