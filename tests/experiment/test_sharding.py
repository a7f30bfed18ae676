"""From a config to shards and back to training."""

import numpy as np
import pytest

from s2hand import cli
from s2hand.datasets import CombinedDataset
from s2hand.datasets.shards.dataset import ShardDataset
from s2hand.errors import DatasetError
from s2hand.evaluation.run_records import read_records
from s2hand.experiment import run
from s2hand.experiment.datasets import evaluation_datasets, training_dataset
from s2hand.experiment.sharding import config_of_source, shard_datasets


def from_shards(small_config, folder, **changes):
    return small_config("shape", train_datasets=["Shards"], shards_path=str(folder), **changes)


@pytest.mark.slow
def test_training_from_shards_gives_the_same_losses(small_config, tmp_path):
    source = small_config("shape", total_epochs=1, base_out_path=str(tmp_path / "a"))
    shard_datasets(source, tmp_path / "shards", megabytes=0.02)
    run(source, say=lambda line: None)
    run(
        from_shards(small_config, tmp_path / "shards", total_epochs=1, base_out_path=str(tmp_path / "b")),
        say=lambda line: None,
    )
    records = [read_records(tmp_path / name, []) for name in "ab"]
    assert [record["kind"] for record in records[0]] == ["train", "evaluation"]
    for first, second in zip(*records, strict=True):
        for name in set(first) - {"time", "images_per_second"}:
            assert first[name] == second[name], name


def test_several_datasets_lie_side_by_side(small_config, synthetic_root, tmp_path):
    both = {"train_datasets": ["FreiHand", "Synthetic"], "freihand_base_path": str(synthetic_root)}
    source = small_config("shape", **both, val_datasets=["Synthetic"])
    shard_datasets(source, tmp_path)
    config = from_shards(small_config, tmp_path, shards_window=1)
    shards, expected = training_dataset(config), training_dataset(source)
    assert isinstance(shards.datasets[0], CombinedDataset)
    assert [part.window for part in shards.datasets[0].datasets] == [1, 1]
    for index in (0, 30, 47):
        for name, value in expected[index].items():
            np.testing.assert_array_equal(shards[index][name], value, err_msg=name)
    assert isinstance(evaluation_datasets(config)["Shards"], ShardDataset)
    limited = from_shards(small_config, tmp_path, controlled_exp=True, controlled_size=10)
    assert [len(part) for part in training_dataset(limited).datasets[0].datasets] == [5, 5]


def test_command_line_takes_a_folder(synthetic_root, tmp_path, capsys):
    arguments = ["shard", str(synthetic_root), "--out", str(tmp_path / "s"), "--splits", "training"]
    for expected in ("24 samples in 1 tars", "1 were there already"):
        assert cli.main([*arguments, "--labels", "joints", "scale"]) == 0
        assert expected in capsys.readouterr().out
    assert ShardDataset(tmp_path / "s" / "training").labels == {"joints", "scale"}
    assert not (tmp_path / "s" / "evaluation").exists()
    assert cli.main([*arguments, "--shard-size", "0"]) == 2
    assert "size must be positive" in capsys.readouterr().err


def test_what_cannot_be_sharded_is_refused(small_config, tmp_path):
    with pytest.raises(DatasetError, match=r"neither training_K\.json"):
        config_of_source(tmp_path)
    (tmp_path / "shards").mkdir()
    with pytest.raises(DatasetError, match="sharded already"):
        shard_datasets(from_shards(small_config, tmp_path / "shards"), tmp_path / "out")
    with pytest.raises(DatasetError, match=r"no file .*training/index\.json"):
        training_dataset(from_shards(small_config, tmp_path / "shards"))


def test_losses_that_read_labels_need_them_in_the_shards(small_config, tmp_path):
    shard_datasets(small_config("shape"), tmp_path, splits=["training"])
    config = from_shards(small_config, tmp_path, losses=["joint_3d"])
    with pytest.raises(DatasetError, match="holds no joints"):
        training_dataset(config)
