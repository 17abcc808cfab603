"""A white square and a beep at the same moment, sent as every picture and voice is; and when Chromium shows and plays them.

The clock, the encoders, the outlet, the tracks and the connection are the media worker's; only the face has a square painted
on it, and in place of a voice it beeps. The page is a bare one with the product's own connection.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page, Route

from avatars.build import build_avatar
from avatars.engine.controls import FRAME_RATE_HZ
from avatars.engine.face import Rig, renderer_of
from avatars.engine.performer import Performer
from avatars.engine.speech import SAMPLE_RATE_HZ
from avatars.engine.speech.spoken import SAMPLES_PER_FRAME
from avatars.imx import open_imx
from realtime.frames import FrameThread
from realtime.rtc import FanOut, Feed, Network, Outlet, Peer, Tick, offer_loopback
from tests.browser.visitor import visitor

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "avatars/demo/monalisa.jpg"
SCRIPTS = {
    "peer.js": ROOT / "static/js/talk/peer.js",
    "flash_and_beep.js": Path(__file__).with_name("flash_and_beep.js"),
}
SIZE = (512, 512)
ADDRESS = "http://localhost/"
SQUARE = slice(16, 112)
BLACK, WHITE = 16, 235
LIT_FRAMES = 3
BEEP_HZ = 1000
# Nobody who takes the wrong beep for a flash's gets away with it: the gaps differ.
GAP_FRAMES = (20, 35)
PAIRED_WITHIN_MS = 350.0
ANSWER_WITHIN_S = 20.0

_Result = TypeVar("_Result")

PAGE = """<!doctype html><meta charset="utf-8"><title>Flash and beep</title>
<video id="avatar-video" autoplay playsinline width="512" height="512"></video>
<script type="module" src="/flash_and_beep.js"></script>"""


class FlashAndBeep:
    """A show for the media thread: a face with a square that is white, and a beep, for `LIT_FRAMES` now and then."""

    def __init__(self, rig: Rig) -> None:
        self.audience = FanOut()
        self.outlet = Outlet(*SIZE, self.audience)
        self._performer = Performer(renderer_of(rig), seed=3)
        self._random = np.random.default_rng(11)
        self._picture = np.zeros((SIZE[1] * 3 // 2, SIZE[0]), np.uint8)
        self._next = FRAME_RATE_HZ
        self._lit = False
        self.rung_changes = 0
        time_s = np.arange(LIT_FRAMES * SAMPLES_PER_FRAME) / SAMPLE_RATE_HZ
        self._beep = (16_000 * np.cos(2 * np.pi * BEEP_HZ * time_s)).astype(np.int16)

    def perform(self, tick: Tick) -> None:
        """Make one frame."""
        if self.outlet.congested:
            return
        if tick.index >= self._next + LIT_FRAMES:
            self._next = tick.index + int(self._random.integers(*GAP_FRAMES))
        at = tick.index - self._next
        take = self._performer.next(draw=tick.picture)
        np.copyto(self._picture, take.picture)
        self._picture[SQUARE, SQUARE] = WHITE if at >= 0 else BLACK
        unchanged = take.unchanged and self._lit is (at >= 0)
        rate_kbit_s = self.outlet.rate_kbit_s
        self.outlet.feed(tick, self._picture, self._sound(at), unchanged=unchanged)
        self.rung_changes += self.outlet.rate_kbit_s != rate_kbit_s
        # What was not to be drawn was not sent either.
        self._lit = at >= 0 if tick.picture else self._lit

    def failed(self, error: Exception) -> None:
        """Nothing more is seen; the visitor will say so."""

    def _sound(self, at: int) -> NDArray[np.int16]:
        silence = np.zeros(SAMPLES_PER_FRAME, np.int16)
        return self._beep[at * SAMPLES_PER_FRAME : (at + 1) * SAMPLES_PER_FRAME] if at >= 0 else silence


class _Call:
    """One connection to the show, on the event loop."""

    def __init__(self, rig: Rig, frames: FrameThread) -> None:
        self.show = FlashAndBeep(rig)
        self._frames = frames
        self._feed = Feed()
        self._peer = Peer(self._feed, self, Network())

    async def answer(self, sdp: str) -> str:
        return await self._peer.answer(sdp)

    async def close(self) -> None:
        self._frames.remove(self.show)
        self.show.outlet.close()
        await self._peer.close()

    def heard(self, samples: NDArray[np.float32]) -> None:
        pass

    def received(self, message: dict[str, Any]) -> None:
        pass

    def connected(self) -> None:
        self.show.audience.add(self._feed)
        self._frames.add(self.show)

    def channel_opened(self) -> None:
        pass

    def lost(self) -> None:
        pass


class Studio:
    """What sends: an event loop and a media thread, as in a media worker."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loop", daemon=True)
        self.frames = FrameThread()
        self._calls: list[_Call] = []

    def start(self) -> None:
        offer_loopback(True)
        self._thread.start()
        self.frames.start()

    def answer(self, sdp: str) -> str:
        """Take a browser's offer; the show begins when media can flow."""
        return self._wait(self._answer(sdp))

    def stop(self) -> None:
        for call in self._calls:
            self._wait(call.close())
        self.frames.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    @property
    def rung_changes(self) -> int:
        """How often the picture's cap on bits has changed, and a key frame was due to that."""
        return sum(call.show.rung_changes for call in self._calls)

    async def _answer(self, sdp: str) -> str:
        call = _Call(self._rig, self.frames)
        self._calls.append(call)
        return await call.answer(sdp)

    def _wait(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        future: Future[_Result] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(ANSWER_WITHIN_S)


@dataclass(frozen=True)
class Seen:
    """What the browser noted, all times in milliseconds of its own clock.

    flashes, beeps: when each was shown, and left the loudspeaker. gaps: (n, 3): when a picture was shown, how long after the one
    before, and how many the page did not see between them. lags: (n, 2): when, and how far the browser itself thinks
    that the sound is ahead of the picture. received: its statistics of picture and sound.
    """

    flashes: NDArray[np.float64]
    beeps: NDArray[np.float64]
    gaps: NDArray[np.float64]
    lags: NDArray[np.float64]
    received: dict[str, Any]
    until_ms: float

    @classmethod
    def by(cls, page: Page) -> "Seen":
        """What a page has seen so far."""
        told = page.evaluate("window.seen()")

        def rows(name: str, *columns: str) -> NDArray[np.float64]:
            found = [[row[column] for column in columns] for row in told[name]]
            return np.array(found, np.float64).reshape(-1, len(columns))

        return cls(
            rows("flashes", "ms")[:, 0],
            rows("beeps", "ms")[:, 0],
            rows("gaps", "ms", "gap", "unseen"),
            rows("playouts", "ms", "lag"),
            told["received"] or {},
            float(told["now"]),
        )

    def offsets(self, after_ms: float) -> NDArray[np.float64]:
        """(n, 2): when a flash after `after_ms` was shown, and how much later that was than its beep; negative is earlier."""
        pairs = []
        for flash in self.flashes[self.flashes > after_ms]:
            nearest = self.beeps[np.argmin(np.abs(self.beeps - flash))] if len(self.beeps) else np.inf
            if abs(flash - nearest) < PAIRED_WITHIN_MS:
                pairs.append((flash, flash - nearest))
        return np.array(pairs, np.float64).reshape(-1, 2)

    def waits_ms(self, after_ms: float) -> NDArray[np.float64]:
        """For each picture after `after_ms`, the least it can have been waited for, in milliseconds."""
        later = self.gaps[self.gaps[:, 0] > after_ms]
        return later[:, 1] - later[:, 2] * 1000 / FRAME_RATE_HZ


def rig(folder: Path) -> Rig:
    """The face that is drawn under the square."""
    imx = folder / "face.imx"
    build_avatar(PICTURE, imx, size=SIZE, licence="public domain", consent="painting")
    return Rig.from_portrait(open_imx(imx).portrait())


@contextmanager
def watched(folder: Path) -> Iterator[tuple[Page, Studio]]:
    """A page of Chromium that watches and listens, and what sends to it; what the page has noted is `Seen.by` it."""
    studio = Studio(rig(folder))
    studio.start()
    try:
        with visitor(None, measuring=True) as page:
            page.route(ADDRESS + "**", _serve)
            page.goto(ADDRESS)
            page.evaluate("(sdp) => window.answer(sdp)", studio.answer(page.evaluate("window.offer()")))
            page.evaluate("window.watch()")
            yield page, studio
    finally:
        studio.stop()


def _serve(route: Route) -> None:
    script = SCRIPTS.get(route.request.url.removeprefix(ADDRESS))
    if script is None:
        route.fulfill(body=PAGE, content_type="text/html")
    else:
        route.fulfill(body=script.read_text(encoding="utf-8"), content_type="text/javascript")
