"""`init`: first contact with hosts. Their keys are shown and pinned, their facts read, and a stack file is written."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import itertools
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import settings
from decide.host_failures import Refusal, refusal
from doctor import host_keys, plan, report
from doctor.host_keys import Key
from doctor.look import Seen, each, look
from doctor.ssh import Door
from doctor.stack_text import MADE_UP_CONTEXT, stack_text
from doctor.streams import Streams
from doctor.words import plain
from settings.hosts import KEY as NOBODYS_KEY
from settings.stack_file import WrongUse, document, stack_name

EXAMPLE_SHA256 = "5c8c229a4ad2d1c08e8b7255414a74818c62ee90980f575a8fdc5b564cf01da6"
"""Of stacks/Pulumi.homelab.yaml as it comes with this release (sha256sum); a test fails when it is another one."""
EXAMPLE = "--host rtx=ubuntu@192.168.1.20"
NO_SUDO = "HST-1"
Host = Mapping[str, Any]


def run(options: argparse.Namespace, streams: Streams, root: Path, door: Door) -> int:
    """From addresses to a stack file; nothing is written unless every host could be read."""
    path, hosts = checked(options, root)
    door.programs.need("ssh", "ssh-keyscan")
    kept = document(path) if path.exists() else {}
    trusted = _trusted(hosts, options, streams, door)
    if trusted is None:
        return _nothing(streams)
    seen = _met(trusted, options, streams, door)
    for one in seen:
        streams.tell("", *report.lines(one))
    if any(one.facts is None for one in seen):
        return _nothing(streams)
    written = _write(path, stack_text(options.name, options.context, seen, kept))
    streams.say("", written, *_what_next(options, seen))
    return 0


def checked(options: argparse.Namespace, root: Path) -> tuple[Path, list[Host]]:
    """Where the file goes and which hosts it is for; WrongUse before anything at all is made or asked."""
    asked = _path(options, root), _declared(options)
    _check_fingerprints(options.accepted)
    return asked


def _nothing(streams: Streams) -> int:
    streams.say("", "No stack file was written.")
    return 1


# what was asked for


def _path(options: argparse.Namespace, root: Path) -> Path:
    path = root / "stacks" / f"Pulumi.{options.name}.yaml"
    if stack_name(path) != options.name:
        raise WrongUse(f"{plain(options.name)!r} cannot be the name of a stack: it is a path.")
    if path.exists() and not options.force and not is_example(path):
        raise WrongUse(
            f"stacks/{path.name} is there already: take another name, or --force to write over it; what is there now "
            "is kept beside it."
        )
    return path


def is_example(path: Path) -> bool:
    """Whether nobody has written into it: only then it makes room unasked."""
    return hashlib.sha256(path.read_bytes()).hexdigest() == EXAMPLE_SHA256


def _declared(options: argparse.Namespace) -> list[Host]:
    """The hosts in plain values, checked by the rules of stack files before anybody is talked to."""
    config = {
        "target": "bareMetal",
        "cluster": {"context": options.context or MADE_UP_CONTEXT},
        "bareMetal": {"hosts": [_host(text) for text in options.hosts]},
    }
    try:
        return list(settings.parse(config).hosts_args())
    except settings.SettingsError as error:
        raise WrongUse("\n".join(_as_options(str(fault), options.hosts) for fault in error.faults)) from None


def _host(text: str) -> dict[str, str]:
    name, equals, rest = text.partition("=")
    user, at, where = rest.rpartition("@")
    address, port = _address(where)
    if not equals or not address or not text.isprintable():
        raise WrongUse(f"--host {plain(text)}: NAME=[USER@]ADDRESS[:PORT] belongs there, for example {EXAMPLE}")
    said = {"name": name, "user": user if at else None, "address": address, "port": port or None}
    return {**{key: value for key, value in said.items() if value is not None}, "hostKey": NOBODYS_KEY}


def _address(where: str) -> tuple[str, str]:
    """Address and port; in brackets or with many colons it is one of IPv6."""
    if where.startswith("["):
        address, _, port = where[1:].partition("]")
        return address, port.removeprefix(":")
    address, _, port = where.partition(":") if where.count(":") == 1 else (where, "", "")
    return address, port


def _as_options(fault: str, hosts: Sequence[str]) -> str:
    """A fault of the settings, in the words of the command line."""
    named = re.sub(r"^bareMetal\.hosts\[(\d+)\]\.?", lambda found: f"--host {hosts[int(found[1])]}: ", fault)
    return named.replace("cluster.context:", "--context:", 1)


def _check_fingerprints(accepted: Sequence[str]) -> None:
    for text in accepted:
        if not host_keys.is_fingerprint(text):
            raise WrongUse(
                f"--accept-host-key {text}: a fingerprint belongs there, as ssh-keygen -lf prints it: SHA256:..."
            )


# whom to trust


def _trusted(hosts: Sequence[Host], options: argparse.Namespace, streams: Streams, door: Door) -> list[Host] | None:
    """The hosts with the keys that somebody vouched for; nothing if one of them has none."""
    shown: list[list[Key] | Refusal] = [[] for _ in hosts]
    for at, found in each(hosts, lambda host: host_keys.fetch(door.programs, host), door.programs):
        shown[at] = found
    asks = not options.accepted
    if asks and not streams.stdin.isatty():
        for host, keys in zip(hosts, shown, strict=True):
            _show(host, keys, streams)
        raise WrongUse(
            "Nobody can be asked here: compare the fingerprints, then add --accept-host-key SHA256:... for each."
        )
    vouched = [_vouched(host, keys, options, streams) for host, keys in zip(hosts, shown, strict=True)]
    trusted: list[Host] = [{**host, "host_key": key.text} for host, key in zip(hosts, vouched, strict=True) if key]
    return trusted if len(trusted) == len(hosts) else None


def _show(host: Host, keys: list[Key] | Refusal, streams: Streams) -> None:
    found = report.refusal_lines(keys) if isinstance(keys, Refusal) else (f"{keys[0].kind}  {keys[0].fingerprint}",)
    streams.say(f"{host['name']}  {report.place(host)}", *(f"  {line}" for line in found))


def _vouched(host: Host, keys: list[Key] | Refusal, options: argparse.Namespace, streams: Streams) -> Key | None:
    """The key that is to be believed: the accepted one, else the best, if somebody says so."""
    if isinstance(keys, Refusal):
        _show(host, keys, streams)
        return None
    accepted = [key for key in keys if key.fingerprint in options.accepted]
    _show(host, accepted or keys, streams)
    if not options.accepted:
        return _asked(keys[0], streams)
    wrong = () if accepted else report.refusal_lines(refusal("HST-2", "no --accept-host-key has this fingerprint"))
    streams.say(*(f"  {line}" for line in wrong))
    return next(iter(accepted), None)


def _asked(key: Key, streams: Streams) -> Key | None:
    file = f"/etc/ssh/ssh_host_{next(kind for kind in host_keys.KINDS if kind in key.kind)}_key.pub"
    streams.say(f"  Compare it with what the machine itself says: ssh-keygen -lf {file}")
    while True:
        answer = streams.ask("  Is it the same? yes/no: ").lower()
        if answer in ("yes", "no", ""):
            return key if answer == "yes" else None


# what they are


def _met(hosts: Sequence[Host], options: argparse.Namespace, streams: Streams, door: Door) -> list[Seen]:
    """The facts of all; where sudo wants a password, with one, if it may be asked for."""
    seen = _looked(hosts, door)
    closed = [at for at, one in enumerate(seen) if any(why.id == NO_SUDO for why in one.refusals)]
    if not closed or not options.asks_password:
        return [_with_way_out(one) for one in seen]
    door = dataclasses.replace(door, sudo_password=plan.sudo_password(streams))
    again = _looked([{**hosts[at], "sudo": "password"} for at in closed], door)
    for at, one in zip(closed, again, strict=True):
        seen[at] = one
    return seen


def _looked(hosts: Sequence[Host], door: Door) -> list[Seen]:
    seen: list[Seen] = [Seen(host) for host in hosts]
    for at, one in each(hosts, lambda host: look(host, door), door.programs):
        seen[at] = one
    return seen


def _with_way_out(seen: Seen) -> Seen:
    more = "; or here: --sudo-password-prompt"
    return seen._replace(
        refusals=tuple(one._replace(fix=one.fix + more) if one.id == NO_SUDO else one for one in seen.refusals)
    )


# what is left behind


def _write(path: Path, text: str) -> str:
    """Whole or not at all; what stood there stays beside it. Says so."""
    new, old = path.with_name(f".{path.name}.new"), _beside(path)
    there = path.exists()
    try:
        new.write_text(text, encoding="ascii")
        if there:
            shutil.copy2(path, old)
        new.replace(path)
    except OSError as error:
        raise WrongUse(f"stacks/{path.name} cannot be written: {error.strerror}.") from None
    finally:
        new.unlink(missing_ok=True)
    return f"Written: stacks/{path.name}{f'; what was there: stacks/{old.name}' if there else ''}"


def _beside(path: Path) -> Path:
    """A name that no earlier file has."""
    first = path.with_name(f"{path.name}.old")
    others = (path.with_name(f"{first.name}.{number}") for number in itertools.count(2))
    return next(one for one in itertools.chain([first], others) if not one.exists())


def _what_next(options: argparse.Namespace, seen: Sequence[Seen]) -> Iterator[str]:
    """What has to be changed in the file, and one command."""
    if not options.context:
        yield "Change in it: cluster.context is made up (kubectl config get-contexts)."
    for one in seen:
        if one.refusals:
            ids = ", ".join(why.id for why in one.refusals)
            yield f"Refused as it stands: {one.host['name']} ({ids}); the fix is beside it in the file."
    yield f"Next: {_next_command(options, seen)}"


def _next_command(options: argparse.Namespace, seen: Sequence[Seen]) -> str:
    identity = shlex.quote(str(Path(options.identity).expanduser())) if options.identity else ""
    if any(one.refusals for one in seen):
        flags = f" --identity {identity}" if identity else ""
        return f".venv/bin/python -m doctor plan -s {options.name}{flags}{' --rehearsal' if options.rehearsal else ''}"
    if options.rehearsal:
        return f".venv/bin/python -m lab up -s {options.name}"
    secret = "pulumi config set --secret gpu-ready:"
    steps = [f"pulumi stack select --create {options.name}"]
    steps += [f"{secret}sshPrivateKey < {identity}"] if identity else []
    steps += [f"{secret}sshPassword"] if any(plan.wants_password(one.host) for one in seen) else []
    return " && ".join([*steps, "pulumi up"])
