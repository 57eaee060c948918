"""The drain: sends the pods of a host away before it goes down, as kubectl does it, with all budgets respected."""

import json
import os
import sys
from typing import Any

from components.steps.cordon import LABEL, kubectl, reopen
from components.steps.find_node import find_node


def main(params: Any) -> int:
    """0 and which node was emptied for which wish; 3 where pods stayed, and then it is open as before."""
    if sys.argv[1:]:
        return reopen(params)
    before = os.environ.get("PULUMI_COMMAND_STDOUT") or "{}"
    # What was done for this wish is done: a text that changed otherwise sends nobody away.
    if json.loads(before).get("wish") != params["wish"]:
        said = kubectl(params, "get", "nodes", "-o", "json")
        if not said:
            return 3
        node = find_node(json.loads(said)["items"], params)
        if node and not is_empty(node["metadata"], node["spec"], params):
            return 3
        # The version makes each drain another one, so that what comes after it is done after each.
        before = json.dumps({"wish": params["wish"], "at": node and node["metadata"]["resourceVersion"]})
    print(before)
    return 0


def is_empty(meta: Any, spec: Any, params: Any) -> bool:
    """Whether its pods went; one whose pods stay is opened again, unless it was closed before."""
    name, mark = meta["name"], LABEL + "=" + params["mark"]
    was_open = "unschedulable" not in spec
    if was_open and kubectl(params, "label", "node", name, "--overwrite", mark) is None:
        return False
    if kubectl(params, "drain", name, "--ignore-daemonsets", *params["how"]) is not None:
        return True
    # kubectl names the pod that has to stay, and not the budget that keeps it.
    sys.stderr.write(kubectl(params, "get", "pdb", "-A", "--no-headers") or "")
    if was_open:
        reopen(params)
    return False
