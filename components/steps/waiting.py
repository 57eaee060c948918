"""How a gate waits: it looks until a verdict is ready, has no hope left, or the time is over."""

import json
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from components.steps.kubectl import MAY_BE_UNKNOWN, Unreadable, by_kind, kubectl, objects, refuse, say
from decide.operator_health import operator_spaces
from decide.reading import Obj, Verdict

SECONDS_BETWEEN_LINES = 15
LOOKS_TO_FORGET = 3
LONGEST_PAUSE = 300  # a kubelet starts a container that crashes again and again at least every five minutes
SECONDS_OF_LAST_LOOK = 45  # after the deadline; the engine's own limit comes much later
KINDS = "nodes,runtimeclasses.node.k8s.io,daemonsets.apps," + MAY_BE_UNKNOWN

Look = Callable[[Obj], Tuple[Verdict, Obj]]
Tell = Callable[[Obj, Obj], Obj]


def wait(params: Obj, look: Look, tell: Tell) -> int:
    """0 and what there is to tell as JSON, or 3 and the first broken layer."""
    began = time.monotonic()
    deadline = began + params["timeout_seconds"]
    params = dict(params, stop=deadline + SECONDS_OF_LAST_LOOK)
    told, patience = Told(), Patience(params["grace_seconds"])
    while True:
        found, snapshot = answer(look, dict(params, waited=time.monotonic() - began))
        now = time.monotonic()
        if found.state == "ready":
            print(json.dumps(tell(snapshot, params), sort_keys=True))
            return 0
        left = patience.left(found, now)
        if found.state == "broken" or left <= 0:
            return refuse(found)
        told.progress(found, now, min(left, deadline - now))
        if now >= deadline:
            return refuse(found, f"not ready after {params['timeout_seconds']} s, still waiting for: ")
        time.sleep(max(0.1, min(params["poll_seconds"], deadline - now)))


def answer(look: Look, params: Obj) -> Tuple[Verdict, Obj]:
    """One look: a verdict and what it was made from."""
    try:
        return look(params)
    except Unreadable as failure:
        return failure.found, {}


class Patience:
    """How long to go on with what does not come by itself; each id has a clock of its own."""

    def __init__(self, grace: float) -> None:
        self.grace, self.looks = grace, 0
        self.seen: Dict[str, Tuple[float, int]] = {}
        self.tries: Dict[str, int] = {}

    def left(self, found: Verdict, now: float) -> float:
        """Seconds that are left; the short runs of a crash loop do not begin the time anew."""
        self.looks += 1
        self.seen = {id: seen for id, seen in self.seen.items() if self.looks - seen[1] <= LOOKS_TO_FORGET}
        if not found.hopeless:
            return float("inf")
        since = self.seen.get(found.id, (now, 0))[0]
        self.seen[found.id] = (since, self.looks)
        what, times = found.tried
        # A crash of before says nothing about what was mended since: the next try does.
        pause = LONGEST_PAUSE if what and self.tries.setdefault(what, times) == times else 0
        return since + self.grace + pause - now


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


def with_operator(params: Obj, found: List[Any]) -> Obj:
    """What was found, and what is in the namespaces of the operator and of the plugins, by kind."""
    for space in operator_spaces(by_kind(found), params):
        found = found + objects(params, "pods,events,deployments.apps", "-n", space)
    return by_kind(found)


def log_of(params: Obj, namespace: str, pod: str, container: str) -> Optional[str]:
    """The end of a log; None where a server that is there does not give it, which is no reason to fail."""
    try:
        return kubectl(params, "logs", "-n", namespace, pod, "-c", container, "--tail=40")
    except Unreadable as failure:
        if failure.nobody:
            raise
        return None
