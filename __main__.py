"""The whole story: settings -> who owns what -> GPU nodes -> the stack on them -> the proof -> exports."""

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi.runtime import config

import settings
from components.gpu_stack import GpuStack
from components.validation import GpuValidation

PREFIX = "gpu-ready:"


def configured() -> dict[str, str]:
    """All keys of our namespace, so that a misspelt one is seen; of a secret only that it is there, and a line."""
    known = {**config.get_config_env(), **config.CONFIG.get()}
    ours = {key: settings.veiled(known[key]) if config.is_config_secret(key) else known[key] for key in known}
    return {key.removeprefix(PREFIX): value for key, value in ours.items() if key.startswith(PREFIX)}


raw = configured()
try:
    wish = settings.parse(raw, secret_keys=[key for key in raw if config.is_config_secret(PREFIX + key)])
except settings.SettingsError as faults:
    raise pulumi.RunError(str(faults)) from None
for line in wish.lines():
    pulumi.log.info(line)
match wish.target:
    case "cluster":
        from components.existing import ExistingGpuNodes as Nodes
    case "bareMetal" if wish.rents:
        from components.aws_hosts import AwsGpuHosts as Nodes  # type: ignore[assignment]
    case "bareMetal":
        from components.bare_metal import BareMetalGpuNodes as Nodes  # type: ignore[assignment]
    case "gke":
        from components.gke import GkeGpuNodes as Nodes  # type: ignore[assignment]
    case "aws":
        from components.aws import AwsGpuNodes as Nodes  # type: ignore[assignment]
nodes: Any = Nodes("nodes", wish.nodes_args(pulumi.Config().get_secret))  # whichever kind: a GpuNodes
if wish.target == "bareMetal":
    pulumi.export("hosts", nodes.hosts)
cluster = kubernetes.Provider("cluster", **wish.provider_args(nodes))
stack = GpuStack("gpu-stack", wish.stack_args(nodes), pulumi.ResourceOptions(provider=cluster, depends_on=[nodes]))
after_all = pulumi.ResourceOptions(provider=cluster, depends_on=[nodes, stack])  # the stack may be an empty one
if watched := wish.monitoring_args():
    from components.monitoring import GpuMonitoring

    GpuMonitoring("gpu-monitoring", watched, after_all)
proof = wish.validation.enabled and GpuValidation("gpu-validation", wish.validation_args(nodes, stack), after_all)
if wish.makes_cluster:
    pulumi.export("kubeconfig", nodes.kubeconfig)  # a secret
pulumi.export("report", proof.report if proof else {"ready": None, "why": "validation.enabled is false"})
pulumi.export("node_selector", nodes.node_selector)
pulumi.export("runtime_class", stack.runtime_class)
pulumi.export("resource_name", stack.resource_name)
pulumi.export("ownership", wish.ownership.as_export())
pulumi.export("first_workload", wish.first_workload())
pulumi.export("destroy_hint", wish.destroy_hint(pulumi.get_stack()))
