"""The first gate: waits until a validation Job would get its card, or says which layer is the first that is broken."""

from typing import Dict, Tuple

from components.steps.kubectl import objects
from components.steps.waiting import KINDS, log_of, wait, with_operator
from decide.operator_health import operand_logs
from decide.plugin_health import silent_logs
from decide.reading import Obj, Verdict, allocatable, chosen_nodes, name_of
from decide.ready_health import judge_ready


def main(params: Obj) -> int:
    """0 and the cards of each node as JSON, or 3 and the first broken layer."""
    return wait(params, read_before_jobs, cards)


def read_before_jobs(params: Obj) -> Tuple[Verdict, Obj]:
    """A verdict on all that needs no Job, and everything that it was made from."""
    snapshot = with_operator(params, objects(params, KINDS, "-A"))
    wanted = operand_logs(snapshot, params) + silent_logs(snapshot, params)
    snapshot["logs"] = {"/".join(one): log_of(params, *one) for one in wanted}
    return judge_ready(snapshot, params), snapshot


def cards(snapshot: Obj, params: Obj) -> Dict[str, int]:
    """How many cards each node in question hands out."""
    return {name_of(node): allocatable(node, params) for node in chosen_nodes(snapshot, params)}
