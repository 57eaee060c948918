"""The proof: when nodes and operator are ready, one Job per GPU node runs nvidia-smi and then a CUDA kernel."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi import ResourceOptions
from typing_extensions import NotRequired

from components.choices import (
    OURS,
    STACK,
    GpuChoices,
    count,
    owned,
    reading,
    shared,
    this_stack,
    tolerations,
    when_away,
)
from components.framework import Framework
from components.framework import container as framework_check
from components.local_step import answer, local_step
from decide import defaults
from decide.ownership import Owner
from decide.slots import room_beside, slots

LABEL = "gpu-ready/check"
PROVES = "gpu-ready/proves"
REVISION = "gpu-ready/operator-revision"
MADE = "gpu-ready/host-made"
SHORTEST_ROOM = 12
ENGINE_GRACE = 300  # a last look at a slow API server may take minutes; the gate has the better words
ASLEEP = {"pulumi.com/skipAwait": "true"}
NOT_AWAITED = {**ASLEEP, "pulumi.com/replaceUnready": "true"}
"""The provider's own waiting gives no reason, the gate does. A Job without success is made afresh by the next up."""
SMI = """\
out=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>&1); code=$?
echo "$out" | tee /dev/termination-log
exit $code"""


class GpuValidationArgs(TypedDict):
    """What is validated, and how long it may take."""

    kubeconfig: pulumi.Input[str]
    """Path of the kubeconfig file, for reading the cluster with kubectl."""
    context: pulumi.Input[str]
    """Context of the kubeconfig."""
    nodes: NotRequired[list[str]]
    """Names of the GPU nodes; each gets a Job."""
    hosts: NotRequired[dict[str, pulumi.Input[str]]]
    """Node of each host, where hosts are known by names of their own; each gets a Job."""
    made: NotRequired[dict[str, pulumi.Input[str]]]
    """What each host was made, as a short text: when it changes, that host is proven again."""
    away: NotRequired[dict[str, str]]
    """Hosts that are not there, each `offline` or `abandoned`: their Jobs stay as they are, nobody waits for them."""
    node_selector: NotRequired[dict[str, str]]
    """Labels of the GPU nodes where their names are not known; one Job tests one of them."""
    gpu: NotRequired[GpuChoices]
    """Who brings what; the gate names the right place to look."""
    proves: NotRequired[str]
    """Whatever the proof is about, as a short text: when it changes, everything is proven again."""
    operator_revision: NotRequired[pulumi.Input[str]]
    """GpuStack's `operator_revision`: when Helm has changed the operator, everything is proven again."""
    namespace: NotRequired[str]
    """Namespace of the Jobs, made for them. Default: gpu-ready"""
    operator_version: NotRequired[str]
    """Version of the operator, where this program installs one and names its version: no other one is believed."""
    gpus: NotRequired[int]
    """Cards that each Job asks for. Default: 1"""
    timeout_seconds: NotRequired[int]
    """How long to wait for the operator, and then again for the Jobs."""
    poll_seconds: NotRequired[int]
    """How often to look meanwhile."""
    smi_image: NotRequired[str]
    """Image for nvidia-smi; any image with a shell."""
    cuda_image: NotRequired[str]
    """Image that runs CUDA vectorAdd and prints `Test PASSED`."""
    framework: NotRequired[Framework]
    """A framework's own check after that. Default: none"""


class Proof(NamedTuple):
    """One Job: its short name, the node that it is meant for, whether its host is away, and what that was made."""

    name: str
    node: Any
    away: str = ""
    made: pulumi.Input[str] | None = None


class GpuValidation(pulumi.ComponentResource):
    """Proves that GPU pods run, node by node; fails with the first broken layer, its id and the fix."""

    report: pulumi.Output[dict[str, Any]]
    """Per node: card, driver, CUDA version, checks; and the nodes that were not tested."""

    def __init__(self, name: str, args: GpuValidationArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("gpu-ready:index:GpuValidation", name, {}, opts)
        if args.get("nodes") and args.get("node_selector"):
            raise pulumi.InputPropertyError("nodes", "either `nodes` or `nodeSelector`, not both")
        here = ResourceOptions(parent=self)
        namespace = kubernetes.core.v1.Namespace(
            f"{name}-namespace",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=namespace_of(args),
                labels={"pod-security.kubernetes.io/enforce": "restricted", **OURS},
                annotations={STACK: this_stack()},
            ),
            opts=here,
        )
        chosen = job_slots(args, room_for_nodes(name))
        params, limit = what_to_judge(args), time_limit(args) + ENGINE_GRACE
        # Jobs that come too early fail on a driver that is just being built, or prove the one of before.
        ready = local_step(
            f"{name}-ready", "ready", {**params, **what_is_proven(args), **made_of_hosts(args)}, limit, here
        )
        after_it = ResourceOptions(parent=self, delete_before_replace=True, depends_on=[ready])
        jobs = [self._job(name, slot, args, namespace, after_it) for slot in chosen]
        made = [(slot, job.metadata.name) for slot, job in zip(chosen, jobs, strict=True) if not slot.away]
        gate = local_step(
            f"{name}-gate",
            "gate",
            {**params, **what_was_made(args, made)},
            limit,
            ResourceOptions(parent=self, depends_on=jobs),
        )
        self.report = answer(gate)
        self.register_outputs({"report": self.report})

    def _job(
        self,
        name: str,
        slot: Proof,
        args: GpuValidationArgs,
        namespace: kubernetes.core.v1.Namespace,
        opts: ResourceOptions,
    ) -> kubernetes.batch.v1.Job:
        labels = {LABEL: slot.name}
        proven = what_is_proven(args)
        kept = when_away(slot.away or "present", ["metadata", "spec"])
        return kubernetes.batch.v1.Job(
            f"{name}-{slot.name}",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                namespace=namespace.metadata.name, labels=labels, annotations=ASLEEP if slot.away else NOT_AWAITED
            ),
            spec=kubernetes.batch.v1.JobSpecArgs(
                backoff_limit=0,
                suspend=True if slot.away else None,
                active_deadline_seconds=time_limit(args) + 120,  # the gate speaks first, while the pod is still there
                template=kubernetes.core.v1.PodTemplateSpecArgs(
                    metadata=kubernetes.meta.v1.ObjectMetaArgs(
                        labels=labels,
                        annotations={
                            PROVES: proven["proves"],
                            REVISION: proven["revision"],
                            **({} if slot.made is None else {MADE: slot.made}),
                        },
                    ),
                    spec=pod_spec(slot, args),
                ),
            ),
            opts=ResourceOptions.merge(opts, kept),
        )


def job_slots(args: GpuValidationArgs, room: int) -> list[Proof]:
    """A Job per host, by the host's own name, which is known before its node is; one per node; else one for all."""
    hosts, away = args.get("hosts") or {}, args.get("away") or {}
    found = slots([*hosts, *(args.get("nodes") or [])], room)
    made = args.get("made") or {}
    return [Proof(one.name, node_for(one.node, hosts), away.get(one.node, ""), made.get(one.node)) for one in found]


def node_for(wanted: Any, hosts: Mapping[str, pulumi.Input[str]]) -> Any:
    """The node of a host; one that is away may never have had any, and its Job sleeps under its own name."""
    return pulumi.Output.from_input(hosts[wanted]).apply(lambda node: node or wanted) if wanted in hosts else wanted


def present(args: GpuValidationArgs) -> list[pulumi.Input[str]]:
    """Nodes of the hosts that are there."""
    away = args.get("away") or {}
    return [node for host, node in (args.get("hosts") or {}).items() if host not in away]


def room_for_nodes(name: str) -> int:
    """How long the node's part of a Job's name may be; a component's name may not leave too little."""
    room = room_beside(name)
    if room < SHORTEST_ROOM:
        raise ValueError(f"the name {name!r} is {SHORTEST_ROOM - room} characters too long: Job names end at 63")
    return room


def pod_spec(slot: Proof, args: GpuValidationArgs) -> kubernetes.core.v1.PodSpecArgs:
    """nvidia-smi, then the kernel launch, then a framework, on the same cards: init containers give the order."""
    core = kubernetes.core.v1
    gpus = {defaults.RESOURCE_NAME: str(count("gpus", args.get("gpus", 1)))}
    common: dict[str, Any] = {
        "resources": core.ResourceRequirementsArgs(limits=gpus),
        "termination_message_policy": "FallbackToLogsOnError",
        "security_context": core.SecurityContextArgs(
            allow_privilege_escalation=False, capabilities=core.CapabilitiesArgs(drop=["ALL"])
        ),
    }
    smi_image = args.get("smi_image") or defaults.SMI_IMAGE
    cuda_image = args.get("cuda_image") or defaults.CUDA_IMAGE
    gpu = args.get("gpu") or {}
    # With an operator of ours a pod gets its card without a class, and where nvidia is the default runtime too;
    # elsewhere the class is there by declaration.
    unnamed = owned(gpu).runtime_class.owner in (Owner.OPERATOR, Owner.HOST)
    checks: list[kubernetes.core.v1.ContainerArgs] = [
        core.ContainerArgs(name="nvidia-smi", image=smi_image, command=["sh", "-c", SMI], **common),
        core.ContainerArgs(name="vectoradd", image=cuda_image, **common),
        *framework_check(args.get("framework"), common),
    ]
    first: list[Any] = list(checks[:-1])
    return core.PodSpecArgs(
        init_containers=first,
        containers=[checks[-1]],
        restart_policy="Never",
        automount_service_account_token=False,
        runtime_class_name=None if unnamed else defaults.RUNTIME_CLASS,
        security_context=core.PodSecurityContextArgs(
            run_as_non_root=True, run_as_user=65532, seccomp_profile=core.SeccompProfileArgs(type="RuntimeDefault")
        ),
        tolerations=[core.TolerationArgs(**one) for one in tolerations(gpu)],
        affinity=on_node(slot.node) if slot.node else None,
        node_selector=dict(args.get("node_selector") or {}) or None,
    )


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


def namespace_of(args: GpuValidationArgs) -> str:
    """Where the Jobs live."""
    return args.get("namespace") or defaults.VALIDATION_NAMESPACE


def time_limit(args: GpuValidationArgs) -> int:
    """How long each of the two gates waits."""
    return count("timeoutSeconds", args.get("timeout_seconds") or defaults.VALIDATION_TIMEOUT_SECONDS)


def what_is_proven(args: GpuValidationArgs) -> dict[str, Any]:
    """When one of these changes, everything is proven again."""
    # Settings that go to and fro look as if nothing had happened; Helm counts how often the operator was changed.
    return {"proves": args.get("proves") or "", "revision": args.get("operator_revision", "")}


def made_of_hosts(args: GpuValidationArgs) -> dict[str, Any]:
    """What the hosts that are there were made: whoever moves a driver has nodes and operator begin anew."""
    away = args.get("away") or {}
    made = {host: one for host, one in (args.get("made") or {}).items() if host not in away}
    return {"made": made} if made else {}


def what_to_judge(args: GpuValidationArgs) -> dict[str, Any]:
    """What both gates have to know."""
    known = reading(args.get("gpu") or {}, args["kubeconfig"], args["context"])
    return {
        **known,
        **({"sharing": wish} if (wish := shared(args.get("gpu") or {})) else {}),
        "operator": {**known["operator"], "version": args.get("operator_version") or ""},
        "nodes": [*(args.get("nodes") or []), *present(args)],
        "away": dict(args.get("away") or {}),
        "node_selector": dict(args.get("node_selector") or {}),
        "timeout_seconds": time_limit(args),
        "poll_seconds": count("pollSeconds", args.get("poll_seconds") or defaults.POLL_SECONDS),
        "grace_seconds": defaults.GRACE_SECONDS,
    }


def what_was_made(args: GpuValidationArgs, jobs: list[tuple[Proof, pulumi.Output[str]]]) -> dict[str, Any]:
    """What only the second gate can know."""
    gpus = count("gpus", args.get("gpus", 1))
    return {
        "jobs": [{"slot": slot.name, "node": slot.node, "name": name, "gpus": gpus} for slot, name in jobs],
        "validation_namespace": namespace_of(args),
    }
