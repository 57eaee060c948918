"""The whole story: settings -> who owns what -> GPU nodes -> the stack on them -> the proof -> exports."""

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi import ResourceOptions
from pulumi.runtime import config

import settings
from components.gpu_stack import GpuStack
from components.validation import GpuValidation
from decide import remainder

PREFIX = "gpu-ready:"


def configured() -> dict[str, str]:
    """All keys of our namespace, so that a misspelt one is seen; of a secret only that it is there."""
    known = {**config.get_config_env(), **config.CONFIG.get()}
    ours = {key: "" if config.is_config_secret(key) else known[key] for key in known if key.startswith(PREFIX)}
    return {key.removeprefix(PREFIX): value for key, value in ours.items()}


raw = configured()
try:
    wish = settings.parse(raw, secret_keys=[key for key in raw if config.is_config_secret(PREFIX + key)])
except settings.SettingsError as faults:
    raise pulumi.RunError(str(faults)) from None

for line in wish.ownership.lines():
    pulumi.log.info(line)

match wish.target:
    case "cluster":
        from components.existing import ExistingGpuNodes

        nodes = ExistingGpuNodes("nodes", wish.nodes_args())

identifier = wish.cluster.identifier or nodes.context
cluster = kubernetes.Provider(
    "cluster", kubeconfig=nodes.kubeconfig, context=nodes.context, cluster_identifier=identifier
)
on_cluster = ResourceOptions(provider=cluster, depends_on=[nodes])
stack = GpuStack("gpu-stack", wish.stack_args(), on_cluster)

if wish.validation.enabled:
    # Beside an external operator the stack may hold nothing to wait for: hence the nodes too.
    after_all = ResourceOptions(provider=cluster, depends_on=[nodes, stack])
    proven = wish.validation_args(nodes) | {"operator_revision": stack.operator_revision}
    proof = GpuValidation("gpu-validation", proven, after_all)
    pulumi.export("report", proof.report)
else:
    pulumi.export("report", {"ready": None, "why": "validation.enabled is false"})

pulumi.export("node_selector", nodes.node_selector)
pulumi.export("runtime_class", stack.runtime_class)
pulumi.export("resource_name", stack.resource_name)
pulumi.export("ownership", wish.ownership.as_export())
pulumi.export("first_workload", wish.first_workload())
pulumi.export("destroy_hint", remainder.destroy_hint(pulumi.get_stack(), wish.remainder()))
