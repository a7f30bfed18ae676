"""The hand model: its arrays, the layer that poses it, and random plausible poses."""

from s2hand.hand.assets import HandModel, HandModelError, load_hand_model, save_hand_model
from s2hand.hand.mano import ManoLayer
from s2hand.hand.pose_sampling import sample_poses

__all__ = ["HandModel", "HandModelError", "ManoLayer", "load_hand_model", "sample_poses", "save_hand_model"]
