"""Two predictions do not write into one folder at once."""

from pathlib import Path

import pytest
from filelock import FileLock

from s2hand import cli
from s2hand.errors import S2HandError
from s2hand.prediction.output_lock import alone_in, lock_file
from s2hand.prediction.sample_photos import sample_photos


def test_a_second_prediction_is_refused_in_a_line_and_writes_nothing(tmp_path, capsys):
    photo, out = str(sample_photos()[0]), tmp_path / "out"
    with FileLock(lock_file(out)):
        assert cli.main(["predict", photo, "--out", str(out)]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert "out: another prediction is writing there; wait for its end, or name another" in told[-1]
    assert not out.exists()
    assert cli.main(["predict", photo, "--out", str(out), "--formats", "npz", "--no-page"]) == 0
    assert not [path for path in out.iterdir() if path.suffix == ".lock"]


def test_the_folder_counts_not_how_it_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with (
        alone_in(tmp_path / "out"),
        pytest.raises(S2HandError, match="another prediction"),
        alone_in(Path("link")),
    ):
        pass
    with alone_in(tmp_path / "out"), alone_in(tmp_path / "other"):
        pass


def test_without_a_place_for_the_lock_predictions_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr("s2hand.prediction.output_lock.lock_file", lambda out: "/proc/nowhere/lock")
    with alone_in(tmp_path):
        pass
