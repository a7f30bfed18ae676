"""``python -m s2hand.cli`` is the ``s2hand`` command."""

import sys

from s2hand.cli import main

sys.exit(main())
