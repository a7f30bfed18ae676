"""Runs side by side, from the command line."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from s2hand import cli
from s2hand.visualize.charts import COLORS, draw_runs


def write_run(folder, totals, config, *, evaluated=None, torn=False):
    folder.mkdir(parents=True)
    lines = [
        {"kind": "train", "epoch": epoch, "step": epoch, "time": 3600.0 * epoch, "total": total}
        | {"images_per_second": 10.0 * epoch}
        for epoch, total in enumerate(totals, 1)
    ]
    if evaluated is not None:
        lines.append({"kind": "evaluation", "epoch": 1, "step": 1, "time": 0.0, "pa_auc_j": evaluated})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text + ('{"kind": "tr' if torn else ""))
    if config is not None:
        (folder / "config.json").write_text(json.dumps({"base_out_path": str(folder)} | config))
    return str(folder)


@pytest.fixture
def runs(tmp_path):
    common = {"device": "cpu", "losses": ["mshape", "texture"]}
    return [
        write_run(tmp_path / "a" / "x", [4.0, 2.0, 3.0], {"seed": 1, **common}, evaluated=0.5),
        write_run(tmp_path / "b" / "x", [5.0], {"seed": 2, **common, "losses": ["mshape"]}, torn=True),
        write_run(tmp_path / "c", [1.5, 1.0], None),
    ]


def test_tables_name_runs_figures_and_differences(runs, capsys):
    assert cli.main(["compare", *runs[:2]]) == 0
    rows = {line.split("  ")[0]: line.split() for line in capsys.readouterr().out.splitlines() if line}
    assert rows["last; best (epoch)"][-2:] == ["a/x", "b/x"]
    assert rows["epochs"] == ["epochs", "3", "1"]
    assert rows["images/s (median)"][-2:] == ["20", "10"]
    assert rows["train/total"] == ["train/total", "3;", "2", "(2)", "5;", "5", "(1)"]
    assert rows["evaluation/pa_auc_j"] == ["evaluation/pa_auc_j", "0.5;", "0.5", "(1)", "-"]
    assert rows["seed"] == ["seed", "1", "2"]
    assert rows["losses"] == ["losses", "…", "texture", "…"]
    assert not {"device", "base_out_path"} & set(rows)
    assert any(name.startswith("b/x: metrics.jsonl ends within a line") for name in rows)


def test_files_hold_the_same(runs, tmp_path, capsys):
    assert cli.main(["compare", *runs, "--out", str(tmp_path / "out")]) == 0
    assert "c: no config.json: its keys are not compared" in capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "compare.json").read_text())
    names = [run.removeprefix(str(tmp_path) + "/") for run in runs]
    assert [name.split("/", 1)[-1] for name in content["runs"]] == [name.split("/", 1)[-1] for name in names]
    first, second, third = content["runs"].values()
    assert first["figures"]["train/total"] == {"last": 3.0, "last_epoch": 3, "best": 2.0, "best_epoch": 2}
    assert (first["hours_recorded"], second["images_per_second"], third["epochs"]) == (-1.0, 10.0, 2)
    assert list(content["config_differences"]) == ["seed", "losses"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["compare.json", "compare.png"]


def test_what_cannot_be_compared_is_one_line(runs, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "huge").mkdir()
    record = '{"kind": "train", "epoch": ' + "9" * 400 + ', "time": 1, "total": 1}\n'
    (tmp_path / "huge" / "metrics.jsonl").write_text(record)
    for folders, message in (
        ([str(tmp_path / "nowhere")], "no such run folder"),
        ([runs[0], runs[0]], "is named twice"),
        ([str(tmp_path / "empty")], "no metrics.jsonl with records"),
        ([str(tmp_path / "huge")], "line 1 is damaged"),
    ):
        assert cli.main(["compare", *folders]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_charts_are_whole_whatever_the_names(tmp_path):
    """Nothing touches the picture's border, however long the names and however many the runs."""
    lines = {
        f"a rather long name of a run, number {run}": [(1, 1e-4 * (run + 1)), (2, 5.0)] for run in range(9)
    }
    draw_runs({"train/" + "long_" * 8 + "name": lines, "evaluation/x": lines}, tmp_path / "charts.png")
    picture = cv2.imread(str(tmp_path / "charts.png"))
    border = np.concatenate([picture[:2].ravel(), picture[-2:].ravel(), picture[:, -2:].ravel()])
    assert border.min() == 255
    shown = {tuple(color) for color in np.unique(picture[..., ::-1].reshape(-1, 3), axis=0).tolist()}
    assert {tuple(bytes.fromhex(color[1:])) for color in COLORS} <= shown


def test_the_tables_do_not_wait_for_pytorch(runs):
    program = "import sys; from s2hand.cli import main; main(['compare', *sys.argv[1:]])"
    program += "; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program, *runs], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
