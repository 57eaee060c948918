"""Whether the cluster knows the kinds that the monitoring makes."""

from typing import List

from components.steps.kubectl import NO_SUCH_KIND, Unreadable, objects
from decide.reading import Obj, Verdict, broken, map_at


def unserved_kinds(params: Obj) -> List[str]:
    """Of the kinds that will be made those that the server does not know; asked one by one, it names only the first."""
    return [kind for kind in map_at(params, "monitoring").get("needs") or [] if not is_served(params, kind)]


def is_served(params: Obj, kind: str) -> bool:
    """Whether the server knows a kind."""
    try:
        objects(params, kind, "-n", "default")
    except Unreadable as failure:
        if NO_SUCH_KIND in " ".join(failure.found.evidence):
            return False
        raise
    return True


def watcher_faults(unserved: List[str]) -> List[Verdict]:
    """Prometheus without the operator that brings its kinds, or none at all."""
    kinds = [one.partition(".")[0] for one in unserved]
    return [broken("MON-1", "the cluster knows no " + " and no ".join(kinds))] if kinds else []
