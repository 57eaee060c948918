"""GPU node pools on GKE, in a cluster that is there or in one of ours. The only user of Google's SDK."""

from collections.abc import Mapping
from typing import Any, TypedDict

import pulumi
from pulumi import ResourceOptions
from typing_extensions import NotRequired

from components.choices import GpuChoices, operator_namespace, owned, reading
from components.local_step import reading_step
from components.proof import GpuPool
from decide import defaults, gke, gke_access, gke_cluster, gke_failures, gke_pool
from decide.ownership import Owner

try:
    from pulumi_gcp import container

    from components.gke_network import way_out
except ModuleNotFoundError:
    raise pulumi.RunError("target gke needs Google's SDK: run make setup WITH=gke") from None

TIMES = pulumi.CustomTimeouts(create="45m", update="60m", delete="60m")
"""A pool begins without nodes, so nothing waits for stock; Google's own limit of two hours would say nothing either."""


class GkeCluster(TypedDict):
    """The cluster that the pools belong to."""

    name: str
    """Name of the cluster."""
    create: NotRequired[bool]
    """Whether it is made here. Default: it is there already"""
    release_channel: NotRequired[str]
    """Of one that is made: `REGULAR`, `STABLE` or `RAPID`."""
    network: NotRequired[str]
    """Of one that is made: name of its network."""
    subnetwork: NotRequired[str]
    """Of one that is made: name of its subnetwork."""
    private_nodes: NotRequired[bool]
    """Of one that is made: nodes without public addresses. Default: yes"""
    nat: NotRequired[bool]
    """Of one that is made: whether private nodes get a Cloud NAT. Default: yes"""
    authorized_networks: NotRequired[list[str]]
    """Of one that is made: from where its API server may be reached."""
    system_machine_type: NotRequired[str]
    """Of one that is made: machine type of the nodes without cards."""
    system_nodes: NotRequired[int]
    """Of one that is made: how many of those in each zone."""


class GkePool(TypedDict):
    """A pool of GPU nodes; docs/parameters.md says more of each."""

    name: str
    """Name of the pool."""
    machine_type: str
    """Machine type, such as `a2-highgpu-1g`."""
    accelerator: NotRequired[str]
    """Card of an n1 machine."""
    gpus: NotRequired[int]
    """Cards of an n1 machine."""
    min_nodes: NotRequired[int]
    """Nodes that it always has. Default: 0"""
    max_nodes: NotRequired[int]
    """Nodes that it may have. Default: 1"""
    zones: NotRequired[list[str]]
    """Zones of its nodes. Default: those of the cluster"""
    location_policy: NotRequired[str]
    """`any` or `balanced`."""
    capacity: NotRequired[str]
    """`onDemand`, `spot`, `flexStart`, `queued` or `reservation`."""
    reservation: NotRequired[str]
    """Name of the reservation."""
    max_run_seconds: NotRequired[int]
    """How long a node lives at most."""
    compact: NotRequired[bool]
    """Whether nodes are placed close together."""
    image: NotRequired[str]
    """`COS_CONTAINERD` or `UBUNTU_CONTAINERD`."""
    driver_version: NotRequired[str]
    """`default` or `latest`."""
    partition_size: NotRequired[str]
    """Size of MIG slices."""
    sharing_strategy: NotRequired[str]
    """`timeSharing` or `mps`."""
    sharing_clients: NotRequired[int]
    """Pods that share a card."""
    local_ssds: NotRequired[int]
    """Local SSDs as ephemeral storage."""
    disk_gb: NotRequired[int]
    """Size of the boot disk."""
    disk_type: NotRequired[str]
    """Type of the boot disk."""
    labels: NotRequired[dict[str, str]]
    """Labels of the nodes beside ours."""
    taints: NotRequired[list[dict[str, str]]]
    """Taints beside that of GPU nodes."""
    service_account: NotRequired[str]
    """Service account of the nodes."""
    private_nodes: NotRequired[bool]
    """Nodes without public addresses."""
    image_streaming: NotRequired[bool]
    """Whether pods start while their image is still read."""
    max_surge: NotRequired[int]
    """Spare nodes during upgrades."""
    max_unavailable: NotRequired[int]
    """Nodes that an upgrade may take away at once."""


class GkeGpuNodesArgs(TypedDict):
    """Which pools in which cluster."""

    project: str
    """Project of the cluster."""
    location: str
    """Region or zone of the cluster."""
    cluster: GkeCluster
    """The cluster."""
    pools: list[GkePool]
    """The pools."""
    allow_replace: NotRequired[bool]
    """Whether pools, and a cluster that is made here, may be replaced or deleted. Default: no"""
    validation_namespace: NotRequired[str]
    """Namespace that a validation is going to make: refused when somebody else has made it already."""
    gpu: NotRequired[GpuChoices]
    """Who brings what."""


class GkeGpuNodes(pulumi.ComponentResource):
    """Node pools with cards. What cannot be is refused before anything is made, with its id and the fix."""

    kubeconfig: pulumi.Output[str]
    """Text of a kubeconfig that logs in with Google's plugin; no token is in it. A secret."""
    context: pulumi.Output[str]
    """Its context."""
    node_selector: pulumi.Output[dict[str, str]]
    """Labels by which a workload finds GPU nodes."""
    identifier: str
    """Which cluster this is, whatever its address becomes."""
    pools: list[GpuPool]
    """What a validation has to know of the pools."""

    def __init__(self, name: str, args: GkeGpuNodesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("gpu-ready:index:GkeGpuNodes", name, {}, opts)
        gpu = args.get("gpu") or {}
        platform = owned(gpu).plugin.owner is Owner.PLATFORM
        refuse(args, platform)
        self.args, self.name = args, name
        where = (args["project"], args["location"], args["cluster"]["name"])
        self.identifier = gke_access.identifier(*where)
        self.context = pulumi.Output.from_input(gke_access.context_of(*where))
        self.node_of_host: dict[str, pulumi.Output[str]] = {}
        self.made: dict[str, pulumi.Output[str]] = {}
        self.marks: dict[str, pulumi.Output[dict[str, str]]] = {}
        self.away: dict[str, str] = {}
        self.any_node = ""
        self.pools = [validated(pool) for pool in args["pools"] if pool.get("capacity") != "queued"]
        self.explain = pulumi.ErrorHook(f"{name}-explain", explained(args))
        login = self._login()
        after: list[pulumi.Resource] = [login]
        if args["cluster"].get("create"):
            cluster, after = self._cluster(login)
            id, endpoint = cluster.id, cluster.endpoint
            authority = cluster.master_auth.apply(lambda found: found.cluster_ca_certificate)
        else:
            found = looked_up(args, self)
            id, endpoint = found.id, found.endpoint
            authority = found.master_auths[0].cluster_ca_certificate
        known = pulumi.Output.all(endpoint, authority, self.context)
        self.kubeconfig = pulumi.Output.secret(known.apply(lambda three: gke_access.kubeconfig(*three)))
        look = self._look(gpu, after)
        for pool in args["pools"]:
            self._pool(pool, id, platform, [*after, look])
        self.node_selector = pulumi.Output.from_input(dict(gke_pool.OUR_LABEL))
        outputs = ("kubeconfig", "context", "node_selector")
        self.register_outputs({key: getattr(self, key) for key in outputs})

    def _login(self) -> pulumi.Resource:
        """Whoever cannot log in would have a pool that nobody can prove or take back cleanly."""
        params = {"programs": {gke_access.PLUGIN: gke_access.INSTALL}}
        return reading_step(f"{self.name}-login", "login", params, defaults.LOOK_SECONDS, ResourceOptions(parent=self))

    def _cluster(self, login: pulumi.Resource) -> tuple[container.Cluster, list[pulumi.Resource]]:
        """A cluster of ours with nodes for everything that has no card."""
        cluster = container.Cluster(
            f"{self.name}-cluster", **gke_cluster.cluster(self.args), opts=self._kept(depends_on=[login])
        )
        system = container.NodePool(
            f"{self.name}-system",
            cluster=cluster.id,
            **gke_cluster.system_pool(self.args),
            opts=self._kept(),
        )
        return cluster, [system, *way_out(self.name, self.args, self._kept(depends_on=[login]))]

    def _look(self, gpu: GpuChoices, after: list[pulumi.Resource]) -> pulumi.Resource:
        """What is in the cluster already is looked at before a pool is made for it."""
        makes = (operator_namespace(gpu) if owned(gpu).installs else "", self.args.get("validation_namespace"))
        params = {
            **reading(gpu, self.kubeconfig, self.context),
            "nodes": [],
            "node_selector": {},
            "pools": [{key: pool[key] for key in ("name", "node_selector")} for pool in self.pools],
            "makes": [one for one in makes if one],
        }
        opts = ResourceOptions(parent=self, depends_on=after)
        return reading_step(f"{self.name}-look", "look", params, defaults.LOOK_SECONDS, opts)

    def _pool(self, pool: GkePool, cluster: pulumi.Input[str], platform: bool, after: list[pulumi.Resource]) -> None:
        container.NodePool(
            f"{self.name}-{pool['name']}",
            cluster=cluster,
            **gke_pool.node_pool(pool, self.args, platform),
            opts=self._kept(depends_on=after, ignore_changes=["initialNodeCount", "nodeCount"]),
        )

    def _kept(self, **more: Any) -> ResourceOptions:
        """What costs half an hour and a scarce card to get again is not replaced by a slip of the pen."""
        hooks = pulumi.ResourceHookBinding(on_error=[self.explain])
        return ResourceOptions(
            parent=self, protect=not self.args.get("allow_replace"), custom_timeouts=TIMES, hooks=hooks, **more
        )


def refuse(args: GkeGpuNodesArgs, platform: bool) -> None:
    """Everything that is wrong, before anything is made."""
    found = gke.faults(args, platform)
    if found:
        said = "; ".join(f"{one.id} {one.path}: {one.problem}. Right: {one.fix}" for one in found)
        raise pulumi.InputPropertyError(found[0].path, said)
    for line in gke.warnings(args):
        pulumi.log.warn(line)


def looked_up(args: GkeGpuNodesArgs, parent: pulumi.Resource) -> Any:
    """The cluster that is there. Autopilot makes its nodes itself: a pool of ours is refused there."""
    name, where = args["cluster"]["name"], {"location": args["location"], "project": args["project"]}
    try:
        found = container.get_cluster(name=name, **where, opts=pulumi.InvokeOptions(parent=parent))
    except Exception as error:
        said = [*gke_failures.explained(str(error), args)]
        if not said:
            raise
        raise pulumi.RunError("\n".join([str(error), *said])) from None
    if found.enable_autopilot:
        raise pulumi.RunError("\n".join(gke_failures.BY_ID["GKE-20"].lines(name)))
    return found


def validated(pool: Mapping[str, Any]) -> GpuPool:
    """A pool as the validation sees it."""
    return {
        "name": pool["name"],
        "node_selector": {gke_pool.POOL_LABEL: pool["name"]},
        "gpus": gke_pool.handed_out(pool),
        "least": int(pool.get("min_nodes") or 0),
        "most": int(pool.get("max_nodes") or 1),
        **gke_pool.divided(pool),  # type: ignore[typeddict-item]
    }


def explained(args: GkeGpuNodesArgs) -> Any:
    """An error hook that never tries again, and says what Google's words mean and what to do next."""

    def explain(asked: Any) -> bool:
        for line in gke_failures.explained(str(next(iter(asked.errors), "")), args):
            pulumi.log.error(line)
        return False

    return explain
