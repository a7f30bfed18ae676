import pytest
from made_up_freihand import write_freihand


@pytest.fixture(scope="session")
def freihand_folder(tmp_path_factory):
    """A dataset in FreiHAND's layout that tests must not change."""
    return write_freihand(tmp_path_factory.mktemp("freihand"))
