"""Runs what a config says: trains, evaluates, and leaves everything in the run's folder."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import torch

from s2hand.config import Config, check_paths
from s2hand.data import HandDataset, make_loader
from s2hand.engine.checkpoint import CheckpointKeeper
from s2hand.engine.devices import resolve_device
from s2hand.engine.ema import WeightAverage
from s2hand.engine.evaluator import Evaluation, evaluate
from s2hand.engine.precision import resolve_precision
from s2hand.engine.refine import REFINEMENT_LOSSES, HandRefiner
from s2hand.engine.reporting import RunRecorder, format_table
from s2hand.engine.schedule import LearningRate, build_optimizer
from s2hand.engine.submission import write_submission
from s2hand.engine.trainer import Progress, Trainer, TrainSettings
from s2hand.experiment.datasets import evaluation_datasets, training_dataset
from s2hand.experiment.network import build_network, load_pretrained, network_sizes, trained_modules
from s2hand.experiment.panels import write_panels
from s2hand.hand import HandModel, load_hand_model
from s2hand.losses import DEFAULT_WEIGHTS, Objective
from s2hand.metrics import DEFAULT_SCALE_JOINT, FREIHAND_SCALE_JOINT
from s2hand.models import HandNet

TABLE_COLUMNS = {
    "pa_mpjpe": "PA-MPJPE mm",
    "pa_mpvpe": "PA-MPVPE mm",
    "mpjpe": "MPJPE mm",
    "pa_f5": "PA-F@5",
    "pa_f15": "PA-F@15",
    "keypoints_px": "2D error px",
    "heatmap_px": "2D branch px",
    "detector_px": "detector px",
}
SUBMISSION_FORMATS = {"FreiHand": "freihand", "Synthetic": "freihand", "HO3D": "ho3d"}
SCALE_JOINTS = {"HO3D": FREIHAND_SCALE_JOINT}
"""HO-3D's official st_ figures scale by the middle finger's first joint. Other datasets keep the official
script's joint number, so that a run's figures equal those of ``s2hand score``."""


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
        say: takes each line meant for the user.

    Raises:
        S2HandError: something the config names is missing or does not fit.
    """

    def __init__(self, config: Config, say=print) -> None:
        check_paths(config)
        self.config, self.say = config, say
        self.device = resolve_device(config.device)
        self.precision = resolve_precision(config.precision, self.device)
        self.hand_model: HandModel = load_hand_model(config.hand_model)
        self.val_datasets = evaluation_datasets(config)
        torch.manual_seed(config.seed)
        self.model: HandNet = build_network(config, self.hand_model, say)
        for line in load_pretrained(config, self.model):
            say(line)
        if config.channels_last:
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
        recorder = RunRecorder(self.config.run_dir, tensorboard=self.config.is_write_tb)
        (self.config.run_dir / "config.json").write_text(self.config.to_json() + "\n")
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
        config = self.config
        dataset = training_dataset(config)
        trained = trained_modules(config, self.model)
        objective = Objective(
            config.resolved_loss_weights(DEFAULT_WEIGHTS),
            torch.from_numpy(self.hand_model.faces),
            image_size=config.image_size,
            photometric_background=config.photometric_background,
        ).to(self.device)
        parameters = [value for value in self.model.parameters() if value.requires_grad]
        learning_rate = LearningRate(
            config.init_lr,
            kind=config.lr_schedule,
            lr_steps=config.lr_steps,
            lr_gamma=config.lr_gamma,
            total_epochs=config.total_epochs,
            warmup_steps=config.warmup_steps,
        )
        loader = self._open.enter_context(
            closing(self.make_loader(dataset, config.train_batch, shuffle=True))
        )

        def batches(epoch: int, start_batch: int):
            loader.set_epoch(epoch, start_batch)
            return loader

        if config.compile:
            for name in ("backbone", "keypoint_net"):
                if (module := getattr(self.model, name)) is not None:
                    module.compile()
        self.say(
            f"training {', '.join(sorted(trained))} on {len(dataset):,} images with "
            f"{', '.join(config.losses)}; {self.device}, {self.precision}; run folder {config.run_dir}"
        )
        return Trainer(
            self.model,
            objective,
            batches,
            build_optimizer(config.optimizer, parameters, config.init_lr, config.weight_decay),
            learning_rate,
            trained=trained,
            settings=TrainSettings(
                total_epochs=config.total_epochs,
                save_interval=config.save_interval,
                eval_interval=config.eval_interval,
                precision=self.precision,
                gradient_clip=config.gradient_clip,
                accumulate_steps=config.accumulate_steps,
                nonfinite=config.nonfinite,
            ),
            recorder=recorder,
            keeper=CheckpointKeeper(config.run_dir, config.keep_checkpoints),
            evaluate=lambda progress: self.evaluate(recorder, progress),
            device=self.device,
            # A published checkpoint may have brought sizes of its own: without them no one could rebuild it.
            describe=json.loads(config.to_json()) | network_sizes(config, say=lambda line: None),
            best_metric="heatmap_px" if config.task == "hm_train" else "pa_mpjpe",
            average=WeightAverage(self.model, config.ema_decay) if config.ema_decay else None,
        )

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
                )
            self.evaluations[name] = found
            prefix = "" if len(self.val_datasets) == 1 else f"{name}/"
            recorder.record(
                "evaluation",
                {prefix + key: value for key, value in found.metrics.items()},
                epoch=progress.epoch,
                step=progress.step,
            )
            self._write_predictions(name, found)
            write_panels(self, name, dataset, recorder, progress)
        self._print_table(progress)
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
        requires = set(self.config.test_requires)
        parts = {"hand"} if requires & {"joints", "verts"} else set()
        return frozenset(parts | ({"heatmaps"} & requires))

    def make_loader(self, dataset: HandDataset, batch_size: int, *, shuffle: bool):
        """A loader with the config's settings; training ones shuffle and leave out a last part batch."""
        config = self.config
        return make_loader(
            dataset,
            min(batch_size, len(dataset)),
            shuffle=shuffle,
            num_workers=config.num_workers,
            seed=config.seed,
            drop_last=shuffle,
            pin_memory=self.device.type == "cuda",
        )

    def _write_predictions(self, name: str, found: Evaluation) -> None:
        folder = self.config.run_dir / "predictions" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "metrics.json").write_text(json.dumps(found.metrics, indent=2) + "\n")
        if found.joints is not None:
            write_submission(
                folder / "pred.json", found.joints, found.vertices, dataset=SUBMISSION_FORMATS[name]
            )
        if found.refined_joints is not None:
            write_submission(
                folder / "refined" / "pred.json",
                found.refined_joints,
                found.refined_vertices,
                dataset=SUBMISSION_FORMATS[name],
            )

    def _print_table(self, progress: Progress) -> None:
        rows = {name: found.metrics for name, found in self.evaluations.items()}
        rows |= {f"{name}, refined": found.refined_metrics() for name, found in self.evaluations.items()}
        rows = {name: metrics for name, metrics in rows.items() if metrics}
        if not rows:
            self.say("no labels to score against; predictions are in the run folder")
            return
        columns = {
            key: title for key, title in TABLE_COLUMNS.items() if any(key in row for row in rows.values())
        }
        self.say(format_table(f"after epoch {progress.epoch}", rows, columns))


def run(config: Config, say=print) -> RunResult:
    """Runs an experiment: what ``s2hand train FILE`` and examples/train.py do.

    Args:
        config: the experiment.
        say: takes each line meant for the user.

    Returns:
        Where the results lie, and the last evaluation.

    Raises:
        S2HandError: something named by the config is missing, damaged or does not fit.
        TrainingInterrupted: stopped by a signal, after saving.
    """
    with Experiment(config, say) as experiment, experiment.open_recorder() as recorder:
        if config.stage == "train":
            experiment.train(recorder)
        else:
            experiment.evaluate(recorder)
    metrics = {name: found.metrics for name, found in experiment.evaluations.items()}
    return RunResult(config.run_dir, metrics, experiment.evaluations)
