"""The gate: waits until GPU pods have run on every declared node, or says which layer is the first that is broken."""

from typing import Tuple

from components.steps.kubectl import objects
from components.steps.logs import Logs
from components.steps.waiting import KINDS, wait, with_operator
from decide.proof_health import judge, report
from decide.reading import Obj, Verdict, list_at


def main(params: Obj) -> int:
    """0 and the report as JSON, or 3 and the first broken layer."""
    logs = Logs()
    return wait(params, lambda known: read_and_judge(known, logs), report)


def read_and_judge(params: Obj, logs: Logs) -> Tuple[Verdict, Obj]:
    """A verdict, and everything that it was made from."""
    found = objects(params, KINDS, "-A") + objects(
        params, "jobs.batch,pods,events", "-n", params["validation_namespace"]
    )
    snapshot = with_operator(params, found)
    snapshot["all_pods"] = objects(params, "pods", "-A") if somebody_waits_for_a_card(snapshot) else []
    snapshot["logs"] = logs.of(snapshot, params)
    # Whatever was changed, the first gate has given the operator its time to notice.
    return judge(snapshot, dict(params, waited=float("inf"))), snapshot


def somebody_waits_for_a_card(snapshot: Obj) -> bool:
    """Only then it matters who holds the cards; the list of all pods is long."""
    conditions = [one for pod in list_at(snapshot, "pods") for one in list_at(pod, "status", "conditions")]
    return any("Insufficient" in str(one.get("message")) for one in conditions)
