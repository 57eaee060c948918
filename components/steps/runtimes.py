"""Whether the container runtime of the nodes is what the declaration needs, and where it needs it to be."""

import re
from typing import List

from decide.reading import Obj, Verdict, broken, chosen_nodes, map_at, name_of, text_at

WHY_DOCKER = {
    "install": "the operator configures containerd and CRI-O alone",
    "none": "there pods reach their cards by the default runtime, not by a RuntimeClass",
}
# Where the toolkit container cannot be a plugin, by NVIDIA's page on CDI (August 2026).
NO_NRI = r"containerd://(1\.[0-6]\.|1\.7\.[12]?\d\b|2\.0\.)|cri-o://1\.([0-2]?\d|3[0-3])\.|docker:"


def runtime_faults(snapshot: Obj, params: Obj) -> List[Verdict]:
    """Nodes whose container runtime is not where, or not what, the declaration needs it to be."""
    nodes = chosen_nodes(snapshot, params) if params["nodes"] or params["node_selector"] else []
    about = [(name_of(one), map_at(one, "status", "nodeInfo")) for one in nodes]
    docker = [name for name, info in about if text_at(info, "containerRuntimeVersion").startswith("docker://")]
    mode, by_class = params["operator"]["mode"], text_at(params, "runtime_class", "owner") != "host"
    if docker and (mode == "install" or (mode == "none" and by_class)):
        return [broken("CFG-11", f"{', '.join(docker)}: Docker runs the containers; {WHY_DOCKER[mode]}")]
    old = [name for name, info in about if re.match(NO_NRI, text_at(info, "containerRuntimeVersion"))]
    if old and params["runtime"]["toolkit"] == "nri":
        return [broken("CFG-17", ", ".join(old) + ": the container runtime is too old for NRI plugins")]
    if params["runtime"]["toolkit"] != "operator":
        return []
    found = {flavour_of(text_at(info, "kubeletVersion"), params): name for name, info in about}
    return [other_flavour(flavour, found[flavour], params) for flavour in sorted(found) if flavour]


def flavour_of(kubelet: str, params: Obj) -> str:
    """The distribution that a kubelet's version tells, if it is another one than declared."""
    told = [name for name, sign in sorted(params["runtime"]["signs"].items()) if sign in kubelet]
    return told[0] if told and told[0] != params["runtime"]["flavour"] else ""


def other_flavour(flavour: str, node: str, params: Obj) -> Verdict:
    """The operator's toolkit container would write its configuration where nobody reads it."""
    problem = f"{node} is of {flavour}, and cluster.flavour is {params['runtime']['flavour']}"
    return broken("CFG-12", problem, fix=f"set cluster.flavour: {flavour}, or gpu.toolkit: preinstalled")
