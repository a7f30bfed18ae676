"""Files of weights: this project's own, the published ones, and the network that a file holds."""

from s2hand.checkpoints.checkpoint import CheckpointError
from s2hand.checkpoints.opening import StoredNetwork
from s2hand.checkpoints.opening import open_network as open
from s2hand.checkpoints.weights import StoredWeights, read_stored

__all__ = ["CheckpointError", "StoredNetwork", "StoredWeights", "open", "read_stored"]
