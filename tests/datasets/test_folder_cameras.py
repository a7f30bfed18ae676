"""Cameras of own pictures: where each comes from, and what is no camera."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from support.own_photos import folder_dataset

from s2hand.datasets import Detections, read_detections
from s2hand.errors import DatasetError
from s2hand.images.intrinsics import DEFAULT_FOCAL_OVER_LONGER_SIDE, StatedCamera


class TestCameras:
    """Each source, in its order; the principal point is the picture's middle unless K says otherwise."""

    def cameras(self, own, **settings):
        dataset = folder_dataset(own, val_share=0, min_joints=0, **settings)
        return dataset, np.stack([dataset.record(index).K for index in range(len(dataset))])

    def test_sources_are_counted(self, own, truth):
        dataset, K = self.cameras(own)
        found = read_detections(own / "detections.json")
        for index, source in enumerate(dataset.camera_sources):
            width, height = found.sizes[index]
            if source == "detections file":
                np.testing.assert_allclose(K[index], truth[dataset.name(index)]["K"], rtol=1e-5)
                continue
            assert K[index, :2, 2].tolist() == [width / 2, height / 2]
            assert K[index, 0, 0] == K[index, 1, 1]
            if source == "default":
                assert K[index, 0, 0] == DEFAULT_FOCAL_OVER_LONGER_SIDE * max(width, height)
            else:
                assert K[index, 0, 0] == pytest.approx(truth[dataset.name(index)]["K"][0][0], rel=0.03)
        assert "cameras: 5 detections file, 5 EXIF, 4 default" in dataset.summary()

    def test_a_stated_focal_length_comes_before_exif(self, own, monkeypatch):
        def refuse(*_):
            raise AssertionError("no header need be read")

        monkeypatch.setattr("s2hand.images.photo_index.read_photo_header", refuse)
        dataset, K = self.cameras(own, focal=777)
        assert set(dataset.camera_sources) == {"detections file", "config"}
        stated = [source == "config" for source in dataset.camera_sources]
        assert (K[stated][:, 0, 0] == 777).all()
        sizes = read_detections(own / "detections.json").sizes
        np.testing.assert_allclose(K[stated][:, :2, 2], sizes[stated] / 2)

    def test_a_stated_camera_holds_for_all(self, own):
        stated = np.array([[300.0, 0, 70], [0, 310, 60], [0, 0, 1]])
        dataset, K = self.cameras(own, K=stated)
        chosen = [source == "config" for source in dataset.camera_sources]
        assert (K[chosen] == stated).all()
        assert not all(chosen)

    def test_sizes_are_read_from_the_pictures_if_the_detections_lack_them(self, own):
        found = read_detections(own / "detections.json")
        expected = self.cameras(own)[1]
        bare = Detections(found.keypoints, found.confidence, found.names)
        dataset, K = self.cameras(own, detections=bare)
        others = [source != "detections file" for source in self.cameras(own)[0].camera_sources]
        np.testing.assert_array_equal(K[others], expected[others])
        assert set(dataset.camera_sources) == {"EXIF", "default"}
        assert dataset.hand(1) == "right"

    def test_what_is_no_camera_is_refused(self, own, rewrite_detections):
        def break_one(found):
            cameras = found.cameras.copy()
            cameras[0] = np.zeros((3, 3))
            return replace(found, cameras=cameras)

        rewrite_detections(break_one)
        with pytest.raises(
            DatasetError, match=r"detections\.json, album0/000000\.jpg: the photo's K must be"
        ):
            folder_dataset(own)
        with pytest.raises(DatasetError, match="the stated focal length must be positive"):
            StatedCamera(focal_px=-1)
        with pytest.raises(DatasetError, match="keep one of them"):
            StatedCamera(focal_px=1, K=np.eye(3))
        with pytest.raises(DatasetError, match="the stated K must be"):
            StatedCamera(K=np.eye(3)[:2])


def test_headers_of_many_pictures_are_kept(own, tmp_path, monkeypatch):
    monkeypatch.setattr("s2hand.images.photo_index.CACHE_FROM", 1)
    first = folder_dataset(own, val_share=0)
    stored = list((own.parent / ".s2hand_cache").glob("photos.*.headers.npy"))
    assert len(stored) == 1

    def refuse(*_):
        raise AssertionError("headers were kept")

    with monkeypatch.context() as patch:
        patch.setattr("s2hand.images.photo_index.read_photo_header", refuse)
        again = folder_dataset(own, val_share=0)
        folder_dataset(own, "evaluation", val_share=0.5)  # both splits share the copy
    assert again.camera_sources == first.camera_sources
    np.testing.assert_array_equal(again.record(1).K, first.record(1).K)
    replaced = first.name(first.camera_sources.index("default"))
    picture = Image.open(own / replaced)
    picture.resize((50, 50)).save(own / replaced)  # a replaced picture is looked at again
    changed = folder_dataset(own, val_share=0, detections=replace(first.detections, sizes=None))
    assert (
        changed.record(first.camera_sources.index("default")).K[0, 0] == 50 * DEFAULT_FOCAL_OVER_LONGER_SIDE
    )
    fresh = list((own.parent / ".s2hand_cache").iterdir())
    assert len(fresh) == 1  # the stale copy is gone
    assert fresh != stored
