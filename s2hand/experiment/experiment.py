"""A config made real: the device, the datasets and the network that it names."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, ExitStack, closing
from typing import Any, TypeVar

import torch

from s2hand.checkpoints.starting import StartingWeights
from s2hand.config import Config, ConfigError, check_paths
from s2hand.config.sections import parts_of
from s2hand.datasets import HandDataset, make_loader
from s2hand.errors import DatasetError
from s2hand.evaluation.evaluator import Evaluation
from s2hand.evaluation.panels import PanelMaker
from s2hand.experiment.datasets import evaluation_datasets, foreign_datasets
from s2hand.files import write_text_whole
from s2hand.hand import HandModel, load_hand_model
from s2hand.models import HandNet, build_hand_net
from s2hand.runtime.devices import resolve_device
from s2hand.runtime.distributed import ALONE, Processes
from s2hand.runtime.precision import resolve_channels_last, resolve_precision
from s2hand.training.reporting import RunRecorder

T = TypeVar("T")


class Experiment:
    """The parts that training and evaluation share, built from a config.

    Attributes:
        config: the experiment's keys.
        processes: the processes that run the experiment together.
        say: takes each line meant for the user; silent in all processes but the main one.
        device: where this process computes.
        precision: precision of the network, "fp32", "bf16" or "fp16".
        channels_last: whether images and features are channels-last in memory.
        hand_model: the arrays of the hand.
        val_datasets: dataset name -> evaluation split.
        network: the sizes and switches that the network is built with.
        model: the network with the weights that it starts from, on ``device``.
        start_epoch: the number of epochs after which ``pretrain_model`` was written, if that is known.
        foreign: the datasets that are labelled with MANO while the hand is not.
        evaluations: dataset name -> its last evaluation; empty before the first one.
    """

    def __init__(self, config: Config, say=print, processes: Processes = ALONE) -> None:
        """Builds everything.

        Args:
            config: the experiment's keys.
            say: takes each line meant for the user; only the main process calls it.
            processes: the processes that run the experiment together.

        Raises:
            S2HandError: something the config names is missing or does not fit.
        """
        check_paths(config)
        self.config, self.processes = config, processes
        self.say = say if processes.is_main else lambda line: None
        self.device = processes.own_device(resolve_device(config.device))
        self.precision = resolve_precision(config.precision, self.device)
        self.hand_model: HandModel = load_hand_model(config.hand_model)
        self.foreign = foreign_datasets(config)
        with processes.in_turns():  # the first process generates datasets and fetches weights for the others
            self.val_datasets: dict[str, HandDataset] = evaluation_datasets(config)
            torch.manual_seed(config.seed)
            start = StartingWeights(config)
            self.network = start.network(self.say)
            try:
                self.model: HandNet = build_hand_net(self.network, config.network_parts, self.hand_model)
            except ValueError as error:  # a backbone without feature maps, say
                raise ConfigError(f"{config.source}: {' '.join(str(error).split())}") from None
        for dataset in self.val_datasets.values():
            for line in dataset.summary().splitlines():
                self.say(line)
        for line in start.load_into(self.model, evaluated=config.stage == "evaluate"):
            self.say(line)
        self.start_epoch = start.epoch
        if processes.rank:  # all processes start from the same weights, but each has dropout of its own
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

    def keep_open(self, context: AbstractContextManager[T]) -> T:
        """Enters a context that ends with this experiment."""
        return self._open.enter_context(context)

    def open_recorder(self) -> closing[RunRecorder]:
        """Makes the run's folder, saves the resolved config there, and opens its records as a context."""
        config, is_main = self.config, self.processes.is_main
        recorder = RunRecorder(config.run_dir, tensorboard=config.is_write_tb, silent=not is_main)
        if is_main:
            write_text_whole(config.run_dir / "config.json", config.to_json() + "\n")
        return closing(recorder)

    @property
    def description(self) -> dict[str, Any]:
        """What is stored with checkpoints: the resolved config, with the sizes that the network has in fact.

        The sizes may come from a published checkpoint; without them nobody could rebuild the network.
        """
        return json.loads(self.config.to_json()) | self.network.model_dump(mode="json")

    @property
    def evaluation_parts(self) -> frozenset[str]:
        """The parts of the network that evaluation computes for every sample."""
        return parts_of(self.config.test_requires) & {"hand", "heatmaps", "confidence"}

    @property
    def panel_maker(self) -> PanelMaker:
        """Draws the network's answers: what evaluation computes, with the texture if there is one."""
        parts = self.evaluation_parts
        if self.model.texture_light_head is not None and "hand" in parts:
            parts = parts | {"texture"}
        return PanelMaker(self.model.eval(), torch.from_numpy(self.hand_model.faces), parts)

    def make_loader(self, dataset: HandDataset, batch_size: int, *, shuffle: bool):
        """A loader for this process's share; training loaders shuffle and leave out an incomplete batch."""
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
