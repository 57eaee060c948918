"""What a validation Job runs and where: nvidia-smi, then a CUDA kernel, on the node or in the pool that it is for."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes
from typing_extensions import NotRequired

from components.choices import GpuChoices, count, owned, pulled, tolerations
from components.framework import container as framework_check
from decide import defaults, images
from decide.ownership import CLASSLESS

SMI = """\
out=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>&1); code=$?
echo "$out" | tee /dev/termination-log
exit $code"""


class GpuPool(TypedDict):
    """Nodes that come when they are needed."""

    name: str
    """Name of the pool."""
    node_selector: dict[str, str]
    """Labels that its nodes are born with."""
    gpus: int
    """Cards that a whole node of it hands out."""
    least: NotRequired[int]
    """Nodes that it always has. Default: 0"""
    most: NotRequired[int]
    """Nodes that it may have."""
    slice: NotRequired[str]
    """Size of the MIG slices that its cards are handed out in."""
    slices: NotRequired[int]
    """How many of those a card has."""
    sharing: NotRequired[str]
    """How a card, or a slice of it, is shared by the platform's own plugin: `timeSharing` or `mps`."""
    shares: NotRequired[int]
    """Among how many pods."""


class Proof(NamedTuple):
    """One Job: its short name, the node or pool that it is for, whether its host is away, what that was made, and what
    its containers ask for, or which template its claim is made from."""

    name: str
    node: Any
    away: str = ""
    made: pulumi.Input[str] | None = None
    pool: GpuPool | None = None
    resource: str = defaults.RESOURCE_NAME
    claim: pulumi.Input[str] | None = None


def pod_spec(slot: Proof, args: Mapping[str, Any]) -> kubernetes.core.v1.PodSpecArgs:
    """nvidia-smi, then the kernel launch, then a framework, on the same cards: init containers give the order."""
    core = kubernetes.core.v1
    common: dict[str, Any] = {
        "resources": asked(slot, args),
        "termination_message_policy": "FallbackToLogsOnError",
        "security_context": core.SecurityContextArgs(
            allow_privilege_escalation=False, capabilities=core.CapabilitiesArgs(drop=["ALL"])
        ),
    }
    gpu: GpuChoices = args.get("gpu", {})
    source = pulled(gpu)
    smi_image = images.placed(args.get("smi_image") or defaults.SMI_IMAGE, source)
    cuda_image = images.placed(args.get("cuda_image") or defaults.CUDA_IMAGE, source)
    # With an operator of ours a pod gets its card without a class, and where nvidia is the default runtime too;
    # elsewhere the class is there by declaration.
    needs_no_class = owned(gpu).runtime_class.owner in CLASSLESS
    labels = slot.pool["node_selector"] if slot.pool else args.get("node_selector")
    checks: list[kubernetes.core.v1.ContainerArgs] = [
        core.ContainerArgs(name="nvidia-smi", image=smi_image, command=["sh", "-c", SMI], **common),
        core.ContainerArgs(name="vectoradd", image=cuda_image, **common),
        *framework_check(args.get("framework"), common, source),
    ]
    first: list[Any] = list(checks[:-1])
    return core.PodSpecArgs(
        init_containers=first,
        containers=[checks[-1]],
        restart_policy="Never",
        automount_service_account_token=False,
        runtime_class_name=None if needs_no_class else defaults.RUNTIME_CLASS,
        security_context=core.PodSecurityContextArgs(
            run_as_non_root=True, run_as_user=65532, seccomp_profile=core.SeccompProfileArgs(type="RuntimeDefault")
        ),
        tolerations=[core.TolerationArgs(**one) for one in tolerations(gpu)],
        affinity=on_node(slot.node) if slot.node else None,
        node_selector=dict(labels or {}) or None,
        image_pull_secrets=[core.LocalObjectReferenceArgs(name=one) for one in source.pull_secrets] or None,
        **claimed(slot),
    )


def asked(slot: Proof, args: Mapping[str, Any]) -> kubernetes.core.v1.ResourceRequirementsArgs:
    """How a container asks for its cards."""
    if slot.claim is None:
        return kubernetes.core.v1.ResourceRequirementsArgs(limits={slot.resource: str(cards(slot, args))})
    from components.dra_driver import of_claim  # what a stack does not use, its start shall not pay for

    return of_claim()


def claimed(slot: Proof) -> dict[str, Any]:
    """What its pod claims, where it does."""
    if slot.claim is None:
        return {}
    from components.dra_driver import by_claim

    return by_claim(slot.claim)


def cards(slot: Proof, args: Mapping[str, Any]) -> int:
    """Cards that a Job asks for: those of a whole node, where a pool brings one up for it."""
    return count("gpus", slot.pool["gpus"] if slot.pool else args.get("gpus", 1))


def on_node(node: pulumi.Input[str]) -> kubernetes.core.v1.AffinityArgs:
    """This node and no other, by its name: the hostname label may say something else."""
    core = kubernetes.core.v1
    field = core.NodeSelectorRequirementArgs(key="metadata.name", operator="In", values=[node])
    return core.AffinityArgs(
        node_affinity=core.NodeAffinityArgs(
            required_during_scheduling_ignored_during_execution=core.NodeSelectorArgs(
                node_selector_terms=[core.NodeSelectorTermArgs(match_fields=[field])]
            )
        )
    )


def of_pool(slot: Proof) -> dict[str, str]:
    """Which pool a Job is for."""
    return {"pool": slot.pool["name"]} if slot.pool else {}


def refuse_two_places(args: Mapping[str, Any], claims: bool) -> None:
    """Nodes are told in one way, and pools hand out cards in one."""
    if claims and args.get("pools"):
        raise pulumi.InputPropertyError("pools", "and allocation dra: pools hand out cards by a device plugin")
    if sum(bool(args.get(key)) for key in ("nodes", "node_selector", "pools")) > 1:
        raise pulumi.InputPropertyError("nodes", "either `nodes` or `nodeSelector` or `pools`, only one of them")
