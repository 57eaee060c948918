"""`python -m lab.demo`: the whole product in seven acts against simulated hosts and a cluster; each checks itself."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import packages

packages.demand("lab.demo")

# ruff: noqa: E402 - a bare Python has to get a sentence, not a traceback
from lab.cli import Streams, parser, perform
from lab.operate import Outcome
from lab.packages import COMMAND
from lab.parts import Parts
from lab.session import FOLDER, ROOT
from lab.view import seconds_text, wrapped

STACK = "demo"
LIMIT_SECONDS = 60


@dataclass(frozen=True)
class Act:
    """One command, what the reader should see, and what has to be true afterwards."""

    title: str
    look_for: str
    words: tuple[str, ...]
    holds: Callable[[Outcome], bool]
    claim: str


def fine(outcome: Outcome) -> bool:
    """It ended well."""
    return outcome.exit == 0


def made_something(outcome: Outcome) -> bool:
    """It ended well, and not for nothing."""
    return fine(outcome) and outcome.changed > 0


def changed_nothing(outcome: Outcome) -> bool:
    """It ended well and found everything as it should be."""
    return fine(outcome) and outcome.changed == 0


def names(failure: str) -> Callable[[Outcome], bool]:
    """It failed, and the failure of the catalog was named together with its fix."""

    def named(outcome: Outcome) -> bool:
        return outcome.exit == 1 and any(failure in text and "fix:" in text for text in outcome.failures)

    return named


def asked_nobody(outcome: Outcome) -> bool:
    """It found everything as it should be, and did not even connect to a host."""
    return changed_nothing(outcome) and outcome.document.get("contacts") == {}


def gave_back(outcome: Outcome) -> bool:
    """All was taken back: cluster and hosts, compared file by file with their start, but for what was announced."""
    stays = outcome.document.get("stays", {})
    return made_something(outcome) and stays.get("unexpected") in ([], ()) and not stays.get("unknown")


UNASKED, UNASKED_NAMED = "bareMetal.hosts.1.reboot=never", "HST-64"
BROKEN, NAMED = "validation.gpus=8", "SCH-1"
ACTS = (
    Act(
        "preview",
        "what would be made on each host and in the cluster, and who owns driver, toolkit, plugin and RuntimeClass",
        ("preview",),
        made_something,
        "the preview shows resources to create",
    ),
    Act(
        "a host that must reboot, and may not",
        f"with {UNASKED} the host tesla is refused before anything on it is changed: id, layer and fix",
        ("up", "--yes", "--set", UNASKED),
        names(UNASKED_NAMED),
        f"up fails with {UNASKED_NAMED} and its fix",
    ),
    Act(
        "up",
        "drivers, toolkits and runtimes; tesla reboots and comes back with a new boot id; each host is found as its "
        "node; then CUDA runs on both; a workload to copy",
        ("up", "--yes"),
        made_something,
        "up succeeds",
    ),
    Act(
        "up again",
        "0 changes: no script is run, no host is connected to",
        ("up", "--yes"),
        asked_nobody,
        "the second up changes nothing and connects to no host",
    ),
    Act(
        "a broken one",
        f"with {BROKEN} no node has enough cards: the gate fails and names layer, id and fix",
        ("up", "--yes", "--set", BROKEN),
        names(NAMED),
        f"up fails with {NAMED} and its fix",
    ),
    Act(
        "fixed",
        "the setting is right again, and the same up is green; the hosts are not even asked",
        ("up", "--yes"),
        made_something,
        "up succeeds again",
    ),
    Act(
        "destroy",
        "all is taken back, on the hosts file by file; what stays is named",
        ("destroy", "--yes"),
        gave_back,
        "destroy gives hosts and cluster back as they were",
    ),
)


def play(acts: Sequence[Act], streams: Streams, parts: Parts | None = None, root: Path = ROOT) -> list[str]:
    """Plays all acts until one does not end as claimed; returns what was not true."""
    for number, act in enumerate(acts, 1):
        shown = " ".join([COMMAND, act.words[0], "-s", STACK, *act.words[1:]])
        out = streams.stdout
        look_for = wrapped(f"look for: {act.look_for}", 78)
        out.write(f"\n== {number}/{len(acts)} {act.title} ==\n{look_for}\n$ {shown}\n\n")
        out.flush()
        outcome = perform(parser().parse_args([*act.words, "-s", STACK]), streams, parts, root)
        if not act.holds(outcome):
            return [f"{act.title}: it was claimed that {act.claim}; that is not so (exit status {outcome.exit})"]
    return []


def fresh(folder: Path) -> None:
    """Begins without a world; what was there before is kept beside, in case somebody was playing with it."""
    if folder.exists():
        kept = folder.with_name(f"{folder.name}.before")
        shutil.rmtree(kept, ignore_errors=True)
        folder.rename(kept)


def main() -> int:
    """Entry of `python -m lab.demo`."""
    began = time.monotonic()
    fresh(Path(os.environ.get(FOLDER) or ROOT / ".lab") / STACK)
    streams = Streams()
    wrong = play(ACTS, streams)
    took = time.monotonic() - began
    if took > LIMIT_SECONDS:
        wrong.append(f"the demo took {seconds_text(took)}; {LIMIT_SECONDS}s were promised")
    for line in wrong:
        streams.stderr.write(f"demo: {line}\n")
    if not wrong:
        streams.stdout.write(
            f"\n{len(ACTS)} of {len(ACTS)} acts ended as claimed in {seconds_text(took)}. All of it was simulated.\n"
        )
        streams.stdout.write(f"next: play with it ({COMMAND} up -s demo), or take a real cluster (stacks/README.md)\n")
    return streams.status(1 if wrong else 0)


if __name__ == "__main__":
    sys.exit(main())
