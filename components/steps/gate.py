"""The gate: waits until GPU pods have run on every declared node, or says which layer is the first that is broken."""

import json
import time
from typing import Any, Dict, Optional

from components.steps.kubectl import Unreadable, by_kind, kubectl, objects, refuse, say
from decide.cluster_health import judge, report, wanted_logs
from decide.reading import Obj, Verdict, list_at

SECONDS_BETWEEN_LINES = 15


def main(params: Obj) -> int:
    """0 and the report as JSON, or 3 and the first broken layer."""
    began = time.monotonic()
    deadline, hopeless_since = began + params["timeout_seconds"], None  # type: float, Optional[float]
    told = Told()
    while True:
        found, snapshot = read_and_judge(params)
        now = time.monotonic()
        if found.state == "ready":
            print(json.dumps(report(snapshot, params), sort_keys=True))
            return 0
        if found.state == "broken":
            return refuse(found)
        told.progress(found, now, deadline - now)
        hopeless_since = (hopeless_since if hopeless_since is not None else now) if found.hopeless else None
        if hopeless_since is not None and now - hopeless_since >= params["grace_seconds"]:
            return refuse(found)
        if now >= deadline:
            return refuse(found, "not ready after {} s, still waiting for: ".format(params["timeout_seconds"]))
        time.sleep(max(0.1, min(params["poll_seconds"], deadline - now)))


class Told:
    """Says each change at once, and at least every so often that it is still there."""

    def __init__(self) -> None:
        self.what, self.when = "", 0.0

    def progress(self, found: Verdict, now: float, left: float) -> None:
        """One line, if it is time for one."""
        what = "{}: {}".format(found.layer, found.problem)
        if what != self.what or now - self.when >= SECONDS_BETWEEN_LINES:
            say("waiting for {} (at most {} s more)".format(what, int(max(left, 0))))
            self.what, self.when = what, now


def read_and_judge(params: Obj) -> Any:
    """One look: a verdict and what it was made from."""
    try:
        snapshot = take_snapshot(params)
    except Unreadable as failure:
        return failure.found, {}
    return judge(snapshot, params), snapshot


def take_snapshot(params: Obj) -> Dict[str, Any]:
    """Everything that a verdict needs, in three calls and the few logs that matter."""
    operator, ours = params["operator"]["namespace"], params["validation_namespace"]
    found = objects(params, "nodes,runtimeclasses.node.k8s.io,clusterpolicies.nvidia.com")
    found += objects(params, "pods,events,daemonsets.apps", "-n", operator)
    found += objects(params, "pods,events,jobs.batch", "-n", ours)
    snapshot = by_kind(found)
    snapshot["all_pods"] = objects(params, "pods", "-A") if somebody_waits_for_a_card(snapshot) else []
    snapshot["logs"] = {"/".join(one): log_of(params, *one) for one in wanted_logs(snapshot, params)}
    return snapshot


def somebody_waits_for_a_card(snapshot: Obj) -> bool:
    """Only then it matters who holds the cards; the list of all pods is long."""
    conditions = [one for pod in list_at(snapshot, "pods") for one in list_at(pod, "status", "conditions")]
    return any("Insufficient" in str(one.get("message")) for one in conditions)


def log_of(params: Obj, namespace: str, pod: str, container: str) -> Optional[str]:
    """The end of a log; None where it cannot be read, which is no reason to fail."""
    try:
        return kubectl(params, "logs", "-n", namespace, pod, "-c", container, "--tail=40")
    except Unreadable:
        return None
