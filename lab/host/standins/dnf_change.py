"""Which packages dnf would change, or why it cannot be, in its words."""

from __future__ import annotations

from lab.host.standins.archive import Package
from lab.host.standins.box import Box, fail, say
from lab.host.standins.versions import compare, meets, wish

MYPY = False
if MYPY:
    from lab.host.standins.dnf_sources import Known


class Change:
    """What would be done."""

    def __init__(self) -> None:
        self.install: dict[str, Package] = {}
        """Name -> package, each after what it needs."""
        self.named: list[str] = []
        self.along: list[str] = []
        self.asked: set[str] = set()

    @property
    def remove(self) -> list[str]:
        """All that goes, what needs others first."""
        return [*self.along, *self.named]


class Resolver:
    """Finds the change for one command."""

    def __init__(self, box: Box, known: Known | None) -> None:
        self.box, self.known, self.change = box, known, Change()
        self.installed = box.state["packages"]
        self._wanted: dict[str, Package] = {}
        self._broken: list[str] = []

    def to_install(self, specs: list[str], erase: bool) -> Change:
        """The change for `dnf install`."""
        for package in [self._asked(spec) for spec in specs]:
            self._wanted[package.name] = package
            self.change.asked.add(package.name)
        # What is asked for comes in an order of its own, as in rpm: who needs headers has to say so.
        for name in sorted(self._wanted, reverse=True):
            self._take(name)
        self._make_room(erase)
        self._follow()
        return self._told()

    def to_upgrade(self) -> Change:
        """The change for `dnf upgrade`: the newest of everything, where all that it needs can be."""
        for name, one in self.installed.items():
            newest = self.known.newest(name) if self.known else None
            if newest and compare(newest.version, one["version"]) > 0 and self._movable(newest):
                self._wanted[name] = newest
        for name in list(self._wanted):
            self._take(name)
        return self._told()

    def _movable(self, package: Package) -> bool:
        for text in package.depends:
            name, operator, version = wish(text)
            other = self.known.newest(name) if self.known else None
            if not other or not meets(other.version, operator, version):
                return False
        needed = [text for one in self.installed.values() for text in one["depends"] if wish(text)[0] == package.name]
        holders = [n for n, one in self.installed.items() if any(wish(t)[0] == package.name for t in one["depends"])]
        newest = [self.known.newest(name) for name in holders] if self.known else []
        return not needed or all(
            one and compare(one.version, self.installed[one.name]["version"]) > 0 for one in newest
        )

    def to_reinstall(self, names: list[str]) -> Change:
        """The change for `dnf reinstall`."""
        for name in names:
            now = self.installed.get(name)
            found = self.known.one(name, now["version"]) if self.known and now else None
            if not found:
                fail(1, f"Error: No packages marked for reinstall: {name}")
            self.change.install[name] = found
        return self.change

    def to_remove(self, names: list[str]) -> Change:
        """The change for `dnf remove`: what needs them goes too."""
        for name in names:
            if name not in self.installed:
                say(f"No match for argument: {name}")
            elif name not in self.change.named:
                self.change.named.append(name)
        for name in list(self.change.named):
            self._dependents(name)
        self.change.along = [name for name in self.change.along if name not in self.change.named]
        return self.change

    def _dependents(self, gone: str) -> None:
        for name, one in self.installed.items():
            if any(wish(text)[0] == gone for text in one["depends"]) and name not in self.change.remove:
                self._dependents(name)
                self.change.along.append(name)

    def _asked(self, spec: str) -> Package:
        assert self.known
        for name, versions in self.known.versions.items():
            for one in versions:
                if spec in (
                    f"{name}-{one.version}",
                    f"{name}-{one.version}.x86_64",
                    name if "kernel-devel" in name else "",
                ):
                    return one
        found = self.known.newest(spec)
        if found:
            return found
        if spec in self.known.hidden:
            say(f"All matches were filtered out by {self.known.hidden[spec]} filtering for argument: {spec}")
        else:
            say(f"No match for argument: {spec}")
        return fail(1, f"Error: Unable to find a match: {spec}")

    def _take(self, name: str) -> None:
        package = self._wanted[name]
        if name in self.change.install:
            return
        for text in package.depends:
            self._meet(package, text)
        now = self.installed.get(name)
        if now is None or now["version"] != package.version:
            self.change.install[name] = package

    def _meet(self, package: Package, text: str) -> None:
        assert self.known
        name, operator, version = wish(text)
        now = self.installed.get(name)
        wanted = self._wanted.get(name)
        if wanted or (now and meets(now["version"], operator, version)):
            if wanted:
                self._take(name)
            return
        fitting = [one for one in self.known.versions.get(name, ()) if meets(one.version, operator, version)]
        if not fitting:
            needed = name if not operator else f"{name} {operator} 3:{version}"
            self._broken.append(f"  - nothing provides {needed} needed by {package.name}-3:{package.version}.x86_64")
            return
        best = fitting[0]
        for one in fitting:
            best = one if compare(one.version, best.version) > 0 else best
        self._wanted[name] = best
        self._take(name)

    def _make_room(self, erase: bool) -> None:
        for package in list(self.change.install.values()):
            for other in package.conflicts:
                if other in self.change.install:
                    self._broken.append(f"  - package {package.name} conflicts with {other}")
                elif other in self.installed and erase:
                    self.change.named.append(other)
                elif other in self.installed:
                    self._broken.append(f"  - problem with installed package {other}")

    def _follow(self) -> None:
        """What is installed and wants another version of what comes moves along, or blocks it."""
        for name, one in self.installed.items():
            if name in self.change.install or name in self.change.remove:
                continue
            for text in one["depends"]:
                needed, operator, version = wish(text)
                new = self.change.install.get(needed)
                if new and not meets(new.version, operator, version):
                    found = self.known.one(name, new.version) if self.known else None
                    if found:
                        self._wanted[name] = found
                        self._take(name)
                    else:
                        self._broken.append(f"  - problem with installed package {name}")
                    break

    def _told(self) -> Change:
        if self._broken:
            say("(try to add '--skip-broken' to skip uninstallable packages)")
            fail(1, "Error: ", " Problem: conflicting requests", *self._broken)
        return self.change
