"""`apt-cache`: what could be installed, and from where."""

from __future__ import annotations

from lab.host.standins.box import Box, fail, say, warn
from lab.host.standins.sources import Known
from lab.host.standins.versions import ordered


def apt_cache(box: Box, args: list[str]) -> int:
    """Runs it."""
    words = [word for word in args if not word.startswith("-")]
    verb, names = (words[0] if words else ""), words[1:]
    known = Known(box)
    if verb not in _VERBS:
        fail(100, f"E: Invalid operation {verb}")
    for name in names:
        if name not in known.versions and name not in box.state["packages"]:
            warn(f"N: Unable to locate package {name}")
            continue
        _VERBS[verb](box, known, name)
    return 0


def _offered(known: Known, name: str) -> list[str]:
    versions = {package.version for package in known.versions.get(name, ())}
    return ordered(versions)[::-1]


def _policy(box: Box, known: Known, name: str) -> None:
    installed = box.state["packages"].get(name)
    now = installed["version"] if installed and installed["status"] != "config-files" else None
    candidate = known.candidate(name)
    best = candidate.version if candidate else now
    say(f"{name}:", f"  Installed: {now or '(none)'}", f"  Candidate: {best or '(none)'}", "  Version table:")
    for version in ordered({*_offered(known, name), *([now] if now else [])})[::-1]:
        priority = known.priority(name, version)
        say(f" {'***' if version == now else '   '} {version} {priority if known.one(name, version) else 100}")
        if known.one(name, version):
            say(f"        500 {known.one(name, version).origin} Packages")
        if version == now:
            say("        100 /var/lib/dpkg/status")


def _madison(_box: Box, known: Known, name: str) -> None:
    for version in _offered(known, name):
        say(f"{name:>10} | {version} | {known.one(name, version).origin} Packages")


def _show(box: Box, known: Known, name: str) -> None:
    """All versions, also one that is only installed."""
    found = {one.version: one.depends for one in known.versions.get(name, ())}
    if name in box.state["packages"]:
        found.setdefault(box.state["packages"][name]["version"], box.state["packages"][name]["depends"])
    for version in ordered(found)[::-1]:
        say(f"Package: {name}", f"Version: {version}", f"Depends: {', '.join(found[version])}", "")


_VERBS = {"policy": _policy, "madison": _madison, "show": _show}
