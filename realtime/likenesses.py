"""The faces a worker has loaded: each avatar's rig once, however many sessions draw it."""

import asyncio
import shutil
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Final

from django.core.files.storage import default_storage

from avatars.engine.face import Rig
from avatars.engine.mouth_network import painting_renderer
from avatars.imx import open_imx

KEPT: Final = 8


class Likenesses:
    """Loads and keeps the rigs used last. A published file never changes its contents, so its name is the key."""

    def __init__(self) -> None:
        self._rigs: OrderedDict[str, Rig] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Rig]] = {}

    async def rig(self, imx_name: str) -> Rig:
        """The rig of a stored `.imx`. Raises `ImxError`, `ValueError` or `OSError`."""
        if imx_name in self._rigs:
            self._rigs.move_to_end(imx_name)
            return self._rigs[imx_name]
        if imx_name not in self._loading:
            self._loading[imx_name] = asyncio.create_task(asyncio.to_thread(_load, imx_name))
        try:
            # Shielded: another session may wait for the same face.
            rig = await asyncio.shield(self._loading[imx_name])
        finally:
            if imx_name in self._loading and self._loading[imx_name].done():
                del self._loading[imx_name]
        self._rigs[imx_name] = rig
        while len(self._rigs) > KEPT:
            self._rigs.popitem(last=False)
        return rig


def _load(imx_name: str) -> Rig:
    try:
        path = Path(default_storage.path(imx_name))
    except NotImplementedError:
        # The storage is remote: work on a copy.
        with tempfile.TemporaryDirectory(prefix="parlo-imx-") as folder:
            path = Path(folder) / "avatar.imx"
            with default_storage.open(imx_name, "rb") as stored, path.open("wb") as local:
                shutil.copyfileobj(stored, local)
            return _rig_of(path)
    return _rig_of(path)


def _rig_of(path: Path) -> Rig:
    rig = Rig.from_portrait(open_imx(path).portrait())
    # What its renderers share is worked out for the first one: here, and not on the event loop when a session begins.
    painting_renderer(rig)
    return rig
