"""Marking a face in the studio: with mouse, finger and keys; undone, done again; seen speaking; built."""

import re
from pathlib import Path

import cv2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.product import Product
from tests.browser.screens import SIZES, chromium, overflow_px, sign_in, watch_for_trouble
from tests.build.test_drawn import POINTS, drawn

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PASSWORD = "correct horse battery staple"
SIDE_PX = 600


@pytest.fixture(scope="module")
def marker(product: Product) -> str:
    script = (
        "from django.contrib.auth import get_user_model; "
        f"get_user_model().objects.create_user('marker', 'marker@example.org', '{PASSWORD}')"
    )
    product.manage("shell", "-v", "0", "-c", script)
    return "marker"


@pytest.fixture(scope="module")
def faceless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawing on its side: nothing finds its face by itself."""
    folder = tmp_path_factory.mktemp("drawing")
    picture = cv2.imread(str(drawn(folder / "face.png")))
    assert picture is not None
    cv2.imwrite(str(folder / "side.png"), cv2.rotate(picture, cv2.ROTATE_90_COUNTERCLOCKWISE))
    return folder / "side.png"


def upload(page: Page, product: Product, picture: Path) -> None:
    page.goto(f"{product.url}/studio/new/")
    page.fill("[name=name]", "Greta")
    page.set_input_files("[name=source]", picture)
    page.select_option("[name=licence]", "own")
    page.check("[name=consent]")
    page.click("main form [type=submit]")
    expect(page.locator("#build")).to_have_attribute("data-build-state", "awaiting_face_marking", timeout=60_000)


def drag(page: Page, name: str, x: float, y: float) -> None:
    """Drag a point to (x, y) of the picture, in its pixels, with the mouse; the whole picture is shown."""
    handle, field = page.locator(f"[data-point={name}]").bounding_box(), page.locator("[data-marking]").bounding_box()
    assert handle is not None
    assert field is not None
    scale = field["width"] / SIDE_PX
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    page.mouse.down()
    page.mouse.move(field["x"] + x * scale, field["y"] + y * scale, steps=4)
    page.mouse.up()


@pytest.mark.parametrize("size", SIZES)
def test_a_face_is_marked_and_speaks_before_it_is_built(
    product: Product, marker: str, faceless: Path, size: str
) -> None:
    width, height = SIZES[size]
    trouble: list[str] = []
    marks = POINTS.turned(1, SIDE_PX, SIDE_PX).to_json()
    with chromium() as browser:
        page = browser.new_context(viewport={"width": width, "height": height}).new_page()
        watch_for_trouble(page, trouble)
        sign_in(page, product.url, marker, PASSWORD)
        upload(page, product, faceless)
        expect(page.locator("svg .mesh")).to_have_attribute("d", re.compile("^M.*L"), timeout=10_000)
        page.locator("[data-marking]").scroll_into_view_if_needed()
        undo, redo = page.locator("[data-do=undo]"), page.locator("[data-do=redo]")
        expect(undo).to_be_disabled()
        for name, (x, y) in marks.items():
            drag(page, name, x, y)
        expect(page.locator('[data-sketch="a"]')).to_be_visible(timeout=15_000)
        chin = page.locator("[data-point=chin]")
        placed = chin.get_attribute("style")
        chin.focus()
        page.keyboard.press("Shift+ArrowDown")
        assert chin.get_attribute("style") != placed
        undo.click()
        assert chin.get_attribute("style") == placed
        expect(redo).to_be_enabled()
        page.locator("[data-do=in]").click()
        assert chin.get_attribute("style") != placed
        page.locator("[data-do=fit]").click()
        assert chin.get_attribute("style") == placed
        assert overflow_px(page) == 0
        page.click("text=Build with these points")
        expect(page.locator("#build")).to_have_attribute("data-build-state", "ready", timeout=90_000)
        expect(page.locator("[data-remarks]")).to_contain_text("turned so that the face is upright")
        page.locator("[data-when=ready] [data-mark-again]").click()
        expect(page.locator("[data-marking]")).to_be_visible()
    assert trouble == []
