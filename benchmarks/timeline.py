"""Where the time of a training step goes: a line of marks, each saying whose turn begins.

A module's turn lasts from its forward pass's start to its end, and in the backward pass from the moment its
outputs' gradient is complete to the moment that of the module before it is. Autograd visits operations in the
reverse order of their creation, so the turns follow one another, and together they are the whole step.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import torch
from torch import Tensor, nn


class Timeline:
    """Collects marks of one device.

    Args:
        device: on CUDA the marks are events of its stream, and nothing waits for them before the end.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.marks: list[tuple[str, object]] = []

    def mark(self, name: str) -> None:
        """From now on time belongs to ``name``."""
        if self.device.type == "cuda":
            moment = torch.cuda.Event(enable_timing=True)
            moment.record()
        else:
            moment = time.perf_counter()
        self.marks.append((name, moment))

    def watch(self, module: nn.Module, name: str, backward: bool = True) -> None:
        """Marks a module's forward and backward turns; modules inside may be watched, too."""
        enclosing = []

        def enter(*_):
            enclosing.append(self.marks[-1][0] if self.marks else "outside")
            self.mark(f"{name}, forward")

        def leave(_module, _inputs, output):
            self.mark(enclosing.pop())
            for tensor in tensors_of(output):
                # What an inner module handed out belongs to that module.
                if backward and tensor.requires_grad and not hasattr(tensor, "made_by"):
                    tensor.made_by = name
                    tensor.register_hook(lambda _: self.mark(f"{name}, backward"))

        module.register_forward_pre_hook(enter)
        module.register_forward_hook(leave)

    def milliseconds(self) -> dict[str, float]:
        """The sum of each name's turns since the last call; the last mark only ends the turn before it."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        total = defaultdict(float)
        for (name, start), (_, end) in zip(self.marks, self.marks[1:], strict=False):
            on_device = self.device.type == "cuda"
            total[name] += start.elapsed_time(end) if on_device else 1e3 * (end - start)
        self.marks.clear()
        return dict(total)


def tensors_of(output: object) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists, dicts and dataclasses."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, dict):
        yield from tensors_of(tuple(output.values()))
    elif isinstance(output, (tuple, list)):
        for part in output:
            yield from tensors_of(part)
    elif is_dataclass(output):
        yield from tensors_of(tuple(getattr(output, field.name) for field in fields(output)))
