"""Uploading a picture: what is taken, what is refused and in which words."""

import errno
import html
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from avatars.builds import UNFINISHED_LIMIT
from avatars.engine.expression import Mood
from avatars.engine.gestures import GESTURES
from avatars.forms import CONSENT_TEXT, POINT_NAMES
from avatars.models import Avatar, Build
from realtime.agent import AgentSettings, Link
from realtime.agent.tools import toolbox_for
from realtime.role import agent_settings
from webapp import disk
from webapp.providers.endpoint import Endpoint
from webapp.providers.refusals import note_refusal

JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 64
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
MP4 = b"\0\0\0\x20ftypisom" + b"\0" * 64


def fields(content: bytes = JPEG, **changes: Any) -> dict[str, Any]:
    given = {
        "name": "Mona",
        "source": SimpleUploadedFile("../../evil name.php", content),
        "licence": "own",
        "consent": "on",
        **changes,
    }
    return {name: value for name, value in given.items() if value is not None}


def smile(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("smile.exe", content)


@pytest.fixture
def studio(client: Client, creator: Any) -> Client:
    client.force_login(creator)
    return client


def test_a_picture_becomes_a_queued_build(studio: Client, creator: Any) -> None:
    response = studio.post("/studio/new/", fields())
    avatar = Avatar.objects.get()
    assert (response.status_code, response["Location"]) == (302, f"/studio/{avatar.code}/")
    assert (avatar.owner, avatar.name, avatar.state, avatar.licence) == (creator, "Mona", Avatar.State.QUEUED, "own")
    assert avatar.visibility == Avatar.Visibility.PRIVATE
    build = Build.objects.get()
    assert build.consent_text == CONSENT_TEXT
    assert build.consent_at is not None
    assert build.source.name.startswith(f"sources/{avatar.code}/")
    assert build.source.name.endswith(".jpg")
    assert "evil" not in build.source.name
    from django_tasks_db.models import DBTaskResult

    assert DBTaskResult.objects.get().args_kwargs["args"] == [build.pk]


def test_an_upload_to_a_full_disk_is_refused_in_words_and_leaves_nothing_half_done(
    studio: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FileSystemStorage, "_save", full)
    studio.raise_request_exception = False
    response = studio.post("/studio/new/", fields())
    assert response.status_code == 507
    assert disk.FULL in response.content.decode()
    assert not Avatar.objects.exists()
    assert not Build.objects.exists()


@pytest.mark.parametrize(
    ("head", "suffix"),
    [(MP4, ".mp4"), (b"\0\0\0\x14ftypqt  ", ".mov"), (b"\0\0\0\x08wide", ".mov"), (b"\x1a\x45\xdf\xa3", ".webm")],
)
def test_a_video_becomes_a_queued_build(studio: Client, head: bytes, suffix: str) -> None:
    # Larger than a picture may be.
    assert studio.post("/studio/new/", fields(head + b"\0" * 11 * 1024 * 1024)).status_code == 302
    build = Build.objects.get()
    assert build.source.name.endswith(suffix)
    page = studio.get(f"/studio/{build.avatar.code}/").content.decode()
    assert "Make its loop" in page
    assert studio.get(f"/studio/{build.avatar.code}/source/").status_code == 404


def test_a_second_picture_is_kept_beside_the_first(studio: Client) -> None:
    page = studio.get("/studio/new/").content.decode()
    assert "A second picture, for the teeth" in page
    assert studio.post("/studio/new/", fields(smile=smile(PNG))).status_code == 302
    build = Build.objects.get()
    assert build.source.name.endswith(".jpg")
    assert build.smile.name.startswith(f"sources/{build.avatar.code}/")
    assert build.smile.name.endswith(".png")
    assert build.smile.read() == PNG
    assert "Look for the teeth" in studio.get(f"/studio/{build.avatar.code}/").content.decode()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"source": None}, "Choose a picture or a video."),
        ({"content": b""}, "This file is empty."),
        ({"content": b"<svg onload=alert(1)>"}, "This is no picture (JPEG, PNG, WebP) and no video"),
        ({"content": b"\0\0\0\x18ftypheic" + b"\0" * 40}, "HEIC pictures cannot be read here."),
        ({"content": JPEG + b"\0" * 10 * 1024 * 1024}, "pictures may have up to 10 MB"),
        ({"content": MP4 + b"\0" * 100 * 1024 * 1024}, "videos may have up to 100 MB"),
        ({"smile": b"<svg onload=alert(1)>"}, "This is no picture (JPEG, PNG, WebP) and no video"),
        ({"smile": b""}, "This file is empty."),
        ({"smile": MP4}, "This is a video. Choose a picture here"),
        ({"smile": JPEG + b"\0" * 10 * 1024 * 1024}, "pictures may have up to 10 MB"),
        ({"content": MP4, "smile": JPEG}, "are taken from the video"),
        ({"consent": None}, "without this consent no avatar is built"),
        ({"name": ""}, "Give your avatar a name."),
        ({"licence": "stolen"}, "Select a valid choice"),
    ],
)
def test_bad_input_is_answered_in_words(studio: Client, changes: dict[str, Any], sentence: str) -> None:
    if "smile" in changes:
        changes = {**changes, "smile": smile(changes["smile"])}
    response = studio.post("/studio/new/", fields(**changes))
    assert response.status_code == 422
    page = response.content.decode()
    assert sentence in page
    if "name" not in changes:
        assert 'value="Mona"' in page
    assert not Avatar.objects.exists()
    assert not Build.objects.exists()


def test_nobody_floods_the_builder(studio: Client) -> None:
    for number in range(UNFINISHED_LIMIT):
        assert studio.post("/studio/new/", fields(name=f"N{number}")).status_code == 302
    response = studio.post("/studio/new/", fields())
    assert response.status_code == 422
    assert "still being built" in response.content.decode()
    assert Avatar.objects.count() == UNFINISHED_LIMIT


POINTS = (
    '{"left_eye":[10,10],"right_eye":[40,10],"mouth_left":[15,40],"mouth_right":[35,40],'
    '"mouth_middle":[25,40],"chin":[25,60]}'
)


@pytest.fixture
def waiting(avatar: Avatar) -> Build:
    avatar.imx = ""
    avatar.state = Avatar.State.AWAITING_FACE_MARKING
    avatar.save()
    source = SimpleUploadedFile("source.jpg", JPEG)
    return Build.objects.create(avatar=avatar, source=source, state=Build.State.AWAITING_FACE_MARKING)


def test_the_eyes_of_a_marked_face_may_be_kept_still(studio: Client, waiting: Build) -> None:
    studio.post(f"/studio/{waiting.avatar.code}/points/", {"points": POINTS, "still_eyes": "on"})
    waiting.refresh_from_db()
    assert waiting.points["still_eyes"] is True
    assert set(waiting.points) == {*POINT_NAMES, "still_eyes"}


def test_six_points_resume_the_build(studio: Client, waiting: Build) -> None:
    studio.post(f"/studio/{waiting.avatar.code}/points/", {"points": POINTS})
    waiting.refresh_from_db()
    waiting.avatar.refresh_from_db()
    assert waiting.state == Build.State.QUEUED
    assert waiting.points["chin"] == [25.0, 60.0]
    assert waiting.avatar.state == Avatar.State.QUEUED


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        ("[]", "could not be read"),
        ("{", "could not be read"),
        (POINTS.replace('"chin":[25,60]', '"chin":null'), "The point for the chin is missing."),
        (POINTS.replace("[25,60]", "[25,-1]"), "The point for the chin lies outside the picture."),
        (POINTS.replace("[25,60]", "[25,1e999]"), "The point for the chin lies outside the picture."),
        (POINTS.replace("[40,10]", "[11,10]"), "The eyes lie on each other."),
    ],
)
def test_bad_points_are_refused_in_words(studio: Client, waiting: Build, points: str, sentence: str) -> None:
    response = studio.post(f"/studio/{waiting.avatar.code}/points/", {"points": points}, follow=True)
    assert sentence in response.content.decode()
    waiting.refresh_from_db()
    assert waiting.state == Build.State.AWAITING_FACE_MARKING


def test_points_for_a_build_that_does_not_wait_change_nothing(studio: Client, waiting: Build) -> None:
    Build.objects.update(state=Build.State.RUNNING)
    response = studio.post(f"/studio/{waiting.avatar.code}/points/", {"points": POINTS}, follow=True)
    assert "does not wait" in response.content.decode()


def test_the_owner_sees_the_source(studio: Client, waiting: Build) -> None:
    response = studio.get(f"/studio/{waiting.avatar.code}/source/")
    assert (response.status_code, response["Content-Type"], response.content) == (200, "image/jpeg", JPEG)


def test_another_picture_keeps_a_ready_avatar_ready(studio: Client, avatar: Avatar) -> None:
    response = studio.post(f"/studio/{avatar.code}/replace/", fields())
    assert response.status_code == 302
    avatar.refresh_from_db()
    assert avatar.is_ready
    assert avatar.builds.get().state == Build.State.QUEUED


TEXTS = {
    "name": "Grace",
    "tagline": "t",
    "persona": "p",
    "greeting": "g",
    "voice": "heart",
    "mood": "neutral",
    "patience": "normal",
    "longest_turn_s": "28",
    "visibility": "public",
}
NO_ROWS = {f"{rows}-{count}_FORMS": "0" for rows in ("pairs", "triggers", "links") for count in ("TOTAL", "INITIAL")}


def test_changing_texts_leaves_the_files_alone(studio: Client, avatar: Avatar) -> None:
    before = avatar.imx.name
    response = studio.post(f"/studio/{avatar.code}/", {**TEXTS, **NO_ROWS})
    assert response.status_code == 302
    avatar.refresh_from_db()
    assert (avatar.name, avatar.visibility, avatar.imx.name) == ("Grace", "public", before)


def test_written_answers_are_added_changed_and_removed(studio: Client, avatar: Avatar) -> None:
    def save(**pairs: str) -> int:
        return studio.post(f"/studio/{avatar.code}/", {**TEXTS, **NO_ROWS, **pairs}).status_code

    new = {"pairs-TOTAL_FORMS": "1", "pairs-0-questions": "Who are you?\nYour name?", "pairs-0-answer": "Ada."}
    assert save(**new) == 302
    pair = avatar.pairs.get()
    assert (pair.questions.splitlines(), pair.answer) == (["Who are you?", "Your name?"], "Ada.")
    known = {"pairs-TOTAL_FORMS": "1", "pairs-INITIAL_FORMS": "1", "pairs-0-id": str(pair.pk)}
    assert save(**known, **{"pairs-0-questions": "Who?", "pairs-0-answer": ""}) == 422
    assert save(**known, **{"pairs-0-questions": "Who?", "pairs-0-answer": "Me."}) == 302
    assert avatar.pairs.get().answer == "Me."
    assert save(**known, **{"pairs-0-questions": "Who?", "pairs-0-answer": "Me.", "pairs-0-DELETE": "on"}) == 302
    assert not avatar.pairs.exists()


def test_somebody_elses_answers_cannot_be_changed(studio: Client, avatar: Avatar, make_avatar: Any, user: Any) -> None:
    theirs = make_avatar(owner=user).pairs.create(questions="Who?", answer="Not yours.")
    changed = {"pairs-TOTAL_FORMS": "1", "pairs-INITIAL_FORMS": "1", "pairs-0-id": str(theirs.pk)}
    studio.post(
        f"/studio/{avatar.code}/",
        {**TEXTS, **NO_ROWS, **changed, "pairs-0-questions": "Who?", "pairs-0-answer": "Mine."},
    )
    assert not avatar.pairs.exists()
    theirs.refresh_from_db()
    assert theirs.answer == "Not yours."


@pytest.mark.parametrize(
    ("patience", "longest_s", "status"),
    [
        *(("short", "5", 302), ("long", "28", 302)),
        *(("endless", "28", 422), ("", "28", 422), ("long", "4", 422), ("long", "29", 422), ("long", "soon", 422)),
    ],
)
def test_how_long_an_avatar_waits_and_listens(
    studio: Client, avatar: Avatar, patience: str, longest_s: str, status: int
) -> None:
    limits = {"patience": patience, "longest_turn_s": longest_s}
    assert studio.post(f"/studio/{avatar.code}/", {**TEXTS, **NO_ROWS, **limits}).status_code == status
    avatar.refresh_from_db()
    settings = agent_settings(avatar)
    kept = (patience, int(longest_s)) if status == 302 else ("normal", 28)
    assert (settings.patience, settings.longest_turn_s) == kept


NOD = {
    "triggers-TOTAL_FORMS": "1",
    "triggers-0-words": "  of   course \n\nyes\nof course",
    "triggers-0-said_by": "avatar",
    "triggers-0-gesture": "talk_head_nod_subtle",
    "triggers-0-stop_on_user_speech": "on",
}


def test_a_mood_and_words_for_gestures_are_kept(studio: Client, avatar: Avatar) -> None:
    def save(**fields: str) -> int:
        return studio.post(f"/studio/{avatar.code}/", {**TEXTS, **NO_ROWS, **fields}).status_code

    assert save(**NOD, mood="warm", idle_gestures="on") == 302
    avatar.refresh_from_db()
    assert (avatar.mood, avatar.idle_gestures) == ("warm", True)
    trigger = avatar.triggers.get()
    assert (trigger.words, trigger.gesture) == ("of course\nyes", "talk_head_nod_subtle")
    assert (trigger.said_by, trigger.stop_on_user_speech, trigger.stop_on_agent_speech) == ("avatar", True, False)
    known = {"triggers-INITIAL_FORMS": "1", "triggers-0-id": str(trigger.pk)}
    assert save(**{**NOD, **known, "triggers-0-gesture": "wink"}) == 302
    assert avatar.triggers.get().gesture == "wink"
    assert save(**{**NOD, **known, "triggers-0-DELETE": "on"}) == 302
    assert not avatar.triggers.exists()
    avatar.refresh_from_db()
    assert (avatar.mood, avatar.idle_gestures) == ("neutral", False)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"triggers-0-words": " \n "}, "Write at least one word that sets the gesture off."),
        ({"triggers-0-words": "yes\n..."}, "Nobody says “...”."),
        ({"triggers-0-words": "word " * 20}, "is too long to be waited for: 60 letters at most."),
        ({"triggers-0-gesture": "somersault"}, "Select a valid choice."),
        ({"triggers-0-gesture": ""}, "Choose a gesture."),
        ({"triggers-0-stop_on_agent_speech": "on"}, "so it would stop at once"),
        ({"mood": "furious"}, "Select a valid choice."),
        ({"triggers-TOTAL_FORMS": "41"}, "at most 40"),
    ],
)
def test_words_that_can_set_nothing_off_are_refused(
    studio: Client, avatar: Avatar, fields: dict[str, str], sentence: str
) -> None:
    response = studio.post(f"/studio/{avatar.code}/", {**TEXTS, **NO_ROWS, **NOD, **fields})
    assert response.status_code == 422
    assert sentence in html.unescape(response.content.decode())
    assert not avatar.triggers.exists()


def link(**fields: str) -> dict[str, str]:
    return {
        "links-TOTAL_FORMS": "1",
        "links-0-title": "Opening hours",
        "links-0-url": "https://a.example/b?c#d",
        **fields,
    }


def test_what_it_can_do_and_show_is_kept(studio: Client, avatar: Avatar) -> None:
    assert agent_settings(avatar).tools == frozenset()
    switched_on = {"can_tell_time": "on", "can_calculate": "on", "can_hang_up": "on", "can_show_links": "on"}
    assert studio.post(f"/studio/{avatar.code}/", {**TEXTS, **NO_ROWS, **link(), **switched_on}).status_code == 302
    avatar.refresh_from_db()
    settings = agent_settings(avatar, time_zone="Asia/Tokyo")
    assert settings.tools == {"time", "calculator", "hang_up", "link"}
    assert settings.links == (Link("Opening hours", "https://a.example/b?c#d"),)
    assert settings.time_zone == "Asia/Tokyo"
    assert studio.post(f"/studio/{avatar.code}/", {**TEXTS, **NO_ROWS}).status_code == 302
    avatar.refresh_from_db()
    assert avatar.tools == frozenset()


def test_the_registry_and_the_studio_know_the_same_tools() -> None:
    everything = AgentSettings(tools=frozenset(Avatar.TOOLS), links=(Link("a", "https://b.example"),))
    assert {function["name"] for function in toolbox_for(everything).functions()} == set(Avatar.TOOLS)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"links-0-url": "http://a.example"}, "has to begin with https://"),
        ({"links-0-url": "javascript:alert(1)"}, "has to begin with https://"),
        ({"links-0-url": "https://"}, "no address of a page"),
        ({"links-0-url": "https://a b.example"}, "no address of a page"),
        ({"links-0-url": "https://a.example:99999/"}, "no address of a page"),
        ({"links-0-url": "https://me:secret@a.example/"}, "Leave names and passwords out"),
        ({"links-0-url": "https://a.example/" + "x" * 500}, "at most 500"),
        ({"links-0-title": " "}, "Give the link a title"),
        (
            {"links-TOTAL_FORMS": "2", "links-1-title": "opening HOURS", "links-1-url": "https://b.example"},
            "same title",
        ),
        ({"links-TOTAL_FORMS": "21"}, "at most 20"),
    ],
)
def test_links_that_lead_nowhere_are_refused(
    studio: Client, avatar: Avatar, fields: dict[str, str], sentence: str
) -> None:
    response = studio.post(f"/studio/{avatar.code}/", {**TEXTS, **NO_ROWS, **link(**fields)})
    assert response.status_code == 422
    assert sentence in html.unescape(response.content.decode())
    assert not avatar.links.exists()


def test_the_studio_says_where_tools_cannot_be_used(studio: Client, avatar: Avatar, settings: Any) -> None:
    address = f"/studio/{avatar.code}/"
    assert "The demo brain cannot use tools." in studio.get(address).content.decode()
    settings.LLM_URL, settings.LLM_MODEL, settings.LLM_API_KEY = "https://llm.example/v1", "m", ""
    assert "decides when to use" in studio.get(address).content.decode()
    note_refusal(Endpoint("https://llm.example/v1", "m"))
    assert "refused tools when it was last asked" in studio.get(address).content.decode()


def test_all_that_is_wrong_is_said_at_once(studio: Client, avatar: Avatar) -> None:
    wrong = {"name": "", "triggers-0-gesture": "", "pairs-TOTAL_FORMS": "1", "pairs-0-questions": "Who?"}
    page = studio.post(f"/studio/{avatar.code}/", {**TEXTS, **NO_ROWS, **NOD, **wrong}).content.decode()
    assert page.count('class="errorlist"') == 3


def test_the_studio_offers_every_gesture_and_mood(studio: Client, avatar: Avatar) -> None:
    page = studio.get(f"/studio/{avatar.code}/").content.decode()
    assert all(f'value="{name}"' in page for name in (*GESTURES, *Mood))


def test_moods_are_those_of_the_engine() -> None:
    assert list(Avatar.Mood.values) == list(Mood)
