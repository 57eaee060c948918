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
    by_claim,
    count,
    divided,
    owned,
    reading,
    shared,
    this_stack,
    when_away,
)
from components.framework import Framework
from components.local_step import answer, local_step
from components.nri import by_nri
from components.proof import GpuPool, Proof, cards, of_pool, pod_spec, refuse_two_places
from decide import defaults, mig
from decide.slots import room_beside, short_name, slots

LABEL = "gpu-ready/check"
PROVES = "gpu-ready/proves"
REVISION = "gpu-ready/operator-revision"
MADE = "gpu-ready/host-made"
SHORTEST_ROOM = 12
ENGINE_GRACE = 300  # a last look at a slow API server may take minutes; the gate has the better words
ASLEEP = {"pulumi.com/skipAwait": "true"}
UNREADY = "pulumi.com/replaceUnready"
NOT_AWAITED = {**ASLEEP, UNREADY: "true"}
"""The provider's own waiting gives no reason, the gate does. A Job without success is made afresh by the next up."""


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
    pools: NotRequired[list[GpuPool]]
    """Pools of nodes; of each one whole node is tested, which a pool without nodes brings up for it."""
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
    nccl: NotRequired[bool]
    """Whether all cards of a node then work together, where it has several; needs a framework. Default: no"""


class JobBody(NamedTuple):
    """What a Job runs, and whether it does."""

    pod: kubernetes.core.v1.PodSpecArgs
    annotations: Mapping[str, pulumi.Input[str]]
    suspend: pulumi.Input[bool] | None


class GpuValidation(pulumi.ComponentResource):
    """Proves that GPU pods run, node by node; fails with the first broken layer, its id and the fix."""

    report: pulumi.Output[dict[str, Any]]
    """Per node: card, driver, CUDA version, checks; and the nodes that were not tested."""

    def __init__(self, name: str, args: GpuValidationArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("gpu-ready:index:GpuValidation", name, {}, opts)
        claims = by_claim(args.get("gpu") or {})
        refuse_two_places(args, claims)
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
        first = "divided" if "mig" in params else "offered" if claims else "ready"
        ready = local_step(
            f"{name}-ready", first, {**params, **what_is_proven(args), **made_of_hosts(args)}, limit, here
        )
        after_it = ResourceOptions(parent=self, delete_before_replace=True, depends_on=[ready])
        claim = self._claim(name, args, namespace) if claims else None
        jobs = [self._job(name, slot._replace(claim=claim), args, namespace, after_it) for slot in chosen]
        made = [(slot, job.metadata.name) for slot, job in zip(chosen, jobs, strict=True) if not slot.away]
        gate = local_step(
            f"{name}-gate",
            "claimed" if claims else "gate",
            {**params, **what_was_made(args, made)},
            limit,
            ResourceOptions(parent=self, depends_on=jobs),
        )
        self.report = answer(gate)
        if args.get("nccl"):
            from components.nccl import together  # what a stack does not use, its start shall not pay for

            judged = {**params, "validation_namespace": namespace_of(args)}
            self.report = together(name, args, self._job, namespace, gate, judged, limit, self)
        self.register_outputs({"report": self.report})

    def _claim(self, name: str, args: GpuValidationArgs, namespace: kubernetes.core.v1.Namespace) -> pulumi.Output[str]:
        from components.dra_driver import claim_template  # what a stack does not use, its start shall not pay for

        cards = count("gpus", args.get("gpus", 1))
        return claim_template(name, cards, namespace, OURS, ResourceOptions(parent=self)).metadata.name

    def _job(
        self,
        name: str,
        slot: Proof,
        args: GpuValidationArgs,
        namespace: kubernetes.core.v1.Namespace,
        opts: ResourceOptions,
        body: JobBody | None = None,
    ) -> kubernetes.batch.v1.Job:
        labels = {LABEL: slot.name}
        asleep = True if slot.away else None
        does = body or JobBody(pod_spec(slot, args), ASLEEP if slot.away else NOT_AWAITED, asleep)
        proven = what_is_proven(args)
        kept = when_away(slot.away or "present", ["metadata", "spec"])
        return kubernetes.batch.v1.Job(
            f"{name}-{slot.name}",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                namespace=namespace.metadata.name, labels=labels, annotations=does.annotations
            ),
            spec=kubernetes.batch.v1.JobSpecArgs(
                backoff_limit=0,
                suspend=does.suspend,
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
                    spec=does.pod,
                ),
            ),
            opts=ResourceOptions.merge(opts, kept),
        )


def job_slots(args: GpuValidationArgs, room: int) -> list[Proof]:
    """A Job per host, by the host's own name, which is known before its node is; one per node or pool; else one."""
    if args.get("pools"):
        return [Proof(short_name(one["name"], room), None, pool=one) for one in args["pools"]]
    hosts, away = args.get("hosts") or {}, args.get("away") or {}
    found = slots([*hosts, *(args.get("nodes") or [])], room)
    made = args.get("made") or {}
    return [
        Proof(
            one.name,
            node_for(one.node, hosts),
            away.get(one.node, ""),
            made.get(one.node),
            resource=resource_for(args, one.node),
        )
        for one in found
    ]


def resource_for(args: GpuValidationArgs, wanted: Any) -> str:
    """What hands out cards, or slices, on a node or host."""
    wish = divided(args.get("gpu") or {})
    return mig.resource(wish, wish.of(str(wanted)) if wish else "")


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
        **how_divided(args),
        **({"resource": defaults.DEVICE_CLASS} if by_claim(args.get("gpu") or {}) else {}),
        **({"runtime_class": {**known["runtime_class"], "owner": "host"}} if by_nri(args.get("gpu") or {}) else {}),
        "operator": {**known["operator"], "version": args.get("operator_version") or ""},
        "nodes": [*(args.get("nodes") or []), *present(args)],
        "away": dict(args.get("away") or {}),
        "node_selector": dict(args.get("node_selector") or {}),
        **({"pools": [dict(one) for one in args["pools"]]} if args.get("pools") else {}),
        "timeout_seconds": time_limit(args),
        "poll_seconds": count("pollSeconds", args.get("poll_seconds") or defaults.POLL_SECONDS),
        "grace_seconds": defaults.GRACE_SECONDS,
    }


def how_divided(args: GpuValidationArgs) -> dict[str, Any]:
    """What MIG shall have made of the cards, where it shall, and what each node hands out then."""
    wish, hosts, away = divided(args.get("gpu") or {}), args.get("hosts") or {}, args.get("away") or {}
    if not wish:
        return {}
    there = {**{node: node for node in args.get("nodes") or ()}, **hosts}
    nodes = [{"node": node, **mig.of_node(wish, name)} for name, node in there.items() if name not in away]
    known = mig.to_judge(wish, owned(args.get("gpu") or {}).installs)
    return {"resource": mig.resource(wish), "mig": {**known, **mig.of_node(wish, ""), "nodes": nodes}}


def what_was_made(args: GpuValidationArgs, jobs: list[tuple[Proof, pulumi.Output[str]]]) -> dict[str, Any]:
    """What only the second gate can know."""
    return {
        "jobs": [
            {"slot": slot.name, "node": slot.node, "name": name, "gpus": cards(slot, args), **of_pool(slot)}
            for slot, name in jobs
        ],
        "validation_namespace": namespace_of(args),
    }
