"""The connection check in a real browser, against a real media worker and a real TURN server; and with each of them broken."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.product import Product
from tests.browser.screens import overflow_px, watch_for_trouble
from tests.browser.visitor import visitor, wait_until
from tests.rtc.coturn import SECRET, needs_coturn

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300), needs_coturn]

WITHIN_MS = 45_000


@pytest.fixture
def checked(product: Product) -> Iterator[Callable[..., tuple[str, str, str]]]:
    """Run the check, with what the server says changed and with candidates lost on the way; returns state, verdict and rows."""
    with visitor(None, width=390, height=844) as page:
        trouble: list[str] = []
        watch_for_trouble(page, trouble)

        def run(
            change: Callable[[dict[str, Any]], None] = lambda message: None, *, lost: bool = False
        ) -> tuple[str, str, str]:
            page.route_web_socket("**/ws/check/", lambda socket: between(socket, change, lost=lost))
            page.goto(f"{product.url}/check/")
            wait_until(page, "document.getElementById('verdict').dataset.state !== 'running'", WITHIN_MS)
            assert overflow_px(page) == 0
            state = page.evaluate("document.getElementById('verdict').dataset.state")
            return state, page.inner_text("#verdict"), page.inner_text("#checks")

        yield run
        assert trouble == []


def between(socket: WebSocketRoute, change: Callable[[dict[str, Any]], None], *, lost: bool) -> None:
    server = socket.connect_to_server()

    def passed(text: str | bytes) -> str:
        message = json.loads(text)
        change(message)
        if lost and "sdp" in message:
            message["sdp"] = "".join(line for line in message["sdp"].splitlines(True) if "candidate" not in line)
        return json.dumps(message)

    server.on_message(lambda text: socket.send(passed(text)))
    socket.on_message(lambda text: server.send(passed(text)))


def told(**values: Any) -> Callable[[dict[str, Any]], None]:
    """A change of what the server tells the page to try."""
    return lambda message: message.update(values) if message["type"] == "servers" else None


DEAD = {"urls": "turn:127.0.0.1:9", "username": "u", "credential": "c"}


def test_where_everything_works_it_says_so(checked: Any) -> None:
    state, verdict, rows = checked()
    assert state == "good"
    assert "Conversations work from here" in verdict
    assert "straight to the media worker" in verdict
    assert "What to do" not in verdict
    assert rows.count("It relays, and the media worker answers through it") == 2
    assert "The STUN server sees you as" in rows
    assert "There is one, and this site may use it." in rows


def test_through_a_relay_alone(checked: Any) -> None:
    state, verdict, _ = checked(told(ice_policy="relay"))
    assert state == "good"
    assert "go through a relay (UDP)" in verdict


def test_a_relay_that_is_dead_or_refuses_is_named_with_what_to_open(checked: Any) -> None:
    def change(message: dict[str, Any]) -> None:
        if message["type"] == "servers":
            refusing = {**message["ice_servers"][2], "credential": "wrong"}
            message.update(ice_servers=[DEAD, refusing], ice_policy="relay")

    state, verdict, rows = checked(change)
    assert state == "bad"
    assert "Sound and picture do not get through" in verdict
    assert "open UDP port 9 to 127.0.0.1" in verdict
    assert "TURN_SECRET must be the same" in verdict
    assert "ICE_POLICY=all allows the direct way" in verdict
    assert "cannot be reached by UDP at port 9" in rows
    assert "refuses the credentials" in rows


def test_a_network_without_udp_and_no_relay(checked: Any) -> None:
    state, verdict, rows = checked(told(ice_servers=[]), lost=True)
    assert state == "bad"
    assert "no relay (TURN server) is set up" in verdict
    assert "open UDP ports 41000-41999 to the media worker, or set up a TURN server" in verdict
    assert "UDP does not get through" in rows


def test_no_media_worker(checked: Any) -> None:
    def change(message: dict[str, Any]) -> None:
        if message["type"] == "answer":
            message.update(type="error", code="no_worker", message="Nobody is on stage.", sdp="")

    state, verdict, _ = checked(change)
    assert state == "bad"
    assert "Nobody is there to talk to" in verdict
    assert "manage.py doctor" in verdict


def test_no_way_for_websockets(product: Product) -> None:
    with visitor(None) as page:
        page.route_web_socket("**/ws/check/", lambda socket: socket.close(code=1011, reason="broken"))
        page.goto(f"{product.url}/check/")
        expect(page.locator("#verdict-title")).to_have_text("Conversations do not work from here")
        assert "pass on WebSockets" in page.inner_text("#todo-list")


def test_the_microphone_is_tried_and_the_report_is_copied(product: Product) -> None:
    with visitor(None) as page:
        page.context.grant_permissions(["microphone", "clipboard-read", "clipboard-write"])
        page.goto(f"{product.url}/check/")
        wait_until(page, "document.getElementById('verdict').dataset.state !== 'running'", WITHIN_MS)
        page.get_by_role("button", name="Try the microphone").click()
        expect(page.locator(".check-row").first).to_contain_text("hears you", timeout=10_000)
        page.get_by_role("button", name="Copy the report").click()
        expect(page.get_by_text("Copied")).to_be_visible()
        report = page.evaluate("navigator.clipboard.readText()")
        assert report.startswith("Parlo connection check")
        assert "[works] Straight to the media worker" in report
        assert SECRET not in report


@pytest.mark.parametrize(("code", "leads"), [("unreachable", True), ("full", False)])
def test_a_call_that_the_network_fails_leads_here(product: Product, code: str, leads: bool) -> None:
    def refuse(socket: WebSocketRoute) -> None:
        error = json.dumps({"type": "error", "code": code, "message": "Nobody gets through."})
        socket.on_message(lambda text: socket.send(error) if json.loads(text)["type"] == "join" else None)

    script = "from avatars.models import Avatar; print(Avatar.objects.get(demo_key='nell').code)"
    avatar = product.manage("shell", "-v", "0", "-c", script).strip()
    with visitor(None) as page:
        page.route_web_socket("**/ws/talk/**", refuse)
        page.goto(f"{product.url}/a/{avatar}/talk/")
        expect(page.locator("#check-connection")).to_be_hidden()
        page.click("#talk:enabled")
        expect(page.locator("#curtain-words")).to_have_text("Nobody gets through.")
        expect(page.locator("#check-connection")).to_be_visible(visible=leads)
        if leads:
            page.click("#check-connection")
            expect(page.locator("h1")).to_have_text("Connection check")


def test_without_a_secure_origin_the_microphone_is_explained(product: Product) -> None:
    with visitor(None) as page:
        _insecure(page)
        page.goto(f"{product.url}/check/")
        wait_until(page, "document.getElementById('verdict').dataset.state !== 'running'", WITHIN_MS)
        assert page.inner_text("#verdict-title") == "You can listen and type"
        assert "Open it by an https address" in page.inner_text("#checks")


def _insecure(page: Page) -> None:
    page.add_init_script("Object.defineProperty(window, 'isSecureContext', {value: false});")


def test_a_conversation_may_go_through_the_relay_alone(product: Product) -> None:
    script = "from avatars.models import Avatar; print(Avatar.objects.get(demo_key='nell').code)"
    avatar = product.manage("shell", "-v", "0", "-c", script).strip()

    def change(message: dict[str, Any]) -> None:
        if message["type"] == "ready":
            message["ice_policy"] = "relay"

    with visitor(None) as page:
        page.route_web_socket("**/ws/talk/**", lambda socket: between(socket, change, lost=False))
        page.goto(f"{product.url}/a/{avatar}/talk/")
        page.click("#talk:enabled")
        wait_until(
            page, "document.documentElement.dataset.phase === 'live' && 'picture' in document.documentElement.dataset"
        )
        page.click("#debug-toggle")
        expect(page.locator("#debug-connection")).to_contain_text("relay")
        page.click("#hangup")
