"""The package's photos as the demo's network sees them, before and after its training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from s2hand.checkpoints.opening import StoredNetwork
from s2hand.experiment import Experiment
from s2hand.images.photos import read_photo, read_photo_header
from s2hand.models import HandNet
from s2hand.pages import ComparedPhoto
from s2hand.prediction.found_hands import Searched
from s2hand.prediction.hand_files import overlay_of
from s2hand.prediction.reconstructor import HandReconstructor
from s2hand.prediction.sample_photos import sample_photos


def compared_photos(experiment: Experiment, untrained: HandNet) -> Iterator[ComparedPhoto]:
    """Each photo with the hands that both networks place where the bundled detector finds them.

    Args:
        experiment: the trained network, and how both see photos.
        untrained: the network as training found it.
    """
    finder = HandReconstructor.small(str(experiment.device)).finder
    reconstructors = [
        HandReconstructor.of_network(
            StoredNetwork(
                model=model.eval(),
                hand_model=experiment.hand_model,
                image_size=experiment.config.image_size,
                path=Path(experiment.config.run_dir),
                upright=experiment.config.crop_upright,
                device=experiment.device,
            )
        )
        for model in (untrained, experiment.model)
    ]
    viewer = reconstructors[0].viewer()
    for path in sample_photos():
        photo = read_photo(path)
        views = finder.in_image(Searched(viewer, path.stem, photo, read_photo_header(path)))
        if not views:
            continue
        overlays = []
        for reconstructor in reconstructors:
            hands = reconstructor.predict_views(views)
            # Plain, as an untrained texture would hide the hand.
            overlays.append(overlay_of(photo, replace(hands, face_textures=None, light=None)).image)
        yield ComparedPhoto(path.stem, photo, *overlays)
