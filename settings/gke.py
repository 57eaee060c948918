"""The settings of target `gke`: the cluster, and the pools of GPU nodes in it."""
# ruff: noqa: RUF009 - setting() is dataclasses.field() with metadata

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from decide.gke_machines import ATTACHABLE
from decide.gke_pool import OUR_LABEL, STRATEGIES, WEEK
from settings.kinds import BROKEN, Choice, Count, Flag, Labels, ListOf, Section, Text, setting

POOL_NAME = r"[a-z]([-a-z0-9]*[a-z0-9])?"
LOCATION = r"[a-z]+-[a-z]+\d+(-([a-z]|ai\d+[a-z]))?"
PROJECT = r"([a-z][a-z0-9.-]{0,60}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"
CIDR = r"\d{1,3}(\.\d{1,3}){3}/\d{1,2}"
ACCOUNT = r"[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com"
TAINT_KEY = r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?"
CAPACITIES = ("onDemand", "spot", "flexStart", "queued", "reservation")
IMAGES = ("COS_CONTAINERD", "UBUNTU_CONTAINERD")


@dataclass(frozen=True)
class GkeTaint:
    """A taint of a pool's nodes; every pod of the GPU stack and of the validation tolerates it."""

    key: str = setting(Text("a taint key", TAINT_KEY), "key: dedicated", "Key of the taint.")
    value: str = setting(Text("a taint value", r"[A-Za-z0-9_.-]*", 63), "value: ml", "Value of the taint.", "")
    effect: str = setting(
        Choice(("NoSchedule", "PreferNoSchedule", "NoExecute")), "effect: NoSchedule", "Effect.", "NoSchedule"
    )


@dataclass(frozen=True)
class GkeSharing:
    """One card for several pods, divided by GKE's own plugin (`gpu.driver: platform`)."""

    strategy: str = setting(Choice(tuple(STRATEGIES)), "strategy: timeSharing", "`timeSharing` or `mps`.")
    clients: int = setting(Count(2, 48), "clients: 4", "Pods that share a card, or a slice of it.")


@dataclass(frozen=True)
class GkePool:
    """A pool of GPU nodes."""

    name: str = setting(
        Text("the name of a node pool", POOL_NAME, 40), "name: a100", "Name of the pool, and of its validation Job."
    )
    machine_type: str = setting(
        Text("a machine type", r"[a-z0-9]+(-[a-z0-9]+)+", 40),
        "machineType: a2-highgpu-1g",
        "Machine type: a2, a3, a4 and g2 have their cards built in; n1 takes `accelerator`.",
    )
    accelerator: str | None = setting(
        Choice(tuple(ATTACHABLE)),
        "accelerator: nvidia-tesla-t4",
        "Card of an n1 machine; any other machine type says it itself.",
        None,
        "by the machine type",
    )
    gpus: int | None = setting(
        Count(1, 16), "gpus: 2", "Cards of an n1 machine; any other machine type says it itself.", None, "1"
    )
    min_nodes: int = setting(Count(0, 1000), "minNodes: 0", "Nodes that the pool always has, in all zones.", 0)
    max_nodes: int = setting(Count(1, 1000), "maxNodes: 2", "Nodes that it may have, in all zones together.", 1)
    zones: tuple[str, ...] = setting(
        ListOf(Text("a zone", LOCATION)),
        "zones: [us-central1-a, us-central1-c]",
        "Zones of its nodes. No region has every card in every zone.",
        (),
        "those of the cluster",
    )
    location_policy: str = setting(
        Choice(("any", "balanced")), "locationPolicy: any", "`any`: whichever zone has stock. `balanced`.", "any"
    )
    capacity: str = setting(
        Choice(CAPACITIES),
        "capacity: spot",
        "How machines are bought. `flexStart` waits in a queue for up to 7 days of use, `queued` only by Kueue or a "
        "ProvisioningRequest, `reservation` uses the one named below.",
        "onDemand",
    )
    reservation: str | None = setting(
        Text(
            "the name of a reservation", r"(projects/[a-z0-9-]+/reservations/)?[a-z][a-z0-9-]*(/reservationBlocks/\S+)?"
        ),
        "reservation: my-a100",
        "Name of the reservation, or `projects/P/reservations/R` of a shared one.",
        None,
    )
    max_run_seconds: int | None = setting(
        Count(60, WEEK, "seconds"), "maxRunSeconds: 86400", "How long a node lives at most.", None
    )
    compact: bool = setting(Flag(), "compact: true", "Places the nodes close together; one zone only.", False)
    image: str = setting(Choice(IMAGES), "image: COS_CONTAINERD", "Operating system of the nodes.", "COS_CONTAINERD")
    driver_version: str = setting(
        Choice(("default", "latest")),
        "driverVersion: default",
        "With `gpu.driver: platform`: GKE's tested driver, or its newest one (COS only). A change replaces the pool.",
        "default",
    )
    partition_size: str | None = setting(
        Text("a size of GPU partitions", r"\d+g\.\d+gb"),
        "partitionSize: 1g.5gb",
        "Divides each card by MIG, in slices of this one size. A change replaces the pool.",
        None,
    )
    sharing: GkeSharing | None = setting(
        Section(GkeSharing),
        "sharing: {strategy: timeSharing, clients: 4}",
        "Shares each card. A change replaces it.",
        None,
    )
    local_ssds: int | None = setting(
        Count(1, 24), "localSsds: 1", "Local SSDs as ephemeral storage; some machine types have theirs built in.", None
    )
    disk_gb: int = setting(
        Count(20, 65536, "GB"),
        "diskGb: 200",
        "Boot disk; images with CUDA are large, so better not less than 100.",
        100,
    )
    disk_type: str = setting(
        Choice(("pd-balanced", "pd-ssd", "pd-standard", "hyperdisk-balanced")),
        "diskType: pd-ssd",
        "Its type.",
        "pd-balanced",
    )
    labels: Mapping[str, str] = setting(Labels(), "labels: {team: ml}", "Labels of the nodes beside ours.", {})
    taints: tuple[GkeTaint, ...] = setting(
        ListOf(Section(GkeTaint)),
        "taints: [{key: dedicated, value: ml}]",
        "Taints beside `nvidia.com/gpu=present:NoSchedule`, which every pool gets.",
        (),
    )
    service_account: str | None = setting(
        Text("the address of a service account", ACCOUNT),
        "serviceAccount: gpu-nodes@my-project.iam.gserviceaccount.com",
        "Account of the nodes; it needs roles/container.defaultNodeServiceAccount, no more.",
        None,
        "the project's default one",
    )
    private_nodes: bool = setting(
        Flag(), "privateNodes: true", "No public addresses; images come through Cloud NAT.", False
    )
    image_streaming: bool = setting(
        Flag(), "imageStreaming: true", "Pods start while their image is still read.", False
    )
    max_surge: int = setting(Count(0, 20), "maxSurge: 1", "Spare nodes during upgrades; each needs a free card.", 0)
    max_unavailable: int | None = setting(
        Count(0, 20), "maxUnavailable: 1", "Nodes that an upgrade may take away at once.", None, "1 without maxSurge"
    )

    def plain(self) -> dict[str, Any]:
        """As the component takes it, without what was not said."""
        found = asdict(self)
        shared = found.pop("sharing") or {}
        if shared is BROKEN:
            shared = {"strategy": BROKEN, "clients": BROKEN}
        found |= {f"sharing_{key}": value for key, value in shared.items()}
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in found.items()
            if value not in (None, (), {})
        }


@dataclass(frozen=True)
class GkeCluster:
    """The cluster that the pools belong to: one that is there, or with `create: true` one that this stack makes."""

    name: str = setting(Text("the name of a cluster", POOL_NAME, 40), "name: ml", "Name of the cluster.")
    create: bool = setting(
        Flag(), "create: true", "Whether this stack makes the cluster, and destroy takes it away.", False
    )
    release_channel: str = setting(
        Choice(("REGULAR", "STABLE", "RAPID")), "releaseChannel: REGULAR", "Of a cluster that we make.", "REGULAR"
    )
    network: str | None = setting(
        Text("the name of a network"), "network: default", "Of a cluster that we make.", None, "default"
    )
    subnetwork: str | None = setting(Text("the name of a subnetwork"), "subnetwork: gpu", "Likewise.", None)
    private_nodes: bool = setting(
        Flag(), "privateNodes: false", "Of a cluster that we make: nodes without public addresses.", True
    )
    nat: bool = setting(
        Flag(),
        "nat: false",
        "Whether its private nodes get a Cloud NAT of ours; `false` where the network has one, else nothing is pulled.",
        True,
    )
    authorized_networks: tuple[str, ...] = setting(
        ListOf(Text("a range of addresses", CIDR)),
        "authorizedNetworks: [203.0.113.0/24]",
        "Of a cluster that we make: from where its API server may be reached. Empty: from everywhere, with a login.",
        (),
    )
    system_machine_type: str = setting(
        Text("a machine type", r"[a-z0-9]+(-[a-z0-9]+)+", 40),
        "systemMachineType: e2-standard-4",
        "Of a cluster that we make: the nodes without cards, for everything that tolerates no GPU taint.",
        "e2-standard-4",
    )
    system_nodes: int = setting(Count(1, 100), "systemNodes: 1", "How many of those, in each zone.", 1)


@dataclass(frozen=True)
class Gke:
    """Target `gke`: a cluster of Google's, and its pools of GPU nodes."""

    project: str = setting(Text("the id of a project", PROJECT, 92), "project: my-project", "Project of the cluster.")
    location: str = setting(
        Text("a region or a zone", LOCATION),
        "location: us-central1-a",
        "Where the cluster is: a zone for a zonal cluster, a region for a regional one.",
    )
    cluster: GkeCluster = setting(Section(GkeCluster, short="name"), "cluster: ml", "The cluster.")
    pools: tuple[GkePool, ...] = setting(
        ListOf(Section(GkePool)), "pools: [{name: a100, machineType: a2-highgpu-1g}]", "The pools of GPU nodes."
    )
    allow_replace: bool = setting(
        Flag(),
        "allowReplace: true",
        "Whether pools (and the cluster, if we made it) may be replaced or deleted. Set it before destroy.",
        False,
    )

    def plain(self) -> dict[str, Any]:
        """As the component takes it."""
        return {
            "project": self.project,
            "location": self.location,
            "cluster": {
                key: list(one) if isinstance(one, tuple) else one
                for key, one in asdict(self.cluster).items()
                if one is not None
            },
            "pools": [pool.plain() for pool in self.pools],
            "allow_replace": self.allow_replace,
        }

    label = OUR_LABEL
    """By which a workload finds the nodes of its pools."""

    @property
    def image(self) -> str:
        """Operating system of the pools, which is one where the operator brings the driver."""
        return self.pools[0].image if self.pools and self.pools is not BROKEN else IMAGES[0]
