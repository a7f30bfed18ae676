import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2hand.visualize.sheets import GAP, contact_sheet, evaluation_sheet, tile_row
from s2hand.visualize.text import draw_badge, draw_text, fit_text, text_width

WHITE = np.full((40, 60, 3), 255, np.uint8)


@given(st.text("abcdefgWMil ", min_size=0, max_size=60), st.integers(12, 300), st.integers(8, 24))
def test_fitted_text_fits(text, width, size):
    fitted, fitted_size = fit_text(text, width, size)
    assert text_width(fitted, fitted_size) <= width or fitted == "…"
    assert 8 <= fitted_size <= size
    if text_width(text, size) <= width:
        assert (fitted, fitted_size) == (text, size)


def test_text_is_drawn_inside_its_badge():
    black = np.zeros((64, 64, 3), np.uint8)
    badge = draw_badge(black, "a label that is much too long for this tile", 10)
    rows, columns = np.nonzero((badge > 128).any(-1))
    assert len(rows)
    assert columns.min() >= 2
    assert columns.max() <= 61
    assert rows.min() > 40
    assert rows.max() <= 61
    assert (black == 0).all()


def test_draw_text_marks_only_its_place():
    drawn = draw_text(WHITE, "hand", (30, 20), 12, anchor="mm")
    rows, columns = np.nonzero((drawn < 128).any(-1))
    assert abs(columns.mean() - 30) < 2
    assert 10 < rows.min() < rows.max() < 28


def test_titles_stay_within_their_columns():
    row = tile_row([WHITE] * 4)
    sheet = evaluation_sheet([row], ["a very long title of a column"] * 4)
    band = sheet[GAP : -40 - GAP, GAP:-GAP]
    assert (band < 128).any()
    for column in range(3):
        gap = band[:, column * (60 + GAP) + 60 : (column + 1) * (60 + GAP)]
        assert (gap > 200).all()


def test_rows_are_stacked_in_order():
    rows = [np.full((5, 30, 3), value, np.uint8) for value in (10, 20)]
    sheet = evaluation_sheet(rows)
    assert sheet.shape == (3 * GAP + 10, 30 + 2 * GAP, 3)
    assert (sheet[GAP : GAP + 5, GAP:-GAP] == 10).all()
    assert (sheet[2 * GAP + 5 : -GAP, GAP:-GAP] == 20).all()


def test_contact_sheet_places_images_row_by_row():
    images = [np.full((20, 20, 3), 30 * number, np.uint8) for number in range(5)]
    sheet = contact_sheet(images, columns=3)
    assert sheet.shape == (2 * 20 + 3 * GAP, 3 * 20 + 4 * GAP, 3)
    for number in range(5):
        centre = [GAP + 10 + place * (20 + GAP) for place in divmod(number, 3)]
        assert sheet[centre[0], centre[1], 0] == 30 * number
    assert (sheet[-GAP - 20 : -GAP, -GAP - 20 : -GAP] == 255).all()


def test_contact_sheet_keeps_proportions_and_captions():
    sheet = contact_sheet([np.zeros((10, 40, 3), np.uint8)], tile=80, captions=["wide"], heading="Sheet")
    dark = np.nonzero((sheet == 0).all(-1))
    assert np.ptp(dark[1]) + 1 >= 78
    assert sheet.shape[0] > 80 + 38


def test_captions_of_any_length_and_with_line_breaks_stand_in_one_row():
    captions = ["a", "a very long name " * 20, "two\nlines", "half a character \udcff"]
    assert contact_sheet([WHITE] * 4, tile=80, captions=captions).shape == (
        contact_sheet([WHITE] * 4, tile=80, captions=["a"] * 4).shape
    )


def test_impossible_sheets_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])
    with pytest.raises(ValueError, match="as many captions, got 2"):
        contact_sheet([WHITE], captions=["a", "b"])
    with pytest.raises(ValueError, match="at least one row"):
        evaluation_sheet([])
    with pytest.raises(ValueError, match="one width"):
        evaluation_sheet([WHITE, WHITE[:, :30]])
