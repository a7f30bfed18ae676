"""What the pages say, as text: names, numbers, links; and that nothing in them reaches outside."""

import re
from pathlib import Path

import numpy as np
import pytest

from s2hand.pages import (
    DatasetPage,
    DatasetSample,
    PredictedHand,
    PredictedItem,
    PredictionPage,
    Report,
    photo_scene,
    spread_samples,
    write_dataset_page,
    write_prediction_page,
    write_report,
)
from s2hand.pages.charts import hand_map, histogram, pck_chart
from s2hand.pages.keypoints import keypoints_svg, missed_joints
from s2hand.pages.metrics_table import headline_facts, metrics_table

HOSTILE = "</script><img src=x onerror=alert(1)>.jpg"
PAGES = ("prediction_page", "report_page", "dataset_page", "demo_page")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_no_address_of_the_network_but_in_its_library(name, request):
    content = request.getfixturevalue(name).read_text()
    own = re.sub(r"<script>(?s:.*?)</script>", "", content)
    assert re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", own) == []
    assert "default-src 'none'" in own


def test_names_cannot_break_out_of_the_page(made_up, tmp_path):
    scene = photo_scene(HOSTILE, made_up.photo, [made_up.exported(HOSTILE)])
    item = PredictedItem(scene, made_up.photo, [PredictedHand(HOSTILE, warnings=[HOSTILE])], HOSTILE)
    path = write_prediction_page(tmp_path / "a.html", PredictionPage([item], unreadable=[(HOSTILE, "no")]))
    sample = DatasetSample(HOSTILE, made_up.photo, (320, 240), left_out=HOSTILE)
    other = write_dataset_page(tmp_path / "b.html", DatasetPage(HOSTILE, [sample]))
    for page in (path, other):
        assert "<img src=x" not in page.read_text()
        assert "</script><img" not in page.read_text()


@pytest.mark.parametrize("path", ["/etc/passwd", "../a.glb", "a/../../b.glb"])
def test_downloads_stay_beside_the_page(path, made_up, tmp_path):
    scene = photo_scene("a.jpg", made_up.photo, [made_up.exported("a.jpg")])
    item = PredictedItem(scene, made_up.photo, [PredictedHand("Right hand", downloads={".glb": path})])
    with pytest.raises(ValueError, match="expected a path relative to the page and below it"):
        write_prediction_page(tmp_path / "index.html", PredictionPage([item]))


def test_names_like_addresses_are_links_to_files(made_up, tmp_path):
    scene = photo_scene("a.jpg", made_up.photo, [made_up.exported("a.jpg")])
    downloads = {".glb": "javascript:a.glb", ".obj": "C:\\a.obj"}
    item = PredictedItem(scene, made_up.photo, [PredictedHand("Right hand", downloads=downloads)])
    page = write_prediction_page(tmp_path / "index.html", PredictionPage([item])).read_text()
    assert 'href="javascript%3Aa.glb"' in page
    assert 'href="C%3A%5Ca.obj"' in page


def test_predictions_are_summed_up(prediction_page, tmp_path):
    content = prediction_page.read_text()
    assert "4 hands in 3 photos and 1 video." in content
    assert "read from the photo’s EXIF data" in content
    assert "<b>notes.txt</b> it is no image" in content
    empty = write_prediction_page(tmp_path / "index.html", PredictionPage([]))
    assert "There was nothing to predict." in empty.read_text()
    assert "data-viewer" not in empty.read_text().split("<script>")[1]


def test_many_photos_are_smaller_and_the_page_ends_somewhere(made_up, tmp_path, monkeypatch):
    monkeypatch.setattr("s2hand.pages.predictions.PHOTO_SIZES", ((2, 200), (np.inf, 40)))
    monkeypatch.setattr("s2hand.pages.predictions.LARGEST_ITEMS", 3)
    scene = photo_scene("a.jpg", made_up.photo, [made_up.exported("a.jpg")])
    items = [PredictedItem(scene, made_up.photo)] * 4
    sizes = []
    for count in (2, 4):
        path = write_prediction_page(tmp_path / f"{count}.html", PredictionPage(items[:count]))
        scripts = re.findall(r"<script type=\"application/json\" data-scene=.*?</script>", path.read_text())
        sizes.append(len(scripts[0]))
    assert sizes[1] < sizes[0]
    assert len(scripts) == 3
    assert "The first 3 of 4 photos and videos" in path.read_text()


def test_a_page_opens_with_the_first_photo_that_shows_a_hand(made_up, tmp_path):
    shown = photo_scene("b.jpg", made_up.photo, [made_up.exported("b.jpg")])
    empty = photo_scene("a.jpg", made_up.photo, [], (320, 240), np.eye(3))
    items = [
        PredictedItem(empty, made_up.photo),
        PredictedItem(shown, made_up.photo, [PredictedHand("Right hand")]),
    ]
    content = write_prediction_page(tmp_path / "index.html", PredictionPage(items)).read_text()
    assert re.findall(r'data-open="(item-\d)" data-first', content) == ["item-1"]
    assert content.count("No hand was found") == 1
    assert content.count('title="with warnings"') == 1


def test_files_that_the_page_makes_are_offered_where_there_are_none(made_up, tmp_path):
    scene = photo_scene("a.jpg", made_up.photo, [made_up.exported("a.jpg")])
    for downloads, offered in (({".glb": "a.glb"}, 1), ({".obj": "a.obj"}, 0)):
        item = PredictedItem(scene, made_up.photo, [PredictedHand("Right hand", downloads=downloads)])
        content = write_prediction_page(tmp_path / "index.html", PredictionPage([item])).read_text()
        assert content.count('data-save="obj"') == offered
        assert content.count('data-save="csv"') == 1


def test_samples_of_a_report_are_spread_from_best_to_worst():
    errors = np.array([5.0, 1, 4, 2, 3, 0, 6])
    assert errors[spread_samples(errors, 3)].tolist() == [0, 3, 6]
    assert errors[spread_samples(errors, 50)].tolist() == sorted(errors)


def test_a_samples_errors_are_raw_and_aligned(report):
    first, last = report.samples[0], report.samples[-1]
    assert first.aligned_error_mm < first.error_mm < 3
    assert last.error_mm > 10
    assert last.worst_joints[0][1] >= last.worst_joints[1][1]
    assert last.scene.frames[0].shapes[0].vertex_errors_mm.shape == (778,)


def test_the_best_value_of_each_metric_is_bold():
    rows = {"Run": {"pa_mpjpe": 9.5, "pa_auc_j": 0.8}, "Mean": {"pa_mpjpe": 13.0, "pa_auc_j": 0.9}}
    table = metrics_table(rows)
    assert "<td class=best>9.5</td><td>13.0</td>" in table
    assert "<td>0.800</td><td class=best>0.900</td>" in table
    assert headline_facts(rows) == [("9.5 mm", "PA-MPJPE, aligned", "Mean: 13.0 mm")]


def test_a_report_of_a_hundred_samples_is_small(report, tmp_path):
    many = Report("Run", "Synthetic", 100, samples=list(report.samples) * 10)
    size = write_report(tmp_path / "report.html", many).stat().st_size
    assert size < 15e6


def test_a_report_without_samples_or_truth_still_opens(tmp_path):
    content = write_report(tmp_path / "report.html", Report("Run", "My photos", 3)).read_text()
    assert "Evaluated on 3 samples of My photos." in content
    assert "<h2>Samples</h2>" not in content


def test_the_demo_tells_its_results_beside_baselines(demo_page):
    content = demo_page.read_text()
    (table,) = re.findall(r'<table class="results">(.*?)</table>', content)
    rows = [re.findall(r">([^<]+)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", table)]
    assert rows[1:] == [
        ["Trained network", "9.5", "20.0", "9.1", "3.00"],
        ["Always the mean hand", "13.0", "50.0", "12.0", "30.00"],
        ["The detector it learned from", "–", "–", "–", "2.00"],
    ]
    assert table.count("class=best") == 4
    assert "always the mean hand: 13.0 mm" in content
    assert content.count('class="finding-tiles"') == 2
    captions = re.findall(r'<figcaption class="quiet">([^<]+)</figcaption>', content)
    assert captions == ["Photo", "Before training", "After training"]
    assert content.count('class="card-detail" data-detail-of=') == 10


def test_a_dataset_counts_what_is_left_out(dataset_page):
    content = dataset_page.read_text()
    for figure, label in (("6", "hands"), ("4", "used"), ("2", "left out")):
        assert f"<b>{figure}</b><span>{label}</span>" in content
    assert "30 photos without a hand" in content
    assert "1 of them is shown. The detector found no hand in them" in content
    assert "<b>album/cut.jpg</b> it ends too early" in content


def test_crops_show_their_keypoints(dataset_page):
    crops = re.findall(r"<figure>(.*?)</figure>", dataset_page.read_text())
    crops = [crop for crop in crops if 'alt="crop' in crop]
    assert len(crops) == 2 * 6
    assert all(crop.count("<circle") == 21 for crop in crops)


def test_charts_hold_their_values():
    assert "median 2" in histogram("Errors", [1, 2, 9, np.nan], "mm")
    assert histogram("Errors", [np.nan], "mm") == ""
    drawn = hand_map("Error", [1.5] * 20 + [np.nan])
    assert drawn.count(">1.5</text>") == 20
    assert ">–</text>" in drawn
    curve = pck_chart({"aligned": np.ones((2, 21)), "raw": np.full((2, 21), 3.0)})
    assert ">aligned<" in curve
    assert ">raw<" in curve
    assert "<style" not in curve  # it would reach beyond the chart


def test_missed_joints_are_not_drawn():
    keypoints = np.arange(42.0).reshape(21, 2) + 1
    keypoints[3] = 0
    keypoints[4] = np.nan
    confidence = np.ones(21)
    confidence[5] = 0
    assert np.flatnonzero(missed_joints(keypoints, confidence)).tolist() == [3, 4, 5]
    drawn = keypoints_svg((100, 100), keypoints, confidence)
    assert drawn.count("<circle") == 18
    assert "nan" not in drawn


def test_text_stands_out_in_both_schemes():
    style = (Path(__file__).parents[2] / "s2hand/pages/assets/pages.css").read_text()
    pairs = {name: both for name, *both in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", style)}
    for scheme in (0, 1):
        for ink, paper in (
            *(("ink", "paper"), ("ink", "card"), ("ink", "sunk"), ("quiet", "paper"), ("quiet", "card")),
            *(("accent", "paper"), ("accent", "card"), ("on-accent", "accent"), ("warn", "warn-paper")),
        ):
            assert contrast(pairs[ink][scheme], pairs[paper][scheme]) >= 4.5, (ink, paper, scheme)


def contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio of two colours."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(color: str) -> float:
    levels = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
