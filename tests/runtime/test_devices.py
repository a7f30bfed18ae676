"""Names of devices."""

import pytest
import torch

from s2hand.runtime.devices import DeviceError, resolve_device


def test_cpu_is_always_there():
    assert resolve_device("cpu") == torch.device("cpu")


def test_devices_of_torch_and_none_are_taken():
    assert resolve_device(torch.device("cpu")) == torch.device("cpu")
    assert resolve_device(None) == resolve_device("auto")


@pytest.mark.parametrize("there", [True, False])
def test_auto_takes_cuda_where_there_is_one(monkeypatch, there):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert resolve_device("auto").type == ("cuda" if there else "cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "meta", "", "cuda:-1"])
def test_other_names_are_refused(name):
    with pytest.raises(DeviceError, match="expected auto, cpu, cuda or cuda:<index>"):
        resolve_device(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_cuda_without_a_gpu_is_one_clear_line(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=f"device '{name}': PyTorch .*; use cpu or auto") as caught:
        resolve_device(name)
    assert "\n" not in str(caught.value)


def test_index_beyond_the_last_device_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(DeviceError, match="there are 2 CUDA devices"):
        resolve_device("cuda:2")
