"""Writes a synthetic dataset in FreiHAND's or HO-3D's layout: ``make_synthetic.py FOLDER --train 4000``."""

import argparse
import sys

from s2hand.errors import DatasetError
from s2hand.hand import HandModelError
from s2hand.synthetic import write_synthetic_dataset


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", help="folder to write")
    parser.add_argument("--train", type=int, default=2000, help="training images (%(default)s)")
    parser.add_argument("--evaluation", type=int, default=300, help="evaluation images (%(default)s)")
    parser.add_argument("--layout", default="freihand", help="freihand, ho3d_v2 or ho3d_v3 (%(default)s)")
    parser.add_argument("--image-size", type=int, help="width in pixels (224, for HO-3D's layout 640)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hand-model", default="generic", help="generic, or a MANO .pkl or .npz file")
    parser.add_argument("--backgrounds", help="folder of photos to put behind the hands")
    parser.add_argument("--processes", type=int, help="one for each core if not given")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a synthetic dataset of other settings"
    )
    options = vars(parser.parse_args(arguments))
    try:
        summary = write_synthetic_dataset(options.pop("root"), **options)
    except (DatasetError, HandModelError) as error:
        sys.exit(f"error: {error}")
    print(f"{summary.root}: {'already there' if summary.reused else 'written'}")
    for split, numbers in summary.statistics.items():
        print(f"  {split}: " + ", ".join(f"{name} {value:g}" for name, value in numbers.items()))


if __name__ == "__main__":
    main()
