"""The published code's option names: which keys of ours they stand for, and which have no effect here."""

from s2hand.config.loss_table import PUBLISHED_WEIGHT_KEYS

LAMBDA_ALIASES = {
    key: names for key, names in PUBLISHED_WEIGHT_KEYS.items() if names != (key.removeprefix("lambda_"),)
}
"""Published names of weights that differ from the name of the loss, or that weight two losses."""

KEY_ALIASES = {"use_2d_as_attention": "attention"}
"""Published switches under another name."""

_UNUSED_LOSS = "belongs to a loss that no published config asks for; it is not part of this project"
_ONE_NETWORK = "the network is chosen by backbone, hourglass_* and attention"
_ONE_RENDERER = "the only renderer is this project's; its gradient is chosen by renderer"
_PANELS = "every evaluation draws one sheet of samples into the folder pictures/"
_NO_RHD = "the RHD dataset is out of this project's scope"
_OTHER_START = "train two runs instead, the second with the first as its pretrain_model"
_BY_LOSSES = "which labels a sample carries follows from losses"

RETIRED_KEYS = {
    "mode_0": "mode alone chooses between training and evaluation",
    "train_queries": _BY_LOSSES,
    "train_queries_frei": _BY_LOSSES,
    "train_queries_ho3d": _BY_LOSSES,
    "val_queries": "evaluation reads images and cameras, and labels and detections if there are any",
    "writer_topic": "TensorBoard's files are written to the folder that base_out_path names",
    "print_freq": "a progress bar shows the loss and the speed of every step",
    "is_val": "evaluation runs every eval_interval epochs",
    "val_interval": "evaluation runs every eval_interval epochs",
    "demo_freq": _PANELS,
    "demo_freq_evaluation": _PANELS,
    "img_wise_save": _PANELS,
    "save_2d": "2D errors are always among the evaluation's metrics",
    "out": "predictions are written to the folder that base_out_path names",
    "efficientnet_pretrained": "backbone_pretrained starts from ImageNet weights",
    "encoder_name": _ONE_NETWORK,
    "neck_name": _ONE_NETWORK,
    "regress_mode": _ONE_NETWORK,
    "use_pose_regressor": _ONE_NETWORK,
    "use_discriminator": _ONE_NETWORK,
    "renderer_mode": _ONE_RENDERER,
    "texture_mode": _ONE_RENDERER,
    "sigma_val": _ONE_RENDERER,
    "camera_mode": "cameras are always pinhole cameras given by K",
    "perspective": "cameras are always pinhole cameras given by K",
    "lambda_mask": _UNUSED_LOSS,
    "lambda_flatten": _UNUSED_LOSS,
    "lambda_verts": _UNUSED_LOSS,
    "lambda_pca_text": _UNUSED_LOSS,
    "lambda_percep": _UNUSED_LOSS,
    "lambda_feature_percep": _UNUSED_LOSS,
    "lambda_hm_cons": _UNUSED_LOSS,
    "lambda_depth": _UNUSED_LOSS,
    "lambda_ssim_depth": _UNUSED_LOSS,
    "lambda_trans": _UNUSED_LOSS,
    "lambda_chamfer": _UNUSED_LOSS,
    "lambda_depth_pc_chamfer": _UNUSED_LOSS,
    "controlled_size_val": "eval_limit limits the number of samples that are evaluated",
    "rhd_base_path": _NO_RHD,
    "train_queries_rhd": _NO_RHD,
}
"""Keys that are accepted and dropped -> what has that effect instead."""

OUT_OF_SCOPE_KEYS = {
    "controlled_exp_val": "set eval_limit to limit the number of samples that are evaluated",
    "semi_ratio": "mixing labelled with unlabelled samples is out of this project's scope",
    "frei_selfsup": "mixing labelled with unlabelled samples is out of this project's scope",
    "losses_init": f"other losses in the first epochs are out of this project's scope; {_OTHER_START}",
    "init_epoch": f"other losses in the first epochs are out of this project's scope; {_OTHER_START}",
    "train_init": f"other samples in the first epochs are out of this project's scope; {_OTHER_START}",
    "losses_rhd": _NO_RHD,
    "losses_frei": "one list of losses serves every dataset; use losses",
    "only_train_regressor": "set freeze_hm_estimator, and leave texture losses out of losses",
    "only_train_texture_epochs": "training the texture alone is out of this project's scope",
    "only_train_texture": "training the texture alone is out of this project's scope",
    "pretrain_segmnet": "the segmentation network is out of this project's scope",
}
"""Keys that are harmless when off (null, false, empty or 0), and an error when on: the run would not be what
was asked for."""

DATASET_NAMES = {"freihand": "FreiHand", "ho3d": "HO3D", "ho-3d": "HO3D", "synthetic": "Synthetic"}
"""Spellings of dataset names, in lower case, and the config's own."""


def translate(values: dict) -> tuple[dict, list[str]]:
    """Rewrites the published names of a flat config into this project's.

    Args:
        values: key -> value as read from JSON, without nulls (which mean "the default").

    Returns:
        The rewritten copy, and lines on keys that have no effect here.

    Raises:
        ValueError: a key asks for something out of scope, or two keys give one weight different values.
    """
    notes = _retired_notes([key for key in values if key in RETIRED_KEYS])
    for key in OUT_OF_SCOPE_KEYS.keys() & values.keys():
        if values[key]:
            raise ValueError(f"{key}: {OUT_OF_SCOPE_KEYS[key]}; remove the key")
    dropped = RETIRED_KEYS.keys() | OUT_OF_SCOPE_KEYS.keys() | {"$schema"}
    kept = {KEY_ALIASES.get(key, key): value for key, value in values.items() if key not in dropped}
    kept = _translate_lambdas(kept)
    for key in ("train_datasets", "val_datasets"):
        if isinstance(kept.get(key), (list, tuple)):
            if "RHD" in kept[key]:
                raise ValueError(f"{key}: {_NO_RHD}; leave it out")
            kept[key] = [_dataset_name(name) for name in kept[key]]
    if isinstance(kept.get("mode"), str):
        kept["mode"] = [kept["mode"]]
    if "rotation_deg" not in kept and _asks_for_unrotated_images(values):
        kept["rotation_deg"] = 0.0
        notes.append("rotation_deg is 0: train_queries asks for untransformed images")
    return kept, notes


def _retired_notes(keys: list[str]) -> list[str]:
    """One line on all retired keys, so that it does not hide others."""
    if len(keys) > 1:
        return [f"{', '.join(keys)} are ignored: docs/parity.md says what has their effect here"]
    return [f"{key} is ignored: {RETIRED_KEYS[key]}" for key in keys]


def _translate_lambdas(values: dict) -> dict:
    """Gives every published weight the name of its loss, which wins over a name that two losses share."""
    kept = {key: value for key, value in values.items() if key not in LAMBDA_ALIASES}
    for alias in LAMBDA_ALIASES.keys() & values.keys():
        for loss in LAMBDA_ALIASES[alias]:
            own = f"lambda_{loss}"
            shared = len(LAMBDA_ALIASES[alias]) > 1
            if own in kept and kept[own] != values[alias] and not shared:
                raise ValueError(f"{alias} and {own} are the same weight, yet differ; keep one of them")
            kept.setdefault(own, values[alias])
    return kept


def _dataset_name(name):
    """The config's spelling of a dataset's name; anything else is left to the schema to refuse."""
    return DATASET_NAMES.get(name.lower(), name) if isinstance(name, str) else name


def _asks_for_unrotated_images(values: dict) -> bool:
    """The published reader rotated FreiHAND only if a query's name began with ``trans_``."""
    datasets = values.get("train_datasets", ["FreiHand"])
    if not isinstance(datasets, (list, tuple)) or "FreiHand" not in map(_dataset_name, datasets):
        return False
    queries = values.get("train_queries_frei") or values.get("train_queries")
    if not isinstance(queries, (list, tuple)) or not queries:
        return False
    return "images" in queries and not any(str(query).startswith("trans_") for query in queries)
