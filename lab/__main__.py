"""`python -m lab`: the rehearsal on the command line."""

import sys

from lab import packages

packages.demand("lab")

from lab.cli import main  # noqa: E402 - a bare Python has to get a sentence, not a traceback

sys.exit(main())
