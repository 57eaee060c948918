"""The match: finds the node that each host is, by its boot id, and waits until it is Ready."""

import json
import time
from typing import Dict, List, Optional, Union

from components.steps.kubectl import Unreadable, objects, refuse, say
from decide.reading import Obj, Verdict, broken, holds, name_of, text_at, untaint, untolerated, waits


def main(params: Obj) -> int:
    """0 and the node of each host as JSON, or 3 and why a host is no node of this cluster."""
    deadline = time.monotonic() + params["seconds"]
    params = dict(params, stop=deadline + 15)
    while True:
        found = look_for_nodes(params)
        if isinstance(found, dict):
            print(json.dumps({"nodes": found}, sort_keys=True))
            return 0
        left = deadline - time.monotonic()
        if found.state == "broken" or left <= 0:
            return refuse(found)
        say(f"waiting for {found.layer}: {found.problem} (at most {int(left)} s more)")
        time.sleep(5)


def look_for_nodes(params: Obj) -> Union[Dict[str, str], Verdict]:
    """The node of each host, or what keeps one from being a node; what waiting does not mend comes first."""
    try:
        nodes = objects(params, "nodes")
    except Unreadable as failure:
        return failure.found
    found = {str(host["name"]): node_of_host(nodes, host, params) for host in params["hosts"]}
    troubles = [one for one in found.values() if isinstance(one, Verdict)]
    troubles.sort(key=lambda one: one.state != "broken")
    return troubles[0] if troubles else {host: str(node) for host, node in found.items()}


def node_of_host(nodes: List[Obj], host: Obj, params: Obj) -> Union[str, Verdict]:
    """Its name, once it can take GPU pods."""
    same = [node for node in nodes if is_this_host(node, host)]
    if len(same) != 1:
        return no_node(nodes, same, host)
    return not_usable(same[0], params) or name_of(same[0])


def is_this_host(node: Obj, host: Obj) -> bool:
    """By its declared name, else by its boot id: no two machines have the same."""
    if host["node"]:
        return bool(name_of(node) == host["node"])
    return text_at(node, "status", "nodeInfo", "bootID").lower() == str(host["boot_id"]).lower() != ""


def no_node(nodes: List[Obj], same: List[Obj], host: Obj) -> Verdict:
    """None, which may pass while a kubelet starts, or several."""
    name, names = host["name"], ", ".join(name_of(node) for node in nodes[:10]) or "none"
    if same:
        twins = ", ".join(name_of(node) for node in same)
        return broken("HST-56", f"host {name} has the boot id of more than one node: {twins}")
    by = f"is called {host['node']}" if host["node"] else f"has the boot id {host['boot_id']}"
    return waits("HST-56", f"host {name}: no node {by}; nodes: {names}")


def not_usable(node: Obj, params: Obj) -> Optional[Verdict]:
    """What keeps GPU pods away from it; nothing if nothing does."""
    name, taints = name_of(node), untolerated(node, params["tolerations"])
    if not holds(node, "Ready"):
        return waits("CFG-3", f"{name} is not Ready")
    if taints:
        problem = f"{name} has taint {', '.join(taints)}, which GPU pods do not tolerate"
        fix = f"add it to cluster.tolerations, or remove it: {untaint(node, taints)}"
        return broken("SCH-2", problem, fix=fix)
    return None
