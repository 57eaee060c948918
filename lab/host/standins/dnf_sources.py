"""Which repositories dnf has, whether their keys fit, and which of their packages it lets anybody see.

Seen with real dnf 4.14 and rpm 4.18 in November 2026: a stream that is enabled hides the others, and without any all
of a module are hidden; a lock hides every other version; a key of a repository is taken in, under -y, when its first
package comes, and a wrong one as well; gpgkey may be a file of bare packets.
"""

from __future__ import annotations

from lab.host.standins import rpm_archive
from lab.host.standins.box import Box, fail
from lab.host.standins.patterns import fits
from lab.host.standins.versions import ordered

MYPY = False
if MYPY:
    from lab.host.standins.archive import Package

LOCKS, STREAMS = "/etc/dnf/plugins/versionlock.list", "/etc/dnf/modules.d/*.module"
LOCKER = "python3-dnf-plugin-versionlock"


class Repository:
    """One section of a .repo file."""

    def __init__(self, name: str, fields: dict[str, str]) -> None:
        self.name, self.fields = name, fields
        self.url = fields.get("baseurl", "").rstrip("/")

    def on(self, key: str, usual: str = "0") -> bool:
        """Whether a switch is on."""
        return self.fields.get(key, usual).strip() in {"1", "True", "true", "yes"}


def sections(text: str) -> dict[str, dict[str, str]]:
    """An ini file."""
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            found[line[1:].partition("]")[0]] = {}
        elif "=" in line and not line.startswith("#") and found:
            key, _equals, value = line.partition("=")
            found[[*found][-1]][key.strip()] = value.strip()
    return found


def repositories(box: Box, options: dict[str, str]) -> list[Repository]:
    """Those that are switched on."""
    every = [
        Repository(name, fields)
        for file in box.find("/etc/yum.repos.d/*.repo")
        for name, fields in sections(box.read(file) or "").items()
    ]
    if options.get("enablerepo", "") not in {"", *[one.name for one in every]}:
        fail(1, f"Error: Unknown repo: '{options['enablerepo']}'")
    switched = {one.name: options.get(f"{one.name}.enabled", "") for one in every}
    return [one for one in every if switched[one.name] == "1" or (one.on("enabled", "1") and not switched[one.name])]


class Known:
    """What dnf sees."""

    def __init__(self, box: Box, options: dict[str, str]) -> None:
        self.box = box
        self.versions: dict[str, list[Package]] = {}
        self.of: dict[tuple[str, str], Repository] = {}
        self.hidden: dict[str, str] = {}
        """Name, alone or with a version -> what hides it."""
        locks = {} if options.get("disableplugin") == "versionlock" else locked(box)
        enabled = enabled_streams(box)
        for repository in repositories(box, options):
            what = _reached(box, repository)
            for package in rpm_archive.packages(what, box.state["distro"]):
                why = self._hides(package, what, repository, enabled, locks)
                if why:
                    self.hidden[package.name] = self.hidden[f"{package.name}-{package.version}"] = why
                else:
                    self.versions.setdefault(package.name, []).append(package)
                    self.of[package.name, package.version] = repository

    def _hides(
        self, package: Package, what: str, repository: Repository, enabled: set[str], locks: dict[str, list[str]]
    ) -> str:
        modular = rpm_archive.KINDS[self.box.state["distro"]].streams and not repository.on("module_hotfixes")
        if what == "cuda" and modular and not enabled & set(rpm_archive.streams(package.name, package.version)):
            return "modular"
        allowed = locks.get(package.name)
        return "exclude" if allowed is not None and not any(fits(package.version, one) for one in allowed) else ""

    def one(self, name: str, version: str) -> Package | None:
        """This version of a package; None where dnf sees none."""
        return next((one for one in self.versions.get(name, ()) if one.version == version), None)

    def newest(self, name: str) -> Package | None:
        """The one that would be taken."""
        offered = ordered(one.version for one in self.versions.get(name, ()))
        return self.one(name, offered[-1]) if offered else None


def locked(box: Box) -> dict[str, list[str]]:
    """Name -> versions that a lock lets through; without the plugin locks are nothing but a file."""
    found: dict[str, list[str]] = {}
    for line in (box.read(LOCKS) or "").splitlines() if LOCKER in box.state["packages"] else ():
        name, colon, rest = line.partition(":")
        if colon and not line.startswith("#"):
            found.setdefault(name.rpartition("-")[0], []).append(rest.removesuffix(".*"))
    return found


def enabled_streams(box: Box) -> set[str]:
    """Of the module nvidia-driver."""
    every = [one for file in box.find(STREAMS) for one in sections(box.read(file) or "").items()]
    return {one.get("stream", "") for name, one in every if name == "nvidia-driver" and one.get("state") == "enabled"}


def _reached(box: Box, repository: Repository) -> str:
    what = rpm_archive.repository(repository.url, box.state["distro"])
    failed = f"Error: Failed to download metadata for repo '{repository.name}': "
    why = ""
    if box.fault("no-network"):
        host = repository.url.split("/")[2]
        why = f"Curl error (6): Couldn't resolve host name for {repository.url} [Could not resolve host: {host}]"
    elif what is None:
        why = f"Status code: 404 for {repository.url}/repodata/repomd.xml"
    if why or what is None:
        fail(
            1, f"Errors during downloading metadata for repository '{repository.name}':", f"  - {why}",
            f"{failed}Cannot download repomd.xml: Cannot download repodata/repomd.xml: All mirrors were tried",
        )  # fmt: skip
    if repository.on("repo_gpgcheck") and not fitting(box, repository, what):
        fail(1, f"{failed}repomd.xml GPG signature verification error: Bad GPG signature")
    return what


def key_file(repository: Repository) -> str:
    """Where its key lies."""
    return repository.fields.get("gpgkey", "").removeprefix("file://")


def fitting(box: Box, repository: Repository, what: str) -> bool:
    """Whether the key that the repository names is the one that has signed it."""
    from lab.host.standins.sources import fingerprints

    try:
        with open(box.path(key_file(repository)), "rb") as file:
            data = file.read()
    except OSError:
        return False
    wanted = box.state["repository_keys"].get(what, rpm_archive.KEYS[what])
    return f"rehearsal key {wanted}".encode() in data or wanted in fingerprints(data)
