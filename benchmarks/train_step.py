"""How long does a training step take, and how much of it is not the networks?

    python benchmarks/train_step.py [--stages SSL-e2e] [--batch 8] [--steps 5]
                                    [--device cuda --precision bf16] [--workers 4] [--small]

Runs stages of configs/FreiHAND through the project's own Trainer: load, forward, loss, backward, optimiser.
The floor is what cannot be spared, the convolutions of backbone and hourglass forward and backward on the
same batch, run alone between the steps. Everything else is the step without its convolutions. By default the
main process loads, so that reading counts in full.

Images are generated once, under --scratch. Results are added to benchmarks/results/train_step.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from timeline import Timeline
from torch import Tensor, nn

from s2hand.config import Config, load_config
from s2hand.experiment import Experiment
from s2hand.experiment.training import build_trainer
from s2hand.models.hourglass import IMAGE_OFFSET
from s2hand.runtime.precision import autocast
from s2hand.synthetic import write_synthetic_dataset
from s2hand.training.reporting import RunRecorder
from s2hand.training.trainer import Trainer

RESULTS = Path(__file__).parent / "results" / "train_step.json"
CONFIGS = Path(__file__).parents[1] / "configs" / "FreiHAND"
PUBLISHED_STAGES = ("SSL-shape", "SSL-kp", "SSL-e2e")
PUBLISHED_SIZE = 224
PUBLISHED_BATCH = 8
"""A quarter or less of the configs', whose activations take tens of gigabytes in float32."""

WARM_UP = 1
SMALL = {
    "backbone": "regnetx_002",
    "hourglass_stacks": 1,
    "hourglass_features": 32,
    "hourglass_modules": 1,
    "image_size": 64,
}
"""With --small: sizes for trying this script out."""

NETWORKS = ("hourglass", "backbone")


class Measured(Exception):
    """Enough steps were taken: leaves the trainer without a checkpoint."""


def stage_config(stage: str, options: argparse.Namespace, run_folder: str) -> Config:
    """The shipped config of a stage, on generated images."""
    size = SMALL["image_size"] if options.small else PUBLISHED_SIZE
    batch = options.batch
    data = options.scratch / f"{size}px-{options.steps + WARM_UP}x{batch}"
    write_synthetic_dataset(
        data, train=(options.steps + WARM_UP) * batch, evaluation=2, image_size=size, overwrite=True
    )
    overrides = {
        "train_datasets": ["FreiHand"],
        "val_datasets": ["FreiHand"],
        "freihand_base_path": str(data),
        "hand_model": "generic",
        "pretrain_rgb2hm": None,
        "train_batch": batch,
        "num_workers": options.workers,
        "device": options.device,
        "is_write_tb": False,
        "resume": False,
    }
    for name in ("precision", "channels_last", "compile"):
        if getattr(options, name) is not None:
            overrides[name] = getattr(options, name)
    if options.small:
        overrides |= SMALL
    # The weights make no difference to the time; those of the stage before are not there.
    return load_config(
        CONFIGS / f"{stage}.json", overrides | {"base_out_path": run_folder, "pretrain_model": None}
    )


def floor_passes(trainer: Trainer) -> dict[str, Callable[[Tensor], Callable[[], None]]]:
    """For each network of the stage: image -> its forward and backward pass, as the stage runs it."""
    model, precision, device = trainer.model, trainer.step.losses.precision, trainer.device
    parts = trainer.objective.required_parts

    def run(network: nn.Module, image: Tensor, used: Callable) -> None:
        learns = any(parameter.requires_grad for parameter in network.parameters())
        with torch.set_grad_enabled(learns), autocast(precision, device):
            outputs = used(network(image))
        if learns:
            torch.autograd.backward(outputs, [torch.full_like(output, 1e-3) for output in outputs])

    def hourglass(image: Tensor) -> Callable[[], None]:
        margin = model.keypoint_net.input_size - image.shape[-1]
        padded = nn.functional.pad(image, (0, margin, 0, margin)) - IMAGE_OFFSET
        return lambda: run(model.keypoint_net.hourglass, padded, lambda output: output[0])

    def backbone(image: Tensor) -> Callable[[], None]:
        return lambda: run(model.backbone, image, lambda output: [output[number] for number in read])

    textured, fed = bool(parts & {"render", "texture"}), "hand" in parts and model.image_input
    read = [number for number, needed in enumerate((textured, fed)) if needed]
    passes = {}
    if "heatmaps" in parts or ("hand" in parts and model.keypoint_input):
        passes["hourglass"] = hourglass
    if read:
        passes["backbone"] = backbone
    return passes


def watch(trainer: Trainer, timeline: Timeline) -> None:
    """Marks the turns of everything that the trainer calls."""
    model = trainer.model
    timeline.watch(model, "between the modules", backward=False)
    names = {
        "integration of heat maps": model.keypoint_net,
        "hourglass": model.keypoint_net and model.keypoint_net.hourglass,
        "backbone": model.backbone,
        "hand head": model.hand_head,
        "hand layer": model.mano_layer,
        "texture and light head": model.texture_light_head,
        "renderer": model.renderer,
        "losses": trainer.objective,
    }
    for name, module in names.items():
        if module is not None:
            timeline.watch(module, name)
    trainer.objective.register_forward_hook(lambda *_: timeline.mark("losses, backward"))
    trainer.state.optimizer.register_step_pre_hook(lambda *_: timeline.mark("optimiser"))
    trainer.state.optimizer.register_step_post_hook(lambda *_: timeline.mark("bookkeeping"))


def measure(trainer: Trainer, steps: int) -> list[dict[str, float]]:
    """Trains for a few steps, each followed by the floor on the same batch.

    Returns:
        For each step: name -> milliseconds of its turns and, under "NAME alone", of the floor's passes.
    """
    timeline, make_loader = Timeline(trainer.device), trainer.make_loader
    watch(trainer, timeline)
    passes = floor_passes(trainer)
    rounds = []

    def batches(epoch: int, start: int) -> Iterator:
        loader = iter(make_loader(epoch, start))
        for _ in range(steps + WARM_UP):
            timeline.mark("loading")
            batch = next(loader)
            timeline.mark("bookkeeping")
            yield batch
            timeline.mark("end")
            rounds.append(timeline.milliseconds())
            image = batch.image.to(trainer.device)
            for name, prepare in passes.items():
                rounds[-1][f"{name} alone"] = milliseconds(prepare(image), trainer.device)
                timeline.marks.clear()
                trainer.state.optimizer.zero_grad(set_to_none=True)
        raise Measured

    trainer.make_loader = lambda epoch, start: _Sized(batches(epoch, start), steps + WARM_UP)
    try:
        trainer.run()
    except Measured:
        return rounds[WARM_UP:]
    raise RuntimeError("the epoch ended before all steps were measured")


class _Sized:
    """An iterator with a length, as the trainer expects of a loader."""

    def __init__(self, iterator: Iterator, length: int) -> None:
        self.iterator, self.length = iterator, length

    def __iter__(self) -> Iterator:
        return self.iterator

    def __len__(self) -> int:
        return self.length


def milliseconds(function: Callable[[], None], device: torch.device) -> float:
    """How long one call takes, the device's work included."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return 1e3 * (time.perf_counter() - start)


def summarise(rounds: list[dict[str, float]]) -> dict:
    """Medians over the steps: the whole, the floor, and everything else by name."""
    alone = {
        name: [turn[f"{name} alone"] for turn in rounds] for name in NETWORKS if f"{name} alone" in rounds[0]
    }
    floor = [sum(times) for times in zip(*alone.values(), strict=True)] or [0.0] * len(rounds)
    turns = [{name: ms for name, ms in turn.items() if not name.endswith(" alone")} for turn in rounds]
    names = dict.fromkeys(name for turn in turns for name in turn)
    parts = {name: statistics.median(turn.get(name, 0.0) for turn in turns) for name in names}
    networks = [name for name in names if name.split(",")[0] in NETWORKS]
    rest = [sum(ms for name, ms in turn.items() if name not in networks) for turn in turns]
    step = [sum(turn.values()) for turn in turns]
    return {
        "step": statistics.median(step),
        "floor": statistics.median(floor),
        "floor by network": {name: statistics.median(times) for name, times in alone.items()},
        "networks within the step": sum(parts[name] for name in networks),
        "everything else": statistics.median(rest),
        "step minus floor": statistics.median(a - b for a, b in zip(step, floor, strict=True)),
        "by name": {
            name: parts[name] for name in sorted(names, key=parts.get, reverse=True) if name not in networks
        },
    }


def print_table(title: str, summary: dict) -> None:
    floor = summary["floor"]
    print(f"\n{title}; medians, ms")
    rows = {"whole step": summary["step"], "floor": floor}
    rows |= {f"  {name} alone": value for name, value in summary["floor by network"].items()}
    rows |= {"networks within the step": summary["networks within the step"]}
    rows |= {"step minus floor": summary["step minus floor"], "everything else": summary["everything else"]}
    rows |= {f"  {name}": value for name, value in summary["by name"].items()}
    for name, value in rows.items():
        share = f"{100 * value / floor:7.1f} %" if floor else ""
        print(f"  {name:<36}{value:10.1f}{share}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stages", nargs="+", choices=PUBLISHED_STAGES, default=PUBLISHED_STAGES)
    parser.add_argument("--batch", type=int, default=PUBLISHED_BATCH, help="default: %(default)s")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["auto", "fp32", "bf16", "fp16"], help="default: the config's")
    parser.add_argument(
        "--channels-last", action=argparse.BooleanOptionalAction, help="default: the config's"
    )
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, help="default: the config's")
    parser.add_argument("--workers", type=int, default=0, help="loader processes; 0 loads in the step")
    parser.add_argument("--small", action="store_true", help="tiny networks, to try this script out")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()) / "s2hand-train-step")
    return parser.parse_args()


def measure_stage(stage: str, options: argparse.Namespace) -> tuple[dict, dict]:
    """Settings and summary of one stage."""
    with tempfile.TemporaryDirectory() as folder:
        config = stage_config(stage, options, folder)
        with Experiment(config, say=lambda line: None) as experiment:
            trainer = build_trainer(experiment, RunRecorder(config.run_dir, tensorboard=False))
            summary = summarise(measure(trainer, options.steps))
    settings = {
        "stage": stage,
        "image_size": config.image_size,
        "batch": config.train_batch,
        "device": str(experiment.device),
        "precision": experiment.precision,
        "channels_last": experiment.channels_last,
        "compile": config.compile,
        "workers": config.num_workers,
        "threads": torch.get_num_threads(),
        "steps": options.steps,
    }
    return settings, summary


def main() -> None:
    options = parse_options()
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    for stage in options.stages:
        settings, summary = measure_stage(stage, options)
        title = "{stage}, {image_size} px, batch {batch}, {device}, {precision}".format(**settings)
        title += "".join(f", {name}" for name in ("channels_last", "compile") if settings[name])
        print_table(title, summary)
        if not options.small:
            results[title] = {"settings": settings, "milliseconds": summary}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
