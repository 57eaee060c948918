"""Nodes that we closed: a label of ours says so, and none but those that bear it are ever opened again.

A text for each host stands twice in a state, so it is short; what kubectl says is explained by `decide.host_drain`.
"""

import os
import subprocess
from typing import Any

LABEL = "gpu-ready/drained-for"


def kubectl(params: Any, *words: str) -> Any:
    """What it prints; None where it fails."""
    where = ["--kubeconfig", os.path.expanduser(params["kubeconfig"]), "--context", params["context"]]  # noqa: PTH111
    done = subprocess.run(["kubectl", *where, *words], stdout=subprocess.PIPE, check=False)
    return None if done.returncode else done.stdout.decode()


def reopen(params: Any) -> int:
    """0 once all is open that was closed for this host; what somebody else has closed bears no such label."""
    ours = ["-l", LABEL + "=" + params["mark"]]
    for words in (["uncordon", *ours], ["label", "nodes", LABEL + "-", *ours]):
        if kubectl(params, *words) is None:
            return 3
    return 0
