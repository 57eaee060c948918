"""`python -m bench`: measures, prints the tables; exit status 1 when a figure is past its limit."""

import argparse
import sys

from bench import engine, hosts, start

PATIENCE = 3


def main() -> int:
    """All figures; those of many hosts, which take longest, last."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each kind (default 5)")
    rounds = parser.parse_args().rounds
    costs = start.measure(rounds)
    for _ in range(PATIENCE):
        # A busy machine only ever adds: more rounds bring the least nearer to the truth, never below it.
        costs = costs if start.kept(costs) else start.measure(2 * rounds, costs)
    fine = start.report(costs)
    print()
    engine.report(rounds)
    print()
    return 0 if hosts.report(hosts.measure(2)) and fine else 1


if __name__ == "__main__":
    sys.exit(main())
