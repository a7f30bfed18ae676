"""Reading hand models, trusted and not."""

import importlib.util
import os
import pickle
import sys
import types
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from s2hand.errors import S2HandError
from s2hand.hand import HandModel, HandModelError, load_hand_model, save_hand_model
from s2hand.hand.assets import MANO_PARENTS, RIGHT_JOINTS, is_left_hand

SCRIPTS = Path(__file__).parents[2] / "scripts"


def mano_entries(model: HandModel) -> dict:
    """What MANO_RIGHT.pkl holds, as plain objects."""
    parents = np.array(MANO_PARENTS).astype(np.uint32)
    return {
        "hands_components": model.hands_components,
        "f": model.faces.astype(np.uint32),
        "J_regressor": scipy.sparse.csc_matrix(model.J_regressor),
        "kintree_table": np.stack([parents, np.arange(16, dtype=np.uint32)]),
        "J": model.J_regressor @ model.v_template,
        "hands_mean": model.hands_mean,
        "weights": model.lbs_weights,
        "posedirs": model.posedirs,
        "v_template": model.v_template,
        "shapedirs": model.shapedirs,
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def made_up_class(monkeypatch, module: str, name: str) -> type:
    """A class that pickles under a name of a library that is not installed."""
    parent = ""
    for part in module.split("."):
        parent = f"{parent}.{part}".lstrip(".")
        if parent not in sys.modules:
            monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
    made_up = type(name, (), {"__module__": module})
    monkeypatch.setattr(sys.modules[module], name, made_up, raising=False)
    return made_up


def assert_same_model(one: HandModel, other: HandModel):
    for field in fields(HandModel):
        if field.name != "name":
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), field.name)


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_reads_pickle_without_chumpy(random_model, tmp_path, protocol):
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(pickle.dumps(mano_entries(random_model), protocol))
    assert_same_model(load_hand_model(path), random_model)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_reads_chumpy_objects_and_old_module_names(random_model, tmp_path, monkeypatch, protocol):
    array = made_up_class(monkeypatch, "chumpy.ch", "Ch")()
    array._dirty_vars, array._itr = {"x"}, None
    array.x = np.concatenate([random_model.shapedirs, np.full((778, 3, 35), 7.0)], -1)
    select = made_up_class(monkeypatch, "chumpy.reordering", "Select")()
    select._dirty_vars, select._depends_on_deps = set(), {"shape": {"deps": {"a"}, "value": None}}
    select.a = array
    select.idxs = np.arange(array.x.size).reshape(array.x.shape)[..., :10].ravel()
    select.preferred_shape = (778, 3, 10)
    sparse = made_up_class(monkeypatch, "scipy.sparse.csc", "csc_matrix")()
    matrix = scipy.sparse.csc_matrix(random_model.J_regressor)
    sparse.__dict__.update(
        data=matrix.data, indices=matrix.indices, indptr=matrix.indptr, _shape=matrix.shape, maxprint=50
    )
    entries = {**mano_entries(random_model), "shapedirs": select, "J_regressor": sparse}
    path = tmp_path / "MANO_RIGHT.pkl"
    content = pickle.dumps(entries, protocol, fix_imports=True)
    assert b"chumpy" in content
    path.write_bytes(
        content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray") if protocol < 4 else content
    )
    monkeypatch.undo()
    assert_same_model(load_hand_model(path), random_model)


def test_reads_python_2_strings(random_model, tmp_path):
    """Python 2 wrote arrays' bytes as 8-bit strings (opcode U), which latin1 alone gives back unchanged."""
    values = random_model.hands_mean
    raw = values.tobytes()
    python_2 = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K-\x85cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T" + len(raw).to_bytes(4, "little") + raw + b"tb"
    )
    others = {key: value for key, value in mano_entries(random_model).items() if key != "hands_mean"}
    rest = pickle.dumps(others, 2)
    assert rest.startswith(b"\x80\x02")
    path = tmp_path / "MANO_RIGHT.pkl"
    # The dict, one more item, and the end: rest's dict stays on the stack for SETITEM.
    path.write_bytes(rest[:-1] + b"U\x0ahands_mean" + python_2[2:] + b"s.")
    assert_same_model(load_hand_model(path), random_model)


class Malicious:
    """Runs a command when unpickled by the ordinary means."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "call", [(os.system, "touch {}"), (eval, "open({!r}, 'w')"), (getattr, dict, "keys"), (__import__, "os")]
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_refuses_code(random_model, tmp_path, call, protocol):
    witness = tmp_path / "witness"
    function, *arguments = call
    arguments = [a.format(str(witness)) if isinstance(a, str) else a for a in arguments]
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(
        pickle.dumps({**mano_entries(random_model), "J": Malicious(function, *arguments)}, protocol)
    )
    with pytest.raises(HandModelError, match="not admitted") as caught:
        load_hand_model(path)
    assert not witness.exists()
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"cnumpy\nload\n(S'/etc/passwd'\ntR.",
        b"cnumpy.core.multiarray\nfromfile\n(S'/etc/passwd'\ntR.",
        b"ccopy_reg\n_reconstructor\n(cnumpy\nndarray\nc__builtin__\nobject\nNtR.",
        b"c_codecs\nencode\n(Vx\nVzlib\ntR.",
        b"ccopy_reg\n_reconstructor\n(cscipy.sparse.csc\ncsc_matrix\nc__builtin__\nobject\nNtRI1\nb.",
    ],
)
def test_refuses_admitted_looking_tricks(tmp_path, content):
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(content)
    with pytest.raises(HandModelError):
        load_hand_model(path)


@pytest.mark.parametrize(
    "content", [b"", b"not a pickle", b"\x80\x04}.", pickle.dumps([1, 2]), b"\x80\x02}q"]
)
def test_damaged_pickle_is_one_line(tmp_path, content):
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(content)
    with pytest.raises(HandModelError, match=r"mano\.is\.tue\.mpg\.de") as caught:
        load_hand_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_files(random_model, tmp_path):
    for name, content in (
        ("a.pkl", pickle.dumps(mano_entries(random_model))),
        ("a.npz", _saved(random_model, tmp_path)),
    ):
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(HandModelError, match="not a readable"):
            load_hand_model(tmp_path / name)


def _saved(model: HandModel, folder: Path) -> bytes:
    save_hand_model(model, folder / "saved.npz")
    return (folder / "saved.npz").read_bytes()


def test_damaged_sparse_matrix(random_model, tmp_path):
    entries = mano_entries(random_model)
    entries["J_regressor"].indices[0] = 99
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(pickle.dumps(entries))
    with pytest.raises(HandModelError, match="'J_regressor' is damaged"):
        load_hand_model(path)


def test_forged_objects_cost_nothing(random_model, tmp_path, monkeypatch):
    """A sparse matrix may claim any shape, a chumpy object may hold itself."""
    huge = made_up_class(monkeypatch, "scipy.sparse.csc", "csc_matrix")()
    none = np.zeros(1, np.int32)
    huge.__dict__.update(data=none[:0], indices=none[:0], indptr=np.zeros(3, np.int32), _shape=(1 << 50, 2))
    endless = made_up_class(monkeypatch, "chumpy.ch", "Ch")()
    endless.x = endless
    entries = mano_entries(random_model)
    contents = {
        "'J_regressor'": pickle.dumps({**entries, "J_regressor": huge}),
        "nested more than 64 deep": pickle.dumps({**entries, "shapedirs": endless}),
        # A memo's place with a forged number makes the unpickler in C ask for gigabytes.
        "'v_template'": b"}r\xff\xff\xff\x7f.",
        "'hands_mean'": pickle.dumps({**entries, "hands_mean": [[0.0]]}),
    }
    monkeypatch.undo()
    path = tmp_path / "MANO_RIGHT.pkl"
    for entry, content in contents.items():
        path.write_bytes(content)
        with pytest.raises(HandModelError, match=entry):
            load_hand_model(path)
    path.write_bytes(bytes((1 << 26) + 1))
    with pytest.raises(HandModelError, match="more than 64 MiB"):
        load_hand_model(path)


def test_npz_round_trip(random_model, tmp_path):
    save_hand_model(random_model, tmp_path / "hand.npz")
    assert_same_model(load_hand_model(tmp_path / "hand.npz"), random_model)


def test_npz_under_mano_names(random_model, tmp_path):
    entries = mano_entries(random_model)
    entries["J_regressor"] = entries["J_regressor"].toarray()
    np.savez(tmp_path / "MANO_RIGHT.npz", **entries)
    assert_same_model(load_hand_model(tmp_path / "MANO_RIGHT.npz"), random_model)


def test_npz_with_pickles_is_refused(random_model, tmp_path):
    np.savez(tmp_path / "hand.npz", v_template=np.array([random_model], dtype=object))
    with pytest.raises(HandModelError, match="plain arrays"):
        load_hand_model(tmp_path / "hand.npz")


def test_missing_file_names_path_and_remedy(tmp_path):
    path = tmp_path / "MANO_RIGHT.pkl"
    with pytest.raises(FileNotFoundError, match=r'register.*hand_model: "generic"') as caught:
        load_hand_model(path)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, S2HandError)


def test_unknown_suffix_and_folder(tmp_path):
    (tmp_path / "hand.obj").write_text("v 0 0 0")
    with pytest.raises(HandModelError, match=r"expected a \.pkl or \.npz"):
        load_hand_model(tmp_path / "hand.obj")
    with pytest.raises(FileNotFoundError):
        load_hand_model(tmp_path)
    with pytest.raises(HandModelError, match=r"ends in \.npz"):
        save_hand_model(load_hand_model("generic"), tmp_path / "hand.pkl")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"v_template": np.zeros((777, 3))}, r"v_template has shape \(777, 3\), expected \(778, 3\)"),
        ({"hands_mean": np.full(45, np.nan)}, "hands_mean holds NaN"),
        ({"faces": np.full((1538, 3), 778)}, "faces index vertices outside"),
        ({"faces": np.full((1538, 3), 0.5)}, "faces holds fractions"),
        ({"parents": np.arange(16) - 1}, "parents are"),
        ({"posedirs": np.full((778, 3, 135), "x")}, "expected numbers"),
    ],
)
def test_validation(generic_model, changes, message):
    with pytest.raises(HandModelError, match=message):
        replace(generic_model, **changes)


def test_convert_script(random_model, tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("convert_mano", SCRIPTS / "convert_mano.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    source = tmp_path / "MANO_RIGHT.pkl"
    assert script.main([str(source)]) == 2
    assert "no hand model file" in capsys.readouterr().err
    source.write_bytes(pickle.dumps(mano_entries(random_model)))
    assert script.main([str(source)]) == 0
    assert_same_model(load_hand_model(tmp_path / "MANO_RIGHT.npz"), random_model)


def test_a_left_hand_is_refused(generic_model, random_model, tmp_path):
    """The generic hand mirrored, turned and in decimetres; arrays that are no hand at all are left alone."""
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    for mirror, name in ((-1, "MANO_LEFT.npz"), (1, "MANO_RIGHT.npz")):
        vertices = 10 * (generic_model.v_template * [1, mirror, 1]) @ turn
        save_hand_model(replace(generic_model, v_template=vertices), tmp_path / name)
    with pytest.raises(HandModelError, match=r"MANO_LEFT\.npz: a left hand, or a mirrored one") as error:
        load_hand_model(tmp_path / "MANO_LEFT.npz")
    assert "\n" not in str(error.value)
    load_hand_model(tmp_path / "MANO_RIGHT.npz")
    mirrored = replace(random_model, v_template=random_model.v_template * [-1, 1, 1])
    assert not is_left_hand(random_model)
    assert not is_left_hand(mirrored)


def test_the_right_joints_are_the_generic_hands(generic_model):
    joints = generic_model.J_regressor @ generic_model.v_template
    np.testing.assert_allclose(joints, RIGHT_JOINTS, rtol=0, atol=6e-4)


def test_members_that_are_not_needed_are_not_unpacked(random_model, tmp_path):
    """An archive of a few kilobytes may hold gigabytes of zeros."""
    path = tmp_path / "hand.npz"
    save_hand_model(random_model, path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("extra.npy", bytes(1 << 25))
        archive.getinfo("extra.npy").file_size = 1 << 40
    assert_same_model(load_hand_model(path), random_model)


def test_arrays_that_are_too_large_are_not_unpacked(tmp_path):
    path = tmp_path / "hand.npz"
    np.savez_compressed(path, v_template=np.zeros(1 << 22))
    with pytest.raises(HandModelError, match=r"v_template\.npy unpacks from [0-9,]+ to 33,554,560 bytes"):
        load_hand_model(path)


def test_a_selection_of_selections_is_evaluated_in_bounds(random_model, tmp_path, monkeypatch):
    """Twenty that refer twice to the one before would be evaluated a million times."""
    select_class = made_up_class(monkeypatch, "chumpy.reordering", "Select")
    inner = np.arange(6)
    for _ in range(20):
        select = select_class()
        select.__dict__.update(a=inner, idxs=inner, preferred_shape=(6,))
        inner = select
    content = pickle.dumps({**mano_entries(random_model), "shapedirs": inner})
    monkeypatch.undo()
    (tmp_path / "MANO_RIGHT.pkl").write_bytes(content)
    with pytest.raises(HandModelError, match=r"amounts to more than|arrays made of arrays"):
        load_hand_model(tmp_path / "MANO_RIGHT.pkl")
