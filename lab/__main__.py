"""`python -m lab`: the rehearsal on the command line."""

import sys

from lab.cli import main

sys.exit(main())
