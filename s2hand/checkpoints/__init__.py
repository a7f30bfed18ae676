"""Files of weights: our own, the published ones, and the network that a file holds."""
