"""Which node a host is. A text for each host stands twice in a state, so what these steps share is short."""

from typing import Any


def find_node(nodes: Any, host: Any) -> Any:
    """By its name where that was said, else by its boot id first: clones share a machine-id; {} where it is none."""
    for key in ("bootID", "machineID"):
        for one in nodes:
            shown = one["status"]["nodeInfo"].get(key, "").replace("-", "").lower()
            if one["metadata"]["name"] == host["node"] if host["node"] else shown == host[key]:
                return one
    return {}
