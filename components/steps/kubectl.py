"""Reading a cluster with kubectl, and what it means when that fails. Nothing here ever writes to a cluster."""

import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Sequence

from decide.reading import (
    Obj,
    Verdict,
    broken,
    verdict,
    waits,
)

# In the order in which they are compared: pattern, id, problem (none: the catalogue's), whether waiting may help.
READ_FAILURES = (
    (r"context .* does not exist|context was not found|no context exists", "PLM-12", "", False),
    (r"[Ff]orbidden", "PLM-13", "", False),
    (r"exec: executable (\S+) not found", "PLM-14", "the kubeconfig's login program is not installed", False),
    (r"Unauthorized|must be logged in|getting credentials|Please enter Username|error: EOF", "PLM-14", "", False),
    (r"x509: ", "PLM-14", "the API server's certificate is not the one that the kubeconfig expects", False),
    (r"no such file or directory|error loading config file", "PLM-12", "the kubeconfig cannot be read", False),
    (r"", "PLM-3", "", True),
)
MAY_BE_UNKNOWN = "clusterpolicies.nvidia.com"
PLURALS = {"clusterpolicy": "clusterpolicies", "runtimeclass": "runtimeclasses"}
NO_SUCH_KIND = "the server doesn't have a resource type"
NO_CONNECTION = "to the server"  # `Unable to connect to the server`, `The connection to the server ... was refused`
SECONDS_PER_CALL = 20
SECONDS_PER_PROCESS = SECONDS_PER_CALL + 10  # a login program that hangs does not know kubectl's own limit
LINES, WIDTH = 20, 400


class Unreadable(Exception):
    """The cluster could not be read; `found` says why, and is `waiting` where trying again may help."""

    def __init__(self, found: Verdict, nobody: bool = False) -> None:
        super().__init__(found.problem)
        self.found, self.nobody = found, nobody


@contextmanager
def kubeconfig_file(params: Obj) -> Iterator[str]:
    """The file of the kubeconfig: of a cluster that was made its text is known, and gets one for as long as a call."""
    given = str(params["kubeconfig"])
    if not given.startswith("{"):
        yield os.path.expanduser(given)  # noqa: PTH111 - Path raises where a user has no home
        return
    with tempfile.NamedTemporaryFile("w", prefix="gpu-ready-", suffix=".json", encoding="utf-8") as file:
        file.write(given)
        file.flush()
        yield str(file.name)


def kubectl(params: Obj, *words: str) -> str:
    """What kubectl prints; raises Unreadable."""
    limit = seconds_for(params, SECONDS_PER_PROCESS)
    if limit <= 0:
        raise Unreadable(waits("PLM-3", "", f"there was no time left for kubectl {' '.join(words)}"), nobody=True)
    try:
        with kubeconfig_file(params) as path:
            where = ["--kubeconfig", path, "--context", params["context"]]
            command = ["kubectl", *where, "--request-timeout", f"{SECONDS_PER_CALL}s", *words]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit, check=False)
    except OSError:
        raise Unreadable(broken("PLM-11")) from None
    except subprocess.TimeoutExpired:
        said = f"kubectl {' '.join(words)} gave no answer in {int(limit)} s"
        raise Unreadable(waits("PLM-3", "", said), nobody=True) from None
    if done.returncode == 0:
        return done.stdout.decode("utf-8", "replace")
    raise read_failure(done.stderr.decode("utf-8", "replace").strip(), params)


def seconds_for(params: Obj, most: float) -> float:
    """How long a call may take: the engine stops a step without a word, so all of its calls end before that."""
    stop = params.get("stop")
    return most if stop is None else min(most, stop - time.monotonic())


def read_failure(said: str, params: Obj) -> Unreadable:
    """What kubectl's words mean."""
    rules = ((id, problem, wait) for sign, id, problem, wait in READ_FAILURES if re.search(sign, said))
    id, problem, transient = next(rules)
    found = verdict("waiting" if transient else "broken", id, problem, *said.splitlines()[-3:])
    meant = similar_context(params) if (id, problem) == ("PLM-12", "") else ""
    problem = f"{found.problem} (context {params['context']}{meant})"
    return Unreadable(found._replace(problem=problem), nobody=NO_CONNECTION in said)


def similar_context(params: Obj) -> str:
    """The context that was probably meant."""
    limit = max(1.0, seconds_for(params, 10))
    try:
        with kubeconfig_file(params) as path:
            command = ["kubectl", "--kubeconfig", path, "config", "get-contexts", "-o", "name"]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    close = difflib.get_close_matches(params["context"], done.stdout.decode("utf-8", "replace").split(), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def objects(params: Obj, kinds: str, *where: str) -> List[Any]:
    """All objects of these kinds in one call; the operator's own kind may be one that the server does not know."""
    try:
        answer = json.loads(kubectl(params, "get", kinds, *where, "-o", "json"))
    except Unreadable as failure:
        known = [kind for kind in kinds.split(",") if kind != MAY_BE_UNKNOWN]
        if NO_SUCH_KIND in " ".join(failure.found.evidence) and len(known) < len(kinds.split(",")):
            return objects(params, ",".join(known), *where) if known else []
        raise
    except ValueError:
        problem = f"kubectl get {kinds} answered with something that is not JSON"
        raise Unreadable(waits("PLM-3", problem)) from None
    found = answer.get("items") if isinstance(answer, dict) else None
    return found if isinstance(found, list) else []


def by_kind(found: List[Any]) -> Dict[str, Any]:
    """The objects in lists, each under the plural of its kind."""
    lists: Dict[str, Any] = {}
    for one in found:
        kind = str(one.get("kind") if isinstance(one, dict) else "").lower()
        lists.setdefault(PLURALS.get(kind, kind + "s"), []).append(one)
    return lists


def say(line: str) -> None:
    """A line of progress for whoever watches."""
    # Whatever the terminal speaks: other bytes would end the program of the real engine.
    sys.stderr.write(line.encode("ascii", "backslashreplace").decode() + "\n")
    sys.stderr.flush()


def refuse(found: Verdict, lead: str = "", others: Sequence[Verdict] = ()) -> int:
    """Ends with the evidence, the id, the layer, the problem and the fix; the verdict that decides comes last."""
    # Nothing on stdout: the engine's error text mixes both streams, and its end is what people read.
    for one in (*others, found):
        for line in compact(one.evidence):
            say("  " + line)
        say(f"{one.id} {one.layer}: {lead if one is found else ''}{one.problem}")
        say("fix: " + one.fix)
    return 3


def compact(lines: Sequence[str]) -> List[str]:
    """As much evidence as fits on a screen."""
    short = [line if len(line) <= WIDTH else line[:WIDTH] + " ..." for line in lines[:LINES]]
    return short if len(lines) <= LINES else [*short, f"... and {len(lines) - LINES} more lines"]
