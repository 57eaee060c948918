"""Google Cloud in the rehearsal: GKE clusters and their node pools."""

from __future__ import annotations

from collections.abc import Callable

from lab.cloud import gcp_nodes
from lab.cloud.kind import Desk, Kind, authority, digits
from lab.cluster import pools
from lab.cluster.access import address
from lab.provider import PartialFailure, Props, ProviderError

CLUSTER, POOL = "gcp:container/cluster:Cluster", "gcp:container/nodePool:NodePool"
ROUTER, NAT = "gcp:compute/router:Router", "gcp:compute/routerNat:RouterNat"
_CLUSTER_KEYS = """
    addonsConfig clusterAutoscaling controlPlaneEndpointsConfig costManagementConfig datapathProvider deletionProtection
    description enableAutopilot enableIntranodeVisibility enableShieldedNodes gatewayApiConfig initialNodeCount
    ipAllocationPolicy location loggingConfig maintenancePolicy masterAuthorizedNetworksConfig minMasterVersion
    monitoringConfig name network networkingMode nodeConfig nodeLocations nodePoolDefaults privateClusterConfig project
    releaseChannel removeDefaultNodePool resourceLabels secretManagerConfig securityPostureConfig subnetwork
    workloadIdentityConfig
"""
_POOL_KEYS = """
    autoscaling bestEffortProvisioning cluster deletionPolicy ignoreNodeCountChanges initialNodeCount location
    maintenancePolicies management maxPodsPerNode name namePrefix networkConfig nodeConfig nodeCount nodeDrainConfigs
    nodeLocations placementPolicy project queuedProvisioning upgradeSettings version
"""
# What the provider cannot change in place (its source, August 2026).
_POOL_REPLACES = (
    "cluster", "location", "project", "name", "namePrefix", "initialNodeCount", "placementPolicy", "queuedProvisioning",
    *(f"nodeConfig.{key}" for key in (
        "guestAccelerators", "spot", "preemptible", "reservationAffinity", "flexStart", "maxRunDuration",
        "serviceAccount", "oauthScopes", "shieldedInstanceConfig", "ephemeralStorageLocalSsdConfig",
        "localNvmeSsdBlockConfig", "localSsdCount", "minCpuPlatform", "metadata",
    )),
)  # fmt: skip
_WORDS = {
    "permission": "googleapi: Error 403: Required \"container.{verb}\" permission(s) for \"{where}\"., forbidden",
    "disabled": "googleapi: Error 403: Kubernetes Engine API has not been used in project {project} before or it is "
    "disabled. Enable it by visiting https://console.developers.google.com/apis/api/container.googleapis.com, "
    "accessNotConfigured",
    "quota": "googleapi: Error 403: Insufficient quota to satisfy the request: Insufficient regional quota to satisfy "
    "request: resource \"{metric}\": request requires '{count}.0' and is short '{count}.0'. project has a quota of "
    "'0.0' with '0.0' available., forbidden",
    "stockout": "Error waiting for creating GKE NodePool: Google Compute Engine: Not all instances running in IGM "
    "after 35m. Expected {count}, running 0, transitioning {count}. Current errors: [ZONE_RESOURCE_POOL_EXHAUSTED]: "
    "The zone '{zone}' does not have enough resources available to fulfill the request.",
    "not-ready": "Error waiting for creating GKE NodePool: All cluster resources were brought up, but: only 0 nodes "
    "out of {count} have registered; this is likely due to Nodes failing to start correctly.",
}  # fmt: skip


def cluster_id(desk: Desk, inputs: Props) -> str:
    """The name by which Google knows a cluster."""
    project = inputs.get("project") or desk.ctx.config.get("project") or desk.cluster.spec["cloud"]["project"]
    return f"projects/{project}/locations/{inputs['location']}/clusters/{inputs['name']}"


def _denied(verb: str) -> Callable[[Desk, Props], None]:
    def check(desk: Desk, inputs: Props) -> None:
        if desk.fault in ("permission", "disabled"):
            project = str(inputs.get("project") or desk.cluster.spec["cloud"]["project"])
            words = _WORDS[desk.fault].format(verb=verb, where=f"projects/{project}", project=project)
            raise ProviderError(words)

    return check


def _cluster_before(desk: Desk, inputs: Props) -> None:
    _denied("clusters.create")(desk, inputs)
    if cluster_id(desk, inputs) in (*desk.resources, *desk.cluster.spec["cloud"]["clusters"]):
        raise ProviderError(f"googleapi: Error 409: Already exists: {cluster_id(desk, inputs)}., alreadyExists")


def _cluster_outputs(desk: Desk, id: str, _inputs: Props) -> Props:
    version = f"{desk.cluster.spec['kubernetes']}.4-gke.1{digits(id, 6)}"
    return {
        "endpoint": address(id),
        "masterVersion": version,
        "selfLink": f"https://container.googleapis.com/v1/{id}",
        "masterAuth": {"clusterCaCertificate": authority(id), "clientCertificate": "", "clientKey": ""},
    }


def _cluster_kept(desk: Desk, id: str, inputs: Props) -> None:
    if inputs.get("deletionProtection", True):
        raise ProviderError(
            f"Cannot destroy cluster because deletion_protection is set to true: {inputs['name']}. Set it to false to "
            "proceed with cluster deletion."
        )
    if any(_pool_place(one).startswith(f"{id}/") for one in desk.of_type(POOL).values()):
        raise ProviderError(f"googleapi: Error 400: cluster {inputs['name']} has running operations on its node pools.")


def _pool_place(inputs: Props) -> str:
    return f"{inputs['cluster']}/nodePools/{inputs['name']}"


def pool_id(desk: Desk, inputs: Props) -> str:
    """The name by which Google knows a pool; its cluster may be given by that name, or shortly."""
    cluster = str(inputs["cluster"])
    if not cluster.startswith("projects/"):
        cluster = cluster_id(desk, {**inputs, "name": cluster})
    return f"{cluster}/nodePools/{inputs['name']}"


def _pool_before(desk: Desk, inputs: Props) -> None:
    _denied("clusters.update")(desk, inputs)
    cluster = pool_id(desk, inputs).partition("/nodePools/")[0]
    known = (*desk.of_type(CLUSTER), *desk.cluster.spec["cloud"]["clusters"])
    if cluster not in known:
        raise ProviderError(f"googleapi: Error 404: Not found: {cluster}., notFound")
    if pool_id(desk, inputs) in desk.resources:
        raise ProviderError(f"googleapi: Error 409: Already exists: {pool_id(desk, inputs)}., alreadyExists")
    if desk.fault == "quota" and gcp_nodes.least(inputs):
        raise ProviderError(_words(desk, inputs))


def _words(desk: Desk, inputs: Props) -> str:
    zone = (inputs.get("nodeLocations") or [str(inputs.get("location"))])[0]
    return _WORDS[desk.fault].format(zone=zone, count=gcp_nodes.least(inputs), metric=gcp_nodes.quota(inputs))


def _pool_made(desk: Desk, id: str, inputs: Props) -> None:
    pools.declare(desk.cluster, gcp_nodes.pool(id, inputs))
    if desk.fault in ("stockout", "not-ready") and gcp_nodes.least(inputs):
        raise PartialFailure(_words(desk, inputs), id, {}, [_words(desk, inputs)])


def _pool_outputs(desk: Desk, id: str, inputs: Props) -> Props:
    group = f"https://www.googleapis.com/compute/v1/{id.partition('/clusters/')[0]}/instanceGroupManagers/gke-{inputs['name']}"
    return {"instanceGroupUrls": [group], "managedInstanceGroupUrls": [group], "operation": ""}


def _get_cluster(desk: Desk, args: Props) -> Props:
    _denied("clusters.get")(desk, args)
    id = cluster_id(desk, args)
    if id not in (*desk.of_type(CLUSTER), *desk.cluster.spec["cloud"]["clusters"]):
        raise ProviderError(f"googleapi: Error 404: Not found: {id}., notFound")
    known = desk.resources.get(id, {}).get("inputs", {})
    outputs = _cluster_outputs(desk, id, known)
    autopilot = bool(known.get("enableAutopilot")) or desk.cluster.spec["cloud"]["autopilot"]
    auth = {"masterAuths": [outputs["masterAuth"]], "enableAutopilot": autopilot}
    return {**args, "id": id, **outputs, **auth}


def _named(kind: str) -> Callable[[Desk, Props], str]:
    """Ids of things that belong to a region."""

    def id_of(desk: Desk, inputs: Props) -> str:
        project = inputs.get("project") or desk.cluster.spec["cloud"]["project"]
        return f"projects/{project}/regions/{inputs['region']}/{kind}/{inputs['name']}"

    return id_of


def _not_twice(kind: str) -> Callable[[Desk, Props], None]:
    def check(desk: Desk, inputs: Props) -> None:
        _denied(f"{kind}.create")(desk, inputs)
        if _named(kind)(desk, inputs) in desk.resources:
            words = f"googleapi: Error 409: The resource '{_named(kind)(desk, inputs)}' already exists, alreadyExists"
            raise ProviderError(words)

    return check


KINDS = {
    ROUTER: Kind(
        inputs=frozenset({"name", "network", "project", "region", "description", "bgp"}),
        id_of=_named("routers"),
        outputs=lambda _desk, id, _inputs: {"selfLink": f"https://www.googleapis.com/compute/v1/{id}"},
        computed=("selfLink",),
        replaces=("name", "network", "project", "region"),
        required=("network",),
        before_create=_not_twice("routers"),
        seconds={"create": 10.0, "update": 10.0, "delete": 10.0},
    ),
    NAT: Kind(
        inputs=frozenset(
            {"name", "router", "project", "region", "natIpAllocateOption", "sourceSubnetworkIpRangesToNat", "logConfig"}
        ),
        id_of=_named("nats"),
        replaces=("name", "router", "project", "region"),
        required=("router", "sourceSubnetworkIpRangesToNat"),
        before_create=_not_twice("nats"),
        seconds={"create": 10.0, "update": 10.0, "delete": 10.0},
    ),
    CLUSTER: Kind(
        inputs=frozenset(_CLUSTER_KEYS.split()),
        id_of=cluster_id,
        outputs=_cluster_outputs,
        computed=("endpoint", "masterVersion", "selfLink", "masterAuth"),
        replaces=("name", "location", "project", "network", "subnetwork", "enableAutopilot", "privateClusterConfig",
                  "ipAllocationPolicy", "initialNodeCount", "datapathProvider", "networkingMode"),
        required=("location",),
        before_create=_cluster_before,
        before_delete=_cluster_kept,
        seconds={"create": 420.0, "update": 60.0, "delete": 240.0},
    ),
    POOL: Kind(
        inputs=frozenset(_POOL_KEYS.split()),
        id_of=pool_id,
        outputs=_pool_outputs,
        computed=("instanceGroupUrls", "managedInstanceGroupUrls", "operation"),
        replaces=_POOL_REPLACES,
        required=("cluster",),
        check=gcp_nodes.faults,
        before_create=_pool_before,
        made=_pool_made,
        gone=lambda desk, id, _inputs: pools.take_away(desk.cluster, gcp_nodes.group(id)),
        seconds={"create": 60.0, "update": 30.0, "delete": 90.0},
    ),
}  # fmt: skip
"""What is made there."""
CALLS = {"gcp:container/getCluster:getCluster": _get_cluster}
"""What is only asked."""
