"""Which repositories a machine has, whether their keys fit, and what apt knows of them since the last update."""

from __future__ import annotations

import os

from lab.host.standins import archive
from lab.host.standins.box import Box, fail
from lab.host.standins.downloads import key_text
from lab.host.standins.patterns import fits
from lab.host.standins.versions import ordered

MYPY = False
if MYPY:
    from typing import Any

LISTS = "/var/lib/apt/lists"


class Source:
    """One repository as a file names it."""

    def __init__(self, url: str, suite: str, signed_by: str, file: str, place: int) -> None:
        self.url, self.suite, self.signed_by = url.rstrip("/"), suite, signed_by
        self.file, self.place = file, place

    @property
    def shown(self) -> str:
        """As apt names it."""
        return f"{self.url} {self.suite if self.suite != '/' else ''}".rstrip()

    @property
    def list_file(self) -> str:
        """Where apt keeps what it knows of it."""
        address = self.url.partition("://")[2].replace("/", "_").replace("$(ARCH)", "amd64")
        return f"{LISTS}/{address}_{self.suite.replace('/', '')}_Packages"


def read(box: Box) -> list[Source]:
    """All sources; apt gives up over a line that it cannot read."""
    found: list[Source] = []
    files = ["/etc/apt/sources.list", *box.find("/etc/apt/sources.list.d/*.list")]
    for file in files:
        for number, line in enumerate((box.read(file) or "").splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                found.append(_one_line(file, number, line))
    for file in box.find("/etc/apt/sources.list.d/*.sources"):
        found += _stanzas(file, box.read(file) or "")
    _refuse_two_keys(found)
    return found


def _one_line(file: str, number: int, line: str) -> Source:
    kind, _space, rest = line.strip().partition(" ")
    options = ""
    if rest.lstrip().startswith("["):
        options, _bracket, rest = rest.lstrip()[1:].partition("]")
    words = rest.split()
    if kind not in {"deb", "deb-src"}:
        fail(100, f"E: Type '{kind}' is not known on line {number} in source list {file}", _UNREADABLE)
    if len(words) < 2 or "://" not in words[0]:
        what = "(URI parse)" if words and "://" not in words[0] else "(Suite)"
        fail(100, f"E: Malformed entry {number} in list file {file} {what}", _UNREADABLE)
    if words[1].endswith("/") == (len(words) > 2):
        fail(100, f"E: Malformed entry {number} in list file {file} (Component)", _UNREADABLE)
    chosen = dict(option.split("=", 1) for option in options.split() if "=" in option)
    return Source(words[0], words[1], chosen.get("signed-by", ""), file, number)


_UNREADABLE = "E: The list of sources could not be read."


def _stanzas(file: str, text: str) -> list[Source]:
    found = []
    for number, stanza in enumerate(text.split("\n\n"), 1):
        lines = [line for line in stanza.splitlines() if line.strip() and not line.startswith("#")]
        fields = {key.strip().lower(): value.strip() for key, _colon, value in (line.partition(":") for line in lines)}
        if not fields:
            continue
        if not fields.get("types") or not fields.get("uris") or not fields.get("suites"):
            fail(100, f"E: Malformed entry {number} in sources file {file} (Suite)", _UNREADABLE)
        suites = fields["suites"].split()
        found += [
            Source(url, suite, fields.get("signed-by", ""), file, number)
            for url in fields["uris"].split()
            for suite in suites
        ]
    return found


def _refuse_two_keys(found: list[Source]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for source in found:
        before = seen.setdefault((source.url, source.suite), source.signed_by)
        if before != source.signed_by:
            fail(
                100,
                f"E: Conflicting values set for option Signed-By regarding source {source.url} {source.suite}: "
                f"{source.signed_by} != {before}",
                _UNREADABLE,
            )


def trouble(box: Box, source: Source) -> list[str]:
    """Why `apt-get update` does not take a source; empty when it does."""
    what = archive.repository(source.url, box.state["distro"])
    if what is None or (what not in {"distribution", "ppa"} and source.suite != "/"):
        where = f"{source.url}/{'' if source.suite == '/' else 'dists/' + source.suite + '/'}"
        return [
            f"E: The repository '{source.shown} Release' does not have a Release file.",
            f"N: {where} 404 Not Found",
        ]
    wanted = box.state["repository_keys"].get(what)
    if wanted is None or key_fits(box, source.signed_by, wanted):
        return []
    return [
        f"W: GPG error: {source.shown}  InRelease: The following signatures couldn't be verified because the public "
        f"key is not available: NO_PUBKEY {wanted[-16:]}",
        f"E: The repository '{source.shown}  InRelease' is not signed.",
    ]


def key_fits(box: Box, name: str, wanted: str) -> bool:
    """Whether a key file is there, readable for apt's own user, of the kind its name says, and the right one."""
    path = box.root + name
    if not name.startswith("/") or not os.path.isfile(path) or not os.stat(path).st_mode & 0o004:
        return False
    with open(path, "rb") as file:
        data = file.read()
    armored = data.lstrip().startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----")
    if armored != name.endswith(".asc"):
        return False
    key = dearmored(data) if armored else data
    return key_text(wanted).encode() in key or wanted in fingerprints(key)


def dearmored(data: bytes) -> bytes:
    """The bytes of an armored key; nothing where it cannot be read."""
    from binascii import Error, a2b_base64

    lines = data.decode("ascii", "replace").strip().splitlines()
    try:
        start = lines.index("") + 1
        return a2b_base64("".join(line for line in lines[start:-1] if not line.startswith("=")))
    except (ValueError, Error):
        return b""


def fingerprints(data: bytes) -> list[str]:
    """Fingerprints of the primary keys in a key file (version 4: SHA-1 over the packet)."""
    from hashlib import sha1

    found, at = [], 0
    while at + 3 < len(data) and data[at] & 0x80:
        tag, length, start = _packet(data, at)
        if tag == 6:
            body = data[start : start + length]
            found.append(sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper())
        at = start + length
    return found


def _packet(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag, length and start of the body of a packet."""
    first = data[at]
    if not first & 0x40:
        size = 1 << (first & 3)
        return (first >> 2) & 15, int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size
    length = data[at + 1]
    if length < 192:
        return first & 63, length, at + 2
    if length < 224:
        return first & 63, ((length - 192) << 8) + data[at + 2] + 192, at + 3
    return first & 63, int.from_bytes(data[at + 2 : at + 6], "big"), at + 6


class Known:
    """What apt knows since the last update, of repositories that are still configured."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.versions: dict[str, list[Any]] = {}
        distro = box.state["distro"]
        listed = {source.list_file for source in read(box)}
        repositories = {box.read(file) for file in listed if box.exists(file)}
        for repository in sorted(text.strip() for text in repositories if text):
            for package in archive.packages(repository, distro):
                self.versions.setdefault(package.name, []).append(package)
        self.pins = pins(box)

    def one(self, name: str, version: str) -> Any:
        """This version of a package; None where no repository has it."""
        return next((package for package in self.versions.get(name, ()) if package.version == version), None)

    def candidate(self, name: str) -> Any:
        """What apt would take: by priority, then by version; the installed one counts too."""
        offered = list(self.versions.get(name, ()))
        if not offered:
            return None
        best = max(self.priority(name, package.version) for package in offered)
        installed = self.box.state["packages"].get(name)
        same = [package.version for package in offered if self.priority(name, package.version) == best]
        if installed and best < 1000:
            same.append(installed["version"])
        return self.one(name, ordered(same)[-1]) or archive.Package(name, ordered(same)[-1], (), (), (), "now")

    def priority(self, name: str, version: str) -> int:
        """500, unless a preference says otherwise."""
        for packages, wanted, priority in self.pins:
            if any(fits(name, one) for one in packages) and fits(version, wanted):
                return priority
        return 500


def pins(box: Box) -> list[tuple[list[str], str, int]]:
    """The preferences of apt: names, version, priority."""
    found = []
    for file in ["/etc/apt/preferences", *box.find("/etc/apt/preferences.d/*")]:
        for stanza in (box.read(file) or "").split("\n\n"):
            lines = [line for line in stanza.splitlines() if line.strip() and not line.lstrip().startswith("#")]
            fields = {
                key.strip().lower(): value.strip() for key, _colon, value in (line.partition(":") for line in lines)
            }
            if fields and fields.get("pin", "").startswith("version "):
                found.append(
                    (fields.get("package", "").split(), fields["pin"][8:].strip(), int(fields.get("pin-priority", 0)))
                )
    return found
