"""k0s: it merges the files of a folder into the settings of its containerd, whenever one of them changes.

What it merges, where it writes the sum and by which mark it knows its own file: its documentation (`runtime.md`), read
on 2026-11-21. From memory: the words of its refusal. Here it looks whenever somebody asks its containerd.
"""

from __future__ import annotations

from lab.host.standins import toml
from lab.host.standins.box import Box, fail

MARK = "# k0s_managed=true"
FOLDER, MAIN, MERGED = "/etc/k0s/containerd.d", "/etc/k0s/containerd.toml", "/run/k0s/containerd-cri.toml"
_PLUGIN = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}
MYPY = False
if MYPY:
    from typing import Any


class BadFile(Exception):
    """A file that it does not merge, so that it does not start."""


def generate(box: Box) -> None:
    """Writes the sum of its own settings and of the files in the folder, where the settings are its own."""
    if not (box.read(MAIN) or MARK).startswith(MARK):
        return
    version = 2 if str(box.state["containerd"]).startswith("1.") else 3
    runc = {"runtime_type": "io.containerd.runc.v2", "options": {"SystemdCgroup": True}}
    whole: dict[str, Any] = {"plugins": {_PLUGIN[version]: {"containerd": {"runtimes": {"runc": runc}}}}}
    for name in sorted(box.find(f"{FOLDER}/*.toml")):
        found = toml.loads(box.read(name) or "")
        if found.pop("version", 1) != version:
            raise BadFile(f"Error: pre-flight checks failed: {name}: unsupported containerd configuration version")
        whole = toml.merged(whole, found)
    box.write(MERGED, toml.dumps({"version": version, **whole}, '"'))


def k0s(box: Box, args: list[str]) -> int:
    """Runs `ctr`, after what it would have noticed by itself."""
    from lab.host.standins.containerd_clients import ctr
    from lab.host.standins.containerd_daemon import start
    from lab.host.standins.places import place

    if args[:1] != ["ctr"]:
        fail(1, f"k0s: only ctr is simulated, not {' '.join(args)!r}")
    if box.is_root and box.state["services"][place(box).service]["active"]:
        with box.locked():
            start(box)
            box.save()
    return ctr(box, args[1:])
