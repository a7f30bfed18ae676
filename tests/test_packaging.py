"""What is published: the archive of the sources, its metadata, and what the Makefile installs."""

import ast
import re
import shutil
import subprocess
import sys
import tarfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHIPPED = ("assets", "configs", "docs", "examples", "s2hand", "scripts", "tests")
SINGLE = (
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "mkdocs.yml",
    "requirements.txt",
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The names in the archive of the sources, and its metadata."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("sources")
    for name in (*SHIPPED, "benchmarks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
    for name in (*SINGLE, "MANIFEST.in", "pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, folder / name)
    build = "from setuptools import build_meta; print(build_meta.build_sdist('dist'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with tarfile.open(folder / "dist" / done.stdout.split()[-1]) as packed:
        root = packed.getnames()[0]
        metadata = packed.extractfile(f"{root}/PKG-INFO").read().decode()
        names = {name.removeprefix(f"{root}/") for name in packed.getnames()}
    return names, Parser().parsestr(metadata)


@pytest.mark.slow
def test_the_archive_holds_everything_that_its_tests_need(archive):
    names, _ = archive
    expected = set(SINGLE)
    for folder in SHIPPED:
        files = (path for path in (ROOT / folder).rglob("*") if path.is_file())
        expected |= {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    assert len(expected) > 300
    assert expected <= names
    assert not [name for name in names if name.endswith(".pyc") or "benchmarks/results" in name]


@pytest.mark.slow
def test_metadata(archive):
    _, metadata = archive
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Author"] == "The s2hand authors"
    assert not [text for text in metadata.get_all("Classifier") if text.startswith("License")]
    licences = metadata.get_all("License-File")
    assert {"LICENSE", "assets/LICENSE-webxr-input-profiles.md"} <= set(licences)
    inside = {path.relative_to(ROOT).as_posix() for path in (ROOT / "s2hand").rglob("LICENSE*")}
    assert inside <= set(licences)
    assert all((ROOT / name).is_file() for name in licences)
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (\S+)$", citation, re.M)[1] == metadata["Version"]
    assert re.search(r"^license: (\S+)$", citation, re.M)[1] == metadata["License-Expression"]


def test_the_package_takes_its_data_along():
    """A file that is no module must match a pattern of package-data, or the wheel lacks it."""
    text = (ROOT / "pyproject.toml").read_text()
    section = re.search(r"^\[tool\.setuptools\.package-data\]\ns2hand = (\[.*?\])", text, re.M | re.S)[1]
    package = ROOT / "s2hand"
    taken = {path for pattern in ast.literal_eval(section) for path in package.glob(pattern)}
    files = {path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert sorted(files - taken) == []


def test_setuptools_is_bounded_above_alike_everywhere():
    texts = [(ROOT / name).read_text() for name in ("pyproject.toml", ".ci/run") if (ROOT / name).is_file()]
    bounds = {bound for text in texts for bound in re.findall(r"setuptools(>=\d+,<\d+)", text)}
    assert len(bounds) == 1
    assert not re.search(r"setuptools>=\d+['\"]", "".join(texts))


@pytest.mark.parametrize(
    ("target", "installed"),
    [("demo", "."), ("staged", "."), ("test", "'.[dev]'"), ("lint", "'.[dev]'"), ("test-fast", "'.[dev]'")],
)
def test_the_demo_installs_no_extras(target, installed, tmp_path):
    if shutil.which("make") is None:
        pytest.skip("needs make")
    command = ["make", "--dry-run", "-C", str(ROOT), target, f"VENV={tmp_path / 'venv'}"]
    steps = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"--editable (\S+)$", steps, re.M) == [installed]
