"""Rules between the settings of target `aws`: those of a node group, and what the proof needs of it."""

from collections.abc import Iterator

from decide import aws_rules
from settings.clouds import unreadable
from settings.faults import FIX, Fault
from settings.kinds import BROKEN, camel
from settings.model import Config

SPELT = {"store": "instanceStore"}


def node_group(config: Config, _: set[str]) -> Iterator[Fault]:
    """What no node group can be; the same rules guard users of the component."""
    if config.aws and not unreadable(config):
        for wrong in aws_rules.faults(config.aws.plain()):
            key = SPELT.get(wrong.key, camel(wrong.key))
            yield Fault(f"aws.nodes.{key}", wrong.problem, wrong.fix, FIX)


def somebody_starts_a_node(config: Config, _: set[str]) -> Iterator[Fault]:
    """A proof on a group without nodes waits for somebody who starts one."""
    if not config.aws or unreadable(config) or config.validation.enabled is not True:
        return
    nodes = config.aws.nodes
    if nodes.desired == 0 and nodes.autoscaler is False:
        problem = "is 0, and without a cluster autoscaler nobody starts a node for the proof"
        fix = "desired: 1; or autoscaler: true where one runs; or validation.enabled: false"
        yield Fault("aws.nodes.desired", problem, fix, FIX)


def only_for_clusters(config: Config, given: set[str]) -> Iterator[Fault]:
    """A whole node is asked for; how many cards that has, its type says."""
    if config.aws and "validation.gpus" in given and config.validation.gpus is not BROKEN:
        problem = "has no effect with target aws: the proof asks for a whole node"
        yield Fault("validation.gpus", problem, "leave gpus out", FIX)


RULES = (node_group, somebody_starts_a_node, only_for_clusters)
