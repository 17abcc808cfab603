"""Codes, secrets and the ledger."""

import stat
from pathlib import Path

import pytest

from avatars.codes import CODE_PATTERN, UNWELCOME_LETTERS, new_code
from avatars.models import Avatar
from webapp.secret import installation_secret
from webapp.usage.models import UsageEntry


def test_codes_have_the_shape_and_differ() -> None:
    codes = {new_code() for _ in range(500)}
    assert len(codes) == 500
    assert all(CODE_PATTERN.fullmatch(code) for code in codes)
    assert not any(code[3:6] in UNWELCOME_LETTERS for code in codes)
    assert not {letter for code in codes for letter in code[1:]} & set("AEIOUQ")


def test_the_known_code_fits_the_pattern() -> None:
    assert CODE_PATTERN.fullmatch("A80HVD8577")


def test_the_installation_secret_is_made_once_and_is_private(tmp_path: Path) -> None:
    first = installation_secret(tmp_path)
    assert len(first) >= 64
    assert installation_secret(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


@pytest.mark.django_db
def test_the_ledger_only_grows() -> None:
    entry = UsageEntry.objects.create(kind=UsageEntry.Kind.BUILD, quantity=1)
    entry.quantity = 2
    with pytest.raises(TypeError, match="append-only"):
        entry.save()
    with pytest.raises(TypeError, match="append-only"):
        entry.delete()


def test_every_state_has_a_sentence() -> None:
    for state in Avatar.State:
        assert Avatar(state=state).state_sentence.endswith(".")


def test_published_files_change_their_address(avatar: Avatar) -> None:
    before = avatar.poster_url
    from django.core.files.base import ContentFile

    avatar.poster.save("poster.jpg", ContentFile(b"other"))
    assert before.split("?")[0] == avatar.poster_url.split("?")[0]
    assert before != avatar.poster_url


def test_a_greeting_is_read_without_its_stage_directions() -> None:
    assert Avatar(greeting="[smile] Hello there [nod]!").spoken_greeting == "Hello there!"
    assert Avatar(greeting="").spoken_greeting == ""
