"""The networks that benchmarks open: the bundled one or a trained one, behind the bundled detector."""

from __future__ import annotations

from pathlib import Path

from s2hand.errors import S2HandError
from s2hand.prediction.networks import open_trained
from s2hand.prediction.reconstructor import HandReconstructor

BUNDLED = "bundled"
"""What results call the network that comes with the package."""


def open_network(
    source: str | Path | None, device: str = "auto", photometric: bool = False
) -> HandReconstructor:
    """Opens a network that is given the hands that the bundled detector finds.

    Args:
        source: a run's folder or a checkpoint; None for the bundled network.
        device: "auto", "cpu", "cuda" or "cuda:<index>".
        photometric: whether refined hands follow what the photo shows.

    Raises:
        S2HandError: the network cannot be read, or its hands cannot follow photos.
    """
    bundled = HandReconstructor.small(device, photometric=photometric)
    if source is None:
        return bundled
    if photometric:
        raise S2HandError(f"--photometric follows the hands of the bundled network: leave it or {source} out")
    found = HandReconstructor.of_network(open_trained(source, None, device))
    found.finder = bundled.finder  # sides, too, are the same for every network
    return found
