"""What no machine without a card can do: GPU operator, device plugin, and the pods that use a card.

A stand-in: the same functions play it in the simulated cluster (lab/cluster: kubelet, gpu_operator, programs), whose
words and order are from the operator's source (facts about NVIDIA) and from its logs. Real around it: scheduling,
admission, the controllers of Jobs and DaemonSets, garbage collection, and whatever the chart brings.
"""

from __future__ import annotations

import copy
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from lab.cluster import dra_chart, gpu_operator, host, kubelet
from lab.cluster.clock import START, stamp
from lab.cluster.releases import forget_discovered
from lab.cluster.spec import WorldError, normal
from lab.cluster.store import Object
from lab.real.api import Api, UnreachableError
from lab.real.mirror import Mirror

SPEED = 10.0
"""Seconds of the stand-ins in each real one: an operator that needs 40 s is ready in 4."""
_PAUSE = 0.15
_LONGEST_PAUSE = 2.0
_LOGS = "/apis/kwok.x-k8s.io/v1alpha1/namespaces/{}/logs"
_PRUNES = "node-feature-discovery-prune"


class GpuSide:
    """A thread that plays kubelets with cards, and the operator; `switch` makes them late, stuck or failing."""

    def __init__(self, api: Api, folder: Path) -> None:
        self._folder = folder
        self._wish: Object = {"kubernetes": "1.35", "nodes": []}
        folder.mkdir(parents=True, exist_ok=True)
        self._mirror = Mirror(api, normal(self._wish), SPEED)
        self._lock, self._over = threading.Lock(), threading.Event()
        self._written: dict[str, str] = {}
        self._thread = threading.Thread(target=self._live, name="lab-gpus", daemon=True)
        self._errors: list[str] = []
        self._seen: tuple[str, Object] = ("", {})
        self._looked = 0.0

    def start(self) -> None:
        """Begins to work."""
        self._thread.start()

    def stop(self) -> None:
        """Ends; one that was never started too."""
        self._over.set()
        if self._thread.ident:
            self._thread.join()

    @property
    def faults(self) -> list[str]:
        """What went wrong with the stand-ins themselves: none in a lab that is well."""
        return [*self._errors, *(f"{what}: {why}" for what, why in self._mirror.refusals.items())]

    # what it is told

    def declare(self, node: Object) -> None:
        """What is true on a node below Kubernetes."""
        with self._lock:
            others = [one for one in self._wish["nodes"] if one["name"] != node["name"]]
            self._describe({**self._wish, "nodes": [*others, node]})

    def forget(self, name: str) -> None:
        """A machine that is gone."""
        with self._lock:
            self._describe({**self._wish, "nodes": [one for one in self._wish["nodes"] if one["name"] != name]})
            data = self._mirror.cluster.data
            data["images"].pop(name, None)
            data["discovered"].pop(name, None)

    def switch(self, path: str, value: Any) -> None:
        """One switch of the simulated world: `operator.fault`, `operator.ready_seconds`, `jobs.fault` ..."""
        part, _, key = path.partition(".")
        if part not in ("operator", "jobs") or not key:
            raise WorldError(f"there is no such switch: {path}")
        with self._lock:
            self._describe({**self._wish, part: {**self._wish.get(part, {}), key: value}})

    def reset(self) -> None:
        """All switches as at the beginning."""
        with self._lock:
            self._describe({key: self._wish[key] for key in ("kubernetes", "nodes")})

    def _describe(self, wish: Object) -> None:
        self._mirror.cluster.data["spec"] = normal(copy.deepcopy(wish))
        self._wish = wish

    # what it does

    def _live(self) -> None:
        while not self._over.wait(_PAUSE):
            try:
                if self._is_due():
                    self._round()
            except UnreachableError:  # a server that is away comes back
                continue
            except Exception:  # whatever it is, a test shall see it and not wait for nothing
                self._errors.append(traceback.format_exc())

    def _is_due(self) -> bool:
        """Something was written, or we were told something, or have waited: to read all of it costs the server most."""
        now, due = time.monotonic(), self._mirror.cluster.next_wake
        seen, self._seen = self._seen, (self._mirror.api.revision(), self._wish)
        if seen == self._seen and now < self._looked + _LONGEST_PAUSE and (due is None or self._mirror.now() < due):
            return False
        self._looked, self._mirror.cluster.next_wake = now, None
        return True

    def _round(self) -> None:
        with self._lock:
            before, cluster = self._mirror.read(), self._mirror.cluster
            kubelet.live(cluster)
            gpu_operator.reconcile(cluster)
            dra_chart.publish(cluster)
            self._prune()
            self._print()
            self._mirror.write(before)

    def _prune(self) -> None:
        """The chart's last Job takes back what node feature discovery wrote."""
        if any(_PRUNES in pod["metadata"]["name"] for pod in self._mirror.cluster.list("Pod")):
            forget_discovered(self._mirror.cluster)

    def _print(self) -> None:
        """What containers have printed, where kwok's kubelet finds it."""
        cluster = self._mirror.cluster
        for pod in cluster.list("Pod"):
            for container in host.containers(pod):
                text = kubelet.log_of(cluster, pod, container["name"])
                file = self._file(pod, container["name"])
                if text is not None and self._written.get(file.name) != text:
                    file.write_text(_as_runtime(text))
                    self._written[file.name] = text
            self._announce(pod)

    def _file(self, pod: Object, container: str) -> Path:
        return self._folder / f"{pod['metadata']['uid']}.{container}.log"

    def _announce(self, pod: Object) -> None:
        """Tells kwok where the logs of a pod are; that goes with the pod."""
        notes, meta = self._mirror.cluster.private(pod), pod["metadata"]
        if notes.get("announced"):
            return
        owner = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
        logs = [{"containers": [one["name"]], "logsFile": str(self._file(pod, one["name"]))}
                for one in host.containers(pod)]  # fmt: skip
        self._mirror.api.request("POST", _LOGS.format(meta["namespace"]), {
            "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Logs", "spec": {"logs": logs},
            "metadata": {"name": meta["name"], "ownerReferences": [owner]},
        })  # fmt: skip
        notes["announced"] = True


def _as_runtime(text: str) -> str:
    """Lines as a container runtime writes them into a log file."""
    when = stamp(time.time() - START).replace("Z", ".000000000Z")
    return "".join(f"{when} stdout F {line}\n" for line in text.splitlines())
