"""``python -m s2hand.cli`` is the ``s2hand`` command, as ``python -m s2hand`` is."""

import sys

from s2hand.cli import main

if __name__ == "__main__":
    sys.exit(main())
