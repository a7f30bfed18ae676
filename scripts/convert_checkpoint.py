#!/usr/bin/env python3
"""Converts a published S2HAND checkpoint (.t7) to safetensors and JSON, which hold no code."""

import argparse
import sys
from pathlib import Path

from s2hand.checkpoints import CheckpointError
from s2hand.checkpoints.converted import convert_published


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="the .t7")
    parser.add_argument("destination", type=Path, nargs="?", help="a .safetensors (default: beside it)")
    options = parser.parse_args()
    try:
        written = convert_published(
            options.source, options.destination or options.source.with_suffix(".safetensors")
        )
    except (CheckpointError, OSError) as error:
        sys.exit(f"convert_checkpoint: {error}")
    for path in written:
        print(path)


if __name__ == "__main__":
    main()
