"""The instance store of a host: disks of its own that a stopped machine loses, for what its container runtime keeps."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from decide.host_failures import Refusal, refusal
from decide.host_wish import HostWish

if TYPE_CHECKING:
    from host.facts import HostFacts

FOLDERS = {
    "containerd": "/var/lib/containerd",
    "docker": "/var/lib/docker",
    "k3s": "/var/lib/rancher/k3s/agent/containerd",
    "rke2": "/var/lib/rancher/rke2/agent/containerd",
}
"""Where each container runtime keeps images and containers; `host/node.sh` says the same."""
HARMLESS = ("blank", "ours")


def refusals(facts: "HostFacts", wish: HostWish) -> Iterator[Refusal]:
    """Why the disks cannot be taken for that."""
    kind = facts.runtime.kind
    if wish.uses_store and wish.join:
        yield refusal("DSK-3", "a k3s of ours has its folder before the disks; leave instanceStore or join out")
    if not wish.uses_store or wish.join or not kind:
        return
    if kind not in FOLDERS:
        yield refusal("DSK-3", f"instanceStore is not known for {kind}; there are {', '.join(FOLDERS)}")
        return
    if facts.store.mounted:
        yield refusal("DSK-3", f"{FOLDERS[kind]} is a file system of its own already: {facts.store.mounted}")
    if not facts.store.disks:
        yield refusal("DSK-2")
    for name, holds in facts.store.disks:
        if holds not in HARMLESS:
            disk = f"/dev/disk/by-id/{name}"
            fix = f"save what is on it, or take instanceStore out; if nobody needs it: on the host: wipefs -a {disk}"
            yield refusal("DSK-1", f"{disk} is not blank: {holds}", fix)


def values(facts: "HostFacts", wish: HostWish) -> dict[str, Any]:
    """What the step is told; nothing where there is no such step."""
    return {"GR_KIND": facts.runtime.kind, "GR_UNIT": facts.runtime.unit} if wish.uses_store else {}


def line(facts: "HostFacts") -> str:
    """What was decided, with the reason."""
    many, folder = len(facts.store.disks), FOLDERS[facts.runtime.kind]
    disks = "its one disk" if many == 1 else f"{many} disks as one (RAID 0)"
    return f"{folder} on {disks}; pods of the host end and start again, once; blank after a stop of the machine"
