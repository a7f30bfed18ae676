"""The bundled network from photo to files, on the photos in the package."""

import copy
import json
import pickle

import numpy as np
import pytest
import torch
import trimesh

import s2hand
from s2hand.cli import main
from s2hand.cli.prediction import split_inputs
from s2hand.errors import S2HandError
from s2hand.export import HandSize
from s2hand.images.photos import read_photo
from s2hand.prediction import predict
from s2hand.prediction.options import PredictOptions
from s2hand.prediction.sample_photos import sample_photos


@pytest.fixture(scope="module")
def small():
    return s2hand.HandReconstructor.small(device="cpu")


@pytest.fixture(scope="module")
def photo():
    return read_photo(sample_photos()[1])


@pytest.fixture(scope="module")
def hands(small, photo):
    return small.predict(photo, refine=True)


def distance(hands):
    """Mean distance of the joints from the detected keypoints in larger sides of their box."""
    side = np.ptp(hands.detected_keypoints[0].numpy(), axis=0).max()
    return float((hands.keypoints_2d - hands.detected_keypoints).norm(dim=-1).mean()) / side


def test_a_hand_lies_on_its_keypoints_and_has_the_photos_colours(hands, photo):
    assert (len(hands), hands.image_numbers, hands.hands) == (1, (0,), ("left",))
    assert distance(hands) < 0.06
    skin = hands.face_textures[0].tanh().median(0).values.numpy()
    assert skin[0] > skin[1] > skin[2]  # red, green, blue
    assert hands.painted


def test_refinement_brings_it_nearer(small, photo, hands):
    assert distance(hands) < distance(small.predict(photo))


def test_a_mirrored_photo_has_the_mirrored_hand(small, photo, hands):
    mirrored = small.predict(np.ascontiguousarray(photo[:, ::-1]), refine=True)
    assert mirrored.hands == ("right",)
    unmirrored = mirrored.joints[0].numpy() * (-1, 1, 1)
    difference = unmirrored - hands.joints[0].numpy()
    assert np.linalg.norm(difference - difference.mean(0), axis=1).mean() < 0.006


def test_a_photo_without_hands_has_none(small):
    grey = np.full((120, 160, 3), 128, np.uint8)
    found = small.predict([grey, grey])
    assert (len(found), list(found), found.image_numbers) == (0, [], ())


def test_hands_that_were_not_found_are_empty_arrays(small):
    none = small.predict(np.zeros((64, 64, 3), np.uint8), refine=True)
    assert (none.vertices.shape, none.joints.shape) == ((0, 778, 3), (0, 21, 3))
    assert list(none) == list(none.keypoints_2d) == []
    found = small.predict(sample_photos()[1])
    for name in ("face_textures", "light", "K", "confidence", "detected_keypoints", "lengths_mm"):
        assert getattr(none, name).shape[1:] == getattr(found, name).shape[1:]
    for name, value in vars(none.parameters).items():
        assert value.shape[1:] == getattr(found.parameters, name).shape[1:]


def test_copies_and_pickles_answer_alike(small, photo, hands):
    for other in (copy.deepcopy(small), pickle.loads(pickle.dumps(small))):
        again = other.predict(photo, refine=True)
        assert again.vertices.equal(hands.vertices)


def test_other_modes_of_pytorch_change_nothing(photo, hands):
    reconstructor = s2hand.HandReconstructor.small(device="cpu", photometric=True)
    with torch.inference_mode():
        followed = reconstructor.predict(photo, refine=True)
    assert len(followed) == 1
    plain = s2hand.HandReconstructor.small(device="cpu")
    torch.set_default_dtype(torch.float64)
    try:
        again = plain.predict(photo, refine=True)
    finally:
        torch.set_default_dtype(torch.float32)
    assert again.vertices.dtype == torch.float32
    assert torch.allclose(again.vertices, hands.vertices, atol=1e-4)


def test_the_hand_in_a_box_is_the_one_found(small, photo, hands):
    low, high = hands.detected_keypoints[0].numpy().min(0), hands.detected_keypoints[0].numpy().max(0)
    found = small.predict(photo, boxes=[[*low, *(high - low)]], hand="left", refine=True)
    np.testing.assert_allclose(found.joints[0], hands.joints[0], atol=0.02)
    assert len(small.predict(photo, boxes=[[0, 0, 30, 30]])) == 0


def test_keypoints_alone_are_lifted(small, photo, hands):
    found = small.predict(photo, hand="left", keypoints=hands.detected_keypoints.numpy(), refine=True)
    assert distance(found) < 0.06
    with pytest.raises(S2HandError, match="0 keypoints of the left hand are known"):
        small.predict(photo, hand="left", keypoints=np.zeros((1, 21, 2)), confidence=np.zeros((1, 21)))


def test_a_hand_of_given_length_looks_the_same_at_its_true_distance(small, photo, hands):
    measured = s2hand.HandReconstructor(small.answerer, finder=small.finder, hand_length_mm=200)
    found = measured.predict(photo, refine=True)
    np.testing.assert_allclose(found.keypoints_2d, hands.keypoints_2d, atol=0.01)
    factor = 200 / float(hands.lengths_mm[0])
    np.testing.assert_allclose(found.vertices, factor * hands.vertices, rtol=1e-4, atol=1e-7)
    assert found[0].size == HandSize("hand_length", 200.0)
    chain = found.joints[0, [0, 9, 10, 11, 12]]
    assert float(chain.diff(dim=0).norm(dim=-1).sum()) == pytest.approx(0.2, abs=0.002)
    guess = hands[0].size
    assert (guess.source, guess.prior["mean_mm"]) == ("prior", pytest.approx(175.2, abs=0.1))
    assert abs(guess.length_mm - guess.prior["mean_mm"]) < 4 * guess.prior["spread_mm"]


def test_what_is_no_hands_length_is_one_line(small, capsys):
    for length, words in (("0.18", "got 0.18"), ("261", "expected 100 to 260 mm"), ("nan", "got nan")):
        assert main(["predict", "--samples", "--hand-length", length]) == 2
        assert words in capsys.readouterr().err
    with pytest.raises(S2HandError, match="got 18"):
        s2hand.HandReconstructor(small.answerer, hand_length_mm=18)


@pytest.mark.slow
def test_the_shape_follows_the_photo(small, photo, hands):
    """It differs from that of landmarks alone, stays on them, and mirrored photos have mirrored hands."""
    photometric = s2hand.HandReconstructor.small(device="cpu", photometric=True)
    found = photometric.predict(photo, refine=True)
    assert found.refined == (True,)
    assert distance(found) < 0.06
    mirrored = photometric.predict(np.ascontiguousarray(photo[:, ::-1]), refine=True)
    difference = mirrored.joints[0].numpy() * (-1, 1, 1) - found.joints[0].numpy()
    assert np.linalg.norm(difference - difference.mean(0), axis=1).mean() < 0.008
    assert (found.vertices - hands.vertices).norm(dim=-1).mean() > 0.001


def test_the_command_needs_photos_alone(tmp_path, capsys):
    out = tmp_path / "hands"
    assert main(["predict", "--samples", "--out", str(out), "--device", "cpu", "--refine"]) == 0
    index = json.loads((out / "index.json").read_text())
    assert [len(entry["hands"]) for entry in index["images"]] == [1, 1]
    assert not any("doubts" in hand for entry in index["images"] for hand in entry["hands"])
    mesh = trimesh.load(out / index["images"][0]["hands"][0]["files"]["glb"], force="mesh")
    assert len(mesh.faces) == 1538
    assert "index.html shows them" in capsys.readouterr().out


def test_fast_looks_once_refines_nothing_and_writes_no_page_unless_asked(tmp_path):
    photo, out = str(sample_photos()[1]), tmp_path / "out"
    assert main(["predict", photo, "--fast", "--no-page", "--formats", "npz", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["index.json", "pointing.npz"]
    (image,) = json.loads((out / "index.json").read_text())["images"]
    assert image["hands"][0]["refined"] is False
    looked_once = s2hand.HandReconstructor.small(device="cpu", fast=True)
    assert len(looked_once.finder.detector.looks) == 1
    hands = looked_once.predict(read_photo(photo))
    np.testing.assert_allclose(
        np.load(out / "pointing.npz")["keypoints_2d"], hands.keypoints_2d[0], atol=1e-2
    )
    assert distance(hands) < 0.1


def test_an_interrupted_prediction_lists_what_is_done(tmp_path, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(predict, "_predict_videos", interrupted)
    options, notes = PredictOptions(formats=("npz",), fast=True), []
    with pytest.raises(KeyboardInterrupt):
        predict.predict(None, [sample_photos()[1]], tmp_path, options, device="cpu", note=notes.append)
    index = json.loads((tmp_path / "index.json").read_text())
    assert [image["name"] for image in index["images"]] == ["pointing.jpg"]
    assert "lists them" in notes[-1]


def test_fast_is_not_for_other_networks(tmp_path, capsys):
    (tmp_path / "network.pt").write_bytes(b"")
    assert main(["predict", str(tmp_path / "network.pt"), str(sample_photos()[1]), "--fast"]) == 2
    assert "--fast is for the bundled detector" in capsys.readouterr().err


def test_files_say_where_the_size_comes_from(tmp_path):
    arguments = ["predict", "--samples", "--out", str(tmp_path), "--formats", "json,npz,glb"]
    sizes = {}
    for length in ((), ("--hand-length", "190")):
        assert main([*arguments, *length, "--device", "cpu"]) == 0
        index = json.loads((tmp_path / "index.json").read_text())
        files = index["images"][0]["hands"][0]["files"]
        hand = json.loads((tmp_path / files["json"]).read_text())
        assert hand["refined"]  # photos with the bundled network are, if nothing else is said
        mesh = trimesh.load(tmp_path / files["glb"], force="mesh")
        sizes[hand["size"]["source"]] = hand["size"]["length_mm"], np.ptp(mesh.vertices, axis=0).max()
        with np.load(tmp_path / files["npz"]) as arrays:
            assert str(arrays["size_source"]) == hand["size"]["source"]
            prior = json.loads(str(arrays["about"]))["size_prior"]
        assert prior == hand["size"]["prior"]
    assert main([*arguments, "--refine", "0", "--device", "cpu"]) == 0
    assert not json.loads((tmp_path / files["json"]).read_text())["refined"]
    assert index["settings"]["hand_length_mm"] == sizes["hand_length"][0] == 190
    (guess, extent), (given, own_extent) = sizes["prior"], sizes["hand_length"]
    assert own_extent / extent == pytest.approx(given / guess, rel=1e-4)


def test_without_photos_the_command_says_what_to_name(capsys):
    assert main(["predict"]) == 2
    assert "--samples" in capsys.readouterr().err


def test_strict_is_an_exit_code_of_its_own(tmp_path):
    from PIL import Image

    Image.new("RGB", (64, 64), "grey").save(tmp_path / "wall.png")
    arguments = ["predict", str(tmp_path / "wall.png"), "--out", str(tmp_path / "o"), "--device", "cpu"]
    assert main(arguments) == 0
    assert main([*arguments, "--strict"]) == 4


def test_what_cannot_be_read_leaves_an_earlier_prediction_alone(tmp_path, capsys):
    out = tmp_path / "o"
    out.mkdir()
    (out / "index.json").write_text("earlier")
    (tmp_path / "text.jpg").write_text("no image")
    assert main(["predict", str(tmp_path / "text.jpg"), "--out", str(out), "--device", "cpu"]) == 2
    assert "nothing could be predicted: text.jpg" in capsys.readouterr().err
    assert (out / "index.json").read_text() == "earlier"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--refine", "-5"], "--refine: expected 0 or more steps, got -5"),
        (["--photometric", "--refine", "0"], "--photometric refines hands, and --refine 0 switches that off"),
        (["--out", ""], "out is empty, as from a variable that is not set"),
        (["--port", "80"], "--port is for the page of --camera"),
        (["--out", "file"], "file: a file, where a folder is needed"),
        (["--out", "file/out"], "file: a file, where a folder is needed"),
    ],
)
def test_options_that_mean_nothing_are_refused(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main(["predict", "--samples", *options]) == 2
    assert message in (error := capsys.readouterr().err)
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_photo_after_refine_is_no_number(capsys):
    assert main(["predict", "--refine", "a.jpg"]) == 2
    assert "'a.jpg' is no number of steps; name photos before --refine" in capsys.readouterr().err


def test_a_folder_of_photos_may_hold_another_programs_config(tmp_path):
    (tmp_path / "config.json").write_text('{"album": 3}')
    assert split_inputs([str(tmp_path)]) == (None, [str(tmp_path)])
    (tmp_path / "config.json").write_text('{"base_out_path": "runs/a"}')
    assert split_inputs([str(tmp_path)]) == (str(tmp_path), [])
