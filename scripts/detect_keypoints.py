#!/usr/bin/env python3
"""Finds hand keypoints on images: ``detect_keypoints.py FOLDER --weights hand_pose_model.pth --out FILE``.

The same as ``s2hand detect``, whose help lists the options.
"""

import sys

from s2hand.cli import main

if __name__ == "__main__":
    sys.exit(main(["detect", *sys.argv[1:]]))
