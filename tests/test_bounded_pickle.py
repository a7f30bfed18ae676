"""Small files that ask for endless work or memory end at once, wherever a pickle is read."""

import pickle
import subprocess
import sys
import zipfile

import pytest
import torch
from support.hostile_pickles import IN_A_DICT, hostile_pickle

from s2hand import bounded_pickle
from s2hand.safe_pickle import loads_arrays
from s2hand.torch_files import LEGACY_MAGIC, LEGACY_PROTOCOL, read_torch_file

HARMLESS = {"memo without end"}
"""They cost nothing where memory is only asked for as it is needed."""


@pytest.mark.parametrize("kind", IN_A_DICT)
def test_hostile_pickles_of_arrays_are_refused(kind):
    if kind in HARMLESS:
        assert loads_arrays(hostile_pickle(kind)) == {"x": 1}
        return
    with pytest.raises(pickle.UnpicklingError) as error:
        loads_arrays(hostile_pickle(kind))
    assert len(str(error.value)) < 300
    assert "\n" not in str(error.value)


def as_zip(content, path, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", content)
    return path


def as_legacy(content, path):
    begin = [LEGACY_MAGIC, LEGACY_PROTOCOL, {"little_endian": True}]
    path.write_bytes(b"".join(pickle.dumps(value, 2) for value in begin) + content + pickle.dumps([], 2))
    return path


@pytest.mark.parametrize("wrap", [as_zip, as_legacy])
@pytest.mark.parametrize("kind", sorted(IN_A_DICT.keys() - HARMLESS))
def test_hostile_torch_files_are_refused(kind, wrap, tmp_path):
    with pytest.raises(pickle.UnpicklingError) as error:
        read_torch_file(wrap(hostile_pickle(kind), tmp_path / "a.pt"))
    assert "\n" not in str(error.value)


def test_the_interpreter_survives_in_a_process_of_its_own(tmp_path):
    """A stack that overflows would end the tests without a word."""
    for kind in ("deep key", "deep value", "hash of a key"):
        as_zip(hostile_pickle(kind), tmp_path / f"{kind}.pt")
    code = """
import pathlib, pickle, sys
from s2hand.torch_files import read_torch_file
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.pt")):
    try:
        read_torch_file(path)
    except pickle.UnpicklingError:
        print("refused")
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stdout.split()) == (0, ["refused"] * 3), done.stderr[-500:]


def test_compressed_torch_files_are_refused(tmp_path):
    """torch stores its records; deflated ones could unpack to a thousand times the file."""
    with pytest.raises(pickle.UnpicklingError, match="records are compressed"):
        read_torch_file(as_zip(bytes(1 << 20), tmp_path / "a.pt", zipfile.ZIP_DEFLATED))


def test_too_many_opcodes_and_arguments_are_refused(monkeypatch):
    monkeypatch.setattr(bounded_pickle, "MAX_OPCODES", 1000)
    with pytest.raises(pickle.UnpicklingError, match="more than 1,000 opcodes"):
        loads_arrays(b"\x80\x02}" + b"K\x010" * 600 + b".")
    monkeypatch.undo()
    monkeypatch.setattr(bounded_pickle, "MAX_PASSED", 5000)
    text = b"X" + (1000).to_bytes(4, "little") + b"x" * 1000 + b"q\x000"
    call = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R0"
    assert loads_arrays(b"\x80\x02" + text + call * 4 + b"}.") == {}
    with pytest.raises(pickle.UnpicklingError, match="functions take more than"):
        loads_arrays(b"\x80\x02" + text + call * 6 + b"}.")


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files_come_back_to_the_bit(tmp_path, zipped):
    shared = torch.randn(4, 6)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.rand(5, 3)).sum().backward()
    optimizer.step()
    saved = {
        "model": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "views": [shared, shared.T, shared[1:, 2:]],
        "kinds": (torch.zeros(0, 3), torch.tensor([True]), torch.ones(2).bfloat16(), torch.tensor(7)),
        "rng": torch.get_rng_state(),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    torch.save(saved, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    read = read_torch_file(tmp_path / "a.pt")
    assert read["optimizer"]["param_groups"] == optimizer.state_dict()["param_groups"]
    pairs = [(read["model"][key], value) for key, value in network.state_dict().items()]
    pairs += list(zip(read["views"] + [*read["kinds"]], saved["views"] + [*saved["kinds"]], strict=True))
    pairs += [(read["rng"], saved["rng"]), (read["parameter"], saved["parameter"])]
    pairs += [
        (read["optimizer"]["state"][number][name], value)
        for number, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    ]
    for found, expected in pairs:
        assert (found.dtype, found.stride()) == (expected.dtype, expected.stride())
        assert torch.equal(found, expected)
    one, other, _ = read["views"]
    assert one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
    assert read_torch_file(tmp_path / "a.pt", leave_out=("optimizer",)).keys() == saved.keys() - {"optimizer"}


def test_a_changed_weight_fails_its_checksum(tmp_path):
    torch.save({"a": torch.ones(100)}, tmp_path / "a.pt")
    content = bytearray((tmp_path / "a.pt").read_bytes())
    content[content.index(torch.ones(4).numpy().tobytes()) + 8] ^= 1
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(pickle.UnpicklingError, match="CRC"):
        read_torch_file(tmp_path / "a.pt")
