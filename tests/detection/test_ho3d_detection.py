import numpy as np
from support.made_up_ho3d import NUMBERS, SEQUENCES, frames_of, made_up_joints, project, write_ho3d

from s2hand.datasets import DetectorInfo, read_detections
from s2hand.datasets.ho3d import Ho3dDataset
from s2hand.detection import DetectionTask, detect
from s2hand.detection.sources import open_source


class CentreDetector:
    """Answers the middle of what it sees."""

    whole_images = True
    crop_size = 32
    pixel_origin = 0.5

    def __call__(self, images):
        assert images.shape[1:] == (32, 32, 3)
        return np.full((len(images), 21, 2), 16, np.float32), np.full((len(images), 21), 0.5, np.float32)


def test_each_sequence_gets_its_published_file(tmp_path):
    root = write_ho3d(tmp_path / "HO3D")
    for file in root.glob("openpose/*/detect.json"):
        file.unlink()
    task = DetectionTask(
        open_source(root), tmp_path / "out.json", DetectorInfo("centre", "0" * 64, {}), published="auto"
    )
    summary = detect(CentreDetector(), task)
    assert len(summary.written) == 1 + len(SEQUENCES["train"])
    versioned = read_detections(tmp_path / "out.json")
    assert len(versioned) == len(frames_of("train"))
    for sequence in SEQUENCES["train"]:
        published = read_detections(root / "openpose" / sequence / "detect.json")
        assert published.names is None
        assert len(published) == max(NUMBERS) + 1
        assert (published.confidence[list(NUMBERS)] == 0.5).all()
        missing = sorted(set(range(max(NUMBERS) + 1)) - set(NUMBERS))
        assert (published.confidence[missing] == 0).all()
        for number in NUMBERS:
            hand = project(made_up_joints(f"{sequence}/{number:04d}"))
            middle = (hand.min(0) + hand.max(0)) / 2
            np.testing.assert_allclose(published.keypoints[number] + 0.5, np.tile(middle, (21, 1)), atol=0.1)
    # What was written is what training reads.
    dataset = Ho3dDataset(root)
    assert dataset.record(0).confidence.tolist() == [0.5] * 21
