"""Names of files that no file system can hold."""

import pytest

from s2hand.files import inside_folder


@pytest.mark.parametrize("name", ["x" * 256, "a/" + "é" * 128, "a/" * 2001 + "b"])
def test_a_name_longer_than_file_systems_allow_is_refused(name):
    assert inside_folder(name) is None


def test_the_longest_name_is_taken():
    assert inside_folder("a/" + "x" * 255) == "a/" + "x" * 255
