"""Stands in for the Kubernetes provider: plain objects and Helm releases go to a simulated cluster."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

from lab.cluster import field_managers
from lab.cluster.store import ApiError, Object
from lab.cluster.world import Simulated, World
from lab.provider import CheckFailure, Context, Props, ProviderError
from lab.providers import helm_release, kubernetes_config, kubernetes_patch
from lab.providers.kubernetes_await import gone
from lab.providers.kubernetes_objects import NOT_MADE, Made, Objects, split
from lab.values import UNKNOWN


class KubernetesProvider(Objects):
    """The package `kubernetes` on a simulated cluster."""

    def __init__(self, world: World) -> None:
        self.world, self.clock = world, world.clock
        self.answered = False
        """Whether the cluster was there when this was configured: later words are those of each request."""
        self.special = {
            helm_release.TYPE: helm_release.Releases(self),
            kubernetes_patch.TYPE: kubernetes_patch.NodePatches(self),
        }

    @contextmanager
    def cluster(self, ctx: Context) -> Iterator[Simulated]:
        """The cluster, if it can be reached with the provider's configuration; else `ProviderError`."""
        with self.world.open() as cluster:
            kubernetes_config.reach(ctx, cluster)
            yield cluster

    def check_config(self, news: Props) -> list[CheckFailure]:
        """The real provider asks once, when it is configured, what the server knows."""
        with self.world.open() as cluster:
            self.answered = cluster.spec["api"] != "down"
        return super().check_config(news)

    # Objects

    def find(self, ctx: Context, id: str, inputs: Props) -> Props | None:
        with self.cluster(ctx) as cluster:
            return copy.deepcopy(_found(cluster, id, inputs))

    def make(self, ctx: Context, wanted: Props) -> Made:
        try:
            with self.cluster(ctx) as cluster:
                return Made(cluster.create(wanted), {})
        except ProviderError as error:
            if not self.answered or str(error) != kubernetes_config.AWAY:
                raise
            raise ProviderError(NOT_MADE.format(urn=ctx.urn) + kubernetes_config.DIALED) from None

    def try_out(self, ctx: Context, wanted: Props) -> None:
        with self.cluster(ctx) as cluster:
            before = copy.deepcopy(cluster.data)
            try:
                cluster.create(wanted)
            finally:
                cluster.data, cluster.changed = before, False

    def change(self, ctx: Context, id: str, wanted: Props, old_outputs: Props) -> Props:
        with self.cluster(ctx) as cluster:
            _check_update(_found(cluster, id, wanted), wanted)
            cluster.replace(wanted)
        return {}

    def take(self, ctx: Context, id: str, inputs: Props) -> None:
        with self.cluster(ctx) as cluster:
            if _found(cluster, id, inputs) is None:
                return
            namespace, name = split(id)
            cluster.delete(inputs["kind"], name, namespace)
        gone(self.clock, inputs)

    # Patches of nodes

    def apply_to_node(self, ctx: Context, wanted: Object, manager: str, force: bool) -> None:
        """Server-side apply of labels and annotations to a node that is there; a real server makes an empty one."""
        with self.cluster(ctx) as cluster:
            name = wanted["name"]
            node = None if name is UNKNOWN else cluster.get("Node", str(name))
            if node is None:
                raise ApiError("NotFound", f'nodes "{name}" not found')
            field_managers.apply(cluster, node, manager, wanted, force)

    def let_go(self, ctx: Context, name: str, manager: str) -> None:
        """Takes back what only this manager owns; a node that is gone needs nothing."""
        with self.cluster(ctx) as cluster:
            node = cluster.get("Node", name)
            if node is not None:
                field_managers.relinquish(cluster, node, manager)


def _found(cluster: Simulated, id: str, inputs: Props) -> Props | None:
    namespace, name = split(id)
    return cluster.get(inputs["kind"], name, namespace)


def _check_update(live: Props | None, wanted: Props) -> None:
    """What the API refuses to change and the provider does not know to replace."""
    if live and wanted["kind"] == "RuntimeClass" and live["handler"] != wanted["handler"]:
        name, handler = wanted["metadata"]["name"], wanted["handler"]
        problem = f'handler: Invalid value: "{handler}": field is immutable'
        raise ApiError("Invalid", f'RuntimeClass.node.k8s.io "{name}" is invalid: {problem}')
