import pytest
from made_up_freihand import write_freihand

from s2hand.data.synthetic import DetectorNoise, write_synthetic_dataset


@pytest.fixture(scope="session")
def freihand_folder(tmp_path_factory):
    """A dataset in FreiHAND's layout that tests must not change."""
    return write_freihand(tmp_path_factory.mktemp("freihand"))


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory):
    """Synthetic photos of left and right hands, as a folder of own pictures, that tests must not change."""
    root = tmp_path_factory.mktemp("photos") / "synthetic"
    write_synthetic_dataset(
        root,
        layout="folder",
        train=14,
        evaluation=2,
        image_size=160,
        noise=DetectorNoise(failure_rate=0),
        processes=1,
        progress=False,
    )
    return root
