"""`systemctl`, `systemd-run`, `reboot`."""

from __future__ import annotations

from lab.host.standins import boot, docker, fabric, k3s, needs
from lab.host.standins.box import Box, fail, say, warn
from lab.host.standins.containerd_daemon import start as start_containerd
from lab.host.standins.places import place

WANTS = "/etc/systemd/system/multi-user.target.wants"
_CHANGES = {"start", "stop", "restart", "try-restart", "reload", "enable", "disable", "reload-or-restart"}
_FAILED = (
    "Job for {0}.service failed because the control process exited with error code.\n"
    'See "systemctl status {0}.service" and "journalctl -xeu {0}.service" for details.'
)


def systemctl(box: Box, args: list[str]) -> int:
    """Runs it."""
    flags = {word for word in args if word.startswith("-")}
    words = [word for word in args if not word.startswith("-")]
    verb, names = (words[0] if words else "list-units"), [_plain(word) for word in words[1:]]
    if verb in {"is-active", "is-enabled"}:
        return _ask(box, verb, names, quiet=bool(flags & {"-q", "--quiet"}))
    if verb == "is-system-running":
        degraded = any(one["enabled"] and not one["active"] for one in box.state["services"].values())
        say("degraded" if degraded else "running")
        return int(degraded)
    if verb == "show":
        return _show(box, args, names)
    if verb == "list-jobs":
        say("No jobs running.")
        return 0
    if verb not in {*_CHANGES, "reboot", "daemon-reload"}:
        fail(1, f"Unknown command verb {verb}.")
    if not box.is_root:
        fail(1, f"Failed to {verb} {words[1] if names else 'unit'}: Interactive authentication required.")
    return _do(box, verb, names, now="--now" in flags)


def _plain(name: str) -> str:
    return name.removesuffix(".service") if not name.startswith("nvidia-cdi-refresh") else name


def _full(name: str) -> str:
    return name if "." in name else f"{name}.service"


def _do(box: Box, verb: str, names: list[str], *, now: bool) -> int:
    if verb == "reboot":
        with box.locked():
            boot.schedule(box, 0)
        box.stop_if_down()
        return 0
    if verb == "daemon-reload":
        with box.locked():
            k3s.read_units(box)
            box.save()
        box.spend(1)
        return 0
    status = 0
    for name in names:
        if _begins(box, verb, name) and not needs.meet(box, name):
            warn(f"A dependency job for {_full(name)} failed. See 'journalctl -xe' for details.")
            status = 1
            continue
        with box.locked():
            if verb == "stop" and name.endswith(".timer"):
                box.state["reboot_at"] = None
                box.save()
                continue
            if name not in box.state["services"]:
                fail(5, f"Failed to {verb} {_full(name)}: Unit {_full(name)} not found.")
            status = max(status, _change(box, verb, name, now=now))
            box.save()
    box.spend(1)
    return status


def _begins(box: Box, verb: str, name: str) -> bool:
    return verb == "restart" or (verb == "start" and _standing(box, "is-active", name) != "active")


def _change(box: Box, verb: str, name: str, *, now: bool) -> int:
    service = box.state["services"][name]
    if verb in {"enable", "disable"}:
        _enable(box, name, on=verb == "enable")
        if not now:
            return 0
        verb = "start" if verb == "enable" else "stop"
    if verb == "stop":
        service["active"] = False
        if name == "docker":
            box.clear("/run/containerd/io.containerd.runtime.v2.task/moby")
        return 0
    if (verb == "start" and service["active"]) or (verb == "try-restart" and not service["active"]):
        return 0
    if verb == "reload" and name == "docker":
        docker.reload(box)
        return 0
    service["starts"] += 1
    return _start(box, name)


def _enable(box: Box, name: str, *, on: bool) -> None:
    folder = "/etc" if box.state["services"][name].get("by_file") else "/usr/lib"
    link, unit = f"{WANTS}/{_full(name)}", f"{folder}/systemd/system/{_full(name)}"
    if on and not box.exists(link):
        box.link(link, unit)
        warn(f"Created symlink {link} → {unit}.")
    elif not on and box.exists(link):
        box.remove(link)
        warn(f'Removed "{link}".')
    box.state["services"][name]["enabled"] = on


def _start(box: Box, name: str) -> int:
    service = box.state["services"][name]
    service["active"] = True
    if service.get("by_file"):
        try:
            k3s.begin(box, name)
        except k3s.CannotStart as why:
            service.update(active=False, state="activating")
            warn(str(why), _FAILED.format(name))
            return 1
    if name == place(box).service and not start_containerd(box):
        warn(_FAILED.format(name))
        return 1
    if name == fabric.NAME and not fabric.can_start(box):
        service["active"] = False
        warn(_FAILED.format(name))
        return 1
    if name == "nvidia-persistenced" and box.state["driver"] is None:
        service["active"] = False
        warn(_FAILED.format(name))
        return 1
    return 0


def _ask(box: Box, verb: str, names: list[str], *, quiet: bool) -> int:
    answers = [_standing(box, verb, name) for name in names]
    for name, answer in zip(names, answers, strict=True):
        if not answer:
            warn(f"Failed to get unit file state for {_full(name)}: No such file or directory")
        elif not quiet:
            say(answer)
    if any(answer in {"active", "enabled"} for answer in answers):
        return 0
    return 3 if verb == "is-active" else 1


def _standing(box: Box, verb: str, name: str) -> str:
    service = box.state["services"].get(name)
    if name.endswith(".timer") and box.state["reboot_at"] is not None:
        return "active"
    if service is None:
        return "inactive" if verb == "is-active" else ""
    if verb == "is-active":
        return "active" if service["active"] else str(service.get("state", "inactive"))
    return "enabled" if service["enabled"] else "disabled"


def _show(box: Box, args: list[str], names: list[str]) -> int:
    wanted: list[str] = []
    for number, word in enumerate(args):
        if word in {"-p", "--property"}:
            wanted += args[number + 1].split(",")
        elif word.startswith(("--property=", "-p")):
            wanted += word.removeprefix("--property=").removeprefix("-p").split(",")
    for name in [name for name in names if name not in wanted]:
        service = box.state["services"].get(name)
        active = bool(service and service["active"])
        fields = {
            "Id": _full(name), "LoadState": "loaded" if service else "not-found",
            "ActiveState": "active" if active else (service or {}).get("state", "inactive"),
            "SubState": "running" if active else "dead", "MainPID": "1000" if active else "0",
            "UnitFileState": ("enabled" if service["enabled"] else "disabled") if service else "",
            "ExecStart": f"{{ path=/usr/bin/{name} ; argv[]=/usr/bin/{name} ; }}" if service else "",
            "NRestarts": "0",
        }  # fmt: skip
        for key in wanted or fields:
            say(fields.get(key, "") if "--value" in args else f"{key}={fields.get(key, '')}")
    return 0


def systemd_run(box: Box, args: list[str]) -> int:
    """Runs `systemctl reboot` in a while; nothing else is simulated."""
    delay, words = 0.0, []
    for word in args:
        if word.startswith("--on-active="):
            delay = float(word.partition("=")[2].removesuffix("s"))
        elif not word.startswith("-"):
            words.append(word)
    if not box.is_root:
        fail(1, "Failed to start transient timer unit: Interactive authentication required.")
    if words not in (["systemctl", "reboot"], ["/usr/bin/systemctl", "reboot"], ["reboot"]):
        fail(1, f"Failed to find executable {(words or ['?'])[0]}: only a reboot can be scheduled in the rehearsal")
    with box.locked():
        if box.state["reboot_at"] is not None:
            fail(1, "Failed to start transient timer unit: Unit run-r1.timer was already loaded.")
        boot.schedule(box, delay)
    warn("Running timer as unit: run-r1.timer", "Will run service as unit: run-r1.service")
    return 0


def reboot(box: Box, _args: list[str]) -> int:
    """Goes down at once."""
    return systemctl(box, ["reboot"])
