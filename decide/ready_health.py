"""Whether Jobs may run: nodes, operator or plugin, RuntimeClass, and cards to hand out."""

from typing import Optional

from decide.cluster_health import first_fault, judge_capacity, judge_nodes, judge_runtime_class, nobody_home
from decide.plugin_health import judge_bringer
from decide.reading import MIG_CONFIG, MIG_MARK, Obj, Verdict, broken, labels_of, list_at, name_of, text_at


def judge_ready(snapshot: Obj, wish: Obj) -> Verdict:
    """Whether a validation Job would get its card; what only a Job can show is the proof's business."""
    if nobody_home(wish):
        return Verdict("ready")
    checks = (judge_nodes, left_divided, judge_bringer, judge_runtime_class, judge_capacity)
    return first_fault(checks, snapshot, wish)


def left_divided(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """A node that this stack has divided, and says nothing of any more: its label goes when all else is done."""
    for node in list_at(snapshot, "nodes"):
        marked, has = text_at(node, "metadata", "annotations", MIG_MARK), text_at(labels_of(node), MIG_CONFIG)
        if marked and marked == wish.get("stack") and has != "all-disabled":
            return broken("MIG-8", f"{name_of(node)} is divided by {has}, and the stack says nothing of MIG any more")
    return None
