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
    ("s2hand.detection", "HandDetector"),
    ("s2hand.detection", "read_detections"),
    ("s2hand.detection", "write_detections"),
)


@pytest.mark.parametrize(("module", "name"), SURFACE)
def test_name_is_there(module, name):
    assert getattr(importlib.import_module(module), name) is not None


def test_the_bundled_parts_are_built_by_their_names():
    assert callable(importlib.import_module("s2hand").HandReconstructor.small)
    assert callable(importlib.import_module("s2hand.detection").HandDetector.bundled)
