"""``python -m s2hand`` is the ``s2hand`` command."""

import sys

from s2hand.cli import main

if __name__ == "__main__":
    sys.exit(main())
