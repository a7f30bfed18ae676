"""The training loop, which can stop after any batch and go on from there to the same result."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from s2hand.checkpoints.checkpoint import CheckpointError, CheckpointKeeper
from s2hand.config.sections import OutputSection, TrainingSection
from s2hand.progress_bar import ProgressBar
from s2hand.runtime.distributed import ALONE, Processes
from s2hand.runtime.interrupt import StopRequest, TrainingInterrupted
from s2hand.structures import HandBatch
from s2hand.training.ema import WeightAverage
from s2hand.training.nonfinite import FILE_NAME, NonFiniteLossError, describe_non_finite, lasting_damage
from s2hand.training.progress import Averages, Progress
from s2hand.training.reporting import RunRecorder
from s2hand.training.schedule import LearningRate, build_optimizer
from s2hand.training.state import TrainingState
from s2hand.training.step import GradientStep, TrainingLosses, set_training

BAR_INTERVAL = 10
"""Number of batches between updates of the loss that the progress bar shows."""


TRAINING_LOSS = "training loss"
"""What the best checkpoint is the best in where no evaluation can tell."""


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
        draw: called as ``draw(progress)`` after such an epoch is saved.
        device: where to compute.
        describe: what is stored with checkpoints to rebuild the model (the resolved config).
        best_metrics: names of metrics; the lowest value of the first one that an evaluation has marks the
            best checkpoint. Without any of them it is the lowest mean loss of an epoch.
        batch_images: images of a batch, all processes together; by it a run that goes on with another number
            of processes finds its place within the epoch. 0: unknown.
        processes: the processes of a distributed run.
        file_of: the image file of a sample number, for messages.
        describe_failure: says what is not finite, see :func:`describe_non_finite`.
        say: is told the loss and the speed of each epoch.
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
        draw: Callable[[Progress], None] | None = None,
        device: torch.device | str = "cpu",
        describe: dict[str, Any] | None = None,
        best_metrics: Sequence[str] = ("pa_mpjpe",),
        batch_images: int = 0,
        processes: Processes = ALONE,
        file_of: Callable[[int], Path | str] = "sample {}".format,
        describe_failure: Callable[..., str] = describe_non_finite,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.model, self.objective = losses.model, losses.objective
        self.make_loader = make_loader
        self.training, self.output = training, output
        self.trained = frozenset(trained)
        self.recorder, self.keeper = recorder, keeper
        self.evaluate, self.draw, self.device = evaluate, draw, torch.device(device)
        self.best_metrics = tuple(best_metrics)
        self.batch_images = batch_images
        self.processes, self.file_of = processes, file_of
        self.describe_failure, self.say = describe_failure, say
        self.learning_rate = LearningRate(training)
        self.state = TrainingState(
            self.model,
            build_optimizer(training, self.model),
            torch.amp.GradScaler(self.device.type, enabled=losses.precision == "fp16"),
            WeightAverage(self.model, training.ema_decay) if training.ema_decay else None,
            Progress(batch_images=batch_images, evaluated=0),
            describe or {},
            self.device,
            processes,
        )
        self.step = GradientStep(
            losses, self.trained, self.state.optimizer, processes, training, self.state.scaler
        )

    def run(self) -> None:
        """Trains to the end.

        Raises:
            TrainingInterrupted: after SIGINT or SIGTERM; the state was saved first.
            NonFiniteLossError: a loss or its gradient is not finite, and ``nonfinite`` is "stop" or the
                network has taken damage.
            OutOfMemoryError: a batch does not fit the device.
        """
        with StopRequest(launched=self.processes.size > 1) as stop:
            while self.progress.epoch < self.training.total_epochs:
                means = self._train_epoch(stop)
                self.progress.epoch += 1
                self.progress.batch = 0
                self._finish_epoch(means)
            if self.evaluate and self.progress.evaluated not in (None, self.progress.epoch):  # it has failed
                self._finish_epoch({})

    def resume(self, say: Callable[[str], None] = lambda line: None) -> bool:
        """Continues from the run's newest sound checkpoint.

        Args:
            say: is told which config keys differ from those of the checkpoint, and what that changes.

        Returns:
            Whether there was a checkpoint.

        Raises:
            CheckpointError: the checkpoint is of another network, or of other trained parts.
        """
        stored = self.processes.share(self.keeper.load_newest() if self.processes.is_main else None)
        if stored is None:
            return False
        try:
            for line in self.state.load(stored, self.batch_images):
                say(line)
        except CheckpointError as error:
            raise CheckpointError(f"{self.recorder.folder}: {error}") from None
        return True

    @property
    def progress(self) -> Progress:
        """Where training stands."""
        return self.state.progress

    def _train_epoch(self, stop: StopRequest) -> dict[str, float]:
        progress, processes = self.progress, self.processes
        set_training(self.model, self.trained)
        loader = self.make_loader(progress.epoch, progress.batch)
        total = progress.batch + len(loader)
        title = f"epoch {progress.epoch + 1}/{self.training.total_epochs}"
        averages, told = Averages(), Averages()
        images, start, rate = 0, time.perf_counter(), 0.0
        bar_settings = {"unit": "batch", "leave": False, "disable": not processes.is_main}
        with ProgressBar(total=total, initial=progress.batch, desc=title, **bar_settings) as bar:
            for batch in loader:
                rate = self.learning_rate.apply(
                    self.state.optimizer, progress.epoch + progress.batch / total, progress.step
                )
                last = progress.batch + 1 == total
                if isinstance(batch, HandBatch):  # random hands have no cameras
                    progress.note_cameras(batch.K, batch.image.shape[-1])
                averages.add(self._train_batch(batch.to(self.device, non_blocking=True), last))
                progress.batch += 1
                images += len(batch) * processes.size
                bar.update()
                if progress.batch % BAR_INTERVAL == 0 or last:
                    loss = averages.means(processes).get("total", float("nan"))
                    speed = images / (time.perf_counter() - start)
                    bar.set_postfix_str(f"loss {loss:.4f}, {speed:.0f} images/s")
                    if self.output.is_write_tb:
                        recent, told = averages.since(told).means(processes), averages.copy()
                        pace = {"learning_rate": rate, "images_per_second": speed}
                        self.recorder.steps(recent | pace, step=progress.step)
                # Gradients are not saved: the last batches before the weights move are finished first.
                at_step = last or progress.batch % self.training.accumulate_steps == 0
                if at_step and (number := processes.largest(stop.signal or 0)):
                    self._stop_early(number)
        means = averages.means(processes)
        if images:  # a run that was stopped after an epoch's last batch has none left
            speed = images / (time.perf_counter() - start)
            figures = means | {"learning_rate": rate, "images_per_second": speed}
            self.recorder.record("train", figures, epoch=progress.epoch + 1, step=progress.step)
            self.say(f"{title}: loss {means.get('total', math.nan):.4f}, {speed:.0f} images/s")
        return means

    def _train_batch(self, batch: HandBatch, last: bool) -> dict[str, Tensor]:
        is_full = (self.progress.batch + 1) % self.training.accumulate_steps == 0 or last
        losses, finite = self.step.run(batch, is_full)
        if not finite:
            self._handle_non_finite(losses, batch)
            return {}
        if is_full:
            self.progress.step += 1
            if self.state.average:
                self.state.average.update(self.model, self.progress.step)
        return losses

    def _handle_non_finite(self, losses: dict[str, Tensor], batch: HandBatch) -> None:
        """Stops the run or counts the batch; of skipped batches only the first is saved, to save time."""
        skips = self.training.nonfinite == "skip"
        message = self.describe_failure(
            losses,
            batch,
            model=self.model,
            trained=self.trained,
            progress=self.progress,
            config=self.state.config,
            file_of=self.file_of,
            path=None if skips and self.progress.skipped else self.recorder.folder / FILE_NAME,
            processes=self.processes,
        )
        damage = self.processes.share(lasting_damage(self.model)) if skips else ""
        if damage or not skips:
            raise NonFiniteLossError(message + damage)
        self.progress.skipped += 1
        if self.processes.is_main:
            ProgressBar.write(f"skipped ({self.progress.skipped} so far): {message}")

    def _finish_epoch(self, means: dict[str, float]) -> None:
        """Evaluates if it is time to, saves, and draws last, because an epoch is worth more than a figure."""
        output, epoch = self.output, self.progress.epoch
        done = epoch >= self.training.total_epochs
        evaluates = self.evaluate is not None and (epoch % output.eval_interval == 0 or done)
        best = False
        if evaluates:
            try:
                with self.state.for_evaluation():
                    metrics = self.evaluate(self.progress)
            except Exception:
                if self.processes.size == 1:  # saving needs all processes, and this error may be that of one
                    self._save(epoch)
                raise
            self.progress.evaluated = epoch
            best = self.progress.note_score(*self._score(metrics, means))
        if epoch % output.save_interval == 0 or done or best:
            self._save(epoch, best)
        if evaluates and self.draw is not None:
            with self.state.for_evaluation():
                self.draw(self.progress)

    def _score(self, metrics: dict[str, float], means: dict[str, float]) -> tuple[str, float]:
        """Name and value of what the best checkpoint is the best in."""
        name = next((name for name in self.best_metrics if name in metrics), None)
        return (name, metrics[name]) if name else (TRAINING_LOSS, means.get("total", math.nan))

    def _save(self, epoch: int | None = None, best: bool = False) -> Path | None:
        state = self.state.as_dict()
        return self.keeper.save(state, epoch, best) if self.processes.is_main else None

    def _stop_early(self, number: int) -> None:
        path = self.processes.share(self._save())  # no process leaves before it is written
        place = f"in epoch {self.progress.epoch + 1} after batch {self.progress.batch}"
        raise TrainingInterrupted(
            f"stopped by {signal.Signals(number).name} {place}; saved as {path}. "
            "Run the same command again to continue.",
            128 + number,
        )
