"""`python -m bench`: measures, prints the tables; exit status 1 when a figure is past its limit."""

import argparse
import sys

from bench import engine, hosts, start

PATIENCE = 3


def main() -> int:
    """The figures of program and engine; or those of many hosts, which take minutes."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each kind (default 5)")
    parser.add_argument("--hosts", action="store_true", help="a stack of many hosts instead")
    given = parser.parse_args()
    if given.hosts:
        return 0 if hosts.report(hosts.measure(1)) else 1
    rounds = given.rounds
    costs = start.measure(rounds)
    for _ in range(PATIENCE):
        # On a busy machine the middle of few rounds says little.
        costs = costs if start.kept(costs) else start.measure(2 * rounds, costs)
    fine = start.report(costs)
    print()
    engine.report(rounds)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
