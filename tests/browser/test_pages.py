"""Pages as a browser sees them: they fit, they keep to themselves, and the page to talk on has words for every trouble."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.product import Product
from tests.browser.screens import SCHEMES, SIZES, chromium, overflow_px, sign_in, watch_for_trouble
from tests.browser.visitor import visitor, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

FAKE_SERVER = Path(__file__).with_name("fake_server.js")
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def creator(product: Product) -> str:
    script = (
        "from django.contrib.auth import get_user_model; "
        f"get_user_model().objects.create_user('maker', 'maker@example.org', '{PASSWORD}')"
    )
    product.manage("shell", "-v", "0", "-c", script)
    return "maker"


@pytest.fixture(scope="module")
def code(product: Product) -> str:
    script = "from avatars.models import Avatar; print(Avatar.objects.get(demo_key='nell').code)"
    return product.manage("shell", "-v", "0", "-c", script).strip()


@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits_and_keeps_to_itself(product: Product, creator: str, code: str, size: str) -> None:
    width, height = SIZES[size]
    paths = [
        "/",
        f"/a/{code}/",
        f"/a/{code}/talk/",
        "/?q=nobody",
        "/studio/",
        "/studio/new/",
        "/accounts/secrets/",
        "/accounts/memories/",
        "/check/",
    ]
    trouble: list[str] = []
    with chromium() as browser:
        for scheme in SCHEMES:
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            page = context.new_page()
            watch_for_trouble(page, trouble)
            page.on("request", lambda request: None if is_ours(request.url, product) else trouble.append(request.url))
            for path in ("/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"):
                page.goto(product.url + path)
                page.wait_for_load_state("networkidle")
                if overflow_px(page):
                    trouble.append(f"{path} scrolls sideways")
            sign_in(page, product.url, creator, PASSWORD)
            for path in paths:
                page.goto(product.url + path)
                page.wait_for_load_state("networkidle")
                if excess := overflow_px(page):
                    trouble.append(f"{path} scrolls sideways by {excess} px at {size}, {scheme}")
                if not page.title() or page.locator("h1").count() != 1:
                    trouble.append(f"{path} has no title or not one heading")
            context.close()
    assert trouble == []


def is_ours(url: str, product: Product) -> bool:
    return url.startswith((product.url, "data:", "blob:"))


def test_previews_move_when_somebody_looks(product: Product) -> None:
    with visitor(None) as page:
        page.goto(product.url + "/")
        wait_until(page, "[...document.querySelectorAll('.hero video')].some((film) => film.currentTime > 0.2)")
        assert page.evaluate("[...document.querySelectorAll('.cards video')].every((film) => !film.src)")
        page.locator(".card").nth(1).hover()
        wait_until(page, "document.querySelectorAll('.cards video')[1].currentTime > 0.2")


def test_the_keyboard_reaches_the_conversation(product: Product, code: str) -> None:
    with visitor(None) as page:
        page.goto(f"{product.url}/a/{code}/")
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent.trim().startsWith('Talk to')"):
                break
        page.keyboard.press("Enter")
        page.wait_for_url("**/talk/")
        page.focus("#talk")
        page.keyboard.press("Enter")
        page.wait_for_selector("[data-picture]", timeout=20_000)
        page.keyboard.press("Escape")
        page.click("#hangup")


@pytest.fixture
def staged(product: Product, code: str) -> Iterator[Page]:
    """The page to talk on, with a server inside it that does what a test tells it to."""
    with visitor(None) as page:
        page.add_init_script(path=FAKE_SERVER)
        page.goto(f"{product.url}/a/{code}/talk/")
        yield page


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("{error: {code: 'full', message: ''}}", "All places are taken"),
        ("{error: {code: 'no_worker', message: ''}}", "no media worker"),
        ("{error: {code: 'not_ready', message: ''}}", "not ready to talk"),
        ("{error: {code: 'not_found', message: ''}}", "no longer here"),
        ("{close: 4404}", "no longer here"),
        ("{close: 4401}", "You may not talk"),
        ("{close: 4429}", "Too many calls"),
    ],
)
def test_a_refusal_is_told_in_words(staged: Page, answer: str, words: str) -> None:
    staged.evaluate(f"window.fakeServer.answers.push({answer})")
    staged.click("#talk")
    expect(staged.locator("#curtain-words")).to_contain_text(words)
    expect(staged.locator("#talk")).to_be_enabled()


def test_a_lost_connection_is_mended_with_the_token(staged: Page) -> None:
    staged.click("#talk")
    wait_until(staged, "window.parlo.phase === 'live'")
    staged.evaluate("window.fakeServer.drop()")
    wait_until(staged, "window.parlo.phase === 'reconnecting'", 3_000)
    expect(staged.locator("#notice-words")).to_contain_text("connection was lost")
    wait_until(staged, "window.parlo.phase === 'live'")
    assert staged.evaluate("window.fakeServer.joins") == [None, "the-token"]


def test_a_server_that_falls_silent_is_noticed(staged: Page) -> None:
    staged.click("#talk")
    wait_until(staged, "window.parlo.phase === 'live'")
    staged.evaluate("window.fakeServer.fallSilent()")
    # First that it is so, and when it stays so, what is done about it.
    wait_until(staged, "document.getElementById('notice-words').textContent.includes('connection is weak')", 6_000)
    assert staged.evaluate("window.parlo.phase") == "live"
    wait_until(staged, "window.parlo.phase === 'reconnecting'", 9_000)


def test_attempts_come_to_an_end(staged: Page) -> None:
    staged.click("#talk")
    wait_until(staged, "window.parlo.phase === 'live'")
    staged.evaluate("window.fakeServer.answers.push(...Array(9).fill({error: {code: 'no_worker', message: ''}}))")
    staged.evaluate("window.fakeServer.drop()")
    wait_until(staged, "window.parlo.phase === 'failed'", 45_000)
    assert staged.evaluate("window.fakeServer.joins.length") == 10
    expect(staged.locator("#talk-words")).to_have_text("Reconnect")


def test_without_a_microphone_one_can_type(product: Product, code: str) -> None:
    with visitor(None) as page:
        page.add_init_script(path=FAKE_SERVER)
        page.add_init_script(
            "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('none', 'NotFoundError'))"
        )
        page.goto(f"{product.url}/a/{code}/talk/")
        page.click("#talk")
        wait_until(page, "window.parlo.phase === 'live'")
        expect(page.locator("#notice-words")).to_contain_text("microphone")
        page.fill("#message", "Hello")
        page.click("#send")
        wait_until(page, "window.fakeServer.received.some((one) => one.type === 'text' && one.text === 'Hello')")


def test_push_to_talk_by_button_and_by_space_bar_is_remembered(staged: Page) -> None:
    said = "fakeServer.received.map((message) => message.type).filter((type) => ['press', 'release'].includes(type)).length"
    staged.click("#talk")
    wait_until(staged, "window.parlo.phase === 'live'")
    assert not staged.is_visible("#push")
    staged.click("#devices-toggle")
    staged.check("#push-to-talk")
    staged.keyboard.press("Escape")
    wait_until(staged, "fakeServer.received.some(({ type, on }) => type === 'push_to_talk' && on)")
    assert not staged.is_visible("#mute")
    staged.hover("#push")
    staged.mouse.down()
    assert staged.inner_text("#push") == "Let go when you are done"
    assert staged.get_attribute("#push", "aria-pressed") == "true"
    # However far the pointer slides.
    staged.mouse.move(5, 5)
    staged.mouse.up()
    assert staged.inner_text("#push") == "Hold to talk"
    wait_until(staged, f"{said} === 2")
    staged.evaluate("document.activeElement.blur()")
    staged.keyboard.down("Space")
    staged.keyboard.down("Space")
    assert staged.get_attribute("#push", "aria-pressed") == "true"
    staged.keyboard.up("Space")
    wait_until(staged, f"{said} === 4")
    staged.fill("#message", "")
    staged.type("#message", "a b")
    assert staged.input_value("#message") == "a b"
    staged.dispatch_event("#push", "click")
    assert staged.get_attribute("#push", "aria-pressed") == "true"
    staged.evaluate("dispatchEvent(new Event('blur'))")
    wait_until(staged, f"{said} === 6")
    staged.reload()
    assert staged.is_checked("#push-to-talk")


def test_the_last_turns_are_shown_as_a_waterfall(staged: Page) -> None:
    trouble: list[str] = []
    watch_for_trouble(staged, trouble)
    staged.click("#talk")
    staged.wait_for_selector("[data-picture]", timeout=20_000)
    wait_until(staged, "window.fakeServer.channel?.readyState === 'open'")
    marks = {
        "speech_end": 0,
        "transcript": 260,
        "turn_decided": 350,
        "first_token": 300,
        "first_audio": 600,
        "first_frame": 640,
    }
    for turn in range(1, 13):
        staged.evaluate("(event) => window.fakeServer.say(event)", {"type": "latency", "turn": turn, "marks": marks})
    staged.click("#debug-toggle")
    rows = staged.locator(".turn-bars li:not(.axis)")
    expect(rows).to_have_count(10)
    expect(rows.first).to_contain_text("640 ms")
    track, words, thought = (
        rows.first.locator(part).bounding_box()
        for part in (".track", "[data-step=transcript]", "[data-step=first_token]")
    )
    assert track is not None
    assert words is not None
    assert thought is not None
    assert words["width"] == pytest.approx(track["width"] * 260 / 640, abs=2)
    # Thought of before the turn was over: a bar of its own all the same, behind that of the words.
    assert thought["x"] == pytest.approx(words["x"] + words["width"], abs=2)
    staged.click("#debug summary")
    expect(staged.locator("#debug tbody tr").first.locator("th, td")).to_have_text(
        ["12", "260", "350", "300", "600", "640"]
    )
    assert trouble == []


def test_the_avatar_lowers_its_voice_and_falls_silent_at_once(staged: Page) -> None:
    staged.click("#talk")
    staged.wait_for_selector("[data-picture]", timeout=20_000)
    wait_until(staged, "window.fakeServer.channel?.readyState === 'open'")
    staged.evaluate(
        """() => {
          window.volumes = [];
          window.parlo.video.addEventListener('volumechange', () => window.volumes.push(window.parlo.video.volume));
        }"""
    )
    # By itself it is loud again: soon where it only yields, late where it was interrupted and nothing new is announced.
    for event, lowest in (("yield", 0.1), ("interrupted", 0)):
        staged.evaluate("(event) => window.fakeServer.say(event)", {"type": event, "turn": 1, "text": ""})
        wait_until(staged, f"window.volumes.includes({lowest})")
        wait_until(staged, "window.volumes.at(-1) === 1")
    staged.evaluate("window.fakeServer.say({type: 'interrupted', turn: 1, text: ''})")
    staged.evaluate("window.fakeServer.say({type: 'state', state: 'speaking'})")
    wait_until(staged, "window.parlo.video.volume === 1 && window.parlo.state === 'speaking'")


def test_a_link_is_shown_and_opened_by_the_visitor_alone(staged: Page) -> None:
    trouble: list[str] = []
    watch_for_trouble(staged, trouble)
    address = staged.url
    staged.click("#talk")
    staged.wait_for_selector("[data-picture]", timeout=20_000)
    wait_until(staged, "window.fakeServer.channel?.readyState === 'open'")
    for title, url in (
        ("Bad", "javascript:alert(1)"),
        ("Plain", "http://a.example/"),
        ("Hours", "https://a.example/b"),
    ):
        event = {"type": "card", "turn": 1, "title": title, "url": url}
        staged.evaluate("(event) => window.fakeServer.say(event)", event)
    caption = {"type": "caption", "who": "avatar", "turn": 1, "text": "Here they are.", "final": True}
    staged.evaluate("(event) => window.fakeServer.say(event)", caption)
    link = staged.locator("#card a")
    expect(link).to_have_count(1)
    expect(link).to_contain_text("Hours")
    expect(link).to_contain_text("a.example")
    assert link.get_attribute("href") == "https://a.example/b"
    assert link.get_attribute("target") == "_blank"
    assert "noopener" in (link.get_attribute("rel") or "")
    expect(staged.locator("#transcript li[data-who=avatar]")).to_have_count(1)
    expect(staged.locator("#transcript li[data-who=avatar]")).to_contain_text("Here they are.Hours")
    assert staged.url == address
    staged.click("#card button")
    expect(staged.locator("#card")).to_be_hidden()
    expect(staged.locator("#transcript a")).to_be_visible()
    assert trouble == []


def test_who_is_remembered_says_so_themselves(product: Product, code: str, creator: str) -> None:
    offer = "from avatars.models import Avatar; Avatar.objects.filter(demo_key='nell').update(remembers={})"
    trouble: list[str] = []
    product.manage("shell", "-v", "0", "-c", offer.format(True))
    try:
        with visitor(None) as page:
            watch_for_trouble(page, trouble)
            page.add_init_script(path=FAKE_SERVER)
            sign_in(page, product.url, creator, PASSWORD)
            page.goto(f"{product.url}/a/{code}/talk/")
            page.click("#memory-open")
            expect(page.locator("#remember")).not_to_be_checked()
            page.check("#remember")
            expect(page.locator("#memory-words")).to_contain_text("may remember you")
            page.reload()
            expect(page.locator("#memory-state")).to_contain_text("remembers you")
            page.click("#memory-open")
            page.locator("#remember").click()
            expect(page.locator("#remember")).to_be_checked()
            page.click("#memory-keep")
            page.locator("#remember").click()
            page.click("#memory-delete")
            expect(page.locator("#memory-words")).to_contain_text("is deleted")
            expect(page.locator("#remember")).not_to_be_checked()
            page.keyboard.press("Escape")
            page.click("#talk")
            wait_until(page, "window.parlo.phase === 'live'")
            # One page, one conversation, whichever modules it is made of.
            assert page.evaluate("window.fakeServer.joins.length") == 1
            zone = page.evaluate("window.fakeServer.received.find((message) => message.type === 'join').time_zone")
            assert zone == page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    finally:
        product.manage("shell", "-v", "0", "-c", offer.format(False))
    assert trouble == []
