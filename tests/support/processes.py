"""Runs a function in several forked processes that know of each other as torchrun's do."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import pickle
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

LIMIT_S = 120
"""A process that takes longer hangs: it shows where, and ends."""


@dataclass
class Outcome:
    """What became of a process: what its function returned, or what it raised; or its exit code alone."""

    value: Any = None
    error: str = ""
    exit_code: int | None = None


def run_in_processes(count: int, function: Callable[[int], Any]) -> list[Outcome]:
    """Calls ``function(rank)`` in forked processes, each of which has ``LIMIT_S``.

    Returns:
        The outcomes by rank.
    """
    context = multiprocessing.get_context("fork")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    pipes = [context.Pipe(duplex=False) for _ in range(count)]
    processes = [
        context.Process(target=_call, args=(function, rank, count, port, pipes[rank][1]))
        for rank in range(count)
    ]
    for process, (_, sender) in zip(processes, pipes, strict=True):
        process.start()
        sender.close()
    outcomes = []
    try:
        for process, (receiver, _) in zip(processes, pipes, strict=True):
            outcome = Outcome()
            with contextlib.suppress(EOFError):  # it ended without a word
                outcome = pickle.loads(receiver.recv_bytes())
            process.join()
            outcome.exit_code = process.exitcode
            outcomes.append(outcome)
    finally:
        for process in processes:
            process.kill()
    return outcomes


def _call(function: Callable, rank: int, count: int, port: int, sender) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    faulthandler.dump_traceback_later(LIMIT_S, exit=True)
    try:
        sender.send_bytes(pickle.dumps(Outcome(value=function(rank))))
    except BaseException as error:
        sender.send_bytes(pickle.dumps(Outcome(error=f"{type(error).__name__}: {error}")))
        traceback.print_exc()
        raise SystemExit(1) from None
