"""Batch normalisation over the batches of all processes, as if they were one batch.

PyTorch's own synchronised layer runs on GPUs only. This one runs wherever ``torch.distributed`` does, and is
used on CPUs.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from timm.layers import convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SyncedBatchNorm(_BatchNorm):
    """Batch normalisation with the statistics of all processes together, and with their gradients.

    Replaces nn.BatchNorm1d to 3d and timm's BatchNormAct2d, in which ``drop`` and ``act`` follow the
    normalisation. Parameters and buffers keep their names. In evaluation mode nothing is exchanged.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected (B, C, ...), got {input.ndim} dimensions")

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) to the same shape; every process must call it together in training mode."""
        if self.training:
            self._check_input_dim(x)
            normalised, mean, variance, count = _global_batch_norm(x, self.weight, self.bias, self.eps)
            self._track(mean, variance, count)
        else:
            normalised = super().forward(x)
        for name in ("drop", "act"):
            if name in self._modules:
                normalised = getattr(self, name)(normalised)
        return normalised

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Updates the running statistics with the unbiased variance, as PyTorch does."""
        if not self.track_running_stats:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        unbiased = variance * count / (count - 1).clamp(min=1)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)


class _GlobalBatchNorm(torch.autograd.Function):
    """y = (x - m) / sqrt(v + eps) * weight + bias with m and v over (B, ...) of all processes.

    With d = dL/dy * weight / sqrt(v + eps) and x' = x - m, the gradient (Ioffe & Szegedy 2015) is
    dL/dx = d - mean(d) - x' mean(d x') / (v + eps). Those means are over all processes too. The gradients of
    weight and bias are this process's own, as those of all other parameters.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float):
        axes = _all_but_channels(x)
        # Sums are in float64, as in PyTorch's own layer on the CPU; the result has the precision of x.
        variance, mean = torch.var_mean(x.double(), axes, correction=0)
        count = mean.new_full((1,), x.numel() // x.shape[1])
        shares = _gather(torch.cat([count, mean, variance]))
        counts, means, variances = shares.split([1, x.shape[1], x.shape[1]], dim=1)
        total = counts.sum()
        global_mean = (counts * means).sum(0) / total
        global_variance = (counts * (variances + (means - global_mean).square())).sum(0) / total
        precise = torch.float64 if x.dtype == torch.float64 else torch.float32
        mean, variance = global_mean.to(precise), global_variance.to(precise)
        ctx.save_for_backward(x, weight, mean, (global_variance + eps).rsqrt().to(precise))
        ctx.total, ctx.has_bias = total, bias is not None
        ctx.mark_non_differentiable(global_mean, global_variance, total)
        output = nn.functional.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)
        return output, global_mean, global_variance, total

    @staticmethod
    def backward(ctx, grad: Tensor, *_):
        x, weight, mean, inverse_std = ctx.saved_tensors
        axes = _all_but_channels(x)
        shape = (1, -1) + (1,) * (x.ndim - 2)
        wide_grad = grad.to(mean.dtype)
        centred = x.to(mean.dtype) - mean.view(shape)
        products = wide_grad * centred
        own_sums = torch.stack([value.sum(axes, dtype=torch.float64) for value in (wide_grad, products)])
        sums = own_sums.clone()
        dist.all_reduce(sums)
        mean_grad, mean_product = (sums / ctx.total).to(mean.dtype)
        scale = inverse_std if weight is None else inverse_std * weight.to(mean.dtype)
        slope = (mean_product * inverse_std.square()).view(shape)
        grad_x = (wide_grad - mean_grad.view(shape) - centred * slope) * scale.view(shape)
        grad_weight = None if weight is None else (own_sums[1] * inverse_std).to(weight.dtype)
        grad_bias = own_sums[0].to(weight.dtype) if ctx.has_bias else None
        return grad_x.to(x.dtype), grad_weight, grad_bias, None


@torch.compiler.disable  # the compiler cannot trace an exchange between processes
def _global_batch_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float):
    return _GlobalBatchNorm.apply(x, weight, bias, eps)


def _all_but_channels(x: Tensor) -> list[int]:
    return [0, *range(2, x.ndim)]


def _gather(values: Tensor) -> Tensor:
    """(n,) of each of P processes to (P, n) in all of them."""
    parts = [torch.empty_like(values) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, values)
    return torch.stack(parts)


def synchronise_batch_norm(module: nn.Module, device: torch.device) -> nn.Module:
    """Replaces every batch normalisation within ``module`` by one over all processes.

    Args:
        module: changed in place; parameters and buffers stay the same objects under the same names.
        device: where the module computes. On CUDA the layers are PyTorch's own, which are faster there.

    Returns:
        The module, or its replacement if it is a batch normalisation itself.
    """
    if device.type == "cuda":
        return convert_sync_batchnorm(module)
    if isinstance(module, _BatchNorm):
        return _synced(module)
    for name, child in module.named_children():
        setattr(module, name, synchronise_batch_norm(child, device))
    return module


def _synced(plain: _BatchNorm) -> SyncedBatchNorm:
    synced = SyncedBatchNorm(
        plain.num_features, plain.eps, plain.momentum, plain.affine, plain.track_running_stats, device="meta"
    )
    for own in (synced._parameters, synced._buffers):
        for name in own:
            own[name] = getattr(plain, name)
    for name, child in plain.named_children():
        synced.add_module(name, child)
    return synced.train(plain.training)
