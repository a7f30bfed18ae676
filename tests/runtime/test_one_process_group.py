"""A group of one process exchanges through the same backend as several: NCCL on a GPU, gloo on the CPU."""

import socket
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist

DEVICE = "cuda" if torch.cuda.is_available() and dist.is_nccl_available() else "cpu"

PROGRAM = """
import sys, torch, torch.distributed as dist
from torch import nn
from s2hand.runtime.batch_norm import SyncedBatchNorm

device, port = sys.argv[1:]
dist.init_process_group(
    "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo",
    init_method=f"tcp://127.0.0.1:{port}", rank=0, world_size=1,
)
total = torch.arange(4.0, device=device)
dist.all_reduce(total)
assert total.tolist() == [0, 1, 2, 3]
torch.manual_seed(0)
batch = torch.randn(5, 3, 4, 4, device=device)
results = []
for layer in (SyncedBatchNorm(3), nn.BatchNorm2d(3)):
    leaf = batch.clone().requires_grad_()
    output = layer.to(device)(leaf)
    output.square().mul(torch.linspace(0, 1, 5, device=device).view(5, 1, 1, 1)).sum().backward()
    results.append((output, leaf.grad, layer.weight.grad, layer.running_var))
for mine, theirs in zip(*results):
    torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
dist.destroy_process_group()
print(dist.Backend.NCCL if device == "cuda" else "gloo")
"""


@pytest.mark.slow
def test_batch_norm_over_a_group_of_one_is_the_ordinary_one():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-c", PROGRAM, DEVICE, str(port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == ("nccl" if DEVICE == "cuda" else "gloo")
