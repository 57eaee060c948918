"""The gate: waits until GPU pods have run on every declared node, or says which layer is the first that is broken."""

import json
import time
from typing import Any, Dict, Optional, Tuple

from components.steps.kubectl import MAY_BE_UNKNOWN, Unreadable, by_kind, kubectl, objects, refuse, say
from decide.cluster_health import judge, report, wanted_logs
from decide.operator_health import operator_spaces
from decide.reading import Obj, Verdict, list_at, name_of, space_of, text_at

SECONDS_BETWEEN_LINES = 15
LOOKS_TO_FORGET = 3
SECONDS_OF_LAST_LOOK = 45  # after the deadline; the engine's own limit comes much later


def main(params: Obj) -> int:
    """0 and the report as JSON, or 3 and the first broken layer."""
    began = time.monotonic()
    deadline = began + params["timeout_seconds"]
    params = dict(params, stop=deadline + SECONDS_OF_LAST_LOOK)
    told, patience, logs = Told(), Patience(params["grace_seconds"]), Logs(params)
    while True:
        found, snapshot = read_and_judge(dict(params, waited=time.monotonic() - began), logs)
        now = time.monotonic()
        if found.state == "ready":
            print(json.dumps(report(snapshot, params), sort_keys=True))
            return 0
        left = patience.left(found, now)
        if found.state == "broken" or left <= 0:
            return refuse(found)
        told.progress(found, now, min(left, deadline - now))
        if now >= deadline:
            return refuse(found, f"not ready after {params['timeout_seconds']} s, still waiting for: ")
        time.sleep(max(0.1, min(params["poll_seconds"], deadline - now)))


class Patience:
    """How long to go on with what does not come by itself; each id has a clock of its own."""

    def __init__(self, grace: float) -> None:
        self.grace, self.looks = grace, 0
        self.seen: Dict[str, Tuple[float, int]] = {}

    def left(self, found: Verdict, now: float) -> float:
        """Seconds that are left; the short runs of a crash loop do not begin the time anew."""
        self.looks += 1
        self.seen = {id: seen for id, seen in self.seen.items() if self.looks - seen[1] <= LOOKS_TO_FORGET}
        if not found.hopeless:
            return float("inf")
        since = self.seen.get(found.id, (now, 0))[0]
        self.seen[found.id] = (since, self.looks)
        return since + self.grace - now


class Told:
    """Says each change at once, and at least every so often that it is still there."""

    def __init__(self) -> None:
        self.what, self.when = "", 0.0

    def progress(self, found: Verdict, now: float, left: float) -> None:
        """One line, if it is time for one."""
        what = f"{found.layer}: {found.problem}"
        if what != self.what or now - self.when >= SECONDS_BETWEEN_LINES:
            until = "gives up in {} s unless it changes" if found.hopeless else "at most {} s more"
            say(f"waiting for {what} ({until.format(max(int(left), 0))})")
            self.what, self.when = what, now


class Logs:
    """Logs as they were read; that of a pod which is over is not read again."""

    def __init__(self, params: Obj) -> None:
        self.params = params
        self.kept: Dict[str, str] = {}

    def of(self, snapshot: Obj) -> Dict[str, Optional[str]]:
        """The logs that a verdict on this snapshot needs."""
        over = {(space_of(pod), name_of(pod)) for pod in list_at(snapshot, "pods") if is_over(pod)}
        return {"/".join(one): self.one(one, one[:2] in over) for one in wanted_logs(snapshot, self.params)}

    def one(self, where: Tuple[str, str, str], final: bool) -> Optional[str]:
        """One log, from the cluster or from an earlier look."""
        name = "/".join(where)
        if name in self.kept:
            return self.kept[name]
        said = log_of(self.params, *where)
        if final and said is not None:
            self.kept[name] = said
        return said


def is_over(pod: Obj) -> bool:
    """Whether a pod will never say anything again."""
    return text_at(pod, "status", "phase") in ("Succeeded", "Failed")


def read_and_judge(params: Obj, logs: Logs) -> Tuple[Verdict, Obj]:
    """One look: a verdict and what it was made from."""
    try:
        snapshot = take_snapshot(params, logs)
    except Unreadable as failure:
        return failure.found, {}
    return judge(snapshot, params), snapshot


def take_snapshot(params: Obj, logs: Logs) -> Dict[str, Any]:
    """Everything that a verdict needs, in few calls."""
    ours, kinds = params["validation_namespace"], "nodes,runtimeclasses.node.k8s.io,daemonsets.apps," + MAY_BE_UNKNOWN
    found = objects(params, kinds, "-A") + objects(params, "jobs.batch,pods,events", "-n", ours)
    for space in operator_spaces(by_kind(found), params):
        found += objects(params, "pods,events,deployments.apps", "-n", space)
    snapshot = by_kind(found)
    snapshot["all_pods"] = objects(params, "pods", "-A") if somebody_waits_for_a_card(snapshot) else []
    snapshot["logs"] = logs.of(snapshot)
    return snapshot


def somebody_waits_for_a_card(snapshot: Obj) -> bool:
    """Only then it matters who holds the cards; the list of all pods is long."""
    conditions = [one for pod in list_at(snapshot, "pods") for one in list_at(pod, "status", "conditions")]
    return any("Insufficient" in str(one.get("message")) for one in conditions)


def log_of(params: Obj, namespace: str, pod: str, container: str) -> Optional[str]:
    """The end of a log; None where a server that is there does not give it, which is no reason to fail."""
    try:
        return kubectl(params, "logs", "-n", namespace, pod, "-c", container, "--tail=40")
    except Unreadable as failure:
        if failure.nobody:
            raise
        return None
