"""Runs what a config says: trains, evaluates, and leaves everything in the run's folder."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from s2hand.checkpoints.starting import StartingWeights
from s2hand.config import Config, check_paths
from s2hand.config.sections import parts_of
from s2hand.datasets import HandDataset, make_loader
from s2hand.errors import DatasetError
from s2hand.evaluation.evaluator import Evaluation, evaluate
from s2hand.evaluation.panels import write_panels
from s2hand.evaluation.predictions import write_predictions
from s2hand.evaluation.table import evaluation_table
from s2hand.experiment.datasets import dataset_summaries, evaluation_datasets
from s2hand.experiment.training import build_trainer
from s2hand.files import write_text_whole
from s2hand.hand import HandModel, load_hand_model
from s2hand.losses import DEFAULT_WEIGHTS, Objective
from s2hand.metrics import DEFAULT_SCALE_JOINT, FREIHAND_SCALE_JOINT
from s2hand.models import HandNet, build_hand_net
from s2hand.prediction.refine import REFINEMENT_LOSSES, HandRefiner
from s2hand.runtime.devices import resolve_device
from s2hand.runtime.distributed import ALONE, Processes, join_processes
from s2hand.runtime.precision import resolve_channels_last, resolve_precision
from s2hand.training.reporting import RunRecorder, SilentRecorder
from s2hand.training.trainer import Progress, Trainer

SCALE_JOINTS = {"HO3D": FREIHAND_SCALE_JOINT}
"""HO-3D's official st_ figures scale by the middle finger's first joint. Other datasets keep the official
script's joint number, so that a run's figures equal those of ``s2hand score``."""

T = TypeVar("T")


@dataclass(frozen=True)
class RunResult:
    """What a run ends with.

    Attributes:
        folder: the run's folder.
        metrics: dataset -> metric -> value, of the last evaluation.
        evaluations: dataset -> the last evaluation.
    """

    folder: Path
    metrics: dict[str, dict[str, float]]
    evaluations: dict[str, Evaluation]


class Experiment:
    """A config made real: device, datasets, network.

    Args:
        config: the experiment.
        say: takes each line meant for the user; the main process alone calls it.
        processes: those that run the experiment together.

    Raises:
        S2HandError: something the config names is missing or does not fit.
    """

    def __init__(self, config: Config, say=print, processes: Processes = ALONE) -> None:
        check_paths(config)
        self.config, self.processes = config, processes
        self.say = say if processes.is_main else lambda line: None
        self.device = processes.own_device(resolve_device(config.device))
        self.precision = resolve_precision(config.precision, self.device)
        self.hand_model: HandModel = load_hand_model(config.hand_model)
        with processes.in_turns():  # datasets are generated, pretrained weights fetched where missing
            self.val_datasets = evaluation_datasets(config)
            torch.manual_seed(config.seed)
            start = StartingWeights(config)
            self.network = start.network(self.say)
            self.model: HandNet = build_hand_net(self.network, config.network_parts, self.hand_model)
        summaries = [line for dataset in self.val_datasets.values() for line in dataset_summaries(dataset)]
        for line in (*summaries, *start.load_into(self.model, evaluated=config.stage == "evaluate")):
            self.say(line)
        if processes.rank:  # the same first weights everywhere, but dropout of each process's own
            torch.manual_seed(config.seed + processes.rank)
        self.channels_last = resolve_channels_last(config.channels_last, self.precision, self.device)
        if self.channels_last:
            self.model.to(memory_format=torch.channels_last)
        self.model.to(self.device)
        self.evaluations: dict[str, Evaluation] = {}
        self._open = ExitStack()

    def __enter__(self) -> Experiment:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Ends the loaders' processes."""
        self._open.close()

    def open_recorder(self) -> closing[RunRecorder]:
        """Makes the run's folder, saves the resolved config there, and opens its records as a context."""
        if not self.processes.is_main:
            return closing(SilentRecorder(self.config.run_dir))
        recorder = RunRecorder(self.config.run_dir, tensorboard=self.config.is_write_tb)
        write_text_whole(self.config.run_dir / "config.json", self.config.to_json() + "\n")
        return closing(recorder)

    def train(self, recorder: RunRecorder) -> None:
        """Trains to the end, evaluating on the way; resumes where an earlier run stopped."""
        trainer = self.build_trainer(recorder)
        if self.config.resume and trainer.resume():
            place = trainer.progress
            self.say(f"resuming after epoch {place.epoch}, batch {place.batch}")
        trainer.run()
        if not self.evaluations:  # resumed after its end
            self.evaluate(recorder, trainer.progress)

    def build_trainer(self, recorder: RunRecorder) -> Trainer:
        """The trainer of the config's stage."""
        return build_trainer(self, recorder)

    def keep_open(self, context: AbstractContextManager[T]) -> T:
        """Enters a context that ends with this experiment."""
        return self._open.enter_context(context)

    def evaluate(self, recorder: RunRecorder, progress: Progress | None = None) -> dict[str, float]:
        """Scores every evaluation dataset; writes figures, predictions and panels.

        Returns:
            The first dataset's metrics.
        """
        progress = progress or Progress()
        self.model.eval()
        for name, dataset in self.val_datasets.items():
            with closing(self.make_loader(dataset, self.config.val_batch, shuffle=False)) as loader:
                found = evaluate(
                    self.model,
                    loader,
                    parts=self.evaluation_parts,
                    refine=self.build_refiner() if self.config.test_refinement else None,
                    scale_joint=SCALE_JOINTS.get(name, DEFAULT_SCALE_JOINT),
                    device=self.device,
                    title=f"evaluating {name}",
                    processes=self.processes,
                )
            self.evaluations[name] = found
            prefix = "" if len(self.val_datasets) == 1 else f"{name}/"
            recorder.record(
                "evaluation",
                {prefix + key: value for key, value in found.metrics.items()},
                epoch=progress.epoch,
                step=progress.step,
            )
            if self.processes.is_main:
                write_predictions(self.config.run_dir / "predictions" / name, name, dataset, found)
                write_panels(self, name, dataset, recorder, progress)
        self.say(evaluation_table(self.evaluations, f"after epoch {progress.epoch}"))
        return next(iter(self.evaluations.values())).metrics

    def build_refiner(self) -> HandRefiner:
        """The fit to the 2D branch's keypoints, with the config's loss weights."""
        weights = {**DEFAULT_WEIGHTS, **self.config.loss_weights()}
        objective = Objective(
            {name: weights[name] for name in REFINEMENT_LOSSES},
            torch.from_numpy(self.hand_model.faces),
            image_size=self.config.image_size,
        )
        return HandRefiner(self.model.place_hand, objective.to(self.device), self.config.refine_steps)

    @property
    def evaluation_parts(self) -> frozenset[str]:
        """Network parts that evaluation computes for every sample."""
        return parts_of(self.config.test_requires) & {"hand", "heatmaps"}

    def make_loader(self, dataset: HandDataset, batch_size: int, *, shuffle: bool):
        """A loader with the config's settings; training ones shuffle and leave out a last part batch."""
        config, processes = self.config, self.processes
        share = len(dataset) // processes.size if shuffle else -(-len(dataset) // processes.size)
        if share == 0:
            raise DatasetError(
                f"{len(dataset)} training images for {processes.size} processes; start fewer processes"
            )
        return make_loader(
            dataset,
            min(batch_size, share),
            shuffle=shuffle,
            num_workers=config.num_workers,
            seed=config.seed,
            drop_last=shuffle,
            pin_memory=self.device.type == "cuda",
            rank=processes.rank,
            world_size=processes.size,
        )


def run(config: Config, say=print) -> RunResult:
    """Runs an experiment: what ``s2hand train FILE`` and examples/train.py do, under torchrun as without.

    Args:
        config: the experiment.
        say: takes each line meant for the user.

    Returns:
        Where the results lie, and the last evaluation. With several processes the arrays of the predictions
        are in the main one's.

    Raises:
        S2HandError: something named by the config is missing, damaged or does not fit.
        TrainingInterrupted: stopped by a signal, after saving.
        PeerFailedError: another process of the run failed.
    """
    with (
        join_processes() as processes,
        Experiment(config, say, processes) as experiment,
        experiment.open_recorder() as recorder,
    ):
        if config.stage == "train":
            experiment.train(recorder)
        else:
            experiment.evaluate(recorder)
        processes.wait()  # for the main one, which is still writing
    metrics = {name: found.metrics for name, found in experiment.evaluations.items()}
    return RunResult(config.run_dir, metrics, experiment.evaluations)
