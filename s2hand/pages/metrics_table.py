"""The metrics of an evaluation beside those of baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

RAW, PARTLY, ALIGNED, IMAGE = "Raw", "Scale and translation aligned", "Procrustes aligned", "In the image"


@dataclass(frozen=True)
class MetricKind:
    """How a metric is shown.

    Attributes:
        group: how predictions were aligned before.
        label: its usual abbreviation.
        meaning: in words.
        unit: such as "mm".
        decimals: shown.
        lower_is_better: which of two values is the better one.
    """

    group: str
    label: str
    meaning: str
    unit: str = "mm"
    decimals: int = 1
    lower_is_better: bool = True

    def shown(self, value: float | None) -> str:
        """A value as text, a dash if there is none."""
        return "–" if value is None else f"{value:.{self.decimals}f}"


def _share(group: str, label: str, meaning: str) -> MetricKind:
    return MetricKind(group, label, meaning, "", 3, False)


KINDS = {
    "mpjpe": MetricKind(RAW, "MPJPE", "mean joint error"),
    "mpvpe": MetricKind(RAW, "MPVPE", "mean vertex error"),
    "auc_j": _share(RAW, "AUC, joints", "area under the PCK curve up to 50 mm"),
    "auc_v": _share(RAW, "AUC, vertices", "area under the PCK curve up to 50 mm"),
    "f5": _share(RAW, "F@5 mm", "F-score of the surface"),
    "f15": _share(RAW, "F@15 mm", "F-score of the surface"),
    "st_mpjpe": MetricKind(PARTLY, "ST-MPJPE", "mean joint error"),
    "st_auc_j": _share(PARTLY, "ST-AUC, joints", "area under the PCK curve up to 50 mm"),
    "pa_mpjpe": MetricKind(ALIGNED, "PA-MPJPE", "mean joint error"),
    "pa_mpvpe": MetricKind(ALIGNED, "PA-MPVPE", "mean vertex error"),
    "pa_auc_j": _share(ALIGNED, "PA-AUC, joints", "area under the PCK curve up to 50 mm"),
    "pa_auc_v": _share(ALIGNED, "PA-AUC, vertices", "area under the PCK curve up to 50 mm"),
    "pa_f5": _share(ALIGNED, "PA-F@5 mm", "F-score of the surface"),
    "pa_f15": _share(ALIGNED, "PA-F@15 mm", "F-score of the surface"),
    "keypoints_px": MetricKind(IMAGE, "2D error", "mean distance of projected joints", "px", 2),
    "detector_px": MetricKind(IMAGE, "Detector’s 2D error", "mean distance of detected keypoints", "px", 2),
}
"""Keys of :func:`s2hand.metrics.hand_metrics` and of an evaluation; others are left out."""

HEADLINE = ("pa_mpjpe", "mpjpe", "pa_mpvpe", "mpvpe")


def headline_facts(rows: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str, str]]:
    """The first row's most telling metrics, aligned and raw: (figure, what it is, what the other rows have).

    Args:
        rows: name -> metrics, the evaluated network first.
    """
    (_, own), *baselines = rows.items()
    facts = []
    for key in HEADLINE:
        if key not in own:
            continue
        kind = KINDS[key]
        others = [(name, metrics[key]) for name, metrics in baselines if key in metrics]
        remark = "; ".join(f"{name}: {kind.shown(value)} {kind.unit}" for name, value in others)
        group = "aligned" if kind.group == ALIGNED else "raw"
        facts.append((f"{kind.shown(own[key])} {kind.unit}", f"{kind.label}, {group}", remark))
    return facts


def metrics_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """A table with a row for each metric and a column for each network or baseline; the best is bold.

    Args:
        rows: name -> metrics, the evaluated network first.
    """
    known = [key for key in KINDS if any(key in metrics for metrics in rows.values())]
    if not known:
        return ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in rows)
    body, group = [], None
    for key in known:
        kind = KINDS[key]
        if kind.group != group:
            group = kind.group
            body.append(f'<tr class="group"><th colspan="{len(rows) + 1}" scope="colgroup">{group}</th></tr>')
        values = [metrics.get(key) for metrics in rows.values()]
        present = [value for value in values if value is not None]
        best = min(present) if kind.lower_is_better else max(present)
        cells = "".join(
            f"<td{' class=best' if value == best and len(present) > 1 else ''}>{kind.shown(value)}</td>"
            for value in values
        )
        unit = f" ({kind.unit})" if kind.unit else ""
        body.append(f'<tr><th scope="row">{kind.label}{unit}<small>{kind.meaning}</small></th>{cells}</tr>')
    return (
        f'<table class="metrics"><thead><tr><th><span class="hidden">Metric</span></th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )
