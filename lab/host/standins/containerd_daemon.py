"""The running containerd: what it read when it started, which is not always what the file says now."""

from __future__ import annotations

from lab.host.standins import k0s, rancher
from lab.host.standins.box import Box
from lab.host.standins.places import place


def start(box: Box) -> bool:
    """Starts what the kubelet uses, with the present settings; False when it does not come up. containerd without CRI
    comes up all the same.
    """
    if place(box).kind == "docker":
        from lab.host.standins import docker

        return docker.start(box)
    from lab.host.standins.containerd_config import Config, Refused

    where = place(box)
    service = box.state["services"].get(where.service)
    if service is None or not service["active"]:
        _down(box)
        return True
    try:
        if where.is_rancher:
            rancher.generate(box, where.kind)
        if where.kind == "k0s":
            k0s.generate(box)
        config = Config(box, where.config)
        if box.fault("containerd-refuses") and "nvidia" in config.runtimes:
            raise Refused("containerd: failed to start: the rehearsal's fault containerd-refuses")
    except (Refused, rancher.BadTemplate, k0s.BadFile) as refused:
        box.state["dmesg"].append(str(refused))
        service.update(active=False, state="activating")
        _down(box)
        return False
    service.pop("state", None)
    missing = config.default not in config.runtimes
    box.write(where.socket, "")
    box.state["running"] = {
        "cri": not config.disabled and not missing, "default": config.default, "runtime": config.runtime,
        "pause": config.pause, "error": _no_default(config.default) if missing else "",
    }  # fmt: skip
    box.state["handlers"] = sorted(config.runtimes) if box.state["running"]["cri"] else []
    return True


def _down(box: Box) -> None:
    box.remove(place(box).socket)
    box.state["running"] = None
    box.state["handlers"] = []


def _no_default(name: str) -> str:
    return (
        "invalid plugin config: no corresponding runtime configured in `containerd.runtimes` for `containerd` "
        f'`default_runtime_name = "{name}"`'
    )
