"""Generates images, trains on them without labels, compares with baselines, and writes a page."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor, nn

from s2hand.config import Config, config_from_dict
from s2hand.demo.page import DATASET, write_demo_page
from s2hand.demo.sample_photos import compared_photos
from s2hand.evaluation.evaluator import Evaluation, evaluate
from s2hand.evaluation.results import format_table
from s2hand.experiment import Experiment
from s2hand.experiment.evaluating import score_experiment
from s2hand.experiment.run_lock import exclusive
from s2hand.experiment.training import train_experiment
from s2hand.files import write_text_whole
from s2hand.geometry.cameras import project_points
from s2hand.hand import ManoLayer
from s2hand.models import HandNet, build_hand_net
from s2hand.models.heads import INITIAL_SCALE, INITIAL_TRANSLATION
from s2hand.runtime.distributed import ALONE
from s2hand.structures import HandPrediction

TRAINED, UNTRAINED, MEAN_HAND = "trained network", "the same, before training", "always the mean hand"
DETECTOR = "the detector it learned from"
COLUMNS = {"pa_mpjpe": "PA-MPJPE mm", "pa_mpvpe": "PA-MPVPE mm", "keypoints_px": "2D error px"}


def demo_configs(out: Path | str, overrides: dict | None = None) -> list[Config]:
    """The stages of the demo's experiment, each starting from the one before.

    Args:
        out: the folder of the dataset and the runs.
        overrides: config keys to change in every stage.
    """
    out = Path(out)
    plan = json.loads(resources.files("s2hand.demo").joinpath("demo.json").read_text())
    configs, previous = [], None
    for name, stage in plan["stages"].items():
        values = plan["common"] | stage | {"synthetic_base_path": str(out / "dataset")}
        values |= {"base_out_path": str(out / name), "pretrain_model": previous}
        configs.append(config_from_dict(values | (overrides or {}), f"the demo's stage {name}"))
        previous = str(out / name)
    return configs


def run_demo(out: Path | str, overrides: dict | None = None, say=print) -> Path:
    """Runs the demo.

    Args:
        out: the folder for dataset, training runs and page; an earlier demo there is continued.
        overrides: config keys to change.
        say: takes each line meant for the user.

    Returns:
        The page.
    """
    out = Path(out)
    configs = demo_configs(out, overrides)
    with stopwatch(out / "seconds.json") as seconds:
        for config in configs:
            with (
                exclusive(config.run_dir, ALONE, say),
                Experiment(config, say) as experiment,
                experiment.open_recorder() as recorder,
            ):
                train_experiment(experiment, recorder)
        if not experiment.evaluations:  # the training was complete before
            score_experiment(experiment)
        trained = experiment.evaluations[DATASET]
        untrained = untrained_network(experiment)
        rows = {TRAINED: trained.metrics} | baseline_metrics(experiment, untrained)
        rows[DETECTOR] = {"keypoints_px": trained.metrics["detector_px"]}
        say(format_table(f"on {len(trained.index)} images never seen in training", rows, COLUMNS))
        write_text_whole(out / "results.json", json.dumps(rows, indent=2) + "\n")
        photos = list(compared_photos(experiment, untrained))
        page = write_demo_page(out / "index.html", experiment, configs, rows, photos, seconds())
    say(f"open {page}")
    return page


@contextmanager
def stopwatch(path: Path) -> Iterator[Callable[[], float]]:
    """A clock that goes on where an earlier one with the same file stopped, even if that was interrupted.

    Args:
        path: keeps the seconds.

    Yields:
        A function that returns the seconds so far.
    """
    before = float(json.loads(path.read_text())) if path.is_file() else 0.0
    start = time.perf_counter()

    def seconds() -> float:
        return before + time.perf_counter() - start

    try:
        yield seconds
    finally:
        write_text_whole(path, f"{seconds():.1f}\n")


class MeanHand(nn.Module):
    """Answers every image with the mean hand: mean pose, mean shape, and one fixed place.

    Args:
        mano_layer: the hand model's layer.
    """

    def __init__(self, mano_layer: ManoLayer) -> None:
        super().__init__()
        self.mano_layer = mano_layer

    def forward(self, image: Tensor, K: Tensor, parts: Collection[str] = ("hand",)) -> HandPrediction:
        """The same hand for each of the B images, at the place where training starts."""
        zeros = image.new_zeros
        size = len(image)
        hand = self.mano_layer(zeros(size, self.mano_layer.num_pca), zeros(size, 10), zeros(size, 3))
        place = image.new_tensor(INITIAL_TRANSLATION)
        joints = place + INITIAL_SCALE * hand.joints
        return HandPrediction(
            vertices=place + INITIAL_SCALE * hand.vertices,
            joints=joints,
            keypoints_2d=project_points(joints, K),
        )


def untrained_network(experiment: Experiment) -> HandNet:
    """The network as training found it."""
    torch.manual_seed(experiment.config.seed)
    parts = experiment.config.network_parts
    untrained = build_hand_net(experiment.network, parts, experiment.hand_model)
    return untrained.to(experiment.device).eval()


def baseline_metrics(experiment: Experiment, untrained: HandNet) -> dict[str, dict[str, float]]:
    """Scores the network as training found it, and the mean hand, on the same images."""
    mean_hand = MeanHand(untrained.mano_layer)
    return {
        UNTRAINED: _evaluate(experiment, untrained).metrics,
        MEAN_HAND: _evaluate(experiment, mean_hand).metrics,
    }


def _evaluate(experiment: Experiment, model: nn.Module) -> Evaluation:
    dataset = experiment.val_datasets[DATASET]
    with closing(experiment.make_loader(dataset, experiment.config.val_batch, shuffle=False)) as loader:
        return evaluate(model, loader, device=experiment.device, title="baseline")
