"""The last gate, where wished: waits until the cards of each node worked together, or says what keeps them apart."""

from typing import Tuple

from components.steps.kubectl import by_kind, objects
from components.steps.waiting import log_of, wait
from decide.nccl_health import all_reduced, judge_nccl, nccl_logs
from decide.pod_health import unplaced
from decide.reading import Obj, Verdict, list_at


def main(params: Obj) -> int:
    """0 and what each node measured as JSON, or 3 and the first broken layer."""
    return wait(params, read_together, all_reduced)


def read_together(params: Obj) -> Tuple[Verdict, Obj]:
    """A verdict, and everything that it was made from."""
    found = objects(params, "nodes", "-A") + objects(
        params, "jobs.batch,pods,events", "-n", params["validation_namespace"]
    )
    snapshot = by_kind(found)
    # Who holds the cards that a pod waits for; the list of all pods is long.
    kept = any("Insufficient" in unplaced(pod) for pod in list_at(snapshot, "pods"))
    snapshot["all_pods"] = objects(params, "pods", "-A") if kept else []
    snapshot["logs"] = {"/".join(one): log_of(params, *one) for one in nccl_logs(snapshot, params)}
    return judge_nccl(snapshot, params), snapshot
