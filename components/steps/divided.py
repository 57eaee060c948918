"""The first gate where MIG divides cards: like `ready`, and it waits for what each node shall hand out."""

from typing import Dict, Tuple

from components.steps.kubectl import objects
from components.steps.waiting import KINDS, log_of, wait, with_operator
from decide.mig_health import judge_divided, mig_failed, mig_logs
from decide.operator_health import operand_logs
from decide.plugin_health import silent_logs
from decide.reading import Obj, Verdict, allocatable, chosen_nodes, name_of


def main(params: Obj) -> int:
    """0 and the cards and slices of each node as JSON, or 3 and the first broken layer."""
    return wait(params, read_divided, slices)


def read_divided(params: Obj) -> Tuple[Verdict, Obj]:
    """A verdict on all that needs no Job, and everything that it was made from."""
    snapshot = with_operator(params, objects(params, KINDS, "-A"))
    # Only where a manager has given up it matters who holds the cards; the list of all pods is long.
    snapshot["all_pods"] = objects(params, "pods", "-A") if mig_failed(snapshot, params) else []
    wanted = operand_logs(snapshot, params) + silent_logs(snapshot, params) + mig_logs(snapshot, params)
    snapshot["logs"] = {"/".join(one): log_of(params, *one) for one in wanted}
    return judge_divided(snapshot, params), snapshot


def slices(snapshot: Obj, params: Obj) -> Dict[str, int]:
    """How many cards, or slices of the kind that is proven, each node in question hands out."""
    return {name_of(node): allocatable(node, params) for node in chosen_nodes(snapshot, params)}
