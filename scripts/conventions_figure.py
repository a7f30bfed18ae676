"""Draws docs/images/conventions.webp: joint orders, frames, axes and sides, from the package's own tables.

``python scripts/conventions_figure.py`` needs nothing but the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from s2hand.hand import HandModel, load_hand_model
from s2hand.skeleton import (
    BONES,
    FINGERS,
    FINGERTIP_VERTICES,
    FREIHAND_FROM_MANO_WITH_TIPS,
    HO3D_TO_FREIHAND,
    NUM_JOINTS,
)

TARGET = Path(__file__).parent.parent / "docs/images/conventions.webp"
FINGER_COLORS = dict(zip(FINGERS, ("#d55e00", "#c79a00", "#009e73", "#0072b2", "#b0539a"), strict=True))
FIGURE_INCHES, DPI, QUALITY = (5.6, 11.5), 180, 88
"""Narrow, so that a phone shows its text at a size that can be read."""

INK, SKIN = "#222222", np.array([0.88, 0.80, 0.74])
AXIS_COLORS = {"x": "#c0392b", "y": "#2e8b57", "z": "#2457a7"}

BACK_VIEW = np.array([[0, 0, -1.0], [-1, 0, 0], [0, 1, 0]])
"""Rows: right, up and towards the viewer, in the hand's frame: a right hand from behind, fingers up."""

OBLIQUE_VIEW = np.array([[-0.30, 0.0, -0.954], [-0.80, 0.545, 0.252], [0.52, 0.838, -0.164]])
"""The same hand from above, so that all three axes are seen."""


def rest_joints(model: HandModel) -> np.ndarray:
    """(21, 3) joints of the resting hand in FreiHAND's order, metres."""
    tips = model.v_template[list(FINGERTIP_VERTICES["freihand"])]
    order = np.arange(NUM_JOINTS - len(tips)).reshape(-1)
    joints = np.asarray(model.J_regressor @ model.v_template)[order]
    fingers = joints[1:].reshape(5, 3, 3)  # MANO: index, middle, little, ring, thumb
    tips = tips[[1, 2, 4, 3, 0], None]
    with_tips = np.concatenate([joints[:1], np.concatenate([fingers, tips], 1).reshape(-1, 3)])
    return with_tips[list(FREIHAND_FROM_MANO_WITH_TIPS)]


def draw_mesh(axes: Axes, vertices: np.ndarray, faces: np.ndarray, view: np.ndarray) -> np.ndarray:
    """Fills the faces from back to front, shaded by their normals; returns (V, 3) in the view's frame."""
    seen = vertices @ view.T
    corners = seen[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    light = np.array([-0.4, 0.5, 0.77])
    shade = 0.62 + 0.38 * np.abs(normals @ light)
    order = np.argsort(corners[..., 2].mean(1))
    colors = np.clip(SKIN * shade[order, None], 0, 1)
    axes.add_collection(
        PolyCollection(corners[order, :, :2], facecolors=colors, edgecolors=colors, linewidths=0.4)
    )
    axes.set_aspect("equal")
    axes.autoscale_view()
    axes.axis("off")
    return seen


def draw_order(axes: Axes, model: HandModel, numbers: Sequence[int], title: str) -> None:
    """The hand from the back with a number at every joint."""
    draw_mesh(axes, model.v_template, model.faces, BACK_VIEW)
    joints = rest_joints(model) @ BACK_VIEW.T
    color_of = {joint: FINGER_COLORS[name] for name, chain in FINGERS.items() for joint in chain}
    for parent, child in BONES:
        axes.plot(*joints[[parent, child], :2].T, color=color_of[child], linewidth=2.2, zorder=3)
    for joint, (x, y, _) in enumerate(joints):
        axes.plot(x, y, "o", color=color_of.get(joint, INK), markersize=14, zorder=4, clip_on=False)
        axes.text(
            x,
            y,
            str(numbers[joint]),
            color="white",
            fontsize=9,
            weight="bold",
            ha="center",
            va="center_baseline",
            zorder=5,
        )
    axes.set_title(title)


def draw_axes_of_hand(axes: Axes, model: HandModel) -> None:
    """The axes of the hand model at the wrist."""
    draw_mesh(axes, model.v_template, model.faces, OBLIQUE_VIEW)
    origin = rest_joints(model)[0]
    labels = {"x": "x: away from\nthe fingers", "y": "y: out of\nthe back", "z": "z: to the\nthumb"}
    places = {"x": ("left", "top"), "y": ("left", "bottom"), "z": ("right", "top")}
    for axis, (name, text) in zip(np.eye(3), labels.items(), strict=True):
        start, end = (point @ OBLIQUE_VIEW.T for point in (origin, origin + 0.06 * axis))
        draw_arrow(axes, start[:2], end[:2], AXIS_COLORS[name])
        ha, va = places[name]
        axes.text(*end[:2], text, color=AXIS_COLORS[name], ha=ha, va=va, fontsize=10, weight="bold")
    low, high = (-0.12, -0.13), (0.10, 0.11)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_title("Hand model at rest\n(right hand)")


def draw_arrow(axes: Axes, start, end, color: str) -> None:
    axes.annotate(
        "",
        xy=end,
        xytext=start,
        zorder=6,
        annotation_clip=False,
        arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 2.6, "mutation_scale": 18},
    )


def draw_frame(
    axes: Axes, origin, directions: dict[str, tuple[float, float]], title: str, words: dict
) -> None:
    """Three axes from one point, with z drawn aslant."""
    for name, (dx, dy) in directions.items():
        end = (origin[0] + dx, origin[1] + dy)
        draw_arrow(axes, origin, end, AXIS_COLORS[name])
        text = (origin[0] + 1.13 * dx, origin[1] + 1.13 * dy)
        ha = "left" if dx > 0 else "right" if dx < 0 else "center"
        va = "bottom" if dy > 0 else "top" if dy < 0 else "center"
        axes.text(
            *text, f"{name} {words[name]}", color=AXIS_COLORS[name], ha=ha, va=va, fontsize=10, weight="bold"
        )
    axes.plot(*origin, "o", color=INK, markersize=6, zorder=7)
    axes.text(origin[0], 4.7, title, ha="center", fontsize=10, color=INK)


def draw_frames(axes: Axes) -> None:
    """The camera's frame, that of glTF and HO-3D, and a pixel of the image."""
    camera = {"x": (1.5, 0.0), "y": (0.0, -1.5), "z": (0.8, 0.8)}
    draw_frame(axes, (0.6, 2.5), camera, "camera (OpenCV)", {"x": "right", "y": "down", "z": "forward"})
    opengl = {"x": (1.5, 0.0), "y": (0.0, 1.2), "z": (-0.8, -0.8)}
    draw_frame(axes, (6.2, 2.5), opengl, "glTF; HO-3D (OpenGL)", {"x": "right", "y": "up", "z": "backward"})
    left, top, side = 0.6, -0.6, 0.62
    for row in range(2):
        for column in range(5):
            axes.add_patch(
                Rectangle(
                    (left + column * side, top - (row + 1) * side),
                    side,
                    side,
                    fill=False,
                    edgecolor="#888888",
                )
            )
    axes.add_patch(
        Rectangle(
            (left + 2 * side, top - side), side, side, facecolor="#f3c9a5", edgecolor=INK, linewidth=1.4
        )
    )
    axes.plot(left + 2.5 * side, top - 0.5 * side, "o", color=INK, markersize=4)
    for edge in range(6):
        axes.text(left + edge * side, top + 0.08, str(edge), ha="center", va="bottom", fontsize=9, color=INK)
    axes.text(
        left,
        top - 2.7 * side,
        "pixel 2 of row 0 covers [2, 3), its centre is at 2.5",
        fontsize=10,
        va="center",
        color=INK,
    )
    axes.set_xlim(-1.2, 8.6)
    axes.set_ylim(-2.5, 5.2)
    axes.set_aspect("equal")
    axes.axis("off")
    axes.set_title("Frames and pixels")


def draw_sides(axes: Axes, model: HandModel) -> None:
    """A right hand and the left one that mirrors it."""
    gap = np.array([0, 0, 0.1])
    right = model.v_template - model.v_template.mean(0) - gap
    left = right * [1, 1, -1]
    for vertices, faces, name in ((right, model.faces, "right"), (left, model.faces[:, ::-1], "left")):
        seen = draw_mesh(axes, vertices, faces, BACK_VIEW)
        axes.text(
            seen[:, 0].mean(), seen[:, 1].min() - 0.012, name, ha="center", va="top", fontsize=11, color=INK
        )
    axes.axvline(0, color="#888888", linestyle="--", linewidth=1)
    axes.autoscale_view()
    axes.margins(0.08)
    axes.set_title("Left hands are mirrored in and out")


def main() -> None:
    model = load_hand_model("generic")
    matplotlib.rcParams.update(
        {"font.family": "DejaVu Sans", "axes.titlesize": 11, "axes.titleweight": "bold"}
    )
    figure = Figure(figsize=FIGURE_INCHES, layout="constrained", facecolor="white")
    figure.get_layout_engine().set(h_pad=0.1, w_pad=0.06)
    grid = figure.add_gridspec(4, 2, height_ratios=(1.25, 1.25, 1, 0.75))
    cells = [figure.add_subplot(cell) for cell in (grid[0, 0], grid[0, 1], grid[1, 0], grid[1, 1])]
    draw_order(cells[0], model, range(NUM_JOINTS), "FreiHAND, OpenPose,\nMediaPipe")
    draw_order(cells[1], model, HO3D_TO_FREIHAND, "HO-3D")
    draw_order(cells[2], model, FREIHAND_FROM_MANO_WITH_TIPS, "MANO with fingertips")
    draw_axes_of_hand(cells[3], model)
    draw_frames(figure.add_subplot(grid[2, :]))
    draw_sides(figure.add_subplot(grid[3, :]), model)
    figure.savefig(TARGET, dpi=DPI, pil_kwargs={"quality": QUALITY, "method": 6})
    print(f"{TARGET.name}: {TARGET.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
