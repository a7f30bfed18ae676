"""The hand model: its arrays, the layer that poses it, and plausible poses."""

from .assets import HandModel, HandModelError, load_hand_model, save_hand_model
from .mano import ManoLayer

__all__ = ["HandModel", "HandModelError", "ManoLayer", "load_hand_model", "save_hand_model"]
