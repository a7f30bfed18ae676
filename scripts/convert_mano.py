"""Converts a licensed MANO pickle to a plain .npz, which loads faster and runs no code when read.

    python scripts/convert_mano.py MANO_RIGHT.pkl [MANO_RIGHT.npz]

The result is as licensed as its source: keep it to yourself.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from s2hand.errors import S2HandError
from s2hand.hand import load_hand_model, save_hand_model


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, help="MANO_RIGHT.pkl")
    parser.add_argument("target", type=Path, nargs="?", help="the .npz; by default beside the source")
    options = parser.parse_args(arguments)
    target = options.target or options.source.with_suffix(".npz")
    try:
        save_hand_model(load_hand_model(options.source), target)
    except S2HandError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"wrote {target}; set hand_model to this path")
    return 0


if __name__ == "__main__":
    sys.exit(main())
