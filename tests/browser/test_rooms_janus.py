"""A room whose viewers are served by a real Janus: they see, hear and read; and what they are told while it is dead."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.product import Product
from tests.browser.screens import overflow_px, watch_for_trouble
from tests.browser.test_rooms import WITHIN_MS, join, write
from tests.browser.visitor import visitor, wait_until, write_microphone
from tests.rtc.janus_server import Janus, janus, needs_janus

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600), needs_janus]

PLAYS = (
    "(() => {{ const v = document.getElementById('avatar-video'); return v.videoWidth > 0 && v.currentTime > {0}; }})()"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Janus]:
    with janus(tmp_path / "janus") as running:
        yield running


@pytest.fixture
def forwarding(tmp_path: Path, server: Janus) -> Iterator[Product]:
    """A Parlo of its own, with this Janus."""
    running = Product(tmp_path / "data", settings={**server.settings, "JANUS_MOST_VIEWERS": "30"})
    try:
        running.start()
        yield running
    finally:
        running.stop()


def test_viewers_watch_through_janus_and_survive_its_death(forwarding: Product, server: Janus, tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    write_microphone(silence, 1.0, rate_hz=48_000)
    trouble: list[str] = []
    with visitor(silence) as ann:
        watch_for_trouble(ann, trouble)
        ann.goto(forwarding.url + "/")
        ann.get_by_role("link", name="Nell").first.click()
        ann.get_by_role("button", name="Meet together").click()
        join(ann, "Ann")
        ann.click("#invite-toggle")
        expect(ann.locator("#invite")).to_contain_text("Up to 4 people talk, and 30 more watch.")
        watch_link = ann.input_value("#watch-link")
        ann.click("[data-close=invite]")

        # A phone, in a window of its own.
        cleo = ann.context.browser.new_context(  # type: ignore[union-attr]
            viewport={"width": 390, "height": 844}
        ).new_page()
        watch_for_trouble(cleo, trouble)
        cleo.goto(watch_link)
        join(cleo, "Cleo")
        assert overflow_px(cleo) == 0
        wait_until(cleo, PLAYS.format(1), WITHIN_MS)
        for page in (ann, cleo):
            expect(page.locator("#people li")).to_have_count(2, timeout=WITHIN_MS)
        expect(cleo.locator("#people li[data-you]")).to_contain_text("Cleo")
        write(ann, "Who are you?")
        expect(cleo.locator("#transcript li[data-other] p")).to_have_text(["Who are you?"], timeout=WITHIN_MS)
        expect(cleo.locator("#transcript li[data-other] ~ li[data-who=avatar]").first).not_to_be_empty(
            timeout=WITHIN_MS
        )
        assert trouble == []

        server.stop()
        expect(cleo.locator("#notice")).to_contain_text("passes picture and sound on", timeout=WITHIN_MS)
        assert ann.evaluate("window.parlo.phase") == "live"
        expect(ann.locator("#people li")).to_have_count(1, timeout=WITHIN_MS)
        server.start()
        cleo.wait_for_selector("[data-phase=live][data-picture]", timeout=WITHIN_MS)
        wait_until(cleo, PLAYS.format(0.5), WITHIN_MS)
        expect(cleo.locator("#notice")).to_be_hidden()
        assert ann.evaluate("window.parlo.phase") == "live"

        expect(ann.locator("#people li")).to_have_count(2, timeout=WITHIN_MS)
        cleo.click("#hangup")
        expect(ann.locator("#people li")).to_have_count(1, timeout=WITHIN_MS)
