"""Runs the experiment of a JSON file: ``python examples/train.py --config_json FILE``.

The same as ``s2hand train FILE``; with several GPUs, ``torchrun --nproc-per-node N examples/train.py ...``.
"""

import argparse
import sys

from s2hand.cli import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config_json", required=True, metavar="FILE", help="the experiment's JSON")
    arguments, others = parser.parse_known_args()
    sys.exit(main(["train", arguments.config_json, *others]))
