import copy

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage
from support.record_openpose_maps import RECORDED
from support.rule_weights import FIXTURES, rule_network

from s2hand.detection.openpose import (
    SCALES,
    DetectorWeightsError,
    ImageShapeError,
    OpenPoseEstimator,
    OpenPoseHandNet,
    load_openpose,
)
from s2hand.detection.openpose.estimator import BOX_SIZE
from s2hand.detection.openpose.network import BACKGROUND, STRIDE
from s2hand.detection.openpose.peaks import THRESHOLD, find_peaks, smoothing_matrix
from s2hand.detection.openpose.resampling import cubic_matrix, resize_uint8


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def published():
    return np.load(FIXTURES / "openpose.npz")


@pytest.fixture(scope="module")
def network():
    return rule_network()


@pytest.fixture
def small_maps():
    """Maps of smooth noise with several regions each, their smoothed ones, and one without a peak."""
    random = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(random.normal(size=(2, 21, 40, 52)), (0, 0, 4, 4)) * 10
    noise[1, 3] = -0.1
    smoothed = ndimage.gaussian_filter(noise, (0, 0, 3, 3))
    return noise.astype(np.float32), smoothed.astype(np.float32)


@torch.inference_mode()
def test_maps_match_the_published_network(network, published):
    image = torch.from_numpy(published["image0"]).movedim(-1, 0)[None] / 256 - 0.5
    np.testing.assert_allclose(network(image).numpy(), published["maps_184"], atol=1e-4)


class RecordedNetwork(torch.nn.Module):
    """Answers as the network did, and keeps what it was asked: the network itself takes 20 s."""

    def __init__(self):
        super().__init__()
        self.maps, self.inputs = dict(np.load(RECORDED)), []

    def set_precision(self, dtype):
        return self

    def forward(self, image):
        self.inputs.append(image)
        return torch.from_numpy(self.maps[str(image.shape[-2] // STRIDE)]).float()


def test_peaks_and_confidences_match_the_published_detector(published):
    """From recorded maps of all four scales; the tests before and after hold the network to them."""
    peaks, confidence = OpenPoseEstimator(RecordedNetwork()).peaks(published["image0"][None, ..., ::-1])
    assert np.abs(peaks[0] - published["peaks0"]).max() <= 1
    np.testing.assert_allclose(confidence[0], published["confidence0"], atol=1e-3)


@torch.inference_mode()
def test_the_network_gets_what_the_published_one_got(network, published):
    """Pictures as OpenCV resizes them, padded to the stride with grey; and it answers what is recorded."""
    recorded = RecordedNetwork()
    OpenPoseEstimator(recorded).peaks(published["image0"][None, ..., ::-1])
    for scale, asked in zip(SCALES, recorded.inputs, strict=True):
        factor = scale * BOX_SIZE / len(published["image0"])
        resized = cv2.resize(published["image0"], (0, 0), fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        padding = -len(resized) % STRIDE
        wanted = np.pad(resized, ((0, padding), (0, padding), (0, 0)), constant_values=128) / 256 - 0.5
        np.testing.assert_allclose(asked[0].movedim(0, -1).numpy(), wanted, atol=1.01 / 256)
    answer = network(recorded.inputs[0])[:, :BACKGROUND].numpy()
    np.testing.assert_allclose(answer, recorded.maps[str(answer.shape[-2])], atol=2e-3)


def test_half_precision_finds_the_peaks_of_float32(network, published):
    """At the smallest scale alone, where rounding moves several of this network's peaks unless rechecked."""
    images = published["image0"][None, ..., ::-1]
    exact, confidence = OpenPoseEstimator(copy.deepcopy(network), scales=[0.5]).peaks(images)
    rechecked = OpenPoseEstimator(copy.deepcopy(network), scales=[0.5], precision="bf16")
    found, half_confidence = rechecked.peaks(images)
    assert np.abs(found - exact)[confidence > 0.1].max() <= 1
    np.testing.assert_allclose(half_confidence, confidence, atol=0.02)
    assert rechecked.rechecked == 1


@pytest.mark.parametrize("factor", [0.31, 1.0, 2.4533333])
def test_uint8_pictures_are_resized_as_opencv_does(factor):
    image = np.random.default_rng(0).integers(0, 256, (75, 101, 3), np.uint8)
    wanted = cv2.resize(image, (0, 0), fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    pixels = torch.from_numpy(image).movedim(-1, 0)[None]
    resized = resize_uint8(pixels, *wanted.shape[:2], factor)[0].movedim(0, -1).numpy()
    # OpenCV's optimised paths round differently; a grey level is all that they may differ by.
    assert np.abs(resized - wanted).max() <= 1
    assert np.abs(resized - wanted).mean() < 0.05


def test_one_matrix_enlarges_cuts_and_resizes_maps():
    cells = np.random.default_rng(0).normal(size=(12, 12)).astype(np.float32)
    enlarged = cv2.resize(cells, (0, 0), fx=8, fy=8, interpolation=cv2.INTER_CUBIC)[:90]
    wanted = cv2.resize(enlarged, (96, 224), interpolation=cv2.INTER_CUBIC)
    rows = cubic_matrix(90, 224, 224 / 90) @ cubic_matrix(12, 96, 8)[:90]
    found = rows @ torch.from_numpy(cells).double() @ cubic_matrix(12, 96, 8).T
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-5)


@pytest.mark.parametrize("size", [1, 5, 40])
def test_smoothing_matches_scipy(size):
    values = np.random.default_rng(0).normal(size=(size, 30))
    wanted = ndimage.gaussian_filter(values, 3)
    found = smoothing_matrix(size).numpy() @ values @ smoothing_matrix(30).numpy().T
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_peaks_match_a_slow_search(small_maps):
    average, smoothed = small_maps
    found = find_peaks(torch.from_numpy(average), torch.from_numpy(smoothed))
    several = 0
    for place in np.ndindex(average.shape[:2]):
        labels, count = ndimage.label(smoothed[place] > THRESHOLD, np.ones((3, 3)))
        several += count > 1
        if not count:
            assert (found.pixels[place] == 0).all()
            assert found.confidence[place] == 0
            continue
        heaviest = max(range(1, count + 1), key=lambda label: average[place][labels == label].sum())
        row, column = max(np.argwhere(labels == heaviest), key=lambda pixel: average[place][tuple(pixel)])
        assert tuple(found.pixels[place]) == (column, row)
        assert found.confidence[place] == average[place][row, column]
    assert several > 20
    assert not found.doubtful.any()


def test_peaks_with_rivals_are_doubted(small_maps):
    average, smoothed = (torch.zeros(1, 3, 40, 60) for _ in range(2))
    smoothed[:] = 1
    average[0, :, 20, 10] = 1.0
    average[0, 0, 20, 40] = 0.995  # far away, nearly as high
    average[0, 1, 20, 13] = 0.995  # the same mode
    average[0, 2, 20, 40] = 0.9
    assert find_peaks(average, smoothed, tolerance=0.02).doubtful.tolist() == [[True, False, False]]
    smoothed[:, :, :, 30] = 0  # two regions
    average[0, 2, 20, 40] = 0.98
    average[0, 2, 10, 41] = 0.01
    assert find_peaks(average, smoothed, tolerance=0.005).doubtful.tolist() == [[True, False, True]]


class FakeNetwork(torch.nn.Module):
    """Stands in for the network: the maps are grey values of the picture's cells."""

    def set_precision(self, dtype):
        return self

    def forward(self, image):
        grey = torch.nn.functional.avg_pool2d(image.float().mean(1, keepdim=True) + 0.5, 8)
        return grey.expand(-1, 22, -1, -1)


def bright_spots(size, spots):
    images = np.zeros((len(spots), *size, 3), np.uint8)
    for image, (x, y) in zip(images, spots, strict=True):
        image[y - 8 : y + 9, x - 8 : x + 9] = 255
    return images


def test_keypoints_are_centres_of_pixels_of_the_picture():
    images = bright_spots((150, 203), [(40, 70), (180, 20)])
    keypoints, confidence = OpenPoseEstimator(FakeNetwork())(images)
    np.testing.assert_allclose(keypoints[:, 0], [(40.5, 70.5), (180.5, 20.5)], atol=4)
    assert (keypoints % 1 == 0.5).all()
    assert confidence.min() > 0.8


def test_a_batch_gives_what_its_pictures_give_alone():
    images = bright_spots((60, 80), [(20, 30), (60, 12), (40, 40)])
    estimator = OpenPoseEstimator(FakeNetwork(), scales=[0.5, 1])
    together, sure = estimator(images)
    for row, image in enumerate(images):
        alone, confidence = estimator(image[None])
        np.testing.assert_array_equal(alone[0], together[row])
        np.testing.assert_allclose(confidence[0], sure[row], atol=1e-6)


def test_nothing_found_is_zero():
    keypoints, confidence = OpenPoseEstimator(FakeNetwork(), scales=[0.5])(np.zeros((1, 40, 40, 3), np.uint8))
    assert (keypoints == 0).all()
    assert (confidence == 0).all()


def test_a_strip_is_refused():
    with pytest.raises(ImageShapeError, match="5000 x 20 px is too wide"):
        OpenPoseEstimator(FakeNetwork())(np.zeros((1, 20, 5000, 3), np.uint8))


@pytest.mark.parametrize("scales", [[], [0.0], [1, -1]])
def test_impossible_scales_are_refused(scales):
    with pytest.raises(ValueError, match="scales must be positive"):
        OpenPoseEstimator(FakeNetwork(), scales=scales)


def test_the_published_file_loads(tmp_path, network):
    torch.save(network.state_dict(), tmp_path / "hand_pose_model.pth")
    loaded, digest = load_openpose(tmp_path / "hand_pose_model.pth")
    assert len(digest) == 64
    assert not loaded.training
    for key, weight in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], weight)


def _without(weights, key):
    return {name: weight for name, weight in weights.items() if name != key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: [1, 2], "expected a flat dict"),
        (lambda w: {"state_dict": w}, "expected a flat dict"),
        (lambda w: {}, "64 of 64 are missing|of .* are missing"),
        (lambda w: _without(w, "Mconv1_stage2.bias"), r"1 of \d+ are missing \(first Mconv1_stage2.bias\)"),
        (lambda w: w | {"extra": torch.zeros(1)}, r"1 are unknown \(first extra\)"),
        (lambda w: w | {"conv1_1.bias": torch.zeros(3)}, r"conv1_1.bias is \(3,\) .* expected"),
        (
            lambda w: w | {"conv1_1.bias": torch.zeros(64, dtype=torch.int64)},
            "torch.int64, expected floating",
        ),
        (lambda w: w | {"conv1_1.bias": torch.full((64,), torch.nan)}, "not finite"),
    ],
)
def test_other_weights_are_refused_in_one_line(tmp_path, monkeypatch, change, message):
    small = {"conv1_1.bias": torch.zeros(64), "Mconv1_stage2.bias": torch.zeros(128)}
    monkeypatch.setattr(OpenPoseHandNet, "state_dict", lambda self: small)
    file = tmp_path / "weights.pth"
    torch.save(change(small), file)
    with pytest.raises(DetectorWeightsError, match=message) as caught:
        load_openpose(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no pickle", b"PK\x03\x04 damaged", None])
def test_what_is_no_weights_file_is_refused(tmp_path, content):
    file = tmp_path / "weights.pth"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DetectorWeightsError, match="no file" if content is None else "cannot be read"):
        load_openpose(file)


def test_the_prefix_of_data_parallel_is_dropped(tmp_path):
    torch.manual_seed(0)
    weights = {name: torch.zeros_like(value) for name, value in OpenPoseHandNet().state_dict().items()}
    weights["conv1_1.bias"] += 3
    torch.save({f"module.{name}": value for name, value in weights.items()}, tmp_path / "hand.pth")
    network, _ = load_openpose(tmp_path / "hand.pth")
    assert (network.conv1_1.bias == 3).all()
