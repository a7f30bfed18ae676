"""s2hand.checkpoints.open: one place that turns any file into a network, read once."""

import argparse
import json
import zlib
from pathlib import Path

import pytest
import torch
from support.untrained_checkpoint import E2E, SIZE, write_own

import s2hand
from s2hand import checkpoints
from s2hand.checkpoints import checkpoint, converted, published
from s2hand.checkpoints.starting import StartingWeights
from s2hand.config import config_from_dict
from s2hand.hand import load_hand_model
from s2hand.models import build_hand_net

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture
def reads(monkeypatch):
    """The files that are read, in their order."""
    files = []

    def counted(module, name):
        function = getattr(module, name)

        def read(path, *arguments, **options):
            files.append(Path(path))
            return function(path, *arguments, **options)

        monkeypatch.setattr(module, name, read)

    counted(checkpoint, "read_torch_file")
    counted(published, "read_torch_file")
    counted(converted, "load_file")
    return files


@pytest.fixture(scope="module")
def published_file(tmp_path_factory):
    """A published checkpoint of all networks, filled by a rule."""
    keys = json.loads((FIXTURES / "checkpoint_keys.json").read_text())

    def weight(key, shape):
        if key.endswith("num_batches_tracked"):
            return torch.zeros(shape, dtype=torch.int64)
        return torch.rand(shape, generator=torch.Generator().manual_seed(zlib.crc32(key.encode())))

    networks = ("encoder", "decoder", "rgb2hm", "texture_light_from_low")
    weights = {name: {key: weight(key, shape) for key, shape in keys[name].items()} for name in networks}
    path = tmp_path_factory.mktemp("published") / "texturehand_7.t7"
    torch.save({"epoch": 7, "args": argparse.Namespace(use_mean_shape=True), **weights}, path)
    return path


def test_own_files_and_run_folders_are_opened_with_one_read(tmp_path, reads):
    model = write_own(tmp_path / "run" / "checkpoint_last.pt")
    for path in (tmp_path / "run", tmp_path / "run" / "checkpoint_last.pt"):
        reads.clear()
        network = checkpoints.open(path, device="cpu")
        assert reads == [tmp_path / "run" / "checkpoint_last.pt"]
        assert (network.path, network.image_size) == (reads[0], SIZE)
        assert (network.hand_model.name, network.notes, network.focal_range) == ("generic", (), None)
        for key, value in model.state_dict().items():
            assert torch.equal(network.model.state_dict()[key], value)
    assert not network.model.training
    assert not any(weight.requires_grad for weight in network.model.parameters())


def test_published_files_are_opened_with_one_read(published_file, tmp_path, reads):
    tensors, _ = converted.convert_published(published_file, tmp_path / "converted.safetensors")
    reads.clear()
    for path in (published_file, tensors):
        network = checkpoints.open(path, device="cpu")
        assert network.focal_range == (480 / 224, 480 / 224)
        (note,) = network.notes
        assert "was trained with MANO" in note
        assert network.model.hand_head.use_mean_shape
        assert network.model.renderer is not None
    assert reads == [published_file, tensors]


def test_the_starts_of_a_training_are_read_once_each(tmp_path, reads):
    """One file that fills the network, and then its 2D branch again; and one that is not needed."""
    write_own(tmp_path / "run" / "checkpoint_last.pt")
    config = config_from_dict(
        E2E
        | {
            "losses": ["open_2dj"],
            "train_requires": ["joints", "verts", "heatmaps"],
            "freeze_hm_estimator": True,
            "pretrain_model": str(tmp_path / "run"),
            "pretrain_rgb2hm": str(tmp_path / "run"),
            "pretrain_texture_model": str(tmp_path / "missing.pt"),
        }
    )
    start = StartingWeights(config)
    model = build_hand_net(start.network(), config.network_parts, load_hand_model("generic"))
    lines = start.load_into(model, evaluated=False)
    file = tmp_path / "run" / "checkpoint_last.pt"
    assert reads == [file]
    assert lines == [
        f"pretrain_model: {file}: loaded backbone, hand_head, keypoint_net",
        f"pretrain_rgb2hm: {file}: loaded keypoint_net",
    ]


def test_a_damaged_newest_checkpoint_costs_one_read_more(tmp_path, reads):
    write_own(tmp_path / "checkpoint_0001.pt")
    write_own(tmp_path / "checkpoint_0002.pt")
    (tmp_path / "checkpoint_last.pt").write_bytes(b"PK damaged")
    assert checkpoints.open(tmp_path, device="cpu").path == tmp_path / "checkpoint_0002.pt"
    assert reads == [tmp_path / "checkpoint_last.pt", tmp_path / "checkpoint_0002.pt"]


def test_public_names_live_where_they_are_said_to():
    assert checkpoints.StoredNetwork.__dataclass_fields__.keys() >= {
        *("model", "hand_model", "image_size", "focal_range", "notes", "path", "squares", "device")
    }
    for name in ("load_hand_model", "HandModel", "ManoLayer"):
        assert hasattr(s2hand.hand, name)
