"""Rules between the settings of target `aws`: those of a node group, and what the proof needs of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from decide import aws_cluster, aws_nodes, aws_rules
from decide.known import as_far_as_known
from settings.faults import FIX, Fault
from settings.kinds import BROKEN, camel
from settings.known import Known
from settings.model import Cluster, Config, Toleration

Rule = Callable[[Mapping[str, Any]], Iterator[aws_rules.Wrong]]
SPELT = {"store": "instanceStore"}


def settled(config: Config, given: set[str]) -> Config:
    """What other targets declare under `cluster` follows from the node group; Bottlerocket hands out cards itself."""
    if not readable(config) or config.aws is None:
        return config
    wish = config.aws.plain()
    tolerations = tuple(Toleration(**one) for one in aws_nodes.tolerations(wish))
    cluster = Cluster(context="", node_selector=aws_nodes.selector(wish), tolerations=tolerations)
    unsaid = "gpu.operator.mode" not in given and config.aws.image == "bottlerocket" and config.gpu is not BROKEN
    return replace(config, cluster=cluster, gpu=config.gpu.without_operator() if unsaid else config.gpu)


def readable(config: Config) -> bool:
    """Whether everything in the section could be read: faults of single values are listed already."""
    if config.aws is None or config.aws is BROKEN:
        return False
    parts = (config.aws, config.aws.cluster, config.aws.nodes)
    return all(one is not BROKEN and BROKEN not in list(vars(one).values()) for one in parts)


def all_that_is_known(rules: Iterable[Rule], wish: Mapping[str, Any]) -> Iterator[aws_rules.Wrong]:
    """What the rules find; one that asks for what could not be read says no more."""
    for rule in rules:
        yield from as_far_as_known(rule(Known(wish)))


def node_group(config: Config, _: set[str]) -> Iterator[Fault]:
    """What no node group can be; the same rules guard users of the component."""
    if config.aws is None or BROKEN in (config.aws, config.aws.cluster, config.aws.nodes):
        return
    for wrong in all_that_is_known(aws_rules.RULES, config.aws.plain()):
        key = SPELT.get(wrong.key, camel(wrong.key))
        yield Fault(f"aws.nodes.{key}", wrong.problem, wrong.fix, FIX)


def cluster(config: Config, given: set[str]) -> Iterator[Fault]:
    """What no cluster can be; of one that is there already nothing can be said but its name."""
    if config.aws is None or BROKEN in (config.aws, config.aws.cluster, config.aws.cluster.create):
        return
    made = config.aws.cluster
    if made.create:
        for wrong in all_that_is_known(aws_cluster.RULES, {**made.plain(), "region": config.aws.region}):
            yield Fault(f"aws.cluster.{camel(wrong.key)}", wrong.problem, wrong.fix, FIX)
        return
    for key in sorted(camel(name) for name in vars(made) if f"aws.cluster.{camel(name)}" in given):
        if key not in ("name", "create"):
            problem = "has no effect on a cluster that is there already"
            yield Fault(f"aws.cluster.{key}", problem, f"leave {key} out, or create: true", FIX)


def somebody_starts_a_node(config: Config, _: set[str]) -> Iterator[Fault]:
    """A proof on a group without nodes waits for somebody who starts one."""
    if config.aws is None or config.validation.enabled is not True:
        return
    nodes = config.aws.nodes
    if nodes.desired == 0 and nodes.autoscaler is False:
        problem = "is 0, and without a cluster autoscaler nobody starts a node for the proof"
        fix = "desired: 1; or autoscaler: true where one runs; or validation.enabled: false"
        yield Fault("aws.nodes.desired", problem, fix, FIX)


def only_for_clusters(config: Config, given: set[str]) -> Iterator[Fault]:
    """A whole node is asked for; how many cards that has, its type says."""
    if config.aws is not None and "validation.gpus" in given:
        problem = "has no effect with target aws: the proof asks for a whole node"
        yield Fault("validation.gpus", problem, "leave gpus out", FIX)


RULES = (node_group, cluster, somebody_starts_a_node, only_for_clusters)
