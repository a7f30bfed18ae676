"""Every public name is imported from where CONTRIBUTING.md says that it lives."""

import importlib

import pytest

SURFACE = (
    ("s2hand", "load_config"),
    ("s2hand", "HandReconstructor"),
    ("s2hand.checkpoints", "open"),
    ("s2hand.checkpoints", "StoredNetwork"),
    ("s2hand.hand", "load_hand_model"),
    ("s2hand.hand", "HandModel"),
    ("s2hand.hand", "ManoLayer"),
    ("s2hand.rendering", "rasterize"),
    ("s2hand.rendering", "MeshRenderer"),
    ("s2hand.structures", "RenderOutput"),
    ("s2hand.structures", "ManoOutput"),
    ("s2hand.losses", "DEFAULT_WEIGHTS"),
    ("s2hand.losses", "Objective"),
    ("s2hand.metrics", "hand_metrics"),
    ("s2hand.datasets", "read_detections"),
    ("s2hand.datasets", "write_detections"),
)


@pytest.mark.parametrize(("module", "name"), SURFACE)
def test_name_is_there(module, name):
    assert getattr(importlib.import_module(module), name) is not None
