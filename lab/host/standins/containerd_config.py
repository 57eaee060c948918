"""What containerd makes of its settings, release by release: imports, versions, defaults.

Which release merges how, what a partial drop-in does and which words a refusal has: the facts of this project (section
3.3, run on 1.6, 1.7 and 2.1). From memory: the words about unsupported versions, and that 2.x keeps the default `runc`
beside runtimes that a file adds.
"""

from __future__ import annotations

import os

from lab.host.standins import toml
from lab.host.standins.box import Box
from lab.host.standins.patterns import find, is_pattern

MYPY = False
if MYPY:
    from typing import Any

OLD, RUNTIME, IMAGES = "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images"
MAIN = "/etc/containerd/config.toml"
_RUNC = {"runtime_type": "io.containerd.runc.v2", "options": {"BinaryName": "", "SystemdCgroup": False}}


class Refused(Exception):
    """containerd does not start with this."""


class Config:
    """The settings of one file with all that it imports."""

    def __init__(self, box: Box, file: str) -> None:
        self.box, self.release = box, release(box)
        self.warnings: list[str] = []
        self.version, self.disabled = 1, False
        self.runtime: dict[str, Any] = {}
        """The CRI plugin's runtime settings as they take effect, in the form of version 3."""
        self.pause = ""
        self._read(file)

    @property
    def newest_version(self) -> int:
        """The highest version of a file that this release reads."""
        return 2 if self.release < (2, 0) else 3 if self.release < (2, 3) else 4

    @property
    def runtimes(self) -> dict[str, Any]:
        """The handlers."""
        found: dict[str, Any] = self.runtime["containerd"]["runtimes"]
        return found

    @property
    def default(self) -> str:
        """The handler of pods that name none."""
        return str(self.runtime["containerd"]["default_runtime_name"])

    def _read(self, file: str) -> None:
        main = self._file(file)
        self.version = self._version(main, file)
        plugin = self._section(main, self.version)
        for name in self._imported(main, file):
            other = self._file(name)
            plugin = self._joined(plugin, other, name)
        disabled = main.get("disabled_plugins", [])
        self.disabled = any(name in disabled for name in ("cri", OLD, RUNTIME))
        self._take_effect(plugin)

    def _file(self, name: str) -> dict[str, Any]:
        text = self.box.read(name)
        if text is None:
            if name == MAIN:
                return {"version": 2 if self.release < (2, 0) else 3}
            raise Refused(f"containerd: open {name}: no such file or directory")
        try:
            return toml.loads(text)
        except toml.Unreadable as error:
            raise Refused(self._unreadable(name, error)) from error

    def _unreadable(self, name: str, error: toml.Unreadable) -> str:
        if self.release < (2, 0):
            return f"containerd: failed to load TOML: {name}: {error}"
        why = f"table {error.table} already exists" if error.why == "duplicated tables" else error.why
        return f"containerd: failed to load TOML from {name}: toml: {why}"

    def _version(self, document: dict[str, Any], file: str) -> int:
        version = document.get("version", 1)
        least = 1 if self.release < (2, 0) else 2
        if not isinstance(version, int) or not least <= version <= self.newest_version:
            raise Refused(f"containerd: failed to load TOML from {file}: unsupported config version: {version}")
        return version

    def _imported(self, main: dict[str, Any], file: str) -> list[str]:
        found: list[str] = []
        for pattern in main.get("imports", []):
            absolute = pattern if pattern.startswith("/") else f"{os.path.dirname(self.box.inside(file))}/{pattern}"
            names = find(self.box.root, absolute)
            if not names and not is_pattern(pattern):
                raise Refused(f"containerd: open {absolute}: no such file or directory")
            found += names
        return found

    def _section(self, document: dict[str, Any], version: int) -> dict[str, Any]:
        """The CRI plugin's settings of one file, in the form of version 3; empty where it has none."""
        plugins = document.get("plugins", {})
        if self.release < (2, 0):
            found: dict[str, Any] = plugins.get(OLD if version == 2 else "cri", {})
            return found
        if version >= 3:
            pause = plugins.get(IMAGES, {}).get("pinned_images", {}).get("sandbox")
            return {**plugins.get(RUNTIME, {}), **({"sandbox_image": pause} if pause else {})}
        return dict(plugins.get(OLD, {}))

    def _joined(self, plugin: dict[str, Any], other: dict[str, Any], name: str) -> dict[str, Any]:
        """A file and one that it imports: replaced as a whole until 2.0, merged since 2.1."""
        version = self._version({"version": self.version, **other}, name)
        section = self._section(other, version)
        if version > self.version:
            if self.release >= (2, 3):
                raise Refused(
                    f"containerd: drop-in config version {version} higher than root config version {self.version}"
                )
            if self.release >= (2, 0):
                for key in sorted(plugin):
                    self.warnings.append(
                        f'level=warning msg="Ignoring unknown key in TOML for plugin" key={key} plugin={RUNTIME}'
                    )
                plugin = {}
        if not section:
            return plugin
        return toml.merged(plugin, section) if self.release >= (2, 1) else section

    def _take_effect(self, plugin: dict[str, Any]) -> None:
        default: dict[str, Any] = {
            "containerd": {"default_runtime_name": "runc", "runtimes": {"runc": _RUNC}},
            "cni": {"bin_dir": "/opt/cni/bin", "conf_dir": "/etc/cni/net.d"},
            "sandbox_image": "registry.k8s.io/pause:3.8" if self.release < (2, 0) else "registry.k8s.io/pause:3.10.1",
        }
        if self.release < (2, 0) and "runtimes" in plugin.get("containerd", {}):
            default["containerd"]["runtimes"] = {}
        effective = toml.merged(default, plugin)
        self.pause = effective.pop("sandbox_image")
        self.runtime = effective

    def dump(self) -> str:
        """As `config dump` prints it."""
        head = {
            "root": "/var/lib/containerd",
            "state": "/run/containerd",
            "disabled_plugins": ["cri"] if self.disabled else [],
        }
        if self.release < (2, 0):
            plugins: dict[str, Any] = {OLD: {**self.runtime, "sandbox_image": self.pause}}
            return toml.dumps({**head, "version": 2, "plugins": plugins}, '"')
        plugins = {RUNTIME: self.runtime, IMAGES: {"pinned_images": {"sandbox": self.pause}}}
        return toml.dumps({**head, "version": self.newest_version, "plugins": plugins}, "'")


def release(box: Box) -> tuple[int, int]:
    """Major and minor number of the daemon."""
    major, minor = str(box.state["containerd"]).split(".")[:2]
    return int(major), int(minor)
