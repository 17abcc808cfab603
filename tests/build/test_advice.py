"""Every sentence of a build report has its rule, and the rule its edge."""

from typing import Any

import pytest

from avatars.build.advice import CODES, FOUND, Tone, advise
from avatars.engine.portrait import Kind

GOOD: dict[str, Any] = {
    **{"closure_m_iod": 0.005, "opening_a_iod": 0.13, "trial_rmse_iod": 0.02, "round_width": 0.85, "identity_a": 0.95},
    **{
        "teeth": "drawn",
        "opening_iod": 0.004,
        "lids_apart": [0.3, 0.3],
        "brightness": 130.0,
        "highlights": 130.0,
        "side_light": 1.1,
    },
    **{"face_height_px": 300.0, "sharpness": 2.0, "pose_deg": [2.0, 5.0, -1.0]},
}
# Of each rule: what has to be otherwise for it to hold, and a little less, for which it does not.
EDGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "closes": ({"closure_m_iod": 0.020}, {"closure_m_iod": 0.021}),
    "closes_nearly": ({"closure_m_iod": 0.021}, {"closure_m_iod": 0.051}),
    "closes_not": ({"closure_m_iod": 0.051}, {"closure_m_iod": 0.05}),
    "opens": ({"opening_a_iod": 0.05}, {"opening_a_iod": 0.049}),
    "opens_not": ({"opening_a_iod": 0.049}, {"opening_a_iod": 0.05}),
    "follows": ({"trial_rmse_iod": 0.03}, {"trial_rmse_iod": 0.031}),
    "follows_loosely": ({"trial_rmse_iod": 0.031}, {"trial_rmse_iod": 0.03}),
    "rounds": ({"round_width": 0.93}, {"round_width": 0.94}),
    "unmeasured": ({"closure_m_iod": None}, {"closure_m_iod": 0.0}),
    "changes": ({"identity_a": 0.49}, {"identity_a": 0.5}),
    "stays": ({"identity_a": 0.8}, {"identity_a": 0.79}),
    "own_teeth": ({"teeth": "own"}, {"teeth": "drawn"}),
    "another_teeth": ({"teeth": "another"}, {"teeth": "own"}),
    "drawn_teeth": ({"teeth": "drawn"}, {"teeth": "own"}),
    "unclear_teeth": ({"opening_iod": 0.051}, {"opening_iod": 0.05}),
    "mouth_open": ({"opening_iod": 0.101}, {"opening_iod": 0.1}),
    "lips_parted": ({"opening_iod": 0.026}, {"opening_iod": 0.025}),
    "lips_closed": ({"opening_iod": 0.025}, {"opening_iod": 0.026}),
    "dark_glasses": ({"dark_glasses": True}, {"dark_glasses": False}),
    "one_eye_closed": ({"lids_apart": [0.15, 0.07]}, {"lids_apart": [0.15, 0.08]}),
    "eyes_closed": ({"lids_apart": [0.09, 0.20]}, {"lids_apart": [0.10, 0.20]}),
    "eyes_half_closed": ({"lids_apart": [0.15, 0.18]}, {"lids_apart": [0.17, 0.18]}),
    "dark": ({"brightness": 59.0}, {"brightness": 60.0}),
    "dim": ({"brightness": 84.0}, {"brightness": 85.0}),
    "bright": ({"brightness": 206.0}, {"brightness": 205.0}),
    "side_light": ({"side_light": 1.81}, {"side_light": 1.8}),
    "even_light": ({"side_light": 1.35}, {"side_light": 1.36}),
    "small": ({"face_height_px": 159.0}, {"face_height_px": 160.0}),
    "blurred": ({"sharpness": 0.79}, {"sharpness": 0.8}),
    "sharp": ({"face_height_px": 230.0, "sharpness": 1.1}, {"face_height_px": 229.0, "sharpness": 1.1}),
    "seamless": ({"loop_seam": 1.5}, {"loop_seam": 1.51}),
    "seam": ({"loop_seam": 1.51}, {"loop_seam": 1.5}),
    "tilted": ({"pose_deg": [0, 0, -18.1]}, {"pose_deg": [0, 0, -18.0]}),
    "aside": ({"pose_deg": [15.1, 0, 0]}, {"pose_deg": [15.0, 0, 0]}),
    "front": ({"pose_deg": [-8.0, 30, 8.0]}, {"pose_deg": [-8.1, 0, 0]}),
}


def codes(kind: Kind = Kind.PHOTO, **measures: Any) -> list[str]:
    return [remark.code for remark in advise({**GOOD, **measures}, kind)]


def test_every_rule_has_its_edge_here() -> None:
    assert set(EDGES) == set(CODES)
    assert len(CODES) == len(set(CODES))


@pytest.mark.parametrize("code", list(EDGES))
def test_a_rule_holds_up_to_its_edge(code: str) -> None:
    holding, failing = EDGES[code]
    assert code in codes(**holding)
    assert code not in codes(**failing)


@pytest.mark.parametrize("code", list(EDGES))
def test_remarks_are_plain_sentences(code: str) -> None:
    (remark,) = (each for each in advise({**GOOD, **EDGES[code][0]}, Kind.PHOTO) if each.code == code)
    assert remark.text[0].isupper()
    assert remark.text.endswith(".")
    assert not remark.advice or (remark.advice[0].isupper() and remark.advice[-1] in ".?")
    assert "{" not in remark.text
    assert remark.tone is not Tone.BETTER or remark.advice


def test_what_is_good_is_said_and_nothing_else() -> None:
    tones = {remark.code: remark.tone for remark in advise(GOOD, Kind.PHOTO)}
    assert {code for code, tone in tones.items() if tone is not Tone.GOOD} == {"drawn_teeth"}
    assert {"closes", "opens", "follows", "stays", "lips_closed", "even_light", "sharp", "front"} <= set(tones)


def test_what_could_be_better_comes_first() -> None:
    remarks = advise({**GOOD, "brightness": 40.0}, Kind.PHOTO, ["There are 2 faces in this picture."])
    assert [remark.code for remark in remarks[:2]] == [FOUND, "dark"]
    order = [list(Tone)[::-1].index(remark.tone) for remark in remarks]
    assert order == sorted(order)


def test_nothing_is_said_of_what_was_not_measured() -> None:
    assert [remark.code for remark in advise({}, Kind.PHOTO)] == ["unmeasured"]


@pytest.mark.parametrize("kind", [Kind.ANIMAL, Kind.DRAWING])
def test_animals_and_drawings_have_no_teeth_to_speak_of(kind: Kind) -> None:
    assert not {"own_teeth", "drawn_teeth"} & set(codes(kind))


def test_numbers_are_put_into_words() -> None:
    texts = [remark.text for remark in advise({**GOOD, "face_height_px": 108.31}, Kind.PHOTO)]
    assert "The face is only 108 pixels high and was enlarged; the avatar will look soft." in texts


def test_black_hair_makes_no_dark_face() -> None:
    assert "dark" in codes(brightness=50.0, highlights=130.0)
    assert not {"dark", "dim"} & set(codes(brightness=50.0, highlights=150.0))


def test_a_drawing_is_not_told_to_turn_to_a_window() -> None:
    photographed = {
        "brightness": 230.0,
        "side_light": 3.0,
        "sharpness": 0.2,
        "lids_apart": [0.1, 0.1],
        "dark_glasses": True,
    }
    about = {"bright", "side_light", "blurred", "eyes_closed", "dark_glasses"}
    assert about & set(codes(Kind.PHOTO, **photographed)) == {"bright", "blurred", "dark_glasses"}
    assert not about & set(codes(Kind.DRAWING, **photographed))
