"""`containerd`: its version and what it makes of its settings."""

from __future__ import annotations

from lab.host.standins.box import Box, fail, warn
from lab.host.standins.command_line import first, split
from lab.host.standins.containerd_config import MAIN, Config, Refused
from lab.host.standins.places import place

_WHOSE = {"k3s": "k3s-io", "rke2": "k3s-io"}


def containerd(box: Box, args: list[str]) -> int:
    """Runs it; never as a daemon, which systemctl does."""
    options, words = split(args, frozenset({"-c", "--config"}))
    file = box.inside(first(options, "-c", "--config") or MAIN)
    if {"--version", "-v"} & options.keys():
        old = str(box.state["containerd"]).startswith("1.")
        module = f"github.com/{_WHOSE.get(place(box).kind, 'containerd')}/containerd{'' if old else '/v2'}"
        print(f"containerd {module} v{box.state['containerd']} 0000000000000000000000000000000000000000")
        return 0
    if words == ["config", "dump"]:
        return _dump(box, file)
    if words == ["config", "default"]:
        return _dump(box, MAIN + ".none-such")
    return fail(
        1, f"containerd: only `config dump`, `config default` and --version are simulated, not {' '.join(words)!r}"
    )


def _dump(box: Box, file: str) -> int:
    try:
        config = Config(box, MAIN if file.endswith(".none-such") and not box.exists(MAIN) else file)
    except Refused as refused:
        fail(1, str(refused))
    warn(*config.warnings)
    print(config.dump(), end="")
    return 0
