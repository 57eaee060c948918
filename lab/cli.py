"""The command line of the rehearsal: reads what is wanted, runs it, says how it ended."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from lab.operate import BARE, Asked, Operation, Outcome
from lab.packages import COMMAND
from lab.parts import Parts
from lab.pipe import lasting, status
from lab.session import FOLDER, ROOT, Session, UnreadableWorldError
from lab.stack_file import WrongUse
from lab.view import View, wrapped
from lab.view_json import JsonView
from lab.view_plain import PlainView

DESCRIPTION = (
    "Rehearses gpu-ready: the real program, a built-in engine, simulated hosts and cluster. Nothing real is touched."
)
EPILOG = """\
STACK is a name in stacks/ or a path to a stack file.
--set PATH=VALUE changes the config for this run: --set gpu.operator=external
--set world.PATH=VALUE turns a switch of the simulated world and stays: --set world.operator.fault=stuck,
  --set world.hosts.tesla.ssh=silent, --set world.hosts.rtx.fault=containerd-refuses
exit status: 0 fine, 1 failed, 2 wrong use
"""
STOPPED = "Stopped; nothing was begun."
SPEED, WATCHED_SPEED = "GPU_READY_SPEED", 25.0
CLEAR = "forget what an interrupted operation was creating: somebody has seen what became of it"
OPERATIONS = {
    "preview": "what up would do",
    "up": "make it, and prove that GPU pods run",
    "refresh": "compare the state with the simulated cluster",
    "destroy": "take back all that up made",
    "state": "what is there",
}


@dataclass(frozen=True)
class Streams:
    """Where we read and write; tests put their own here."""

    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    stdout: TextIO = field(default_factory=lambda: lasting(sys.stdout))
    stderr: TextIO = field(default_factory=lambda: lasting(sys.stderr))

    def status(self, exit: int) -> int:
        """What this process ends with."""
        return status(exit, self.stdout, self.stderr)


def parser() -> argparse.ArgumentParser:
    """The command line as `--help` shows it."""
    top = argparse.ArgumentParser(
        prog=COMMAND,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="op", required=True, metavar="|".join(OPERATIONS))
    for op, what in OPERATIONS.items():
        one = commands.add_parser(op, help=what, description=what, epilog=EPILOG, formatter_class=top.formatter_class)
        one.add_argument("-s", "--stack", required=True, metavar="STACK")
        one.add_argument("--json", action="store_true", help="one JSON object on stdout, nothing else")
        one.add_argument("--yes", action="store_true", help="do not preview and ask first")
        one.add_argument("--set", action="append", default=[], dest="changes", metavar="PATH=VALUE")
        one.add_argument("--no-color", action="store_true")
        if op == "refresh":
            one.add_argument("--clear-pending-creates", action="store_true", help=CLEAR)
    return top


def view_for(options: argparse.Namespace, out: TextIO) -> View:
    """A tree for a terminal, plain lines otherwise; rich is loaded for a terminal only."""
    if options.json:
        return JsonView()
    if not out.isatty() or os.environ.get("TERM") == "dumb":
        return PlainView(out)
    from rich.console import Console

    from lab.view_tree import TreeView

    return TreeView(Console(file=out, no_color=options.no_color or None, highlight=False))


def speed(out: TextIO) -> float:
    """Simulated seconds in a real one: a person wants to watch (0 = no waiting at all)."""
    given = os.environ.get(SPEED, "")
    if not given:
        return WATCHED_SPEED if out.isatty() else 0.0
    try:
        return float(given)
    except ValueError:
        raise WrongUse(f"{SPEED}={given}: a number belongs there, for example {WATCHED_SPEED:g}.") from None


def perform(options: argparse.Namespace, streams: Streams, parts: Parts | None = None, root: Path = ROOT) -> Outcome:
    """Runs one command and turns every way to fail into a sentence and an exit status."""
    view = view_for(options, streams.stdout)
    try:
        session = Session(options.stack, options.changes, root, parts, speed(streams.stdout))
        asked = Asked(options.yes, options.json, getattr(options, "clear_pending_creates", False))
        outcome = Operation(options.op, session, view, streams.stdin, asked).run()
    except WrongUse as fault:
        outcome = Outcome(2, error=str(fault))
    except KeyboardInterrupt:
        outcome = Outcome(1, error=STOPPED)
    except Exception as error:
        outcome = Outcome(1, error=_sentence(error, root))
    _print_end(options, view, streams, outcome)
    return outcome


def _sentence(error: Exception, root: Path) -> str:
    """What the user can act on; for a fault of ours, where the details are."""
    from lab.state_lock import StateError

    if isinstance(error, (StateError, UnreadableWorldError)):
        return str(error)
    if isinstance(error.__cause__, KeyboardInterrupt):
        return STOPPED  # it came while a class was made
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    folder = Path(os.environ.get(FOLDER) or root / ".lab")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"crash-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return f"This is a fault of the rehearsal, not yours ({type(error).__name__}: {error}). Details: {path}"


def _print_end(options: argparse.Namespace, view: View, streams: Streams, outcome: Outcome) -> None:
    if isinstance(view, JsonView):
        json.dump(_document(options, view, outcome), streams.stdout, default=str)
        streams.stdout.write("\n")
    elif outcome.error:
        width = shutil.get_terminal_size().columns if streams.stderr.isatty() else sys.maxsize
        streams.stderr.write("".join(f"{wrapped(line, width)}\n" for line in outcome.error.splitlines()))


def _document(options: argparse.Namespace, view: JsonView, outcome: Outcome) -> dict[str, Any]:
    document = {"op": options.op, "stack": options.stack, **BARE, **view.document(), **outcome.document}
    if outcome.error:
        document["diagnostics"] = [*document["diagnostics"], {"severity": "error", "text": outcome.error}]
        document["result"] = "refused" if outcome.exit == 2 else "failed"
    return document


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of `python -m lab`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    streams = Streams()
    return streams.status(perform(parser().parse_args(argv), streams).exit)
