import numpy as np
import pytest
import torch

from s2hand.datasets import AugmentationConfig, FreiHandDataset, collate_hands, make_loader
from s2hand.datasets.loader import EpochBatchSampler


@pytest.fixture(scope="module")
def dataset(freihand_folder):
    augment = AugmentationConfig(rotation_deg=180, brightness=0.2, hue_deg=10)
    return FreiHandDataset(freihand_folder, augment=augment, image_size=24, labels={"mask", "joints"})


def test_collation_stacks_and_scales(dataset):
    samples = [dataset[0], dataset[4]]
    batch = collate_hands(samples)
    assert batch.image.dtype == torch.float32
    assert batch.image.is_contiguous()
    for i, sample in enumerate(samples):
        np.testing.assert_allclose(batch.image[i].permute(1, 2, 0) * 255, sample["image"], atol=1e-4)
        np.testing.assert_allclose(batch.mask[i] * 255, sample["mask"], atol=1e-4)
        np.testing.assert_array_equal(batch.K[i], sample["K"])
    assert batch.index.tolist() == [0, 4]
    assert batch.index.dtype == torch.int64
    assert batch.confidence.shape == (2, 21)
    assert batch.photometric_weight.shape == (2,)
    assert batch.gt_vertices is None


def epoch(loader, number, start_batch=0):
    loader.set_epoch(number, start_batch)
    return list(loader)


def test_workers_change_nothing(dataset):
    """The same batches, bit for bit, from no worker and from two that live on through three epochs."""
    loaders = [make_loader(dataset, 4, shuffle=True, num_workers=n, seed=7) for n in (0, 2)]
    seen = []
    for number in range(3):
        # One after the other: both share the dataset's epoch.
        alone, shared = (epoch(loader, number) for loader in loaders)
        assert len(alone) == len(shared) == 3
        for a, b in zip(alone, shared, strict=True):
            assert torch.equal(a.index, b.index)
            assert torch.equal(a.image, b.image)
            assert torch.equal(a.gt_joints, b.gt_joints)
        order = torch.cat([batch.index for batch in alone])
        images = torch.cat([batch.image for batch in alone])[order.argsort()]
        assert sorted(order.tolist()) == list(range(len(dataset)))
        for other_order, other_images in seen:
            assert not torch.equal(order, other_order)
            assert (images != other_images).flatten(1).any(1).all()
        seen.append((order, images))


def test_an_epoch_can_be_resumed(dataset):
    loader = make_loader(dataset, 2, shuffle=True, seed=1)
    whole = epoch(loader, 5)
    rest = epoch(loader, 5, start_batch=4)
    assert len(loader) == 2
    assert len(rest) == 2
    for a, b in zip(whole[4:], rest, strict=True):
        assert torch.equal(a.index, b.index)
        assert torch.equal(a.image, b.image)


def test_workers_leave_the_global_random_state_alone(dataset):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    list(make_loader(dataset, 4, shuffle=True, num_workers=1))
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("num_samples", [7, 12, 13])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_processes_share_out_an_epoch(num_samples, world_size, drop_last):
    samplers = [
        EpochBatchSampler(
            num_samples, 2, shuffle=True, seed=1, drop_last=drop_last, rank=rank, world_size=world_size
        )
        for rank in range(world_size)
    ]
    shares = [[index for batch in sampler for index in batch] for sampler in samplers]
    assert len({len(sampler) for sampler in samplers}) == 1
    assert [len(list(sampler)) for sampler in samplers] == [len(sampler) for sampler in samplers]
    assert len({len(share) for share in shares}) == 1
    everything = [index for share in shares for index in share]
    if drop_last:
        assert len(everything) == len(set(everything)) > num_samples - 2 * world_size
        assert all(len(batch) == 2 for batch in samplers[0])
    else:
        assert set(everything) == set(range(num_samples))
        assert len(everything) < num_samples + world_size


def test_two_processes_see_the_batches_of_one():
    """Interleaved, the halves of two processes are one process's batches of twice the size."""
    whole = list(EpochBatchSampler(12, 4, shuffle=True, seed=2))
    halves = [list(EpochBatchSampler(12, 2, shuffle=True, seed=2, rank=r, world_size=2)) for r in range(2)]
    for step, batch in enumerate(whole):
        assert sorted(halves[0][step] + halves[1][step]) == sorted(batch)


def test_impossible_orders_are_refused():
    with pytest.raises(ValueError, match="batch_size must be positive"):
        EpochBatchSampler(3, 0, shuffle=False)
    with pytest.raises(ValueError, match=r"rank must be in 0\.\.1"):
        EpochBatchSampler(3, 1, shuffle=False, rank=2, world_size=2)
