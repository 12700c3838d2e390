"""`python -m rtickets` is the `rtickets` command."""

import sys

from rtickets.cli import main

sys.exit(main())
