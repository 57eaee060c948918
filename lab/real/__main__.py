"""python -m lab.real setup | up | down: the lab of real parts, to look around in."""

from __future__ import annotations

import argparse
import sys

from lab.real.hosts.packages import NotHere
from lab.real.tools import MissingError

COMMANDS = {
    "setup": "installs and builds what the lab needs",
    "up": "brings it up, makes a stack ready, and leaves it there",
    "down": "ends it",
}


def main(argv: list[str]) -> int:
    """0 fine, 1 failed, 2 something is missing here, or wrong use."""
    top = argparse.ArgumentParser(prog="python -m lab.real", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    for name, what in COMMANDS.items():
        commands.add_parser(name, help=what, description=what)
    asked = top.parse_args(argv).command
    try:
        return _run(asked)
    except (MissingError, NotHere) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2


def _run(asked: str) -> int:
    if asked == "setup":
        from lab.real import setup

        setup.run()
        return 0
    from lab.real import kept

    return kept.up() if asked == "up" else kept.down()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
