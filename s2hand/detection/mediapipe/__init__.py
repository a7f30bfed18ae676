"""The bundled detector: MediaPipe's hand models (Google, Apache-2.0) from photos to hands."""

from s2hand.detection.mediapipe.detector import DetectionError, HandDetector
from s2hand.detection.mediapipe.records import DetectedHand
from s2hand.detection.mediapipe.squares import squares_of_landmarks

__all__ = ["DetectedHand", "DetectionError", "HandDetector", "squares_of_landmarks"]
