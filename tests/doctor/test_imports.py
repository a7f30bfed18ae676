"""A package that cannot be imported is named with its reason and remedy, not with a traceback."""

import json
import re
import sys
from pathlib import Path

import pytest

from s2hand import cli
from s2hand.doctor.imports import MODULES, import_faults


def test_every_requirement_is_tried():
    lines = (Path(__file__).parents[2] / "requirements.txt").read_text().splitlines()
    assert [*MODULES] == [re.match(r"[\w.-]+", line)[0] for line in lines if line]
    assert import_faults() == []


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Replaces an installed package by one that fails as a package fails that was built for others."""

    def break_package(module, line):
        (tmp_path / f"{module}.py").write_text(line)
        monkeypatch.syspath_prepend(tmp_path)
        for name in [name for name in sys.modules if name.split(".")[0] == module]:
            monkeypatch.delitem(sys.modules, name)

    return break_package


def test_a_torchvision_for_another_torch(broken, capsys):
    broken("torchvision", 'raise RuntimeError("operator torchvision::nms does not exist")')
    assert cli.main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert re.fullmatch(
        r"torchvision \S+ cannot be imported \(operator torchvision::nms does not exist\): install the two "
        r"together, which pip resolves: pip install --upgrade torch torchvision\n",
        shown,
    )
    assert cli.main(["doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["healthy"], len(found["faults"])) == (False, 1)


def test_a_missing_library_of_the_system(broken, capsys):
    broken("cv2", 'raise ImportError("libGL.so.1: cannot open shared object file", name="cv2")')
    assert cli.main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "opencv-python-headless" in shown
    assert "libGL.so.1" in shown


def test_a_command_that_meets_it_says_what_tells_more(monkeypatch, capsys):
    def load(_):
        raise ImportError("libGL.so.1: cannot open shared object file", name="cv2")

    monkeypatch.setattr("s2hand.cli.prediction.split_inputs", load)
    assert cli.main(["predict", "a.jpg"]) == 2
    assert capsys.readouterr().err.endswith("; `s2hand doctor` tests the installation\n")
