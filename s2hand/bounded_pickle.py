"""An unpickler for files of unknown origin, which builds plain containers, numbers, text and stand-ins.

A pickle of 200 bytes can ask for endless work and memory, by containers that refer to the one before over and
over. Four rules bound it: dict keys and set members are plain, as a tuple's hash visits all that it refers
to; numbers are short; what is passed to functions is limited in sum; and what has been read is neither deep
nor, with every reference written out, large.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

PLAIN_KEYS = (str, int, float, bytes, type(None))
"""Kinds of dict keys and set members that are hashed in no time."""

MAX_INT_BYTES = 64
"""Longest number. Keys, counters and seeds have eight bytes, torch's magic number has ten."""

MAX_DIGITS = 150
"""Longest number as text."""

MAX_DEPTH = 64
"""Deepest nesting of containers. An optimiser's state has six levels."""

MAX_VALUES = 2_000_000
"""Largest number of values with every reference written out. A large network's training state has 100,000."""

MAX_OPCODES = 1_000_000
"""Longest pickle, some seconds of work; a large network's training state has 300,000 opcodes."""

MAX_PASSED = 1 << 28
"""Largest sum of the lengths of what is passed to functions, which may copy it again and again."""

REFUSED_OPCODES = {opcode[0] for opcode in (pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX)} | {
    opcode[0] for opcode in (pickle.EXT1, pickle.EXT2, pickle.EXT4)
}
"""Other ways to call what is admitted, which no file that is read here uses."""

Admitted = Mapping[tuple[str, str], Any]
"""(module, name) -> what a pickle that asks for this name gets instead."""


class NameNotAdmittedError(pickle.UnpicklingError):
    """A pickle asks for a name that is not admitted; it could run code.

    Attributes:
        name: the name that is asked for, fit for a message.
    """

    def __init__(self, name: str):
        super().__init__(f"it asks for {name}, which is not admitted")
        self.name = name


class StandIn:
    """Stands for an object of another library: takes its attributes, and does nothing with them."""

    state: dict[str, Any]

    def __setstate__(self, state):
        if not isinstance(state, dict):
            raise pickle.UnpicklingError(
                f"{type(self).__name__} has a {type(state).__name__} as its state, expected a dict"
            )
        self.state = state


class BoundedUnpickler(pickle._Unpickler):
    """Reads one pickle.

    It builds on the unpickler written in Python, because the one in C allocates as many memo places as a
    forged number asks for, up to 32 GB.

    Args:
        file: positioned at the pickle; afterwards, behind it.
        admitted: the only names that the pickle may ask for. Functions among them must check their arguments.
        persistent: turns a persistent id into an object; None refuses them.
        takes_state: the classes besides :class:`StandIn` whose objects may be given a state.
    """

    def __init__(
        self,
        file: io.BufferedIOBase,
        admitted: Admitted,
        persistent: Callable[[object], object] | None = None,
        takes_state: tuple[type, ...] = (),
    ):
        super().__init__(file, encoding="latin1")
        self.admitted, self.persistent = admitted, persistent
        self.takes_state = (StandIn, *takes_state)
        self.passed = 0

    def read_value(self) -> object:
        """Reads the pickle.

        Raises:
            pickle.UnpicklingError: it is damaged, exceeds a bound, or asks for a name that is not admitted.
        """
        try:
            value = self.load()
        except pickle.UnpicklingError:
            raise
        except Exception as error:  # a damaged pickle can raise anything
            reason = f"{type(error).__name__} {error}"[:200]
            raise pickle.UnpicklingError(f"it is damaged: {' '.join(reason.split())}") from None
        check_bounds(value)
        return value

    def load(self) -> object:
        """The base class's loop over opcodes, of which there may be ``MAX_OPCODES``."""
        self._unframer = pickle._Unframer(self._file_read, self._file_readline)
        self.read, self.readline = self._unframer.read, self._unframer.readline
        self.readinto = self._unframer.readinto
        self.metastack, self.stack, self.proto = [], [], 0
        self.append = self.stack.append
        try:
            for _ in range(MAX_OPCODES):
                if not (opcode := self.read(1)):
                    raise EOFError("it is cut off")
                self.dispatch[opcode[0]](self)
        except pickle._Stop as stop:
            return stop.value
        raise pickle.UnpicklingError(f"it has more than {MAX_OPCODES:,} opcodes")

    def find_class(self, module: str, name: str):
        admitted = self.admitted.get((module.replace("numpy._core.", "numpy.core."), name))
        if admitted is None:
            raise NameNotAdmittedError(f"{module}.{name}"[:200].encode("unicode_escape").decode())
        return admitted

    def persistent_load(self, pid):
        if self.persistent is None:
            raise pickle.UnpicklingError("it refers to objects outside of the file")
        return self.persistent(pid)

    def load_build(self):
        """Admits state for stand-ins alone: set on a function or class, it would outlive the file."""
        if not isinstance(self.stack[-2], self.takes_state):
            raise pickle.UnpicklingError(f"state for a {type(self.stack[-2]).__name__} is not admitted")
        self._count_passed(self.stack[-1])
        super().load_build()

    def load_reduce(self):
        self._count_passed(self.stack[-1])
        super().load_reduce()

    def _count_passed(self, arguments: object) -> None:
        if isinstance(arguments, tuple):
            lengths = [len(value) for value in arguments if hasattr(value, "__len__")]
            self.passed += len(arguments) + sum(lengths)
        if self.passed > MAX_PASSED:
            raise pickle.UnpicklingError(f"its functions take more than {MAX_PASSED >> 20} MiB")

    def load_bytearray8(self):
        """Reads before it allocates; the base class allocates whatever the opcode claims to hold."""
        length = int.from_bytes(self.read(8), "little")
        content = self.read(length)
        if len(content) < length:
            raise pickle.UnpicklingError(f"a byte array of {length} bytes is cut off")
        self.append(bytearray(content))

    def load_tuple1(self):
        """Refuses a pickle that does nothing but nest early, not after all its opcodes."""
        value, depth = self.stack[-1], 0
        while type(value) is tuple and value and depth <= MAX_DEPTH:
            value, depth = value[0], depth + 1
        if depth > MAX_DEPTH:
            raise pickle.UnpicklingError(f"its values are nested more than {MAX_DEPTH} deep")
        super().load_tuple1()

    def load_setitem(self):
        _check_key(self.stack[-2])
        super().load_setitem()

    def load_setitems(self):
        _check_keys(self.stack[::2])
        super().load_setitems()

    def load_dict(self):
        _check_keys(self.stack[::2])
        super().load_dict()

    def load_additems(self):
        _check_keys(self.stack)
        super().load_additems()

    def load_frozenset(self):
        _check_keys(self.stack)
        super().load_frozenset()

    def load_long1(self):
        self._append_int(self.read(1)[0])

    def load_long4(self):
        self._append_int(int.from_bytes(self.read(4), "little"))

    def _append_int(self, length: int) -> None:
        if length > MAX_INT_BYTES:
            raise pickle.UnpicklingError(f"a number of {length} bytes, expected at most {MAX_INT_BYTES}")
        self.append(pickle.decode_long(self.read(length)))

    def load_long(self):
        text = self.readline()[:-1].removesuffix(b"L")
        if len(text) > MAX_DIGITS:
            raise pickle.UnpicklingError(f"a number of {len(text)} digits, expected at most {MAX_DIGITS}")
        self.append(text == b"01" if text in (b"00", b"01") else int(text))

    dispatch = {  # noqa: RUF012 (overrides the base class's own)
        **{code: load for code, load in pickle._Unpickler.dispatch.items() if code not in REFUSED_OPCODES},
        pickle.BUILD[0]: load_build,
        pickle.REDUCE[0]: load_reduce,
        pickle.BYTEARRAY8[0]: load_bytearray8,
        pickle.TUPLE1[0]: load_tuple1,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.DICT[0]: load_dict,
        pickle.ADDITEMS[0]: load_additems,
        pickle.FROZENSET[0]: load_frozenset,
        pickle.LONG1[0]: load_long1,
        pickle.LONG4[0]: load_long4,
        pickle.LONG[0]: load_long,
        pickle.INT[0]: load_long,
    }


def plain_set(members: object = ()) -> set:
    """Stands for ``set`` where a pickle calls it."""
    if not isinstance(members, list | tuple):
        raise pickle.UnpicklingError(f"a set of a {type(members).__name__}, expected a list")
    _check_keys(members)
    return set(members)


class DictWithState(dict):
    """Stands for an ``OrderedDict``, whose attributes are dropped; torch gives state dicts some."""

    def __setstate__(self, state):
        pass


def plain_dict(pairs: object = ()) -> DictWithState:
    """Stands for ``OrderedDict`` where a pickle calls it."""
    if not isinstance(pairs, list | tuple):
        raise pickle.UnpicklingError(f"a dict of a {type(pairs).__name__}, expected a list of pairs")
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise pickle.UnpicklingError(f"a dict of a list of {type(pair).__name__}, expected pairs")
        _check_key(pair[0])
    return DictWithState(pairs)


def check_bounds(value: object) -> None:
    """Refuses what is too deep or, with every reference written out, too large.

    Args:
        value: what a pickle holds.

    Raises:
        pickle.UnpicklingError: it exceeds ``MAX_DEPTH`` or ``MAX_VALUES``; all that refers to itself does.
    """
    left, count = [(value, 0)], 0
    while left:
        value, depth = left.pop()
        if isinstance(value, StandIn):
            inner = getattr(value, "state", {}).values()
        elif isinstance(value, dict):
            inner = value.values()
        elif isinstance(value, list | tuple):
            inner = value
        else:
            continue
        count += len(inner)
        if depth >= MAX_DEPTH:
            raise pickle.UnpicklingError(f"its values are nested more than {MAX_DEPTH} deep")
        if count > MAX_VALUES:
            raise pickle.UnpicklingError(f"it amounts to more than {MAX_VALUES:,} values")
        left.extend((item, depth + 1) for item in inner)


def _check_keys(keys: object) -> None:
    for key in keys:
        _check_key(key)


def _check_key(key: object) -> None:
    if not isinstance(key, PLAIN_KEYS):
        raise pickle.UnpicklingError(f"a {type(key).__name__} as a key, expected a number or text")
