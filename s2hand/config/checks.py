"""Explains contradictions between the keys of a config, and checks that the files it names exist."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from s2hand.config.folder_checks import check_folder, ineffective_folder_keys
from s2hand.config.lift_checks import check_landmark_input, check_lift
from s2hand.config.loss_table import CONFIDENCE_LOSSES, LOSSES, OWN_HEATMAP_LOSSES
from s2hand.config.messages import ConfigError
from s2hand.config.model import BASE_PATH_KEYS, Config
from s2hand.config.published import LAMBDA_ALIASES
from s2hand.config.sections import LIFT
from s2hand.hand_names import GENERIC_HANDS

WITH_WORLD_JOINTS = ("Folder", "Shards")
"""Datasets whose detections may hold 3D landmarks."""


def check_consistency(config: Config, given: Collection[str]) -> list[str]:
    """Refuses keys that contradict each other.

    Args:
        config: every key is valid by itself.
        given: the keys that were set, under this project's names.

    Returns:
        One line per key that has no effect.

    Raises:
        ConfigError: names the keys and the remedy, but not the file.
    """
    _check_repetition(config)
    _check_dataset_paths(config)
    check_folder(config)
    _check_network(config)
    check_lift(config)
    notes = _checkpoint_notes(config) + ineffective_folder_keys(config, given)
    if config.stage == "evaluate":
        return notes
    if config.task != LIFT:  # it has losses of its own
        _check_losses(config)
    _check_heatmaps(config)
    _check_confidence(config)
    _check_schedule(config)
    return notes + _ineffective_keys(config, given)


def check_paths(config: Config) -> None:
    """Checks that the files and folders a run reads exist, before anything is built.

    The Synthetic dataset is exempt: it is generated if it is missing.

    Raises:
        ConfigError: names the key and the path that does not exist.
    """
    paths = {BASE_PATH_KEYS[name]: "folder" for name in _used_datasets(config) if name != "Synthetic"}
    if "Folder" in _used_datasets(config):
        paths |= {"folder_detections": "file", "folder_labels": "file"}
    if config.hand_model not in GENERIC_HANDS and "hand" in config.network_parts:
        paths["hand_model"] = "file"
    pretrained = ("pretrain_model", "pretrain_rgb2hm", "pretrain_texture_model")
    paths |= {key: "file or run folder" for key in pretrained}
    for key, kind in paths.items():
        path = getattr(config, key)
        if path is not None and not Path(path).exists():
            where = "" if Path(path).is_absolute() else f" (from {Path.cwd()})"
            raise ConfigError(f"{config.source}: {key}: no such {kind}: {path}{where}")


def _used_datasets(config: Config) -> list[str]:
    training = config.train_datasets if config.stage == "train" else ()
    return list(dict.fromkeys((*training, *config.val_datasets)))


def _check_repetition(config: Config) -> None:
    for key in ("train_datasets", "val_datasets", "losses", "train_requires", "test_requires"):
        names = getattr(config, key)
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise ConfigError(f"{key} names {repeated[0]} twice; once is enough")
    if config.task == LIFT:  # random hands stand for the datasets
        return
    if not config.val_datasets and config.stage == "evaluate":
        raise ConfigError("val_datasets is empty: there is nothing to evaluate")
    if not config.train_datasets and config.stage == "train":
        raise ConfigError("train_datasets is empty: there is nothing to train on")


def _check_dataset_paths(config: Config) -> None:
    for dataset in _used_datasets(config):
        key = BASE_PATH_KEYS[dataset]
        if config.base_path(dataset):
            continue
        if dataset == "HO3D" and config.freihand_base_path and "FreiHand" not in _used_datasets(config):
            raise ConfigError(
                "ho3d_base_path is not set, but freihand_base_path is, which HO3D does not use: "
                "rename freihand_base_path to ho3d_base_path (the published HO3D/SSL-e2e.json has this slip)"
            )
        raise ConfigError(f"{key} is not set, and {dataset} is used; set it to that dataset's folder")


def _check_network(config: Config) -> None:
    for key in ("train_requires", "test_requires"):
        if key == "train_requires" and config.stage == "evaluate":
            continue
        parts = set(getattr(config, key))
        if not parts:
            raise ConfigError(f"{key} is empty: the network would compute nothing")
        if "textures" in parts and "lights" not in parts:
            raise ConfigError(f"{key} has textures without lights; a rendering needs both")
        if "lights" in parts and "textures" not in parts:
            raise ConfigError(f"{key} has lights without textures; a rendering needs both")
        if "textures" in parts and "verts" not in parts:
            raise ConfigError(f"{key} has textures without verts; there is no mesh to colour")
    needs_2d = {"attention": config.attention, "hand_input": "keypoints" in config.hand_input}
    for key, needed in needs_2d.items():
        if needed and "heatmaps" not in config.network_parts:
            raise ConfigError(f"{key} needs the 2D branch: add heatmaps to train_requires and test_requires")
    if config.attention and config.hand_input not in ("image", "image+keypoints"):
        raise ConfigError(f"attention weighs the image feature, but hand_input is {config.hand_input}")
    check_landmark_input(config)
    if config.test_refinement and not {"heatmaps", "joints"} <= set(config.test_requires):
        raise ConfigError("test_refinement needs heatmaps and joints in test_requires")
    multiple = 2 ** (config.hourglass_depth + 2)
    if config.hourglass_input_size < config.image_size or config.hourglass_input_size % multiple:
        raise ConfigError(
            f"hourglass_input_size {config.hourglass_input_size} must be a multiple of {multiple} "
            f"(2^(hourglass_depth + 2)) and at least image_size {config.image_size}"
        )
    if config.precision == "fp16" and config.device == "cpu":
        raise ConfigError("precision fp16 needs CUDA, but device is cpu; use bf16 or fp32")


def _check_losses(config: Config) -> None:
    if not config.losses:
        raise ConfigError(
            'losses is empty: nothing would be trained; to evaluate, set mode to ["evaluation"]'
        )
    for name, weight in config.loss_weights().items():
        if name in config.losses and weight == 0:
            raise ConfigError(f"losses asks for {name}, but lambda_{name} is 0; remove one of them")
    if config.task == "hm_train":
        foreign = [name for name in config.losses if name not in OWN_HEATMAP_LOSSES]
        if foreign:
            raise ConfigError(
                f"task hm_train trains the 2D branch alone, but losses asks for {foreign[0]}; "
                "keep hm_integral only, or set task to train"
            )
    without = [name for name in config.train_datasets if name not in WITH_WORLD_JOINTS]
    if "world_bones" in config.losses and without:
        raise ConfigError(
            f"the loss world_bones needs 3D landmarks, which {without[0]} cannot have: train on Folder with "
            "detections of `s2hand detect`, or remove it"
        )
    for name in config.losses:
        if missing := LOSSES[name].requires - set(config.train_requires):
            raise ConfigError(f"the loss {name} needs {' and '.join(sorted(missing))} in train_requires")


def _check_heatmaps(config: Config) -> None:
    """The 2D branch must be trained by a loss, loaded and frozen, or absent."""
    own_losses = [name for name in config.losses if name in OWN_HEATMAP_LOSSES]
    if config.task == "hm_train":
        extra = set(config.train_requires + config.test_requires) - {"heatmaps"}
        if extra:
            raise ConfigError(
                f"task hm_train computes heat maps only, but {sorted(extra)[0]} is in train_requires or "
                "test_requires; leave it out, or set task to train"
            )
    if "heatmaps" not in config.train_requires:
        return
    if config.freeze_hm_estimator and own_losses:
        raise ConfigError(
            f"freeze_hm_estimator keeps the 2D branch as loaded, but losses has {own_losses[0]}; remove one"
        )
    if config.freeze_hm_estimator and not (config.pretrain_rgb2hm or config.pretrain_model):
        raise ConfigError(
            "freeze_hm_estimator keeps the 2D branch untrained: set pretrain_rgb2hm, or thaw it"
        )
    if not config.freeze_hm_estimator and not own_losses:
        raise ConfigError(
            "train_requires has heatmaps, but no loss trains them: add hm_integral to losses, "
            "remove heatmaps, or load the 2D branch with pretrain_rgb2hm and set freeze_hm_estimator"
        )


def _check_confidence(config: Config) -> None:
    if "confidence" in config.train_requires and not CONFIDENCE_LOSSES & set(config.losses):
        raise ConfigError(
            "train_requires has confidence, but no loss trains it: add kp_nll to losses, or remove confidence"
        )


def _check_schedule(config: Config) -> None:
    changing = [
        key for key in ("backbone_lr_factor", "rotation_deg", "color_jitter") if getattr(config, key) != 0
    ]
    if config.cache_features and changing:
        raise ConfigError(
            f"cache_features needs features that stay the same from epoch to epoch: set {changing[0]} to 0"
        )
    if config.init_lr == 0:
        raise ConfigError('init_lr is 0: nothing would be learned; to evaluate, set mode to ["evaluation"]')
    if list(config.lr_steps) != sorted(set(config.lr_steps)):
        raise ConfigError(f"lr_steps {list(config.lr_steps)} must increase from entry to entry")
    if config.train_batch == 1 and needs_several_samples(config):
        raise ConfigError(
            "train_batch is 1, but batch normalisation needs 2 samples or more (accumulate_steps does "
            "not help); set train_batch to 2 or more"
        )
    if config.task != LIFT and config.controlled_exp and config.controlled_size < config.train_batch:
        raise ConfigError(
            f"controlled_size {config.controlled_size} is less than one train_batch of {config.train_batch}"
        )


def needs_several_samples(config: Config) -> bool:
    """Whether training fails on batches of a single sample.

    Batch normalisation needs several values of every channel. The hand head has one a sample, and so has an
    hourglass that goes down to maps of one pixel. The lift has no batch normalisation.
    """
    if config.task == LIFT:
        return False
    lowest = config.hourglass_input_size // 2 ** (config.hourglass_depth + 2)
    return bool(config.trained_parts - {"heatmaps"}) or ("heatmaps" in config.trained_parts and lowest == 1)


def _checkpoint_notes(config: Config) -> list[str]:
    if config.stage == "evaluate" and config.pretrain_model is None:
        return ["pretrain_model is not set: evaluates an untrained network"]
    is_published = str(config.pretrain_model).endswith((".t7", ".safetensors"))
    if config.hand_model not in GENERIC_HANDS or not is_published:
        return []
    return [
        'pretrain_model is a published checkpoint, trained with MANO, but hand_model is "generic": '
        "set hand_model to the path of MANO_RIGHT.pkl to reproduce its results"
    ]


def _ineffective_keys(config: Config, given: Collection[str]) -> list[str]:
    notes = []
    shared = {own for names in LAMBDA_ALIASES.values() if len(names) > 1 for own in names}
    for name in LOSSES:
        if f"lambda_{name}" in given and name not in config.losses and name not in shared:
            notes.append(f"lambda_{name} has no effect: {name} is not in losses")
    late = [epoch for epoch in config.lr_steps if epoch >= config.total_epochs]
    if late and config.lr_schedule == "step":
        notes.append(f"lr_steps {late} have no effect: training ends after epoch {config.total_epochs}")
    if config.lr_schedule == "cosine" and config.lr_steps:
        notes.append("lr_steps and lr_gamma have no effect: lr_schedule is cosine")
    if config.pretrain_texture_model and "texture" not in config.network_parts:
        notes.append("pretrain_texture_model has no effect: no textures are required")
    return notes
