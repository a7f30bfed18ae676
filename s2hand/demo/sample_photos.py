"""The package's photos as the demo's network sees them, before and after its training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from s2hand.checkpoints.opening import StoredNetwork
from s2hand.experiment import Experiment
from s2hand.images.photos import read_photo
from s2hand.models import HandNet
from s2hand.pages import ComparedPhoto
from s2hand.prediction.hand_files import overlay_of
from s2hand.prediction.reconstructor import HandReconstructor
from s2hand.prediction.sample_photos import sample_photos


def compared_photos(experiment: Experiment, untrained: HandNet) -> Iterator[ComparedPhoto]:
    """Each photo in which both networks, given what the bundled detector finds, place a hand.

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
    for path in sample_photos():
        photo, overlays = read_photo(path), []
        for reconstructor in reconstructors:
            reconstructor.finder = finder
            hands = reconstructor.predict(photo)
            if len(hands):
                # Plain, as an untrained texture would hide the hand.
                plain = replace(hands, face_textures=None, light=None)
                overlays.append(overlay_of(photo, plain).image)
        if len(overlays) == len(reconstructors):
            yield ComparedPhoto(path.stem, photo, *overlays)
