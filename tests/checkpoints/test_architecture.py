"""What weights a checkpoint may hold."""

from pathlib import Path

import pytest
import torch

from s2hand.checkpoints.architecture import check_weights
from s2hand.checkpoints.checkpoint import CheckpointError


def test_doubles_that_are_infinite_as_floats_are_refused():
    with pytest.raises(CheckpointError, match=r"a\.pt: head\.bias holds NaN or infinite weights"):
        check_weights(Path("a.pt"), {"head": {"bias": torch.tensor([1e300], dtype=torch.float64)}})


def test_doubles_within_the_range_of_floats_are_taken():
    check_weights(Path("a.pt"), {"head": {"bias": torch.tensor([1e30], dtype=torch.float64)}})
