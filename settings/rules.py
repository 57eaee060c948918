"""What no single setting can say of itself: rules between settings, each a function from a config to its faults."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from decide import defaults, user_values
from decide.ownership import Decision, Ownership, Refusal, decide
from settings import aws_rules, gke_rules, host_rules
from settings.faults import FIX, Fault
from settings.kinds import BROKEN
from settings.model import Cluster, Config, Toleration

Given = set[str]
ON_CLUSTERS = re.compile(r"\bgpu\.(driver|toolkit): operator")
"""Advice that is none where the hosts have driver and toolkit."""


def decision(config: Config) -> Decision:
    """Who owns what, for this config."""
    gpu = config.gpu
    cloud = config.gke if config.gke is not None else config.aws
    image = cloud.image if cloud is not None else None
    wish = {"image": image, "driver": gpu.driver, "toolkit": gpu.toolkit, "runtime_class": gpu.runtime_class}
    known = {thing: asked for thing, asked in wish.items() if asked is not BROKEN}
    target = "cluster" if config.target is BROKEN else config.target
    return decide(target, {"operator": gpu.operator.mode, **known})


def settled(config: Config, given: Given) -> Config:
    """What a target decides where nothing was said: a cloud's nodes are not declared, its platform has no operator."""
    if config.target == "aws":
        return aws_rules.settled(config, given)
    if config.target != "gke":
        return config
    unsaid = "gpu.operator.mode" not in given and config.gpu.driver != "operator"
    operator = replace(config.gpu.operator, mode="none") if unsaid else config.gpu.operator
    gpu = config.gpu if config.gpu is BROKEN else replace(config.gpu, operator=operator)
    return replace(config, cluster=Cluster(context=""), gpu=gpu)


def broken(config: Config, given: Given) -> list[Fault]:
    """Everything that is wrong between settings; silent about what could not be read, which is listed already."""
    return [fault for rule in RULES for fault in rule(config, given)]


def which_nodes(config: Config, _: Given) -> Iterator[Fault]:
    """Names or labels, each node once."""
    cluster = config.cluster
    if config.target in ("bareMetal", "gke", "aws") or cluster.nodes is BROKEN or cluster.node_selector is BROKEN:
        return
    if cluster.nodes and cluster.node_selector:
        yield Fault("cluster", "has both nodes and nodeSelector, and one has to go", "nodes: [gpu-1, gpu-2]")
    if not cluster.nodes and not cluster.node_selector:
        yield Fault("cluster", "names no GPU node: nodes or nodeSelector is missing", "nodes: [gpu-1, gpu-2]")
    twice = sorted({node for node in cluster.nodes if cluster.nodes.count(node) > 1})
    for node in twice:
        yield Fault("cluster.nodes", f"{node} stands there more than once", f"nodes: [{', '.join(_once(cluster))}]")


def _once(cluster: Cluster) -> list[str]:
    return list(dict.fromkeys(cluster.nodes))[:5]


def tolerations(config: Config, _: Given) -> Iterator[Fault]:
    """What the API server would refuse, after Helm had begun."""
    listed = config.cluster.tolerations
    for index, one in enumerate(() if listed is BROKEN else listed):
        problem = "" if BROKEN in (one.key, one.operator, one.value) else _odd(one)
        if problem:
            example = "tolerations: [{key: dedicated, operator: Equal, value: gpu}]"
            yield Fault(f"cluster.tolerations[{index}]", problem, example)


def _odd(one: Toleration) -> str:
    if one.operator == "Exists" and one.value:
        return "has a value, but its operator Exists matches any value"
    return "has no key, which only the operator Exists can do" if one.key is None and one.operator != "Exists" else ""


def ownership(config: Config, _: Given) -> Iterator[Fault]:
    """One owner for each thing."""
    if config.gpu.operator.mode is not BROKEN:
        decided = decision(config)
        for refusal in decided if isinstance(decided, tuple) else ():
            yield _as_fault(refusal)


def _as_fault(refusal: Refusal) -> Fault:
    return Fault(refusal.setting, refusal.problem, refusal.fix, FIX)


def only_for_our_operator(config: Config, given: Given) -> Iterator[Fault]:
    """Settings of an installation that will not be made."""
    if config.gpu.operator.mode not in ("external", "none"):
        return
    for key in ("version", "removeCrds", "timeoutSeconds", "values"):
        path = f"gpu.operator.{key}"
        if path in given:
            yield Fault(path, "has no effect on an operator that we do not install", f"leave {key} out", FIX)


def helm_values(config: Config, _: Given) -> Iterator[Fault]:
    """The chart itself takes every misspelt key in silence."""
    operator = config.gpu.operator
    if operator.mode != "install" or operator.values is BROKEN:
        return
    version = defaults.OPERATOR_VERSION if operator.version in (None, BROKEN) else operator.version
    decided = decision(config)
    owners = decided if isinstance(decided, Ownership) else None
    for fault in user_values.faults(operator.values, version, owners):
        on_hosts = config.target == "bareMetal" and ON_CLUSTERS.search(fault.fix)
        fix = "leave it out; the hosts have it: bareMetal.hosts" if on_hosts else fault.fix
        yield Fault(f"gpu.operator.values.{fault.path}", fault.problem, fix, FIX)


def namespaces_are_free(config: Config, given: Given) -> Iterator[Fault]:
    """A namespace that we make is one that destroy deletes."""
    operator, validation = config.gpu.operator, config.validation
    proof = "" if validation.enabled is False or validation.namespace is BROKEN else validation.namespace
    blamed = "validation.namespace" if "validation.namespace" in given else "gpu.operator.namespace"
    if operator.mode == "install" and operator.namespace in defaults.RESERVED_NAMESPACES:
        yield _taken("gpu.operator.namespace", operator.namespace)
    if proof in defaults.RESERVED_NAMESPACES:
        yield _taken("validation.namespace", proof)
    elif proof and proof == operator.namespace:
        yield _taken(blamed, proof)


def _taken(path: str, namespace: str) -> Fault:
    good = defaults.VALIDATION_NAMESPACE if path.startswith("validation") else defaults.OPERATOR_NAMESPACE
    return Fault(path, f"{namespace} is taken; destroy deletes the namespace that up made", f"namespace: {good}")


def polls_within_its_time(config: Config, _: Given) -> Iterator[Fault]:
    """A look after the time is over comes too late."""
    poll, limit = config.validation.poll_seconds, config.validation.timeout_seconds
    if BROKEN not in (poll, limit) and poll >= limit:
        problem = f"{poll} s between two looks is not less than timeoutSeconds, {limit} s"
        yield Fault("validation.pollSeconds", problem, f"pollSeconds: {defaults.POLL_SECONDS}")


def something_to_do(config: Config, _: Given) -> Iterator[Fault]:
    """Nothing made and nothing proved is never what somebody wanted."""
    gpu = config.gpu
    if (
        gpu.operator.mode == "external"
        and gpu.runtime_class in (None, "external")
        and config.validation.enabled is False
        and config.target == "cluster"
    ):
        problem = "there is nothing to do: operator and RuntimeClass are external, and the validation is off"
        yield Fault("validation.enabled", problem, "enabled: true")


RULES: tuple[Callable[[Config, Given], Iterator[Fault]], ...] = (
    which_nodes,
    tolerations,
    ownership,
    only_for_our_operator,
    helm_values,
    namespaces_are_free,
    polls_within_its_time,
    something_to_do,
    *host_rules.RULES,
    *gke_rules.RULES,
    *aws_rules.RULES,
)
