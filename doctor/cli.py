"""The command line of the doctor: reads what is wanted, runs it, and turns each way to fail into a sentence."""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from doctor import first_contact, plan, rehearsal
from doctor.programs import Programs
from doctor.ssh import Door
from doctor.stack_text import MADE_UP_CONTEXT
from doctor.streams import Streams
from doctor.words import plain
from settings.stack_file import WrongUse

ROOT = Path(__file__).resolve().parents[1]
DESCRIPTION = (
    "Looks at the hosts of a stack over ssh and says what is so and what up would do. Changes nothing on them."
)
EPILOG = """\
Keys come from the ssh-agent, or from --identity FILE; a key that stands encrypted in a stack file is Pulumi's alone.
--rehearsal talks to simulated machines instead (init: to machines like those of the stack demo).
exit status: 0 fine, 1 a host is refused or cannot be reached, 2 wrong use
"""


def parser() -> argparse.ArgumentParser:
    """The command line as `--help` shows it."""
    shown = {"epilog": EPILOG, "formatter_class": argparse.RawDescriptionHelpFormatter}
    top = argparse.ArgumentParser(prog=".venv/bin/python -m doctor", description=DESCRIPTION, **shown)  # type: ignore[arg-type]
    commands = top.add_subparsers(dest="op", required=True, metavar="plan|init")
    what = "the facts of each host, and what up would do there"
    one = commands.add_parser("plan", help=what, description=what, **shown)  # type: ignore[arg-type]
    one.add_argument("-s", "--stack", required=True, metavar="STACK", help="a name in stacks/, or a path")
    one.add_argument("--json", action="store_true", help="one JSON object on stdout, nothing else")
    _ways_in(one)
    what = "first contact: host keys shown and pinned, facts read, a stack file written"
    one = commands.add_parser("init", help=what, description=what, **shown)  # type: ignore[arg-type]
    one.add_argument("name", metavar="STACK", help="name of the new stack")
    one.add_argument(
        "--host",
        action="append",
        required=True,
        dest="hosts",
        metavar="NAME=[USER@]ADDRESS[:PORT]",
        help="a host, such as rtx=ubuntu@192.168.1.20; may be repeated",
    )
    one.add_argument("--context", metavar="CONTEXT", help="context of the kubeconfig whose nodes the hosts are")
    one.add_argument(
        "--accept-host-key",
        action="append",
        default=[],
        dest="accepted",
        metavar="SHA256:...",
        help="fingerprint of a host key that is right; asks nothing then",
    )
    one.add_argument("--force", action="store_true", help="write over a stack file that is there")
    _ways_in(one)
    return top


def _ways_in(command: argparse.ArgumentParser) -> None:
    command.add_argument("--identity", metavar="FILE", help="private key for ssh, instead of the ssh-agent")
    command.add_argument(
        "--sudo-password-prompt", action="store_true", dest="asks_password", help="ask once for the password of sudo"
    )
    command.add_argument("--rehearsal", action="store_true", help="the simulated machines, nothing real")


def perform(options: argparse.Namespace, streams: Streams, root: Path = ROOT, programs: Programs | None = None) -> int:
    """Runs one command to its exit status."""
    try:
        return _run(options, streams, root, programs)
    except WrongUse as fault:
        status, why = 2, str(fault)
    except KeyboardInterrupt:
        status, why = 1, "Stopped; nothing was changed."
    except BrokenPipeError:
        raise
    except Exception as error:
        status, why = 1, _ours(error)
    if getattr(options, "json", False):
        streams.say(json.dumps({"op": options.op, "stack": options.stack, "changed": False, "error": why}))
    else:
        streams.complain(why)
    return status


def _run(options: argparse.Namespace, streams: Streams, root: Path, programs: Programs | None) -> int:
    identity = _identity(options.identity)
    if options.rehearsal:
        programs = Programs(rehearsal.environment(root, *_rehearsed(options, root)))
    run = plan.run if options.op == "plan" else first_contact.run
    return run(options, streams, root, Door(programs or Programs(), identity, rehearsal=options.rehearsal))


def _rehearsed(options: argparse.Namespace, root: Path) -> tuple[str, ...]:
    if options.op == "plan":
        return (options.stack,)
    first_contact.checked(options, root)
    return rehearsal.WORLD, options.name, options.context or MADE_UP_CONTEXT


def _ours(error: Exception) -> str:
    """Nobody can act on a traceback; with the place of the fault somebody can be told."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).parent.name}/{Path(last.filename).name}:{last.lineno}"
    return f"This is a fault of gpu-ready, not yours ({type(error).__name__} at {where}: {plain(str(error))})."


def _identity(given: str | None) -> str:
    if not given:
        return ""
    path = Path(given).expanduser()
    try:
        with path.open("rb"):
            return str(path)
    except OSError as error:
        raise WrongUse(f"--identity {given}: {error.strerror or error}.") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of `python -m doctor`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        return perform(parser().parse_args(argv), Streams())
    except BrokenPipeError:  # the reader went away (`| head`): nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
