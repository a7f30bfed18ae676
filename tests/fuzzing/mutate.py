"""Damages files: bytes anywhere, values of JSON, names and numbers of pickles, members of zip archives."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile
from collections.abc import Callable

import numpy as np
from support.hostile_pickles import IN_A_DICT

Mutator = Callable[[bytes, np.random.Generator], bytes]

ODD_VALUES = (
    *(None, True, False, 0, -1, 2**31, 2**63, 10**400, 0.5, 1e308, "", "x" * 5000, "../../../etc/passwd"),
    *("\u0000", "\ud800", [], {}, [[]], [None], {"a": []}),
)
ODD_TEXTS = (
    b"NaN",
    b"Infinity",
    b"1e999",
    b"9" * 5000,
    b"[" * 100_000,
    b'{"a":' * 5000,
    b"\xff\xfe",
    b"",
    b"}",
    b'"',
)

HARMFUL_NAMES = (
    *(("os", "system"), ("posix", "system"), ("nt", "system"), ("builtins", "eval"), ("builtins", "exec")),
    *(("__builtin__", "eval"), ("builtins", "getattr"), ("subprocess", "Popen"), ("operator", "attrgetter")),
    *(("torch", "load"), ("torch.serialization", "load"), ("torch.hub", "load"), ("numpy", "load")),
    *(("shutil", "rmtree"), ("pathlib", "Path"), ("io", "open"), ("argparse", "FileType"), ("os", "mkdir")),
    *(("_codecs", "decode"), ("numpy", "fromfile"), ("numpy", "memmap"), ("runpy", "run_path")),
)
"""What an attack would ask for. Whoever calls one of these leaves a file named ``canary``, or is seen by the
audit hook."""

ZEROS = 1 << 24
"""Bytes of zeros that a member of an archive unpacks to; more would only slow the damaging."""

ODD_COUNTS = (0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF)


def damage_bytes(content: bytes, random: np.random.Generator) -> bytes:
    """One to four of: bits flipped, a piece cut out, repeated, moved or made random, the end cut off."""
    data = bytearray(content)
    for _ in range(random.integers(1, 5)):
        if not data:
            return bytes(random.integers(0, 256, 8, np.uint8))
        start = int(random.integers(len(data)))
        stop = min(len(data), start + int(2 ** random.uniform(0, 9)))
        match random.integers(6):
            case 0:
                data[start] ^= 1 << int(random.integers(8))
            case 1:
                del data[start:stop]
            case 2:
                data[start:start] = data[start:stop]
            case 3:
                data[start:stop] = random.integers(0, 256, stop - start, np.uint8).tobytes()
            case 4:
                number = struct.pack("<q", ODD_COUNTS[random.integers(len(ODD_COUNTS))])
                data[start : start + 8] = number[: int(random.choice([1, 4, 8]))]
            case _:
                del data[start:]
    return bytes(data)


def damage_json(content: bytes, random: np.random.Generator) -> bytes:
    """A value anywhere replaced by an odd one, or text that is no JSON put in."""
    if random.random() < 0.3 or not content:
        place = int(random.integers(len(content) + 1))
        odd = ODD_TEXTS[random.integers(len(ODD_TEXTS))]
        return content[:place] + odd + content[place + int(random.integers(3)) :]
    tree = {"root": json.loads(content)}
    parent, key = tree, "root"
    while isinstance(parent[key], dict | list) and parent[key] and random.random() < 0.8:
        parent = parent[key]
        keys = list(parent) if isinstance(parent, dict) else range(len(parent))
        key = keys[random.integers(len(keys))]
    match random.integers(3):
        case 0 if key != "root":
            del parent[key]
        case 1 if isinstance(parent, dict) and key != "root":
            parent["".join(random.permutation(list(key)))] = parent.pop(key)
        case _:
            parent[key] = ODD_VALUES[random.integers(len(ODD_VALUES))]
    return json.dumps(tree.get("root")).encode()


def damage_pickle(content: bytes, random: np.random.Generator) -> bytes:
    """An opcode that asks for a harmful name put in, or called, or a name of the file's replaced by one."""
    module, name = HARMFUL_NAMES[random.integers(len(HARMFUL_NAMES))]
    call = b"c" + module.encode() + b"\n" + name.encode() + b"\n"
    argument = b"U\x0etouch canary #" + b"\x85R"
    if len(content) < 3:
        return damage_bytes(content, random)
    match random.integers(4):
        case 0:
            return content[:2] + call + argument + b"0" + content[2:]
        case 1:
            place = int(random.integers(2, len(content)))
            return content[:place] + call + (argument if random.random() < 0.5 else b"") + content[place:]
        case 2 if (start := content.find(b"c", int(random.integers(len(content))))) >= 0:
            end = content.find(b"\n", content.find(b"\n", start) + 1) + 1
            return content[:start] + call + content[end:] if end > start else damage_bytes(content, random)
        case _:
            return damage_bytes(content, random)


def plant_structure(content: bytes, random: np.random.Generator) -> bytes:
    """An entry that asks for endless work or memory, put into a dict of a pickle, be it the outermost."""
    places = [place for place, byte in enumerate(content[:4096]) if byte == b"}"[0]]
    if not places:
        return damage_pickle(content, random)
    place = places[0 if random.random() < 0.5 else random.integers(len(places))] + 1
    if content[place : place + 1] == b"q":  # the dict's own place in the memo
        place += 2
    kinds = list(IN_A_DICT)
    return content[:place] + IN_A_DICT[kinds[random.integers(len(kinds))]] + b"s" + content[place:]


def pack_otherwise(content: bytes, random: np.random.Generator) -> bytes:
    """An archive packed by another method, at times with a member of zeros added or one replaced by zeros."""
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    match random.integers(4):
        case 0:
            members.append(("extra.npy", bytes(ZEROS)))
        case 1:
            chosen = int(random.integers(len(members)))
            members[chosen] = (members[chosen][0], bytes(ZEROS))
        case 2:
            members.append(members[0])
    packed = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(packed, "w", methods[random.integers(4)]) as archive:
        warnings.simplefilter("ignore", UserWarning)  # of two members of one name
        for name, data in members:
            archive.writestr(name, data)
    return packed.getvalue()


def inside_zip(mutate: Mutator) -> Mutator:
    """Damages one member and packs it again, with the right checksum; at times renames or drops it."""

    def damaged(content: bytes, random: np.random.Generator) -> bytes:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(name, archive.read(name)) for name in archive.namelist()]
        chosen = int(random.integers(len(members)))
        # Pickles are where the danger is: take one every other time.
        pickles = [number for number, (name, _) in enumerate(members) if name.endswith(".pkl")]
        if pickles and random.random() < 0.5:
            chosen = pickles[0]
        name, data = members[chosen]
        match random.integers(8):
            case 0:
                del members[chosen]
            case 1:
                members[chosen] = (("../canary", "/tmp/canary", "x" * 300)[random.integers(3)], data)
            case _:
                members[chosen] = (name, mutate(data, random))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, data in members:
                archive.writestr(name, data)
        return packed.getvalue()

    return damaged
