"""Two visitors meet one avatar: one opens the room, the other comes by the link, both read and hear the same."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.product import Product
from tests.browser.screens import overflow_px, watch_for_trouble
from tests.browser.visitor import visitor, wait_until, write_microphone

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

WITHIN_MS = 60_000


def join(page: Page, name: str) -> None:
    page.fill("#own-name", name)
    page.click("#talk")
    page.wait_for_selector("[data-phase=live][data-picture]", timeout=WITHIN_MS)


def write(page: Page, words: str) -> None:
    page.fill("#message", words)
    page.press("#message", "Enter")


def test_two_meet_one_avatar(product: Product, tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    write_microphone(silence, 1.0, rate_hz=48_000)
    trouble: list[str] = []
    with visitor(silence) as ann:
        watch_for_trouble(ann, trouble)
        ann.goto(product.url + "/")
        ann.get_by_role("link", name="Nell").first.click()
        ann.get_by_role("button", name="Meet together").click()
        join(ann, "Ann")
        ann.click("#invite-toggle")
        talk_link, watch_link = ann.input_value("#talk-link"), ann.input_value("#watch-link")
        ann.click("[data-close=invite]")

        # A phone, in a window of its own.
        ben = ann.context.browser.new_context(  # type: ignore[union-attr]
            viewport={"width": 390, "height": 844}, permissions=["microphone"]
        ).new_page()
        watch_for_trouble(ben, trouble)
        ben.goto(talk_link)
        assert overflow_px(ben) == 0
        join(ben, "Ben")
        assert overflow_px(ben) == 0
        people = ann.locator("#people li")
        expect(people).to_have_count(2, timeout=WITHIN_MS)
        expect(people).to_have_text([re.compile("Ann.*you"), re.compile("Ben")])

        write(ben, "Who are you?")
        expect(ben.locator("#transcript li[data-who=user]")).to_contain_text(["Who are you?"])
        asked = ann.locator("#transcript li[data-other]")
        expect(asked.locator(".who")).to_have_text(["Ben"], timeout=WITHIN_MS)
        expect(asked.locator("p")).to_have_text(["Who are you?"])
        for page in (ann, ben):
            answer = page.locator("#transcript li[data-who=user] ~ li[data-who=avatar]").first
            expect(answer).to_contain_text(re.compile(r"\w+"), timeout=WITHIN_MS)

        # Who leaves ends nothing for the other.
        ann.click("#hangup")
        expect(ben.locator("#people li")).to_have_count(1, timeout=WITHIN_MS)
        assert ben.evaluate("window.parlo.phase") == "live"

        # Ann looks on from now on, and is asked for nothing.
        ann.goto(watch_link)
        assert "microphone" not in ann.inner_text("#curtain").lower()
        join(ann, "Ann")
        expect(ann.locator("#write")).to_be_hidden()
        expect(ann.locator("#mute")).to_be_hidden()
        wait_until(ann, "document.getElementById('people').innerText.includes('watching')", WITHIN_MS)
    assert trouble == []
