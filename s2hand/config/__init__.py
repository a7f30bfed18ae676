"""The experiment's JSON: its keys, how it is read, and the checks between its keys."""

from s2hand.config.checks import check_paths
from s2hand.config.loading import config_from_dict, load_config, parse_override
from s2hand.config.messages import ConfigError
from s2hand.config.model import Config

__all__ = ["Config", "ConfigError", "check_paths", "config_from_dict", "load_config", "parse_override"]
