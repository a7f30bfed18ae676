"""Keeps the detections of the photos that the bundled network may be fitted to.

    s2hand detect PHOTOS --out PHOTOS/detections.json
    python scripts/fit_half.py PHOTOS
    PHOTOS_PATH=PHOTOS s2hand train configs/Small/train.json

:mod:`s2hand.benchmark.photo_split` says what the folder holds and which half is kept; the other one is for
measuring. ``fit_half.json`` is written beside ``detections.json``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from s2hand.benchmark.photo_split import FOLDERS, in_fit_half
from s2hand.datasets.json_files import read_json, write_json

SOURCE, KEPT = "detections.json", "fit_half.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of photos with detections.json")
    photos = parser.parse_args().photos
    detections = read_json(photos / SOURCE, remedy="run `s2hand detect` again")
    kept = [
        image
        for image in detections["images"]
        if image["name"].split("/")[0] in FOLDERS and in_fit_half(image["name"])
    ]
    write_json(photos / KEPT, detections | {"images": kept})
    print(f"{photos / KEPT}: {len(kept)} of {len(detections['images'])} hands")


if __name__ == "__main__":
    main()
