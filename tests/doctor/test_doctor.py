"""The doctor finds what is wrong, and nothing where nothing is."""

import json

import pytest
import torch

from s2hand import cli
from s2hand.doctor import doctor, self_test
from s2hand.kernels import cache


@pytest.fixture
def config_file(small_config, tmp_path):
    def write(**changes):
        path = tmp_path / "config.json"
        path.write_text(small_config("shape", **changes).to_json())
        return str(path)

    return write


def test_a_sound_installation_and_config_pass(config_file, capsys):
    assert cli.main(["doctor", config_file()]) == 0
    out = capsys.readouterr().out
    assert out.endswith("everything works\n")
    assert f"\ntorch                   {torch.__version__}" in out
    assert "24 samples with K, confidence" in out
    assert "8 samples with K," in out
    assert "FAIL" not in out


@pytest.mark.parametrize(
    ("check", "target", "replacement", "found"),
    [
        (
            "check_images",
            "rasterize",
            lambda draw: lambda v, f, c, *a, **k: draw(v, f, c + 0.01, *a, **k),
            "off by rgb",
        ),
        ("check_images", "rasterize", lambda draw: lambda v, *a, **k: draw(v * 2, *a, **k), "another face"),
        ("check_gradients", "rasterize", lambda draw: lambda v, *a, **k: draw(v.detach(), *a, **k), "off by"),
        (
            "check_hand",
            "ManoLayer",
            lambda layer: lambda model, n: layer(model, n, "s2hand"),
            "off by joints",
        ),
        (
            "check_hand",
            "load_hand_model",
            lambda _: lambda name: 1 / 0,
            "ZeroDivisionError: division by zero",
        ),
        (
            "check_training_step",
            "Objective",
            lambda build: lambda weights, *rest: build({**weights, "open_2dj": 1e38}, *rest),
            "not finite: total",
        ),
        (
            "check_training_step",
            "LOSSES",
            lambda names: [name for name in names if name not in ("hm_integral", "kp_cons")],
            "no gradient reaches keypoint_net",
        ),
    ],
)
def test_each_fault_fails_its_check(monkeypatch, check, target, replacement, found):
    monkeypatch.setattr(self_test, target, replacement(getattr(self_test, target)))
    done = self_test.run_check("name", lambda: getattr(self_test, check)(torch.device("cpu")))
    assert not done.passed
    assert found in done.detail
    assert "\n" not in done.detail


def test_faults_are_the_exit_code_and_json(monkeypatch, config_file, capsys):
    broken = self_test.Check("hand layer (cpu)", False, "off by 1 m", 0.0)
    monkeypatch.setattr(doctor, "self_test", lambda device: [broken])
    assert cli.main(["doctor", "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["healthy"] is False
    assert content["checks"] == [
        {"name": broken.name, "passed": False, "detail": broken.detail, "seconds": 0.0}
    ]
    assert cli.main(["doctor"]) == 1
    assert "FAIL  hand layer (cpu): off by 1 m" in capsys.readouterr().out


def test_a_configs_faults_are_found(monkeypatch, config_file, tmp_path, synthetic_root, capsys):
    monkeypatch.setattr(doctor, "self_test", lambda device: [])
    assert cli.main(["doctor", str(tmp_path / "no.json")]) == 1
    assert "FAIL  config: " in capsys.readouterr().out
    assert cli.main(["doctor", config_file(hand_model="no.pkl")]) == 1
    assert "hand_model: no such file" in capsys.readouterr().out
    assert cli.main(["doctor", config_file(synthetic_base_path=str(tmp_path / "new"))]) == 0
    assert "training will generate" in capsys.readouterr().out
    assert not (tmp_path / "new").exists()


def test_unreadable_samples_are_found(monkeypatch, config_file, tmp_path, synthetic_root, capsys):
    monkeypatch.setattr(doctor, "self_test", lambda device: [])
    root = tmp_path / "copy"
    for path in synthetic_root.rglob("*"):
        if path.is_file():
            copy = root / path.relative_to(synthetic_root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    (root / "training/rgb/00000023.jpg").write_bytes(b"")
    changes = {"train_datasets": ["FreiHand"], "freihand_base_path": str(root)}
    assert cli.main(["doctor", config_file(**changes)]) == 1
    out = capsys.readouterr().out
    assert "FAIL  training data (FreiHand): " in out
    assert "00000023.jpg is empty" in out
    assert "pass  evaluation data (FreiHand): " in out


def test_kernels_are_cold_until_they_are_compiled(monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "kernel_cache", lambda: tmp_path)
    assert doctor.kernel_states()["cpu"].startswith("cold: 0 of 8")
    folder = tmp_path / cache._identifier("rendering.forward_kernels", "cpu")
    folder.mkdir()
    (folder / "any.o").touch()
    assert doctor.kernel_states()["cpu"].startswith("partly warm: 1 of 8")


def test_every_module_with_kernels_is_listed(pytestconfig):
    root = pytestconfig.rootpath / "s2hand"
    with_kernels = {
        ".".join(path.relative_to(root).with_suffix("").parts)
        for path in root.rglob("*.py")
        if "@wp.kernel" in path.read_text()
    }
    assert with_kernels == set(doctor.KERNEL_MODULES)
