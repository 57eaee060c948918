"""The first gate where claims hand out cards: waits until the DRA driver offers them, or says why it does not."""

from typing import Dict, List, Tuple

from components.steps.kubectl import objects, say
from components.steps.waiting import KINDS, log_of, wait, with_operator
from decide.claim_health import driver_logs, in_claims, judge_driver, offered_cards, with_cards
from decide.cluster_health import first_fault, judge_capacity, judge_nodes, nobody_home
from decide.operator_health import operand_logs
from decide.reading import Obj, Verdict
from decide.ready_health import left_divided

SLICES = ",resourceslices.resource.k8s.io"


def main(params: Obj) -> int:
    """0 and the cards of each node in their own words as JSON, or 3 and the first broken layer."""
    return wait(params, read_offers, cards)


def read_offers(params: Obj) -> Tuple[Verdict, Obj]:
    """A verdict on all that needs no Job, and everything that it was made from."""
    snapshot = with_cards(with_operator(params, objects(params, KINDS + SLICES, "-A")), params)
    wanted = operand_logs(snapshot, params) + driver_logs(snapshot, params)
    snapshot["logs"] = {"/".join(one): log_of(params, *one) for one in wanted}
    checks = (judge_nodes, left_divided, judge_driver, judge_capacity)
    found = Verdict("ready") if nobody_home(params) else first_fault(checks, snapshot, params)
    return in_claims(found, snapshot, params), snapshot


def cards(snapshot: Obj, params: Obj) -> Dict[str, List[str]]:
    """What each node in question offers; said too, because it stands in no report."""
    offers = offered_cards(snapshot, params)
    for node in sorted(offers):
        say(f"{node} offers {'; '.join(offers[node])}")
    return offers
