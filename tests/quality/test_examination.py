"""A whole examination: the film of the performance is watched, the bars are applied, the page says so."""

import re
from pathlib import Path

import av
import numpy as np
import pytest

from avatars.engine.speech import LocalVoice
from avatars.quality import shams
from avatars.quality.bars import BARS, CEILINGS, TOOTHY, bar_for, verdicts
from avatars.quality.examination import Examination
from avatars.quality.footage import FootageRefused, watch
from avatars.quality.measure import ALWAYS, Measures, measure
from avatars.quality.metrics import correlation_at_best_lag, envelope_db
from avatars.quality.page import Face, page
from avatars.quality.recording import Recording, record
from tests.portraits import MONA_LISA, portrait_of

SENTENCE = "Maybe Bob may have bought five big apples and a map by the harbour."


@pytest.fixture(scope="module")
def shares() -> list[float]:
    return []


@pytest.fixture(scope="module")
def performed(shares: list[float], tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, Recording]:
    """A performance as it was drawn and as it is in its film."""
    path = tmp_path_factory.mktemp("film") / "talk.mp4"
    recording = record(portrait_of(MONA_LISA), LocalVoice.shared().say(SENTENCE), shares.append, film=path)
    return recording, watch(path)


@pytest.fixture(scope="module")
def found(performed: tuple[Recording, Recording]) -> Examination:
    recording, film = performed
    return Examination(
        recording, measure(recording, film), shams.shuffled(recording), shams.delayed(recording), shams.still(recording)
    )


def test_the_written_film_is_in_time(performed: tuple[Recording, Recording], found: Examination) -> None:
    """Pictures and sound of the file itself, decoded, held against each other and against what was drawn."""
    recording, film = performed
    assert len(film.detected) == len(recording.detected)
    _, lag_ms = correlation_at_best_lag(film.detected, recording.detected, 25, lead_ms=0)
    assert abs(lag_ms) < 5
    drawn, written = (envelope_db(each.samples, 24_000, 25) for each in (recording, film))
    assert abs(correlation_at_best_lag(written, drawn, 25, lead_ms=0)[1]) < 5
    assert found.measures.film_offset_ms is not None
    assert abs(found.measures.film_offset_ms) <= 20


def test_controls_are_kept_with_the_measures(found: Examination) -> None:
    assert found.faults == []
    content = found.to_json()
    assert set(content["controls"]) == {"shuffled", "delayed_200_ms", "still", "faults"}
    assert set(content["verdicts"]) == set(content["bars"]) == set(BARS)
    assert content["missed"] == [name for name, holds in content["verdicts"].items() if holds is False]


def test_progress_goes_from_nothing_to_all(found: Examination, shares: list[float]) -> None:
    assert len(shares) == found.measures.frames
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_the_page_needs_nothing_beside_it(found: Examination) -> None:
    portrait = portrait_of(MONA_LISA)
    faces = [
        Face("Mona <Lisa>", found, portrait.picture, portrait.picture),
        Face("cat.png", refusal="Parlo found no face in this picture."),
    ]
    html = page(faces, SENTENCE)
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert "http" not in html
    assert "Mona &lt;Lisa&gt;" in html
    assert "Parlo found no face" in html
    assert html.count("<svg") == 4
    assert all(name in html for name in CEILINGS)
    for bar in BARS.values():
        assert bar.why.replace("'", "&#x27;") in html or bar.title.replace("'", "&#x27;") in html


def test_a_bar_is_held_from_its_edge() -> None:
    bar = BARS["opening_p95_iod"]
    assert [bar.holds(value) for value in (0.0899, 0.09, 0.14, 0.1401)] == [False, True, True, False]
    assert [str(BARS[name]) for name in ("closure_rate", "silence_parted_share", "offset_ms")] == [
        "≥ 0.98",
        "≤ 0.01",
        "-20 to 20",
    ]


def test_a_toothy_smile_may_lose_more_likeness() -> None:
    assert bar_for("identity_mean", Measures(source_opening_iod=0.1)) is TOOTHY
    assert bar_for("identity_mean", Measures(source_opening_iod=0.0)) is BARS["identity_mean"]
    assert bar_for("frames", Measures()) is None


def test_bars_are_of_measures_and_what_is_missing_is_not_judged() -> None:
    assert set(BARS) <= set(Measures().to_json()) - ALWAYS
    assert set(verdicts(Measures()).values()) == {None}


@pytest.mark.parametrize("name", list(BARS))
def test_no_bar_asks_for_more_than_a_real_person_has(name: str) -> None:
    """But for how far they open, as those who were filmed laugh, and for likeness over a whole film of a moving head."""
    if name in {"opening_p95_iod", "identity_mean", "width_ratio"}:
        return
    judged = [verdicts(ceiling)[name] for ceiling in CEILINGS.values()]
    assert False not in judged


def test_a_film_of_somebody_is_watched(tmp_path: Path) -> None:
    """A still of a painting for a second at 30 pictures a second, put on 25."""
    path = tmp_path / "still.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width = stream.height = 512
        stream.pix_fmt = "yuv420p"
        for _ in range(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(portrait_of(MONA_LISA).picture, format="bgr24")))
        container.mux(stream.encode())
    seen = watch(path)
    measures = measure(seen)
    assert len(seen.detected) == 25
    assert measures.frames_lost == 0
    assert measures.motion_levels is not None
    assert measures.motion_levels < 1
    assert "Nobody told these lips" in measures.reasons["opening_r"]
    assert measures.reasons["sound_r"] == "There is no sound to compare the lips with."


def test_films_that_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(FootageRefused, match="There is no film"):
        watch(tmp_path / "gone.mp4")
    (tmp_path / "text.mp4").write_bytes(b"hello")
    with pytest.raises(FootageRefused, match="damaged or of an unknown kind"):
        watch(tmp_path / "text.mp4")
    with av.open(str(tmp_path / "grey.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 128
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((128, 128, 3), 90, np.uint8), format="bgr24")))
        container.mux(stream.encode())
    with pytest.raises(FootageRefused, match="No face is found"):
        watch(tmp_path / "grey.mp4")
