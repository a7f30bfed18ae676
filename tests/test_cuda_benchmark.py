"""The command that runs what waits for CUDA: its steps exist, end in time, and are judged one by one."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def cuda():
    spec = importlib.util.spec_from_file_location("cuda_benchmark", ROOT / "benchmarks/cuda.py")
    module = sys.modules["cuda_benchmark"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["cuda_benchmark"]


@pytest.mark.parametrize("dry", [True, False])
def test_every_step_names_files_that_exist(cuda, dry):
    for step in cuda.steps(dry):
        files = [ROOT / argument for argument in step.arguments if argument.endswith(".py")]
        assert files
        assert all(file.is_file() for file in files), step.name
        assert dry == ("cuda" not in step.arguments) or "pytest" in step.arguments


def test_the_budget_is_eight_minutes(cuda):
    assert cuda.BUDGET_S <= 8 * 60


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        ("print('done')", "passed"),
        ("print('x'); raise SystemExit(3)", "failed with exit code 3"),
        ("print('begun', flush=True); import time; time.sleep(60)", "stopped after 2 s"),
    ],
)
def test_a_step_is_judged_by_its_end(cuda, program, outcome):
    entry = cuda.run_step(cuda.Step("a", ("-c", program), 100), 2 if "sleep" in program else 60)
    assert entry["outcome"] == outcome
    assert entry["output"] == [program.split("'")[1]]


def test_a_step_leaves_earlier_results_as_they_were(cuda, monkeypatch, tmp_path):
    monkeypatch.setattr(cuda, "RESULTS", tmp_path)
    (tmp_path / "a.json").write_text("[1]")
    program = f"open({str(tmp_path / 'a.json')!r}, 'w').write('[2]')"
    assert cuda.run_step(cuda.Step("a", ("-c", program), 60, "a.json"), 60)["results"] == [2]
    assert (tmp_path / "a.json").read_text() == "[1]"


def test_a_failing_step_does_not_stop_the_others(cuda, monkeypatch, tmp_path):
    steps = [cuda.Step(name, ("-c", code), 60) for name, code in (("a", "1 / 0"), ("b", "print(2)"))]
    monkeypatch.setattr(cuda, "steps", lambda dry: steps)
    monkeypatch.setattr(cuda, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["cuda.py", "--dry", "--out", str(tmp_path / "deep/cuda.json")])
    assert cuda.main() == 1
    report = json.loads((tmp_path / "deep/cuda.json").read_text())
    assert {name: step["outcome"] for name, step in report["steps"].items()} == {
        "a": "failed with exit code 1",
        "b": "passed",
    }
    assert report["dry"] is True


def test_the_rasterizer_is_judged_by_the_whole_batch(cuda):
    results = {"batch": 64, "hand": {"nmr | forward + backward": {"median": 0.05}}}
    (row,) = cuda.bounds({"rasterizer": {"results": results}}).values()
    assert row == {"measured": pytest.approx(3.2), "bound": 3.0}
    assert cuda.bounds({"rasterizer": {"outcome": "no time left"}}) == {}
