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
from s2hand.checkpoints import CheckpointError, checkpoint, converted, published, weights
from s2hand.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from s2hand.checkpoints.starting import StartingWeights
from s2hand.config import config_from_dict
from s2hand.hand import HandModelError, load_hand_model, save_hand_model
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
    held = {name: {key: weight(key, shape) for key, shape in keys[name].items()} for name in networks}
    path = tmp_path_factory.mktemp("published") / "texturehand_7.t7"
    torch.save({"epoch": 7, "args": argparse.Namespace(use_mean_shape=True), **held}, path)
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


def rewritten(path, **changes):
    """A checkpoint with other entries; ``config`` is updated, not replaced."""
    state = read_checkpoint(path)
    config = json.loads(state["config"]) | changes.pop("config", {})
    write_checkpoint(path, state | {"config": json.dumps(config)} | changes)
    return path


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"model": [1, 2]}, "its model is of type list, expected dict"),
        ({"config": 3}, "its config is of type int, expected str"),
        ({"model": {}}, "holds no network"),
        ({"model": {"backbone.a": "text"}}, "backbone.a is of type str, expected floating-point numbers"),
        ({"model": {"backbone.a": torch.ones(2) * 1j}}, "backbone.a is of type torch.complex64, expected fl"),
        (
            {"model": {"hand_head.a": torch.ones(2).bool()}},
            "hand_head.a is of type torch.bool, expected float",
        ),
        (
            {"model": {"hand_head.a": torch.ones(2).long()}},
            "hand_head.a is of type torch.int64, expected flo",
        ),
        (
            {"model": {"backbone.num_batches_tracked": torch.tensor(True)}},
            "num_batches_tracked is of type torch.bool",
        ),
        ({"model": {5: torch.ones(2)}}, "a weight has a name of type int"),
        ({"average": {"hand_head.b": torch.tensor([float("nan")])}}, "hand_head.b holds NaN or infinite"),
    ],
)
def test_entries_of_a_wrong_kind_are_named(tmp_path, entry, message):
    path = tmp_path / "a.pt"
    write_own(path)
    write_checkpoint(path, read_checkpoint(path) | entry)
    with pytest.raises(CheckpointError, match=message) as error:
        checkpoints.open(path, device="cpu")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"hourglass_features": 200_000}, "says hourglass_features 200000, but its weights have 16"),
        ({"hourglass_depth": 60}, "says hourglass_depth 60, but its weights have 4"),
        ({"hourglass_stacks": 10**30}, "says hourglass_stacks a number of 100 bits, but its weights have 1"),
        ({"hourglass_features": "16"}, "says hourglass_features '16', but its weights have 16"),
        ({"seed": 10**30}, "its config has unknown or unfit keys .seed."),
        ({"seed": 10**400, "gradient_clip": "8"}, r"unfit keys \(gradient_clip, seed\)"),
        ({"num_pca": [[]]}, "says num_pca a value of type list, but its weights have 30"),
        (
            {"backbone": "resnet18"},
            r"not those of its backbone resnet18 \(it lacks \d+ weights, first network",
        ),
        ({"backbone": "no_such_net"}, "'no_such_net' is not a network of timm"),
        ({"image_size": 1 << 40}, "unfit keys .image_size"),
    ],
)
def test_sizes_are_compared_before_anything_is_built(tmp_path, monkeypatch, config, message):
    write_own(tmp_path / "a.pt")
    path = rewritten(tmp_path / "a.pt", config=config)
    monkeypatch.setattr(weights, "build_hand_net", None)
    with pytest.raises(CheckpointError, match=message) as error:
        checkpoints.open(path, device="cpu")
    assert "\n" not in str(error.value)


def test_a_checkpoint_brings_its_sizes(tmp_path):
    """What the config leaves to its defaults is taken from the file."""
    path = tmp_path / "a.pt"
    saved = write_own(path, num_pca=12, hourglass_depth=2, hand_input="image+keypoints")
    silent = {key: value for key, value in E2E.items() if key not in ("backbone", "hourglass_features")}
    silent |= {"pretrain_model": str(path), "test_requires": E2E["train_requires"]}
    config = config_from_dict(silent)
    start = StartingWeights(config)
    lines = []
    network = start.network(lines.append)
    assert (network.num_pca, network.hourglass_depth, network.hourglass_features) == (12, 2, 16)
    assert (network.hand_input, network.backbone) == ("image+keypoints", "test_resnet")
    assert f"num_pca is 12, as stored in {path}" in lines
    model = build_hand_net(network, config.network_parts, load_hand_model("generic"))
    start.load_into(model, evaluated=True)
    assert torch.equal(model.hand_head.pose[2].bias, saved.hand_head.pose[2].bias)


def test_other_sizes_take_three_lines_at_most(tmp_path):
    """One for each key that the config sets otherwise, and the error; not one key after the other."""
    write_own(tmp_path / "a.pt")
    lines = []
    config = config_from_dict(E2E | {"pretrain_model": str(tmp_path / "a.pt"), "backbone": "resnet18"})
    start = StartingWeights(config)
    network = start.network(lines.append)
    assert lines == [f"backbone is 'test_resnet' in {tmp_path / 'a.pt'}, but the config says 'resnet18'"]
    model = build_hand_net(network, config.network_parts, load_hand_model("generic"))
    with pytest.raises(CheckpointError, match="its backbone does not fit the network") as error:
        start.load_into(model, evaluated=False)
    assert len(str(error.value)) < 400
    assert "use the backbone, hourglass_* and num_pca that it was trained with" in str(error.value)


def test_a_hand_model_that_is_gone_is_replaced_and_told(tmp_path):
    hand = load_hand_model("generic")
    save_hand_model(hand, tmp_path / "mano.npz")
    write_own(tmp_path / "a.pt", hand_model=str(tmp_path / "mano.npz"))
    network = checkpoints.open(tmp_path / "a.pt", device="cpu")
    assert (network.hand_model.name, network.notes) == (str(tmp_path / "mano.npz"), ())
    (tmp_path / "mano.npz").unlink()
    network = checkpoints.open(tmp_path / "a.pt", device="cpu")
    assert network.hand_model.name == "generic"
    (note,) = network.notes
    assert (
        f"trained with the hand model {tmp_path / 'mano.npz'}, which is not there, so takes generic" in note
    )
    with pytest.raises(HandModelError, match="no hand model file"):  # whoever names a file means it
        checkpoints.open(tmp_path / "a.pt", tmp_path / "mano.npz", device="cpu")
    (tmp_path / "mano.npz").write_bytes(b"damaged")
    with pytest.raises(HandModelError, match="not a readable"):
        checkpoints.open(tmp_path / "a.pt", device="cpu")
