"""Several processes as one run: who they are, what they exchange, and how they end together.

``torchrun`` starts the processes and gives each its number in the environment. Each computes on its own share
of every batch, with its own GPU if there are any; only the main process, number 0, writes and prints. Without
torchrun there is one process, and everything here is trivial.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from s2hand.errors import S2HandError
from s2hand.runtime.devices import DeviceError
from s2hand.runtime.interrupt import TrainingInterrupted

TIMEOUT = timedelta(hours=1)
"""How long a process waits for the others: long, because the main one may generate a dataset meanwhile. A
process that dies is noticed at once, because its connections close."""

FAILURE_KEY = "failure"
"""The key under which the first process that fails leaves its message for the others."""

T = TypeVar("T")


class PeerFailedError(S2HandError):
    """Another process of the run failed and has told the user the reason."""

    told = True


class ConnectionLostError(S2HandError):
    """Another process ended without a message."""


@dataclass(frozen=True)
class Processes:
    """The processes of a run, as seen from one of them.

    All processes must call the methods that exchange values together.

    Attributes:
        rank: this process's number.
        size: the number of processes.
        local_rank: this process's number on its machine, which is also the number of its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.rank == 0

    def own_device(self, device: torch.device) -> torch.device:
        """This process's device of the requested kind.

        Raises:
            DeviceError: one GPU is named for several processes, or there are too few GPUs.
        """
        if self.size == 1 or device.type == "cpu":
            return device
        if device.index is not None:
            raise DeviceError(
                f"device '{device}' names one GPU, but {self.size} processes were started; use cuda or auto"
            )
        count = torch.cuda.device_count()
        if self.local_rank >= count:
            raise DeviceError(
                f"there are {count} GPUs for more processes; start torchrun with --nproc-per-node {count}"
            )
        torch.cuda.set_device(self.local_rank)
        return torch.device("cuda", self.local_rank)

    def mean(self, value: Tensor) -> Tensor:
        """The mean over the processes, in a new tensor."""
        if self.size == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.size

    def largest(self, number: int) -> int:
        """The largest of the processes' numbers, by which all processes act alike."""
        if self.size == 1:
            return number
        shared = torch.tensor(number)
        dist.all_reduce(shared, dist.ReduceOp.MAX)
        return int(shared)

    def gather(self, value: T) -> list[T] | None:
        """The values of all processes in their order in the main process, None in the others."""
        if self.size == 1:
            return [value]
        values = [None] * self.size if self.is_main else None
        dist.gather_object(value, values)
        return values

    def share(self, value: T) -> T:
        """The main process's value in all of them."""
        if self.size == 1:
            return value
        values: list[Any] = [value if self.is_main else None]
        dist.broadcast_object_list(values)
        return values[0]

    def wait(self) -> None:
        """Returns when all processes have called this."""
        if self.size > 1:
            self.largest(0)  # not dist.barrier, which would go through the GPUs

    @contextmanager
    def in_turns(self) -> Iterator[None]:
        """Lets the main process go first, then one of every other machine, then the rest.

        For work that the first process does for the others, such as a download.
        """
        own_turn = 0 if self.is_main else 1 if self.local_rank == 0 else 2
        for turn in range(3):
            if turn == own_turn:
                yield
            self.wait()


ALONE = Processes()
"""The only process of an ordinary run."""


@contextmanager
def join_processes() -> Iterator[Processes]:
    """Joins the processes that torchrun started, for the duration of a context.

    If one of them fails, all leave the context with an exception: the first to fail with its own, the others
    with :class:`PeerFailedError`.

    Raises:
        PeerFailedError: another process failed first.
        ConnectionLostError: another process ended without a message.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        yield ALONE
        return
    store = dist.PrefixStore(f"s2hand/{next(_runs)}", _store())
    processes = Processes(int(os.environ["RANK"]), size, int(os.environ.get("LOCAL_RANK", "0")))
    # The backend follows the tensors' device: gloo between CPUs, NCCL between GPUs.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=processes.rank, world_size=size, timeout=TIMEOUT)
    try:
        yield processes
    except Exception as error:
        # The group is not destroyed: that would wait for processes that wait for this one.
        _tell_failure(processes, store, error)
        raise
    except TrainingInterrupted:  # in all processes together, so none is left waiting
        dist.destroy_process_group()
        raise
    dist.destroy_process_group()


@cache
def _store() -> dist.Store:
    """The processes' common table, kept by torchrun; the same for all runs of this process."""
    return next(dist.rendezvous("env://", timeout=TIMEOUT))[0]


_runs = itertools.count()


def _tell_failure(processes: Processes, store: dist.Store, error: Exception) -> None:
    """Stores the first failure of the run where all processes can read it.

    Raises:
        PeerFailedError: another process failed before this one and most likely caused ``error``.
        ConnectionLostError: ``error`` is a broken connection without an explanation.
        S2HandError: ``error``, if it is one, with this process's number.
    """
    machine = os.environ.get("GROUP_RANK", "0")
    own = json.dumps({"rank": processes.rank, "machine": machine, "message": f"{error}"})
    try:
        first = json.loads(store.compare_set(FAILURE_KEY, "", own))
    except RuntimeError:  # the process that kept the table has ended
        first = {"rank": processes.rank}
    who = f"process {processes.rank} of {processes.size}"
    if first["rank"] != processes.rank:
        failure = PeerFailedError(f"process {first['rank']} of {processes.size}: {first['message']}")
        # One line a machine is enough.
        failure.told = first["machine"] == machine or processes.local_rank > 0
        raise failure from None
    if isinstance(error, S2HandError):
        error.args = (f"{who}: {error}",)
    elif _is_connection_error(error):
        raise ConnectionLostError(
            f"{who}: lost the connection to another process, which was killed or crashed "
            f"({' '.join(str(error).split())[:200]})"
        ) from error


def _is_connection_error(error: Exception) -> bool:
    """Whether an error concerns the other processes; gloo's errors have no type of their own."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))
