"""Features of a frozen backbone: computed once, and the same as ever."""

import pytest
import torch
from torch import nn

from s2hand.checkpoints.opening import open_network
from s2hand.config import ConfigError
from s2hand.evaluation.run_records import read_records
from s2hand.experiment.run import run
from s2hand.models.hand_encoder import HandEncoder
from s2hand.structures import HandBatch
from s2hand.synthetic import write_synthetic_dataset
from s2hand.training.feature_cache import FeatureCache


class CountingEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoded = 0

    def forward(self, image):
        self.encoded += len(image)
        return image[:, :, ::2, ::2], image.mean((2, 3))


def batch_of(*numbers: int) -> HandBatch:
    image = torch.stack([torch.full((3, 8, 8), number / 7) for number in numbers])
    return HandBatch(image=image, K=torch.eye(3).expand(len(image), 3, 3), index=torch.tensor(numbers))


@pytest.mark.parametrize("keeps_maps", [True, False])
def test_each_image_is_encoded_once(keeps_maps):
    encoder = CountingEncoder()
    cache = FeatureCache(encoder, images=10, keeps_maps=keeps_maps)
    first = cache(batch_of(3, 5))
    maps, features = cache(batch_of(5, 4, 3))
    assert encoder.encoded == 3
    torch.testing.assert_close(features[:, 0], torch.tensor([5, 4, 3]) / 7, atol=1e-3, rtol=0)
    assert torch.equal(features[2], first[1][0])
    assert (maps is not None) == keeps_maps
    if keeps_maps:
        assert maps.shape == (3, 3, 4, 4)
        assert torch.equal(maps[0], first[0][1])


def hand_config(small_config, **changes):
    keys = {"backbone": "mediapipe_hand", "hand_input": "image+landmarks", "num_pca": 45}
    keys |= {"crop_upright": True, "rotation_deg": 0, "backbone_lr_factor": 0, "detected_points": "mediapipe"}
    return small_config("shape", **(keys | changes))


@pytest.mark.slow
def test_training_with_cached_features_learns_the_same(small_config, tmp_path):
    losses = []
    for cached in (False, True):
        folder = tmp_path / f"cached_{cached}"
        # Slowly, as the first large steps of a new head multiply what rounding does.
        settings = {"cache_features": cached, "base_out_path": str(folder), "init_lr": 1e-5}
        run(hand_config(small_config, **settings), lambda line: None)
        records = read_records(folder, [])
        losses.append([record["total"] for record in records if record["kind"] == "train"])
        kept = HandEncoder().network.trunk.stem.weight
        assert torch.equal(open_network(folder).model.backbone.network.trunk.stem.weight, kept)
    # Features are remembered in half precision.
    assert losses[1] == pytest.approx(losses[0], rel=0.01)


def test_features_of_jittered_crops_are_not_cached(small_config, tmp_path):
    write_synthetic_dataset(tmp_path / "ho3d", train=4, evaluation=2, layout="ho3d_v3")
    for upright in (False, True):
        config = small_config(
            "shape",
            train_datasets=["HO3D"],
            val_datasets=[],
            ho3d_base_path=str(tmp_path / "ho3d"),
            crop_upright=upright,
            rotation_deg=0,
            backbone_lr_factor=0,
            cache_features=True,
            total_epochs=1,
            train_batch=2,
        )
        if upright:
            run(config, lambda line: None)
        else:
            with pytest.raises(ConfigError, match="cache_features needs images that stay the same"):
                run(config, lambda line: None)


@pytest.mark.parametrize("changed", ["backbone_lr_factor", "rotation_deg", "color_jitter"])
def test_features_that_change_are_not_cached(small_config, changed):
    with pytest.raises(ConfigError, match=f"cache_features needs features that stay the same.*{changed}"):
        hand_config(small_config, cache_features=True, **{changed: 0.5})
