"""The MIG manager of each node: cards are divided by a label, in some seconds, unless somebody is on them.

Words and order as in NVIDIA's own (`nvidia-mig-manager`, mig-parted): state `pending`, the plugin paused by its label,
the change, the labels again, `success` or `failed`. What was divided stays so when the manager is gone.
"""

from __future__ import annotations

import json
import re

from decide import mig_cards as mig
from decide.reading import MIG_CONFIG
from lab.cluster import host
from lab.cluster.store import Cluster, Object

MANAGER = "nvidia-mig-manager"
STATE = f"{MIG_CONFIG}.state"
PAUSED = "paused-for-mig-change"
_PAUSES = tuple(f"nvidia.com/gpu.deploy.{one}" for one in ("device-plugin", "gpu-feature-discovery", "dcgm-exporter"))
_SECONDS = 12.0
_BOOT_SECONDS = 90.0
_IN_USE = (
    "level=error msg=\"\\nError clearing MigConfig: error destroying Compute instance for profile '(0, 0)': "
    "In use by another client\"\nChanging the 'nvidia.com/mig.config.state' node label to 'failed'\n"
)
_UNKNOWN = (
    "Error validating values in 'mig-configs' field: selected mig-config not present: {0}\n"
    "Unable to validate the selected MIG configuration\n"
)


def geometry(cluster: Cluster, node: str) -> dict[str, int]:
    """The slices of each card of a node; none: its cards are whole."""
    facts = host.declared(cluster, node)
    applied = _notes(cluster, node).get("applied", facts.get("geometry") or mig.OFF)
    if isinstance(applied, dict):
        return {str(size): int(count) for size, count in applied.items()}
    return mig.slices(str(applied), _product(facts))


def run(cluster: Cluster, node: Object) -> None:
    """One round of the manager on a node, if it runs there."""
    name, labels = node["metadata"]["name"], node["metadata"].get("labels", {})
    pod = host.operand(cluster, name, MANAGER)
    wanted = labels.get(MIG_CONFIG)
    notes = cluster.data.setdefault("mig", {}).setdefault(name, {}) if pod else {}
    if not (pod and wanted and (notes.get("booted") or host.runs(cluster, name, MANAGER))):
        return
    if (notes.get("wanted"), notes.get("pod")) != (wanted, pod["metadata"]["uid"]):
        notes.update(wanted=wanted, pod=pod["metadata"]["uid"], until=cluster.now + _SECONDS, log="")
        if _asked(cluster, pod, host.declared(cluster, name), wanted)[0] == geometry(cluster, name):
            notes["until"] = cluster.now  # it asserts first, and leaves alone what is so already
        else:
            _say(cluster, node, {STATE: "pending", **{key: PAUSED for key in _PAUSES if labels.get(key) == "true"}})
    if "until" in notes and cluster.now >= notes["until"]:
        del notes["until"]
        _end(cluster, node, pod, notes)
    elif "until" in notes:
        cluster.wake(notes["until"])


def _end(cluster: Cluster, node: Object, pod: Object, notes: Object) -> None:
    labels, name = node["metadata"]["labels"], node["metadata"]["name"]
    made, log = _asked(cluster, pod, host.declared(cluster, name), str(notes["wanted"]))
    before = geometry(cluster, name)
    if made is not None and made != before and _somebody_on(cluster, name):
        made, log = None, _IN_USE
    if made is not None and bool(made) != bool(before) and _may_reboot(pod) and not notes.get("booted"):
        _boot(cluster, node, notes)
        return
    if notes.pop("booted", False):
        _set_ready(cluster, node, True)
    if made is not None:
        notes["applied"] = made
    notes["log"] = log
    back = {key: "true" for key in _PAUSES if labels.get(key) == PAUSED}
    _say(cluster, node, {STATE: "failed" if made is None else "success", **back})


def _boot(cluster: Cluster, node: Object, notes: Object) -> None:
    notes.update(booted=True, until=cluster.now + _BOOT_SECONDS)
    cluster.wake(notes["until"])
    _set_ready(cluster, node, False)
    _say(cluster, node, {STATE: "rebooting"})


def _may_reboot(pod: Object) -> bool:
    """Whether the manager was told that it may."""
    told = pod["spec"]["containers"][0].get("env", ())
    return any((one["name"], one.get("value")) == ("WITH_REBOOT", "true") for one in told)


def _set_ready(cluster: Cluster, node: Object, ready: bool) -> None:
    """A kubelet that is silent while its machine boots."""
    for one in node["status"]["conditions"]:
        if one["type"] == "Ready":
            one["status"] = "True" if ready else "Unknown"
            one["message"] = "" if ready else "Kubelet stopped posting node status."
    cluster.touch(node)


def _asked(cluster: Cluster, pod: Object, facts: Object, wanted: str) -> tuple[dict[str, int] | None, str]:
    """What the configuration that the manager has makes of such a card; None: it knows nothing of it."""
    if wanted == mig.OFF:
        return {}, ""
    own = _own_layouts(cluster, pod)
    made = own.get(wanted) if own is not None else mig.slices(wanted, _product(facts))
    return (made, "") if made else (None, _UNKNOWN.format(wanted))


def _own_layouts(cluster: Cluster, pod: Object) -> dict[str, dict[str, int]] | None:
    """Layouts of a ConfigMap that somebody gave the manager."""
    maps = [one["configMap"]["name"] for one in pod["spec"].get("volumes", ()) if one["name"] == "mig-parted-config"]
    found = cluster.get("ConfigMap", maps[0], pod["metadata"]["namespace"]) if maps else None
    if found is None:
        return None
    layouts: dict[str, dict[str, int]] = {}
    for line in str(found["data"]["config.yaml"]).splitlines():
        if head := re.fullmatch(r"  (\S+):", line):
            layouts[head[1]] = {}
        elif entry := re.fullmatch(r'        ("[^"]+"): (\d+)', line):
            layouts[list(layouts)[-1]][json.loads(entry[1])] = int(entry[2])
    return layouts


def _somebody_on(cluster: Cluster, node: str) -> bool:
    """Whether a pod holds a card or a slice there."""
    for pod in cluster.list("Pod"):
        if pod["spec"].get("nodeName") == node and pod["status"].get("phase") in ("Pending", "Running"):
            asked = [key for one in host.containers(pod) for key in (one.get("resources") or {}).get("limits") or {}]
            if any(key.startswith("nvidia.com/") for key in asked):
                return True
    return False


def log_of(cluster: Cluster, node: str) -> str:
    """What the manager's container has said last."""
    return str(_notes(cluster, node).get("log") or "Waiting for change to 'nvidia.com/mig.config' label\n")


def _notes(cluster: Cluster, node: str) -> Object:
    found: Object = cluster.data.get("mig", {}).get(node, {})
    return found


def _product(facts: Object) -> str:
    return str(facts.get("card") or "").replace(" ", "-")


def _say(cluster: Cluster, node: Object, labels: dict[str, str]) -> None:
    node["metadata"]["labels"].update(labels)
    cluster.touch(node)
