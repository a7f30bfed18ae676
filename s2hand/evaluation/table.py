"""The figures of evaluations as the table that a run prints."""

from __future__ import annotations

from collections.abc import Mapping

from s2hand.evaluation.evaluator import Evaluation
from s2hand.training.reporting import format_table

TABLE_COLUMNS = {
    "pa_mpjpe": "PA-MPJPE mm",
    "pa_mpvpe": "PA-MPVPE mm",
    "mpjpe": "MPJPE mm",
    "pa_f5": "PA-F@5",
    "pa_f15": "PA-F@15",
    "keypoints_px": "2D error px",
    "heatmap_px": "2D branch px",
    "detector_px": "detector px",
    "keypoints_to_detector_px": "2D px from detector",
    "heatmap_to_detector_px": "2D branch px from detector",
}


def evaluation_table(evaluations: Mapping[str, Evaluation], title: str) -> str:
    """The figures worth a look, one row a dataset, and another for its refined hands.

    Args:
        evaluations: dataset name -> evaluation.
        title: first line.
    """
    rows = {name: found.metrics for name, found in evaluations.items()}
    rows |= {f"{name}, refined": found.refined_metrics() for name, found in evaluations.items()}
    rows = {name: metrics for name, metrics in rows.items() if metrics}
    if not rows:
        return "no labels to score against; predictions are in the run folder"
    columns = {
        key: heading for key, heading in TABLE_COLUMNS.items() if any(key in row for row in rows.values())
    }
    return format_table(title, rows, columns)
