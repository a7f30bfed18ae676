"""The training loop: batches in, smaller losses out, nothing lost when it stops."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from s2hand.engine.checkpoint import CheckpointKeeper
from s2hand.engine.ema import WeightAverage
from s2hand.engine.interrupt import StopRequest, TrainingInterrupted
from s2hand.engine.precision import autocast
from s2hand.engine.reporting import RunRecorder
from s2hand.engine.schedule import LearningRate
from s2hand.errors import S2HandError
from s2hand.losses.objective import Objective, find_non_finite
from s2hand.structures import HandBatch


class NonFiniteLossError(S2HandError):
    """A loss became NaN or infinite."""


@dataclass(frozen=True)
class TrainSettings:
    """How long and how carefully to train; the fields are the config's keys of the same names."""

    total_epochs: int
    save_interval: int = 1
    eval_interval: int = 1
    precision: str = "fp32"
    gradient_clip: float | None = None
    accumulate_steps: int = 1
    nonfinite: str = "stop"


@dataclass
class Progress:
    """Where training stands; saved with every checkpoint."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    skipped: int = 0
    best: float | None = None


@dataclass
class _Averages:
    """Running means of the loss values of an epoch, kept on the device to spare synchronisation."""

    sums: dict[str, Tensor] = field(default_factory=dict)
    count: int = 0

    def add(self, values: dict[str, Tensor]) -> None:
        if not values:  # a skipped batch
            return
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0) + value.detach().float()
        self.count += 1

    def means(self) -> dict[str, float]:
        return {name: float(total) / max(self.count, 1) for name, total in self.sums.items()}


class Trainer:
    """Trains a model on an objective.

    Args:
        model: takes ``(image, K, parts)`` and returns a HandPrediction.
        objective: what to minimise.
        make_loader: ``(epoch, start_batch) -> iterable of HandBatch`` with a length; the same batches for
            the same arguments, so that training can resume within an epoch.
        optimizer: over the trained parameters only.
        learning_rate: the schedule.
        trained: names of the model's children that learn; the others stay in evaluation mode.
        settings: see :class:`TrainSettings`.
        recorder: where figures go.
        keeper: where checkpoints go.
        evaluate: called as ``evaluate(progress)`` after every ``eval_interval`` epochs; returns metrics.
        device: where to compute.
        describe: what is stored with checkpoints to rebuild the model (the resolved config).
        best_metric: name of the metric whose lowest value marks the best checkpoint.
        average: optional moving average of the weights, in place of which evaluation sees the model.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        make_loader: Callable[[int, int], Any],
        optimizer: torch.optim.Optimizer,
        learning_rate: LearningRate,
        *,
        trained: Collection[str],
        settings: TrainSettings,
        recorder: RunRecorder,
        keeper: CheckpointKeeper,
        evaluate: Callable[[Progress], dict[str, float]] | None = None,
        device: torch.device | str = "cpu",
        describe: dict[str, Any] | None = None,
        best_metric: str = "pa_mpjpe",
        average: WeightAverage | None = None,
    ) -> None:
        self.model, self.objective = model, objective
        self.make_loader = make_loader
        self.optimizer, self.learning_rate = optimizer, learning_rate
        self.trained = frozenset(trained)
        self.settings, self.recorder, self.keeper = settings, recorder, keeper
        self.evaluate, self.device = evaluate, torch.device(device)
        self.describe = describe or {}
        self.best_metric = best_metric
        self.average = average
        self.progress = Progress()
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=settings.precision == "fp16")
        self._step_tensors = [p for group in optimizer.param_groups for p in group["params"]]

    def run(self) -> dict[str, float]:
        """Trains to the end.

        Returns:
            The last evaluation's metrics, or the last epoch's mean losses without one.

        Raises:
            TrainingInterrupted: after SIGINT or SIGTERM; the state was saved first.
            NonFiniteLossError: a loss is not finite and ``nonfinite`` is "stop".
        """
        result: dict[str, float] = {}
        with StopRequest() as stop:
            while self.progress.epoch < self.settings.total_epochs:
                means = self._train_epoch(stop)
                self.progress.epoch += 1
                self.progress.batch = 0
                result = self._finish_epoch(means)
        return result

    def resume(self) -> bool:
        """Continues from the run's newest sound checkpoint.

        Returns:
            Whether there was one.
        """
        state = self.keeper.load_newest()
        if state is None:
            return False
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average and state.get("average"):
            self.average.load_state_dict(state["average"])
        self.progress = Progress(**state["progress"])
        torch.set_rng_state(state["rng"]["cpu"])
        if self.device.type == "cuda" and "cuda" in state["rng"]:
            torch.cuda.set_rng_state(state["rng"]["cuda"], self.device)
        return True

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        rng = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            rng["cuda"] = torch.cuda.get_rng_state(self.device)
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "progress": vars(self.progress).copy(),
            "rng": rng,
            "config": json.dumps(self.describe),
        }

    def _train_epoch(self, stop: StopRequest) -> dict[str, float]:
        progress = self.progress
        for name, child in self.model.named_children():
            child.train(name in self.trained)
        loader = self.make_loader(progress.epoch, progress.batch)
        total = progress.batch + len(loader)
        title = f"epoch {progress.epoch + 1}/{self.settings.total_epochs}"
        averages = _Averages()
        images, start = 0, time.perf_counter()
        with tqdm(total=total, initial=progress.batch, desc=title, unit="batch", leave=False) as bar:
            for batch in loader:
                rate = self.learning_rate.apply(
                    self.optimizer, progress.epoch + progress.batch / total, progress.step
                )
                last = progress.batch + 1 == total
                averages.add(self._train_batch(batch.to(self.device, non_blocking=True), last))
                progress.batch += 1
                images += len(batch.image)
                bar.update()
                if progress.batch % 10 == 0 or last:
                    speed = images / (time.perf_counter() - start)
                    loss = averages.means().get("total", float("nan"))
                    bar.set_postfix_str(f"loss {loss:.4f}, {speed:.0f} images/s")
                if stop.signal is not None:
                    self._stop_early(stop.signal)
        means = averages.means()
        if images:  # none are left when the run was stopped after an epoch's last batch
            speed = images / (time.perf_counter() - start)
            self.recorder.record(
                "train",
                means | {"learning_rate": rate, "images_per_second": speed},
                epoch=progress.epoch + 1,
                step=progress.step,
            )
        return means

    def _train_batch(self, batch: HandBatch, last: bool) -> dict[str, Tensor]:
        settings = self.settings
        with autocast(settings.precision, self.device):
            prediction = self.model(batch.image, batch.K, self.objective.required_parts)
        losses = self.objective(prediction, batch)
        if not bool(losses["total"].isfinite()):
            return self._handle_non_finite(losses, batch)
        self.scaler.scale(losses["total"] / settings.accumulate_steps).backward()
        if (self.progress.batch + 1) % settings.accumulate_steps == 0 or last:
            if settings.gradient_clip:
                self.scaler.unscale_(self.optimizer)
                nn.utils.clip_grad_norm_(self._step_tensors, settings.gradient_clip)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.optimizer.zero_grad(set_to_none=True)
            self.progress.step += 1
            if self.average:
                self.average.update(self.model, self.progress.step)
        return losses

    def _handle_non_finite(self, losses: dict[str, Tensor], batch: HandBatch) -> dict[str, Tensor]:
        path = self.recorder.folder / "nonfinite_batch.pt"
        torch.save({name: value for name, value in vars(batch).items() if value is not None}, path)
        names = ", ".join(name for name in find_non_finite(losses) if name != "total") or "total"
        where = f"epoch {self.progress.epoch + 1}, batch {self.progress.batch + 1}"
        message = (
            f"loss {names} is not finite in {where} (samples {batch.index.tolist()}); the batch is saved as "
            f'{path}; lower init_lr, set gradient_clip, or set nonfinite to "skip"'
        )
        if self.settings.nonfinite != "skip":
            raise NonFiniteLossError(message)
        self.progress.skipped += 1
        self.optimizer.zero_grad(set_to_none=True)
        tqdm.write(f"skipped ({self.progress.skipped} so far): {message}")
        return {}

    def _finish_epoch(self, means: dict[str, float]) -> dict[str, float]:
        settings, epoch = self.settings, self.progress.epoch
        done = epoch == settings.total_epochs
        result, best = means, False
        if self.evaluate and (epoch % settings.eval_interval == 0 or done):
            result = self._evaluate()
            score = result.get(self.best_metric)
            best = score is not None and (self.progress.best is None or score < self.progress.best)
            if best:
                self.progress.best = score
        if epoch % settings.save_interval == 0 or done or best:
            self.keeper.save(self.state(), epoch, best)
        return result

    def _evaluate(self) -> dict[str, float]:
        self.model.eval()
        if self.average:
            with self.average.applied_to(self.model):
                return self.evaluate(self.progress)
        return self.evaluate(self.progress)

    def _stop_early(self, number: int) -> None:
        path: Path = self.keeper.save(self.state())
        name = signal.Signals(number).name
        raise TrainingInterrupted(
            f"stopped by {name} in epoch {self.progress.epoch + 1} after batch {self.progress.batch}; "
            f"saved as {path}. Run the same command again to continue.",
            128 + number,
        )
