"""`docker` and `dockerd`: what they make of daemon.json when they start and when they are told to read it again.

What a reload takes over (`runtimes` and `default-runtime` where they are said, nothing where they are not any more):
the source of moby (`daemon/reload_unix.go`). From memory: the words of refusals.
"""

from __future__ import annotations

import sys

from lab.host.standins.box import Box, fail, loads, say, warn
from lab.host.standins.command_line import split

VERSION = "28.3.2"
FILE, SOCKET = "/etc/docker/daemon.json", "/var/run/docker.sock"
_KNOWN = {
    "data-root", "debug", "default-runtime", "exec-opts", "features", "insecure-registries", "live-restore",
    "log-driver", "log-opts", "registry-mirrors", "runtimes", "storage-driver",
}  # fmt: skip
_OWN = {"io.containerd.runc.v2": "runc", "runc": "runc"}
MYPY = False
if MYPY:
    from typing import Any


class Refused(Exception):
    """Docker does not take this."""


def read(box: Box, file: str) -> dict[str, Any]:
    """What a file says, or why Docker does not understand it."""
    text = box.read(file)
    if text is None:
        return {}
    try:
        known = loads(text)
    except (ValueError, StopIteration):
        raise Refused(f"unable to configure the Docker daemon with file {file}: invalid character") from None
    strangers = sorted(set(known) - _KNOWN) if isinstance(known, dict) else ["no object"]
    if strangers:
        raise Refused(
            f"unable to configure the Docker daemon with file {file}: the following directives don't match any "
            f"configuration option: {', '.join(strangers)}"
        )
    runtimes = {**_OWN, **{name: one.get("path", "") for name, one in known.get("runtimes", {}).items()}}
    default = known.get("default-runtime", "runc")
    if default not in runtimes:
        raise Refused(f"merged configuration validation failed: specified default runtime '{default}' does not exist")
    return {**known, "all": runtimes}


def start(box: Box) -> bool:
    """Starts it with the present settings; False when it does not come up."""
    service = box.state["services"]["docker"]
    if not service["active"]:
        return _down(box)
    try:
        known = read(box, FILE)
        if box.fault("containerd-refuses") and known.get("default-runtime") == "nvidia":
            raise Refused("failed to start daemon: the rehearsal's fault containerd-refuses")
    except Refused as refused:
        box.state["dmesg"].append(str(refused))
        service.update(active=False, state="activating")
        _down(box)
        return False
    box.write(SOCKET, "")
    _runs(box, known.get("all", dict(_OWN)), known.get("default-runtime", "runc"))
    return True


def reload(box: Box) -> None:
    """Takes over what a file says now; what it does not say any more stays. Whoever asks never hears of a refusal."""
    try:
        known = read(box, FILE)
    except Refused as refused:
        box.state["dmesg"].append(str(refused))
        return
    if box.fault("containerd-refuses") or not box.state["services"]["docker"]["active"]:
        return
    now = box.state["docker"]
    runtimes = known["all"] if "runtimes" in known else now["runtimes"]
    _runs(box, runtimes, known.get("default-runtime", now["default"]))


def _runs(box: Box, runtimes: dict[str, str], default: str) -> None:
    box.state["docker"] = {"runtimes": runtimes, "default": default}
    box.state["handlers"] = sorted(set(runtimes) - {"io.containerd.runc.v2"})
    box.state["default_runtime"] = default


def _down(box: Box) -> bool:
    box.remove(SOCKET)
    box.state.update(docker=None, handlers=[], default_runtime="")
    return True


def dockerd(box: Box, args: list[str]) -> int:
    """Says its version and what it can, and whether it would take a file."""
    if args in (["--version"], ["-v"]):
        say(f"Docker version {VERSION}, build 0000000")
    elif args == ["--help"]:
        say("Usage:  dockerd [OPTIONS]", "", "      --validate      Validate daemon configuration and exit")
    elif args[:2] == ["--validate", "--config-file"]:
        try:
            read(box, box.inside(args[2]))
        except Refused as refused:
            fail(1, str(refused))
        warn("configuration OK")
    else:
        fail(1, f"dockerd: only --version, --help and --validate are simulated, not {' '.join(args)!r}")
    return 0


_TAKES = frozenset({"--format", "--runtime", "--network", "--name", "-e", "--env"})


def docker(box: Box, args: list[str]) -> int:
    """Runs `info`, `import`, `run` of nvidia-smi, `rm`, `rmi`."""
    if not box.is_root or box.state.get("docker") is None:
        fail(1, f"Cannot connect to the Docker daemon at unix://{SOCKET}. Is the docker daemon running?")
    if args[:2] == ["import", "-"] and len(args) == 3:
        return _import(box, args[2])
    flags, words = split(args, _TAKES, until=2)
    if words == ["info"] and ".Runtimes" in flags.get("--format", ""):
        for name, path in sorted(box.state["docker"]["runtimes"].items()):
            say(f"runtime {name} {path}")
        say(f"default {box.state['docker']['default']}")
        return 0
    verb, rest = words[0], words[1:]
    if verb in {"rm", "rmi"}:
        return _take_away(box, verb, rest[-1])
    if verb == "run":
        return _run(box, flags, rest[0], rest[1:])
    return fail(1, f"docker: not simulated: {' '.join(args)}")


def _import(box: Box, name: str) -> int:
    archive = sys.stdin.buffer.read()
    if b"ld-linux" not in archive:
        fail(1, "Error response from daemon: the rehearsal takes only archives in which a program can start")
    with box.locked():
        box.state["images"].append(name)
        box.save()
    say("sha256:0000000000000000000000000000000000000000000000000000000000000000")
    return 0


def _take_away(box: Box, verb: str, name: str) -> int:
    if verb == "rm" or name not in box.state["images"]:
        fail(1, f"Error response from daemon: No such {'container' if verb == 'rm' else 'image'}: {name}")
    with box.locked():
        box.state["images"].remove(name)
        box.save()
    return 0


def _run(box: Box, flags: dict[str, str], image: str, command: list[str]) -> int:
    from lab.host.standins.card_tools import nvidia_smi
    from lab.host.standins.toolkit import refuse_without_driver

    if image not in box.state["images"]:
        fail(125, f"Unable to find image '{image}:latest' locally")
    runtime = flags.get("--runtime", box.state["docker"]["default"])
    if runtime not in box.state["docker"]["runtimes"]:
        fail(125, f"docker: Error response from daemon: unknown or invalid runtime name: {runtime}")
    program = box.state["docker"]["runtimes"][runtime]
    if program.startswith("/") and not box.exists(program):
        fail(125, f'docker: Error response from daemon: failed to create task: exec: "{program}": no such file')
    if runtime != "nvidia" or not command[0].endswith("nvidia-smi"):
        fail(127, f'docker: Error response from daemon: exec: "{command[0]}": executable file not found in $PATH')
    refuse_without_driver(box)
    return nvidia_smi(box, command[1:])
