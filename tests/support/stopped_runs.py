"""Runs that a loss which is not finite stopped."""

import pytest
from torch import Tensor

from s2hand.config import Config
from s2hand.experiment import Experiment
from s2hand.experiment.training import build_trainer
from s2hand.training.nonfinite import NonFiniteLossError
from s2hand.training.reporting import RunRecorder


def stopped_by_nan(config: Config) -> dict[str, Tensor]:
    """Trains until the first batch, whose total is NaN, and returns the losses of that batch."""
    experiment = Experiment(config, say=lambda line: None)
    trainer = build_trainer(experiment, RunRecorder(config.run_dir, tensorboard=False))
    forward, found = trainer.objective.forward, {}

    def spoiled(prediction, batch):
        found.update(forward(prediction, batch))
        return found | {"total": found["total"] * float("nan")}

    trainer.objective.forward = spoiled
    with pytest.raises(NonFiniteLossError):
        trainer.run()
    return found
