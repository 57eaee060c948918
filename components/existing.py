"""GPU nodes that are in a cluster already: nothing is made, everything is looked at before anything is."""

from typing import Any, TypedDict

import pulumi
from typing_extensions import NotRequired

from components.choices import GpuChoices, by_claim, made_namespace, owned, reading
from components.local_step import answer, reading_step
from decide import defaults
from decide.slots import workload_selector


class ExistingGpuNodesArgs(TypedDict):
    """Which nodes of which cluster."""

    context: pulumi.Input[str]
    """Context of the kubeconfig; never the current one by accident."""
    kubeconfig: NotRequired[pulumi.Input[str]]
    """Path of the kubeconfig file. Default: ~/.kube/config"""
    nodes: NotRequired[list[str]]
    """Names of the GPU nodes; each gets a validation Job of its own."""
    node_selector: NotRequired[dict[str, str]]
    """Labels of the GPU nodes, where they come and go; one of them is validated."""
    validation_namespace: NotRequired[str]
    """Namespace that a validation is going to make: refused when somebody else has made it already."""
    gpu: NotRequired[GpuChoices]
    """Who brings what."""


class ExistingGpuNodes(pulumi.ComponentResource):
    """GPU nodes of a cluster that is there already. Refuses before anything is made if the cluster does not fit."""

    kubeconfig: pulumi.Output[str]
    """Path of the kubeconfig file."""
    context: pulumi.Output[str]
    """Context of the kubeconfig."""
    node_selector: pulumi.Output[dict[str, str]]
    """Labels by which a workload finds GPU nodes."""
    found: pulumi.Output[dict[str, Any]]
    """What the look at the cluster found."""

    def __init__(self, name: str, args: ExistingGpuNodesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gpu-ready:index:ExistingGpuNodes", name, {}, opts)
        if args.get("context") in ("", None):
            raise pulumi.InputPropertyError("context", "the context of the kubeconfig belongs here")
        nodes, selector, gpu = args.get("nodes") or [], args.get("node_selector") or {}, args.get("gpu") or {}
        if isinstance(nodes, str):
            raise pulumi.InputPropertyError("nodes", "a list of names belongs here")
        if bool(nodes) == bool(selector):
            raise pulumi.InputPropertyError("nodes", "either `nodes` or `nodeSelector`, not both and not neither")
        self.kubeconfig = pulumi.Output.from_input(args.get("kubeconfig") or defaults.KUBECONFIG)
        self.context = pulumi.Output.from_input(args["context"])
        self.node_of_host: dict[str, pulumi.Output[str]] = {}
        self.made: dict[str, pulumi.Output[str]] = {}
        self.marks: dict[str, pulumi.Output[dict[str, str]]] = {}
        self.away: dict[str, str] = {}
        self.any_node = ""
        installs = owned(gpu).installs
        self.node_selector = pulumi.Output.from_input(workload_selector(selector, installs))
        params = {
            **reading(gpu, self.kubeconfig, self.context),
            "nodes": list(nodes),
            "node_selector": dict(selector),
            "makes": [name for name in (made_namespace(gpu), args.get("validation_namespace")) if name],
        }
        here = pulumi.ResourceOptions(parent=self)
        step = "look_claims" if by_claim(gpu) else "look"
        look = reading_step(f"{name}-look", step, params, defaults.LOOK_SECONDS, here)
        self.found = answer(look)
        self.register_outputs(
            {
                "kubeconfig": self.kubeconfig,
                "context": self.context,
                "node_selector": self.node_selector,
                "found": self.found,
            }
        )
