"""Pulling cables in the middle of a conversation: what the visitor sees, and that nothing is left behind."""

import time
from contextlib import suppress

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser.product import Product
from tests.browser.test_conversation import ANSWER_WITHIN_MS, sign_up, start_build, talk, wait_for_state
from tests.browser.visitor import visitor, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


def phases(page: Page) -> list[str]:
    found: list[str] = page.evaluate("window.parlo.events.filter((e) => e.type === 'phase').map((e) => e.phase)")
    return found


def ask(page: Page, text: str) -> None:
    """Type something, and wait for the words and the end of the answer."""
    before = page.locator("#transcript li[data-who=avatar]").count()
    page.fill("#message", text)
    page.click("#send")
    expect(page.locator("#transcript li[data-who=avatar]").nth(before)).not_to_be_empty(timeout=ANSWER_WITHIN_MS)


def wait_until_back(page: Page) -> None:
    wait_until(page, "window.parlo.phase === 'live'", 40_000)
    wait_for_state(page, "listening")


def test_a_closed_tab_ends_its_session(product: Product) -> None:
    with visitor(None) as page:
        talk(page, product, "Pluvio")
        wait_for_state(page, "speaking")
        page.close(run_before_unload=False)
        deadline = time.monotonic() + 8
        while (newest := product.sessions()[0])[0] != "ended" and time.monotonic() < deadline:
            time.sleep(0.3)
    assert newest[0] == "ended"
    assert newest[1] in {"left", "lost"}


def test_a_dead_media_worker_is_told_and_replaced(product: Product) -> None:
    with visitor(None) as page:
        talk(page, product, "Pluvio")
        wait_for_state(page, "listening")
        greeting = spoken_by_the_avatar(page)[0]
        # What was said is given to the page every two seconds.
        page.wait_for_timeout(2_500)
        product.kill("mediaworker")
        wait_until(page, "window.parlo.phase === 'reconnecting'", 5_000)
        expect(page.locator("#notice-words")).not_to_be_empty()
        product.wait_until_ready()
        if page.evaluate("window.parlo.phase") == "failed":
            # Three attempts were over before the new worker was there: the page offers another.
            expect(page.locator("#talk-words")).to_have_text("Reconnect")
            page.click("#talk")
        wait_until_back(page)
        ask(page, "Are you there again?")
        # The conversation went on: nobody was greeted a second time.
        assert spoken_by_the_avatar(page).count(greeting) == 1
        page.click("#hangup")
    # The books are closed when the worker was missed twice, ten seconds apart.
    deadline = time.monotonic() + 45
    while ("ended", "worker_lost") not in product.sessions() and time.monotonic() < deadline:
        time.sleep(1)
    assert ("ended", "worker_lost") in product.sessions()


def spoken_by_the_avatar(page: Page) -> list[str]:
    """Its lines, as the page got them whole."""
    lines: list[str] = page.evaluate(
        "window.parlo.events.filter((e) => e.type === 'caption' && e.who === 'avatar' && e.final).map((e) => e.text)"
    )
    return lines


def test_the_conversation_outlives_the_web_process(product: Product) -> None:
    with visitor(None) as page:
        talk(page, product, "Pluvio")
        wait_for_state(page, "listening")
        ask(page, "Hello there.")
        wait_for_state(page, "listening")
        product.kill("daphne")
        wait_until(page, "window.parlo.phase === 'reconnecting'", 6_000)
        wait_until_back(page)
        ask(page, "Can you hear me?")
        page.click("#hangup")


def test_the_conversation_outlives_valkey(product: Product) -> None:
    with visitor(None) as page:
        talk(page, product, "Pluvio")
        wait_for_state(page, "listening")
        product.kill("valkey")
        page.wait_for_timeout(1_000)
        wait_until_back(page)
        ask(page, "Still there?")
        page.click("#hangup")
    product.wait_until_ready()


def test_a_dead_brain_is_owned_up_to(product: Product) -> None:
    with visitor(None) as page:
        talk(page, product, "Pluvio")
        wait_for_state(page, "listening")
        product.kill("manage.py brain")
        page.fill("#message", "How do magnets work?")
        page.click("#send")
        answer = page.locator("#transcript li[data-who=user] ~ li[data-who=avatar]").first
        expect(answer).not_to_be_empty(timeout=ANSWER_WITHIN_MS)
        expect(page.locator("#notice-words")).not_to_be_empty()
        page.click("#hangup")
    product.wait_until_ready()


def test_a_build_outlives_its_builder(product: Product) -> None:
    with visitor(None) as page:
        sign_up(page, product, "stubborn")
        start_build(page, product, "Ada")
        product.kill("manage.py builder")
        page.reload()
        page.wait_for_selector("[data-build-state=ready]", timeout=90_000)


def test_a_lost_network_is_told_and_mended(product: Product) -> None:
    with visitor(None) as page:
        talk(page, product, "Pluvio")
        wait_for_state(page, "listening")
        page.context.set_offline(True)
        # Loopback has no cable to pull: going offline cuts the page's sockets, not its media.
        page.evaluate("fetch('/healthz').catch(() => {})")
        page.wait_for_timeout(500)
        page.context.set_offline(False)
        wait_until_back(page)
        page.click("#hangup")


def test_a_full_house_is_told(product: Product) -> None:
    """Three find a place, fewer where the machine has enough to do with those it has."""
    with visitor(None) as page:
        guests: list[Page] = []
        late = page
        while True:
            late.goto(product.url + "/")
            late.get_by_role("link", name="Pluvio").first.click()
            late.get_by_role("link", name="Talk").first.click()
            late.click("#talk")
            late.wait_for_selector("[data-picture], #curtain-words:has-text('in a little while')", timeout=20_000)
            if not late.locator("[data-picture]").count():
                break
            guests.append(late)
            assert len(guests) <= 3
            late = page.context.new_page()
        assert guests
        words = late.locator("#curtain-words").inner_text()
        assert "All places are taken" in words or "busy with the conversations it holds" in words
        guests.pop(0).click("#hangup")
        # A machine that has trouble takes somebody in only once it has calmed down.
        for _ in range(10):
            late.wait_for_timeout(2_000)
            if late.locator("#talk").is_visible():
                late.click("#talk")
            with suppress(PlaywrightTimeout):
                late.wait_for_selector("[data-picture]", timeout=4_000)
                break
        expect(late.locator("[data-picture]")).to_be_attached()
        for guest in guests:
            guest.click("#hangup")
