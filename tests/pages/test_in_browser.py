"""The pages in a real browser, opened from the disk."""

import csv

import numpy as np
import pytest
import trimesh

PAGES = ("prediction_page", "report_page", "dataset_page", "demo_page")
OVERFLOWING = """() => [...document.querySelectorAll('body *')]
    .filter((e) => e.checkVisibility() && !e.closest('.viewer-stage, .hidden, svg, .skip'))
    .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && e.getBoundingClientRect().width > 0)
    .map((e) => e.outerHTML.slice(0, 80))"""
NAMELESS = """() => [...document.querySelectorAll('button, input, select, canvas, a[href], img')]
    .filter((e) => e.checkVisibility() && !e.getAttribute('aria-label') && !e.textContent.trim())
    .filter((e) => !(e.labels && e.labels.length) && !e.hasAttribute('alt'))
    .map((e) => e.outerHTML.slice(0, 80))"""
PAPER = "getComputedStyle(document.body).backgroundColor"
WITHOUT_WEBGL = "HTMLCanvasElement.prototype.getContext = () => null;"


def is_green(picture: np.ndarray) -> np.ndarray:
    return (picture[..., 1] > 180) & (picture[..., 0] < 110) & (picture[..., 2] < 110)


def set_opacity(opened, value: float) -> None:
    opened.tab.locator(".viewer-opacity input").evaluate(
        f"(e) => {{ e.value = {value}; e.dispatchEvent(new Event('input')) }}"
    )


def swipe(tab, *paths) -> None:
    """Moves a finger along each path, a list of points, all at once."""
    session = tab.context.new_cdp_session(tab)
    for step, points in enumerate(zip(*paths, strict=True)):
        places = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(points)]
        kind = "touchMove" if step else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def stage_middle(tab) -> tuple[float, float]:
    box = tab.locator(".viewer-stage").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.fixture(scope="module")
def shown(open_page, prediction_page):
    """The page of predictions, opened once; each test starts it anew by :func:`restart`."""
    return open_page(prediction_page)


@pytest.fixture
def predictions(shown):
    """The page of predictions with its first photo in the start view."""
    tab = shown.tab
    tab.mouse.move(1, 1)
    shown.open("item-0")
    return shown


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_pages_fit_and_follow_the_scheme(open_page, request, name, width, scheme):
    opened = open_page(request.getfixturevalue(name), width, color_scheme=scheme)
    tab = opened.tab
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate(OVERFLOWING) == []
    assert tab.evaluate(NAMELESS) == []
    papers = [tab.evaluate(PAPER)]
    tab.click("[data-scheme-switch]")
    papers.append(tab.evaluate(PAPER))
    levels = [int(color.strip("rgb()").split(",")[0]) for color in papers]
    assert (min(levels) < 40, max(levels) > 230) == (True, True)
    assert (levels[0] < levels[1]) == (scheme == "dark")
    assert opened.faults == []


def test_the_start_view_lays_the_hand_exactly_on_its_photo(predictions):
    photo_alone = predictions.canvas_after("m")
    predictions.tab.keyboard.press("m")
    set_opacity(predictions, 1)
    with_hand = predictions.canvas_unlike(photo_alone, 0.02)
    silhouette = is_green(photo_alone)
    assert silhouette.mean() > 0.04
    # What the silhouette still shows, and what the hand covers beside it: at most a rim of half a pixel.
    assert (is_green(with_hand) & silhouette).sum() < 0.015 * silhouette.sum()
    beside = (np.abs(with_hand - photo_alone).max(-1) > 40) & ~silhouette
    assert beside.sum() < 0.03 * silhouette.sum()


def test_drag_wheel_and_keys_move_the_hand_and_reset_brings_it_back(predictions):
    tab = predictions.tab
    start = predictions.canvas()
    x, y = stage_middle(tab)

    tab.mouse.move(x, y)
    tab.mouse.wheel(0, -300)
    told = tab.locator(".viewer-message", has_text="Click the picture")
    told.wait_for()  # the wheel belongs to the page until then
    tab.mouse.down()
    tab.mouse.move(x + 120, y + 20, steps=4)
    tab.mouse.up()
    dragged = predictions.canvas_unlike(start, 0.02)

    tab.mouse.wheel(0, -300)
    zoomed = predictions.canvas_unlike(dragged, 0.02)

    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("Shift+ArrowUp")
    predictions.canvas_unlike(zoomed, 0.02)

    tab.keyboard.press("0")
    tab.mouse.move(1, 1)
    predictions.canvas_like(start)


def test_drag_and_wheel_move_the_hand_of_a_report(open_page, report_page):
    opened = open_page(report_page, 1440, 900)
    tab, start = opened.tab, opened.canvas()
    assert start.std() > 5
    x, y = stage_middle(tab)
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x + 120, y + 20, steps=4)
    tab.mouse.up()
    dragged = opened.canvas_unlike(start, 0.02)
    tab.mouse.wheel(0, -300)
    opened.canvas_unlike(dragged, 0.02)
    assert opened.faults == []


@pytest.mark.parametrize("name", ["prediction_page", "report_page"])
def test_one_finger_turns_and_two_zoom(open_page, request, name):
    opened = open_page(request.getfixturevalue(name), 390, 844, has_touch=True)
    start = opened.canvas()
    x, y = stage_middle(opened.tab)
    swipe(opened.tab, [(x + 20 * step, y) for step in range(5)])
    turned = opened.canvas_unlike(start, 0.02)
    swipe(opened.tab, *([(x + side * (30 + 15 * step), y) for step in range(5)] for side in (-1, 1)))
    opened.canvas_unlike(turned, 0.05)


def test_joints_are_named_where_one_points(predictions):
    predictions.tab.get_by_role("button", name="Joints", exact=True).click()
    predictions.settle()
    dots = predictions.tab.locator(".viewer-joints circle")
    assert dots.count() == 21
    tip = dots.nth(8).bounding_box()
    predictions.tab.mouse.move(tip["x"] + tip["width"] / 2, tip["y"] + tip["height"] / 2)
    told = predictions.tab.locator(".viewer-tip").inner_text()
    assert "Index finger tip" in told
    assert "confidence 0.52" in told


def test_switches_change_what_is_drawn(open_page, prediction_page):
    opened = open_page(prediction_page)
    opened.canvas_after("x")
    opened.tab.keyboard.press("l")  # the photo's light may look much like the studio's
    opened.canvas_after("l", "w", "p", "c", "f", "2", "3")


def test_a_hand_is_see_through_over_its_photo_and_solid_from_the_side(open_page, prediction_page):
    opened = open_page(prediction_page)
    silhouette = is_green(opened.canvas_after("m"))
    over = opened.canvas_after("m")[silhouette]
    side = opened.canvas_after("1")
    set_opacity(opened, 1)
    opened.canvas_like(side)
    opened.tab.keyboard.press("0")
    solid = opened.canvas_unlike(side, 0.02)[silhouette]
    shows_through = 0.25 * (np.array([0, 255, 0]) - solid.mean(0))  # of the silhouette's green
    np.testing.assert_allclose(over.mean(0) - solid.mean(0), shows_through, atol=6)


def test_without_light_a_plain_hand_has_one_colour(open_page, prediction_page):
    opened = open_page(prediction_page)
    silhouette = is_green(opened.canvas_after("m"))
    opened.tab.keyboard.press("m")
    set_opacity(opened, 1)
    opened.settle()
    lit = opened.canvas()[silhouette]
    opened.tab.get_by_role("radio", name="Off").check(force=True)
    opened.settle()
    unlit = opened.canvas()[silhouette]
    of_one_color = [(np.abs(pixels - np.median(pixels, 0)).max(1) <= 2).mean() for pixels in (lit, unlit)]
    assert of_one_color[0] < 0.5
    assert of_one_color[1] > 0.9  # but for the silhouette's edge


def test_the_right_button_moves_the_picture_without_turning_it(open_page, prediction_page):
    opened = open_page(prediction_page)
    start = opened.canvas()
    x, y = stage_middle(opened.tab)
    opened.tab.mouse.move(x, y)
    opened.tab.mouse.down(button="right")
    opened.tab.mouse.move(x + 60, y + 20, steps=3)
    opened.tab.mouse.up(button="right")
    moved = opened.canvas_unlike(start, 0.02)
    inner = (slice(130, -130), slice(130, -130))  # but for the buttons, which stay
    assert np.abs(np.roll(start, (20, 60), (0, 1)) - moved)[inner].max() < 40  # at edges between pixels


def test_keys_choose_hand_and_image_and_play(open_page, prediction_page):
    opened = open_page(prediction_page)
    tab = opened.tab
    tab.locator(".viewer-stage canvas").focus()
    tab.keyboard.press("]")
    opened.wait_for("item-1")
    tab.keyboard.press("h")
    assert tab.get_by_role("radio", name="Right hand").is_checked()
    tab.keyboard.press("[")
    opened.wait_for("item-0")
    opened.open("item-2")
    tab.locator(".viewer-stage canvas").focus()
    tab.keyboard.press(" ")
    tab.get_by_role("button", name="Pause").wait_for()
    tab.keyboard.press(" ")
    tab.get_by_role("button", name="Play").wait_for()


@pytest.mark.parametrize(("motion", "is_there"), [("reduce", True), ("no-preference", False)])
def test_views_change_at_once_where_less_motion_is_preferred(open_page, prediction_page, motion, is_there):
    opened = open_page(prediction_page, reduced_motion=motion)
    opened.tab.get_by_role("button", name="Joints", exact=True).click()
    places = """() => new Promise((done) => {
        const canvas = document.querySelector('.viewer-stage canvas');
        const tip = () => document.querySelectorAll('.viewer-joints circle')[8].getAttribute('cx');
        canvas.dispatchEvent(new KeyboardEvent('keydown', { key: '1', bubbles: true }));
        const later = (count, then) => requestAnimationFrame(() => (count ? later(count - 1, then) : then()));
        later(1, () => { const soon = tip(); setTimeout(() => later(1, () => done([soon, tip()])), 1500); });
    })"""
    soon, late = opened.tab.evaluate(places)
    assert (soon == late) == is_there


def test_a_scene_is_saved_as_files(open_page, prediction_page, made_up):
    tab = open_page(prediction_page).tab

    def saved(kind):
        with tab.expect_download() as download:
            tab.locator(f'[data-detail] [data-save="{kind}"]').first.click()
        return download.value.suggested_filename, download.value.path()

    name, path = saved("obj")
    mesh = trimesh.load(path, file_type="obj", process=False)
    assert name == "one.obj"
    np.testing.assert_allclose(mesh.vertices, made_up.vertices, atol=1e-5)
    np.testing.assert_array_equal(mesh.faces, made_up.faces)
    name, path = saved("csv")
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert (name, len(rows)) == ("one.joints.csv", 21)
    assert (rows[8]["hand"], rows[8]["name"]) == ("Right hand", "Index finger tip")
    hand = made_up.exported("one.jpg")
    for columns, values, decimals in (
        (("x_m", "y_m", "z_m"), hand.joints, 5),
        (("u_px", "v_px"), hand.keypoints_2d, 2),
    ):
        written = [[float(row[column]) for column in columns] for row in rows]
        np.testing.assert_allclose(written, values, atol=2 * 10.0**-decimals)


def test_truth_both_and_errors_can_be_shown(open_page, report_page):
    opened = open_page(report_page)
    opened.open("sample-9")
    seen = opened.canvas()
    for label in ("Ground truth", "Both", "Error"):
        opened.tab.get_by_role("radio", name=label).check(force=True)
        seen = opened.canvas_unlike(seen, 0.005)
    assert "20 mm" in opened.tab.locator(".viewer-legend").inner_text()


def test_images_and_hands_are_chosen(predictions):
    tab = predictions.tab
    assert "one.jpg" in tab.locator("[data-detail]").inner_text()
    assert tab.locator("[data-detail] a").first.get_attribute("href") == "one%20%231.glb"
    tab.get_by_role("button", name="Next image").click()
    predictions.wait_for("item-1")
    assert "Look closely." in tab.locator("[data-detail]").inner_text()
    assert tab.locator(".viewer-counter").inner_text() == "2 / 4"
    before = predictions.canvas()
    tab.get_by_role("radio", name="Left hand").check(force=True)
    predictions.canvas_unlike(before, 0.02)


def test_a_photo_without_hands_is_shown_alone(predictions):
    before = predictions.canvas()
    predictions.open("item-3")
    assert is_green(predictions.canvas_unlike(before, 0.02)).mean() > 0.04
    assert "No hand was found here." in predictions.tab.locator("[data-detail]").inner_text()


def test_a_video_plays_and_is_scrubbed(predictions):
    tab = predictions.tab
    predictions.open("item-2")
    first = predictions.canvas()
    tab.get_by_role("slider", name="Frame").fill("11")
    predictions.canvas_unlike(first, 0.003)
    assert tab.locator(".viewer-time").inner_text() == "0.9 / 0.9 s"
    tab.get_by_role("slider", name="Frame").fill("0")
    tab.select_option(".viewer-player select", "2")
    tab.get_by_role("button", name="Play").click()
    seen = set()
    for _ in range(200):
        seen.add(tab.get_by_role("slider", name="Frame").input_value())
        if len(seen) > 2:
            break
        tab.wait_for_timeout(20)
    assert len(seen) > 2
    tab.get_by_role("button", name="Pause").click()


def test_without_webgl_the_still_pictures_are_shown(open_page, prediction_page):
    opened = open_page(prediction_page, script=WITHOUT_WEBGL)
    shown = opened.tab.locator(".viewer-stage img")
    assert shown.count() == 1
    before = shown.get_attribute("src")
    opened.tab.locator('[data-open="item-1"]').click()
    assert shown.get_attribute("src") != before
    opened.faults[:] = [fault for fault in opened.faults if "WebGL" not in fault]


def test_samples_are_sorted_and_searched(open_page, report_page):
    tab = open_page(report_page).tab
    column = "rows => rows.filter((r) => !r.hidden).map((r) => Number(r.dataset.aligned))"
    rows = tab.locator("#samples tr")
    header = tab.get_by_role("button", name="Aligned error (mm)")
    header.click()
    values = rows.evaluate_all(column)
    assert values == sorted(values)
    header.click()
    assert rows.evaluate_all(column) == values[::-1]
    assert header.locator("xpath=..").get_attribute("aria-sort") == "descending"
    tab.get_by_role("searchbox").fill("0003")
    assert rows.evaluate_all(column) == [values[9]]
    assert tab.locator("[data-count]").inner_text() == "1 of 10"


def test_the_demos_findings_open_in_the_viewer(open_page, demo_page):
    opened = open_page(demo_page)
    opened.wait_for("sample-0")
    assert opened.tab.locator(".viewer-counter").inner_text() == "1 / 6"  # 0 and 1 are shown twice
    seen = opened.canvas()
    opened.open("sample-7")
    opened.tab.get_by_role("radio", name="Error").check(force=True)
    opened.canvas_unlike(seen, 0.005)
    assert "Aligned error" in opened.tab.locator("[data-detail]").inner_text()


def test_a_dataset_is_filtered_and_its_samples_open(open_page, dataset_page):
    tab = open_page(dataset_page).tab
    names = "items => items.filter((i) => !i.hidden).map((i) => i.dataset.search.at(-5))"
    items = tab.locator("#hands li")
    tab.get_by_role("button", name="hand too small 1").click()
    assert items.evaluate_all(names) == ["4"]
    tab.select_option('[data-filter="reason"]', "used")
    tab.locator("[data-least]").evaluate("(e) => { e.value = 0.6; e.dispatchEvent(new Event('input')) }")
    tab.select_option("[data-order]", "confidence")
    assert items.evaluate_all(names) == ["1", "0"]
    tab.locator("#hands li:not([hidden]) button").first.click()
    assert "photo_1.jpg" in tab.locator("dialog h2").inner_text()
    tab.keyboard.press("ArrowRight")
    assert "photo_0.jpg" in tab.locator("dialog h2").inner_text()
    assert tab.locator("dialog .crops img").count() == 2
    tab.keyboard.press("Escape")
    assert not tab.locator("dialog").is_visible()
