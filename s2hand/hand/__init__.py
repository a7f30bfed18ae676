"""The hand model: its arrays, the layer that poses it, and plausible poses."""

from .assets import HandModel, HandModelError, load_hand_model, save_hand_model
from .mano import ManoLayer
from .pose_sampling import sample_poses

__all__ = ["HandModel", "HandModelError", "ManoLayer", "load_hand_model", "sample_poses", "save_hand_model"]
