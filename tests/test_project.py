"""The project as a whole: its errors, its dependencies."""

import ast
import builtins
import re
import sys
from pathlib import Path

from test_public_surface import SURFACE

from s2hand.config.model import Config
from s2hand.config.published import KEY_ALIASES, LAMBDA_ALIASES, OUT_OF_SCOPE_KEYS, RETIRED_KEYS

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "s2hand").rglob("*.py"))
BUILTIN_ERRORS = {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, Exception)  # not KeyboardInterrupt: that is no error
}


def requirements() -> list[str]:
    """The names in requirements.txt."""
    return re.findall(r"^[\w-]+", (ROOT / "requirements.txt").read_text(), re.MULTILINE)


def extras() -> list[str]:
    """The names in pyproject.toml's optional dependencies."""
    section = re.search(
        r"^\[project\.optional-dependencies\]\n(.*?)^\[", (ROOT / "pyproject.toml").read_text(), re.M | re.S
    )
    return re.findall(r'"([\w-]+)[><=]', section[1])


def test_only_the_root_error_derives_from_builtin_errors_alone():
    """All others must reach the command line as S2HandError."""
    strays = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.bases:
                bases = {ast.unparse(base) for base in node.bases}
                if bases <= BUILTIN_ERRORS:
                    strays.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert strays == ["s2hand/errors.py: S2HandError"]


def test_no_test_hides_another_of_its_name():
    for path in (ROOT / "tests").rglob("test_*.py"):
        names = [
            node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if hasattr(node, "name")
        ]
        assert sorted(names) == sorted(set(names)), path


def test_every_import_is_declared():
    packages = {
        "cv2": "opencv-python-headless",
        "PIL": "pillow",
        "skimage": "scikit-image",
        "warp": "warp-lang",
    }
    imported = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.partition(".")[0])
    foreign = imported - sys.stdlib_module_names - {"s2hand"}
    assert {packages.get(name, name) for name in foreign} <= {*requirements(), *extras()}


def test_every_requirement_has_its_reason():
    reasons = re.findall(r"^\| ([\w-]+) \|", (ROOT / "docs/dependencies.md").read_text(), re.MULTILINE)
    assert set(requirements()) <= set(reasons)


def test_the_page_on_parity_names_every_published_key_and_our_defaults():
    page = (ROOT / "docs/parity.md").read_text()
    published = [*OUT_OF_SCOPE_KEYS, *KEY_ALIASES, *LAMBDA_ALIASES, *RETIRED_KEYS]
    assert [key for key in published if f"`{key}`" not in page] == []
    fields = Config.model_fields
    names = ("lr_steps", "lr_gamma", "num_workers", "losses")
    ours = ", ".join(
        f"`{list(value)}`" if value == () else str(value) for value in (fields[n].default for n in names)
    )
    assert f"| {ours};" in page


def test_the_map_of_the_house_is_true():
    """Rooms and modules that CONTRIBUTING names exist, and it leaves no room out."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    table = page[page.index("| floor | room |") : page.index("**Imports point down only**")]
    named = {
        name.rstrip("/")
        for line in table.strip().splitlines()[2:]
        for name in re.findall(r"`([\w/]+)`", line.split("|")[2])
    }
    package = ROOT / "s2hand"
    rooms = {
        path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert named == rooms - {"__init__"}
    journeys = page[page.index("Four journeys") : page.index("Public names")]
    modules = re.findall(r"`(\w+/\w+)`", journeys)
    assert len(modules) > 25
    assert [name for name in modules if not (package / f"{name}.py").is_file()] == []


def test_the_surface_that_contributing_states_is_the_tested_one():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    table = page[page.index("| from | import |") : page.index("## Style")]
    rows = [line.split("|")[1:3] for line in table.splitlines()[2:] if line.startswith("|")]
    stated = {(module.strip(" `"), name) for module, names in rows for name in re.findall(r"`(\w+)`", names)}
    assert stated == set(SURFACE)


def test_the_garbage_collector_is_left_to_the_program():
    """It is one for the whole process; a library that stops it stops it for everybody."""
    names = {"disable", "freeze", "set_threshold", "collect"}
    for path in (ROOT / "s2hand").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "gc":
                assert node.attr not in names, path
