"""Stand-ins for what pickles of ``torch.save`` ask for, and the tensors that are made of them afterwards."""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from s2hand.bounded_pickle import Admitted, BoundedUnpickler, DictWithState, StandIn, plain_dict, plain_set
from s2hand.safe_pickle import ADMITTED_NAMES, STATEFUL

MAX_DIMENSIONS = 16
"""Most dimensions of a tensor."""

STORAGE_DTYPES = {
    **{"FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16},
    **{"BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32},
    **{"ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8},
    **{"BoolStorage": torch.bool, "ComplexFloatStorage": torch.complex64},
    "ComplexDoubleStorage": torch.complex128,
}

DTYPES_AS_TEXT = (
    "float16",
    "float32",
    "float64",
    "bfloat16",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "bool",
)


class Settings(StandIn):
    """Stands for ``argparse.Namespace``; the settings are its ``state``."""


@dataclass(frozen=True)
class _StorageType:
    dtype: torch.dtype


@dataclass(frozen=True)
class Storage:
    """A storage that the pickle refers to."""

    key: str
    dtype: torch.dtype
    numel: int


@dataclass(frozen=True)
class TensorPlan:
    """A tensor as the pickle describes it."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


ReadStorage = Callable[[Storage], Tensor]
"""Reads a storage into a flat uint8 tensor."""


class TensorBuilder:
    """Makes tensors of their plans; tensors that share a storage in the file share it in memory."""

    def __init__(self, read: ReadStorage):
        self.read, self.flat = read, {}

    def build_outermost(self, value: object, leave_out: Collection[str]) -> object:
        if isinstance(value, dict):
            return {key: self.build(item) for key, item in value.items() if key not in leave_out}
        return self.build(value)

    def build(self, value: object) -> object:
        """The same with tensors in place of plans; :func:`check_bounds` has limited its depth and size."""
        if isinstance(value, TensorPlan):
            return self._tensor(value)
        if isinstance(value, dict):
            return {key: self.build(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.build(item) for item in value)
        if isinstance(value, Settings):
            settings = Settings()
            settings.state = self.build(getattr(value, "state", {}))
            return settings
        return getattr(value, "value", None) if isinstance(value, STATEFUL) else value

    def _tensor(self, plan: TensorPlan) -> Tensor:
        storage = plan.storage
        if storage.key not in self.flat:
            self.flat[storage.key] = self.read(storage)
        flat = self.flat[storage.key]
        if len(flat) != storage.numel * storage.dtype.itemsize:
            raise pickle.UnpicklingError(f"its storage {storage.key[:40]} has another size than its tensors")
        return torch.as_strided(flat.view(storage.dtype), plan.shape, plan.strides, plan.offset)


def without_wrapper(weights: dict) -> dict:
    """Drops the prefix that DataParallel adds to every key of a state dict."""
    if not all(isinstance(key, str) and key.startswith("module.") for key in weights):
        return dict(weights)
    return {key.removeprefix("module."): weight for key, weight in weights.items()}


def _plan_tensor(storage, offset, shape, strides, *_) -> TensorPlan:
    """Stands for torch._utils._rebuild_tensor and _rebuild_tensor_v2."""
    if not isinstance(storage, Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise pickle.UnpicklingError("its description of a tensor is damaged")
    if not all(type(number) is int and number >= 0 for number in (offset, *shape, *strides)):
        raise pickle.UnpicklingError("its description of a tensor is damaged")
    if len(shape) != len(strides) or len(shape) > MAX_DIMENSIONS:
        raise pickle.UnpicklingError(f"a tensor of {len(shape)} dimensions and {len(strides)} strides")
    # A view could claim terabytes of one stored number.
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    numel = math.prod(shape)
    if numel > storage.numel or (numel and last >= storage.numel):
        raise pickle.UnpicklingError("a tensor claims more numbers than its storage holds")
    return TensorPlan(storage, offset, shape, strides)


def _plan_parameter(tensor, *_) -> TensorPlan:
    """Stands for torch._utils._rebuild_parameter."""
    if not isinstance(tensor, TensorPlan):
        raise pickle.UnpicklingError(f"a parameter of a {type(tensor).__name__}, expected a tensor")
    return tensor


def _shape(lengths: object = ()) -> tuple:
    """Stands for torch.Size."""
    if not isinstance(lengths, tuple | list):
        raise pickle.UnpicklingError(f"a torch.Size of a {type(lengths).__name__}")
    return tuple(lengths)


def _device_name(kind: object, index: object = None) -> str:
    """Stands for torch.device."""
    if not isinstance(kind, str) or not isinstance(index, int | None):
        raise pickle.UnpicklingError("its device is damaged")
    return kind[:40] if index is None else f"{kind[:40]}:{index}"


ADMITTED_IN_TORCH_FILES: Admitted = {
    **ADMITTED_NAMES,
    **{("torch", name): _StorageType(dtype) for name, dtype in STORAGE_DTYPES.items()},
    **{("torch", name): f"torch.{name}" for name in DTYPES_AS_TEXT},
    ("torch._utils", "_rebuild_tensor"): _plan_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _plan_tensor,
    ("torch._utils", "_rebuild_parameter"): _plan_parameter,
    ("torch", "Size"): _shape,
    ("torch", "device"): _device_name,
    ("collections", "OrderedDict"): plain_dict,
    ("__builtin__", "set"): plain_set,
    ("builtins", "set"): plain_set,
    ("argparse", "Namespace"): Settings,
}


def torch_unpickler(file: io.IOBase, storages: dict[str, Storage] | None = None) -> BoundedUnpickler:
    """An unpickler of one of a file's pickles.

    Args:
        file: positioned at the pickle.
        storages: takes every storage that the pickle refers to, by its key.
    """
    known = {} if storages is None else storages

    def storage_of(pid: object) -> Storage:
        """From ``("storage", type, key, location, numel)``, which the legacy format ends with a view."""
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
            raise pickle.UnpicklingError("it refers to something else than a storage")
        if (pid[5:] or (None,))[0] is not None:
            raise pickle.UnpicklingError("it refers to a part of a storage, as only torch before 0.4 did")
        kind, key, numel = pid[1], pid[2], pid[4]
        if not isinstance(kind, _StorageType) or type(key) is not str or type(numel) is not int or numel < 0:
            raise pickle.UnpicklingError("its reference to a storage is damaged")
        storage = known.setdefault(key, Storage(key, kind.dtype, numel))
        if storage.numel * storage.dtype.itemsize != numel * kind.dtype.itemsize:
            raise pickle.UnpicklingError("it gives one storage several sizes")
        return Storage(key, kind.dtype, numel)

    return BoundedUnpickler(file, ADMITTED_IN_TORCH_FILES, storage_of, (*STATEFUL, DictWithState))
