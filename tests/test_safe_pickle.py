import contextlib
import os
import pickle
import subprocess
import warnings

import numpy as np
import pytest

from s2hand.safe_pickle import ArrayStandIn, loads_arrays, plain_array

CONTENT = {
    "matrix": np.arange(6, dtype=np.float64).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
    "big_endian": np.arange(3, dtype=">f4"),
    "flags": np.array([True, False]),
    "scalar": np.float32(2.5),
    "empty": np.zeros((0, 3)),
    "text": "010_potted_meat_can",
    "number": 3,
    "nothing": None,
    "list": [1.0, 2.0],
}


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_every_protocol(protocol):
    loaded = loads_arrays(pickle.dumps(CONTENT, protocol))
    assert list(loaded) == list(CONTENT)
    for name, value in CONTENT.items():
        np.testing.assert_array_equal(loaded[name], value)
        assert type(loaded[name]) is type(value)
        if isinstance(value, np.ndarray):
            assert loaded[name].dtype == value.dtype


def test_python_2_text_and_bytes():
    """Python 2's NumPy wrote the bytes of an array as a plain string."""
    written = (
        b"(dp0\nS'x'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\n"
        b"tp6\nRp7\n(I1\n(I2\ntp8\ncnumpy\ndtype\np9\n(S'u1'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'|'\np13\nNNN"
        b"I-1\nI-1\nI0\ntp14\nbI00\nS'\\x01\\xff'\np15\ntp16\nbs."
    )
    np.testing.assert_array_equal(loads_arrays(written)["x"], np.array([1, 255], np.uint8))


class Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "hostile",
    [
        Call(os.system, "true"),
        Call(eval, "1 + 1"),
        Call(subprocess.check_output, ["true"]),
        Call(getattr, "", "join"),
        Call(np.load, "x"),
        Call(open, "/dev/null"),
        np.array([{}], object),
        np.zeros(2, [("a", "f8")]),
    ],
)
def test_everything_else_is_refused(hostile):
    with pytest.raises(pickle.UnpicklingError, match=r"not admitted|not serial|damaged"):
        loads_arrays(pickle.dumps({"x": hostile}))


def test_other_things_than_dicts_are_refused():
    with pytest.raises(pickle.UnpicklingError, match="holds a list"):
        loads_arrays(pickle.dumps([1]))


def test_a_huge_memo_number_costs_nothing():
    """It would make the unpickler in C allocate and clear 32 GB."""
    assert loads_arrays(b"}r\xff\xff\xff\x7f.") == {}


def test_a_huge_byte_array_is_refused():
    """Its opcode would allocate and clear what it claims to hold."""
    with pytest.raises(pickle.UnpicklingError, match="8589934592 bytes is cut off"):
        loads_arrays(b"\x80\x05\x96" + (1 << 33).to_bytes(8, "little") + b".")


@pytest.mark.parametrize("target", [b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy\ndtype\n", b"}"])
def test_state_is_for_stand_ins_alone(target):
    """Set on an admitted function it would still be there when the next file is read."""
    with pytest.raises(pickle.UnpicklingError, match=r"state for a (function|type|dict) is not admitted"):
        loads_arrays(target + b"N}S'__defaults__'\nNs\x86b.")


class Box(ArrayStandIn):
    def array(self, depth):
        return plain_array(self.state["content"], depth)


def test_stand_ins_take_the_state_of_what_the_caller_admits():
    content = b"(dS'x'\nclibrary\nBox\n)\x81}S'content'\n]I1\naF2.5\nasbs."
    with pytest.raises(pickle.UnpicklingError, match=r"library\.Box, which is not admitted"):
        loads_arrays(content)
    loaded = loads_arrays(content, {("library", "Box"): Box})
    np.testing.assert_array_equal(plain_array(loaded["x"]), [1, 2.5])
    with pytest.raises(pickle.UnpicklingError, match="has a int as its state"):
        loads_arrays(content.replace(b"}S'content'\n]I1\naF2.5\nas", b"I1\n"), {("library", "Box"): Box})


def test_nested_lists_are_no_arrays():
    """Five lists of ten references to the one before are 10^5 numbers."""
    nested = [0.0]
    for _ in range(5):
        nested = [nested] * 10
    loaded = loads_arrays(pickle.dumps({"x": nested, "y": (1, np.float32(2))}))
    with pytest.raises(pickle.UnpicklingError, match="expected an array, got a list"):
        plain_array(loaded["x"])
    np.testing.assert_array_equal(plain_array(loaded["y"]), [1, 2])


def test_mutated_pickles_load_or_are_refused():
    random, loaded = np.random.default_rng(0), 0
    originals = [np.frombuffer(pickle.dumps(CONTENT, protocol), np.uint8) for protocol in (0, 2, 4, 5)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for round_ in range(2000):
            content = originals[round_ % 4].copy()
            places = random.integers(len(content), size=random.integers(1, 6))
            content[places] = random.integers(256, size=len(places))
            kept = len(content) if random.random() < 0.7 else random.integers(len(content))
            with contextlib.suppress(pickle.UnpicklingError):
                loaded += isinstance(loads_arrays(content[:kept].tobytes()), dict)
    assert 50 < loaded < 1950
