"""What happens when a machine goes down and comes up again."""

from __future__ import annotations

import os

from lab.host.standins import fabric, instance_store, modules, needs
from lab.host.standins.box import Box
from lab.host.standins.cdi import refresh
from lab.host.standins.containerd_daemon import start as start_containerd
from lab.host.standins.drivers import publish
from lab.host.standins.kernel import initial, insert

_OFF = ("/bin/false", "/bin/true", "/usr/bin/false", "/usr/bin/true")


def schedule(box: Box, seconds: float) -> None:
    """The machine goes down so much later."""
    box.state["reboot_at"] = box.now() + seconds
    box.save()


def settle(box: Box) -> bool:
    """Boots a machine whose time has come; whether it did."""
    due = box.state["reboot_at"]
    if due is None or box.now() < due:
        return False
    if box.fault("reboot-never"):
        box.state["reboot_at"] = None
        box.save()
        return False
    boot(box, due + box.state["reboot_seconds"])
    return True


def boot(box: Box, up_at: float) -> None:
    """A new boot id, the newest kernel, the modules that are not blocked, the enabled services."""
    state = box.state
    state.update(boots=state["boots"] + 1, off_until=up_at, reboot_at=None, dmesg=[], modules={})
    if box.fault("reboot-for-ever"):
        state["off_until"] = 1e12
    state["boot_id"] = boot_id(state["machine_id"], state["boots"])
    state["kernel"] = modules.kernels(box)[-1]
    instance_store.down(box)
    for folder in ("/run", "/tmp"):
        box.clear(folder)
    populate(box)
    instance_store.appear(box)
    _load_modules(box)
    for name, service in state["services"].items():
        # What wants another unit first is started by whoever looks next, because that unit's program calls tools.
        starts = service["enabled"] and not needs.of(box, name)
        service.update(active=starts, starts=service["starts"] + starts)
    state["late"] = [name for name, one in state["services"].items() if one["enabled"] and not one["active"]]
    start_containerd(box)
    _persist(box)
    refresh(box)
    box.save()


def late(box: Box) -> None:
    """Starts what wanted another unit first; the machine is not reached yet."""
    names = box.state.get("late", [])
    well = [name for name in names if needs.meet(box, name)]
    with box.locked():
        for name in well:
            box.state["services"][name].update(active=True, starts=box.state["services"][name]["starts"] + 1)
        box.state["late"] = []
        start_containerd(box)
        box.save()


def populate(box: Box) -> None:
    """What the kernel shows, and the folders that are made at each boot."""
    state = box.state
    box.write("/proc/sys/kernel/random/boot_id", f"{state['boot_id']}\n", 0o444)
    box.write("/proc/sys/kernel/osrelease", f"{state['kernel']}\n", 0o444)
    box.write("/proc/version", f"Linux version {state['kernel']} (buildd) ({state['compiler']}) #1 SMP\n", 0o444)
    for folder in ("/run/lock", "/run/containerd", "/tmp", "/dev"):
        os.makedirs(box.path(folder), exist_ok=True)


def boot_id(machine_id: str, boots: int) -> str:
    """Another one for each boot, the same in each rehearsal."""
    from hashlib import sha256

    text = sha256(f"{machine_id} {boots}".encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"


def blocks(text: str, module: str) -> bool:
    """Whether settings of modprobe keep a module from being loaded for its card."""
    for line in text.splitlines():
        words = line.split()
        if words[:2] == ["blacklist", module] or (words[:2] == ["install", module] and words[-1] in _OFF):
            return True
    return False


def _load_modules(box: Box) -> None:
    """The initial RAM disk comes first: what is not blocked there takes the cards before anything else can."""
    disk = box.read(initial(box, box.state["kernel"])) or ""
    for card in box.state["pci"]:
        card["driver"] = ""
    for module in ("nouveau", "nova_core"):
        if box.state["in_tree"].get(module) and not blocks(disk, module):
            _take_cards(box, module)
    if modules.read(box, box.state["kernel"], "nvidia") and any(not card["driver"] for card in box.state["pci"]):
        insert(box, "nvidia")
    for file in box.find("/etc/modules-load.d/*.conf") + box.find("/usr/lib/modules-load.d/*.conf"):
        for line in (box.read(file) or "").splitlines():
            if not line.lstrip().startswith(("#", ";")):
                insert(box, line.strip().replace("-", "_"))
    publish(box)


def _take_cards(box: Box, module: str) -> None:
    """A driver of the kernel itself gets the cards that are still free."""
    box.state["modules"][module] = {"version": "", "license": "GPL"}
    for card in box.state["pci"]:
        card["driver"] = card["driver"] or module


def _persist(box: Box) -> None:
    service = box.state["services"].get("nvidia-persistenced")
    if service and box.state["driver"] is None:
        service["active"] = False
    manager = box.state["services"].get(fabric.NAME)
    if manager and not fabric.can_start(box):
        manager["active"] = False
