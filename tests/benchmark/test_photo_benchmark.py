"""The benchmark on photos, from a folder to a table, on the photos that come with the package."""

import json
import shutil

import numpy as np
import pytest
from support.untrained_checkpoint import write_own

from s2hand import cli
from s2hand.benchmark.matching import joint_distances, match_hands
from s2hand.benchmark.photo_result import ALL, NETWORK, REFINED, FolderValues, PhotosResult, together
from s2hand.benchmark.photos import benchmark_photos
from s2hand.errors import S2HandError
from s2hand.prediction.sample_photos import sample_photos


@pytest.fixture
def folder(tmp_path):
    """The package's two photos, each in a folder of its own."""
    for path in sample_photos():
        (tmp_path / "photos" / path.stem).mkdir(parents=True)
        shutil.copy(path, tmp_path / "photos" / path.stem)
    return tmp_path / "photos"


@pytest.mark.slow
def test_a_plain_folder_is_measured_alike_each_time(folder, tmp_path, capsys):
    arguments = ["benchmark", "photos", str(folder), "--refine", "--device", "cpu"]
    arguments += ["--out", str(tmp_path / "found.json")]
    assert cli.main(arguments) == 0
    shown = capsys.readouterr().out
    assert "compared with the detector's own landmarks" in shown
    result = json.loads((tmp_path / "found.json").read_text())
    assert list(result["folders"]) == [path.stem for path in sample_photos()] + [ALL]
    whole = result["folders"][ALL]
    assert (whole["photos"], whole["photos_with_hands"]) == (2, 1)
    assert "reference_found" not in whole
    for stage in (NETWORK, REFINED):
        assert whole[stage]["agreement"] < 0.06
        assert whole[stage]["agreement"] < whole[stage]["left_out"] < 0.3
        assert whole[stage]["mirrored_mm"] < 10
        assert whole[stage]["tone"] < 0.06
    assert whole[REFINED]["left_out"] < whole[NETWORK]["left_out"]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out == shown


@pytest.mark.slow
def test_a_reference_tells_which_hands_are_missing(folder):
    """Landmarks that no hand is near belong to a hand that was not found."""
    shutil.rmtree(folder / "bending")
    nowhere = np.random.default_rng(0).uniform(0, 9, (21, 3)).tolist()
    (folder / "reference.json").write_text(json.dumps({"pointing/pointing.jpg": [{"xyz": nowhere}]}))
    result = benchmark_photos(folder, device="cpu")
    found = result.folders["pointing"]
    assert (found["photos_with_hands"], found["reference_found"]) == (1, 0)
    assert found["mirrored_lost"] == 0
    assert "hands" not in found[NETWORK]
    assert "pointing" in result.table()


@pytest.mark.slow
def test_a_trained_run_is_given_the_bundled_detectors_hands(folder, tmp_path):
    write_own(tmp_path / "checkpoint_last.pt")
    result = benchmark_photos(folder, tmp_path / "checkpoint_last.pt", refine=True, device="cpu")
    whole = result.folders[ALL]
    assert whole[NETWORK]["hands"] == 2
    assert whole[REFINED]["agreement"] < whole[NETWORK]["agreement"]
    assert whole[NETWORK]["tone"] > 0  # it has a texture head
    with pytest.raises(S2HandError, match="photometric follows the hands of the bundled network"):
        benchmark_photos(folder, tmp_path / "checkpoint_last.pt", photometric=True, device="cpu")


def test_one_line_about_another_folder(tmp_path, capsys):
    assert cli.main(["benchmark", "photos", str(tmp_path / "missing")]) == 2
    error = capsys.readouterr().err
    assert "no folder; expected a folder of photos" in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_unreadable_photos_are_left_out_by_name(folder, tmp_path, capsys):
    whole = next(folder.rglob("bending.jpg")).read_bytes()
    for number in range(12):
        (folder / f"bending/cut{number}.jpg").write_bytes(whole[: 3000 + number])
    arguments = ["benchmark", "photos", str(folder), "--out", str(tmp_path / "found.json"), "--device", "cpu"]
    assert cli.main(arguments) == 3
    error = capsys.readouterr().err
    assert sum("s2hand: left out: " in line and "cut" in line for line in error.splitlines()) == 10
    assert f"s2hand: left out: 2 more; {tmp_path / 'found.json'} lists them" in error
    result = json.loads((tmp_path / "found.json").read_text())
    assert result["folders"][ALL]["photos"] == 2
    assert len(result["unreadable"]) == 12
    for path in folder.rglob("*.jpg"):
        path.write_bytes(whole[:3000] + path.name.encode())
    assert cli.main(arguments) == 2
    assert "none of the 14 photos can be read" in capsys.readouterr().err


@pytest.mark.parametrize("benchmark", ["photos", "synthetic"])
def test_where_results_cannot_be_written_nothing_is_measured(tmp_path, capsys, benchmark):
    (tmp_path / "file").touch()
    for out in (tmp_path, tmp_path / "file/found.json"):
        assert cli.main(["benchmark", benchmark, str(tmp_path / "missing"), "--out", str(out)]) == 2
        error = capsys.readouterr().err
        assert "missing" not in error
        assert error.count("\n") == 1


def test_distances_are_in_sides_of_the_box():
    landmarks = np.stack([np.linspace(10, 60, 21), np.linspace(5, 15, 21)], 1)
    np.testing.assert_allclose(joint_distances(landmarks + np.array([3, 4]), landmarks), 0.1)


def test_hands_are_matched_where_they_are_nearest():
    random = np.random.default_rng(0)
    hand = random.uniform(0, 100, (21, 2))
    beside, far = hand + np.array([60, 0]), hand + np.array([500, 0])
    assert match_hands([beside + 1, hand + 1], [hand, beside, far]) == {0: 1, 1: 0}
    assert match_hands([], [hand]) == match_hands([hand], []) == {}


def test_summaries_and_their_table():
    first, second = FolderValues(), FolderValues()
    for share in (0.01, 0.05, 0.30):
        first.add({"found": True})
        first.add({"agreement": share, "mirrored": 100 * share}, NETWORK)
    second.add({"found": False, "reference_found": False})
    whole = together([first, second])
    folders = {"a": first.summary(), "b": second.summary(), ALL: whole.summary()}
    assert folders["a"][NETWORK] == pytest.approx(
        {"hands": 3, "agreement": 0.05, "agreement_near": 2 / 3, "mirrored_mm": 5, "mirrored_90_mm": 25}
    )
    assert folders["b"] == {"photos": 1, "photos_with_hands": 0, "reference_found": 0}
    assert folders[ALL]["photos_with_hands"] == 0.75
    table = PhotosResult("bundled", 3, "reference.json", folders).table().splitlines()
    cells = {line[:25].strip(): line[25:].split() for line in table}
    assert cells["photos"] == ["3", "1", "4"]
    assert cells["agreement, median"] == ["5.0%", "5.0%"]
    assert "refined:" not in cells
