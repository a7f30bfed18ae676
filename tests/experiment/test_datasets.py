"""Which samples a config asks for."""

from s2hand.experiment.datasets import evaluation_datasets, training_dataset


def freihand(small_config, synthetic_root, **changes):
    return small_config(
        "shape", train_datasets=["FreiHand"], freihand_base_path=str(synthetic_root), **changes
    )


def test_training_rows_divide_the_training_split(small_config, synthetic_root):
    """As FreiHAND's published 30,000 / 2,560: nothing is shared, and the rest has its labels."""
    config = freihand(small_config, synthetic_root, freihand_train_rows=20)
    training, evaluation = training_dataset(config), evaluation_datasets(config)["FreiHand"]
    pictures = [{dataset.image_path(i) for i in range(len(dataset))} for dataset in (training, evaluation)]
    assert [len(paths) for paths in pictures] == [20, 4]
    assert not pictures[0] & pictures[1]
    assert {path.parts[-3] for path in pictures[0] | pictures[1]} == {"training"}
    assert "gt_joints" not in training[0]
    assert {"gt_joints", "gt_vertices", "keypoints_2d"} <= set(evaluation[0])
    assert evaluation.augment is None


def test_without_them_the_official_splits_are_used(small_config, synthetic_root):
    config = freihand(small_config, synthetic_root)
    assert len(training_dataset(config)) == 24
    assert evaluation_datasets(config)["FreiHand"].split == "evaluation"


def test_controlled_experiments_take_an_equal_share_of_each_dataset(small_config, synthetic_root):
    config = freihand(small_config, synthetic_root, controlled_exp=True, controlled_size=10)
    assert len(training_dataset(config)) == 10
    both = small_config(
        "shape",
        train_datasets=["FreiHand", "Synthetic"],
        freihand_base_path=str(synthetic_root),
        controlled_exp=True,
        controlled_size=10,
    )
    assert [len(part) for part in training_dataset(both).datasets] == [5, 5]


def test_training_may_pass_over_a_share_of_unreadable_samples(small_config, synthetic_root):
    assert training_dataset(freihand(small_config, synthetic_root)).max_unreadable_share == 0
    tolerant = training_dataset(freihand(small_config, synthetic_root, max_unreadable_share=0.01))
    assert tolerant.max_unreadable_share == 0.01
