"""What the components for AWS are told: the cluster and its node group; or hosts that are instances."""

from typing import TypedDict

import pulumi
from typing_extensions import NotRequired

from components.bare_metal import BareMetalGpuNodesArgs
from components.choices import GpuChoices
from components.gpu_host import GpuHostArgs


class AwsCluster(TypedDict):
    """A cluster that is made."""

    name: str
    """Name of the cluster."""
    create: NotRequired[bool]
    """Whether it is made here. Default: yes"""
    version: str
    """Version of Kubernetes."""
    zones: list[str]
    """Two to four zones."""
    network: NotRequired[str]
    """Addresses of its network. Default: 10.64.0.0/16"""
    endpoint: NotRequired[str]
    """`public` or `private`. Default: public"""
    public_cidrs: NotRequired[list[str]]
    """From where the API server may be reached."""
    admins: NotRequired[list[str]]
    """ARNs of those who administer it beside whoever makes it."""
    system_type: NotRequired[str]
    """Instance type of the nodes without cards."""
    system_nodes: NotRequired[int]
    """How many of them."""


class AwsTaint(TypedDict):
    """A taint of the nodes."""

    key: str
    """Key of the taint."""
    value: NotRequired[str]
    """Value of the taint."""
    effect: str
    """`NoSchedule`, `PreferNoSchedule` or `NoExecute`."""


class AwsGpuNodesArgs(TypedDict):
    """Which cluster, and which machines."""

    region: str
    """Region of the cluster."""
    account: NotRequired[str]
    """Account in which alone anything is made."""
    cluster: str
    """Name of the cluster in EKS."""
    make: NotRequired[AwsCluster]
    """Where it is made here: what it shall be."""
    name: NotRequired[str]
    """Name of the node group. Default: gpu"""
    instance_types: NotRequired[list[str]]
    """Instance types, all with as many cards of one kind. Default: g5.xlarge"""
    image: NotRequired[str]
    """`al2023`, `bottlerocket` or `ubuntu`. Default: al2023"""
    ami: NotRequired[str]
    """Id of an image of one's own, with `ubuntu`."""
    release: NotRequired[str]
    """Release of the image. Default: the newest when the group is made"""
    capacity: NotRequired[str]
    """`onDemand`, `spot`, `reservation` or `capacityBlock`. Default: onDemand"""
    reservation: NotRequired[str]
    """Id of the capacity reservation or block."""
    min: NotRequired[int]
    """The least nodes an autoscaler may leave. Default: 0"""
    desired: NotRequired[int]
    """Nodes that are asked for. Default: 1"""
    max: NotRequired[int]
    """The most nodes there may be. Default: 1"""
    autoscaler: NotRequired[bool]
    """Whether a cluster autoscaler runs there, which moves `desired`. Default: no"""
    subnets: NotRequired[list[str]]
    """Subnets of the nodes. Default: those of the cluster"""
    disk_gib: NotRequired[int]
    """Size of the encrypted disk. Default: 100"""
    kms_key: NotRequired[str]
    """Key of that disk. Default: the account's own"""
    store: NotRequired[str]
    """Disks of the instance: `raid0` or `none`. Default: raid0 with al2023"""
    hop_limit: NotRequired[int]
    """Of the instance metadata service. Default: 1, no pod reaches it"""
    labels: NotRequired[dict[str, str]]
    """Labels of the nodes."""
    gpu_taint: NotRequired[bool]
    """Whether nodes get the taint nvidia.com/gpu. Default: yes"""
    taints: NotRequired[list[AwsTaint]]
    """Taints beside it."""
    node_role: NotRequired[str]
    """ARN of a role for the nodes. Default: one is made"""
    allow_replace: NotRequired[bool]
    """Whether a change may delete the node group and make another. Default: no"""
    tags: NotRequired[dict[str, str]]
    """Tags of all that is made in AWS."""
    checks: NotRequired[bool]
    """Whether quota, zones, subnets and image are looked at first. Default: yes"""
    validation_namespace: NotRequired[str]
    """Namespace that a validation is going to make: refused when somebody else has made it already."""
    gpu: NotRequired[GpuChoices]
    """Who brings what."""


class Ec2Host(TypedDict):
    """The instance of a host."""

    type: str
    """Instance type."""
    image: str
    """Distribution."""
    ami: NotRequired[str]
    """An image of one's own, made of that distribution."""


class Ec2Args(TypedDict):
    """Where and how instances are made."""

    region: str
    """Region of the instances."""
    subnet: str
    """Subnet of the instances."""
    ssh_from: list[str]
    """Networks from which ssh is let in."""
    public_key: str
    """Who is let in."""
    security_groups: list[str]
    """Groups beside the one for ssh."""
    address: str
    """`public`: an elastic address each; `private`: the one in the subnet."""
    disk_gib: int
    """Encrypted gp3 disk."""
    account: NotRequired[str]
    """Account in which alone anything is made."""
    tags: dict[str, str]
    """Tags of all that is made in AWS."""
    allow_replace: bool
    """Whether up may end or stop an instance to change it."""
    join_script: NotRequired[pulumi.Input[str]]
    """Run as root at the first boot, as a secret: makes the machine a node."""


class AwsGpuHostArgs(GpuHostArgs):
    """A host; one with `ec2` is made, and has neither address nor key before."""

    ec2: NotRequired[Ec2Host]
    """Its instance."""


class AwsGpuHostsArgs(BareMetalGpuNodesArgs):
    """Which hosts, and of which cluster they become nodes."""

    ec2: Ec2Args
    """Where and how instances are made."""
