"""Hand models to test with."""

from pathlib import Path

import numpy as np
import pytest

from s2hand.hand import HandModel, load_hand_model
from s2hand.hand.assets import MANO_PARENTS

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture(scope="session")
def mano_fixture() -> dict:
    """A random model with the published layer's outputs and gradients."""
    with np.load(FIXTURES / "mano_random.npz") as archive:
        return dict(archive)


@pytest.fixture(scope="session")
def random_model(mano_fixture) -> HandModel:
    """The fixture's model."""
    entries = {key.removeprefix("model."): value for key, value in mano_fixture.items()}
    return HandModel(
        **{key: entries[key] for key in ("v_template", "shapedirs", "posedirs", "J_regressor")},
        **{key: entries[key] for key in ("hands_components", "hands_mean")},
        lbs_weights=entries["weights"],
        parents=np.array(MANO_PARENTS),
        faces=entries["f"],
        name="random",
    )


@pytest.fixture(scope="session")
def generic_model() -> HandModel:
    """The hand that the package ships."""
    return load_hand_model("generic")
