"""Whether the required packages can be imported at all."""

from __future__ import annotations

import importlib
import importlib.metadata

from s2hand.errors import reason_of

MODULES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
    "numpy": "numpy",
    "orjson": "orjson",
    "scipy": "scipy",
    "warp-lang": "warp",
    "opencv-python-headless": "cv2",
    "pillow": "PIL.Image",
    "tensorboardX": "tensorboardX",
    "tqdm": "tqdm",
    "filelock": "filelock",
    "pydantic": "pydantic",
    "matplotlib": "matplotlib",
    "trimesh": "trimesh",
    "safetensors": "safetensors.torch",
}
"""Required package -> the module that is imported, each after those that it needs."""

REMEDY = "install the two together, which pip resolves: pip install --upgrade torch torchvision"


def import_faults() -> list[str]:
    """A line for each package that cannot be imported, with the reason and a remedy.

    timm imports torchvision, and torchvision only works with the torch that it was built for.
    """
    faults = []
    for package, module in MODULES.items():
        try:
            importlib.import_module(module)
        except Exception as error:  # a broken extension may raise anything
            remedy = REMEDY if package in ("torch", "torchvision") else f"pip install --upgrade {package}"
            version = _version(package)
            faults.append(f"{package} {version} cannot be imported ({reason_of(error)}): {remedy}")
            if package in ("torch", "torchvision"):  # all others fail with it
                break
    return faults


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
