"""The logs that a verdict needs, each read once where it cannot change any more."""

from typing import Dict, Optional, Tuple

from components.steps.waiting import log_of
from decide.proof_health import wanted_logs
from decide.reading import Obj, list_at, name_of, space_of, text_at


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
