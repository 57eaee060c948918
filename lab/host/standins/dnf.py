"""`dnf`: makecache, repoquery, install, reinstall, upgrade, remove, check; --assumeno simulates.

Words and exit codes as real dnf 4.14 has them (November 2026): a simulation ends with 1 and `Operation aborted.`, what
cannot be with 1 and `Error:`, a transaction that meets another one with 200; a script of a package that fails is no
failure.
"""

from __future__ import annotations

from lab.host.standins import rpm_archive, rpm_packing
from lab.host.standins.box import Box, fail, say, warn
from lab.host.standins.dnf_change import Change, Resolver
from lab.host.standins.dnf_sources import Known, Repository, fitting, key_file

_WITH_VALUE = {"--qf", "--disableplugin", "--enablerepo", "--setopt"}
_FLAGS = {
    "-y": "yes", "-q": "quiet", "-C": "cached", "--assumeno": "simulate", "--noautoremove": "keep",
    "--allowerasing": "erase", "--userinstalled": "user", "--whatprovides": "provides",
}  # fmt: skip


class Call:
    """The command line, taken apart."""

    def __init__(self, args: list[str]) -> None:
        self.flags: set[str] = set()
        self.options: dict[str, str] = {}
        words, rest = [], list(args)
        while rest:
            word = rest.pop(0)
            key, equals, value = word.partition("=")
            if word in _FLAGS:
                self.flags.add(_FLAGS[word])
            elif key in _WITH_VALUE:
                self._option(key, value if equals else rest.pop(0))
            elif word.startswith("-"):
                fail(1, f"Command line error: unrecognized arguments: {word}")
            else:
                words.append(word)
        self.verb, self.names = (words[0] if words else ""), words[1:]

    def _option(self, key: str, value: str) -> None:
        if key == "--setopt":
            key, _equals, value = value.partition("=")
        self.options[key.lstrip("-")] = value


def dnf(box: Box, args: list[str]) -> int:
    """Runs it."""
    call = Call(args)
    if call.verb not in _VERBS:
        fail(1, f"No such command: {call.verb}. Please use /usr/bin/dnf --help")
    if call.verb not in {"repoquery", "check"} and "simulate" not in call.flags and not box.is_root:
        fail(1, "Error: This command has to be run with superuser privileges (under the root user on most systems).")
    return _VERBS[call.verb](box, call)


def _makecache(box: Box, call: Call) -> int:
    Known(box, call.options)
    box.spend(4)
    say("Metadata cache created.")
    return 0


def _repoquery(box: Box, call: Call) -> int:
    if "user" in call.flags:
        for name, one in sorted(box.state["packages"].items()):
            if not one["auto"]:
                _print(call, name, one["version"])
        return 0
    known = Known(box, call.options)
    for name in call.names:
        for one in known.versions.get(name, ()) or known.versions.get(_short(name), ()):
            _print(call, one.name, one.version)
    return 0


def _short(name: str) -> str:
    return name.removesuffix(".x86_64")


def _print(call: Call, name: str, version: str) -> None:
    text = call.options.get("qf", "%{name}-%{version}-%{release}.%{arch}")
    upstream, _dash, release = version.rpartition("-")
    fields = {"name": plain(name), "version": upstream, "release": release, "arch": "x86_64"}
    for key, value in fields.items():
        text = text.replace("%{" + key + "}", value)
    say(text)


def plain(name: str) -> str:
    """The name that rpm knows: of headers there are several, and each has the whole of it as a name here."""
    return "kernel-devel" if name.startswith("kernel-devel-") else name


def _install(box: Box, call: Call) -> int:
    return _transaction(
        box, call, lambda: Resolver(box, Known(box, call.options)).to_install(call.names, "erase" in call.flags)
    )


def _upgrade(box: Box, call: Call) -> int:
    return _transaction(box, call, lambda: Resolver(box, Known(box, call.options)).to_upgrade())


def _remove(box: Box, call: Call) -> int:
    return _transaction(box, call, lambda: Resolver(box, None).to_remove(call.names))


def _reinstall(box: Box, call: Call) -> int:
    return _transaction(box, call, lambda: Resolver(box, Known(box, call.options)).to_reinstall(call.names))


def _transaction(box: Box, call: Call, planned: object) -> int:
    change: Change = planned()  # type: ignore[operator]
    if not change.install and not change.remove:
        say("Dependencies resolved.", "Nothing to do.", "Complete!")
        return 0
    _announce(box, change)
    if "simulate" in call.flags or "yes" not in call.flags:
        fail(1, "Operation aborted.")
    if change.install and box.fault("disk-full"):
        fail(1, "Error: Transaction test error:", "  installing package needs 300MB more space on the / filesystem")
    with rpm_packing.Lock(box, call.options.get("exit_on_lock") != "True"), box.locked():
        _check_keys(box, call, change)
        for name in change.remove:
            rpm_packing.remove(box, name)
        for package in change.install.values():
            rpm_packing.install(box, package, auto=package.name not in change.asked)
        for name in change.asked & set(box.state["packages"]):
            box.state["packages"][name]["auto"] = False
        box.save()
    box.spend(2 + 3 * len(change.install) + len(change.remove))
    say("", "Complete!")
    return 0


def _announce(box: Box, change: Change) -> None:
    now = box.state["packages"]
    same = {name for name, one in change.install.items() if name in now and now[name]["version"] == one.version}
    other, new = (set(now) - same) & set(change.install), set(change.install) - set(now)
    rows = {
        "Reinstalling": same, "Upgrading": other, "Installing": new & change.asked,
        "Installing dependencies": new - change.asked,
    }  # fmt: skip
    say(
        "Dependencies resolved.",
        "=" * 80,
        " Package                    Arch    Version            Repo      Size",
        "=" * 80,
    )
    for title, coming in rows.items():
        if coming:
            say(f"{title}:")
            for name in sorted(coming):
                _row(name, change.install[name].version)
    for title, names in (("Removing", change.named), ("Removing dependent packages", change.along)):
        if names:
            say(f"{title}:")
            for name in sorted(names):
                _row(name, now[name]["version"])
    say("", "Transaction Summary", "=" * 80)


def _row(name: str, version: str) -> None:
    """A name that is too long for its column has a line of its own."""
    name, epoch = (
        plain(name),
        rpm_archive.EPOCH if "nvidia" in name and not name.startswith("libnvidia-container") else "",
    )
    if len(name) > 28:
        say(f" {name}", f" {'':<28}  x86_64  {epoch}{version}  repo  5.4 k")
    else:
        say(f" {name:<28}  x86_64  {epoch}{version}  repo  5.4 k")


def _check_keys(box: Box, call: Call, change: Change) -> None:
    """The key of a repository comes with its first package; a wrong one comes as well, and does not help."""
    known = Known(box, call.options) if change.install else None
    faults = []
    for one in change.install.values() if known else ():
        repository = known.of[one.name, one.version] if known else None
        if repository and repository.on("gpgcheck") and not _trusted(box, repository):
            faults.append(one)
    if faults:
        warn(
            "The GPG keys listed for the repository are already installed but they are not correct for this package.",
            *[f"Public key for {one.name}-{one.version}.x86_64.rpm is not installed" for one in faults],
        )
        fail(1, "Error: GPG check FAILED")


def _trusted(box: Box, repository: Repository) -> bool:
    what = rpm_archive.repository(repository.url, box.state["distro"]) or ""
    wanted = box.state["repository_keys"].get(what, rpm_archive.KEYS[what])
    if _pubkey(wanted) in box.state["rpm_keys"]:
        return True
    if not box.exists(key_file(repository)):
        fail(
            1,
            f"Curl error (37): Couldn't read a file:// file for file://{key_file(repository)}",
        )
    fits = fitting(box, repository, what)
    warn(f"Importing GPG key 0x{wanted[-8:] if fits else '0BADC0DE'}:", f" From       : {key_file(repository)}")
    box.state["rpm_keys"].append(_pubkey(wanted if fits else "0BADC0DE"))
    box.save()
    return fits


def _pubkey(fingerprint: str) -> str:
    return f"gpg-pubkey-{fingerprint[-8:].lower()}-5e0ff0ff"


def _mark(box: Box, call: Call) -> int:
    with box.locked():
        for name in call.names[1:]:
            box.state["packages"][name]["auto"] = call.names[0] != "install"
        box.save()
    return 0


def _check(_box: Box, _call: Call) -> int:
    return 0


_VERBS = {
    "makecache": _makecache, "repoquery": _repoquery, "install": _install, "reinstall": _reinstall,
    "upgrade": _upgrade, "mark": _mark, "remove": _remove, "check": _check,
}  # fmt: skip
