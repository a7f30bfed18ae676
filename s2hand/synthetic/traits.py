"""What a generated dataset in FreiHAND's layout does not store of its scenes: they are drawn once more."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2hand.cache import cached_file
from s2hand.datasets.json_files import as_array, read_json
from s2hand.errors import DatasetError
from s2hand.progress_bar import ProgressBar
from s2hand.skeleton import NUM_JOINTS
from s2hand.synthetic.drawing import CHUNK, draw_chunk, ordered_map, process_count
from s2hand.synthetic.settings import SyntheticSettings, describe

COLUMNS = ("tone", "objects", "hidden", "joints")

SAME_M = 1e-4
"""Metres within which joints that were drawn twice agree: other processors round otherwise."""


@dataclass(frozen=True)
class SceneTraits:
    """N scenes of a dataset, in its order.

    Attributes:
        tone: (N,) place of the skin among :data:`~s2hand.synthetic.skin.SKIN_TONES`, 0 for the lightest.
        objects: (N, 2) bool, whether the hand holds something, and whether something lies before it.
        hidden: (N, 21) bool, joints behind something other than their own flesh.
        joints: (N, 21, 3) metres, camera frame.
    """

    tone: np.ndarray
    objects: np.ndarray
    hidden: np.ndarray
    joints: np.ndarray

    def of(self, index: np.ndarray) -> SceneTraits:
        """Some of the scenes, by their numbers."""
        return SceneTraits(**{name: column[index] for name, column in vars(self).items()})


def scene_traits(root: str | Path, settings: SyntheticSettings, split: str) -> SceneTraits:
    """The traits of a dataset's scenes, which takes as long as drawing them the first time, then is cached.

    Args:
        root: the dataset's folder.
        settings: with which it was written.
        split: "training" or "evaluation".

    Raises:
        DatasetError: the dataset has other hands.
    """
    root = Path(root).expanduser().resolve()
    stamp = json.dumps([describe(settings), split], sort_keys=True, default=str)
    path = cached_file(root, stamp, f".{split}.traits.npz", lambda path: _draw(path, settings, split))
    with np.load(path) as columns:
        traits = SceneTraits(**{name: columns[name] for name in COLUMNS})
    labels = root / f"{split}_xyz.json"
    remedy = "delete the folder, and it is drawn anew"
    stored = as_array(read_json(labels, remedy=remedy), (len(traits.tone), NUM_JOINTS, 3), what=str(labels))
    if np.abs(stored - traits.joints).max() > SAME_M:
        raise DatasetError(f"{labels} has other hands than this version draws: {remedy}")
    return traits


def _draw(path: Path, settings: SyntheticSettings, split: str) -> None:
    """Draws all scenes and stores their traits."""
    total = settings.count(split)
    parts = []
    with (
        ordered_map(process_count(total)) as chunks,
        ProgressBar(total=total, desc="looking up scenes", unit="image") as bar,
    ):
        for part in chunks(_traits_of_chunk, [(settings, split, start) for start in range(0, total, CHUNK)]):
            parts.append(part)
            bar.update(len(part["tone"]))
    with path.open("wb") as file:
        np.savez(file, **{name: np.concatenate([part[name] for part in parts]) for name in COLUMNS})


def _traits_of_chunk(task: tuple[SyntheticSettings, str, int]) -> dict[str, np.ndarray]:
    samples = draw_chunk(*task)
    return {name: np.stack([getattr(sample, name) for sample in samples]) for name in COLUMNS}
