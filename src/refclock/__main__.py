"""``python -m refclock``."""

import sys

from refclock.cli import main

sys.exit(main())
