"""Files an avatar knows from: what is taken, what is refused and in which words, whose they are, what is kept."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from avatars.knowledge import decoding, reading
from avatars.knowledge.decoding import KnowledgeRefused, pages_of
from avatars.knowledge.passages import LONGEST_LETTERS, cut, sentences
from avatars.knowledge.reading import STALE_AFTER, read_document, recover_unread
from avatars.models import Avatar, Document, Passage
from realtime.role import agent_settings
from tests.documents import pdf

HOURS = "We are open Tuesday to Sunday from ten to six."


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "pages"),
    [
        ("a.txt", b"\xef\xbb\xbfTea at four.\r\nDaily.", ["Tea at four.\nDaily."]),
        ("a.txt", "Käse".encode("utf-16"), ["Käse"]),
        ("a.txt", "Käse".encode("cp1252"), ["Käse"]),
        ("a.md", b"# Tea\n\nA long des-\ncription \x07here.", ["# Tea\n\nA long description here."]),
        ("a.pdf", pdf(HOURS, "The tug was built in 1911."), [HOURS, "The tug was built in 1911."]),
        ("a.pdf", pdf(HOURS, owner_password="for printing"), [HOURS]),
    ],
)
def test_files_become_pages_of_text(tmp_path: Path, name: str, content: bytes, pages: list[str]) -> None:
    assert pages_of(written(tmp_path, name, content)) == pages


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b" \n\t", "nothing to read"),
        ("a.txt", b"MZ\0\0\0", "no text"),
        ("a.txt", b"word " * 50_000, "200,000 are the most"),
        ("a.pdf", pdf("", ""), "only pictures"),
        ("a.pdf", pdf("7", "8"), "only pictures"),
        ("a.pdf", pdf(HOURS, password="secret"), "locked with a password"),
        ("a.pdf", pdf(*["x"] * 201), "201 pages; 200 are the most"),
        ("a.pdf", b"%PDF-1.7\n" + b"\xff" * 500, "damaged"),
        ("a.pdf", pdf(HOURS)[:200], "damaged"),
    ],
)
def test_files_that_cannot_be_read_are_refused_in_words(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    with pytest.raises(KnowledgeRefused) as refused:
        pages_of(written(tmp_path, name, content))
    assert words in refused.value.message


def test_passages_keep_their_heading_and_page() -> None:
    first, second, third = cut(
        ["# Hours\n\nWe open\nat ten.\n\n---\n\n## Prices\n- Adults pay 14 euros", "| Dogs | free |\n|--|--|"]
    )
    assert (first.in_context, first.page) == ("Hours: We open at ten.", 1)
    assert (second.in_context, second.page) == ("Prices: Adults pay 14 euros.", 1)
    assert (third.in_context, third.page) == ("Prices: Dogs, free.", 2)


def test_no_passage_is_too_long_and_nothing_is_lost() -> None:
    text = f"{'Ships come and go. ' * 60}\n\n{'endless' * 200}\n\n{'word ' * 300}"
    passages = cut([text])
    assert max(len(passage.text) for passage in passages) <= LONGEST_LETTERS
    joined = "".join(passage.text for passage in passages).replace(" ", "").replace(".", "")
    assert joined == "".join(text.split()).replace(".", "")


def test_a_title_ends_no_sentence() -> None:
    assert sentences("Call Ms. Okafor. She is in.") == ["Call Ms. Okafor.", "She is in."]


@pytest.fixture
def studio(client: Client, creator: Any) -> Client:
    client.force_login(creator)
    return client


def send(client: Client, avatar: Avatar, name: str, content: bytes) -> Any:
    return client.post(f"/studio/{avatar.code}/knowledge/", {"file": SimpleUploadedFile(name, content)})


def stored_files() -> list[str]:
    folders = default_storage.listdir("knowledge")[0] if default_storage.exists("knowledge") else []
    return [name for folder in folders for name in default_storage.listdir(f"knowledge/{folder}")[1]]


def test_a_file_is_taken_read_and_known(
    studio: Client, avatar: Avatar, django_capture_on_commit_callbacks: Any
) -> None:
    assert (
        send(studio, avatar, "../../Opening <hours>.PDF", pdf(HOURS, "The tug was built in 1911.")).status_code == 302
    )
    document = Document.objects.get()
    assert (document.name, document.state) == ("Opening <hours>.PDF", Document.State.WAITING)
    assert "hours" not in document.file.name
    page = studio.get(f"/studio/{avatar.code}/knowledge/").content.decode()
    assert "Opening &lt;hours&gt;.PDF" in page
    assert 'data-busy="yes"' in page
    with django_capture_on_commit_callbacks(execute=True):
        read_document(document.pk)
    document.refresh_from_db()
    assert (document.state, document.message, document.pages, document.file.name) == (Document.State.READY, "", 2, "")
    assert stored_files() == []
    assert 'data-busy="no"' in studio.get(f"/studio/{avatar.code}/knowledge/list/").content.decode()
    knowledge = agent_settings(avatar).knowledge
    assert knowledge is not None
    assert [(known.text, known.file, known.page) for known in knowledge.passages] == [
        (HOURS, "Opening <hours>.PDF", 1),
        ("The tug was built in 1911.", "Opening <hours>.PDF", 2),
    ]
    assert np.linalg.norm(knowledge.vectors, axis=1) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b"", "empty"),
        ("a.docx", b"PK\x03\x04", "Save it as one of these"),
        ("a.txt", b"PK\0\0", "Save it as one of these"),
        ("a.pdf", b"%PDF-" + b"\0" * 10 * 1024 * 1024, "up to 10 MB"),
    ],
)
def test_what_is_no_document_is_refused_at_once(
    studio: Client, avatar: Avatar, name: str, content: bytes, words: str
) -> None:
    response = send(studio, avatar, name, content)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Document.objects.exists()


@pytest.mark.parametrize(("content", "words"), [(pdf(""), "only pictures"), (b"%PDF-" + b"1" * 99, "damaged")])
def test_a_refusal_is_told_on_the_page(
    studio: Client, avatar: Avatar, content: bytes, words: str, django_capture_on_commit_callbacks: Any
) -> None:
    send(studio, avatar, "a.pdf", content)
    with django_capture_on_commit_callbacks(execute=True):
        read_document(Document.objects.get().pk)
    assert words in studio.get(f"/studio/{avatar.code}/knowledge/").content.decode()
    assert stored_files() == []
    assert agent_settings(avatar).knowledge is None


def test_a_decoder_that_asks_for_too_much_is_stopped(
    studio: Client, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "DECODED_WITHIN_S", 0.001)
    send(studio, avatar, "a.txt", b"Tea at four.")
    read_document(Document.objects.get().pk)
    document = Document.objects.get()
    assert (document.state, document.message) == (Document.State.FAILED, reading.TOO_MUCH_WORK)


def test_there_is_an_end_to_files_and_passages(studio: Client, avatar: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Document, "LIMIT", 1)
    monkeypatch.setattr(Document, "LIMIT_PASSAGES", 1)
    monkeypatch.setattr(reading, "decoded", lambda _: ["# A\n\none.", "# B\n\ntwo."])
    send(studio, avatar, "a.txt", b"Tea.")
    read_document(Document.objects.get().pk)
    assert "Remove another file first" in Document.objects.get().message
    assert "1 files are the most" in send(studio, avatar, "b.txt", b"Tea.").content.decode()


def test_what_is_removed_is_forgotten(studio: Client, avatar: Avatar, django_capture_on_commit_callbacks: Any) -> None:
    send(studio, avatar, "a.txt", b"Tea at four.")
    document = Document.objects.get()
    Passage.objects.create(document=document, text="Tea at four.", meaning=b"")
    with django_capture_on_commit_callbacks(execute=True):
        assert studio.post(f"/studio/{avatar.code}/knowledge/{document.pk}/delete/").status_code == 302
    assert not Document.objects.exists()
    assert not Passage.objects.exists()
    assert stored_files() == []


def test_nobody_reaches_the_files_of_another(
    client: Client, make_avatar: Callable[..., Avatar], creator: Any, user: Any
) -> None:
    theirs = make_avatar(visibility=Avatar.Visibility.PUBLIC)
    document = Document.objects.create(avatar=theirs, name="a.txt", state=Document.State.READY)
    mine = make_avatar(owner=user)
    client.force_login(user)
    for address in ("knowledge/", "knowledge/list/"):
        assert client.get(f"/studio/{theirs.code}/{address}").status_code == 404
    assert send(client, theirs, "a.txt", b"Tea.").status_code == 404
    for avatar in (theirs, mine):
        assert client.post(f"/studio/{avatar.code}/knowledge/{document.pk}/delete/").status_code == 404
    assert Document.objects.count() == 1
    client.logout()
    assert client.get(f"/studio/{theirs.code}/knowledge/")["Location"].startswith("/accounts/login/")


def test_what_was_interrupted_is_read_again_and_then_given_up(avatar: Avatar) -> None:
    before = timezone.now() - STALE_AFTER - timedelta(seconds=1)
    document = Document.objects.create(
        avatar=avatar, name="a.txt", state=Document.State.READING, started_at=before, attempts=1
    )
    assert recover_unread() == 1
    document.refresh_from_db()
    assert document.state == Document.State.WAITING
    Document.objects.update(state=Document.State.READING, attempts=2)
    assert recover_unread() == 1
    document.refresh_from_db()
    assert (document.state, "interrupted twice" in document.message) == (Document.State.FAILED, True)


def test_the_decoder_knows_no_django() -> None:
    assert "django" not in Path(decoding.__file__).read_text()
