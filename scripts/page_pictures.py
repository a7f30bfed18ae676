"""Takes pictures of pages for the documentation: a wide screen and a phone side by side, light and dark.

It needs Playwright's Python package and Chromium. Pages must show nothing that cannot be published: only the
photos in the package, or synthetic hands.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")

DESKTOP, PHONE = (1440, 900), (390, 844)
SCHEMES = {"light": "", "dark": "_dark"}
GAP = 40
MARGIN_COLOR = {"light": (214, 218, 226), "dark": (46, 50, 60)}
JPEG_QUALITY = 84
PATIENCE_MS = 180_000
"""WebGL without a graphics card takes its time."""

UPLOAD, APP_VIEWER = ".photo-input input[type=file]", "iframe.viewer-frame"
"""Selectors of elements on the app's page."""

WIDTH = 1400
"""Width of a picture in px."""


def shot(
    browser: Browser,
    page: str,
    size: tuple[int, int],
    scheme: str,
    keys: str = "",
    item: str = "",
    place: str = "",
    photo: Path | None = None,
) -> Image.Image:
    """What a screen shows of a page.

    Args:
        browser: a running one.
        page: the HTML file, or the address of the running app.
        size: width and height of the screen in CSS pixels.
        scheme: "light" or "dark".
        keys: pressed in the viewer, such as "j" for joints.
        item: the viewer's scene to open, or an empty text.
        place: CSS selector of what to scroll to, or an empty text.
        photo: uploaded to the app, whose viewer is waited for.

    Raises:
        SystemExit: the page is wider than the screen.
    """
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce"
    )
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE_MS)
    tab.goto(page if "://" in page else Path(page).resolve().as_uri())
    if photo is not None:
        tab.locator(UPLOAD).wait_for(state="attached")
        tab.set_input_files(UPLOAD, photo)
        tab.locator(APP_VIEWER).scroll_into_view_if_needed()
        tab.frame_locator(APP_VIEWER).locator("[data-viewer][data-shown]").wait_for()
        tab.evaluate("scrollTo(0, 0)")
    if tab.locator(".viewer.live").count():
        tab.locator("[data-viewer][data-shown]").wait_for()
        if item:
            tab.locator(f'[data-open="{item}"]').last.click()
            tab.locator(f'[data-viewer][data-shown="{item}"]').wait_for()
        for key in keys:
            tab.locator(".viewer-stage canvas").press(key)
        tab.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    if place:
        tab.locator(place).first.evaluate("(element) => element.scrollIntoView()")
    tab.evaluate("for (const image of document.images) image.loading = 'eager'")
    tab.wait_for_timeout(600)
    if tab.evaluate("document.documentElement.scrollWidth") > size[0]:
        sys.exit(f"{page}: wider than {size[0]} px")
    picture = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    context.close()
    return picture


def side_by_side(pictures: list[Image.Image], scheme: str) -> Image.Image:
    """Pictures in a row, aligned at the top, on a margin."""
    width = sum(picture.width + GAP for picture in pictures) + GAP
    row = Image.new("RGB", (width, max(each.height for each in pictures) + 2 * GAP), MARGIN_COLOR[scheme])
    left = GAP
    for picture in pictures:
        row.paste(picture, (left, GAP))
        left += picture.width + GAP
    return row.resize((WIDTH, round(row.height * WIDTH / width)), Image.Resampling.LANCZOS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", help="the HTML file, or the address of a running `s2hand app`")
    parser.add_argument("name", help="writes OUT/page_NAME.jpg and OUT/page_NAME_dark.jpg")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--keys", default="", help="pressed in the viewer (docs/pages.md)")
    parser.add_argument("--item", default="", help="what the viewer shows, such as item-1 or sample-7")
    parser.add_argument("--at", default="", metavar="CSS", help="what to scroll to, such as .controls")
    parser.add_argument("--photo", type=Path, help="uploaded to the app")
    arguments = parser.parse_args()
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        sys.exit("page_pictures.py needs Chromium (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        for scheme, ending in SCHEMES.items():
            pictures = [
                shot(
                    browser,
                    arguments.page,
                    size,
                    scheme,
                    arguments.keys,
                    arguments.item,
                    arguments.at,
                    arguments.photo,
                )
                for size in (DESKTOP, PHONE)
            ]
            path = arguments.out / f"page_{arguments.name}{ending}.jpg"
            side_by_side(pictures, scheme).save(path, quality=JPEG_QUALITY, optimize=True)
            print(path)
        browser.close()


if __name__ == "__main__":
    main()
