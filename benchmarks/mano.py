"""How long does the hand layer take, forward and backward, against bare matrix products and smplx's layer?

    python benchmarks/mano.py [--device cuda] [--batch 64] [--repeats 100]

"Bare products" are the two products that no skinning can do without (blend shapes and weights times
transforms) with their backward products, and nothing else. "Plain" is our layer in PyTorch's own operations.
Operations are those that would each be a kernel on CUDA, counted whatever the device, also inside our
operators.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
import warp as wp
from torch.utils._python_dispatch import TorchDispatchMode

from s2hand.hand import HandModel, ManoLayer, load_hand_model

RESULTS = Path(__file__).parent / "results" / "mano.json"
NUM_PCA = 30


def bare_products(layer: ManoLayer, batch: int) -> Callable[[], None]:
    """Blend shapes (B, 145) x (145, 2334) and skinning (12 B, 16) x (16, 778), forward and backward."""
    device = layer.vertex_basis.device
    coefficients = torch.randn(batch, len(layer.vertex_basis), device=device, requires_grad=True)
    transforms = torch.randn(batch, 12, 16, device=device, requires_grad=True)

    def run():
        vertices = coefficients @ layer.vertex_basis
        blended = transforms @ layer.skinning
        torch.autograd.backward((vertices, blended), (torch.ones_like(vertices), torch.ones_like(blended)))

    return run


def layer_step(layer: Callable, batch: int, device: str) -> Callable[[], None]:
    """One forward and backward pass of a layer that returns (vertices, joints)."""
    sizes = (NUM_PCA, 10, 3)
    inputs = [torch.randn(batch, size, device=device, requires_grad=True) for size in sizes]
    upstream = torch.randn(batch, 778, 3, device=device)

    def run():
        vertices, joints = layer(*inputs)
        torch.autograd.backward((vertices, joints), (upstream, torch.ones_like(joints)))

    return run


def smplx_layer(model: HandModel, batch: int, device: str) -> Callable | None:
    """smplx's MANO on the same arrays, or None where smplx is not installed."""
    try:
        import smplx
        from smplx.utils import Struct
    except ImportError:
        return None
    table = torch.tensor([model.parents.tolist(), list(range(16))]).numpy()
    data = Struct(
        v_template=model.v_template,
        shapedirs=model.shapedirs,
        posedirs=model.posedirs,
        J_regressor=model.J_regressor,
        weights=model.lbs_weights,
        kintree_table=table,
        f=model.faces,
        hands_components=model.hands_components,
        hands_mean=model.hands_mean,
    )
    layer = smplx.MANO(
        model_path="", data_struct=data, num_pca_comps=NUM_PCA, is_rhand=True, batch_size=batch
    )
    layer = layer.to(device)

    def run(pose, betas, rotation):
        output = layer(betas=betas, global_orient=rotation, hand_pose=pose)
        return output.vertices, output.joints

    return run


class _Counter(TorchDispatchMode):
    """Counts operations that compute or move numbers; views, memory and scalars on the host do not."""

    NO_KERNEL = (
        *("aten::_unsafe_view", "aten::scalar_tensor", "aten::_local_scalar_dense"),
        *("aten::empty", "aten::empty_like", "aten::new_empty"),
    )

    count = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation.namespace == "s2hand":
            return self._look_inside(operation, args)
        self.count += not operation.is_view and operation.name().split(".")[0] not in self.NO_KERNEL
        return operation(*args, **(kwargs or {}))

    def _look_inside(self, operation, args):
        """Runs an operator of ours so that what it calls comes here too, and counts its Warp kernels."""

        def counted(*arguments, **options):
            self.count += 1
            return launch(*arguments, **options)

        launch, wp.launch = wp.launch, counted
        device = next(argument for argument in args if isinstance(argument, torch.Tensor)).device.type
        key = {"cpu": torch._C.DispatchKey.CPU, "cuda": torch._C.DispatchKey.CUDA}[device]
        try:
            with self:
                return operation._op_dk(key, *args)
        finally:
            wp.launch = launch


def operations(step: Callable[[], None]) -> int:
    """How many kernels a step would launch on CUDA."""
    with _Counter() as counter:
        step()
    return counter.count


def milliseconds(step: Callable[[], None], repeats: int, device: str) -> float:
    """The fastest of many steps: other programs can only slow a step down."""
    times = []
    for _ in range(repeats + 5):
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        step()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - start))
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=100)
    options = parser.parse_args()
    model = load_hand_model("generic")
    layer = ManoLayer(model, NUM_PCA).to(options.device)

    def of(forward: Callable) -> Callable:
        def run(*inputs):
            output = forward(*inputs)
            return output.vertices, output.joints

        return run

    steps = {
        "bare matrix products": bare_products(layer, options.batch),
        "s2hand ManoLayer": layer_step(of(layer), options.batch, options.device),
        "s2hand ManoLayer, plain": layer_step(of(layer.plain), options.batch, options.device),
    }
    theirs = smplx_layer(model, options.batch, options.device)
    if theirs is not None:
        steps["smplx MANO"] = layer_step(theirs, options.batch, options.device)
    results = {name: milliseconds(step, options.repeats, options.device) for name, step in steps.items()}
    counts = {name: operations(step) for name, step in steps.items()}
    print(f"forward + backward, batch {options.batch}, {options.device}, {torch.get_num_threads()} threads")
    for name, value in results.items():
        print(f"  {name:24s} {value:8.2f} ms {counts[name]:6d} operations")
    if theirs is None:
        print("  smplx MANO               not installed")
    RESULTS.parent.mkdir(exist_ok=True)
    settings = {**vars(options), "threads": torch.get_num_threads(), "torch": torch.__version__}
    figures = {"settings": settings, "milliseconds": results, "operations": counts}
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
