"""The census: which of the hosts that go down are nodes in use; these wait for each other."""

import json
from typing import Any

from components.steps.cordon import kubectl
from components.steps.find_node import find_node


def main(params: Any) -> int:
    """0 and the names of these hosts, or 3 where the cluster cannot be read."""
    nodes = items(kubectl(params, "get", "nodes", "-o", "json"))
    found = {name: find_node(nodes or [], host) for name, host in params["hosts"].items()}
    busy = {name: params["hosts"][name]["serves"] or pods_on(node, params) for name, node in found.items() if node}
    if nodes is None or None in busy.values():
        return 3
    print(json.dumps([name for name in busy if busy[name]]))
    return 0


def items(said: Any) -> Any:
    """What is in the list; None where there is no answer."""
    return None if said is None else json.loads(said)["items"]


def pods_on(node: Any, params: Any) -> Any:
    """Pods there that a drain sends away."""
    where = "spec.nodeName=" + node["metadata"]["name"]
    pods = items(kubectl(params, "get", "pods", "-A", "--field-selector", where, "-o", "json"))
    return None if pods is None else [pod["metadata"]["name"] for pod in pods if has_to_go(pod)]


def has_to_go(pod: Any) -> bool:
    """Neither the node's own, nor a DaemonSet's, nor one that has ended."""
    meta = pod["metadata"]
    stays = [one for one in meta.get("ownerReferences", ()) if one["kind"] in ("DaemonSet", "Node")]
    return not stays and pod["status"].get("phase") not in ("Succeeded", "Failed")
