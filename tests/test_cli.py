"""The command line: dispatch, exit codes, one-line errors, and a quick start."""

import importlib
import json
import subprocess
import sys
import types
from pathlib import Path

import pytest

from s2hand import cli, errors
from s2hand.cli.experiments import STAGES


@pytest.fixture
def experiment_file(tmp_path):
    path = tmp_path / "exp.json"
    path.write_text(json.dumps({"base_out_path": "runs/x", "freihand_base_path": "/d", "losses": ["mscale"]}))
    return path


@pytest.fixture
def replaced(monkeypatch):
    """Puts a module of the given functions in place of the real one."""

    def replace(name: str, **functions):
        monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(**functions))
        parent, _, child = name.rpartition(".")
        monkeypatch.setattr(importlib.import_module(parent), child, sys.modules[name], raising=False)

    return replace


@pytest.fixture
def runs(replaced):
    """The configs that would have been run."""
    configs = []
    replaced("s2hand.experiment", run=configs.append)
    return configs


def raiser(error):
    def run(*arguments, **keywords):
        raise error

    return run


def test_train_runs_the_config_with_overrides(experiment_file, runs):
    options = ["--set", "train_batch=4", "losses=[]", "--set", 'losses=["mshape"]', "--device", "cpu"]
    assert cli.main(["train", str(experiment_file), *options]) == 0
    assert (runs[0].train_batch, runs[0].losses, runs[0].device) == (4, ("mshape",), "cpu")
    assert runs[0].stage == "train"


def test_evaluate_does_not_train(experiment_file, runs):
    assert cli.main(["evaluate", str(experiment_file)]) == 0
    assert runs[0].stage == "evaluate"


def test_staged_runs_every_stage_in_order(runs, monkeypatch, pytestconfig):
    monkeypatch.chdir(pytestconfig.rootpath)
    assert cli.main(["staged", "--set", "seed=3"]) == 0
    assert [config.run_dir.name for config in runs] == list(STAGES)
    assert {config.seed for config in runs} == {3}


def test_staged_reads_every_config_before_the_first_run(runs, tmp_path, experiment_file, capsys):
    experiment_file.rename(tmp_path / "SSL-shape.json")
    assert cli.main(["staged", str(tmp_path)]) == 2
    assert runs == []
    assert "SSL-kp.json: no such file" in capsys.readouterr().err


def test_demo_passes_folder_and_overrides(replaced):
    calls = []
    replaced("s2hand.demo", run_demo=lambda *arguments: calls.append(arguments))
    assert cli.main(["demo", "--out", "d", "--set", "seed=3", "--device", "cpu"]) == 0
    assert calls == [("d", {"seed": 3, "device": "cpu"})]


def test_synth_writes_what_the_options_say(replaced, capsys):
    calls = []

    def write_synthetic_dataset(root, **options):
        calls.append((root, options))
        return types.SimpleNamespace(root=root, reused=False)

    replaced("s2hand.synthetic", write_synthetic_dataset=write_synthetic_dataset)
    options = ["--train-size", "3", "--eval-size", "2", "--image-size", "64", "--seed", "5", "--overwrite"]
    assert cli.main(["synth", "--out", "d", *options, "--hand-model", "m.pkl", "--backgrounds", "b"]) == 0
    numbers = {"train": 3, "evaluation": 2, "image_size": 64, "seed": 5, "layout": "freihand"}
    assert calls == [("d", numbers | {"hand_model": "m.pkl", "backgrounds": "b", "overwrite": True})]
    assert cli.main(["synth", "--out", "d", "--layout", "ho3d_v3"]) == 0
    assert (calls[1][1]["layout"], calls[1][1]["image_size"]) == ("ho3d_v3", None)
    assert capsys.readouterr().out == "d: written\n" * 2


def test_convert_checkpoint_writes_beside_the_source(replaced, capsys):
    calls = []
    replaced("s2hand.checkpoints.converted", convert_published=lambda *paths: calls.append(paths) or paths)
    assert cli.main(["convert-checkpoint", "a/b.t7"]) == 0
    assert cli.main(["convert-checkpoint", "a/b.t7", "c.safetensors"]) == 0
    assert calls == [("a/b.t7", Path("a/b.safetensors")), ("a/b.t7", "c.safetensors")]
    assert capsys.readouterr().out.splitlines() == [
        *("a/b.t7", "a/b.safetensors"),
        *("a/b.t7", "c.safetensors"),
    ]


def test_score_prints_the_figures(replaced, capsys):
    calls = []
    scoring = {
        "score_files": lambda *arguments: calls.append(arguments) or {"pa_mpjpe": 12.0},
        "format_scores": str,
    }
    replaced("s2hand.evaluation.scoring", **scoring)
    assert cli.main(["score", "--gt", "g", "--pred", "p.json", "--out", "o"]) == 0
    assert calls == [("g", "p.json", "o")]
    assert capsys.readouterr().out == "{'pa_mpjpe': 12.0}\n"


def test_example_script_trains(experiment_file, pytestconfig):
    script = [sys.executable, str(pytestconfig.rootpath / "examples/train.py")]
    done = subprocess.run(
        [*script, "--config_json", str(experiment_file), "--set", "sede=1"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"s2hand: error: {experiment_file} with overrides: unknown key sede; did you mean seed?\n"
    )


def test_notes_go_to_stderr_of_the_first_process(experiment_file, runs, capsys, monkeypatch):
    arguments = ["train", str(experiment_file), "--set", "lambda_mrgb=1"]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().err.count("s2hand: note: ") == 1
    monkeypatch.setenv("RANK", "1")
    assert cli.main(arguments) == 0
    assert capsys.readouterr().err == ""


def test_config_prints_a_loadable_file(experiment_file, capsys, tmp_path):
    assert cli.main(["config", str(experiment_file), "--set", "seed=9"]) == 0
    resolved = json.loads(capsys.readouterr().out)
    assert resolved["seed"] == 9
    assert resolved["hourglass_input_size"] == 256


def test_config_prints_schema_and_page(capsys):
    assert cli.main(["config", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["additionalProperties"] is False
    assert cli.main(["config", "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("# The experiment's keys")
    assert cli.main(["config"]) == 2


@pytest.mark.parametrize(
    ("error", "code", "shown"),
    [
        (errors.S2HandError("file.json: no\nsuch key"), 2, "s2hand: error: file.json: no such key\n"),
        (FileNotFoundError(2, "No such file or directory", "a.t7"), 2, "a.t7: No such file or directory\n"),
        (PermissionError(13, "Permission denied", "/x"), 2, "s2hand: error: /x: Permission denied\n"),
        (OSError("disk gone"), 2, "s2hand: error: disk gone\n"),
        (KeyboardInterrupt(), 130, "s2hand: interrupted\n"),
    ],
)
def test_known_errors_become_one_line(error, code, shown, experiment_file, replaced, capsys):
    replaced("s2hand.experiment", run=raiser(error))
    assert cli.main(["train", str(experiment_file)]) == code
    assert capsys.readouterr().err.endswith(shown)


def test_exit_code_of_a_saved_interruption_is_kept(experiment_file, replaced, capsys):
    stop = KeyboardInterrupt("saved runs/x/checkpoint_last.pt")
    stop.exit_code = 143
    replaced("s2hand.experiment", run=raiser(stop))
    assert cli.main(["train", str(experiment_file)]) == 143
    assert capsys.readouterr().err == "s2hand: saved runs/x/checkpoint_last.pt\n"


def test_faults_of_the_program_keep_their_traceback(experiment_file, replaced):
    replaced("s2hand.experiment", run=raiser(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cli.main(["train", str(experiment_file)])


def test_output_may_be_cut_short():
    command = f"{sys.executable} -m s2hand.cli config --schema | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_help_imports_nothing_heavy():
    """Import counts, unlike seconds, do not depend on the machine."""
    program = (
        "import sys\nfrom s2hand import cli\ntry:\n    cli.main(['--help'])\nexcept SystemExit:\n"
        "    print([m for m in ('torch', 'numpy', 'pydantic', 'warp', 'cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
    assert all(name in done.stdout for name, *_ in cli.COMMANDS)


def test_public_names_are_imported_at_first_use():
    import s2hand
    from s2hand.config import load_config

    assert s2hand.load_config is load_config
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = s2hand.nothing
