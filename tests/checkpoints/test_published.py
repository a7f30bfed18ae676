"""Published checkpoints: read safely, loaded by name, numerically the published networks."""

import argparse
import collections
import functools
import json
import os
import pickle
import re
import stat
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from s2hand.checkpoints import CheckpointError, read_stored
from s2hand.checkpoints.converted import convert_published, read_published
from s2hand.checkpoints.published_names import PUBLISHED_NETWORKS
from s2hand.checkpoints.weights import modules_with_weights
from s2hand.models import (
    Backbone,
    HandHead,
    HandNet,
    HeatmapAttention,
    KeypointNet,
    StackedHourglass,
    TextureLightHead,
)

FIXTURES = Path(__file__).parents[1] / "fixtures"
KEYS = {
    part: keys
    for part, keys in json.loads((FIXTURES / "checkpoint_keys.json").read_text()).items()
    if part in PUBLISHED_NETWORKS
}
RELATIVE_TOLERANCE = 1e-4


def weight_by_rule(key, shape):
    """The fixture's rule: every weight follows from its key."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    value = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(key.encode()))) * 0.05
    if key.endswith("running_var"):
        return value.abs() + 0.5
    return 1 + value if len(shape) == 1 and key.endswith("weight") else value


@pytest.fixture(scope="module")
def weights():
    return {part: {key: weight_by_rule(key, shape) for key, shape in KEYS[part].items()} for part in KEYS}


def save(path, state_dicts, legacy=False, **entries):
    settings = argparse.Namespace(use_mean_shape=False, lr_steps=[30, 60], betas=(0.9, 0.999), task="train")
    optimizer = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 1e-3}]}
    content = {"epoch": 7, "args": settings, "optimizer": optimizer, **state_dicts, **entries}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def load(path, model):
    """Fills a network with all that its modules need."""
    stored = read_stored(path)
    stored.load_into(model, [name for name, _ in modules_with_weights(model)], "REMEDY")
    return stored


@pytest.fixture(scope="module")
def network(weights, tmp_path_factory):
    """The full-size network, loaded from a legacy file, and what was read of it."""
    path = save(tmp_path_factory.mktemp("published") / "texturehand_7.t7", weights, legacy=True)
    model = HandNet(
        backbone=Backbone("tf_efficientnet_b3"),
        hand_head=HandHead(1536),
        texture_light_head=TextureLightHead(32),
        keypoint_net=KeypointNet(StackedHourglass()),
        attention=HeatmapAttention(1536),
    )
    return model.eval(), load(path, model)


@pytest.fixture(scope="module")
def published():
    with np.load(FIXTURES / "networks.npz") as archive:
        return {name: torch.from_numpy(archive[name]) for name in archive if name != "image_seed"}


@pytest.fixture(scope="module")
def inputs():
    generator = torch.Generator().manual_seed(5)
    return {
        "image": torch.rand(2, 3, 224, 224, generator=generator),
        "feature": torch.randn(2, 1536, generator=generator) * 0.3,
        "low_features": torch.randn(2, 32, 56, 56, generator=generator) * 0.3,
        "encoding": torch.randn(2, 256, 64, 64, generator=generator) * 0.3,
    }


def assert_close(actual, expected):
    assert actual.shape == expected.shape
    assert (actual - expected).norm() <= RELATIVE_TOLERANCE * expected.norm()


@torch.no_grad()
def test_encoder_matches_the_published_one(network, published, inputs):
    low_features, feature = network[0].backbone(inputs["image"])
    assert_close(feature, published["features"])
    assert_close(low_features.mean((2, 3)), published["low_features_mean"])
    assert_close(low_features[:, :, :4, :4], published["low_features_corner"])


@torch.no_grad()
def test_hand_head_matches_the_published_one(network, published, inputs):
    hand = network[0].hand_head(inputs["feature"])
    assert_close(hand.hand_pose, published["pose"])
    assert_close(hand.betas, published["shape"])
    assert_close(hand.rotation, published["rot"])
    assert_close(hand.translation, published["trans"])
    assert_close(hand.scale, published["scale"][:, 0])


@torch.no_grad()
def test_texture_and_light_match_the_published_ones(network, published, inputs):
    face_textures, light = network[0].texture_light_head(inputs["low_features"])
    assert_close(face_textures[:, :64], published["textures_first64"])
    assert_close(face_textures.mean(1), published["textures_mean"])
    assert_close(light, published["lights"])


@torch.no_grad()
def test_hourglass_and_keypoints_match_the_published_ones(network, published, inputs):
    found = network[0].keypoint_net(inputs["image"])
    for stage in range(2):
        pooled = torch.nn.functional.avg_pool2d(found.heatmaps[stage], 8)
        assert_close(pooled, published[f"heatmaps{stage}_pool"])
        assert_close(found.keypoints[stage], published[f"uv{stage}"])


@torch.no_grad()
def test_attention_matches_the_published_one(network, published, inputs):
    assert_close(network[0].attention(inputs["encoding"]), published["attention"])


def test_every_weight_is_translated(network):
    """One to one, but for ImageNet's classifier, which the encoder keeps and never uses."""
    model, stored = network
    translated = {f"{module}.{name}" for module, held in stored.modules.items() for name in held}
    assert translated == set(model.state_dict())
    assert len(translated) == sum(map(len, KEYS.values())) - 2
    assert stored.unknown == ()
    assert stored.parts == {"hand", "heatmaps", "texture", "render"}


def head_and_textures():
    return HandNet(hand_head=HandHead(1536), texture_light_head=TextureLightHead(32))


def test_zip_format_and_parallel_wrapper_load_alike(weights, tmp_path):
    wrapped = {"decoder": {f"module.{key}": value for key, value in weights["decoder"].items()}}
    model = HandNet(hand_head=HandHead(1536))
    load(save(tmp_path / "zip.t7", wrapped), model)
    published_bias = weights["decoder"]["hand_decode.rot_reg.3.bias"]
    assert torch.equal(model.hand_head.rotation[3].bias, published_bias)
    # Stages are published one by one: a file need not hold every network, but then it does not fill it.
    with pytest.raises(CheckpointError, match=r"zip\.t7: lacks texture_light_head; REMEDY"):
        load(tmp_path / "zip.t7", head_and_textures())


@pytest.mark.parametrize(
    ("part", "key", "model", "missing"),
    [
        (
            *("encoder", "encoder._blocks.4._bn1.running_var"),
            *(lambda: HandNet(backbone=Backbone()), "network.blocks.1.2.bn2.running_var"),
        ),
        (
            *("decoder", "hand_decode.trans_reg.3.weight"),
            *(lambda: HandNet(hand_head=HandHead(1536)), "translation.3.weight"),
        ),
        (
            *("rgb2hm", "net_hm.hourglass.1.low2.low2.low2.low2_.0.conv3.weight"),
            lambda: HandNet(keypoint_net=KeypointNet(StackedHourglass())),
            "hourglass.stacks.1.hourglass.inner.inner.inner.inner.0.conv3.weight",
        ),
    ],
)
def test_missing_weight_is_an_error(weights, tmp_path, part, key, model, missing):
    held = {name: value for name, value in weights[part].items() if name != key}
    path = save(tmp_path / "incomplete.t7", {part: held})
    with pytest.raises(CheckpointError, match="does not fit the network") as error:
        load(path, model())
    assert f"(it lacks 1 weights, first {missing})" in str(error.value)
    assert "\n" not in str(error.value)


def test_step_counters_may_be_missing(weights, tmp_path):
    held = {key: value for key, value in weights["decoder"].items() if "num_batches" not in key}
    model = HandNet(hand_head=HandHead(1536))
    load(save(tmp_path / "old.t7", {"decoder": held}), model)
    published_bias = weights["decoder"]["hand_decode.rot_reg.3.bias"]
    assert torch.equal(model.hand_head.rotation[3].bias, published_bias)


def test_failed_load_leaves_the_model_alone(weights, tmp_path):
    textures = dict(weights["texture_light_from_low"])
    textures["texture_reg.2.weight"] = torch.zeros(300, 64)
    path = save(
        tmp_path / "other_faces.t7", {"decoder": weights["decoder"], "texture_light_from_low": textures}
    )
    model = head_and_textures()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"texture.2.weight is \(300, 64\), expected") as error:
        load(path, model)
    assert str(path) in str(error.value)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_other_backbone_is_explained(weights, tmp_path):
    path = save(tmp_path / "encoder.t7", {"encoder": weights["encoder"]})
    with pytest.raises(CheckpointError, match=r"its backbone does not fit .* first network\.conv1\.weight"):
        load(path, HandNet(backbone=Backbone("resnet18")))


def test_weights_without_a_place_are_counted(weights, tmp_path):
    more = {"spare.weight": torch.ones(2), **weights["decoder"]}
    stored = read_stored(save(tmp_path / "more.t7", {"decoder": more, "renderer": {"faces": torch.ones(3)}}))
    assert stored.unknown == ("decoder.spare.weight",)


def test_architecture_follows_from_the_file(weights, tmp_path):
    path = save(tmp_path / "all.t7", {part: weights[part] for part in ("decoder", "rgb2hm")})
    stored = read_stored(path)
    assert stored.settings == {
        **{"attention": False, "image_size": 224},
        **{"use_mean_shape": False, "fingertips": "s2hand", "num_pca": 30},
        **{"hourglass_stacks": 2, "hourglass_depth": 4, "hourglass_modules": 2, "hourglass_features": 256},
    }
    assert (stored.parts, stored.network.hourglass_input_size) == ({"heatmaps"}, 256)
    # The published default holds where the settings do not say.
    silent = save(tmp_path / "silent.t7", {"decoder": weights["decoder"]}, args=argparse.Namespace())
    assert read_stored(silent).network.use_mean_shape is True


class Runs:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


MALICIOUS = {
    "os.system": lambda canary: Runs(os.system, f"touch {canary}"),
    "eval": lambda canary: Runs(eval, f"open({str(canary)!r}, 'w')"),
    "exec": lambda canary: Runs(exec, f"open({str(canary)!r}, 'w')"),
    "open": lambda canary: Runs(open, str(canary), "w"),
    "subprocess": lambda canary: Runs(subprocess.Popen, ["touch", str(canary)]),
    "getattr": lambda canary: Runs(getattr, argparse.Namespace(), "__class__"),
    "partial": lambda canary: functools.partial(os.mkdir, str(canary)),
    "path": lambda canary: Path(canary),
    "torch.load": lambda canary: Runs(torch.load, str(canary)),
    "another class of argparse": lambda canary: argparse.FileType("w"),
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("attack", MALICIOUS)
def test_pickles_that_run_code_are_refused(tmp_path, attack, legacy):
    canary = tmp_path / "canary"
    payload = MALICIOUS[attack](canary)
    weights = {"decoder": {"a": torch.ones(2)}}
    settings = argparse.Namespace(use_mean_shape=payload)
    path = save(tmp_path / "evil.t7", weights, legacy, args=settings)
    with pytest.raises(CheckpointError, match=r"evil\.t7: refused, for it asks for") as error:
        read_published(path)
    assert "\n" not in str(error.value)
    assert not canary.exists()


def test_bare_pickle_is_refused(tmp_path):
    canary = tmp_path / "canary"
    path = tmp_path / "bare.t7"
    path.write_bytes(pickle.dumps({"decoder": Runs(os.system, f"touch {canary}")}))
    with pytest.raises(CheckpointError):
        read_published(path)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(2)], "holds a list"),
        ({"epoch": 3}, "holds no state dict, none of the published networks"),
        (
            {"renderer": {"a": torch.ones(1)}, "b\nc": {"a": torch.ones(1)}},
            r"holds only renderer, b\\nc, none",
        ),
        ({"decoder": [1, 2]}, "entry 'decoder' is not a dict of tensors"),
        ({"encoder": {"a": torch.ones(1)}, "rgb2hm": {"a": 3}}, "entry 'rgb2hm' is not a dict of tensors"),
        ({"decoder": {"a": torch.ones(1).expand(1 << 40)}}, "claims more numbers than its storage holds"),
        ({"decoder": {"a": torch.eye(2).to_sparse()}}, "asks for 'torch._utils._rebuild_sparse_tensor'"),
        ({"decoder": {"a": torch.ones(2, device="meta")}}, "'torch._utils._rebuild_meta_tensor_no_storage'"),
    ],
)
def test_other_contents_are_explained(tmp_path, content, message):
    path = tmp_path / "other.t7"
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=message) as error:
        convert_published(path, tmp_path / "converted.safetensors")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("legacy", [False, True])
def test_damaged_files_end_in_one_line(tmp_path, legacy):
    weights = {"decoder": {"a": torch.arange(40.0), "b": torch.ones(3, 5)}}
    sound = save(tmp_path / "sound.t7", weights, legacy).read_bytes()
    damaged = tmp_path / "damaged.t7"
    random = np.random.default_rng(0)
    messages = []
    for trial in range(120):
        content = bytearray(sound)
        if trial % 3 == 0:
            content = content[: random.integers(len(content))]
        else:
            for place in random.integers(len(content), size=1 + trial % 8):
                content[place] = random.integers(256)
        damaged.write_bytes(content)
        try:
            read_published(damaged)
        except CheckpointError as error:
            messages.append(str(error))
    # A file whose weights alone were hit still loads: nothing tells a changed weight from a weight.
    assert len(messages) > 40
    assert all(message.startswith(f"{damaged}: ") and "\n" not in message for message in messages)


def test_conversion_round_trip_is_exact(tmp_path):
    tied = torch.randn(4, 6)
    state_dicts = {
        "decoder": collections.OrderedDict(weight=tied, transposed=tied.T, half=torch.randn(3).half()),
        "renderer": {"steps": torch.tensor(12), "nan": torch.tensor([float("nan"), -0.0])},
    }
    source = save(tmp_path / "source.t7", state_dicts, renderer_NR=None)
    tensors_path, json_path = convert_published(source, tmp_path / "out" / "converted.safetensors")
    original, back = read_published(source), read_published(tensors_path)
    assert back.epoch == original.epoch == 7
    settings = {"use_mean_shape": False, "lr_steps": [30, 60], "betas": [0.9, 0.999], "task": "train"}
    assert back.args == original.args == settings
    assert {part: set(state) for part, state in back.state_dicts.items()} == {
        part: set(state) for part, state in state_dicts.items()
    }
    for part, state in original.state_dicts.items():
        for key, value in state.items():
            found = back.state_dicts[part][key]
            assert (found.dtype, found.shape) == (value.dtype, value.shape)
            assert found.contiguous().numpy().tobytes() == value.contiguous().numpy().tobytes()
    assert json.loads(json_path.read_text())["source"] == "source.t7"
    assert sorted(path.name for path in json_path.parent.iterdir()) == [
        "converted.json",
        "converted.safetensors",
    ]


def test_converted_file_loads_into_a_model(weights, tmp_path):
    source = save(tmp_path / "source.t7", {"decoder": weights["decoder"]})
    path, _ = convert_published(source, tmp_path / "converted.safetensors")
    model = HandNet(hand_head=HandHead(1536))
    load(path, model)
    assert torch.equal(model.hand_head.scale[3].bias, weights["decoder"]["hand_decode.scale_reg.3.bias"])


def test_unusable_conversions_are_explained(tmp_path):
    source = save(tmp_path / "source.t7", {"decoder": {"a": torch.ones(2)}})
    with pytest.raises(CheckpointError, match=r"ends in \.safetensors"):
        convert_published(source, tmp_path / "converted.t7")
    with pytest.raises(CheckpointError, match="no such file"):
        convert_published(tmp_path / "absent.t7", tmp_path / "converted.safetensors")
    path, json_path = convert_published(source, tmp_path / "converted.safetensors")
    description = json.loads(json_path.read_text())
    json_path.write_text(json.dumps({**description, "weights": {"decoder": 2}}))
    with pytest.raises(CheckpointError, match=r"other weights than converted\.json lists"):
        read_published(path)
    json_path.write_text("[]")
    with pytest.raises(CheckpointError, match="not a converted checkpoint's description"):
        read_published(path)
    json_path.unlink()
    with pytest.raises(CheckpointError, match=r"converted\.json is not beside it"):
        read_published(path)
    json_path.write_text(json.dumps(description))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        read_published(path)


def test_settings_of_numpy_are_read(tmp_path):
    """Forks of the published code leave NumPy's numbers in their settings."""
    settings = argparse.Namespace(
        lr=np.float64(0.5), epochs=np.int64(3), flag=np.bool_(True), steps=np.arange(3)
    )
    path = save(tmp_path / "a.t7", {"decoder": {"a": torch.ones(2)}}, args=settings)
    assert read_published(path).args == {"lr": 0.5, "epochs": 3, "flag": True, "steps": [0, 1, 2]}


def test_converted_files_are_for_whom_the_umask_admits(tmp_path):
    source = save(tmp_path / "a.t7", {"decoder": {"a": torch.ones(2)}})
    before = os.umask(0o022)
    try:
        written = convert_published(source, tmp_path / "a.safetensors")
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in written] == [0o644, 0o644]


def test_another_efficientnet_is_recognised(weights, tmp_path):
    """By its number of blocks and the width of its last convolution."""
    assert read_stored(save(tmp_path / "b3.t7", {"encoder": weights["encoder"]})).settings["backbone"] == (
        "tf_efficientnet_b3"
    )
    smaller = {
        key: value
        for key, value in weights["encoder"].items()
        if not re.match(r"encoder\._blocks\.(1[6-9]|2\d)\.", key)
    }
    smaller["encoder._conv_head.weight"] = torch.zeros(1280, 320, 1, 1)
    assert read_stored(save(tmp_path / "b0.t7", {"encoder": smaller})).settings["backbone"] == (
        "tf_efficientnet_b0"
    )


@pytest.mark.parametrize("legacy", [False, True])
def test_settings_that_unfold_without_end_are_refused(tmp_path, legacy):
    """Lists that refer twice to the one before: 60 of them take 300 bytes, and 2 ** 60 values written out."""
    values = [0, 0]
    for _ in range(60):
        values = [values, values]
    settings = argparse.Namespace(use_mean_shape=True, steps=values)
    path = save(tmp_path / "a.t7", {"decoder": {"a": torch.ones(2)}}, legacy=legacy, args=settings)
    with pytest.raises(CheckpointError, match="amounts to more than 2,000,000 values") as caught:
        read_published(path)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(("epoch", "read"), [(3, 3), ([3], None), ({}, None), ("3", None), (None, None)])
def test_the_epoch_of_a_conversion_is_a_number_or_unknown(tmp_path, epoch, read):
    source = save(tmp_path / "a.t7", {"decoder": {"a": torch.ones(2)}})
    path, description = convert_published(source, tmp_path / "a.safetensors")
    description.write_text(json.dumps(json.loads(description.read_text()) | {"epoch": epoch}))
    assert read_published(path).epoch == read
