"""SynthHand's images as a user's photos: the bundled detector looks for the hands in them itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from s2hand.benchmark.matching import match_hands
from s2hand.datasets.json_files import as_array, read_json
from s2hand.prediction.asked_hands import asked_hands
from s2hand.prediction.reconstructor import HandReconstructor
from s2hand.progress_bar import ProgressBar


def joints_in_images(
    reconstructor: HandReconstructor, root: str | Path, index: np.ndarray, joints: np.ndarray
) -> np.ndarray:
    """What a network answers for evaluation images of a dataset in FreiHAND's layout.

    Args:
        reconstructor: the network, with a finder; it is told the cameras.
        root: the dataset's folder.
        index: (N,) numbers of the images.
        joints: (N, 21, 3) metres, the true hands, which tell which of several found hands is meant.

    Returns:
        (N, 21, 3) metres, camera frame; NaN where the hand was not found.
    """
    root = Path(root).expanduser()
    file = root / "evaluation_K.json"
    cameras = as_array(read_json(file, remedy="delete the folder"), (None, 3, 3), what=str(file))[index]
    paths = [root / "evaluation" / "rgb" / f"{number:08d}.jpg" for number in index]
    groups = asked_hands(reconstructor.viewer(), paths, cameras, None, None, None, None, reconstructor.finder)
    answers = reconstructor.predict_groups(enumerate(groups), paint=False)
    found = np.full(joints.shape, np.nan)
    for number, views, hands in ProgressBar(answers, desc="detecting", total=len(index), unit="image"):
        projected = joints[number] @ cameras[number].T
        seen = [projected[:, :2] / projected[:, 2:]]
        if matches := match_hands([view.keypoints for view in views], seen):
            found[number] = hands.joints[matches[0]].double().numpy()
    return found
