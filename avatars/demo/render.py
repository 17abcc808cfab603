"""Draw the characters: every SVG of this folder as a PNG of the same name.

    python -m avatars.demo.render [NAME ...]

Needs what the browser tests need: playwright and the system's Chromium.
"""

import sys
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

FOLDER: Final = Path(__file__).parent
SIDE_PX: Final = 1024
CHROMIUM: Final = "/usr/bin/chromium"
PNG_EFFORT: Final = 9
BUSY_SIDE_PX: Final = 9
BUSY_SPREAD: Final = 4.8
"""Standard deviation of the grey levels about a pixel from which a place counts as busy."""


def draw(svg: Path, png: Path, side_px: int = SIDE_PX) -> None:
    """Draw a square SVG as a PNG of `side_px` pixels."""
    from playwright.sync_api import sync_playwright

    page_text = f"<style>body{{margin:0}} svg{{display:block;width:{side_px}px;height:{side_px}px}}</style>"
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=["--force-color-profile=srgb"])
        page = browser.new_page(viewport={"width": side_px, "height": side_px})
        page.set_content(page_text + svg.read_text(encoding="utf-8"))
        shot = np.frombuffer(page.screenshot(), np.uint8)
        browser.close()
    picture = cv2.imdecode(shot, cv2.IMREAD_COLOR)
    if picture is None:
        raise RuntimeError(f"Chromium gave no picture of {svg.name}.")
    cv2.imwrite(str(png), thrifty(np.asarray(picture, np.uint8)), [cv2.IMWRITE_PNG_COMPRESSION, PNG_EFFORT])


def thrifty(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Round a BGR picture to even levels, and to every eighth in busy places, where nobody sees it: half the bytes."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    size = (BUSY_SIDE_PX, BUSY_SIDE_PX)
    spread = np.sqrt(np.maximum(cv2.blur(grey * grey, size) - np.square(cv2.blur(grey, size)), 0))
    step = np.select([spread > BUSY_SPREAD, spread > BUSY_SPREAD / 2], [8, 4], 2)[:, :, None]
    return np.asarray(np.minimum((picture + step // 2) // step * step, 255), np.uint8)


def main(names: list[str]) -> None:
    """Draw the named characters, or all of them."""
    for svg in sorted(FOLDER.glob("*.svg")):
        if not names or svg.stem in names:
            draw(svg, svg.with_suffix(".png"))


if __name__ == "__main__":
    main(sys.argv[1:])
