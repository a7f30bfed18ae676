"""The composition root: from a config to datasets, network, objective, trainer and evaluation."""

from s2hand.experiment.experiment import Experiment
from s2hand.experiment.run import RunResult, run
from s2hand.experiment.stored_run import config_to_evaluate

__all__ = ["Experiment", "RunResult", "config_to_evaluate", "run"]
