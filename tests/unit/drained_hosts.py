"""A home lab of two hosts whose nodes have pods, and what is seen of them while something is done to a host."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.steps.cordon import LABEL
from lab.cluster import drain
from lab.events import LogEvent
from lab.providers.transport import Finished, Script
from tests.unit.small_machines import Homelab, Quick

OTHER = {"driver": {"flavour": "proprietary"}, "reboot": "ifNeeded"}
"""A wish for which the module has to be another one, which takes a reboot."""


class Watched(Quick):
    """Notes at each step that hurts which nodes are closed, and which pods run on its own."""

    lab: Homelab
    seen: list[Any]
    fresh = False
    """No driver has ever been at work there."""
    nouveau = False
    surprises = False
    """Only its driver step finds out that it takes a reboot."""

    def facts(self, known: dict[str, Any]) -> dict[str, Any]:
        """As of the others, unless nothing was ever done to it."""
        found = super().facts(known)
        if not self.fresh:
            return found
        nothing = {"works": False, "version": "", "foreign": ""}
        modules = {"nvidia": "", "nouveau": self.nouveau, "nova": False, "flavour": ""}
        cards = [{**card, "driver": "nouveau" if self.nouveau else ""} for card in found["cards"]]
        return {**found, "driver": nothing, "modules": modules, "cards": cards}

    def run(self, script: Script, *more: Any) -> Finished:
        """As the others do."""
        done = super().run(script, *more)
        step = self.asked[-1].split()[1]
        if step in ("driver", "reboot"):
            self.seen.append((step, closed(self.lab), pods_on(self.lab, self.node)))
        if step == "driver" and self.surprises and not done.ending:
            return Finished("", json.dumps({**json.loads(done.stdout), "reboot": True}).encode(), b"", b"")
        return self._booted(done) if step == "reboot" and self.surprises else done

    def _booted(self, done: Finished) -> Finished:
        """Another boot answers, in which all is well."""
        self.boot_id, self.fresh, self.surprises = "99999999-2222-3333-4444-555555555555", False, False
        self.lab.shows(self)
        return Finished("", json.dumps({**json.loads(done.stdout), "boot_id": self.boot_id}).encode(), b"", b"")


def homelab(folder: Path, **more: Any) -> Homelab:
    """Two hosts to which nothing was done yet."""
    hosts = Watched("rtx", 1), Watched("tesla", 2)
    made = Homelab(folder, *hosts)
    for one in hosts:
        one.lab, one.seen = made, []
        vars(one).update(more)
    return made


def web(lab: Homelab, node: str, **spec: Any) -> None:
    """A Deployment that runs there and nowhere else."""
    pod = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "containers": [{"name": "web", "image": "registry.example.com/web:1"}],
        **spec,
    }
    labels = {"app": f"web-{node}"}
    with lab.world.open() as cluster:
        cluster.create(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": f"web-{node}", "namespace": "default"},
                "spec": {
                    "replicas": 1,
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": pod},
                },
            }
        )
    lab.world.clock.sleep(30)


def budget(lab: Homelab, node: str, least: int) -> None:
    spec = {"minAvailable": least, "selector": {"matchLabels": {"app": f"web-{node}"}}}
    meta = {"name": "always-one", "namespace": "default"}
    with lab.world.open() as cluster:
        cluster.create({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": spec})


def pods_on(lab: Homelab, node: str) -> list[str]:
    """The pods of Deployments there."""
    with lab.world.open() as cluster:
        pods = [pod for pod in cluster.list("Pod", "default") if pod["spec"].get("nodeName") == node]
        return [pod["metadata"]["labels"]["app"] for pod in pods if "app" in pod["metadata"].get("labels", {})]


def closed(lab: Homelab) -> list[str]:
    with lab.world.open() as cluster:
        return [one["metadata"]["name"] for one in cluster.list("Node") if one["spec"].get("unschedulable")]


def marked(lab: Homelab) -> list[str]:
    """The nodes that we have closed."""
    with lab.world.open() as cluster:
        nodes = cluster.list("Node")
        return [one["metadata"]["name"] for one in nodes if LABEL in one["metadata"]["labels"]]


def config(lab: Homelab, *moved: str, **drain: Any) -> dict[str, Any]:
    """These hosts get another driver."""
    found = lab.config()
    hosts = [{**one, **(OTHER if one["name"] in moved else {})} for one in found["bareMetal"]["hosts"]]
    return {**found, "bareMetal": {"hosts": hosts, **({"drain": drain} if drain else {})}}


def seen(lab: Homelab, name: str) -> list[Any]:
    host = lab.quick[name]
    assert isinstance(host, Watched)
    return host.seen


def said(lab: Homelab) -> str:
    """All that was told to whoever watches."""
    return "\n".join(one.text for one in lab.events if isinstance(one, LogEvent))


def close(lab: Homelab, node: str) -> None:
    """Somebody else cordons it."""
    with lab.world.open() as cluster:
        found = cluster.get("Node", node)
        assert found is not None
        drain.cordon(cluster, found, True)


def names(lab: Homelab) -> list[str]:
    """The pods that are there now; one that was sent away comes back under another name."""
    with lab.world.open() as cluster:
        return [pod["metadata"]["name"] for pod in cluster.list("Pod", "default")]


def until(holds: Callable[[], bool], seconds: float = 5) -> bool:
    """Whether it comes true in time."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def may_reboot(lab: Homelab, **more: Any) -> dict[str, Any]:
    """All of them, and nothing is said of their drivers."""
    found = lab.config()
    hosts = [{**one, "reboot": "ifNeeded"} for one in found["bareMetal"]["hosts"]]
    return {**found, "bareMetal": {"hosts": hosts, **more}}


def meeting(lab: Homelab, name: str, together: list[bool]) -> Callable[..., Finished]:
    """Runs steps of a host; at its driver it looks whether the other one is away as well, and gives it time to be."""
    plain = lab.quick[name].run

    def run(script: Script, *more: Any) -> Finished:
        if " driver " in script.stdin:
            together.append(until(lambda: len(closed(lab)) == 2, seconds=1))
        return plain(script, *more)

    return run


def at_work(folder: Path) -> Homelab:
    """Both hosts made ready, with a pod on the first; what was seen until then is forgotten."""
    made = homelab(folder)
    assert made.up().exit == 0
    web(made, "gpu-1")
    for name in made.quick:
        seen(made, name).clear()
    return made
