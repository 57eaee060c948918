"""`crictl` and `ctr`: they ask the daemon that runs, not the file."""

from __future__ import annotations

from lab.host.standins.box import Box, dumps, fail, say
from lab.host.standins.command_line import first, split
from lab.host.standins.containerd_config import release
from lab.host.standins.instance_store import tasks
from lab.host.standins.places import place

_USUAL = "/run/containerd/containerd.sock"
_CRICTL_TAKES = frozenset({"-r", "--runtime-endpoint", "-t", "--timeout", "-i", "--image-endpoint", "-o", "--output"})
_CTR_TAKES = frozenset(
    {"-n", "--namespace", "--gpus", "--runc-binary", "--runtime", "--env", "-a", "--address", "--mount", "--device"}
)
MYPY = False
if MYPY:
    from typing import Any


def crictl(box: Box, args: list[str]) -> int:
    """Runs `info`, `version` or `ps`."""
    options, words = split(args, _CRICTL_TAKES)
    endpoint = first(options, "-r", "--runtime-endpoint") or f"unix://{place(box).socket}"
    if "--version" in options:
        say("crictl version v1.35.0")
        return 0
    if not box.is_root:
        fail(1, f'{_no_use(endpoint)} dial unix {place(box).socket}: connect: permission denied"')
    _reach(box, endpoint)
    if words == ["info"]:
        say(_indented(_info(box)))
    elif words == ["version"]:
        say(
            "Version:  0.1.0",
            "RuntimeName:  containerd",
            f"RuntimeVersion:  v{box.state['containerd']}",
            "RuntimeApiVersion:  v1",
        )
    elif words == ["rmp"] and "-fa" in options:
        box.clear(tasks(box))
    elif words == ["ps"]:
        say("CONTAINER           IMAGE               CREATED             STATE               NAME")
    else:
        fail(1, f"crictl: only info, version and ps are simulated, not {' '.join(words)!r}")
    return 0


def _no_use(endpoint: str) -> str:
    return (
        f'time="2026-01-01T10:00:00Z" level=fatal msg="validate service connection: validate CRI v1 runtime API for '
        f'endpoint \\"{endpoint}\\": rpc error: code = Unavailable desc = connection error: desc = '
        '\\"transport: Error while dialing:'
    )


def _reach(box: Box, endpoint: str) -> None:
    socket = box.inside(endpoint.removeprefix("unix://"))
    if socket != place(box).socket:
        fail(1, f'{_no_use(endpoint)} dial unix {socket}: connect: no such file or directory\\""')
    running = box.state["running"]
    if running is None:
        fail(1, f'{_no_use(endpoint)} dial unix {socket}: connect: connection refused\\""')
    if not running["cri"]:
        fail(
            1,
            f'time="2026-01-01T10:00:00Z" level=fatal msg="validate service connection: validate CRI v1 runtime API '
            f'for endpoint \\"{endpoint}\\": rpc error: code = Unimplemented desc = unknown service '
            'runtime.v1.RuntimeService"',
        )


def _info(box: Box) -> dict[str, Any]:
    running = box.state["running"]
    runtimes = {
        name: {"runtimeType": one.get("runtime_type", ""), "options": one.get("options", {})}
        for name, one in running["runtime"]["containerd"]["runtimes"].items()
    }
    cni = running["runtime"]["cni"]
    info: dict[str, Any] = {
        "status": {"conditions": [
            {"type": "RuntimeReady", "status": True, "reason": "", "message": ""},
            {"type": "NetworkReady", "status": True, "reason": "", "message": ""},
        ]},
        "cniconfig": {"PluginDirs": [cni["bin_dir"]], "PluginConfDir": cni["conf_dir"]},
        "config": {
            "containerd": {"defaultRuntimeName": running["default"], "runtimes": runtimes},
            "cni": {"binDir": cni["bin_dir"], "confDir": cni["conf_dir"]}, "sandboxImage": running["pause"],
        },
        "golang": "go1.24.9", "lastCNILoadStatus": "OK",
    }  # fmt: skip
    if release(box) >= (2, 0):
        info["runtimeHandlers"] = [{"name": name, "features": {}} for name in ["", *sorted(runtimes)]]
    return info


def _indented(value: Any, depth: int = 0) -> str:
    """JSON as Go writes it for people."""
    pad, inner = "  " * depth, "  " * (depth + 1)
    if isinstance(value, dict) and value:
        items = [f"{inner}{dumps(key)}: {_indented(item, depth + 1)}" for key, item in value.items()]
    elif isinstance(value, list) and value:
        items = [f"{inner}{_indented(item, depth + 1)}" for item in value]
    else:
        return dumps(value)
    left, right = "{}" if isinstance(value, dict) else "[]"
    return f"{left}\n" + ",\n".join(items) + f"\n{pad}{right}"


def ctr(box: Box, args: list[str]) -> int:
    """Runs `version`, `plugins ls`, `images ls|pull`, and `run` of nvidia-smi in a container with cards."""
    flags, words = split(args, _CTR_TAKES, until=3)
    # RKE2's looks where a containerd of its own would be.
    usual = _USUAL if place(box).kind == "rke2" else place(box).socket
    socket = box.inside(first(flags, "-a", "--address") or usual)
    if not box.is_root or box.state["running"] is None or socket != place(box).socket:
        why = "permission denied" if not box.is_root else "connection refused"
        fail(
            1,
            f'ctr: failed to dial "{socket}": connection error: desc = "transport: error while dialing: '
            f'dial unix {socket}: connect: {why}"',
        )
    if words[:1] == ["version"]:
        say(
            "Client:",
            f"  Version:  v{box.state['containerd']}",
            "",
            "Server:",
            f"  Version:  v{box.state['containerd']}",
        )
        return 0
    if words == ["plugins", "ls"]:
        say("TYPE                            ID       PLATFORMS         STATUS")
        state = "ok" if box.state["running"]["cri"] else "error"
        say(f"io.containerd.grpc.v1           cri      linux/amd64       {state}")
        return 0
    if words[:1] in (["images"], ["image"], ["i"]):
        return _images(box, words[1:])
    if words[:1] in (["task"], ["tasks"], ["container"], ["containers"], ["namespace"], ["namespaces"]):
        return _take_away(words[0].rstrip("s"), words[1:])
    if words[:1] == ["run"] and len(words) >= 3:
        return _run(box, words[1], words[3:], flags)
    return fail(1, f"ctr: not simulated: {' '.join(args)}")


def _images(box: Box, words: list[str]) -> int:
    images = box.state["images"]
    if words[:1] in (["ls"], ["list"]):
        say(*images)
        return 0
    if words[:1] == ["pull"] and len(words) == 2:
        if box.fault("no-registry"):
            fail(1, f'ctr: failed to resolve reference "{words[1]}": dial tcp: lookup registry: no such host')
        with box.locked():
            if words[1] not in box.state["images"]:
                box.state["images"].append(words[1])
                box.save()
        box.spend(20)
        return 0
    return fail(1, f"ctr: not simulated: images {' '.join(words)}")


def _take_away(what: str, words: list[str]) -> int:
    """Nothing stays after a run, so there is nothing to take away."""
    if len(words) < 2 or words[0] not in {"rm", "delete", "remove"}:
        fail(1, f"ctr: not simulated: {what} {' '.join(words)}")
    if what == "namespace":
        say(words[-1])
        return 0
    return fail(1, f'ctr: {what} "{words[-1]}" in namespace: not found')


def _refuse_image(box: Box, image: str, flags: dict[str, str]) -> None:
    """An image has to be pulled before; a folder must hold what a program needs to start."""
    if "--rootfs" not in flags:
        if image not in box.state["images"]:
            fail(1, f'ctr: image "{image}": not found')
    elif not (
        box.find(f"{box.inside(image)}/usr/lib*/ld-linux*") or box.find(f"{box.inside(image)}/usr/lib/*/ld-linux*")
    ):
        fail(1, "ctr: failed to create shim task: exec: no such file or directory: unknown")


def _run(box: Box, image: str, command: list[str], flags: dict[str, str]) -> int:
    from lab.host.standins.card_tools import nvidia_smi
    from lab.host.standins.toolkit import refuse_without_driver

    _refuse_image(box, image, flags)
    runc = flags.get("--runc-binary", "/usr/sbin/runc")
    if not box.exists(runc):
        fail(1, f'ctr: failed to start shim: exec: "{runc}": stat {runc}: no such file or directory: unknown')
    cards = "--gpus" in flags or "nvidia" in runc or "nvidia" in flags.get("--device", "")
    if cards:
        if "libnvidia-container-tools" not in box.state["packages"]:
            fail(
                1,
                'ctr: failed to create shim task: OCI runtime create failed: exec: "nvidia-container-cli": '
                "executable file not found in $PATH",
            )
        refuse_without_driver(box)
    if command[:1] and command[0].endswith("nvidia-smi"):
        if not cards:
            fail(
                127, 'ctr: failed to create shim task: exec: "nvidia-smi": executable file not found in $PATH: unknown'
            )
        return nvidia_smi(box, command[1:])
    return 0
