"""A network that is gone for ten seconds in the middle of a conversation, in earnest: nothing passes in either direction."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from benchmarks.link import Condition, Link, link, why_no_link
from tests.browser.product import Product, free_port
from tests.browser.test_cables import ask, phases
from tests.browser.test_conversation import talk, wait_for_state
from tests.browser.visitor import visitor, wait_until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(why_no_link()), reason=why_no_link()),
]

DROPPED_MS = 10_000


@pytest.fixture(scope="module")
def way() -> Iterator[Link]:
    with link() as made:
        yield made


@pytest.fixture(scope="module")
def product(way: Link, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    port = free_port()
    settings = {"BIND": "0.0.0.0", "ALLOWED_HOSTS": f"{way.near},localhost", "ICE_LOOPBACK": "0"}
    running = Product(tmp_path_factory.mktemp("parlo"), port, host=way.near, settings=settings)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def transcript(page: Page) -> list[str]:
    return page.locator("#transcript li p").all_inner_texts()


def test_ten_seconds_without_a_network_do_not_end_a_conversation(way: Link, product: Product) -> None:
    with visitor(None, inside=way.inside, secure=product.url) as page:
        talk(page, product, "Pluvio")
        wait_for_state(page, "speaking")
        wait_for_state(page, "listening")
        ask(page, "Hello there.")
        wait_for_state(page, "listening")
        before = transcript(page)
        session = product.sessions()
        way.become(Condition(down=True))
        # The page says so while it lasts, and goes on trying.
        expect(page.locator("#notice-words")).to_contain_text("connection is weak", timeout=DROPPED_MS - 2_000)
        wait_until(page, "window.parlo.phase === 'reconnecting'", DROPPED_MS)
        expect(page.locator("#notice-words")).to_contain_text("connection was lost")
        page.wait_for_timeout(2_000)
        way.become(Condition())
        wait_until(
            page, "window.parlo.phase === 'live' && document.documentElement.hasAttribute('data-picture')", 15_000
        )
        wait_for_state(page, "listening", 10_000)
        assert transcript(page)[: len(before)] == before
        assert "failed" not in phases(page)
        ask(page, "Are you still there?")
        # One conversation, before and after.
        assert [state for state, _ in product.sessions()] == ["live"] == [state for state, _ in session]
        page.click("#hangup")
