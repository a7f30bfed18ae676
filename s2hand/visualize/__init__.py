"""Figures of inputs and results: keypoints, overlays, sheets, charts, animations, and the demo's page.

Every figure but a chart is a uint8 RGB array (H, W, 3).
"""

from s2hand.visualize.animation import turntable, write_gif
from s2hand.visualize.charts import Curve
from s2hand.visualize.drawing import FINGER_COLORS, draw_keypoints
from s2hand.visualize.hero import hero_strip
from s2hand.visualize.page import Figure, Table, write_page
from s2hand.visualize.panels import evaluation_panel, panel_titles
from s2hand.visualize.photo import Overlay, hand_window
from s2hand.visualize.pictures import composite, to_picture, write_picture
from s2hand.visualize.sheets import contact_sheet, evaluation_sheet, tile_row
from s2hand.visualize.text import draw_badge, draw_text
from s2hand.visualize.viewer import ViewerMesh, viewer_mesh
from s2hand.visualize.views import render_from, render_view

__all__ = [
    "FINGER_COLORS",
    "Curve",
    "Figure",
    "Overlay",
    "Table",
    "ViewerMesh",
    "composite",
    "contact_sheet",
    "draw_badge",
    "draw_keypoints",
    "draw_text",
    "evaluation_panel",
    "evaluation_sheet",
    "hand_window",
    "hero_strip",
    "panel_titles",
    "render_from",
    "render_view",
    "tile_row",
    "to_picture",
    "turntable",
    "viewer_mesh",
    "write_gif",
    "write_page",
    "write_picture",
]
