"""Hosts that answer what a test wants, behind an `ssh` and an `ssh-keyscan` that are found on PATH."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import yaml

from doctor.cli import parser, perform
from doctor.programs import Programs
from doctor.streams import Streams
from lab.cluster.host_spec import made_up_key
from tests.unit.small_host import told

# The last word but one of ssh's command line is the address, of ssh-keyscan's the last.
SSH = """\
#!/bin/sh
for word; do address=$last last=$word; done
d=%s/$address
printf '%%s\\n' "$*" >>"$d.calls"
cat >"$d.stdin"
known=$*
known=${known#*UserKnownHostsFile=\\"}
read -r line <"${known%%%%\\"*}" && printf '%%s\\n' "$line" >"$d.known"
[ ! -s "$d.sh" ] || . "$d.sh"
[ ! -s "$d.err" ] || cat "$d.err" >&2
[ ! -s "$d.out" ] || cat "$d.out"
read -r status <"$d.status" || :
exit "${status:-255}"
"""
KEYSCAN = """\
#!/bin/sh
for word; do address=$word; done
printf '%%s\\n' "$*" >>"%s/$address.scans"
[ ! -e "%s/$address.keys" ] || cat "%s/$address.keys"
"""


class FarHosts:
    """Answers by address, and the command line of the doctor before them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "hosts"
        self.root = folder / "project"
        self.bin = folder / "bin"
        for made in (self.folder, self.root / "stacks", self.bin):
            made.mkdir(parents=True)
        for name, text in (("ssh", SSH % self.folder), ("ssh-keyscan", KEYSCAN % ((self.folder,) * 3))):
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)
        self.environment = {"PATH": os.pathsep.join([str(self.bin), os.environ["PATH"]])}
        self.stdout, self.stderr = io.StringIO(), io.StringIO()

    def answers(
        self, address: str, out: Any = None, *, err: str | bytes = "", status: int = 0, first: str = ""
    ) -> None:
        """What a host says; `first` is a line of shell that runs before."""
        said = out if isinstance(out, (str, bytes)) else json.dumps(out if out is not None else told())
        for kind, text in (("out", said), ("err", err), ("status", str(status)), ("sh", first)):
            (self.folder / f"{address}.{kind}").write_bytes(text if isinstance(text, bytes) else text.encode())

    def shows(self, address: str, *lines: str | bytes) -> str:
        """What ssh-keyscan finds; without lines the one key that is made up for this address, which it returns."""
        key = made_up_key(address)
        texts = [line if isinstance(line, bytes) else line.encode() for line in lines or (f"{address} {key}",)]
        (self.folder / f"{address}.keys").write_bytes(b"\n".join([*texts, b""]))
        return key

    def heard(self, address: str, kind: str = "stdin") -> str:
        """What arrived there: `stdin`, `calls`, `known` or `scans`; empty for nothing."""
        file = self.folder / f"{address}.{kind}"
        return file.read_text() if file.exists() else ""

    def stack(self, *hosts: dict[str, Any], **config: Any) -> None:
        """A stack file `home` with these hosts."""
        metal = {"hosts": [{"hostKey": made_up_key(str(one["address"])), **one} for one in hosts]}
        known = {"target": "bareMetal", "cluster": {"context": "home"}, "bareMetal": metal, **config}
        text = yaml.safe_dump({"config": {f"gpu-ready:{key}": value for key, value in known.items()}})
        (self.root / "stacks" / "Pulumi.home.yaml").write_text(text)

    def run(self, *words: str, typed: str | None = None, password: str = "") -> int:
        """The exit status; what is `typed` comes from a terminal."""
        stdin = Terminal(typed) if typed is not None else io.StringIO()
        streams = Streams(stdin, self.stdout, self.stderr, lambda _question: password)
        return perform(parser().parse_args(words), streams, self.root, Programs({**os.environ, **self.environment}))

    @property
    def said(self) -> str:
        """All of stdout."""
        return self.stdout.getvalue()

    @property
    def complained(self) -> str:
        """All of stderr."""
        return self.stderr.getvalue()


class Terminal(io.StringIO):
    """A person at a keyboard."""

    def isatty(self) -> bool:
        """One that can be asked."""
        return True
