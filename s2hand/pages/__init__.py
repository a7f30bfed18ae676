"""Pages that people open from their disk: predictions, evaluation reports, datasets, the demo.

Each page is one HTML file that holds its style, scripts and images and loads nothing. They take plain
arrays and text, and know no networks, datasets or configs.
"""

from s2hand.pages.dataset import DatasetPage, write_dataset_page
from s2hand.pages.dataset_samples import Crop, DatasetSample
from s2hand.pages.demonstration import ComparedPhoto, Demonstration, TrainingImage, write_demonstration
from s2hand.pages.hands import photo_scene
from s2hand.pages.media import EmbeddedImage, embed
from s2hand.pages.prediction_cards import PredictedHand, PredictedItem
from s2hand.pages.predictions import PredictionPage, write_prediction_page
from s2hand.pages.report import Report, spread_samples, write_report
from s2hand.pages.report_samples import ReportSample, report_sample
from s2hand.pages.scenes import HandShape, Scene, SceneFrame, SceneHand, vertex_colors

__all__ = [
    "ComparedPhoto",
    "Crop",
    "DatasetPage",
    "DatasetSample",
    "Demonstration",
    "EmbeddedImage",
    "HandShape",
    "PredictedHand",
    "PredictedItem",
    "PredictionPage",
    "Report",
    "ReportSample",
    "Scene",
    "SceneFrame",
    "SceneHand",
    "TrainingImage",
    "embed",
    "photo_scene",
    "report_sample",
    "spread_samples",
    "vertex_colors",
    "write_dataset_page",
    "write_demonstration",
    "write_prediction_page",
    "write_report",
]
