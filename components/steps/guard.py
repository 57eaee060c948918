"""The guard: stands before what a change would delete and make anew, and lets that happen only where it is allowed."""

import json
import os
import sys
from typing import Any, Dict, List


def main(params: Dict[str, Any]) -> int:
    """0 and the values as JSON; 3 where they differ from those of the last time, with each of them."""
    said = os.environ.get("PULUMI_COMMAND_STDOUT") or ""
    before = json.loads(said) if said.startswith("{") else {}
    changes = changed(before, params["values"]) if before else []
    if changes and not params["allowed"]:
        for line in changes:
            sys.stderr.write("  " + line + "\n")
        sys.stderr.write("{id} {layer}: {problem}\nfix: {fix}\n".format(**params["refusal"]))
        return 3
    print(json.dumps(params["values"], sort_keys=True))
    return 0


def changed(before: Dict[str, Any], now: Dict[str, Any]) -> List[str]:
    """A line for each value that is another one."""
    keys = sorted(key for key in {**before, **now} if before.get(key) != now.get(key))
    return [f"{key}: {shown(before.get(key))} -> {shown(now.get(key))}" for key in keys]


def shown(value: Any) -> str:
    """A value in a line of plain letters."""
    return json.dumps(value)
