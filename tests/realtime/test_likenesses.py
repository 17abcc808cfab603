"""The faces that a worker keeps: each loaded once, however many ask."""

import asyncio
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, default_storage

from avatars.imx import ImxError, write_imx
from realtime import likenesses
from realtime.likenesses import KEPT, Likenesses
from tests.imx.conftest import manifest_of
from tests.portraits import MONA_LISA, portrait_of


class RemoteStorage(Storage):
    """Has no files that could be opened where they are."""

    kept: ClassVar[dict[str, bytes]] = {}

    def _open(self, name: str, mode: str = "rb") -> ContentFile[bytes]:
        return ContentFile(self.kept[name], name)

    def _save(self, name: str, content: Any) -> str:
        self.kept[name] = content.read()
        return name

    def exists(self, name: str) -> bool:
        return False


class Loader:
    """Stands in for loading; counts, and can be held up."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.error: Exception | None = None

    def __call__(self, name: str) -> Any:
        self.loaded.append(name)
        if self.error:
            raise self.error
        return SimpleNamespace(name=name)


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Loader:
    loader = Loader()
    monkeypatch.setattr(likenesses, "_load", loader)
    return loader


async def test_a_face_is_loaded_once_however_many_ask(loader: Loader) -> None:
    faces = Likenesses()
    rigs = await asyncio.gather(*(faces.rig("one") for _ in range(5)))
    assert all(rig is rigs[0] for rig in rigs)
    assert await faces.rig("one") is rigs[0]
    assert loader.loaded == ["one"]


async def test_only_the_faces_used_last_are_kept(loader: Loader) -> None:
    faces = Likenesses()
    for number in range(KEPT):
        await faces.rig(str(number))
    await faces.rig("0")
    await faces.rig("new")
    loader.loaded.clear()
    await faces.rig("0")
    await faces.rig("1")
    assert loader.loaded == ["1"]


async def test_a_face_that_cannot_be_loaded_is_tried_again_next_time(loader: Loader) -> None:
    faces = Likenesses()
    loader.error = OSError("no disk")
    errors = await asyncio.gather(*(faces.rig("one") for _ in range(3)), return_exceptions=True)
    assert [str(error) for error in errors] == ["no disk"] * 3
    assert loader.loaded == ["one"]
    loader.error = None
    assert (await faces.rig("one")).name == "one"  # type: ignore[attr-defined]


async def test_who_stops_waiting_does_not_stop_the_others(loader: Loader) -> None:
    faces = Likenesses()
    impatient, patient = (asyncio.create_task(faces.rig("one")) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).name == "one"  # type: ignore[attr-defined]
    assert loader.loaded == ["one"]


def stored() -> str:
    """The name of the Mona Lisa in the default storage."""
    portrait = portrait_of(MONA_LISA)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mona.imx"
        write_imx(path, portrait, manifest_of(portrait), poster=b"\xff\xd8\xff poster", preview=b"preview")
        return default_storage.save("avatars/mona.imx", ContentFile(path.read_bytes()))


@pytest.mark.parametrize("storage", ["django.core.files.storage.FileSystemStorage", f"{__name__}.RemoteStorage"])
async def test_a_stored_avatar_becomes_a_rig_wherever_it_is_stored(settings: Any, storage: str) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": storage}}
    rig = await Likenesses().rig(await asyncio.to_thread(stored))
    assert (rig.portrait.width, rig.portrait.height) == (512, 512)


async def test_a_face_is_ready_to_be_drawn_before_the_event_loop_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first renderer works out what all of them share."""
    made: list[tuple[Any, int]] = []
    monkeypatch.setattr(likenesses, "painting_renderer", lambda rig: made.append((rig, threading.get_ident())))
    rig = await Likenesses().rig(await asyncio.to_thread(stored))
    ((prepared, thread),) = made
    assert prepared is rig
    assert thread != threading.get_ident()


@pytest.mark.parametrize("name", ["avatars/nobody.imx", "", "avatars"])
async def test_an_avatar_that_is_not_there_is_an_error_that_can_be_told(name: str) -> None:
    default_storage.save("avatars/other.txt", ContentFile(b"text"))
    with pytest.raises((OSError, ImxError, ValueError)):
        await Likenesses().rig(name)


async def test_a_broken_avatar_is_an_error_that_can_be_told() -> None:
    name = default_storage.save("broken.imx", ContentFile(b"no avatar"))
    with pytest.raises(ImxError):
        await Likenesses().rig(name)
