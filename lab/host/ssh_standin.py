"""Stand-ins for `ssh` and `ssh-keyscan` that reach the machines of a simulated world, for programs that call them.

`python -m lab.host.ssh_standin STACK` prints the environment in which they come first. They know what OpenSSH 9 was
seen to say and how it ends; what they cannot do they refuse.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from lab.cluster.hosts import folder_of
from lab.cluster.world import World
from lab.host.machine import LOST, Machine
from lab.providers.transport import Script

if TYPE_CHECKING:
    from lab.session import Session

ROOT = Path(__file__).resolve().parents[2]
OF_SSH = 255
KERNEL_GIVES_UP_SECONDS, UNREACHABLE_SECONDS = 127.0, 3.1
# What the stand-in obeys, and what has no meaning in a simulated network.
OBEYED = ("userknownhostsfile", "stricthostkeychecking", "hostkeyalias", "connecttimeout", "batchmode")
WITHOUT_MEANING = (
    "globalknownhostsfile", "checkhostip", "updatehostkeys", "preferredauthentications", "connectionattempts",
    "serveraliveinterval", "serveralivecountmax", "loglevel", "identityfile", "identitiesonly",
)  # fmt: skip
FLAGS, WITH_VALUE = "T", "Flpio"
KINDS = {"ed25519": "ssh-ed25519", "ecdsa": "ecdsa-", "rsa": "ssh-rsa"}
OTHER_KEY = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
Host key verification failed."""


class Ended(Exception):
    """It comes to nothing; the text is what is said."""


class Call(NamedTuple):
    """An ssh command line, read."""

    address: str
    command: str
    port: int
    user: str
    options: dict[str, str]


def ssh(argv: Sequence[str], world: Path) -> int:
    """Runs a command on a simulated machine, as ssh does."""
    try:
        call = read_call(argv)
        machine = reached(world, call.address, call.port, float(call.options.get("connecttimeout") or 0))
        check_key(machine, call)
        if machine.door() == "denied" or call.user != machine.user:
            raise Ended(f"{call.user}@{call.address}: Permission denied (publickey).")
    except Ended as why:
        sys.stderr.write(f"{why}\n")
        return OF_SSH
    script = Script(call.command, ("sh", "-c"), sys.stdin.read())
    return _passed_on(machine.run(script, call.user), call)


def _passed_on(ended: object, call: Call) -> int:
    for stream in ("stdout", "stderr"):
        getattr(sys, stream).buffer.write(getattr(ended, stream))
    ending = str(getattr(ended, "ending", ""))
    if ending == LOST:
        sys.stderr.write(f"Connection to {call.address} closed by remote host.\n")
    status = re.fullmatch(r"exit status (\d+)", ending)
    return int(status[1]) if status else OF_SSH if ending else 0


def read_call(argv: Sequence[str]) -> Call:
    """The command line, by the rules of getopt; an option that it does not know is refused as ssh does."""
    left, given, options = list(argv), {"p": "22", "l": "root"}, dict[str, str]()
    while left and left[0].startswith("-") and left[0] != "--":
        flag = left.pop(0)[1:]
        if flag in FLAGS:
            continue
        if flag not in WITH_VALUE or not left:
            raise Ended(f"unknown option -- {flag}")
        value = left.pop(0)
        options |= _option(value) if flag == "o" else {}
        given[flag] = value
    left = left[1:] if left[:1] == ["--"] else left
    if len(left) < 2:
        raise Ended("the stand-in for ssh runs commands only: ssh [OPTION ...] ADDRESS COMMAND")
    return Call(left[0], " ".join(left[1:]), int(given["p"]), given["l"], options)


def _option(text: str) -> dict[str, str]:
    name, _, value = text.partition("=")
    if name.lower() not in (*OBEYED, *WITHOUT_MEANING):
        raise Ended(f"command-line: line 0: Bad configuration option: {name.lower()}")
    return {name.lower(): value}


def reached(world: Path, address: str, port: int, limit: float) -> Machine:
    """The machine behind an address, or what a dial says; waiting takes simulated time only."""
    simulated = World(world)
    with simulated.open() as cluster:
        found = [host["name"] for host in cluster.spec["hosts"] if (host["address"], host["port"]) == (address, port)]
    machine = Machine(folder_of(world, found[0])) if found else None
    door = machine.door() if machine else "silent"
    if machine and door in ("up", "denied"):
        return machine
    if door == "refused":
        raise Ended(f"ssh: connect to host {address} port {port}: Connection refused")
    seconds = limit or KERNEL_GIVES_UP_SECONDS
    off = door == "off" and seconds > UNREACHABLE_SECONDS
    simulated.clock.sleep(UNREACHABLE_SECONDS if off else seconds)
    raise Ended(f"ssh: connect to host {address} port {port}: {'No route to host' if off else 'Connection timed out'}")


def check_key(machine: Machine, call: Call) -> None:
    """The key that the caller knows, or none at all."""
    if call.options.get("stricthostkeychecking") != "yes" or call.options.get("batchmode") != "yes":
        raise Ended("the stand-in for ssh asks nobody: it wants StrictHostKeyChecking=yes and BatchMode=yes")
    alias = call.options.get("hostkeyalias", call.address)
    files = shlex.split(call.options.get("userknownhostsfile", "").replace("%%", "%"))
    lines = [line.split() for file in files if Path(file).is_file() for line in Path(file).read_text().splitlines()]
    known = [" ".join(words[1:3]) for words in lines if words[:1] == [alias]]
    if not known:
        raise Ended(
            f"No ED25519 host key is known for {alias} and you have requested strict checking.\n"
            "Host key verification failed."
        )
    if machine.host_key not in known:
        raise Ended(OTHER_KEY)


def keyscan(argv: Sequence[str], world: Path) -> int:
    """Prints the host keys of simulated machines, as ssh-keyscan does."""
    left, given = list(argv), {"p": "22", "t": ",".join(KINDS), "T": "5"}
    while left and left[0].startswith("-") and left[0] != "--":
        flag = left.pop(0)[1:]
        if flag not in given or not left:
            sys.stderr.write(f"unknown option -- {flag}\n")
            return 1
        given[flag] = left.pop(0)
    wanted, port = tuple(KINDS[kind] for kind in given["t"].split(",") if kind in KINDS), int(given["p"])
    addresses = left[1:] if left[:1] == ["--"] else left
    found = [_scanned(world, address, port, float(given["T"]), wanted) for address in addresses]
    return 0 if any(found) else 1


def _scanned(world: Path, address: str, port: int, limit: float, kinds: tuple[str, ...]) -> bool:
    """Who does not answer is passed over in silence."""
    try:
        key = reached(world, address, port, limit).host_key
    except Ended:
        return False
    if not key.startswith(kinds):
        return False
    place = address if port == 22 else f"[{address}]:{port}"
    sys.stderr.write(f"# {address}:{port} SSH-2.0-OpenSSH_9.6\n")
    sys.stdout.write(f"{place} {key}\n")
    return True


# how they get on PATH

PROGRAM = """\
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from lab.host import ssh_standin
sys.exit(getattr(ssh_standin, sys.argv[2])(sys.argv[4:], Path(sys.argv[3])))
"""
NAMES = {"ssh": "ssh", "ssh-keyscan": "keyscan"}


def install(folder: Path, world: Path) -> Path:
    """Puts both into a folder that is to come first on PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, function in NAMES.items():
        call = shlex.join([sys.executable, "-I", "-S", "-c", PROGRAM, str(ROOT), function, str(world.resolve())])
        target, new = folder / name, folder / f"{name}.new"
        new.write_text(f'#!/bin/sh\nexec {call} "$@"\n')
        new.chmod(0o755)
        new.replace(target)
    return folder


def environment(stack: str, out: TextIO, root: Path = ROOT, first_contact: tuple[str, str] | None = None) -> int:
    """Prints, as JSON, what has to be set so that both reach the machines of a stack's world; makes it if need be.

    `first_contact` are name and context of a stack that is about to be: it gets a world like that of `stack`, to keep.
    """
    from lab.session import Session
    from settings.stack_file import WrongUse

    try:
        session = Session(stack, root=root)
        world = new_world(session, *first_contact) if first_contact else session.world().path
    except WrongUse as fault:
        sys.stderr.write(f"{fault}\n")
        return 2
    folder = install(world.parent / "ssh", world).resolve()
    json.dump({"PATH": os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])}, out)
    return 0


def new_world(session: Session, name: str, context: str) -> Path:
    """A world for a stack that has no file yet, with machines that nobody has touched."""
    import yaml

    path = session.folder.parent / name / "world.json"
    if not path.exists():
        spec = yaml.safe_load((session.root / "lab" / "worlds" / f"{session.name}.yaml").read_text(encoding="utf-8"))
        path.parent.mkdir(parents=True, exist_ok=True)
        session.parts.new_world(path, {**spec, "context": context}, 0.0)
    return path


if __name__ == "__main__":
    wanted, *rest = sys.argv[1:]
    sys.exit(environment(wanted, sys.stdout, first_contact=(rest[0], rest[1]) if rest else None))
