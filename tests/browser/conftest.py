"""One running Parlo for all journeys of a test run."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.product import Product
from tests.rtc.coturn import SECRET, coturn

# Playwright's synchronous interface runs inside a loop of its own, which Django would take for an async view.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture(scope="session")
def relays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The settings of a TURN server, where this machine has one to run."""
    if shutil.which("turnserver") is None:
        yield {}
        return
    with coturn(tmp_path_factory.mktemp("coturn")) as turn:
        at = f"{turn.host}:{turn.port}"
        yield {"ICE_SERVERS": f"stun:{at},turn:{at},turn:{at}?transport=tcp", "TURN_SECRET": SECRET}


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory, relays: dict[str, str]) -> Iterator[Product]:
    running = Product(tmp_path_factory.mktemp("parlo"), settings={**relays, "MEDIA_PORTS": "41000-41999"})
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(autouse=True)
def product_log(request: pytest.FixtureRequest) -> Iterator[None]:
    """Show the end of the product's log beside a journey that failed."""
    failed_before = request.session.testsfailed
    yield
    if request.session.testsfailed > failed_before and "product" in request.fixturenames:
        running: Product = request.getfixturevalue("product")
        print(running.log_tail())  # noqa: T201


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    return tmp_path
