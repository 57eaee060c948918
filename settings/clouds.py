"""The cluster of a cloud in the form in which a cluster is declared: its name, and which of its nodes count."""

import dataclasses

from decide import aws_nodes
from settings.kinds import BROKEN
from settings.model import Cluster, Config, Toleration


def with_clouds_cluster(config: Config) -> Config:
    """What other targets declare under `cluster` follows from the cloud's own settings."""
    if config.target != "aws" or not config.aws or unreadable(config):
        return config
    wish = config.aws.plain()
    tolerations = tuple(Toleration(**one) for one in aws_nodes.tolerations(wish))
    cluster = Cluster(config.aws.cluster.name, node_selector=aws_nodes.selector(wish), tolerations=tolerations)
    return dataclasses.replace(config, cluster=cluster)


def unreadable(config: Config) -> bool:
    """Whether something of the cloud's settings is a fault already."""
    aws = config.aws
    return aws is BROKEN or BROKEN in (*vars(aws).values(), *vars(aws.nodes).values(), *vars(aws.cluster).values())  # type: ignore[union-attr]
