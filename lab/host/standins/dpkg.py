"""`dpkg` and `dpkg-query`: what is installed, and finishing what was begun."""

from __future__ import annotations

from lab.host.standins import packing
from lab.host.standins.box import Box, fail, say, warn
from lab.host.standins.patterns import fits
from lab.host.standins.versions import OPERATORS, meets

MYPY = False
if MYPY:
    from typing import Any

_STATES = {
    "installed": ("installed", "i"), "config-files": ("config-files", "c"), "unpacked": ("unpacked", "U"),
    "half-configured": ("half-configured", "F"), packing.HALF: ("half-installed", "H"),
}  # fmt: skip


def dpkg(box: Box, args: list[str]) -> int:
    """Runs dpkg itself."""
    words = [word for word in args if not word.startswith("--force-")]
    if words[:1] in (["--audit"], ["-C"]):
        return _audit(box)
    if words == ["--configure", "-a"]:
        return _configure_all(box)
    if words[:1] == ["--purge"]:
        return _purge(box, words[1:], forced="--force-remove-reinstreq" in args)
    if words == ["--print-architecture"]:
        say("amd64")
        return 0
    if words[:1] == ["--compare-versions"] and len(words) == 4:
        if words[2] not in OPERATORS:
            fail(2, "dpkg: error: --compare-versions bad relation")
        return 0 if meets(words[1], words[2], words[3]) else 1
    if words[:1] in (["-S"], ["--search"], ["-L"], ["--listfiles"], ["-W"], ["-l"], ["-s"], ["--status"]):
        return dpkg_query(box, words)
    return fail(2, f"dpkg: error: unknown option {words[0] if words else ''}")


def _audit(box: Box) -> int:
    broken = packing.interrupted(box)
    if broken:
        say(
            "The following packages are only half configured, probably due to problems",
            "configuring them the first time.  The configuration should be retried using",
            "dpkg --configure <package> or the configure menu option in dselect:",
            *[f" {name:<20} {name}" for name in broken],
        )
    return 0


def _configure_all(box: Box) -> int:
    with packing.Lock(box, packing.FRONTEND), box.locked():
        begun = [name for name in packing.interrupted(box) if not packing.is_half(box, name)]
        failed = [name for name in begun if not packing.configure(box, name)]
        for name in packing.interrupted(box):
            box.state["packages"][name]["failed"] = True
        box.save()
    if failed:
        warn("Errors were encountered while processing:", *[f" {name}" for name in failed])
    return 1 if failed else 0


def _purge(box: Box, names: list[str], *, forced: bool) -> int:
    with packing.Lock(box, packing.FRONTEND), box.locked():
        for name in names:
            if packing.is_half(box, name) and not forced:
                return packing.refuse_half(name)
            packing.remove(box, name, purge=True)
    return 0


def dpkg_query(box: Box, args: list[str]) -> int:
    """Runs dpkg-query."""
    template, words, verb = "${binary:Package}\t${Version}\n", [], ""
    rest = list(args)
    while rest:
        word = rest.pop(0)
        if word.startswith("-f") or word.startswith("--showformat"):
            template = word.partition("=")[2] or (word[2:] if len(word) > 2 and "=" not in word else rest.pop(0))
        elif word.startswith("-"):
            verb = word
        else:
            words.append(word)
    if verb in {"-W", "--show"}:
        return _show(box, template.replace("\\n", "\n").replace("\\t", "\t"), words)
    if verb in {"-S", "--search"}:
        return _search(box, words)
    if verb in {"-L", "--listfiles"}:
        return _list(box, words)
    if verb in {"-s", "--status"}:
        return _show(box, "Package: ${Package}\nStatus: ${Status}\nVersion: ${Version}\n", words)
    return fail(2, f"dpkg-query: error: need an action option, the stand-in has no {verb or 'other'}")


def _show(box: Box, template: str, patterns: list[str]) -> int:
    status = 0
    packages = box.state["packages"]
    for pattern in patterns or ["*"]:
        found = sorted(name for name in packages if fits(name, pattern.removesuffix(":amd64")))
        if not found:
            warn(f"dpkg-query: no packages found matching {pattern}")
            status = 1
        for name in found:
            text = template
            for field, value in _fields(box, name, packages[name]).items():
                text = text.replace("${" + field + "}", value)
            print(text, end="")
    return status


def _fields(box: Box, name: str, package: dict[str, Any]) -> dict[str, str]:
    state, letter = _STATES[package["status"]]
    wanted = "hold" if name in box.state["holds"] else "deinstall" if state == "config-files" else "install"
    abbreviated = f"{'r' if wanted == 'deinstall' else wanted[0]}{letter}{'R' if letter == 'H' else ' '}"
    return {
        "Package": name, "binary:Package": name, "Version": package["version"], "Architecture": "amd64",
        "Status": f"{wanted} ok {state}", "db:Status-Abbrev": f"{abbreviated}",
        "db:Status-Status": state, "db:Status-Want": wanted,
    }  # fmt: skip


def _search(box: Box, patterns: list[str]) -> int:
    status = 0
    for pattern in patterns:
        name = box.inside(pattern)
        owners = sorted(
            owner for owner, one in box.state["packages"].items()
            if any(fits(file, name) or (name[:1] not in "/*" and name in file) for file in one["files"])
        )  # fmt: skip
        if owners:
            say(f"{', '.join(owners)}: {name}")
        else:
            warn(f"dpkg-query: no path found matching pattern {name}")
            status = 1
    return status


def _list(box: Box, names: list[str]) -> int:
    for name in names:
        if name not in box.state["packages"]:
            fail(1, f"dpkg-query: package '{name}' is not installed")
        say(*box.state["packages"][name]["files"])
    return 0
