"""`apt-get`: update, install, remove, purge; -s simulates."""

from __future__ import annotations

from lab.host.standins import packing, sources
from lab.host.standins.box import Box, fail, say, warn
from lab.host.standins.resolve import Change, Resolver, downgraded

MYPY = False
if MYPY:
    from typing import Any

_FLAGS = {
    "-y": "yes", "--yes": "yes", "--assume-yes": "yes", "-q": "quiet", "-qq": "quiet", "--quiet": "quiet",
    "-s": "simulate", "--simulate": "simulate", "--dry-run": "simulate", "--just-print": "simulate", "--purge": "purge",
    "--no-install-recommends": "lean", "--allow-change-held-packages": "held", "--allow-downgrades": "downgrades",
    "--no-remove": "no-remove", "--reinstall": "reinstall",
    "-qy": "yes", "-yq": "yes", "-qqy": "yes", "-sqq": "simulate",
}  # fmt: skip


class Call:
    """The command line, taken apart."""

    def __init__(self, args: list[str]) -> None:
        self.flags: set[str] = set()
        self.options: dict[str, str] = {}
        words = []
        rest = list(args)
        while rest:
            word = rest.pop(0)
            if word in {"-o", "--option"} and rest:
                self._option(rest.pop(0))
            elif word.startswith("-o") and "=" in word:
                self._option(word[2:])
            elif word in _FLAGS:
                self.flags.add(_FLAGS[word])
            elif word.startswith("-"):
                fail(100, f"E: Command line option {word!r} is not understood in combination with the other options")
            else:
                words.append(word)
        self.verb, self.names = (words[0] if words else ""), words[1:]

    def _option(self, text: str) -> None:
        key, _equals, value = text.partition("=")
        self.options[key.lower()] = value

    @property
    def wait(self) -> float:
        """How long to wait for dpkg's lock; the lists' lock is never waited for."""
        seconds = float(self.options.get("dpkg::lock::timeout", 0))
        return seconds if seconds >= 0 else 86400.0


def apt_get(box: Box, args: list[str]) -> int:
    """Runs it."""
    call = Call(args)
    if call.verb == "update":
        return _update(box, call)
    if call.verb in {"install", "remove", "purge"}:
        if call.verb == "purge":
            call.flags.add("purge")
        return _change(box, call)
    if call.verb == "check":
        return _check(box)
    return fail(100, f"E: Invalid operation {call.verb}")


def _update(box: Box, call: Call) -> int:
    if call.names:
        fail(100, "E: The update command takes no arguments")
    with packing.Lock(box, packing.LISTS_LOCK), box.locked():
        found = sources.read(box)
        faults: list[str] = []
        if box.fault("no-network"):
            for source in found:
                host = source.url.split("/")[2]
                warn(f"W: Failed to fetch {source.url}/InRelease  Could not resolve '{host}'")
            warn("W: Some index files failed to download. They have been ignored, or old ones used instead.")
            return 0
        for file in box.find(f"{sources.LISTS}/*_Packages"):
            if file not in {source.list_file for source in found}:
                box.remove(file)
        for number, source in enumerate(found, 1):
            say(f"Hit:{number} {source.shown} InRelease")
            trouble = sources.trouble(box, source)
            faults += trouble
            if not trouble:
                from lab.host.standins.archive import repository

                box.write(source.list_file, f"{repository(source.url, box.state['distro'])}\n")
        box.save()
    box.spend(4)
    say("Reading package lists...")
    warn(*faults)
    return 100 if any(line.startswith("E:") for line in faults) else 0


def _check(box: Box) -> int:
    _refuse_interrupted(box)
    say("Reading package lists...", "Building dependency tree...", "Reading state information...")
    return 0


def _change(box: Box, call: Call) -> int:
    if "simulate" in call.flags:
        return _simulate(box, _planned(box, call), call)
    with packing.Lock(box, packing.FRONTEND, call.wait), box.locked():
        _refuse_interrupted(box)
        change = _planned(box, call)
        _announce(box, change)
        _permit(box, change, call)
        status = _perform(box, change, call)
    box.spend(2 + 3 * len(change.install) + len(change.remove))
    return status


def _refuse_interrupted(box: Box) -> None:
    """dpkg was killed. A package whose own script failed is no obstacle: apt lets it fail again, or takes it away."""
    if any("failed" not in box.state["packages"][name] for name in packing.interrupted(box)):
        fail(100, "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. ")


def _planned(box: Box, call: Call) -> Change:
    resolver = Resolver(box, sources.Known(box))
    if call.verb == "install":
        return resolver.to_install(call.names, again="reinstall" in call.flags)
    return resolver.to_remove(call.names)


def _simulate(box: Box, change: Change, call: Call) -> int:
    now = box.state["packages"]
    _announce(box, change)
    for name in change.remove:
        if name in now:
            say(f"{'Purg' if 'purge' in call.flags else 'Remv'} {name} [{now[name]['version']}]")
    for verb in ("Inst", "Conf"):
        for name, package in change.install.items():
            old = f" [{now[name]['version']}]" if verb == "Inst" and name in now else ""
            say(f"{verb} {name}{old} ({package.version} {package.origin} [amd64])")
    return 0


def _announce(box: Box, change: Change) -> None:
    now = box.state["packages"]
    new = [name for name in change.install if name not in now]
    upgraded = [name for name in change.install if name in now]
    say("Reading package lists...", "Building dependency tree...", "Reading state information...")
    for what, names in (("REMOVED", change.remove), ("NEW", new), ("upgraded", upgraded)):
        text = (
            f"The following {'NEW ' if what == 'NEW' else ''}packages will be {'installed' if what == 'NEW' else what}:"
        )
        if names:
            say(text, "  " + " ".join(sorted(names)))
    for name in sorted(change.asked - set(change.install)):
        say(f"{name} is already the newest version ({now[name]['version']}).")
    say(f"{len(upgraded)} upgraded, {len(new)} newly installed, {len(change.remove)} to remove and 0 not upgraded.")


def _permit(box: Box, change: Change, call: Call) -> None:
    """What apt asks, or refuses where nobody can answer."""
    touched = [*change.remove, *change.install]
    if not touched:
        return
    if "yes" not in call.flags and (change.remove or set(change.install) - change.asked):
        say("Do you want to continue? [Y/n] Abort.")
        raise_end(1)
    if change.remove and "no-remove" in call.flags:
        fail(100, "E: Packages need to be removed but remove is disabled.")
    if downgraded(box, change) and "downgrades" not in call.flags:
        fail(100, "E: Packages were downgraded and -y was used without --allow-downgrades.")
    if set(touched) & set(box.state["holds"]) and "held" not in call.flags:
        fail(100, "E: Held packages were changed and -y was used without --allow-change-held-packages.")


def raise_end(status: int) -> None:
    """Ends with this status and no more words."""
    from lab.host.standins.box import Ended

    raise Ended(status)


def _perform(box: Box, change: Change, call: Call) -> int:
    if box.fault("disk-full") and change.install:
        fail(100, "E: You don't have enough free space in /var/cache/apt/archives/.")
    for name in change.remove:
        if packing.is_half(box, name):
            packing.refuse_half(name)
            return 100
        packing.remove(box, name, purge="purge" in call.flags)
    for name, package in change.install.items():
        packing.unpack(box, package, auto=name not in change.asked)
    others = [name for name in packing.interrupted(box) if name not in change.install]
    begun = [name for name in others if not packing.is_half(box, name)]
    failed = [name for name in (*change.install, *begun) if not packing.configure(box, name)]
    for name in change.asked:
        _by_hand(box.state["packages"].get(name))
    box.save()
    if not failed:
        return 0
    warn("Errors were encountered while processing:", *[f" {name}" for name in failed])
    warn("E: Sub-process /usr/bin/dpkg returned an error code (1)")
    return 100


def _by_hand(package: dict[str, Any] | None) -> None:
    if package:
        package["auto"] = False
