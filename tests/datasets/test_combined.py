import multiprocessing

import pytest
from support.made_up_freihand import write_freihand

from s2hand.datasets import CombinedDataset, FreiHandDataset
from s2hand.errors import DatasetError


@pytest.fixture
def damaged(tmp_path):
    """Twelve samples, of which numbers 3 and 4 cannot be read."""
    root = write_freihand(tmp_path / "freihand")
    for number in (3, 4):
        (root / f"training/rgb/{number:08d}.jpg").write_bytes(b"")
    return FreiHandDataset(root, image_size=32)


def test_unreadable_samples_are_named_once_and_passed_over(damaged, capsys):
    dataset = CombinedDataset([damaged], 0.2)
    numbers = [int(dataset[index]["index"]) for index in range(len(dataset)) for _ in range(2)]
    assert numbers[::2] == numbers[1::2] == [0, 1, 2, 5, 5, 5, 6, 7, 8, 9, 10, 11]
    lines = capsys.readouterr().err.splitlines()
    assert [line[:17] for line in lines] == ["sample 3 left out", "sample 4 left out"]
    assert "00000003.jpg is empty" in lines[0]


def test_more_of_them_than_allowed_end_the_run(damaged):
    with pytest.raises(DatasetError, match=r"00000004\.jpg is empty .* of 12 samples cannot be read"):
        CombinedDataset([damaged], 0.1)[3]


def test_none_is_passed_over_unasked(damaged):
    with pytest.raises(DatasetError, match=r"00000003\.jpg is empty .*again$"):
        CombinedDataset([damaged])[3]


def test_processes_share_the_limit(damaged):
    """What a forked process cannot read counts in this one, too."""
    dataset = CombinedDataset([damaged], 0.1)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=dataset.__getitem__, args=(4,))
    process.start()
    process.join()
    assert process.exitcode == 0
    with pytest.raises(DatasetError, match=r"2 of 12 samples cannot be read.* is 0\.1"):
        dataset[3]


def test_it_stands_in_for_its_dataset(damaged):
    dataset = CombinedDataset([damaged], 1.0)
    dataset.set_epoch(3)
    assert (len(dataset), dataset.image_size, damaged.epoch) == (12, 32, 3)
    assert dataset.image_path(1) == damaged.image_path(1)
