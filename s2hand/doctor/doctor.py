"""Describes and tests an installation, and the data of a config."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from s2hand.config import Config, check_paths, load_config
from s2hand.doctor.self_test import Check, run_check, self_test
from s2hand.errors import S2HandError
from s2hand.experiment.datasets import evaluation_datasets, training_dataset
from s2hand.hand import load_hand_model
from s2hand.kernels.cache import compiled_kernels, kernel_cache

SAMPLES_TRIED = 16
"""Samples of each dataset that are read, spread evenly from the first to the last."""

KERNEL_MODULES = (
    *("hand.joint_kernels", "hand.skinning_kernels"),
    *("rendering.forward_kernels", "rendering.interior_kernels", "rendering.border_kernels"),
    *("rendering.line_kernels", "rendering.geometry_kernels", "rendering.antialias_kernels"),
)
"""All modules of this package that define Warp kernels."""

GIB = 2**30
SHARED_MEMORY, MEMORY_FILE = Path("/dev/shm"), Path("/proc/meminfo")


@dataclass(frozen=True)
class Diagnosis:
    """The description of an installation and the results of its checks.

    Attributes:
        versions: package -> version, Python and the platform first.
        devices: device -> description.
        kernels: device -> number of kernel modules that are compiled; "cache" -> their folder.
        optional: extra -> package -> version, or None if it is not installed.
        checks: results of the checks.
    """

    versions: dict[str, str]
    devices: dict[str, str]
    kernels: dict[str, str]
    optional: dict[str, dict[str, str | None]]
    checks: list[Check]

    @property
    def healthy(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return {"healthy": self.healthy, **asdict(self)}

    def __str__(self) -> str:
        rows = [(name, version) for name, version in self.versions.items()]
        rows += [*self.devices.items()]
        rows += [
            (f"kernels {device}" if device != "cache" else device, text)
            for device, text in self.kernels.items()
        ]
        for extra, packages in self.optional.items():
            found = [f"{name} {version or 'missing'}" for name, version in packages.items()]
            rows.append((f"extra {extra}", ", ".join(found)))
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}}  {text}" for name, text in rows]
        lines += [""] + [
            f"{'pass' if check.passed else 'FAIL'}  {check.name}: {check.detail} ({check.seconds:.1f} s)"
            for check in self.checks
        ]
        failed = sum(not check.passed for check in self.checks)
        return "\n".join([*lines, "", f"{failed} checks failed" if failed else "everything works"])


def diagnose(config_file: str | Path | None = None, overrides: dict | None = None) -> Diagnosis:
    """Describes the installation, tests it on every kind of device, and reads the data of a config.

    Args:
        config_file: JSON of an experiment, to test its data; None to test the installation only.
        overrides: key -> value, which replaces the value in the file.
    """
    kernels = kernel_states()  # before the self-test compiles them
    checks = self_test("cpu")
    if torch.cuda.is_available():
        checks += self_test("cuda")
    if config_file is not None:
        checks += check_config(config_file, overrides)
    return Diagnosis(versions(), devices(), kernels, optional_packages(), checks)


def versions() -> dict[str, str]:
    """Versions of Python, this package and its requirements."""
    required, _ = _requirements()
    found = {"python": f"{platform.python_version()}, {platform.platform(terse=True)}"}
    found |= {name: _version(name) or "MISSING" for name in ("s2hand", *required)}
    return found | {"torch": torch.__version__}  # with the CUDA version it was built for


def optional_packages() -> dict[str, dict[str, str | None]]:
    """Extra -> its packages -> version or None."""
    _, extras = _requirements()
    return {extra: {name: _version(name) for name in names} for extra, names in extras.items()}


def devices() -> dict[str, str]:
    """CPU cores and memory, and CUDA devices."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    text = f"{os.cpu_count()} cores, {usable} usable, {torch.get_num_threads()} PyTorch threads"
    if (memory := memory_gib()) is not None:
        text += f", memory {memory[0]:.1f} GiB ({memory[1]:.1f} available)"
    if SHARED_MEMORY.is_dir():  # loader processes pass batches through it
        text += f", shared memory {shutil.disk_usage(SHARED_MEMORY).free / GIB:.1f} GiB free"
    found = {"cpu": text}
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        capability = f"{properties.major}.{properties.minor}"
        memory = f"memory {total / GIB:.1f} GiB ({free / GIB:.1f} free)"
        found[f"cuda:{index}"] = f"{properties.name}, compute capability {capability}, {memory}"
    if not torch.cuda.device_count():
        found["cuda"] = "none: PyTorch " + (
            "sees no NVIDIA GPU" if torch.version.cuda else "was built without CUDA"
        )
    return found


def memory_gib() -> tuple[float, float] | None:
    """Memory of the machine, and what new programs can have of it, in GiB; None where that is not told.

    Linux's free pages leave out the files that it keeps in memory, which give way to programs.
    """
    try:
        lines = MEMORY_FILE.read_text().splitlines()
        kibibytes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        return kibibytes["MemTotal"] / 2**20, kibibytes["MemAvailable"] / 2**20
    except (OSError, KeyError, ValueError, IndexError):
        return None


def kernel_states() -> dict[str, str]:
    """Whether the kernels are compiled, or the first call will have to compile them."""
    found = {}
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        compiled = compiled_kernels(KERNEL_MODULES, device)
        count = sum(compiled.values())
        state = "warm" if count == len(compiled) else "cold" if count == 0 else "partly warm"
        found[device] = f"{state}: {count} of {len(compiled)} modules compiled"
        if count < len(compiled):
            found[device] += f", {', '.join(n for n, done in compiled.items() if not done)} at first use"
    return found | {"cache": str(kernel_cache())}


def check_config(config_file: str | Path, overrides: dict | None = None) -> list[Check]:
    """Loads a config, its hand model and samples of its datasets."""
    loaded: list[Config] = []

    def load() -> str:
        config = load_config(config_file, overrides)
        check_paths(config)
        load_hand_model(config.hand_model)
        loaded.append(config)
        return f"{config_file} and the files that it names exist"

    checks = [run_check("config", load)]
    if not loaded:
        return checks
    config = loaded[0]
    if missing := _not_generated(config):
        return [*checks, Check("datasets", True, missing, 0.0)]
    if config.stage == "train" and config.train_datasets:  # random hands need none
        name = ", ".join(config.train_datasets)
        checks.append(run_check(f"training data ({name})", lambda: try_samples(training_dataset(config))))
    for name in config.val_datasets:
        part = config.model_copy(update={"val_datasets": (name,)})
        checks.append(
            run_check(
                f"evaluation data ({name})",
                lambda part=part, name=name: try_samples(evaluation_datasets(part)[name]),
            )
        )
    return checks


def try_samples(dataset) -> str:
    """Reads a few samples of a dataset.

    Returns:
        Number and fields of the samples, and the time to read one.

    Raises:
        S2HandError: a sample cannot be read, or contains numbers that are not finite.
    """
    indices = np.unique(np.linspace(0, len(dataset) - 1, SAMPLES_TRIED).round().astype(int)).tolist()
    start = time.perf_counter()
    for index in indices:
        sample = dataset[index]
        for name, value in sample.items():
            if not np.isfinite(value).all():
                raise S2HandError(f"sample {index} ({dataset.image_path(index)}): {name} is not finite")
    seconds = (time.perf_counter() - start) / len(indices)
    fields = ", ".join(sorted(set(sample) - {"image", "index"}))
    return f"{len(dataset):,} samples with {fields}; {len(indices)} read, {1000 * seconds:.1f} ms each"


def _not_generated(config: Config) -> str | None:
    """A line if the Synthetic dataset does not exist yet, since opening it would generate it."""
    used = {*config.val_datasets, *(config.train_datasets if config.stage == "train" else ())}
    if "Synthetic" in used and not Path(config.synthetic_base_path).is_dir():
        return f"not tried: training will generate {config.synthetic_base_path} first"
    return None


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _requirements() -> tuple[list[str], dict[str, list[str]]]:
    """Names of the required packages, and of the packages of each extra."""
    required, extras = [], {}
    for line in importlib.metadata.requires("s2hand") or ():
        name = re.match(r"[\w.-]+", line)[0]
        extra = re.search(r"""extra\s*==\s*["']([\w-]+)["']""", line)
        if name != "s2hand":  # an extra may include another extra
            (extras.setdefault(extra[1], []) if extra else required).append(name)
    return required, extras
