import json
import multiprocessing
import os
import re
import signal
import time
import unicodedata

import cv2
import numpy as np
import pytest
import torch

from s2hand.checkpoints.checkpoint import write_checkpoint
from s2hand.cli import main
from s2hand.config.sections import NetworkSection
from s2hand.datasets import DetectorInfo, read_detections
from s2hand.detection import DetectionError, DetectionTask, Share, detect
from s2hand.detection.boxes import with_boxes
from s2hand.detection.shares import ShareFile
from s2hand.detection.sources import open_source
from s2hand.errors import DatasetError
from s2hand.models import build_hand_net

KILLS = 20
UNIT_BYTES = 2000
SPOT = 255
INFO = DetectorInfo("spots", "0" * 64, {"kind": "bright"})


class SpotDetector:
    """Answers where the brightest pixel is, for all joints, and how red it is."""

    whole_images = True
    crop_size = 64
    pixel_origin = 0.5

    def __init__(self):
        self.batches = []

    def __call__(self, images):
        self.batches.append(images.shape)
        keypoints, confidence = np.zeros((len(images), 21, 2), np.float32), np.zeros((len(images), 21))
        for row, image in enumerate(images):
            y, x = np.unravel_index(image.sum(-1, dtype=int).argmax(), image.shape[:2])
            keypoints[row], confidence[row] = (x + 0.5, y + 0.5), image[y, x, 0] / 255
        keypoints[:, 20], confidence[:, 20] = 0, 0
        return keypoints, confidence.astype(np.float32)


def spot(width, height, x, y):
    """A dark picture with one bright pixel, RGB."""
    image = np.zeros((height, width, 3), np.uint8)
    image[y, x] = SPOT
    return image


def write_picture(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1])


@pytest.fixture
def folder(tmp_path):
    """Pictures of two sizes, in a folder and a sub-folder."""
    root = tmp_path / "pictures"
    for number in range(7):
        width, height = ((64, 48), (40, 56))[number % 2]
        place = root / "sub" if number > 3 else root
        write_picture(place / f"{number}.png", spot(width, height, 3 + 5 * number, 2 + 4 * number))
    return root


def run(folder, out, detector=None, shard=None, boxes=None, **changes):
    source = open_source(folder)
    if boxes is not None:
        source = with_boxes(source, boxes)
    return detect(detector or SpotDetector(), DetectionTask(source, out, INFO, **changes), shard)


def test_pictures_of_one_size_go_together_and_results_keep_the_order(folder, tmp_path):
    detector = SpotDetector()
    summary = run(folder, tmp_path / "out.json", detector)
    assert detector.batches == [(4, 48, 64, 3), (3, 56, 40, 3)]
    assert summary.images == 7
    assert summary.unreadable == ()
    found = read_detections(tmp_path / "out.json")
    assert found.names == ("0.png", "1.png", "2.png", "3.png", "sub/4.png", "sub/5.png", "sub/6.png")
    assert found.sizes[:2].tolist() == [[64, 48], [40, 56]]
    for number in range(7):
        np.testing.assert_allclose(found.keypoints[number, 0], (3.5 + 5 * number, 2.5 + 4 * number))
    assert (found.keypoints[:, 20] == 0).all()
    assert found.hands == ("right",) * 7
    assert found.boxes is None
    assert found.detector == INFO


def test_left_hands_are_shown_mirrored_and_answered_unmirrored(folder, tmp_path):
    seen = []

    class Watching(SpotDetector):
        def __call__(self, images):
            seen.append(images)
            return super().__call__(images)

    run(folder, tmp_path / "left.json", Watching(), hand="left")
    right, left = tmp_path / "right.json", tmp_path / "left.json"
    run(folder, right)
    np.testing.assert_array_equal(read_detections(left).keypoints, read_detections(right).keypoints)
    assert read_detections(left).hands == ("left",) * 7
    assert seen[0][0, 2, 64 - 1 - 3].tolist() == [SPOT] * 3


def test_boxes_are_cut_out_and_a_picture_may_have_two(folder, tmp_path):
    picture = spot(64, 48, 10, 12)
    picture[12:16, 8:12] = SPOT
    picture[30:34, 50:54] = SPOT
    write_picture(folder / "0.png", picture)
    boxes = tmp_path / "boxes.json"
    entries = [{"box": [4, 8, 12, 10], "hand": "left"}, {"box": [46, 26, 12, 12]}]
    boxes.write_text(json.dumps({"0.png": entries, "sub/4.png": [{"box": None, "hand": "left"}]}))
    run(folder, tmp_path / "out.json", boxes=boxes)
    found = read_detections(tmp_path / "out.json")
    assert found.names[:3] == ("0.png", "0.png", "1.png")
    assert found.hands[:3] == ("left", "right", "right")
    np.testing.assert_allclose(found.keypoints[0, 0], (10, 14), atol=2.1)
    np.testing.assert_allclose(found.keypoints[1, 0], (52, 32), atol=2.1)
    np.testing.assert_array_equal(found.boxes[:2], [[4, 8, 12, 10], [46, 26, 12, 12]])
    assert np.isnan(found.boxes[2]).all()
    # The file just written serves as boxes itself.
    run(folder, tmp_path / "again.json", boxes=tmp_path / "out.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "out.json").read_bytes()


def test_large_whole_pictures_are_shrunk(tmp_path):
    picture = np.zeros((2000, 3000, 3), np.uint8)
    picture[1000:1006, 2400:2406] = SPOT
    write_picture(tmp_path / "large" / "a.png", picture)
    detector = SpotDetector()
    run(tmp_path / "large", tmp_path / "out.json", detector)
    (_, height, width, _), *_ = detector.batches
    assert 0.99 * 2**21 < height * width <= 2**21
    found = read_detections(tmp_path / "out.json")
    assert found.sizes.tolist() == [[3000, 2000]]
    np.testing.assert_allclose(found.keypoints[0, 0], (2403, 1003), atol=3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "expected {"),
        ({"0.png": {"box": [0, 0, 1, 1]}}, "0.png: expected {"),
        ({"0.png": [{"box": [0, 0, 1]}]}, r"0.png, box: expected shape"),
        ({"0.png": [{"box": [0, 0, 0, 1]}]}, "width and height above 0"),
        ({"0.png": [{"box": None, "hand": "both"}]}, "left or right, got 'both'"),
        ({"0.png": [{"bbox": [0, 0, 1, 1]}]}, "0.png: expected {"),
        ({"9.png": []}, "1 of its images are not in the source"),
    ],
)
def test_wrong_boxes_are_refused(folder, tmp_path, content, message):
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=message):
        with_boxes(open_source(folder), tmp_path / "boxes.json")


def test_a_box_outside_of_its_picture_is_listed_and_the_rest_goes_on(folder, tmp_path):
    (tmp_path / "boxes.json").write_text(json.dumps({"0.png": [{"box": [64, 0, 9, 9]}]}))
    summary = run(folder, tmp_path / "out.json", boxes=tmp_path / "boxes.json")
    assert len(summary.unreadable) == 1
    assert summary.unreadable[0].startswith("0.png: hand box [64, 0, 9, 9] lies outside of the image of 64 x")
    assert len(read_detections(tmp_path / "out.json")) == 6


@pytest.mark.parametrize("out", ["folder", "pipe"])
def test_only_a_file_can_be_the_output(folder, tmp_path, out, capsys):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.rglob("*"))
    assert main(["detect", str(folder), "--out", str(tmp_path / out), "--device", "cpu"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("box", "message"), [([0.1, 0.2, 0.5, 0.5], "shares of the"), ([0, 0, 1e6, 9], "reaches")]
)
def test_a_box_that_is_not_in_pixels_is_listed(folder, tmp_path, box, message):
    (tmp_path / "boxes.json").write_text(json.dumps({"0.png": [{"box": box}]}))
    (line,) = run(folder, tmp_path / "out.json", boxes=tmp_path / "boxes.json").unreadable
    assert line.startswith("0.png: the box")
    assert message in line


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_told_with_the_files_name(tmp_path):
    with ShareFile(tmp_path / "0-of-1.jsonl", {"format": "any"}, [range(1)]) as file:
        file._file.close()
        file._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
        with pytest.raises(OSError, match=r"No space left on device.*0-of-1\.jsonl"):
            file.append([{"index": 0}])


def test_cameras_of_a_detections_file_are_taken_over(folder, tmp_path):
    run(folder, tmp_path / "out.json")
    content = json.loads((tmp_path / "out.json").read_text())
    K = content["images"][0]["K"] = [[90, 0, 30], [0, 91, 20], [0, 0, 1]]
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    run(folder, tmp_path / "again.json", boxes=tmp_path / "boxes.json")
    images = json.loads((tmp_path / "again.json").read_text())["images"]
    assert [image["K"] for image in images] == [K, *[None] * 6]


def test_unreadable_pictures_are_listed_and_the_rest_goes_on(folder, tmp_path):
    (folder / "1.png").write_text("not a picture")
    (folder / "2.png").write_bytes(b"")
    summary = run(folder, tmp_path / "out.json", batch=2)
    found = read_detections(tmp_path / "out.json")
    assert len(found) == 5
    assert found.unreadable == summary.unreadable
    assert [line.split(":")[0] for line in found.unreadable] == ["1.png", "2.png"]
    assert str(folder) not in " ".join(found.unreadable)


def test_shards_merge_when_the_last_is_done(folder, tmp_path):
    run(folder, tmp_path / "whole.json", batch=2)
    out = tmp_path / "out.json"
    for index in (2, 0, 1):
        assert not out.exists()
        summary = run(folder, out, batch=2, shard=Share(index, 3))
    assert summary.written == (out,)
    assert out.read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_torchrun_gives_the_shard(monkeypatch):
    assert Share.from_environment() == Share(0, 1)
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert Share.from_environment() == Share(2, 4)


@pytest.mark.parametrize("text", ["1", "2/2", "-1/2", "a/b", "0/0"])
def test_impossible_shards_are_refused(text):
    with pytest.raises(DetectionError, match="expected i/n"):
        Share.parse(text)


def test_finished_work_is_not_repeated(folder, tmp_path):
    run(folder, tmp_path / "out.json")
    detector = SpotDetector()
    run(folder, tmp_path / "out.json", detector)
    assert detector.batches == []


@pytest.mark.parametrize("cut", range(1, 900, 37))
def test_any_torn_end_is_cut_off_and_done_again(folder, tmp_path, cut):
    run(folder, tmp_path / "out.json", batch=2)
    wanted = (tmp_path / "out.json").read_bytes()
    shard = tmp_path / "out.json.shards" / "0-of-1.jsonl"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: -(cut * len(whole) // 900) or None])
    run(folder, tmp_path / "out.json", batch=2)
    assert shard.read_bytes() == whole
    assert (tmp_path / "out.json").read_bytes() == wanted


def test_a_run_with_other_settings_is_refused_by_name(folder, tmp_path):
    run(folder, tmp_path / "out.json")
    with pytest.raises(DetectionError, match="begun with batch 8, now it is 4"):
        run(folder, tmp_path / "out.json", batch=4)
    other = DetectorInfo("spots", "0" * 64, {"kind": "dark"})
    task = DetectionTask(open_source(folder), tmp_path / "out.json", other)
    with pytest.raises(DetectionError, match=r'begun with settings\.kind "bright", now it is "dark"'):
        detect(SpotDetector(), task)
    (folder / "0.png").unlink()
    with pytest.raises(DetectionError, match=r"begun with pictures\.count 7, now it is 6"):
        run(folder, tmp_path / "out.json")


def test_two_processes_cannot_share_a_shard(folder, tmp_path):
    class Nested(SpotDetector):
        def __call__(self, images):
            with pytest.raises(DetectionError, match="another process is at work"):
                run(folder, tmp_path / "out.json")
            return super().__call__(images)

    run(folder, tmp_path / "out.json", Nested())


def test_a_video_is_read_frame_by_frame(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for number in range(6):
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[16:32, 8 * number : 8 * number + 16] = SPOT
        writer.write(frame)
    writer.release()
    run(tmp_path / "v.avi", tmp_path / "out.json", batch=4)
    found = read_detections(tmp_path / "out.json")
    assert found.names == tuple(f"v.avi#{number:06d}" for number in range(6))
    assert (found.keypoints[:, 0, 0] // 8).astype(int).tolist() in (list(range(6)), [*range(1, 7)])
    for index in (1, 0):  # as one shard reads, and back again
        run(tmp_path / "v.avi", tmp_path / "parts.json", batch=4, shard=Share(index, 2))
    assert (tmp_path / "parts.json").read_bytes() == (tmp_path / "out.json").read_bytes()


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "v.mp4").write_text("text")
    with pytest.raises(DatasetError, match="not a video"):
        open_source(tmp_path / "v.mp4")


def test_a_video_that_ends_early_and_images_passed_over_are_told(tmp_path, hourglass, capsys):
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    noise = np.random.default_rng(0)
    for _ in range(20):
        writer.write(noise.integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    assert main(command(path, tmp_path / "out.json", hourglass)) == 0
    assert re.search(r"v\.avi: only \d+ of 20 frames could be read", capsys.readouterr().out)
    write_picture(tmp_path / "photos/a.png", spot(64, 48, 3, 3))
    (tmp_path / "photos/b.psd").touch()
    (tmp_path / "photos/c.mp4").touch()
    assert main(command(tmp_path / "photos", tmp_path / "photos.json", hourglass)) == 0
    assert "passed over: 1 .psd, 1 .mp4" in capsys.readouterr().out


def test_boxes_are_found_however_letters_are_composed(tmp_path):
    write_picture(tmp_path / "in" / unicodedata.normalize("NFD", "Hände.png"), spot(64, 48, 10, 12))
    entry = [{"box": [4, 6, 12, 12], "hand": "left"}]
    (tmp_path / "boxes.json").write_text(json.dumps({unicodedata.normalize("NFC", "Hände.png"): entry}))
    run(tmp_path / "in", tmp_path / "out.json", boxes=tmp_path / "boxes.json")
    assert read_detections(tmp_path / "out.json").hands == ("left",)


def test_boxes_that_cannot_be_pixels_are_told(folder, tmp_path):
    boxes = {"0.png": [{"box": [0.1, 0.1, 0.5, 0.5]}], "2.png": [{"box": [30, 20, 60, 45]}]}
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    summary = run(folder, tmp_path / "out.json", boxes=tmp_path / "boxes.json")
    first, second = summary.unreadable
    assert "looks like shares of the image" in first
    assert "looks like left, top, right and bottom" in second


def test_freihand_gets_its_published_file(tmp_path):
    root = tmp_path / "FreiHAND"
    for number in range(8):  # two versions of four poses
        write_picture(root / f"training/rgb/{number:08d}.jpg", spot(48, 48, 0, 0))
    K = np.diag([50.0, 50, 1])
    (root / "training_K.json").write_text(json.dumps([K.tolist()] * 4))
    (root / "training/rgb/00000002.jpg").write_bytes(b"")
    summary = run(root, tmp_path / "out.json", published="auto")
    file = root / "openpose_v2/training/detect_all.json"
    assert summary.written == (tmp_path / "out.json", file)
    published, versioned = read_detections(file), read_detections(tmp_path / "out.json")
    assert published.names == tuple(f"{number:08d}.jpg" for number in range(4))
    assert (published.keypoints % 1 == 0).all()
    np.testing.assert_array_equal(published.keypoints[0, :20] + 0.5, versioned.keypoints[0, :20])
    assert (published.confidence[2] == 0).all()
    assert versioned.names == tuple(f"training/rgb/{number:08d}.jpg" for number in (0, 1, 3))
    np.testing.assert_array_equal(versioned.cameras[0], K)


def test_only_datasets_have_a_published_place(folder, tmp_path):
    with pytest.raises(DatasetError, match="give --published FILE"):
        run(folder, tmp_path / "out.json", published="auto")
    run(folder, tmp_path / "out.json", published=tmp_path / "published.json")
    assert read_detections(tmp_path / "published.json").names[4] == "sub/4.png"


@pytest.fixture
def hourglass(tmp_path):
    """A checkpoint of a tiny 2D branch, as training writes them."""
    torch.manual_seed(0)
    sizes = {"hourglass_stacks": 1, "hourglass_depth": 1, "hourglass_modules": 1, "hourglass_features": 8}
    network = build_hand_net(NetworkSection(image_size=32, **sizes), {"heatmaps"})
    config = json.dumps({**sizes, "image_size": 32, "hourglass_input_size": None})
    write_checkpoint(tmp_path / "kp.pt", {"model": network.state_dict(), "config": config})
    return tmp_path / "kp.pt"


def command(folder, out, weights, *more):
    fixed = ["--detector", "hourglass", "--weights", str(weights), "--device", "cpu"]
    return ["detect", str(folder), "--out", str(out), *fixed, *more]


def test_the_command_with_our_own_detector(folder, tmp_path, hourglass, capsys):
    out = tmp_path / "out.json"
    assert main(command(folder, out, hourglass, "--preview")) == 0
    found = read_detections(out)
    assert found.detector.name == "hourglass"
    assert len(found.detector.sha256) == 64
    assert ((found.confidence > 0) & (found.confidence <= 1)).all()
    assert (tmp_path / "out_preview.jpg").is_file()
    (folder / "1.png").write_bytes(b"")
    assert main(command(folder, tmp_path / "second.json", hourglass)) == 3
    assert "unreadable: 1.png" in capsys.readouterr().out
    assert main(command(folder, tmp_path / "second.json", hourglass, "--batch", "3")) == 2
    assert "begun with batch 8, now it is 3" in capsys.readouterr().err


def test_the_sheet_of_an_earlier_run_is_no_picture(folder, hourglass):
    out = folder / "detections.json"
    for _ in range(2):
        assert main(command(folder, out, hourglass, "--preview")) == 0
        assert len(read_detections(out)) == 7


@pytest.mark.slow
def test_killing_the_command_at_any_moment_changes_nothing(tmp_path, hourglass):
    """SIGKILL at random moments, then the same command again, until it has been killed often enough."""
    folder = tmp_path / "many"
    for number in range(90):
        write_picture(folder / f"{number:03d}.png", spot(*((64, 48), (48, 64))[number % 2], number % 48, 7))
    (folder / "050.png").write_bytes(b"")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        wanted = _detect_undisturbed(folder, tmp_path / "wanted.json", hourglass)
        out = tmp_path / "out.json"
        random = np.random.default_rng(0)
        context = multiprocessing.get_context("fork")  # no second import of torch
        kills, states = 0, set()
        while kills < KILLS:
            process = context.Process(target=_quiet_command, args=(folder, out, hourglass))
            begun = _size(out)
            process.start()
            # Some kills hit the start or the merge, most the work: then they wait for a few more units.
            units, deadline = random.integers(0, 5), time.monotonic() + random.choice([0.05, 0.3, 5.0])
            while (
                process.is_alive()
                and time.monotonic() < deadline
                and _size(out) <= begun + units * UNIT_BYTES
            ):
                time.sleep(0.001)
            time.sleep(random.uniform(0, 0.01))
            process.kill()
            process.join()
            kills += process.exitcode == -signal.SIGKILL
            states.add(_size(out))
        assert len(states) > 4  # kills did interrupt the work
        assert _detect_undisturbed(folder, out, hourglass) == wanted
    finally:
        torch.set_num_threads(threads)


def _size(out):
    return _shard(out).stat().st_size if _shard(out).is_file() else 0


def _shard(out):
    return out.with_name(out.name + ".shards") / "0-of-1.jsonl"


def _detect_undisturbed(folder, out, weights):
    assert main(command(folder, out, weights, "--batch", "2")) == 3
    return out.read_bytes(), _shard(out).read_bytes()


def _quiet_command(folder, out, weights):
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        main(command(folder, out, weights, "--batch", "2"))
