"""The app in a real browser: from a photo to its files, and what a visitor is told."""

import contextlib
import io
import urllib.request

import pytest
import trimesh

from s2hand.prediction.sample_photos import sample_photos

PATIENCE_MS = 120_000
ANSWER_MS, CLICKS = 20_000, 4
"""How long a click on the picture may go without an answer, and how often it is made: the page takes clicks a
moment after it shows the picture."""
SHOWN = "iframe.viewer-frame"
PHOTO = ".photo-input input[type=file]"
TOAST = ".toast-body"
PICTURE = ".picture-output img"
OVERFLOWING = """() => [...document.querySelectorAll('main *')]
    .filter((e) => e.checkVisibility() && !e.closest('.tab-container, .tab-wrapper, svg'))
    .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && e.getBoundingClientRect().width > 0)
    .map((e) => e.outerHTML.slice(0, 80))"""


class Opened:
    """A page of the app, and what went wrong on it.

    Attributes:
        tab: Playwright's page.
        faults: errors on the console and in scripts, and requests that left the machine.
    """

    def __init__(self, browser, address: str, width: int = 1440, scheme: str = "light") -> None:
        self.faults: list[str] = []
        viewport = {"width": width, "height": 900}
        self.context = browser.new_context(viewport=viewport, color_scheme=scheme)
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(PATIENCE_MS)
        own = (address, "data:", "blob:", "about:")
        self.tab.on(
            "request",
            lambda request: request.url.startswith(own) or self.faults.append(f"request: {request.url}"),
        )
        self.tab.on(
            "console",
            lambda message: message.type == "error" and self.faults.append(f"console: {message.text}"),
        )
        self.tab.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.tab.goto(address)
        self.tab.locator(PHOTO).wait_for(state="attached")

    def open_photo(self, path) -> None:
        """Uploads a photo and waits for its hands."""
        self.tab.set_input_files(PHOTO, path)
        self.tab.locator(SHOWN).wait_for()

    def viewer(self):
        """The 3D viewer's own document; drawn once it is in sight."""
        self.tab.locator(SHOWN).scroll_into_view_if_needed()
        frame = self.tab.frame_locator(SHOWN)
        frame.locator("[data-viewer][data-shown]").wait_for()
        return frame


@pytest.fixture
def open_app(browser, served):
    """``open_app(width=..., scheme=...)``: an Opened page; its faults fail the test."""
    pages = []

    def start(**options) -> Opened:
        pages.append(Opened(browser, served.address, **options))
        return pages[-1]

    yield start
    for opened in pages:
        opened.context.close()
    assert [fault for opened in pages for fault in opened.faults] == []


@pytest.mark.slow
def test_from_a_photo_to_a_mesh_that_others_read(open_app, served):
    opened = open_app()
    tab = opened.tab
    opened.open_photo(sample_photos()[1])
    assert "Left hand" in tab.locator(".status").first.inner_text()
    link = tab.get_by_label(".glb").locator("xpath=..").get_by_role("link")
    with tab.expect_download() as loading:
        link.click()
    mesh = trimesh.load(io.BytesIO(loading.value.path().read_bytes()), file_type="glb", force="mesh")
    assert len(mesh.faces) == 1538
    assert opened.viewer().locator("canvas").count() == 1

    # Another browser does not get the file, whose address it knows.
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(link.get_attribute("href"))

    before = tab.locator(PICTURE).get_attribute("src")
    slider = tab.get_by_role("slider", name="Shape 1")
    slider.focus()
    slider.press("ArrowRight")
    tab.wait_for_function(f"document.querySelector({PICTURE!r}).src != {before!r}")


def click_until_answered(tab, picture, share: float) -> None:
    """Clicks at a share of the picture's sides, until the app shows another picture."""
    from playwright.sync_api import TimeoutError as Unanswered

    shown, box = picture.get_attribute("src"), picture.bounding_box()
    for _ in range(CLICKS):
        picture.click(position={"x": share * box["width"], "y": share * box["height"]})
        with contextlib.suppress(Unanswered):
            changed = f"document.querySelector({PICTURE!r}).src != {shown!r}"
            tab.wait_for_function(changed, timeout=ANSWER_MS)
            return
    raise AssertionError("clicks on the picture have no effect")


@pytest.mark.slow
def test_a_box_is_drawn_by_two_clicks(open_app):
    tab = open_app().tab
    tab.get_by_role("button", name="Sample: right hand").click()
    tab.locator(SHOWN).wait_for()
    tab.get_by_role("tab", name="Boxes").click()
    left = tab.get_by_label("Left", exact=True)
    before = left.input_value()
    picture = tab.locator(PICTURE)
    for share in (0.1, 0.9):
        click_until_answered(tab, picture, share)
    tab.wait_for_function("([e, old]) => e.value != old", arg=[left.element_handle(), before])
    drawn = left.input_value()
    tab.get_by_role("button", name="Look for this hand here").click()
    tab.wait_for_function("([e, drawn]) => e.value != drawn", arg=[left.element_handle(), drawn])
    assert abs(float(left.input_value()) - float(before)) < 20


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_the_page_fits_and_follows_the_scheme(open_app, width, scheme):
    tab = open_app(width=width, scheme=scheme).tab
    tab.get_by_role("button", name="Sample: left hand").click()
    tab.locator(SHOWN).wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate(OVERFLOWING) == []
    paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(paper.strip("rgb()").split(",")[0]) < 60) == (scheme == "dark")


@pytest.mark.slow
def test_what_is_no_photo_or_too_large_is_refused_in_a_line(open_app, tmp_path):
    opened = open_app()
    tab = opened.tab
    notes = tmp_path / "notes.jpg"
    notes.write_text("no picture at all")
    tab.set_input_files(PHOTO, notes)
    tab.locator(TOAST, has_text="notes.jpg").wait_for()

    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(200_000_000)
    tab.reload()
    tab.locator(PHOTO).wait_for(state="attached")
    tab.set_input_files(PHOTO, large)
    tab.locator(TOAST, has_text="size").wait_for()
    opened.faults.clear()  # the browser reports both refusals on the console too
