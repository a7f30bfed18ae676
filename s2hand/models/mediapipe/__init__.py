"""MediaPipe's hand networks (Google, Apache-2.0): palm detector and hand landmarks, in plain PyTorch."""

from s2hand.models.mediapipe.landmarks import HandLandmarkNet, HandOutput, HandTrunk, TrunkOutput
from s2hand.models.mediapipe.palm import PalmNet, PalmOutput
from s2hand.models.mediapipe.weights import WeightsError, load_landmark_net, load_palm_net

__all__ = [
    "HandLandmarkNet",
    "HandOutput",
    "HandTrunk",
    "PalmNet",
    "PalmOutput",
    "TrunkOutput",
    "WeightsError",
    "load_landmark_net",
    "load_palm_net",
]
