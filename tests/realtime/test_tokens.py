"""Session tokens: for an hour, for one avatar, and by nobody but us."""

import base64
import json
import time
from uuid import uuid4

import pytest
from django.core import signing
from hypothesis import given
from hypothesis import strategies as st

from realtime.tokens import CLOCK_MAY_JUMP_S, LIFETIME_S, SALT, Place, issue_token, read_token

PLACE = Place(uuid4(), "host.12.abcdef")
CODE = "A80HVD8577"


def test_a_token_leads_back_to_its_place() -> None:
    assert read_token(issue_token(PLACE, CODE), CODE) == PLACE


def test_a_token_for_another_avatar_leads_nowhere() -> None:
    assert read_token(issue_token(PLACE, CODE), "B11AAA1111") is None


def test_a_token_is_good_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    token = issue_token(PLACE, CODE)
    now_s = time.time()
    end_s = LIFETIME_S + CLOCK_MAY_JUMP_S
    # The clock of this machine may be set forwards or back meanwhile.
    for later_s, found in ((1800 - 3600, PLACE), (1800 + 3600, PLACE), (end_s - 60, PLACE), (end_s + 60, None)):
        monkeypatch.setattr("django.core.signing.time.time", lambda later_s=later_s: now_s + later_s)
        assert read_token(token, CODE) == found


@pytest.mark.parametrize(
    "token", [None, "", 7, True, [], {}, "x", ":", "::", "a:b:c", "\ud800", "\0", "é:é:é", "x" * 100_000]
)
def test_what_is_no_token_leads_nowhere(token: object) -> None:
    assert read_token(token, CODE) is None


@given(st.text(max_size=300))
def test_no_text_is_taken_for_a_token(text: str) -> None:
    assert read_token(text, CODE) is None


def test_a_token_that_was_changed_leads_nowhere() -> None:
    token = issue_token(PLACE, CODE)
    _, rest = token.split(":", 1)
    other = base64.urlsafe_b64encode(json.dumps([uuid4().hex, PLACE.worker, CODE]).encode()).decode().rstrip("=")
    assert read_token(f"{other}:{rest}", CODE) is None
    for at in range(len(token)):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        assert read_token(changed, CODE) in {None, PLACE}
        # The last letter of a signature has bits that mean nothing.
        assert at == len(token) - 1 or read_token(changed, CODE) is None


def test_what_we_signed_for_something_else_leads_nowhere() -> None:
    assert read_token(signing.dumps([PLACE.session.hex, PLACE.worker, CODE], salt="something else"), CODE) is None
    for payload in ([], [PLACE.session.hex, CODE], ["no hex", "worker", CODE], "text", {"session": 1}, None, 7):
        assert read_token(signing.dumps(payload, salt=SALT), CODE) is None


def test_a_token_is_short_enough_to_be_read() -> None:
    place = Place(uuid4(), "h" * 40 + ".4194304.abcdef")
    assert read_token(issue_token(place, CODE), CODE) == place
