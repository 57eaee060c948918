"""`apt-mark`: holds, and what was installed by hand."""

from __future__ import annotations

from lab.host.standins import packing
from lab.host.standins.box import Box, fail, say
from lab.host.standins.sources import Known


def apt_mark(box: Box, args: list[str]) -> int:
    """Runs it."""
    words = [word for word in args if not word.startswith("-")]
    verb, names = (words[0] if words else ""), words[1:]
    if verb.startswith("show"):
        return _show(box, verb.removeprefix("show"), names)
    if verb not in {"hold", "unhold", "auto", "manual"}:
        fail(100, f"E: Invalid operation {verb}")
    with packing.Lock(box, packing.FRONTEND), box.locked():
        known = None if all(name in box.state["packages"] for name in names) else Known(box)
        for name in names:
            if known and name not in box.state["packages"] and name not in known.versions:
                fail(100, f"E: Unable to locate package {name}", "E: No packages found")
        for name in names:
            (_hold if verb.endswith("hold") else _mark)(box, verb, name)
    return 0


def _show(box: Box, what: str, names: list[str]) -> int:
    packages = box.state["packages"]
    shown = {
        "hold": box.state["holds"], "held": box.state["holds"],
        "auto": [name for name, one in packages.items() if one["auto"]],
        "manual": [name for name, one in packages.items() if not one["auto"] and one["status"] != "config-files"],
    }.get(what)  # fmt: skip
    if shown is None:
        fail(100, f"E: Invalid operation show{what}")
    say(*sorted(name for name in shown if not names or name in names))
    return 0


def _hold(box: Box, verb: str, name: str) -> None:
    holds = box.state["holds"]
    if (name in holds) == (verb == "hold"):
        say(f"{name} was already {'set on hold' if verb == 'hold' else 'not on hold'}.")
        return
    if verb == "hold":
        holds.append(name)
    else:
        holds.remove(name)
    box.save()
    say(f"{name} set on hold." if verb == "hold" else f"Canceled hold on {name}.")


def _mark(box: Box, verb: str, name: str) -> None:
    package = box.state["packages"].get(name)
    if package is None:
        fail(100, f"E: Can not mark package {name}: it is not installed")
    if package["auto"] == (verb == "auto"):
        say(f"{name} was already set to {'automatically' if verb == 'auto' else 'manually'} installed.")
        return
    package["auto"] = verb == "auto"
    box.save()
    say(f"{name} set to {'automatically' if verb == 'auto' else 'manually'} installed.")
