"""One running Parlo for all journeys of a test run."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.product import Product

# Playwright's synchronous interface runs inside a loop of its own, which Django would take for an async view.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    running = Product(tmp_path_factory.mktemp("parlo"))
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
