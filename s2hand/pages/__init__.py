"""Pages that people open from their disk: predictions, evaluation reports, datasets.

Each page is one HTML file that holds its style, scripts and images and loads nothing. They take plain
arrays and text, and know no networks, datasets or configs.
"""

from s2hand.pages.hands import photo_scene, write_joints_csv
from s2hand.pages.media import EmbeddedImage, embed
from s2hand.pages.predictions import PredictedHand, PredictedItem, PredictionPage, write_prediction_page
from s2hand.pages.scenes import HandShape, Scene, SceneFrame, SceneHand, vertex_colors

__all__ = [
    "EmbeddedImage",
    "HandShape",
    "PredictedHand",
    "PredictedItem",
    "PredictionPage",
    "Scene",
    "SceneFrame",
    "SceneHand",
    "embed",
    "photo_scene",
    "vertex_colors",
    "write_joints_csv",
    "write_prediction_page",
]
