"""The all-reduce over all cards of a node: Jobs after the proof, a gate of their own, and what the report says then."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi import ResourceOptions

from components.choices import divided, shared
from components.local_step import answer, local_step
from components.proof import Proof, of_pool, pod_spec
from components.validation import NOT_AWAITED, UNREADY, JobBody, job_slots, room_for_nodes, time_limit
from decide import nccl

Make = Callable[..., kubernetes.batch.v1.Job]


def together(
    name: str,
    args: Any,
    make: Make,
    namespace: kubernetes.core.v1.Namespace,
    proof: Any,
    params: Mapping[str, Any],
    seconds: int,
    home: pulumi.Resource,
) -> pulumi.Output[dict[str, Any]]:
    """The report of the proof, with what the cards of each node said together."""
    check(args)
    report, apart = answer(proof), f"{name}-{nccl.NAME}"
    after = ResourceOptions(parent=home, delete_before_replace=True, depends_on=[proof])
    slots = placed(job_slots(args, room_for_nodes(apart)), report)
    jobs = [make(apart, slot, args, namespace, after, body(slot, args, cards)) for slot, cards in slots]
    there = [(slot, cards, job) for (slot, cards), job in zip(slots, jobs, strict=True) if not slot.away]
    about = [
        {"slot": slot.name, "node": slot.node, "name": job.metadata.name, "gpus": cards, **of_pool(slot)}
        for slot, cards, job in there
    ]
    told = local_step(
        apart, nccl.NAME, {**params, "jobs": about}, seconds, ResourceOptions(parent=home, depends_on=jobs)
    )
    return pulumi.Output.all(report, answer(told)).apply(lambda both: nccl.told(*both))


def check(args: Mapping[str, Any]) -> None:
    """Whoever comes from another language passes no settings."""
    gpu: Any = args.get("gpu") or {}
    parts = [one for one in args.get("pools") or () if one.get("slice") or one.get("sharing")]
    if not args.get("framework"):
        raise pulumi.InputPropertyError("nccl", "needs a `framework` whose image has PyTorch")
    if shared(gpu) or divided(gpu) or parts:
        raise pulumi.InputPropertyError("nccl", "is about whole cards: leave `sharing` and `mig` out")


def placed(slots: list[Proof], report: pulumi.Output[Any]) -> list[tuple[Proof, pulumi.Output[int]]]:
    """Each slot with the cards of the node on which it was proven; the node itself too, where only labels are known."""
    found, place = [], 0
    for slot in slots:
        if slot.away:
            found.append((slot, pulumi.Output.from_input(0)))
            continue
        known = report.apply(partial(nccl.proven, place=place))
        node = None if slot.pool else slot.node or known.apply(lambda one: one.get("name"))
        found.append((slot._replace(node=node), known.apply(lambda one: int(one.get("gpus") or 0))))
        place += 1
    return found


def body(slot: Proof, args: Any, cards: pulumi.Output[int]) -> JobBody:
    """A Job that sleeps where there is one card, and else asks for all of them at once."""
    asleep = cards.apply(lambda known: known < nccl.LEAST)
    return JobBody(
        pod(slot, args, cards),
        {**NOT_AWAITED, UNREADY: asleep.apply(lambda known: str(not known).lower())},
        asleep,
    )


def pod(slot: Proof, args: Any, cards: pulumi.Output[int]) -> kubernetes.core.v1.PodSpecArgs:
    """The pod of the framework's own check, with another program and all cards."""
    core = kubernetes.core.v1
    spec, amount = pod_spec(slot, args), cards.apply(lambda known: str(max(known, 1)))
    containers: Any = spec.containers
    one = containers[-1]
    one.name, one.command = nccl.NAME, ["python3", "-c", nccl.SCRIPT]
    said: dict[str, Any] = {
        "HOME": "/tmp",
        "CARDS": amount,
        "LIMIT": str(nccl.limit(time_limit(args))),
        "NCCL_DEBUG": "WARN",
    }
    one.env = [core.EnvVarArgs(name=key, value=value) for key, value in said.items()]
    one.resources = core.ResourceRequirementsArgs(limits={slot.resource: amount})
    one.volume_mounts = [core.VolumeMountArgs(name="shm", mount_path="/dev/shm")]
    memory = core.EmptyDirVolumeSourceArgs(medium="Memory", size_limit=nccl.SHARED_MEMORY)
    spec.init_containers, spec.volumes = None, [core.VolumeArgs(name="shm", empty_dir=memory)]
    return spec
