"""Half precision, memory layout and compilation, chosen by the config, in whole training steps."""

import pytest
import torch
from torch import nn

from s2hand.experiment import Experiment
from s2hand.experiment.training import build_trainer
from s2hand.runtime.precision import resolve_channels_last, resolve_precision
from s2hand.training.reporting import RunRecorder

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def trainer_of(config):
    recorder = RunRecorder(config.run_dir, tensorboard=False)
    return build_trainer(Experiment(config, lambda line: None), recorder)


def first_step(trainer):
    """Losses of the first batch, and the gradients that the step would follow."""
    gradients = {}

    def keep(*_):
        for name, value in trainer.model.named_parameters():
            if value.grad is not None:
                gradients[name] = value.grad.clone()

    trainer.state.optimizer.register_step_pre_hook(keep)
    batch = next(iter(trainer.make_loader(0, 0)))
    losses = trainer._train_batch(batch, last=True)
    return {name: value.detach() for name, value in losses.items()}, gradients


def floating_dtypes(value):
    """The floating dtypes in nested outputs."""
    if isinstance(value, torch.Tensor):
        return {value.dtype} if value.is_floating_point() else set()
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else None
    parts = vars(value).values() if parts is None and hasattr(value, "__dict__") else parts or ()
    return set().union(*map(floating_dtypes, parts))


def test_only_the_networks_compute_in_half_precision(small_config):
    """Hand layer, renderer and losses get and give float32, and so do weights and gradients."""
    trainer = trainer_of(small_config("e2e", precision="bf16"))
    seen = {}
    modules = {name: child for name, child in trainer.model.named_children()} | {"losses": trainer.objective}
    modules["hourglass"] = trainer.model.keypoint_net.hourglass
    for name, module in modules.items():
        module.register_forward_hook(
            lambda _module, inputs, output, name=name: seen.update(
                {name: (floating_dtypes(inputs), floating_dtypes(output))}
            )
        )
    _, gradients = first_step(trainer)
    single = {torch.float32}
    assert seen["backbone"][1] == seen["hourglass"][1] == {torch.bfloat16}
    assert seen["mano_layer"] == seen["renderer"] == (single, single)
    assert seen["losses"][1] == seen["texture_light_head"][1] == single
    assert {value.dtype for value in gradients.values()} == single
    assert {value.dtype for value in trainer.model.parameters()} == single


def flat(gradients):
    return torch.cat([gradient.flatten() for gradient in gradients.values()])


def test_bf16_steers_as_fp32_does(small_config):
    """The same losses to a few per cent, and gradients of nearly the same direction."""
    (exact, wanted), (rough, found) = (
        first_step(trainer_of(small_config("e2e", precision=precision))) for precision in ("fp32", "bf16")
    )
    for name, value in exact.items():
        torch.testing.assert_close(rough[name], value, rtol=0.05, atol=1e-3)
    assert found.keys() == wanted.keys()
    assert nn.functional.cosine_similarity(flat(wanted), flat(found), dim=0) > 0.95


def test_channels_last_changes_rounding_only(small_config):
    (exact, wanted), (other, found) = (
        first_step(trainer_of(small_config("e2e", channels_last=layout))) for layout in (False, True)
    )
    for name, value in exact.items():
        torch.testing.assert_close(other[name], value, rtol=1e-4, atol=1e-6)
    along, found = flat(wanted), flat(found)
    assert (found - along).norm() < 5e-3 * along.norm()  # a pixel at an edge may change its face


@pytest.mark.slow
def test_compile_reaches_the_networks_and_changes_nothing(small_config, monkeypatch):
    """Traced as by default, but run without generating C++, which would take longer than all other tests."""
    compiled, compile_with = [], nn.Module.compile

    def without_code(module, **settings):
        compiled.append(module)
        compile_with(module, backend="eager", **settings)

    monkeypatch.setattr(nn.Module, "compile", without_code)
    exact, wanted = first_step(trainer_of(small_config("kp", hourglass_depth=1)))
    trainer = trainer_of(small_config("kp", hourglass_depth=1, compile=True))
    other, found = first_step(trainer)
    assert compiled == [trainer.model.keypoint_net]
    for name, value in exact.items():
        torch.testing.assert_close(other[name], value, rtol=1e-4, atol=1e-6)
    assert (flat(found) - flat(wanted)).norm() < 1e-3 * flat(wanted).norm()


@pytest.mark.parametrize(
    ("wanted", "precision", "device", "expected"),
    [
        (None, "fp32", CPU, True),
        (None, "bf16", CPU, True),
        (None, "fp32", CUDA, False),
        (None, "bf16", CUDA, True),
        (None, "fp16", CUDA, True),
        (False, "bf16", CPU, False),
        (True, "fp32", CUDA, True),
    ],
)
def test_the_layout_follows_device_and_precision_unless_chosen(wanted, precision, device, expected):
    assert resolve_channels_last(wanted, precision, device) is expected


@pytest.mark.parametrize("features", [{"avx512_bf16": True}, {"avx512f": True}, {}])
def test_auto_means_bf16_where_the_processor_has_it(monkeypatch, features):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)
    assert resolve_precision("auto", CPU) == ("bf16" if features.get("avx512_bf16") else "fp32")
    assert resolve_precision("bf16", CPU) == "bf16"
