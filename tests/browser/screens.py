"""Pictures of pages, for looking at them: desktop and phone, light and dark.

`.venv/bin/python -m tests.browser.screens http://localhost:8000 --out DIR --path / --path /studio/ --user NAME --password WORD`
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.visitor import chromium_path

SIZES: dict[str, tuple[int, int]] = {"desktop": (1280, 860), "phone": (390, 844)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


def sign_in(page: Page, url: str, user: str, password: str) -> None:
    page.goto(f"{url}/accounts/login/")
    page.fill("input[name=login]", user)
    page.fill("input[name=password]", password)
    page.click("main button[type=submit]")
    page.wait_for_url(lambda address: "/accounts/login/" not in address)


def watch_for_trouble(page: Page, trouble: list[str]) -> None:
    """Note every script error, refused resource and policy violation of `page`."""
    page.on("pageerror", lambda error: trouble.append(f"{page.url}: {error}"))
    page.on("console", lambda line: trouble.append(f"{page.url}: {line.text}") if line.type == "error" else None)


def overflow_px(page: Page) -> int:
    """How far the page can be scrolled sideways; 0 on a page that fits."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def file_name(path: str, size: str, scheme: str) -> str:
    words = path.strip("/").replace("/", "-").replace("?", "-").replace("=", "-") or "gallery"
    return f"{words}.{size}.{scheme}.png"


def take(context: BrowserContext, url: str, path: str, target: Path, *, whole: bool, trouble: list[str]) -> None:
    page = context.new_page()
    watch_for_trouble(page, trouble)
    page.goto(url + path)
    page.wait_for_load_state("networkidle")
    if excess := overflow_px(page):
        trouble.append(f"{target.name}: scrolls sideways by {excess} px")
    page.screenshot(path=target, full_page=whole)
    page.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--path", action="append", required=True)
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--size", action="append", choices=sorted(SIZES))
    parser.add_argument("--scheme", action="append", choices=SCHEMES)
    parser.add_argument("--viewport-only", action="store_true", help="only what is seen without scrolling")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    trouble: list[str] = []
    with chromium() as browser:
        state = None
        if options.user:
            signed_in = browser.new_context()
            sign_in(signed_in.new_page(), options.url, options.user, options.password)
            state = signed_in.storage_state()
        for size in options.size or SIZES:
            width, height = SIZES[size]
            for scheme in options.scheme or SCHEMES:
                context = browser.new_context(
                    viewport={"width": width, "height": height},
                    color_scheme=scheme,
                    has_touch=size == "phone",
                    is_mobile=size == "phone",
                    storage_state=state,
                )
                for path in options.path:
                    target = options.out / file_name(path, size, scheme)
                    take(context, options.url, path, target, whole=not options.viewport_only, trouble=trouble)
                context.close()
    sys.stdout.writelines(f"{line}\n" for line in trouble)
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
