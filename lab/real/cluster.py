"""A real Kubernetes cluster without machines: real API server, controllers and scheduler; kubelets played by kwok.

with RealCluster(folder, tools.build()) as cluster:
    cluster.add_node("gpu-1", card="NVIDIA A10G", driver="580.126.20", toolkit=True)
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from lab.cluster.spec import taint
from lab.cluster.store import Object
from lab.cluster.world import World
from lab.real.chart_host import ChartHost
from lab.real.control_plane import CONTEXT, STAGES, ControlPlane
from lab.real.operator import GpuSide
from lab.real.snapshot import snapshot

MANAGER = "gpu-ready-lab"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_BORN_WITH = ("default", "kube-node-lease", "kube-public", "kube-system")


class RealCluster:
    """One cluster, all of it in one folder, gone when the `with` ends."""

    context = CONTEXT

    def __init__(self, folder: Path, built: Mapping[str, Path]) -> None:
        self.folder, self.built = folder, built
        self.plane = ControlPlane(folder, built)
        self.api = self.plane.api
        self.kubeconfig, self.url, self.kubectl = self.plane.kubeconfig, self.plane.url, built["kubectl"]
        self.gpus = GpuSide(self.api, folder / "container-logs")
        self.charts = ChartHost(folder / "charts", self.plane.authority)

    def __enter__(self) -> RealCluster:
        try:
            self._bring_up()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _bring_up(self) -> None:
        self.plane.start()
        self.api.request("POST", _DEFINITIONS, yaml.safe_load((STAGES / "logs-crd.yaml").read_text()))
        self.plane.wait("the kind Logs", self._knows_logs)
        self.plane.start_kwok()
        self.plane.wait("the first namespaces", self._has_namespaces)
        self.charts.start()
        self.gpus.start()

    def _knows_logs(self) -> bool:
        groups = self.api.request("GET", "/apis")["groups"]
        return any(group["name"] == "kwok.x-k8s.io" for group in groups)

    def _has_namespaces(self) -> bool:
        names = {one["metadata"]["name"] for one in self.api.list("Namespace")}
        accounts = {one["metadata"]["namespace"] for one in self.api.list("ServiceAccount")}
        maps = {one["metadata"]["namespace"] for one in self.api.list("ConfigMap")}
        return names == accounts == set(_BORN_WITH) and maps >= names

    def close(self) -> None:
        """Ends everything; the folder stays for whoever wants to read the logs."""
        self.gpus.stop()
        self.charts.stop()
        self.plane.close()

    def env(self) -> dict[str, str]:
        """Environment in which steps find this cluster's kubectl, and Helm the lab's charts."""
        tools = self.folder / "bin"
        tools.mkdir(exist_ok=True)
        if not (tools / "kubectl").is_symlink():
            (tools / "kubectl").symlink_to(self.kubectl)
        return {**self.charts.env(), "PATH": str(tools)}

    # nodes

    def add_node(
        self, name: str, gpus: int = 1, card: str | None = None, *, labels: Mapping[str, str] | None = None,
        taints: Sequence[str | Mapping[str, str]] = (), machine_id: str = "", boot_id: str = "",
        runtime: str = "containerd://2.1.4", driver: str | None = None, toolkit: bool = False,
        device_plugin: bool = False,
    ) -> None:  # fmt: skip
        """A node that joins: `card`, `driver` and `toolkit` are what is true on its machine, below Kubernetes.

        It hands out cards once the operator's device plugin runs there, or at once where it has a `device_plugin`.
        """
        facts = {"name": name, "driver": driver, "toolkit": toolkit, "device_plugin": device_plugin}
        self.gpus.declare({**facts, **({"card": card, "gpus": gpus} if card else {})})
        info = {"machineID": machine_id, "bootID": boot_id, "containerRuntimeVersion": runtime}
        self.api.create(_node(name, labels or {}, [taint(_plain(one)) for one in taints], info), MANAGER)
        self.plane.wait(f"node {name}", lambda: self._is_ready(name))
        if device_plugin:
            self.plane.wait(f"the cards of {name}", lambda: bool(self._cards(name)))

    def _is_ready(self, name: str) -> bool:
        """Ready, and without the taints that a node has while it joins."""
        node = self.api.get("Node", name) or {}
        conditions = node.get("status", {}).get("conditions", ())
        joining = [one for one in node.get("spec", {}).get("taints", ()) if one["key"].startswith("node.kubernetes.io")]
        return not joining and any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def _cards(self, name: str) -> Any:
        node = self.api.get("Node", name) or {}
        return node.get("status", {}).get("allocatable", {}).get("nvidia.com/gpu")

    def set_node_info(self, name: str, **info: str) -> None:
        """What the kubelet reports of its machine and itself: `boot_id`, `machine_id`, `runtime`, `kubelet`."""
        known = {
            "boot_id": "bootID", "machine_id": "machineID", "runtime": "containerRuntimeVersion",
            "kubelet": "kubeletVersion",
        }  # fmt: skip
        patch = {"status": {"nodeInfo": {known[key]: value for key, value in info.items()}}}
        self.api.merge("Node", name, None, patch, "kubelet", "status")

    def remove_node(self, name: str) -> None:
        """The node leaves, and its machine with it."""
        self.gpus.forget(name)
        self.api.delete("Node", name)
        self.plane.wait(f"the end of node {name}", lambda: self.api.get("Node", name) is None)

    def wait_for_collector(self, api_version: str, kind: str) -> None:
        """Until the garbage collector knows this kind of owner: it asks for new ones every 30 s, and is late till then.

        No real operator is ready that soon after its definitions came; the lab's, whose time runs faster, is.
        """
        owner = {"apiVersion": api_version, "kind": kind, "name": "nobody"}
        self.plane.wait(f"the garbage collector's learning of {kind}", lambda: self._takes_orphan_of(owner))

    def _takes_orphan_of(self, owner: Mapping[str, str]) -> bool:
        name = f"orphan-{uuid.uuid4().hex[:8]}"
        meta = {"name": name, "namespace": "default", "ownerReferences": [{**owner, "uid": str(uuid.uuid4())}]}
        self.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}, MANAGER)
        time.sleep(0.5)
        there = self.api.get("ConfigMap", name, "default") is not None
        return not (there and self.api.delete("ConfigMap", name, "default"))

    # faults

    def stop_api(self) -> None:
        """Nobody answers any more; what there is stays."""
        self.plane.stop_api()

    def start_api(self) -> None:
        """The API server is back, at the same address and with the same objects."""
        self.plane.start_api()

    # looking

    def snapshot(self) -> dict[str, Object]:
        """All objects; equal snapshots mean an equal cluster."""
        return snapshot(self.api)

    def left(self, before: dict[str, Object], patience: float = 60.0) -> list[str]:
        """What is not as it was, beside the named remainder; the garbage collector learns of new kinds every 30 s."""
        deadline = time.monotonic() + patience
        while True:
            found = World.unexpected(before, self.snapshot())
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.3)


def _plain(one: str | Mapping[str, str]) -> str | dict[str, str]:
    return one if isinstance(one, str) else dict(one)


def _node(name: str, labels: Mapping[str, str], taints: list[dict[str, str]], info: Mapping[str, str]) -> Object:
    amounts = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "100Gi", "pods": "110"}
    usual = {
        "beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux",
    }  # fmt: skip
    about = {
        "architecture": "amd64", "kernelVersion": "6.8.0-71-generic", "kubeletVersion": "v1.35.4",
        "operatingSystem": "linux", "osImage": "Ubuntu 24.04.3 LTS", "systemUUID": "", "kubeProxyVersion": "",
    }  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {**usual, **labels}},
        "spec": {"taints": taints} if taints else {},
        "status": {"capacity": amounts, "allocatable": dict(amounts), "nodeInfo": {**about, **info}},
    }
