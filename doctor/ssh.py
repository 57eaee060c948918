"""The way to a host: the system's own ssh, the declared key and no other, and never a question."""

from __future__ import annotations

import itertools
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from decide.host_failures import BY_ID, Refusal, refusal
from doctor.programs import Programs, Said
from doctor.words import last_line, lines_of
from host import facts, script

CONNECT_SECONDS = 10  # what `up` gives a dial too
LOOK_SECONDS = 150.0  # reading facts takes seconds; a sick card holds nvidia-smi for a minute
ALIAS = "gpu-ready"
"""The name of the host in its own list of known keys: addresses are written in too many ways."""
# None of the user's files: `up` does not read them either, and what works here has to work there.
OPTIONS: dict[str, Any] = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "GlobalKnownHostsFile": "none",
    "HostKeyAlias": ALIAS,
    "CheckHostIP": "no",
    "UpdateHostKeys": "no",
    "PreferredAuthentications": "publickey",
    "ConnectTimeout": CONNECT_SECONDS,
    "ConnectionAttempts": 1,
    "ServerAliveInterval": 5,
    "ServerAliveCountMax": 3,
    "LogLevel": "ERROR",  # a banner of the host is no error
}
VERDICT = re.compile(r"([A-Z]{2,5}-[0-9]{1,3}) [a-zA-Z ]{1,40}: (.+)")
REFUSED, NOT_YET, OF_SSH = 3, 75, 255

OFFER_A_KEY = (
    "offer the key that it knows: ssh-add, or --identity FILE (one without a passphrase); or let yours in: ssh-copy-id"
)

NOBODYS = "192.0.2."
"""Reserved for examples: no machine ever has such an address."""
REHEARSE = "this is an address of no machine; the simulated ones answer with --rehearsal"


class Sign(NamedTuple):
    """What ssh says when it comes to nothing, and what that means."""

    pattern: str
    id: str
    problem: str = ""
    fix: str = ""


SIGNS = (
    Sign(r"HOST IDENTIFICATION HAS CHANGED|Host key verification failed|host key is known", "HST-2"),
    Sign(r"no matching host key type", "HST-2", "the host has no key of the declared kind any more"),
    Sign(
        r"UNPROTECTED PRIVATE KEY|bad permissions",
        "HST-83",
        "ssh does not take a private key that others may read",
        "chmod 600 on it",
    ),
    Sign(r"Permission denied|Too many authentication failures", "HST-83", fix=OFFER_A_KEY),
    Sign(r"Could not resolve hostname", "HST-82", "there is no such name", "correct address, or its entry in DNS"),
    Sign(r"Connection refused", "HST-82", "nothing listens there", "start sshd on it, or correct port"),
    Sign(r"timed out|not responding", "HST-82", "no answer in time"),
    Sign(
        r"No route to host|Network is unreachable", "HST-82", "there is no way to it: it is off, or in another network"
    ),
    Sign(
        r"Connection (closed|reset)|closed by remote host|kex_exchange|banner",
        "HST-82",
        "it closes the connection at once",
        "on the host: journalctl -u ssh (fail2ban, MaxStartups, no room on the disk)",
    ),
)


@dataclass(frozen=True)
class Door:
    """How we get in: who asks, with which key, and what sudo wants."""

    programs: Programs
    identity: str = ""
    """File of the private key; without it the ssh-agent is asked, as `up` does."""
    sudo_password: str | None = None
    rehearsal: bool = False
    """Whether the machines are simulated."""

    def facts(self, host: Mapping[str, Any], asked: Mapping[str, Any]) -> facts.HostFacts | Refusal:
        """What the host says of itself; nothing is left behind on it."""
        way = "root" if host["user"] == "root" else str(host["sudo"])
        password = self.sudo_password if way == "password" else None
        said = self.run(host, script.look_text(asked, way, password))
        return facts.read(said.stdout) if said.status == 0 and not said.cut else failure(said, host, self.rehearsal)

    def run(self, host: Mapping[str, Any], text: str) -> Said:
        """Runs a text on it."""
        with tempfile.TemporaryDirectory(prefix="gpu-ready-") as folder:
            known = Path(folder) / "known_hosts"
            known.write_text(f"{ALIAS} {host['host_key']}\n", encoding="ascii")
            return self.programs.run(command(host, known, self.identity), text, LOOK_SECONDS)


def command(host: Mapping[str, Any], known: Path, identity: str) -> list[str]:
    """The whole call; the script comes by stdin."""
    key = {"IdentityFile": as_option(identity), "IdentitiesOnly": "yes"} if identity else {"IdentityFile": "none"}
    options = {**OPTIONS, "UserKnownHostsFile": as_option(str(known)), **key}
    given = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    where = ["-l", host["user"], "-p", str(host["port"]), "--", host["address"]]
    return ["ssh", "-F", "none", "-T", *given, *where, "sh -s apply"]


def as_option(path: str) -> str:
    """A path where ssh would split at blanks and put something in for each percent sign."""
    return '"' + path.replace("%", "%%") + '"'


def failure(said: Said, host: Mapping[str, Any], rehearsal: bool = False) -> Refusal:
    """Why there are no facts."""
    if said.cut:
        return _cut(said)
    if said.status == REFUSED:
        return verdict(said.stderr) or _strange(said)
    if said.status == NOT_YET:
        return refusal("HST-72", f"it is busy: {last_line(said.stderr)}")
    if said.status == OF_SSH:
        return of_ssh(said, host, rehearsal)
    return _strange(said)


def _cut(said: Said) -> Refusal:
    if said.cut == "size":
        return refusal("HST-63", "it says far more than facts: megabytes that nobody asked for")
    return refusal("HST-82", f"no end after {LOOK_SECONDS:.0f} s: {last_line(said.stderr) or 'it says nothing'}")


def _strange(said: Said) -> Refusal:
    last = last_line(said.stderr) or last_line(said.stdout)
    ending = f'the last words were "{last}"' if last else "nothing was said"
    return refusal("HST-63", f"the facts could not be read there: exit status {said.status}, {ending}")


def of_ssh(said: Said, host: Mapping[str, Any], rehearsal: bool) -> Refusal:
    """What ssh itself has to say, in words that tell what to do."""
    where = f"{host['address']} port {host['port']}"
    text = said.stderr.decode("utf-8", "replace")
    sign = next((one for one in SIGNS if re.search(one.pattern, text)), None)
    if sign is None:
        return refusal("HST-82", f"{where}: ssh ends with: {last_line(said.stderr) or 'nothing said'}")
    nowhere = not rehearsal and sign.id == "HST-82" and host["address"].startswith(NOBODYS)
    return refusal(sign.id, f"{where}: {sign.problem or BY_ID[sign.id].cause}", REHEARSE if nowhere else sign.fix)


def verdict(stderr: bytes) -> Refusal | None:
    """The refusal that a script of ours ends with. The fix is ours too: a host must not tell anybody what to run."""
    lines = ["", *lines_of(stderr[-4096:])]
    for before, line in reversed([*itertools.pairwise(lines)]):
        found = VERDICT.fullmatch(line)
        if found and found[1] in BY_ID:
            return refusal(found[1], found[2].replace("see above", before or "nothing was said"))
    return None
