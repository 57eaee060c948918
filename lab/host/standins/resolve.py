"""Which packages an installation or a removal changes, in the order of dpkg, or why it cannot be."""

from __future__ import annotations

from lab.host.standins.archive import Package
from lab.host.standins.box import Box, fail, say
from lab.host.standins.downloads import package_of
from lab.host.standins.sources import Known
from lab.host.standins.versions import compare, meets, wish

MYPY = False
if MYPY:
    from typing import Any


class Change:
    """What would be done."""

    def __init__(self) -> None:
        self.install: dict[str, Any] = {}
        """Name -> package, each after what it depends on."""
        self.remove: list[str] = []
        self.asked: set[str] = set()
        """Names that stood on the command line: these are marked as installed by hand."""


class Resolver:
    """Finds the change for one command."""

    def __init__(self, box: Box, known: Known) -> None:
        self.box, self.known = box, known
        self.installed: dict[str, Any] = {
            name: one for name, one in box.state["packages"].items() if one["status"] != "config-files"
        }
        self.change = Change()
        self.broken: list[str] = []
        self._wanted: dict[str, Any] = {}

    def to_install(self, requests: list[str], *, again: bool = False) -> Change:
        """The change for `apt-get install`, or an end as apt's; `again`: also of what is there already."""
        for request in requests:
            name, _equals, version = (self._in_file(request) if "/" in request else request).partition("=")
            self._wanted[name] = self._asked_for(name, version)
            self.change.asked.add(name)
        for name in list(self._wanted):
            self._take(name, ())
        if again:
            self.change.install.update({name: one for name, one in self._wanted.items() if one})
        self._make_room()
        before = -1
        while before != len(self.change.install) and not self.broken:
            before = len(self.change.install)
            self._check_dependents()
        if self.broken:
            _refuse(self.broken)
        return self.change

    def to_remove(self, names: list[str]) -> Change:
        """The change for `apt-get remove`: what depends on them goes too."""
        for name in names:
            if name not in self.box.state["packages"] and name not in self.known.versions:
                fail(100, f"E: Unable to locate package {name}")
            if name in self.installed or name in self.box.state["packages"]:
                self._drop(name)
        return self.change

    def _in_file(self, file: str) -> str:
        """A package that lies on the disk: apt knows it from then on."""
        found = package_of(self.box, file)
        if not found or not file.endswith(".deb"):
            fail(100, f"E: Unsupported file {file} given on commandline")
        name, _equals, version = found.partition("=")
        self.known.versions.setdefault(name, []).append(Package(name, version, (), (), (), "local-deb"))
        return found

    def _asked_for(self, name: str, version: str) -> Any:
        if version:
            if name not in self.known.versions and name not in self.installed:
                fail(100, f"E: Unable to locate package {name}")
            found = self.known.one(name, version)
            if found is None and self.installed.get(name, {}).get("version") != version:
                fail(100, f"E: Version '{version}' for '{name}' was not found")
            return found
        found = self.known.candidate(name)
        if found is None and name not in self.installed:
            fail(100, f"E: Unable to locate package {name}")
        return found if found is not None and found.origin != "now" else None

    def _take(self, name: str, path: tuple[str, ...]) -> None:
        package = self._wanted.get(name)
        if package is None or name in self.change.install or name in path:
            return
        for dependency in package.depends:
            self._meet(package.name, dependency, (*path, name))
        installed = self.installed.get(name)
        if installed is None or installed["version"] != package.version:
            self.change.install[name] = package

    def _meet(self, dependent: str, dependency: str, path: tuple[str, ...]) -> None:
        name, operator, version = wish(dependency)
        have = self._wanted.get(name) or self.installed.get(name)
        found = have["version"] if isinstance(have, dict) else have.version if have else None
        if found is None or (not meets(found, operator, version) and name not in self.change.asked):
            candidate = self.known.candidate(name)
            found = candidate.version if candidate else None
            if found and meets(found, operator, version):
                self._wanted[name] = candidate
        if found is None:
            self.broken.append(f" {dependent} : Depends: {dependency} but it is not installable")
        elif not meets(found, operator, version):
            self.broken.append(f" {dependent} : Depends: {dependency} but {found} is to be installed")
        else:
            self._take(name, path)

    def _make_room(self) -> None:
        """What conflicts with the new ones has to go; what of the new ones conflict with each other cannot be."""
        for package in list(self.change.install.values()):
            for other in package.conflicts:
                for name in [*self._providers(other, package.name)]:
                    if name in self.change.install:
                        self.broken.append(f" {package.name} : Conflicts: {other}")
                    else:
                        self._drop(name)

    def _providers(self, virtual: str, but: str) -> list[str]:
        every = [*self.installed, *self.change.install]
        return sorted({name for name in every if name != but and virtual in (name, *self._provides(name))})

    def _provides(self, name: str) -> tuple[str, ...]:
        package = self.change.install.get(name)
        if package is not None:
            return tuple(package.provides)
        return tuple(self.installed[name].get("provides", ()))

    def _drop(self, name: str) -> None:
        if name in self.change.remove:
            return
        for dependent, one in self.installed.items():
            needs = any(wish(text)[0] == name for text in one.get("depends", ()))
            if needs and dependent != name and dependent not in self.change.install:
                self._drop(dependent)
        self.change.remove.append(name)

    def _check_dependents(self) -> None:
        """What is installed and wants another version moves along when it can, and blocks the change when not."""
        for name, one in self.installed.items():
            if name in self.change.install or name in self.change.remove:
                continue
            for text in one.get("depends", ()):
                needed, operator, version = wish(text)
                new = self.change.install.get(needed)
                if new is not None and not meets(new.version, operator, version):
                    self._follow(name, text, new.version)

    def _follow(self, name: str, text: str, version: str) -> None:
        candidate = self.known.candidate(name)
        needed, operator, _version = wish(text)
        fits = (
            candidate is not None
            and candidate.origin != "now"
            and all(meets(version, *wish(other)[1:]) for other in candidate.depends if wish(other)[0] == needed)
        )
        if fits and name not in self.box.state["holds"]:
            self._wanted[name] = candidate
            self._take(name, ())
        else:
            self.broken.append(
                f" {name} : Depends: {needed} ({operator} {wish(text)[2]}) but {version} is to be installed"
            )


def downgraded(box: Box, change: Change) -> list[str]:
    """Packages that would get an older version."""
    now = box.state["packages"]
    return [
        name for name, package in change.install.items()
        if name in now and now[name]["status"] != "config-files" and compare(package.version, now[name]["version"]) < 0
    ]  # fmt: skip


def _refuse(broken: list[str]) -> None:
    say("Some packages could not be installed.", "The following packages have unmet dependencies:", *broken)
    fail(100, "E: Unable to correct problems, you have held broken packages.")
