"""The packaged viewer was made from the sources that lie beside it."""

import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("bundle_viewer", ROOT / "scripts/bundle_viewer.py")
bundle_viewer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bundle_viewer)


def test_the_bundle_is_up_to_date():
    with (bundle_viewer.ASSETS / bundle_viewer.BUNDLE).open(encoding="utf-8") as file:
        first = file.readline()
    assert first.rstrip("\n") == bundle_viewer.banner(), "run scripts/bundle_viewer.py"


def test_the_librarys_licence_lies_beside_it():
    assert "three.js authors" in (bundle_viewer.ASSETS / bundle_viewer.LICENSE).read_text()


def test_versions_are_pinned():
    package = json.loads((bundle_viewer.SOURCES / "package.json").read_text())
    lock = json.loads((bundle_viewer.SOURCES / "package-lock.json").read_text())
    for name, version in {**package["dependencies"], **package["devDependencies"]}.items():
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
        assert lock["packages"][f"node_modules/{name}"]["integrity"].startswith("sha512-")
