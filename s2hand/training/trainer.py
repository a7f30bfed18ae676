"""The training loop, which can stop after any batch and go on from there to the same result."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from s2hand.checkpoints.checkpoint import CheckpointKeeper
from s2hand.config.sections import OutputSection, TrainingSection
from s2hand.runtime.distributed import ALONE, Processes
from s2hand.runtime.interrupt import StopRequest, TrainingInterrupted
from s2hand.runtime.random_state import random_state, restore_random_state
from s2hand.structures import HandBatch
from s2hand.training.ema import WeightAverage
from s2hand.training.nonfinite import FILE_NAME, NonFiniteLossError, describe_non_finite, lasting_damage
from s2hand.training.progress import Averages, Progress
from s2hand.training.reporting import RunRecorder
from s2hand.training.schedule import LearningRate, build_optimizer
from s2hand.training.step import GradientStep, TrainingLosses, set_training

BAR_INTERVAL = 10
"""Number of batches between updates of the loss that the progress bar shows."""


class Trainer:
    """Trains a network on an objective.

    With several processes every one of them has a trainer, which calls the same methods at the same time.

    Args:
        losses: the network with its objective.
        make_loader: ``(epoch, start_batch) -> iterable of HandBatch`` with a length; the same batches for
            the same arguments, so that training can resume within an epoch.
        training: how long and how carefully to train.
        output: the keys ``save_interval`` and ``eval_interval``.
        trained: names of the model's children that learn; the others stay in evaluation mode.
        recorder: takes losses and metrics.
        keeper: takes checkpoints.
        evaluate: called as ``evaluate(progress)`` after every ``eval_interval`` epochs; returns metrics.
        device: where to compute.
        describe: what is stored with checkpoints to rebuild the model (the resolved config).
        best_metric: name of the metric whose lowest value marks the best checkpoint.
        batch_images: images of a batch, all processes together; by it a run that goes on with another number
            of processes finds its place within the epoch. 0: unknown.
        processes: the processes of a distributed run.
        file_of: the image file of a sample number, for messages.
    """

    def __init__(
        self,
        losses: TrainingLosses,
        make_loader: Callable[[int, int], Any],
        *,
        training: TrainingSection,
        output: OutputSection,
        trained: Collection[str],
        recorder: RunRecorder,
        keeper: CheckpointKeeper,
        evaluate: Callable[[Progress], dict[str, float]] | None = None,
        device: torch.device | str = "cpu",
        describe: dict[str, Any] | None = None,
        best_metric: str = "pa_mpjpe",
        batch_images: int = 0,
        processes: Processes = ALONE,
        file_of: Callable[[int], Path | str] = "sample {}".format,
    ) -> None:
        self.model, self.objective = losses.model, losses.objective
        self.make_loader = make_loader
        self.training, self.output = training, output
        self.trained = frozenset(trained)
        self.recorder, self.keeper = recorder, keeper
        self.evaluate, self.device = evaluate, torch.device(device)
        self.describe, self.best_metric = describe or {}, best_metric
        self.batch_images = batch_images
        self.processes, self.file_of = processes, file_of
        self.progress = Progress(batch_images=batch_images)
        learning = [value for value in self.model.parameters() if value.requires_grad]
        self.optimizer = build_optimizer(training, learning)
        self.learning_rate = LearningRate(training)
        self.average = WeightAverage(self.model, training.ema_decay) if training.ema_decay else None
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=losses.precision == "fp16")
        self.step = GradientStep(losses, self.trained, self.optimizer, processes, training, self.scaler)

    def run(self) -> dict[str, float]:
        """Trains to the end.

        Returns:
            The last evaluation's metrics, or the last epoch's mean losses without one.

        Raises:
            TrainingInterrupted: after SIGINT or SIGTERM; the state was saved first.
            NonFiniteLossError: a loss or its gradient is not finite, and ``nonfinite`` is "stop" or the
                network has taken damage.
            OutOfMemoryError: a batch does not fit the device.
        """
        result: dict[str, float] = {}
        with StopRequest(launched=self.processes.size > 1) as stop:
            while self.progress.epoch < self.training.total_epochs:
                means = self._train_epoch(stop)
                self.progress.epoch += 1
                self.progress.batch = 0
                result = self._finish_epoch(means)
        return result

    def resume(self) -> bool:
        """Continues from the run's newest sound checkpoint, which any number of processes may have written.

        Returns:
            Whether there was one.
        """
        state = self.processes.share(self.keeper.load_newest() if self.processes.is_main else None)
        if state is None:
            return False
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average and state.get("average"):
            self.average.load_state_dict(state["average"])
        self.progress = Progress(**state["progress"])
        self.progress.place_among(self.batch_images)
        restore_random_state(state["rng"], self.processes.rank, self.device)
        return True

    def state(self) -> dict[str, Any]:
        """The content of a checkpoint, complete in the main process; all processes must call it together."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "progress": vars(self.progress).copy(),
            "rng": self.processes.gather(random_state(self.device)),
            "config": json.dumps(self.describe),
        }

    def _train_epoch(self, stop: StopRequest) -> dict[str, float]:
        progress, processes = self.progress, self.processes
        set_training(self.model, self.trained)
        loader = self.make_loader(progress.epoch, progress.batch)
        total = progress.batch + len(loader)
        title = f"epoch {progress.epoch + 1}/{self.training.total_epochs}"
        averages = Averages()
        images, start, rate = 0, time.perf_counter(), 0.0
        bar_settings = {"unit": "batch", "leave": False, "disable": not processes.is_main}
        with tqdm(total=total, initial=progress.batch, desc=title, **bar_settings) as bar:
            for batch in loader:
                rate = self.learning_rate.apply(
                    self.optimizer, progress.epoch + progress.batch / total, progress.step
                )
                last = progress.batch + 1 == total
                averages.add(self._train_batch(batch.to(self.device, non_blocking=True), last))
                progress.batch += 1
                images += len(batch.image) * processes.size
                bar.update()
                if progress.batch % BAR_INTERVAL == 0 or last:
                    loss = averages.means(processes).get("total", float("nan"))
                    bar.set_postfix_str(
                        f"loss {loss:.4f}, {images / (time.perf_counter() - start):.0f} images/s"
                    )
                if number := processes.largest(stop.signal or 0):
                    self._stop_early(number)
        means = averages.means(processes)
        if images:  # a run that was stopped after an epoch's last batch has none left
            speed = images / (time.perf_counter() - start)
            figures = means | {"learning_rate": rate, "images_per_second": speed}
            self.recorder.record("train", figures, epoch=progress.epoch + 1, step=progress.step)
        return means

    def _train_batch(self, batch: HandBatch, last: bool) -> dict[str, Tensor]:
        is_full = (self.progress.batch + 1) % self.training.accumulate_steps == 0 or last
        losses, finite = self.step.run(batch, is_full)
        if not finite:
            self._handle_non_finite(losses, batch)
            return {}
        if is_full:
            self.progress.step += 1
            if self.average:
                self.average.update(self.model, self.progress.step)
        return losses

    def _handle_non_finite(self, losses: dict[str, Tensor], batch: HandBatch) -> None:
        """Stops the run or counts the batch; of skipped batches only the first is saved, to save time."""
        skips = self.training.nonfinite == "skip"
        message = describe_non_finite(
            losses,
            batch,
            model=self.model,
            trained=self.trained,
            progress=self.progress,
            config=self.describe,
            file_of=self.file_of,
            path=None if skips and self.progress.skipped else self.recorder.folder / FILE_NAME,
            processes=self.processes,
        )
        damage = self.processes.share(lasting_damage(self.model)) if skips else ""
        if damage or not skips:
            raise NonFiniteLossError(message + damage)
        self.progress.skipped += 1
        if self.processes.is_main:
            tqdm.write(f"skipped ({self.progress.skipped} so far): {message}")

    def _finish_epoch(self, means: dict[str, float]) -> dict[str, float]:
        output, epoch = self.output, self.progress.epoch
        done = epoch == self.training.total_epochs
        result, best = means, False
        if self.evaluate and (epoch % output.eval_interval == 0 or done):
            result = self._evaluate()
            score = result.get(self.best_metric)
            best = score is not None and (self.progress.best is None or score < self.progress.best)
            if best:
                self.progress.best = score
        if epoch % output.save_interval == 0 or done or best:
            self._save(epoch, best)
        return result

    def _evaluate(self) -> dict[str, float]:
        self.model.eval()
        if self.average:
            with self.average.applied_to(self.model):
                return self.evaluate(self.progress)
        return self.evaluate(self.progress)

    def _save(self, epoch: int | None = None, best: bool = False) -> Path | None:
        state = self.state()
        return self.keeper.save(state, epoch, best) if self.processes.is_main else None

    def _stop_early(self, number: int) -> None:
        path = self.processes.share(self._save())  # no process leaves before it is written
        place = f"in epoch {self.progress.epoch + 1} after batch {self.progress.batch}"
        raise TrainingInterrupted(
            f"stopped by {signal.Signals(number).name} {place}; saved as {path}. "
            "Run the same command again to continue.",
            128 + number,
        )
