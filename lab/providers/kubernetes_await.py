"""Waiting as the Kubernetes provider waits: for Jobs and workloads to be ready, for objects to be gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lab.provider import Context, PartialFailure, Props, ProviderError

if TYPE_CHECKING:
    from lab.providers.kubernetes_objects import Objects

_USUAL_SECONDS = 600.0
_LOOK_SECONDS = 2.0
_GONE_SECONDS = {"Namespace": 6.0, "Job": 2.0, "Deployment": 2.0, "DaemonSet": 2.0}
_NOT_LIVE = (
    'resource "{urn}" was successfully created, but the Kubernetes API server reported that it failed to fully '
    "initialize or become live: {why}"
)


class Ticking(Protocol):
    """A clock that can be waited by: simulated, or the real one."""

    def now(self) -> float:
        """Seconds since some moment."""
        ...

    def sleep(self, seconds: float) -> None:
        """Lets time pass."""
        ...


class State(NamedTuple):
    """How far an object is: done, failed for a reason, or neither."""

    done: bool
    failed: str = ""


def _job(job: Props) -> State:
    for condition in job.get("status", {}).get("conditions", ()):
        if condition["status"] == "True" and condition["type"] == "Complete":
            return State(True)
        if condition["status"] == "True" and condition["type"] == "Failed":
            return State(False, f"[{condition['reason']}] {condition['message']}")
    return State(False)


def _deployment(deployment: Props) -> State:
    wanted = deployment["spec"].get("replicas", 1)
    return State(deployment.get("status", {}).get("availableReplicas", 0) >= wanted)


def _daemon_set(daemon_set: Props) -> State:
    status = daemon_set.get("status", {})
    return State(status.get("numberReady") == status.get("desiredNumberScheduled", -1))


_AWAITED: dict[str, Callable[[Props], State]] = {"Job": _job, "Deployment": _deployment, "DaemonSet": _daemon_set}


def ready(provider: Objects, ctx: Context, id: str, inputs: Props) -> Props:
    """The object once it is ready; raises `PartialFailure` when it fails or time runs out."""
    annotations = inputs["metadata"].get("annotations") or {}
    state_of = _AWAITED.get(inputs["kind"])
    skipped = annotations.get("pulumi.com/skipAwait") == "true"
    limit = ctx.timeout or float(annotations.get("pulumi.com/timeoutSeconds") or _USUAL_SECONDS)
    end = provider.clock.now() + limit
    while True:
        live = _look(provider, ctx, id, inputs)
        state = state_of(live) if state_of and not skipped else State(True)
        if state.done:
            return live
        name = inputs["metadata"]["name"]
        if provider.clock.now() >= end:
            state = State(False, f"'{name}' timed out waiting to be Ready")
        elif ctx.stopping.is_set():
            state = State(False, f"Resource operation was cancelled for '{name}'")
        if state.failed:
            raise PartialFailure(_NOT_LIVE.format(urn=ctx.urn, why=state.failed), id, live, [state.failed])
        provider.clock.sleep(_LOOK_SECONDS)


def _look(provider: Objects, ctx: Context, id: str, inputs: Props) -> Props:
    live = provider.find(ctx, id, inputs)
    if live is None:
        raise ProviderError(f"{inputs['kind']} {id} was deleted while it was waited for")
    return live


def gone(clock: Ticking, inputs: Props) -> None:
    """Lets the time pass that a deletion takes."""
    annotations = inputs["metadata"].get("annotations") or {}
    if annotations.get("pulumi.com/skipAwait") != "true":
        clock.sleep(_GONE_SECONDS.get(inputs["kind"], 0.5))
