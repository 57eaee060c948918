"""The match: finds the node that each host is, by its machine-id, and waits until it is Ready."""

import json
import time
from typing import Dict, Iterator, List, Optional, Union

from components.steps.kubectl import Unreadable, objects, refuse, say
from decide.reading import (
    HOST_LABEL,
    Obj,
    Verdict,
    broken,
    holds,
    labels_of,
    list_at,
    map_at,
    name_of,
    text_at,
    untaint,
    untolerated,
    waits,
)

# The machine-id first: it outlives a reboot that nobody told us of, and only clones share it.
IDS = (("machineID", "machine_id"), ("bootID", "boot_id"))
MANAGER, FORCE = "pulumi.com/patchFieldManager", "pulumi.com/patchForce"
OURS = "gpu-ready:"
TWINS_FIX = (
    "give each clone its own: rm /etc/machine-id; systemd-machine-id-setup; reboot; then state: abandoned, pulumi up, "
    "and declare it under another name"
)


def main(params: Obj) -> int:
    """0 and the node of each host as JSON, how it is labelled, and some node; or 3 and why a host is none of them."""
    deadline = time.monotonic() + params["seconds"]
    params = dict(params, stop=deadline + 15)
    while True:
        found = look_for_nodes(params)
        if isinstance(found, dict):
            print(json.dumps(found, sort_keys=True))
            return 0
        left = deadline - time.monotonic()
        if found.state == "broken" or left <= 0:
            return refuse(found)
        say(f"waiting for {found.layer}: {found.problem} (at most {int(left)} s more)")
        time.sleep(5)


def look_for_nodes(params: Obj) -> Union[Obj, Verdict]:
    """The node of each host, or what keeps one from being a node; what waiting does not mend comes first."""
    try:
        nodes = objects(params, "nodes", "--show-managed-fields")
    except Unreadable as failure:
        return failure.found
    found = {str(host["name"]): node_of_host(nodes, host, params) for host in params["hosts"]}
    troubles = [one for one in found.values() if isinstance(one, Verdict)]
    troubles.sort(key=lambda one: one.state != "broken")
    if troubles:
        return troubles[0]
    its_own = each_its_own({host: str(node) for host, node in found.items()}, params)
    if isinstance(its_own, Verdict):
        return its_own
    labelled = each_labelled(its_own, nodes, params)
    if isinstance(labelled, Verdict):
        return labelled
    return {**labelled, "any_node": min([name_of(node) for node in nodes] or [""])}


def each_labelled(its_own: Dict[str, str], nodes: List[Obj], params: Obj) -> Union[Obj, Verdict]:
    """How each node gets the name of its host. One that is not there gives way to a label that is not ours."""
    by_name = {name_of(node): node for node in nodes}
    marks: Dict[str, Obj] = {}
    for host in params["hosts"]:
        name = str(host["name"])
        found = marks_on(by_name[its_own[name]], host) if its_own[name] else {}
        if isinstance(found, Verdict) and host["present"]:
            return found
        if isinstance(found, Verdict):
            its_own, found = {**its_own, name: ""}, {}
        marks[name] = found
    return {"nodes": its_own, "marks": marks}


def marks_on(node: Obj, host: Obj) -> Union[Obj, Verdict]:
    """Annotations of the patch. It is made under one name for ever, so that a label which was left behind is taken up
    again; by force only over a name of ours: whose machine it is was settled on the machine itself."""
    label, slot = labels_of(node).get(HOST_LABEL), text_at(node, "metadata", "annotations", MANAGER)
    owners = list(owners_of(node))
    if label not in (None, host["name"]) and not (owners and all(one.startswith(OURS) for one in owners)):
        return not_ours(node, str(label), owners)
    earlier = {one for one in (*owners, slot) if one.startswith(OURS)} - {host["manager"]}
    # A node has one such annotation: where another program has put its own there, ours goes without.
    named = {} if slot and not slot.startswith(OURS) else {MANAGER: host["manager"]}
    return {**named, FORCE: "true"} if earlier else named


def owners_of(node: Obj) -> Iterator[str]:
    """Under which names the label was put there."""
    for entry in list_at(node, "metadata", "managedFields"):
        if f"f:{HOST_LABEL}" in map_at(entry, "fieldsV1", "f:metadata", "f:labels"):
            yield text_at(entry, "manager")


def not_ours(node: Obj, label: str, owners: List[str]) -> Verdict:
    """Whose it is, by what the API server knows."""
    name, by = name_of(node), f"put there by {', '.join(owners)}" if owners else "and nothing says by whom"
    fix = f"if nobody needs it: kubectl label node {name} {HOST_LABEL}-; or take the host out of bareMetal.hosts"
    return broken("CFG-10", f"node {name} has the label {HOST_LABEL}={label} already, {by}", fix=fix)


def each_its_own(found: Dict[str, str], params: Obj) -> Union[Dict[str, str], Verdict]:
    """No two hosts are one node: of clones only one has joined. One that is not there gives way."""
    taken: Dict[str, str] = {}
    for host in sorted(params["hosts"], key=lambda one: not one["present"]):
        name, node = str(host["name"]), found[str(host["name"])]
        if host["present"] and node in taken:
            return one_node(node, next(one for one in params["hosts"] if one["name"] == taken[node]), host)
        found = {**found, name: "" if node in taken else node}
        taken[node] = name
    return found


def one_node(node: str, first: Obj, second: Obj) -> Verdict:
    """Why two hosts are one node: a boot is of one machine alone, a machine-id may have been copied with a disk."""
    hosts = f"hosts {first['name']} and {second['name']} are both node {node}"
    if first["boot_id"] == second["boot_id"] != "":
        return broken("HST-56", f"{hosts}: two addresses of one machine", fix=f"take {second['name']} out")
    return broken("HST-56", f"{hosts} by their machine-id: one is a clone", fix=TWINS_FIX)


def node_of_host(nodes: List[Obj], host: Obj, params: Obj) -> Union[str, Verdict]:
    """Its name, once it can take GPU pods; of a host that is not there its name if it is known, which may be none."""
    same = nodes_of(nodes, host)
    if not host["present"]:
        return name_of(same[0]) if len(same) == 1 else ""
    if len(same) != 1:
        return no_node(nodes, same, host)
    return not_usable(same[0], params) or name_of(same[0])


def nodes_of(nodes: List[Obj], host: Obj) -> List[Obj]:
    """Those that are this machine; of twins the one with its boot id, which may be that of an earlier boot."""
    if host["node"]:
        return [node for node in nodes if name_of(node) == host["node"] and not is_another(node, host)]
    same = [node for node in nodes if shows(node, "machineID", host["machine_id"])]
    booted = [node for node in same or nodes if shows(node, "bootID", host["boot_id"])]
    return booted if len(booted) == 1 or not same else same


def shows(node: Obj, key: str, id: str) -> bool:
    """Whether the node's kubelet reports this id; some write them with dashes, some without."""
    shown = text_at(node, "status", "nodeInfo", key)
    return shown.replace("-", "").lower() == id.replace("-", "").lower() != ""


def is_another(node: Obj, host: Obj) -> bool:
    """Whether a node that was named is seen to be some other machine."""
    known = [(key, host[id]) for key, id in IDS if host[id] and text_at(node, "status", "nodeInfo", key)]
    return bool(known) and not any(shows(node, key, id) for key, id in known)


def no_node(nodes: List[Obj], same: List[Obj], host: Obj) -> Verdict:
    """None, or twins that nothing tells apart; both may pass while a kubelet starts, a wrong name does not."""
    lead, all_names = f"host {host['name']}: ", [name_of(node) for node in nodes]
    machine, boot, named = f"machine-id {host['machine_id']}", f"boot id {host['boot_id']}", host["node"]
    if same:
        twins = ", ".join(name_of(node) for node in same)
        problem = f"{twins} have the same {machine}, and the {boot} is not of one alone"
        return waits("HST-56", lead + problem, fix=TWINS_FIX)
    if named in all_names:
        problem = f"its nodeName {named} is another machine; the host has {machine} and {boot}"
        return broken("HST-56", lead + problem, fix="correct bareMetal.hosts: [{nodeName: ...}], or leave it out")
    by = f"is called {named}" if named else f"has the {machine} or the {boot}"
    return waits("HST-56", f"{lead}no node {by}; nodes: {', '.join(all_names[:10]) or 'none'}")


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
