"""What no single setting can say of itself: rules between settings, each a function from a config to its faults."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from decide import defaults, flavour, user_values
from decide.ownership import Decision, Owner, Ownership, Refusal, decide
from settings import container, dra, framework, host_rules, monitoring, nccl, sharing
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
    wish["allocation"] = gpu.allocation
    known = {thing: asked for thing, asked in wish.items() if asked is not BROKEN}
    target = "cluster" if config.target is BROKEN else config.target
    return decide(target, {"operator": gpu.operator.mode, **known})


def settled(config: Config, given: Given) -> Config:
    """What a target decides where nothing was said: a cloud's nodes are not declared, its platform has no operator."""
    if config.target == "aws":
        from settings import aws_rules

        return aws_rules.settled(config, given)
    if config.target != "gke":
        return config
    unsaid = "gpu.operator.mode" not in given and config.gpu is not BROKEN and config.gpu.driver != "operator"
    return replace(config, cluster=Cluster(context=""), gpu=config.gpu.without_operator() if unsaid else config.gpu)


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


OF_AN_INSTALLATION = ("version", "removeCrds", "timeoutSeconds", "values")


def only_for_our_operator(config: Config, given: Given) -> Iterator[Fault]:
    """Settings of an installation that will not be made."""
    mode, why = config.gpu.operator.mode, "has no effect on an operator that we do not install"
    alone = mode == "none" and _installs_plugin(decision(config))
    plugins = ("version", "timeoutSeconds", "values") if alone else ()
    ours = "the DRA driver has gpu.draDriver" if dra.asked(config) else "the plugin alone has gpu.plugin"
    idle = {"external": OF_AN_INSTALLATION, "none": ("namespace", *OF_AN_INSTALLATION)}
    for key in idle.get(mode, ()) if isinstance(mode, str) else ():
        if f"gpu.operator.{key}" in given:
            fix = f"leave {key} out" + (f"; {ours}.{key}" if key in plugins else "")
            yield Fault(f"gpu.operator.{key}", why, fix, FIX)


def _installs_plugin(decided: Decision) -> bool:
    """Whether the device plugin alone is ours; a platform may bring its own."""
    return isinstance(decided, Ownership) and decided.plugin.owner is Owner.US


def only_for_the_plugin_alone(config: Config, given: Given) -> Iterator[Fault]:
    """Settings of a plugin that the operator brings, or somebody else."""
    mode, decided = config.gpu.operator.mode, decision(config)
    by_claim = dra.asked(config)
    if mode is BROKEN or not isinstance(decided, Ownership) or (_installs_plugin(decided) and not by_claim):
        return
    why = "the platform brings its own" if mode == "none" else f"gpu.operator is {mode}"
    why = "gpu.allocation is dra" if by_claim else why
    for path in sorted(one for one in given if one.startswith("gpu.plugin.")):
        key = path.rpartition(".")[2]
        problem = f"is about the device plugin alone, and {why}"
        yield Fault(path, problem, f"leave {key} out, or gpu.{_with_plugin(by_claim)}", FIX)


def _with_plugin(by_claim: bool) -> str:
    return "allocation: devicePlugin" if by_claim else "operator: none"


def helm_values(config: Config, _: Given) -> Iterator[Fault]:
    """The chart itself takes every misspelt key in silence."""
    decided = decision(config)
    owners = decided if isinstance(decided, Ownership) else None
    for where, chart, version, values in _charts(config):
        for fault in user_values.faults(values, version, owners, chart):
            on_hosts = config.target == "bareMetal" and ON_CLUSTERS.search(fault.fix)
            fix = "leave it out; the hosts have it: bareMetal.hosts" if on_hosts else fault.fix
            yield Fault(f"{where}.values.{fault.path}", fault.problem, fix, FIX)


def _charts(config: Config) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    """Where the values of a chart that we install stand, which chart that is, and in which version."""
    operator, plugin = config.gpu.operator, config.gpu.plugin
    if operator.mode == "install" and operator.values is not BROKEN:
        version = defaults.OPERATOR_VERSION if operator.version in (None, BROKEN) else operator.version
        yield "gpu.operator", user_values.OPERATOR.chart, version, operator.values
    if dra.asked(config):
        yield from dra.charts(config)
    elif operator.mode == "none" and plugin is not BROKEN and plugin.values is not BROKEN:
        version = defaults.PLUGIN_VERSION if plugin.version in (None, BROKEN) else plugin.version
        yield "gpu.plugin", user_values.PLUGIN.chart, version, plugin.values


def images_and_containers(config: Config, _: Given) -> Iterator[Fault]:
    """What is said of the driver container needs one."""
    if config.gpu.operator.mode is not BROKEN:
        yield from container.faults(config, decision(config))


def flavour_fits(config: Config, given: Given) -> Iterator[Fault]:
    """The operator's toolkit container has to find the distribution's containerd."""
    wish, version, owners = config.cluster.flavour, config.gpu.operator.version, decision(config)
    if wish in (None, BROKEN) or not isinstance(owners, Ownership):
        return
    if config.target == "bareMetal":
        yield Fault("cluster.flavour", "has no effect: the hosts have their toolkit", "leave flavour out", FIX)
    elif config.gpu.toolkit == "nri":
        return
    elif owners.toolkit.owner is Owner.OPERATOR and version is not BROKEN:
        found = flavour.problem(wish, version or defaults.OPERATOR_VERSION)
        if found:
            yield Fault("cluster.flavour", *found, FIX)


def plugin_of_the_runtime(config: Config, _: Given) -> Iterator[Fault]:
    """The operator's toolkit as an NRI plugin, where it is that."""
    operator = config.gpu.operator
    if config.gpu.toolkit != "nri" or operator.mode != "install" or BROKEN in (operator.version, operator.values):
        return
    from decide import nri  # what a stack does not use, its start shall not pay for

    found = nri.problem(operator.version or defaults.OPERATOR_VERSION, operator.values)
    if found:
        yield Fault("gpu.toolkit", *found, FIX)


def namespaces_are_free(config: Config, given: Given) -> Iterator[Fault]:
    """A namespace that we make is one that destroy deletes."""
    operator, validation = config.gpu.operator, config.validation
    proof = "" if validation.enabled is False or validation.namespace is BROKEN else validation.namespace
    blamed = "validation.namespace" if "validation.namespace" in given else "gpu.operator.namespace"
    if operator.mode == "install" and operator.namespace in (*defaults.RESERVED_NAMESPACES, defaults.PLUGIN_NAMESPACE):
        yield _taken("gpu.operator.namespace", operator.namespace)
    if proof in defaults.RESERVED_NAMESPACES:
        yield _taken("validation.namespace", proof)
    elif proof and proof == (defaults.PLUGIN_NAMESPACE if operator.mode == "none" else operator.namespace):
        yield _taken("validation.namespace" if operator.mode == "none" else blamed, proof)


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


def of_a_cloud(config: Config, given: Given) -> Iterator[Fault]:
    """Those of the cloud that nodes come from: what a stack does not use, its start shall not pay for."""
    if config.gke is not None:
        from settings import gke_rules

        yield from (fault for rule in gke_rules.RULES for fault in rule(config, given))
    if config.aws is not None:
        from settings import aws_rules

        yield from (fault for rule in aws_rules.RULES for fault in rule(config, given))


RULES: tuple[Callable[[Config, Given], Iterator[Fault]], ...] = (
    which_nodes,
    tolerations,
    ownership,
    only_for_our_operator,
    only_for_the_plugin_alone,
    helm_values,
    sharing.faults,
    dra.faults,
    images_and_containers,
    framework.faults,
    nccl.faults,
    monitoring.faults,
    flavour_fits,
    plugin_of_the_runtime,
    namespaces_are_free,
    polls_within_its_time,
    something_to_do,
    *host_rules.RULES,
    of_a_cloud,
)
