"""The gate: waits until GPU pods have run on every declared node, or says which layer is the first that is broken."""

from typing import Dict, Optional, Tuple

from components.steps.kubectl import objects
from components.steps.waiting import KINDS, log_of, wait, with_operator
from decide.proof_health import judge, report, wanted_logs
from decide.reading import Obj, Verdict, list_at, name_of, space_of, text_at


def main(params: Obj) -> int:
    """0 and the report as JSON, or 3 and the first broken layer."""
    logs = Logs()
    return wait(params, lambda known: read_and_judge(known, logs), report)


def read_and_judge(params: Obj, logs: "Logs") -> Tuple[Verdict, Obj]:
    """A verdict, and everything that it was made from."""
    found = objects(params, KINDS, "-A") + objects(
        params, "jobs.batch,pods,events", "-n", params["validation_namespace"]
    )
    snapshot = with_operator(params, found)
    snapshot["all_pods"] = objects(params, "pods", "-A") if somebody_waits_for_a_card(snapshot) else []
    snapshot["logs"] = logs.of(snapshot, params)
    # Whatever was changed, the first gate has given the operator its time to notice.
    return judge(snapshot, dict(params, waited=float("inf"))), snapshot


class Logs:
    """Logs as they were read; that of a pod which is over is not read again."""

    def __init__(self) -> None:
        self.kept: Dict[str, str] = {}

    def of(self, snapshot: Obj, params: Obj) -> Dict[str, Optional[str]]:
        """The logs that a verdict on this snapshot needs."""
        over = {(space_of(pod), name_of(pod)) for pod in list_at(snapshot, "pods") if is_over(pod)}
        return {"/".join(one): self.one(params, one, one[:2] in over) for one in wanted_logs(snapshot, params)}

    def one(self, params: Obj, where: Tuple[str, str, str], final: bool) -> Optional[str]:
        """One log, from the cluster or from an earlier look."""
        name = "/".join(where)
        if name in self.kept:
            return self.kept[name]
        said = log_of(params, *where)
        if final and said is not None:
            self.kept[name] = said
        return said


def is_over(pod: Obj) -> bool:
    """Whether a pod will never say anything again."""
    return text_at(pod, "status", "phase") in ("Succeeded", "Failed")


def somebody_waits_for_a_card(snapshot: Obj) -> bool:
    """Only then it matters who holds the cards; the list of all pods is long."""
    conditions = [one for pod in list_at(snapshot, "pods") for one in list_at(pod, "status", "conditions")]
    return any("Insufficient" in str(one.get("message")) for one in conditions)
