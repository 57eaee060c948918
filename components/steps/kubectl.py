"""Reading a cluster with kubectl, and what it means when that fails. Nothing here ever writes to a cluster."""

import json
import os
import re
import subprocess
import sys
from typing import Any, Dict, List

from decide.reading import Obj, Verdict, verdict

# What kubectl says when it cannot read, in the order in which it is compared: pattern, id, and whether waiting may help.
READ_FAILURES = (
    (r"context .* does not exist|context was not found|no context exists", "PLM-12", False),
    (r"Forbidden|forbidden", "PLM-13", False),
    (r"Unauthorized|must be logged in|exec: executable .* not found|getting credentials", "PLM-14", False),
    (r"no such file or directory|error loading config file", "PLM-12", False),
    (r"", "PLM-3", True),
)
MAY_BE_UNKNOWN = ("clusterpolicies.nvidia.com",)
NO_SUCH_KIND = "the server doesn't have a resource type"
SECONDS_PER_CALL = 20


class Unreadable(Exception):
    """The cluster could not be read; `found` says why, and is `waiting` where trying again may help."""

    def __init__(self, found: Verdict) -> None:
        super().__init__(found.problem)
        self.found = found


def kubectl(params: Obj, *words: str) -> str:
    """What kubectl prints; raises Unreadable."""
    limit = "{}s".format(SECONDS_PER_CALL)
    command = ["kubectl", "--kubeconfig", os.path.expanduser(params["kubeconfig"]), "--context", params["context"]]
    try:
        done = subprocess.run(
            command + ["--request-timeout", limit] + list(words),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS_PER_CALL + 10,
        )  # fmt: skip
    except FileNotFoundError:
        raise Unreadable(verdict("broken", "PLM-11"))
    except subprocess.TimeoutExpired:
        raise Unreadable(verdict("waiting", "PLM-3", "", "kubectl " + " ".join(words) + " gave no answer"))
    if done.returncode == 0:
        return done.stdout.decode("utf-8", "replace")
    raise read_failure(done.stderr.decode("utf-8", "replace").strip())


def read_failure(said: str) -> Unreadable:
    """What kubectl's words mean."""
    id, transient = next((id, wait) for sign, id, wait in READ_FAILURES if re.search(sign, said))
    lines = said.splitlines()
    return Unreadable(verdict("waiting" if transient else "broken", id, "", *lines[-3:]))


def objects(params: Obj, kinds: str, *where: str) -> List[Any]:
    """All objects of these kinds in one call; the GPU operator's own kind may be one that the server does not know."""
    try:
        answer = json.loads(kubectl(params, "get", kinds, *where, "-o", "json"))
    except Unreadable as failure:
        known = [kind for kind in kinds.split(",") if kind not in MAY_BE_UNKNOWN]
        if NO_SUCH_KIND in " ".join(failure.found.evidence) and len(known) < len(kinds.split(",")):
            return objects(params, ",".join(known), *where)
        raise
    except ValueError:
        raise Unreadable(verdict("waiting", "PLM-3", "kubectl get {} gave no JSON".format(kinds)))
    found = answer.get("items") if isinstance(answer, dict) else None
    return found if isinstance(found, list) else []


def by_kind(found: List[Any]) -> Dict[str, List[Any]]:
    """The objects in lists, each under the plural of its kind."""
    lists = {}  # type: Dict[str, List[Any]]
    for one in found:
        kind = str(one.get("kind") if isinstance(one, dict) else "").lower()
        plural = {"clusterpolicy": "clusterpolicies", "runtimeclass": "runtimeclasses"}.get(kind, kind + "s")
        lists.setdefault(plural, []).append(one)
    return lists


def say(line: str) -> None:
    """A line of progress for whoever watches."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def refuse(found: Verdict, lead: str = "") -> int:
    """Ends with the evidence, the layer, the id, the problem and the fix."""
    for line in found.evidence:
        say("  " + line)
    say("{} {}: {}{}".format(found.id, found.layer, lead, found.problem))
    say("fix: " + found.fix)
    about = {"ready": False, "id": found.id, "layer": found.layer, "problem": found.problem, "fix": found.fix}
    print(json.dumps(dict(about, evidence=list(found.evidence)), sort_keys=True))
    return 3
