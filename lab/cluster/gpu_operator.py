"""The GPU operator at work: node labels, RuntimeClasses, DaemonSets, and the state of its ClusterPolicy."""

from __future__ import annotations

import re

from lab.cluster import dividing, host, shares, slices
from lab.cluster.clock import stamp
from lab.cluster.driver_upgrade import upgrade_drivers
from lab.cluster.exporter import expose
from lab.cluster.jobs import owner
from lab.cluster.leadership import has_seen, leader
from lab.cluster.operand_programs import ALONE, PLUGIN
from lab.cluster.operands import NODE_LABELS, OPERANDS, Operand, daemon_set
from lab.cluster.store import Cluster, Object
from lab.cluster.workloads import is_current

RESOURCE = "nvidia.com/gpu"
_FIRST_WITH_CUDA_13 = 580
PCI_LABEL = "feature.node.kubernetes.io/pci-10de.present"


def policy_of(cluster: Cluster) -> Object | None:
    """The one ClusterPolicy that the operator obeys."""
    return next(iter(cluster.list("ClusterPolicy")), None)


def reconcile(cluster: Cluster) -> None:
    """One round of the operator and of what its operands do to nodes."""
    for node in cluster.list("Node"):
        _discover(cluster, node)
        dividing.run(cluster, node)
        _advertise(cluster, node)
        _describe(cluster, node)
    policy = policy_of(cluster)
    operator = leader(cluster, policy) if policy else None
    if policy is None or operator is None or not has_seen(cluster, policy):
        return
    namespace = operator["metadata"]["namespace"]
    cluster.data["operator_version"] = operator["spec"]["containers"][0]["image"].rpartition(":")[2]
    for node in cluster.list("Node"):
        _label(cluster, node, policy)
    _runtime_classes(cluster, policy)
    _roll_out(cluster, policy, namespace)
    expose(cluster, policy, namespace)
    upgrade_drivers(cluster, policy, namespace)
    _report(cluster, policy, namespace)


def set_labels(cluster: Cluster, node: Object, labels: dict[str, str]) -> None:
    """Writes labels that are not there yet, or different."""
    have = node["metadata"].setdefault("labels", {})
    if any(have.get(key) != value for key, value in labels.items()):
        have.update(labels)
        cluster.touch(node)


def _discover(cluster: Cluster, node: Object) -> None:
    """Node feature discovery: its worker must run on the node, or nobody knows of the card."""
    name = node["metadata"]["name"]
    facts = host.declared(cluster, name)
    if not host.runs(cluster, name, "node-feature-discovery-worker"):
        return
    image = re.search(r"(\d+)(\.\d+)?", node["status"]["nodeInfo"]["osImage"])
    labels = {
        "feature.node.kubernetes.io/kernel-version.full": facts["kernel"],
        "feature.node.kubernetes.io/system-os_release.ID": node["status"]["nodeInfo"]["osImage"].split()[0].lower(),
        "feature.node.kubernetes.io/system-os_release.VERSION_ID": image[0] if image else "",
    }
    if facts.get("card"):
        labels |= {PCI_LABEL: "true"}
    _set_discovered(cluster, node, labels)


def _has_master(cluster: Cluster) -> bool:
    pods = cluster.list("Pod")
    return any(cluster.private(pod).get("operand") == "node-feature-discovery-master" for pod in pods)


def _set_discovered(cluster: Cluster, node: Object, labels: dict[str, str]) -> None:
    """Labels that go through node feature discovery, which takes them back when it is uninstalled."""
    known = cluster.data["discovered"].setdefault(node["metadata"]["name"], [])
    known += [label for label in labels if label not in known]
    set_labels(cluster, node, labels)


def _advertise(cluster: Cluster, node: Object) -> None:
    """The device plugin's effect on a node: capacity and allocatable."""
    name, status = node["metadata"]["name"], node["status"]
    facts = host.declared(cluster, name)
    wanted: dict[str, tuple[int, int]] = {}
    if host.runs(cluster, name, PLUGIN) or _serves_alone(cluster, name) or facts.get("device_plugin"):
        parts = shares.of_node(cluster, node).replicas
        each = slices.of_each_card(cluster, name)
        gpus, ill = facts.get("gpus", 0) * parts, facts.get("unhealthy", 0) * parts
        wanted = {resource: (gpus * count, ill * count) for resource, count in each.items()}
    held = {key for key in status["capacity"] if key.startswith(host.HANDED_OUT)}
    for key in sorted({*held, *wanted}):
        has, ill = wanted.get(key, (0, 0))
        _set_amount(cluster, node, key, None if key not in wanted else (str(has), str(has - ill)))


def _set_amount(cluster: Cluster, node: Object, key: str, amounts: tuple[str, str] | None) -> None:
    capacity, free = (node["status"][part] for part in ("capacity", "allocatable"))
    if (capacity.get(key), free.get(key)) == (amounts or (None, None)):
        return
    for part, amount in zip((capacity, free), amounts or (None, None), strict=True):
        part.pop(key, None)
        part.update({key: amount} if amount is not None else {})
    cluster.touch(node)


def _serves_alone(cluster: Cluster, node: str) -> bool:
    """Whether a plugin without operator has a card to hand out: without one it waits, and tells the kubelet nothing."""
    return host.runs(cluster, node, ALONE) and bool(host.declared(cluster, node).get("gpus"))


def _describe(cluster: Cluster, node: Object) -> None:
    """GPU feature discovery: what the card is."""
    name = node["metadata"]["name"]
    facts, version = host.declared(cluster, name), host.driver(cluster, name)
    # What it finds becomes labels by way of node feature discovery: seen on a real server, where pods end one by one.
    if not (host.runs(cluster, name, "gpu-feature-discovery") and version and _has_master(cluster)):
        return
    divided = slices.labels(cluster, name, facts)
    labels = {**_card_labels(facts, shares.of_node(cluster, node)), **divided, **_driver_labels(version)}
    _set_discovered(cluster, node, labels)


def _card_labels(facts: Object, shared: shares.Shares) -> dict[str, str]:
    compute = facts["compute_capability"].split(".")
    labels = {
        "product": facts["card"].replace(" ", "-") + ("-SHARED" if shared.replicas > 1 else ""),
        "count": str(facts["gpus"]),
        "memory": str(facts["memory_mib"]),
        "family": facts["family"],
        "machine": "simulated",
        "replicas": str(shared.replicas),
        "sharing-strategy": shared.strategy,
        "mode": "compute",
        "compute.major": compute[0],
        "compute.minor": compute[1],
    }
    return {f"nvidia.com/gpu.{key}": value for key, value in labels.items()}


def _driver_labels(version: str) -> dict[str, str]:
    major, minor, revision = [*version.split("."), "", ""][:3]
    cuda = "13" if int(major) >= _FIRST_WITH_CUDA_13 else "12"
    labels = {
        "driver-version.major": major,
        "driver-version.minor": minor,
        "driver-version.revision": revision,
        "driver-version.full": version,
        "runtime-version.major": cuda,
        "runtime-version.minor": "0",
        "runtime-version.full": f"{cuda}.0",
    }
    return {f"nvidia.com/cuda.{key}": value for key, value in labels.items()}


def _label(cluster: Cluster, node: Object, policy: Object) -> None:
    labels = node["metadata"].get("labels", {})
    if labels.get(PCI_LABEL) != "true":
        return
    wanted = {f"nvidia.com/gpu.deploy.{name}": "true" for name in NODE_LABELS}
    facts = host.declared(cluster, node["metadata"]["name"])
    if facts.get("driver") and policy["spec"]["driver"]["enabled"]:
        labels["nvidia.com/gpu.deploy.driver"] = "pre-installed"
    if facts.get("mig"):
        wanted |= {"nvidia.com/gpu.deploy.mig-manager": "true", "nvidia.com/mig.config": "all-disabled"}
    missing = {key: value for key, value in wanted.items() if key not in labels}
    set_labels(cluster, node, {"nvidia.com/gpu.present": "true", **missing})


def _runtime_classes(cluster: Cluster, policy: Object) -> None:
    spec = policy["spec"]
    if spec["cdi"]["nriPluginEnabled"]:
        for found in list(cluster.owned(policy["metadata"]["uid"], "RuntimeClass")):
            cluster.remove(found)
        return
    for name in [
        spec["operator"]["runtimeClass"],
        *(("nvidia-cdi", "nvidia-legacy") if spec["cdi"]["enabled"] else ()),
    ]:
        _runtime_class(cluster, policy, name)


def _runtime_class(cluster: Cluster, policy: Object, name: str) -> None:
    """One of that name that somebody else made is overwritten, and goes with the policy."""
    wanted = {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/component": "gpu-operator"},
            "ownerReferences": [owner(policy)],
        },
        "handler": name,
    }
    found = cluster.get("RuntimeClass", name)
    if found is None:
        cluster.create(wanted)
    elif found["metadata"].get("ownerReferences") != [owner(policy)]:
        cluster.replace(wanted)


def is_enabled(operand: Operand, policy: Object) -> bool:
    """Whether the policy turns an operand on."""
    return not operand.switch or bool(policy["spec"][operand.switch]["enabled"])


def _roll_out(cluster: Cluster, policy: Object, namespace: str) -> None:
    for operand in OPERANDS:
        found = cluster.get("DaemonSet", operand.daemon_set, namespace)
        if not is_enabled(operand, policy):
            if found:
                cluster.remove(found)
            continue
        wanted = daemon_set(operand, policy, namespace)
        wanted["metadata"]["ownerReferences"] = [owner(policy)]
        if found is None:
            found = cluster.create(wanted)
            cluster.private(found).update(operand=operand.daemon_set, slow=True)
        elif found["spec"] != wanted["spec"]:
            cluster.replace(wanted)


def _report(cluster: Cluster, policy: Object, namespace: str) -> None:
    not_ready = [one.state for one in OPERANDS if is_enabled(one, policy) and not _is_ready(cluster, one, namespace)]
    nodes = cluster.list("Node")
    has_card = any(node["metadata"].get("labels", {}).get("nvidia.com/gpu.present") == "true" for node in nodes)
    has_labels = any(
        label.startswith("feature.node.kubernetes.io/")
        for node in nodes
        for label in node["metadata"].get("labels", {})
    )
    if not_ready:
        mark = ";" if cluster.data["operator_version"] >= "v26.7" else ","
        text = f"ClusterPolicy is not ready{mark} states not ready: [{' '.join(not_ready)}]"
        _set_state(cluster, policy, namespace, "notReady", "OperandNotReady", text)
    elif not has_labels:
        _set_state(cluster, policy, namespace, "ready", "NFDLabelsMissing", "No NFD labels found")
    elif not has_card:
        text = "No GPU node found, watching for new nodes to join the cluster."
        _set_state(cluster, policy, namespace, "ready", "NoGPUNodes", text)
    else:
        text = "ClusterPolicy is ready as all resources have been successfully reconciled"
        _set_state(cluster, policy, namespace, "ready", "Reconciled", text)


def _is_ready(cluster: Cluster, operand: Operand, namespace: str) -> bool:
    """By the operator's own rule; only that of 26.7 knows that a roll-out takes time."""
    found = cluster.get("DaemonSet", operand.daemon_set, namespace)
    status = found.get("status", {}) if found else {}
    wanted = status.get("desiredNumberScheduled")
    if found is None or wanted is None or status.get("numberUnavailable"):
        return wanted == 0
    if found["spec"]["updateStrategy"]["type"] == "OnDelete":
        return all(is_current(found, pod) for pod in cluster.owned(found["metadata"]["uid"], "Pod"))
    observed = status.get("observedGeneration", 0) >= found["metadata"]["generation"]  # zeros are there at once
    rolled_out = observed and status.get("updatedNumberScheduled", 0) == wanted
    return rolled_out or str(cluster.data["operator_version"]) < "v26.7"


def _set_state(cluster: Cluster, policy: Object, namespace: str, state: str, reason: str, text: str) -> None:
    ready = state == "ready"
    good = _condition(policy, "Ready", ready, reason if ready else "Error", text if ready else "", cluster.now)
    bad = _condition(policy, "Error", not ready, "Ready" if ready else reason, "" if ready else text, cluster.now)
    status = {"state": state, "namespace": namespace, "conditions": [good, bad]}
    if policy.get("status") != status:
        policy["status"] = status
        cluster.touch(policy)


def _condition(policy: Object, kind: str, holds: bool, reason: str, text: str, now: float) -> Object:
    status = "True" if holds else "False"
    before = [one for one in policy.get("status", {}).get("conditions", ()) if one["type"] == kind]
    since = before[0]["lastTransitionTime"] if before and before[0]["status"] == status else stamp(now)
    return {"type": kind, "status": status, "reason": reason, "message": text, "lastTransitionTime": since}
