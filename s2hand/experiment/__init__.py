"""The composition root: from a config to datasets, network, objective, trainer and evaluation."""

from s2hand.experiment.experiment import Experiment
from s2hand.experiment.run import RunResult, run

__all__ = ["Experiment", "RunResult", "run"]
