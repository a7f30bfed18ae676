"""SynthHand, a fixed benchmark: 2,000 generated hands of full variety that no training has seen.

Views, poses, skin, light and backgrounds are drawn as widely as the generator can; three hands in ten hold
something, and three in ten are partly hidden. Detections have errors like the bundled detector's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from s2hand.benchmark.hand_groups import group_means, hand_groups, joint_errors_mm
from s2hand.benchmark.networks import open_network
from s2hand.benchmark.synth_detected import joints_in_images
from s2hand.benchmark.synth_refined import fitted_hands, joint_metrics
from s2hand.config import Config, config_from_dict
from s2hand.errors import S2HandError
from s2hand.evaluation.baselines import mean_hand_metrics
from s2hand.evaluation.evaluator import Evaluation
from s2hand.experiment.datasets import synthetic_settings
from s2hand.experiment.evaluating import score_experiment
from s2hand.experiment.experiment import Experiment
from s2hand.experiment.stored_run import config_to_evaluate
from s2hand.hand_names import GENERIC, NEWEST
from s2hand.losses.keypoints import MIDDLE_KNUCKLE
from s2hand.models.landmark_lift import bundled_weights
from s2hand.synthetic.settings import SyntheticSettings
from s2hand.synthetic.traits import scene_traits

NAME = "Synthetic"

SETTINGS = {
    "val_datasets": [NAME],
    "synthetic_train_size": 20_000,
    "synthetic_eval_size": 2_000,
    "synthetic_seed": 20261126,
    "synthetic_view_variety": 1.0,
    "synthetic_wide_poses": True,
    "synthetic_object_share": 0.3,
    "synthetic_noise": "bundled",
}
"""Keys of the config that make the dataset; configs/SynthHand has the same."""

IMAGE_PX = 224
"""Side of its images."""

BUNDLED = {
    "train_datasets": [NAME],
    "mode": ["evaluation"],
    "backbone": "mediapipe_hand",
    "hand_input": "detections",
    "num_pca": 45,
    "crop_upright": True,
    "encoder_depths": False,
    "detected_points": "mediapipe",
    "val_batch": 64,
    "num_workers": 1,
}
"""The network that comes with the package, given the benchmark's detections and nothing else."""

COLUMNS = {
    "pa_mpjpe": "PA-MPJPE mm",
    "relative_mpjpe": "root-relative mm",
    "mpjpe": "MPJPE mm",
    "depth_mm": "depth mm",
    "pa_f5": "PA-F@5",
    "pa_f15": "PA-F@15",
    "keypoints_px": "2D px",
}
"""What the table shows, in its order."""

GROUP_COLUMNS = {
    "hands": "hands",
    "pa_mpjpe": "PA-MPJPE mm",
    "relative_mpjpe": "root-relative mm",
    "found": "found",
    "detected_pa_mpjpe": "found: PA-MPJPE",
    "detected_relative_mpjpe": "found: root-rel.",
}
"""What the table of groups shows; from ``found`` on with the bundled detector."""

SIMULATED_COLUMNS = 3
"""How many of them are shown without it."""

FORMATS = {"hands": "d", "found": ".1%"}


@dataclass(frozen=True)
class SynthHandResult:
    """What the benchmark found.

    Attributes:
        metrics: the network's scores, by the keys of ``COLUMNS`` and those of an evaluation.
        mean_hand: scores of always answering the mean hand.
        detector_px: mean distance of the detections from the joints, in pixels of the network's images.
        hands: how many were scored.
        groups: kind of group -> group -> means of its hands: ``GROUP_COLUMNS``, and their number.
        fitted: start of a fit to the detections, see :mod:`s2hand.benchmark.synth_refined` -> scores of the
            fitted hands; empty if they were not asked for.
        detected: with the bundled detector in place of simulated detections: the share of hands that it
            found, and their errors; None if it was not asked.
    """

    metrics: dict[str, float]
    mean_hand: dict[str, float]
    detector_px: float
    hands: int
    groups: dict[str, dict[str, dict[str, float]]]
    fitted: dict[str, dict[str, float]] = field(default_factory=dict)
    detected: dict[str, float] | None = None

    def table(self) -> str:
        """Lines for the terminal: all hands, then each group."""
        return "\n".join([self._whole_table(), "", self._group_table()])

    def _group_table(self) -> str:
        shown = GROUP_COLUMNS if self.detected else dict(list(GROUP_COLUMNS.items())[:SIMULATED_COLUMNS])
        width = max(map(len, shown.values())) + 2
        rows = {"all": {"hands": self.hands} | self.metrics | (self.detected or {})}
        for kind, groups in self.groups.items():
            rows |= {f"{kind} {name}": values for name, values in groups.items()}
        first = max(map(len, rows)) + 2
        lines = [" " * first + "".join(title.rjust(width) for title in shown.values())]
        for name, values in rows.items():
            cells = (format(values[key], FORMATS.get(key, ".2f")) if key in values else "" for key in shown)
            lines.append(name.ljust(first) + "".join(cell.rjust(width) for cell in cells))
        return "\n".join(lines)

    def _whole_table(self) -> str:
        width = max(map(len, COLUMNS.values())) + 2
        rows = {"network": self.metrics, **self.fitted, "mean hand": self.mean_hand}
        rows["detections"] = {"keypoints_px": self.detector_px}
        lines = [" " * 15 + "".join(title.rjust(width) for title in COLUMNS.values())]
        for name, values in rows.items():
            cells = (f"{values[key]:.2f}" if key in values else "" for key in COLUMNS)
            lines.append(name.ljust(15) + "".join(cell.rjust(width) for cell in cells))
        return "\n".join([f"SynthHand, {self.hands:,} hands", *lines])


def synth_hand(
    source: str | Path | None,
    folder: str | Path,
    hands: int | None = None,
    *,
    refine: bool = False,
    detect: bool = False,
) -> SynthHandResult:
    """Scores a network on SynthHand, which is generated if it is missing.

    Args:
        source: a run's folder, or None for the network that comes with the package.
        folder: the dataset's.
        hands: how many to score, from the first; None for all.
        refine: also fit hands to the detections, from the network's answer and without it.
        detect: also let the bundled detector look for the hands in the images, as in a user's photos.

    Raises:
        S2HandError: there are no usable weights, or the folder holds something else.
    """
    config = benchmark_config(source, folder, hands)
    with Experiment(config, lambda line: None) as experiment:
        if source is None:
            experiment.model.hand_head.net.load_state_dict(bundled_weights())
        score_experiment(experiment)
        found = experiment.evaluations[NAME]
        mean = mean_hand_metrics(found, experiment.hand_model, None)
        fitted = fitted_scores(experiment, found) if refine else {}
    traits = scene_traits(folder, SyntheticSettings(**synthetic_settings(config)), "evaluation")
    traits = traits.of(found.index)
    values, detected = joint_errors_mm(found.joints, found.gt_joints), None
    if detect:
        network = open_network(source, config.device)
        joints = joints_in_images(network, folder, found.index, traits.joints)
        errors = joint_errors_mm(joints, traits.joints)
        own = {"found": np.isfinite(joints[:, 0, 0])}
        own |= {f"detected_{name}": column for name, column in errors.items()}
        detected = {name: float(np.nanmean(column)) for name, column in own.items()}
        values |= own
    return SynthHandResult(
        metrics=found.metrics | relative_errors(found),
        mean_hand=mean,
        detector_px=found.metrics["detector_px"],
        hands=len(found.index),
        groups=group_means(hand_groups(traits), values),
        fitted=fitted,
        detected=detected,
    )


def fitted_scores(experiment: Experiment, found: Evaluation) -> dict[str, dict[str, float]]:
    """Where a fit starts -> scores of the fitted hands, by the keys of ``COLUMNS``.

    Args:
        experiment: has the network.
        found: the network's evaluation, with labels.
    """
    fitted = fitted_hands(experiment, experiment.val_datasets[NAME])
    truth = found.gt_joints.astype(np.float64)
    scores = {}
    for start, joints in fitted.joints.items():
        errors = relative_errors(replace(found, joints=joints))
        scores[start] = joint_metrics(joints, truth, fitted.K) | errors
    return scores


def benchmark_config(source: str | Path | None, folder: str | Path, hands: int | None) -> Config:
    """The evaluation of a network on SynthHand.

    Raises:
        S2HandError: there is no such run, or its network is not one for SynthHand's images or hands.
    """
    if hands is not None and hands < 1:
        raise S2HandError(f"hands to score: expected 1 or more, got {hands}")
    keys = SETTINGS | {"synthetic_base_path": str(folder), "eval_limit": hands, "write_report": False}
    if source is None:
        return config_from_dict(BUNDLED | keys | {"base_out_path": str(folder)}, "the SynthHand benchmark")
    if not Path(source).expanduser().is_dir():
        raise S2HandError(f"{source} is no folder; expected that of a run, as s2hand train writes it")
    config = config_to_evaluate(source, keys)
    if config.image_size != IMAGE_PX:
        raise S2HandError(
            f"{source}: its network sees images of {config.image_size} px, but SynthHand has "
            f"{IMAGE_PX} px; only a network with image_size {IMAGE_PX} can be scored on it"
        )
    if config.hand_model not in (GENERIC, NEWEST):
        raise S2HandError(
            f"{source}: its hand_model is {config.hand_model}, but SynthHand's hands are generic ones; "
            f'only a network with hand_model "{GENERIC}" can be scored on it'
        )
    return config


def relative_errors(found: Evaluation) -> dict[str, float]:
    """Errors that the official metrics lack.

    Returns:
        ``relative_mpjpe``, mm: the mean distance of joints with the middle knuckles put on each other; and
        ``depth_mm``: the mean error of these knuckles' distance along the optical axis.
    """
    joints, truth = found.joints, found.gt_joints
    root, true_root = (points[:, MIDDLE_KNUCKLE, None] for points in (joints, truth))
    distances = np.linalg.norm((joints - root) - (truth - true_root), axis=-1)
    return {
        "relative_mpjpe": 1000 * float(distances.mean()),
        "depth_mm": 1000 * float(np.abs(root[..., 2] - true_root[..., 2]).mean()),
    }
