"""The command line: dispatch, exit codes, one-line errors, and a quick start."""

import importlib
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest

from s2hand import cli, errors
from s2hand.cli import dispatch
from s2hand.cli.experiments import STAGES
from s2hand.experiment import config_to_evaluate


@pytest.fixture
def experiment_file(tmp_path):
    path = tmp_path / "exp.json"
    path.write_text(json.dumps({"base_out_path": "runs/x", "freihand_base_path": "/d", "losses": ["mscale"]}))
    return path


@pytest.fixture
def replaced(monkeypatch):
    """Puts a module of the given functions in place of the real one."""

    def replace(name: str, **functions):
        parent, _, child = name.rpartition(".")
        package = importlib.import_module(parent)
        monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(**functions))
        monkeypatch.setattr(package, child, sys.modules[name], raising=False)

    return replace


@pytest.fixture
def runs(replaced):
    """The configs that would have been run."""
    configs = []

    def run(config, *, command):
        assert command.startswith("s2hand ")
        configs.append(config)

    replaced("s2hand.experiment", run=run, config_to_evaluate=config_to_evaluate)
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

    noises = {"independent": "i", "bundled": "b"}
    replaced("s2hand.synthetic", write_synthetic_dataset=write_synthetic_dataset, NOISES=noises)
    options = ["--train-size", "3", "--eval-size", "2", "--image-size", "64", "--seed", "5", "--overwrite"]
    assert cli.main(["synth", "--out", "d", *options, "--hand-model", "m.pkl", "--backgrounds", "b"]) == 0
    numbers = {"train": 3, "evaluation": 2, "image_size": 64, "seed": 5, "layout": "freihand"}
    numbers |= {"wide_poses": False, "object_share": 0.0, "noise": "i"}
    assert calls == [("d", numbers | {"hand_model": "m.pkl", "backgrounds": "b", "overwrite": True})]
    assert cli.main(["synth", "--out", "d", "--layout", "ho3d_v3", "--noise", "bundled"]) == 0
    assert calls[1][1]["noise"] == "b"
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
    assert capsys.readouterr().out.startswith("# Config\n")
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


COMMAND = f"{sys.executable} -m s2hand"


def shell(line: str, **options):
    """Runs a line of shell in which S2HAND stands for the command."""
    done = subprocess.run(
        ["bash", "-c", line.replace("S2HAND", COMMAND)], capture_output=True, timeout=120, **options
    )
    assert b"Traceback" not in done.stderr, done.stderr
    assert b"Exception ignored" not in done.stderr, done.stderr
    return done


def test_version_and_bare_command(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"s2hand {importlib.metadata.version('s2hand')}\n"
    assert cli.main([]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("usage: s2hand")
    assert all(name in shown for name, *_ in dispatch.COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["foo"], "no command 'foo'; s2hand --help lists them"),
        (["trian", "x.json"], "no command 'trian'; did you mean train?"),
        (["--verson"], "no command '--verson'; did you mean --version?"),
        (["config", "--shema"], "config: unknown argument '--shema'; did you mean --schema?"),
        (["detect", "a", "--weights", "b", "--out", "c", "--boxs=d"], "'--boxs'; did you mean --boxes?"),
        (["config", "a.json", "b.json"], "unknown argument 'b.json'; s2hand config --help lists them"),
    ],
)
def test_mistyped_commands_and_options_are_suggested(arguments, line, capsys):
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", ["config --schema", "--help", "train --help"])
def test_output_may_be_cut_short(command):
    done = shell(f"S2HAND {command} | head -n 1")
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""


def test_home_folders_of_nobody_are_one_line(capsys):
    assert cli.main(["predict", "~no-such-user/a.jpg", "--device", "cpu"]) == 2
    assert capsys.readouterr().err == (
        "s2hand: error: a path begins with ~, but there is no such user's home folder\n"
    )


def test_a_reader_who_leaves_is_not_a_success():
    done = shell("S2HAND config --schema | true; echo ${PIPESTATUS[0]}")
    assert done.stdout == b"141\n"
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("S2HAND config --schema >&-", 0),
        ("S2HAND --help >&- 2>&-", 0),
        ("S2HAND foo 2>&-", 2),
        ("S2HAND compare nowhere <&- >&- 2>&-", 2),
        ("S2HAND config --schema >/dev/full", 2),
        ("S2HAND --help >/dev/full", 2),
        ("S2HAND >/dev/full", 2),
        ("S2HAND train --help >/dev/full", 2),
        ("S2HAND --version >/dev/full", 2),
        ("S2HAND foo 2>/dev/full", 2),
    ],
)
def test_closed_and_full_outputs(line, code):
    assert shell(line).returncode == code


@pytest.mark.parametrize("command", ["--help", "config --schema"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_told(command, unbuffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = shell(f"S2HAND {command} >/dev/full", env=environment)
    assert (done.returncode, done.stderr) == (2, b"s2hand: error: No space left on device\n")


def test_nothing_is_printed_into_a_file_that_takes_a_closed_streams_place(tmp_path):
    run = Path(__file__).parent / "fixtures/before_the_house/run"
    shell(f"S2HAND compare {run} --out {tmp_path} >&- 2>&-")
    assert json.loads((tmp_path / "compare.json").read_text())["runs"]


@pytest.mark.parametrize(
    "command",
    [
        "train bad.json",
        "train GOOD --set base_out_path=bad",
        "train GOOD --set freihand_base_path=bad",
        "evaluate bad.json",
        "config bad.json",
        "config GOOD --set hand_model=bad",
        "shard bad --out bad",
        "detect bad --weights bad --out bad",
        "predict bad.pt bad --out bad",
        "export-onnx bad.pt bad.onnx",
        "score --gt bad --pred bad",
        "compare bad",
        "convert-checkpoint bad.t7",
        "foo_bad",
    ],
)
def test_names_that_are_not_utf_8_are_one_line(command, experiment_file, capsys):
    name = os.fsdecode(b"bad\xff")
    words = [word.replace("bad", name) for word in command.split()]
    assert cli.main([str(experiment_file) if word == "GOOD" else word for word in words]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("s2hand: error: ")
    assert "bad\\udcff" in last


def test_a_process_takes_names_that_are_not_utf_8():
    done = shell("S2HAND config $'bad\\xff.json'")
    assert done.returncode == 2
    assert b"bad\\udcff.json: no such file" in done.stderr


def test_runs_with_names_that_are_not_utf_8_are_compared(tmp_path):
    run = Path(__file__).parent / "fixtures/before_the_house/run"
    name = os.fsencode(tmp_path) + b"/bad\xff"
    shutil.copytree(os.fsencode(run), name)
    done = shell(f"S2HAND compare {tmp_path}/bad* --out {tmp_path}/out")
    assert done.returncode == 0, done.stderr
    assert list(json.loads((tmp_path / "out/compare.json").read_text())["runs"]) == ["bad\\udcff"]


def test_ctrl_c_during_the_start_leaves_no_traceback(tmp_path):
    """From the first line of the command's own code on; what Python itself says before is not ours."""
    program = (
        "import os, signal, sys, threading\n"
        "import s2hand.cli\n"
        "def kill(frame, event, argument):\n"
        "    if frame.f_code.co_filename.endswith('argparse.py'):\n"
        "        sys.settrace(None)\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.settrace(kill)\n"
        "sys.exit(s2hand.cli.main(['config', '--schema']))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode in (-signal.SIGINT, 130)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_ctrl_c_is_answered_in_one_line(experiment_file, replaced, capsys):
    replaced("s2hand.experiment", run=lambda config, **_: os.kill(os.getpid(), signal.SIGINT))
    assert cli.main(["train", str(experiment_file)]) == 130
    assert capsys.readouterr().err.endswith("s2hand: interrupted\n")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_compare_imports_no_torch(tmp_path):
    run = Path(__file__).parent / "fixtures/before_the_house/run"
    program = (
        "import sys\nfrom s2hand import cli\n"
        f"cli.main(['compare', {str(run)!r}, '--out', {str(tmp_path)!r}])\n"
        "print([m for m in ('torch', 'warp', 'cv2', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
    assert (tmp_path / "compare.png").is_file()


def test_help_imports_nothing_heavy():
    """Import counts, unlike seconds, do not depend on the machine."""
    program = (
        "import sys\nfrom s2hand import cli\ncli.main(['--help'])\n"
        "print([m for m in ('torch', 'numpy', 'pydantic', 'warp', 'cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
    assert all(name in done.stdout for name, *_ in dispatch.COMMANDS)


def test_public_names_are_imported_at_first_use():
    import s2hand
    from s2hand.config import load_config

    assert s2hand.load_config is load_config
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = s2hand.nothing
