"""The experiment's JSON: what loads, what is refused, and in which words."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from s2hand.config import Config, ConfigError, check_paths, config_from_dict, load_config, parse_override
from s2hand.config.loss_table import (
    CONFIDENCE_LOSSES,
    DEFAULT_WEIGHTS,
    HAND_LOSSES,
    HEATMAP_LOSSES,
    LOSSES,
    OWN_HEATMAP_LOSSES,
    TEXTURE_LOSSES,
)
from s2hand.config.published import LAMBDA_ALIASES, OUT_OF_SCOPE_KEYS, RETIRED_KEYS
from s2hand.config.reference import json_schema, markdown
from s2hand.losses.registry import LOSS_FUNCTIONS

ROOT = Path(__file__).parent.parent
SHIPPED = sorted((ROOT / "configs").glob("*/*.json"))
ALL_PARTS = ["heatmaps", "joints", "verts", "textures", "lights"]
SHAPE_LOSSES = ["tsa_poses", "open_2dj", "mscale", "open_bone_direc"]


def minimal(**keys) -> dict:
    """The smallest training experiment, changed by ``keys``."""
    return {"base_out_path": "runs/x", "freihand_base_path": "/data", "losses": ["mscale"], **keys}


PUBLISHED_KEYS = {
    *("train_datasets", "val_datasets", "freihand_base_path", "ho3d_base_path", "base_out_path"),
    *("is_write_tb", "writer_topic", "total_epochs", "init_lr", "lr_steps", "lr_gamma", "save_interval"),
    *("controlled_exp", "controlled_size", "train_batch", "val_batch", "num_workers"),
    *("freeze_hm_estimator", "train_queries", "train_queries_ho3d", "val_queries", "losses"),
    *("train_requires", "test_requires", "task", "mode", "mode_0", "demo_freq", "demo_freq_evaluation"),
    *("img_wise_save", "test_refinement", "pretrain_model", "pretrain_rgb2hm", "pretrain_texture_model"),
}
"""Of all published files together."""

ABSENT_IN_EVALUATION = (
    *("train_datasets", "losses", "total_epochs", "lr_steps", "lr_gamma", "save_interval", "train_batch"),
    *("controlled_exp", "controlled_size", "train_queries", "train_queries_ho3d", "freeze_hm_estimator"),
)


def published(dataset: str, stage: str) -> dict:
    """A config with the keys and values of the published file of a stage."""
    full = stage in ("SSL-finetune", "SSL-e2e", "evaluation")
    values = {
        "train_datasets": [dataset],
        "val_datasets": [dataset],
        {"FreiHand": "freihand_base_path", "HO3D": "ho3d_base_path"}[dataset]: f"/data/{dataset}",
        "base_out_path": f"/outputs/{stage}",
        "is_write_tb": True,
        "writer_topic": f"/runs/{dataset}/{stage}/",
        "total_epochs": 120,
        "init_lr": 0.001,
        "lr_steps": [30, 60, 90],
        "lr_gamma": 0.5,
        "save_interval": 10,
        "controlled_exp": False,
        "controlled_size": 1000,
        "train_batch": 64,
        "val_batch": 32,
        "num_workers": 8,
        "train_queries": ["trans_images", "trans_Ks", "trans_open_2dj"],
        "val_queries": ["images", "Ks"],
        "losses": SHAPE_LOSSES,
        "train_requires": ALL_PARTS if full else ["joints", "verts"],
        "test_requires": ALL_PARTS if full else ["joints", "verts"],
        "task": "train",
        "mode": ["training"],
    }
    if dataset == "HO3D" and stage != "SSL-e2e":  # its reader transforms by other names, and never rotates
        values["train_queries"] = ["images", "Ks", "joints", "open_2dj"]
        values["train_queries_ho3d"] = ["trans_images", "trans_Ks", "joints", "open_2dj"]
        values["val_queries"] = ["trans_images", "trans_Ks"]
    values |= {
        "SSL-shape": {"pretrain_model": None},
        "SSL-kp": {
            "task": "hm_train",
            "freeze_hm_estimator": False,
            "losses": ["hm_integral"],
            "train_requires": ["heatmaps"],
            "test_requires": ["heatmaps"],
        },
        "SSL-finetune": {
            "total_epochs": 60,
            "init_lr": 0.00025,
            "lr_steps": [20, 40],
            "freeze_hm_estimator": False,
            "pretrain_model": "/m/texturehand_120.t7",
            "pretrain_rgb2hm": "/m/handhm_100.t7",
            "losses": [*SHAPE_LOSSES, "hm_integral", "kp_cons", "texture", "mtex"],
        },
        "SSL-e2e": {
            "total_epochs": 180,
            "lr_steps": [30, 60, 90, 120, 150],
            "freeze_hm_estimator": False,
            "losses": [
                *(*SHAPE_LOSSES, "hm_integral", "kp_cons", "triangle", "mshape"),
                *("texture", "mtex", "mrgb"),
            ],
        },
        "evaluation": {
            "mode": ["evaluation"],
            "mode_0": ["evaluation"],
            "init_lr": 0,
            "demo_freq": 1,
            "demo_freq_evaluation": 1,
            "img_wise_save": True,
            "test_refinement": False,
            "pretrain_model": "/m/texturehand.t7",
            "pretrain_texture_model": None,
        },
    }[stage]
    if stage == "evaluation":
        for key in (*ABSENT_IN_EVALUATION, *(["val_datasets"] if dataset == "FreiHand" else [])):
            values.pop(key, None)
    return values


def refusal(values: dict, source: str = "exp.json") -> str:
    """The message of a refused config, checked to be one line that names the file."""
    with pytest.raises(ConfigError) as caught:
        config_from_dict(values, source)
    message = str(caught.value)
    assert message.startswith(f"{source}: ")
    assert "\n" not in message
    return message


@pytest.fixture
def dataset_variables(monkeypatch):
    for name in ("FREIHAND_PATH", "HO3D_PATH", "PHOTOS_PATH", "MANO_RIGHT"):
        monkeypatch.setenv(name, f"/data/{name}")


# --- shipped files and generated pages ---------------------------------------------------------------------


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_shipped_config_loads_without_remarks(path, dataset_variables):
    config = load_config(path)
    assert config.notes == ()
    assert config.run_dir == Path("runs") / path.parent.name / path.stem
    assert (config.stage == "evaluate") == (path.stem == "evaluation")
    assert (path.parent / json.loads(path.read_text())["$schema"]).resolve() == ROOT / "configs/schema.json"


def test_every_dataset_ships_every_stage():
    names = {path.relative_to(ROOT / "configs").as_posix() for path in SHIPPED}
    stages = ("SSL-shape", "SSL-kp", "SSL-finetune", "SSL-e2e", "evaluation")
    datasets = ("FreiHAND", "HO3D", "Synthetic", "Folder")
    assert {f"{data}/{stage}.json" for data in datasets for stage in stages} <= names


@pytest.mark.parametrize("dataset", ["FreiHAND", "HO3D", "Synthetic", "Folder"])
def test_shipped_stages_train_their_parts_and_chain(dataset, dataset_variables):
    configs = {path.stem: load_config(path) for path in SHIPPED if path.parent.name == dataset}
    everything = {"hand", "heatmaps", "texture"}
    assert configs["SSL-shape"].trained_parts == {"hand"}
    assert configs["SSL-kp"].trained_parts == {"heatmaps"}
    assert configs["SSL-finetune"].trained_parts == everything
    assert configs["SSL-e2e"].trained_parts == everything
    assert configs["evaluation"].trained_parts == frozenset()
    assert configs["evaluation"].network_parts == everything | {"render"}
    assert Path(configs["SSL-finetune"].pretrain_model) == configs["SSL-shape"].run_dir
    assert Path(configs["SSL-finetune"].pretrain_rgb2hm) == configs["SSL-kp"].run_dir
    assert Path(configs["evaluation"].pretrain_model) == configs["SSL-finetune"].run_dir


@pytest.mark.parametrize("dataset", ["FreiHAND", "HO3D"])
@pytest.mark.parametrize("stage", ["SSL-shape", "SSL-finetune", "SSL-e2e"])
def test_modern_variant_adds_losses_to_the_published_stage(dataset, stage, dataset_variables):
    folder = ROOT / "configs" / dataset
    published, modern = (load_config(folder / f"{name}{stage}.json") for name in ("", "modern-"))
    assert modern.losses[: len(published.losses)] == published.losses
    assert modern.trained_parts == published.trained_parts | {"confidence"}
    assert {"confidence"} < set(modern.test_requires)
    changed = {key for key, value in published.model_dump().items() if getattr(modern, key) != value}
    allowed = {"losses", "train_requires", "test_requires", "base_out_path", "pretrain_model"}
    assert changed <= allowed
    if stage == "SSL-finetune":
        assert Path(modern.pretrain_model) == Path("runs") / dataset / "modern-SSL-shape"


@pytest.mark.parametrize("dataset", ["FreiHAND", "HO3D"])
def test_resnet_twin_differs_in_its_backbone_alone(dataset, dataset_variables):
    folder = ROOT / "configs" / dataset
    config, twin = (load_config(folder / f"SSL-e2e{name}.json").model_dump() for name in ("", "-resnet50"))
    assert {key for key in config if config[key] != twin[key]} == {"backbone", "base_out_path"}
    assert twin["backbone"] == "resnet50"


def test_unset_variable_says_what_to_export(monkeypatch):
    monkeypatch.setenv("FREIHAND_PATH", "/data")
    monkeypatch.delenv("MANO_RIGHT", raising=False)
    with pytest.raises(ConfigError, match=r"hand_model: .* MANO_RIGHT is not set; export .*generic"):
        load_config(ROOT / "configs/FreiHAND/SSL-shape.json")


def test_schema_file_is_current():
    assert (ROOT / "configs/schema.json").read_text() == json_schema(), (
        "run: s2hand config --schema > configs/schema.json"
    )


def test_key_reference_is_current():
    assert (ROOT / "docs/config.md").read_text() == markdown(), (
        "run: s2hand config --markdown > docs/config.md"
    )


def test_every_key_is_described():
    assert all(entry.get("description") for entry in json.loads(json_schema())["properties"].values())


# --- published files ---------------------------------------------------------------------------------------


PUBLISHED_FILES = [
    (dataset, stage)
    for dataset in ("FreiHand", "HO3D")
    for stage in ("SSL-shape", "SSL-kp", "SSL-finetune", "SSL-e2e", "evaluation")
]


@pytest.mark.parametrize(("dataset", "stage"), PUBLISHED_FILES)
def test_published_config_loads(dataset, stage):
    values = published(dataset, stage)
    config = config_from_dict(values)
    assert config.stage == ("evaluate" if stage == "evaluation" else "train")
    assert config.val_datasets == (dataset,)
    assert config.rotation_deg == (0 if dataset == "HO3D" and stage != "evaluation" else 180)
    # One line for all keys without effect, after what a published checkpoint lacks.
    *others, retired = config.notes
    assert sorted(retired.partition(" are ignored: ")[0].split(", ")) == sorted(
        values.keys() & RETIRED_KEYS.keys()
    )
    assert [note.split()[0] for note in others] == ["pretrain_model"] * (
        values.get("pretrain_model") is not None
    )


def test_every_published_key_is_tried():
    tried = {key for file in PUBLISHED_FILES for key in published(*file)}
    assert tried == PUBLISHED_KEYS


def test_misnamed_ho3d_path_is_explained():
    values = published("HO3D", "SSL-e2e")
    values["freihand_base_path"] = values.pop("ho3d_base_path")
    message = refusal(values)
    assert "rename freihand_base_path to ho3d_base_path" in message


def test_untransformed_queries_mean_no_rotation():
    config = config_from_dict(minimal(train_queries=["images", "Ks", "open_2dj"]))
    assert config.rotation_deg == 0
    assert any(note.startswith("rotation_deg is 0") for note in config.notes)
    frei = config_from_dict(minimal(train_queries=["trans_images"], train_queries_frei=["images"]))
    assert frei.rotation_deg == 0
    explicit = config_from_dict(minimal(train_queries=["images"], rotation_deg=30))
    assert explicit.rotation_deg == 30


def test_published_weights_reach_their_losses():
    weights = {alias: float(number) for number, alias in enumerate(LAMBDA_ALIASES, 2)}
    given = config_from_dict(minimal(losses=["mscale"], **weights)).loss_weights()
    assert given == {name: weights[alias] for alias, names in LAMBDA_ALIASES.items() for name in names}


def test_own_weight_wins_over_a_shared_published_one():
    weights = config_from_dict(minimal(lambda_hm=3.0, lambda_hm_integral=5.0)).loss_weights()
    assert weights == {"hm_integral": 5.0, "hm_integral_gt": 3.0}
    bones = config_from_dict(minimal(lambda_bone_direc=3.0)).loss_weights()
    assert bones == {"open_bone_direc": 3.0, "bone_direc": 3.0}


def test_two_names_of_one_weight_must_agree():
    assert "lambda_pose and lambda_tsa_poses" in refusal(minimal(lambda_pose=1.0, lambda_tsa_poses=2.0))


def test_every_loss_of_the_table_has_its_function():
    assert list(LOSS_FUNCTIONS) == list(LOSSES)


def test_the_parts_that_losses_need_and_train():
    assert {name: sorted(spec.requires) for name, spec in LOSSES.items() if spec.requires != {"joints"}} == {
        **{name: ["heatmaps"] for name in ("hm_integral", "hm_integral_gt", "hm_cross_entropy")},
        "kp_cons": ["heatmaps", "joints"],
        "kp_nll": ["confidence", "joints"],
        "triangle": ["verts"],
        "mtex": ["textures"],
        **{
            name: ["lights", "textures", "verts"]
            for name in ("texture", "mrgb", "ssim_tex", "tone", "plain_silhouette", "sil")
        },
    }
    assert {"hm_integral", "hm_integral_gt", "hm_cross_entropy"} == OWN_HEATMAP_LOSSES
    assert OWN_HEATMAP_LOSSES | {"kp_cons"} == HEATMAP_LOSSES
    assert {"texture", "mrgb", "ssim_tex", "mtex", "tone"} == TEXTURE_LOSSES
    assert {"kp_nll"} == CONFIDENCE_LOSSES
    assert set(LOSSES) - OWN_HEATMAP_LOSSES == HAND_LOSSES


def test_weights_not_given_take_the_defaults():
    config = config_from_dict(minimal(losses=SHAPE_LOSSES, lambda_mscale=7.0))
    expected = {name: DEFAULT_WEIGHTS[name] for name in SHAPE_LOSSES} | {"mscale": 7.0}
    assert config.resolved_loss_weights() == expected


@pytest.mark.parametrize("key", RETIRED_KEYS)
def test_retired_key_is_accepted_with_one_line(key):
    config = config_from_dict(minimal(**{key: ["anything"]}))
    assert f"{key} is ignored: {RETIRED_KEYS[key]}" in config.notes


@pytest.mark.parametrize(
    "key", ["losses_init", "init_epoch", "train_init", "only_train_texture_epochs", "frei_selfsup"]
)
def test_other_options_of_the_published_code_have_a_line_of_their_own(key):
    message = refusal(minimal(**{key: 5}))
    assert message.endswith(f"{key}: {OUT_OF_SCOPE_KEYS[key]}; remove the key")
    assert "did you mean" not in message


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"hourglass_depth": 60}, "hourglass_depth: expected less than or equal to 8, got 60"),
        ({"hourglass_features": 200_000}, "hourglass_features: expected less than or equal to 2048"),
        ({"hourglass_features": 12}, "hourglass_features: expected a multiple of 8, got 12"),
    ],
)
def test_impossible_sizes_are_refused_before_anything_is_built(keys, message):
    assert message in refusal(minimal(**keys))


@pytest.mark.parametrize("key", OUT_OF_SCOPE_KEYS)
def test_out_of_scope_key_is_refused_only_when_on(key):
    assert config_from_dict(minimal(**{key: False})).notes == ()
    assert key in refusal(minimal(**{key: 0.05}))


@pytest.mark.parametrize("key", ["train_datasets", "val_datasets"])
def test_rhd_is_out_of_scope(key):
    assert f"{key}: the RHD dataset is out of this project's scope" in refusal(minimal(**{key: ["RHD"]}))


# --- reading -----------------------------------------------------------------------------------------------


def test_unknown_key_names_the_nearest():
    message = refusal({**minimal(), "train_bach": 3})
    assert message == "exp.json: unknown key train_bach; did you mean train_batch?"
    assert "unknown key 'a\\nb'; s2hand config --schema lists" in refusal({**minimal(), "a\nb": 3})
    assert "did you mean lambda_texture?" in refusal({**minimal(), "lambda_texure": 3})


NESTED: list = []
for _ in range(900):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("train_batch", "64", 'train_batch: expected a valid integer, got "64" (a string)'),
        ("train_batch", 1.5, "train_batch: expected a valid integer, got 1.5 (a number)"),
        ("train_batch", True, "train_batch: expected a valid integer, got true (a boolean)"),
        ("train_batch", 0, "train_batch: expected greater than or equal to 1, got 0 (a number)"),
        ("total_epochs", 10**400, "total_epochs: expected less than or equal to 1000000000, got 1000"),
        ("val_batch", 10**9 + 1, "val_batch: expected less than or equal to 1000000000"),
        ("warmup_steps", 10**12, "warmup_steps: expected less than or equal to 1000000000"),
        ("num_workers", 100_000, "num_workers: expected less than or equal to 1024, got 100000"),
        ("train_batch", 10**4000, "0... (a number)"),
        ("losses", NESTED, "losses"),
        ("init_lr", True, "init_lr: expected a valid number, got true (a boolean)"),
        ("controlled_exp", 1, "controlled_exp: expected a valid boolean, got 1 (a number)"),
        ("base_out_path", ["a"], 'base_out_path: expected a valid string, got ["a"] (a list)'),
        ("lr_steps", 30, "lr_steps: expected a list, got 30 (a number)"),
        ("lr_steps", [30, "x"], 'lr_steps[1]: expected a valid integer, got "x" (a string)'),
        ("precision", "bf6", "(did you mean bf16?)"),
        ("losses", ["mscal"], "(did you mean mscale?)"),
        ("train_datasets", ["Frei"], "train_datasets[0]: expected 'FreiHand', 'HO3D', "),
        ("device", "gpu", "cuda:<index>, got"),
        ("init_lr", float("nan"), "init_lr: expected a finite number"),
    ],
)
def test_wrong_value_is_explained(key, value, expected):
    assert expected in refusal(minimal(**{key: value}))


def test_missing_output_folder_names_the_key():
    assert "base_out_path is not set" in refusal({"freihand_base_path": "/d", "losses": ["mscale"]})


@pytest.mark.parametrize("path", [None, ""])
@pytest.mark.parametrize(
    ("dataset", "key"),
    [("FreiHand", "freihand_base_path"), ("HO3D", "ho3d_base_path"), ("Synthetic", "synthetic_base_path")],
)
def test_missing_dataset_path_names_the_key(dataset, key, path):
    values = {"base_out_path": "x", "losses": ["mscale"], "train_datasets": [dataset], key: path}
    assert f"{key} is not set" in refusal(values)


def test_dataset_of_evaluation_only_needs_no_training_path():
    config = config_from_dict(
        {
            "base_out_path": "x",
            "mode": ["evaluation"],
            "train_datasets": ["FreiHand"],
            "val_datasets": ["HO3D"],
            "ho3d_base_path": "/h",
        }
    )
    assert config.base_path("HO3D") == "/h"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{", r":1:2: not valid JSON"),
        (b'{"a": 1,}', r":1:\d+: not valid JSON"),
        (b"[1]", "expected a JSON object"),
        (b"", "not valid JSON"),
        (b"\xff\xfe", "not a text file in UTF-8"),
        (b'{"seed": 1, "seed": 2}', "'seed' occurs twice"),
        (b'{"seed": NaN}', "NaN is not a JSON number"),
        (b"[" * 100_000, "nested too deeply|not valid JSON"),
        (b'{"seed": ' + b"9" * 5000 + b"}", r"not valid JSON: Exceeds the limit [^;]*$"),
        (b'{"base_out_path": "\\ud800"}', "not valid JSON.*surrogates"),
    ],
)
def test_broken_file_ends_in_one_line(tmp_path, content, expected):
    path = tmp_path / "exp.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=expected) as caught:
        load_config(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_byte_order_mark_is_skipped(tmp_path):
    path = tmp_path / "exp.json"
    path.write_text(json.dumps(minimal(seed=5)), encoding="utf-8-sig")
    assert load_config(path).seed == 5


def test_absent_file_and_folder_are_named(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


def test_overrides_replace_values(tmp_path):
    path = tmp_path / "exp.json"
    path.write_text(json.dumps(minimal(train_batch=8, seed=3)))
    config = load_config(path, {"train_batch": 16, "seed": None})
    assert (config.train_batch, config.seed) == (16, 0)
    with pytest.raises(ConfigError, match=re.escape(f"{path} with overrides: unknown key sede")):
        load_config(path, {"sede": 1})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1),
        ("a=1e-3", 1e-3),
        ("a=true", True),
        ("a=null", None),
        ('a=["x"]', ["x"]),
        ("a=cpu", "cpu"),
        ("a=", ""),
        ("a=b=c", "b=c"),
        ("a=[1", "[1"),
    ],
)
def test_override_is_json_or_text(text, value):
    assert parse_override(text) == ("a", value)


@pytest.mark.parametrize("text", ["a", "=1", ""])
def test_override_without_key_or_value_is_refused(text):
    with pytest.raises(ConfigError, match="expected key=value"):
        parse_override(text)


def test_paths_expand_variables_and_home(monkeypatch):
    monkeypatch.setenv("S2HAND_DATA", "/mnt/data")
    monkeypatch.setenv("HOME", "/home/me")
    config = config_from_dict(minimal(freihand_base_path="${S2HAND_DATA}/frei", base_out_path="~/runs"))
    assert config.freihand_base_path == "/mnt/data/frei"
    assert config.run_dir == Path("/home/me/runs")
    monkeypatch.setenv("S2HAND_DATA", "")
    assert "S2HAND_DATA is not set" in refusal(minimal(freihand_base_path="${S2HAND_DATA}/frei"))


def test_config_is_frozen_and_its_own_json_loads_to_it(tmp_path):
    config = config_from_dict(published("FreiHand", "SSL-e2e") | {"lambda_hm": 0.5, "lambda_bone_direc": 0.2})
    path = tmp_path / "resolved.json"
    path.write_text(config.to_json())
    again = load_config(path)
    assert again.model_dump() == config.model_dump()
    with pytest.raises(ValidationError):
        config.seed = 1


def test_defaults_that_follow_from_other_keys():
    config = config_from_dict(minimal(save_interval=7))
    assert (config.eval_interval, config.hourglass_input_size) == (7, 256)
    assert config_from_dict(minimal(image_size=128)).hourglass_input_size == 128
    assert config_from_dict(minimal(image_size=224, hourglass_depth=3)).hourglass_input_size == 224
    assert config_from_dict(minimal(train_datasets=["freihand"])).val_datasets == ("FreiHand",)


# --- contradictions ----------------------------------------------------------------------------------------

PICTURE = {"train_requires": ["joints", "verts", "textures", "lights"]}
PHOTOS = {"train_datasets": ["Folder"], "folder_base_path": "/photos"}
CAMERA = [[500, 0, 300], [0, 500, 200], [0, 0, 1]]
HEATMAPS = {"train_requires": ["heatmaps"], "test_requires": ["heatmaps"], "task": "hm_train"}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"base_out_path": "a\0b"}, "base_out_path: a path cannot hold"),
        ({"losses": []}, "losses is empty"),
        ({"losses": ["mscale", "mscale"]}, "losses names mscale twice"),
        ({"train_datasets": []}, "train_datasets is empty"),
        ({"val_datasets": [], "mode": ["evaluation"]}, "val_datasets is empty"),
        ({"lambda_mscale": 0}, "lambda_mscale is 0"),
        ({"losses": ["hm_integral"]}, "hm_integral needs heatmaps"),
        ({"losses": ["kp_cons"], "train_requires": ["heatmaps"]}, "kp_cons needs joints"),
        ({"losses": ["texture"]}, "texture needs lights and textures"),
        ({"losses": ["world_bones"]}, "3D landmarks, which FreiHand cannot have"),
        ({"losses": ["penetration"], "train_requires": ["verts"]}, "penetration needs joints"),
        ({"losses": ["kp_nll"]}, "kp_nll needs confidence in train_requires"),
        ({"train_requires": ["joints", "confidence"]}, "no loss trains it: add kp_nll"),
        ({"losses": ["plain_silhouette"]}, "plain_silhouette needs lights and textures"),
        ({"losses": ["tone"]}, "tone needs lights and textures"),
        ({"losses": ["sil"]}, "sil needs lights and textures"),
        ({"losses": ["triangle"], "train_requires": ["joints"]}, "triangle needs verts"),
        ({"losses": ["mscale"], "train_requires": ["verts"]}, "mscale needs joints"),
        ({"train_requires": ["joints", "verts", "textures"]}, "textures without lights"),
        ({"train_requires": ["joints", "verts", "lights"]}, "lights without textures"),
        ({"train_requires": ["joints", "textures", "lights"]}, "textures without verts"),
        ({"test_requires": []}, "test_requires is empty"),
        ({**HEATMAPS, "losses": ["mscale"]}, "task hm_train trains the 2D branch alone"),
        ({**HEATMAPS, "losses": ["hm_integral"], "test_requires": ALL_PARTS}, "computes heat maps only"),
        ({**HEATMAPS, "losses": ["hm_integral"], "freeze_hm_estimator": True}, "remove one"),
        ({"train_requires": ["heatmaps", "joints"]}, "no loss trains them"),
        ({"train_requires": ["heatmaps", "joints"], "freeze_hm_estimator": True}, "set pretrain_rgb2hm"),
        ({"attention": True}, "attention needs the 2D branch"),
        ({"test_refinement": True}, "test_refinement needs heatmaps"),
        ({"hourglass_input_size": 224}, "must be a multiple of 64"),
        ({"hourglass_input_size": 192}, "at least image_size 224"),
        ({"precision": "fp16", "device": "cpu"}, "fp16 needs CUDA"),
        ({"init_lr": 0}, "init_lr is 0"),
        ({"lr_steps": [20, 10]}, "must increase"),
        ({"controlled_exp": True, "controlled_size": 4}, "less than one train_batch"),
        (
            {**PHOTOS, "folder_focal": 500, "folder_K": CAMERA},
            "folder_K and folder_focal both state",
        ),
        ({**PHOTOS, "folder_K": CAMERA[:2]}, "folder_K must be [[fx, s, cx], [0, fy, cy], [0, 0, 1]]"),
        ({**PHOTOS, "folder_K": [[-1, 0, 0], *CAMERA[1:]]}, "with fx, fy > 0, got [[-1.0, 0.0, 0.0],"),
        ({**PHOTOS, "folder_val_share": 1}, "no photo of Folder is left to train on"),
        ({**PHOTOS, "folder_base_path": None}, "folder_base_path is not set, and Folder is used"),
    ],
)
def test_contradiction_is_explained(keys, expected):
    assert expected in refusal(minimal(**keys))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"lambda_mrgb": 1}, "lambda_mrgb has no effect"),
        ({"total_epochs": 10, "lr_steps": [5, 10]}, "lr_steps [10] have no effect"),
        ({"lr_schedule": "cosine", "lr_steps": [5]}, "lr_schedule is cosine"),
        ({"folder_focal": 500}, "folder_focal has no effect: Folder is not among the datasets"),
        ({"pretrain_texture_model": "/t"}, "pretrain_texture_model has no effect"),
        ({"pretrain_model": "/m/texturehand.t7"}, "set hand_model to the path of MANO_RIGHT.pkl"),
        ({"pretrain_model": "/m/texturehand.safetensors"}, "set hand_model to the path of MANO_RIGHT.pkl"),
        ({"mode": ["evaluation"]}, "evaluates an untrained network"),
    ],
)
def test_key_without_effect_is_noted(keys, expected):
    notes = config_from_dict(minimal(**keys)).notes
    assert len(notes) == 1
    assert expected in notes[0]


def test_frozen_heatmaps_are_needed_but_not_trained():
    keys = {"train_requires": ["heatmaps", "joints", "verts"], "losses": ["mscale", "kp_cons"]}
    config = config_from_dict(minimal(**keys, freeze_hm_estimator=True, pretrain_rgb2hm="/hm.pt"))
    assert config.network_parts == {"hand", "heatmaps"}
    assert config.trained_parts == {"hand"}


def test_check_paths_names_key_and_path(tmp_path):
    data = tmp_path / "data"
    config = config_from_dict(minimal(freihand_base_path=str(data)), "exp.json")
    with pytest.raises(ConfigError, match=f"exp.json: freihand_base_path: no such folder: {data}"):
        check_paths(config)
    data.mkdir()
    check_paths(config)
    with pytest.raises(ConfigError, match=r"pretrain_model: no such file or run folder: gone/x \(from /"):
        check_paths(config_from_dict(minimal(freihand_base_path=str(data), pretrain_model="gone/x")))
    with pytest.raises(ConfigError, match="hand_model: no such file"):
        check_paths(config_from_dict(minimal(freihand_base_path=str(data), hand_model="/gone.pkl")))


# --- fuzzing -----------------------------------------------------------------------------------------------

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
SOME_KEYS = st.sampled_from(
    [*Config.model_fields, *RETIRED_KEYS, *LAMBDA_ALIASES, *OUT_OF_SCOPE_KEYS, "$schema"]
)


def outcome(load, *arguments) -> Config | str:
    """What ``load`` returns, or the message of its refusal; anything else it raises is a failure."""
    try:
        return load(*arguments)
    except ConfigError as error:
        return str(error)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(SOME_KEYS | st.text(max_size=8), JSON_VALUES, min_size=1, max_size=3))
def test_any_values_load_or_end_in_one_line(changes):
    result = outcome(config_from_dict, published("FreiHand", "SSL-e2e") | changes, "exp.json")
    assert isinstance(result, Config) or (result.startswith("exp.json: ") and "\n" not in result)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10_000), replacement=st.binary(max_size=3))
def test_any_damage_to_a_file_loads_or_ends_in_one_line(tmp_path, position, replacement):
    content = json.dumps(published("FreiHand", "SSL-finetune")).encode()
    position %= len(content)
    path = tmp_path / "exp.json"
    path.write_bytes(content[:position] + replacement + content[position + 1 :])
    result = outcome(load_config, path)
    assert isinstance(result, Config) or (result.startswith(str(path)) and "\n" not in result)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"train_batch": 1}, "train_batch is 1, but batch normalisation needs 2 samples"),
        ({"train_batch": 1, "accumulate_steps": 8}, "2 samples or more (accumulate_steps does not help)"),
        ({"seed": 2**64}, "seed: expected less than or equal to 9007199254740991"),
        ({"synthetic_seed": 10**30}, "synthetic_seed: expected less than or equal to 9007199254740991"),
        ({"hourglass_depth": 60}, "hourglass_depth: expected less than or equal to 8"),
        ({"hourglass_features": 200_000}, "hourglass_features: expected less than or equal to 2048"),
        ({"image_size": 100_000}, "image_size: expected less than or equal to 4096"),
    ],
)
def test_what_no_network_can_be_trained_with_is_refused(keys, expected):
    assert expected in refusal(minimal(**keys))


def test_the_2d_branch_alone_can_learn_from_one_image_at_a_time():
    alone = {"task": "hm_train", "losses": ["hm_integral"], "train_batch": 1}
    alone |= {"train_requires": ["heatmaps"], "test_requires": ["heatmaps"]}
    assert config_from_dict(minimal(**alone)).train_batch == 1
    assert "batch normalisation" in refusal(minimal(**alone, image_size=64))


def test_a_folder_may_be_named_like_a_number():
    assert parse_override("base_out_path=2024") == ("base_out_path", "2024")
    assert parse_override("freihand_base_path=null") == ("freihand_base_path", None)
    assert parse_override("train_batch=2024") == ("train_batch", 2024)
