"""The gate where claims hand out cards: waits until pods with claims have run, or says which layer is broken."""

from typing import Tuple

from components.steps.kubectl import objects
from components.steps.logs import Logs
from components.steps.waiting import KINDS, wait, with_operator
from decide.claim_health import in_claims, judge_driver, with_cards
from decide.cluster_health import first_fault, judge_capacity, judge_nodes, nobody_home
from decide.proof_health import judge_failed_jobs, judge_jobs, judge_taken_away, report
from decide.reading import Obj, Verdict

CLAIMS = ",resourceslices.resource.k8s.io,resourceclaims.resource.k8s.io"


def main(params: Obj) -> int:
    """0 and the report as JSON, or 3 and the first broken layer."""
    logs = Logs()
    return wait(params, lambda known: read_and_judge(known, logs), report)


def read_and_judge(params: Obj, logs: Logs) -> Tuple[Verdict, Obj]:
    """A verdict, and everything that it was made from."""
    ours = objects(params, "jobs.batch,pods,events", "-n", params["validation_namespace"])
    snapshot = with_cards(with_operator(params, objects(params, KINDS + CLAIMS, "-A") + ours), params)
    snapshot["logs"] = logs.of(snapshot, params)
    checks = (judge_taken_away, judge_nodes, judge_failed_jobs, judge_driver, judge_capacity, judge_jobs)
    found = Verdict("ready") if nobody_home(params) else first_fault(checks, snapshot, params)
    return in_claims(found, snapshot, params), snapshot
