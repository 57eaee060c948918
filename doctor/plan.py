"""`plan`: the facts of each host of a stack, and what `up` would do there."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import settings
from doctor import report
from doctor.look import PRESENT, Seen, each, look
from doctor.ssh import Door
from doctor.streams import Streams
from settings.stack_file import StackFile, WrongUse, read


def run(options: argparse.Namespace, streams: Streams, root: Path, door: Door) -> int:
    """Looks, tells, changes nothing."""
    stack = read(root, options.stack)
    hosts = hosts_of(stack)
    if any(host["state"] == PRESENT for host in hosts):
        door.programs.need("ssh")
    if options.asks_password and any(wants_password(host) for host in hosts):
        door = dataclasses.replace(door, sudo_password=sudo_password(streams))
    _check_passwords(hosts, door)
    seen: list[Seen] = [Seen(host) for host in hosts]
    for at, one in each(hosts, lambda host: look(host, door), door.programs):
        seen[at] = one
        if not options.json:
            streams.tell(*report.lines(one), "")
    streams.say(
        json.dumps(report.document(stack.name, seen, options.rehearsal)) if options.json else report.sum_line(seen)
    )
    return 0 if all(one.is_well for one in seen) else 1


def hosts_of(stack: StackFile) -> Sequence[Mapping[str, Any]]:
    """The hosts that a stack declares, in plain values."""
    try:
        wish = settings.parse(stack.own(), stack.own_secrets())
    except settings.SettingsError as faults:
        raise WrongUse(str(faults)) from None
    hosts: Sequence[Mapping[str, Any]] = wish.hosts_args()
    if not hosts:
        if wish.rents:
            raise WrongUse(f"The hosts of stack {stack.name} are instances that up makes: pulumi preview shows all.")
        raise WrongUse(
            f"Stack {stack.name} has target {wish.target}: there are no hosts to look at; pulumi preview shows all."
        )
    return hosts


def wants_password(host: Mapping[str, Any]) -> bool:
    """Whether nothing can be read there without the password of sudo."""
    return bool(host["state"] == PRESENT and host["user"] != "root" and host["sudo"] == "password")


def sudo_password(streams: Streams) -> str:
    """Asked for at the terminal, and kept nowhere."""
    if not streams.stdin.isatty():
        raise WrongUse("--sudo-password-prompt wants a terminal to ask at.")
    given = streams.ask_secretly("Password of sudo on the hosts: ")
    if not given.isprintable() or not given:
        raise WrongUse("Only printable characters can go to a host as a password.")
    return given


def _check_passwords(hosts: Sequence[Mapping[str, Any]], door: Door) -> None:
    names = ", ".join(host["name"] for host in hosts if wants_password(host))
    if names and door.sudo_password is None:
        raise WrongUse(
            f"sudo wants a password on {names}, and only Pulumi can read sshPassword: add --sudo-password-prompt."
        )
