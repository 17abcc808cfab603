"""Language models fetched from a hub that breaks off, lies, and starts again."""

import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from webapp.providers import catalogue, downloading
from webapp.providers.catalogue import CATALOGUE, BrainModel
from webapp.providers.downloading import Downloader, ask_for, stop
from webapp.providers.downloads import DownloadFailed, Stopped, bytes_there, fetch, forget
from webapp.providers.models import Download

CONTENT = bytes(range(256)) * 20_000
State = Download.State


@dataclass
class Hub:
    """What it sends; `breaks` holds after how many bytes each next answer breaks off."""

    url: str = ""
    content: bytes = CONTENT
    breaks: list[int] = field(default_factory=list)
    ranges: bool = True
    status: int = 0
    kind: str = "application/octet-stream"
    wrong_part: bool = False
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            header = self.headers.get("Range")
            hub.asked.append(header)
            match = re.match(r"bytes=(\d+)-", header or "") if hub.ranges else None
            start = int(match[1]) if match else 0
            self.send_response(hub.status or (206 if match else 200))
            self.send_header("Content-Type", hub.kind)
            self.send_header("Content-Length", str(len(hub.content) - start))
            if match:
                told = start + 1 if hub.wrong_part else start
                self.send_header("Content-Range", f"bytes {told}-{len(hub.content) - 1}/{len(hub.content)}")
            self.end_headers()
            end = start + hub.breaks.pop(0) if hub.breaks else None
            self.wfile.write(hub.content[start:end])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def model(hub: Hub, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BrainModel:
    settings.MODEL_HUB, settings.PARLO_DATA_DIR = hub.url, tmp_path
    small = BrainModel(
        "small", "Small", "Words.", "who/small.gguf", len(CONTENT), 1, hashlib.sha256(CONTENT).hexdigest(), "MIT"
    )
    monkeypatch.setattr("webapp.providers.downloads.ROOM_BYTES", 0)
    monkeypatch.setitem(CATALOGUE, "small", small)
    return small


def nothing(done: int, checking: bool) -> None:
    """Note nothing."""


def test_a_model_comes_whole(hub: Hub, model: BrainModel) -> None:
    seen: list[tuple[int, bool]] = []
    fetch(model, lambda done, checking: seen.append((done, checking)))
    assert model.file.read_bytes() == CONTENT
    assert not model.part.exists()
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (len(CONTENT), True)
    fetch(model, nothing)
    assert hub.asked == [None]


def test_a_broken_download_goes_on_where_it_stopped(hub: Hub, model: BrainModel) -> None:
    hub.breaks = [1_000_000, 2_000_000]
    pauses: list[float] = []
    fetch(model, nothing, sleep=pauses.append)
    assert model.file.read_bytes() == CONTENT
    assert hub.asked == [None, "bytes=1000000-", "bytes=3000000-"]
    assert pauses == [1.0, 1.0], "as long as something comes, there is no longer pause"


def test_a_hub_without_ranges_sends_all_again(hub: Hub, model: BrainModel) -> None:
    hub.breaks, hub.ranges = [1_000_000], False
    fetch(model, nothing, sleep=lambda _: None)
    assert model.file.read_bytes() == CONTENT


def test_a_hub_that_always_breaks_off_is_given_up(hub: Hub, model: BrainModel) -> None:
    hub.breaks = [5000] + [0] * 9
    pauses: list[float] = []
    with pytest.raises(DownloadFailed, match="again and again"):
        fetch(model, nothing, sleep=pauses.append)
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    assert bytes_there(model) == 5000
    hub.breaks.clear()
    fetch(model, nothing)
    assert model.file.read_bytes() == CONTENT


def test_a_hub_that_is_away_is_told(model: BrainModel, settings: Any) -> None:
    settings.MODEL_HUB = "http://127.0.0.1:9"
    with pytest.raises(DownloadFailed, match="could not be made"):
        fetch(model, nothing, sleep=lambda _: None)


@pytest.mark.parametrize(
    ("changes", "words", "kept"),
    [
        ({"content": CONTENT[:-1] + b"\x00"}, "checksum differs", False),
        ({"content": CONTENT + b"more"}, "sends more", False),
        ({"status": 404}, "status 404", False),
        ({"status": 503}, "status 503", False),
        ({"kind": "text/html"}, "answered with a page", False),
    ],
)
def test_a_lying_hub_is_not_believed(
    hub: Hub, model: BrainModel, changes: dict[str, Any], words: str, kept: bool
) -> None:
    for name, value in changes.items():
        setattr(hub, name, value)
    with pytest.raises(DownloadFailed, match=words):
        fetch(model, nothing, sleep=lambda _: None)
    assert not model.file.exists()
    assert model.part.exists() is kept


def test_a_wrong_part_is_not_appended(hub: Hub, model: BrainModel) -> None:
    model.part.parent.mkdir()
    model.part.write_bytes(CONTENT[:500])
    hub.wrong_part = True
    with pytest.raises(DownloadFailed, match="another part"):
        fetch(model, nothing, sleep=lambda _: None)
    assert model.part.read_bytes() == CONTENT[:500]


def test_a_full_disk_is_told_before_anything_is_fetched(
    hub: Hub, model: BrainModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.providers.downloads.ROOM_BYTES", 10**18)
    with pytest.raises(DownloadFailed, match="too full"):
        fetch(model, nothing)
    assert hub.asked == []


def test_stopping_keeps_what_came(hub: Hub, model: BrainModel) -> None:
    def halt(done: int, checking: bool) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        fetch(model, halt)
    assert 0 < bytes_there(model) < len(CONTENT)
    forget(model)
    assert bytes_there(model) == 0


@pytest.fixture
def downloader(db: None, monkeypatch: pytest.MonkeyPatch) -> Downloader:
    monkeypatch.setattr(downloading, "NOTE_EVERY_S", 0.0)
    return Downloader(threading.Event())


def the_download() -> Download:
    return Download.objects.get(name="small")


def test_what_an_admin_asks_for_is_fetched(model: BrainModel, downloader: Downloader) -> None:
    ask_for(model)
    assert the_download().state == State.WANTED
    downloader.fetch(the_download())
    assert (the_download().state, the_download().bytes_done) == (State.READY, len(CONTENT))
    forget(model)
    ask_for(model)
    assert the_download().state == State.WANTED


def test_an_admin_stops_it_in_the_middle(
    model: BrainModel, downloader: Downloader, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_for(model)
    note = Downloader._note

    def noted(self: Downloader, download: Download, done: int, checking: bool) -> None:
        note(self, download, done, checking)
        stop(model)

    monkeypatch.setattr(Downloader, "_note", noted)
    downloader.fetch(the_download())
    assert the_download().state == State.STOPPED
    assert 0 < bytes_there(model) < len(CONTENT)


def test_a_failure_is_written_down(hub: Hub, model: BrainModel, downloader: Downloader) -> None:
    hub.status = 500
    ask_for(model)
    downloader.fetch(the_download())
    assert the_download().state == State.FAILED
    assert "status 500" in the_download().message


def test_a_process_that_ends_leaves_it_to_the_next(model: BrainModel, downloader: Downloader, db: None) -> None:
    ask_for(model)
    downloader._stopping.set()
    downloader.fetch(the_download())
    assert the_download().state in Download.UNDER_WAY
    Downloader(threading.Event()).fetch(the_download())
    assert the_download().state == State.READY


def test_a_model_that_is_offered_no_more(downloader: Downloader) -> None:
    row = Download.objects.create(name="gone")
    downloader.fetch(row)
    row.refresh_from_db()
    assert row.state == State.FAILED


def test_the_catalogue_is_sound() -> None:
    for name, model in catalogue.CATALOGUE.items():
        assert re.fullmatch(r"[a-z0-9.-]+", name)
        assert re.fullmatch(r"[0-9a-f]{64}", model.sha256)
        assert re.search(r"/resolve/[0-9a-f]{40}/[^/]+\.gguf$", model.path), "a revision never changes"
        assert model.licence
        assert model.size_bytes < model.memory_bytes
