"""The settings of target `aws`: which cluster in EKS, and the node group with cards that it gets."""
# ruff: noqa: RUF009 - setting() is dataclasses.field() with metadata

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from decide import aws_prices, aws_rules, defaults
from decide.aws_images import IMAGES
from decide.aws_nodes import CAPACITY, EFFECTS
from settings.kinds import BROKEN, Choice, Count, Flag, Labels, ListOf, Section, Text, setting

REGION = r"[a-z]{2}(-[a-z]+)+-[0-9]"
ZONE = REGION + "[a-f]"
CLUSTER = r"[0-9A-Za-z][0-9A-Za-z_-]*"
ARN = r"arn:aws[a-z-]*:iam::[0-9]{12}:%s/[\w+=,.@/-]+"
TAINT_KEY = r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?"


def _kept(value: Any, plain: Callable[[Any], Any]) -> Any:
    return value if value is BROKEN else plain(value)


def _id(kind: str) -> Text:
    return Text(f"an id such as {kind}-0123456789abcdef0", rf"{kind}-[0-9a-f]{{8,17}}")


@dataclass(frozen=True)
class Taint:
    """A taint of the nodes."""

    key: str = setting(Text("a taint key", TAINT_KEY, 63), "key: dedicated", "Key of the taint.")
    value: str | None = setting(
        Text("a taint value", r"[A-Za-z0-9_.-]*", 63), "value: gpu", "Value of the taint.", None
    )
    effect: str = setting(Choice(tuple(EFFECTS)), "effect: NoSchedule", "Effect of the taint.", "NoSchedule")

    def plain(self) -> dict[str, str]:
        """As Kubernetes has it, without what was not said."""
        return {key: value for key, value in asdict(self).items() if value}


@dataclass(frozen=True)
class AwsCluster:
    """The cluster in EKS. `cluster: NAME` alone says the same as `cluster: {name: NAME}`."""

    name: str = setting(Text("the name of an EKS cluster", CLUSTER, 100), "name: research", "Name of the cluster.")
    create: bool = setting(
        Flag(), "create: true", "Whether it is made here, with its network. Else it is there already.", False
    )
    version: str | None = setting(
        Text("a version of Kubernetes", r"1\.[0-9]{2}"),
        f'version: "{defaults.EKS_VERSION}"',
        "Made here: version of Kubernetes.",
        None,
        "required with create: true",
    )
    zones: tuple[str, ...] = setting(
        ListOf(Text("a zone", ZONE)),
        "zones: [us-east-1a, us-east-1b]",
        "Made here: two to four zones; one of them has to offer the instance type.",
        (),
        "required with create: true",
    )
    network: str = setting(
        Text("a network", r"[0-9.]+/[0-9]+"),
        f"network: {defaults.AWS_NETWORK}",
        "Made here: addresses of its network, /16 to /20. Pods take theirs from it.",
        defaults.AWS_NETWORK,
    )
    endpoint: str = setting(
        Choice(("public", "private")),
        "endpoint: private",
        "Made here: `public`: the API server is reached from `publicCidrs` too. `private`: from the network alone, so "
        "that pulumi has to run there or behind a VPN.",
        "public",
    )
    public_cidrs: tuple[str, ...] = setting(
        ListOf(Text("a network", r"[0-9.]+/[0-9]+")),
        "publicCidrs: [203.0.113.7/32]",
        "Made here: from where the API server may be reached.",
        (),
        "required with endpoint: public",
    )
    admins: tuple[str, ...] = setting(
        ListOf(Text("the ARN of a user or role", ARN % "(user|role)")),
        "admins: [arn:aws:iam::123456789012:role/admins]",
        "Made here: who administers it beside whoever makes it.",
        (),
    )
    system_type: str = setting(
        Text("an instance type", r"[a-z0-9-]+\.[a-z0-9]+"),
        f"systemType: {defaults.SYSTEM_TYPE}",
        "Made here: instance type of the nodes without cards.",
        defaults.SYSTEM_TYPE,
    )
    system_nodes: int = setting(
        Count(1, 100),
        f"systemNodes: {defaults.SYSTEM_NODES}",
        "Made here: how many of them.",
        defaults.SYSTEM_NODES,
    )

    def plain(self) -> dict[str, Any]:
        """In plain values; of a cluster that is there, its name alone."""
        said = {key: list(one) if isinstance(one, tuple) else one for key, one in vars(self).items()}
        return {key: one for key, one in said.items() if one is not None} if self.create else {"name": self.name}


@dataclass(frozen=True)
class AwsNodes:
    """The managed node group."""

    name: str = setting(
        Text("the name of a node group", CLUSTER, 63),
        f"name: {defaults.NODE_GROUP}",
        "Name of the node group; another one is another group.",
        defaults.NODE_GROUP,
    )
    instance_types: tuple[str, ...] = setting(
        ListOf(Text("an instance type", r"[a-z0-9-]+\.[a-z0-9]+")),
        "instanceTypes: [g5.xlarge]",
        "Instance types, all with as many cards of one kind. Spot finds more with several.",
        defaults.AWS_TYPES,
        f"[{', '.join(defaults.AWS_TYPES)}]",
    )
    image: str = setting(
        Choice(tuple(IMAGES)),
        "image: al2023",
        "`al2023`: Amazon Linux with driver and toolkit. `bottlerocket`: with the device plugin too. `ubuntu`: the "
        "operator brings all; needs `ami`.",
        "al2023",
    )
    ami: str | None = setting(
        _id("ami"), "ami: ami-0123456789abcdef0", "Image `ubuntu`: its id, of your region and version.", None
    )
    release: str | None = setting(
        Text("a release of the image, such as 1.35.4-20260714,", r"[0-9]+\.[0-9]+\.[0-9]+-[0-9a-f]{8}", 63),
        "release: 1.35.4-20260714",
        "Release of the image. Left out, the newest when the group is made, and moved by nobody.",
        None,
        "the newest at the first up",
    )
    capacity: str = setting(
        Choice(tuple(CAPACITY)),
        "capacity: spot",
        "`onDemand`; `spot`, which AWS takes back with two minutes' notice; `reservation` and `capacityBlock`, which "
        "you bought.",
        "onDemand",
    )
    reservation: str | None = setting(
        _id("cr"), "reservation: cr-0123456789abcdef0", "Id of the capacity reservation or block.", None
    )
    min: int = setting(Count(0, 1000), "min: 0", "The least nodes an autoscaler may leave.", 0)
    desired: int = setting(
        Count(0, 1000), "desired: 1", "Nodes that up asks for; an autoscaler moves it afterwards.", 1
    )
    max: int = setting(Count(1, 1000), "max: 2", "The most nodes there may be.", 1)
    autoscaler: bool = setting(
        Flag(), "autoscaler: true", "Whether a cluster autoscaler runs there: then `desired: 0` starts a node.", False
    )
    subnets: tuple[str, ...] = setting(
        ListOf(_id("subnet")),
        "subnets: [subnet-0123456789abcdef0]",
        "Subnets of the nodes. Left out, those of the cluster.",
        (),
        "those of the cluster",
    )
    disk_gib: int = setting(
        Count(30, 16384, "GiB"), f"diskGib: {defaults.NODE_DISK_GIB}", "Encrypted gp3 disk.", defaults.NODE_DISK_GIB
    )
    kms_key: str | None = setting(
        Text("the ARN of a key", r"arn:aws[a-z-]*:kms:[\w-]+:[0-9]{12}:key/[\w-]+"),
        "kmsKey: arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "Key of that disk; autoscaling's service role needs a grant on it.",
        None,
        "the account's own for EBS",
    )
    instance_store: str | None = setting(
        Choice(("raid0", "none")),
        "instanceStore: raid0",
        "Local disks of the instance. `raid0`: images, layers and pod logs lie there; gone with the instance.",
        None,
        "raid0 with al2023, else none",
    )
    hop_limit: int = setting(
        Count(1, 2),
        f"hopLimit: {defaults.IMDS_HOP_LIMIT}",
        "Of the instance metadata service, which wants a session token. 2 lets pods ask it, and use the node's role.",
        defaults.IMDS_HOP_LIMIT,
    )
    labels: Mapping[str, str] = setting(Labels(), 'labels: {team: "research"}', "Labels of the nodes.", {})
    gpu_taint: bool = setting(
        Flag(), "gpuTaint: true", "Whether nodes get nvidia.com/gpu=present:NoSchedule; EKS writes none.", True
    )
    taints: tuple[Taint, ...] = setting(
        ListOf(Section(Taint)),
        "taints: [{key: dedicated, value: gpu, effect: NoSchedule}]",
        "Taints beside it; what this stack makes tolerates them.",
        (),
    )
    node_role: str | None = setting(
        Text("the ARN of a role", ARN % "role"),
        "nodeRole: arn:aws:iam::123456789012:role/nodes",
        "Role of the nodes where you may not make one.",
        None,
        "made, with the three policies that a node needs",
    )
    allow_replace: bool = setting(
        Flag(), "allowReplace: true", "Whether up may delete the node group to make another, with all its pods.", False
    )

    @property
    def store(self) -> Any:
        """What becomes of the instance's disks."""
        return self.instance_store or (BROKEN if self.image is BROKEN else IMAGES[self.image].stores[0])


@dataclass(frozen=True)
class Aws:
    """A node group with cards in EKS."""

    region: str = setting(Text("a region", REGION, 32), "region: us-east-1", "Region of the cluster.")
    cluster: AwsCluster = setting(Section(AwsCluster, short="name"), "cluster: research", "The cluster in EKS.")
    nodes: AwsNodes = setting(
        Section(AwsNodes), "nodes: {instanceTypes: [g5.xlarge]}", "The node group.", AwsNodes(), "{}"
    )
    account: str | None = setting(
        Text("the 12 digits of an account", r"[0-9]{12}"),
        'account: "123456789012"',
        "Account in which alone anything is made; with the credentials of another one up is refused.",
        None,
        "whichever the credentials are of",
    )
    tags: Mapping[str, str] = setting(Labels(), "tags: {team: research}", "Tags of all that is made in AWS.", {})
    checks: bool = setting(
        Flag(),
        "checks: false",
        "Whether quota, zones, subnets and image are looked at before anything is made.",
        True,
    )

    @property
    def image(self) -> str:
        """The image of the nodes, which decides who owns what."""
        return self.nodes.image

    def lines(self) -> list[str]:
        """What it costs, and what is no fault and still worth a thought."""
        wish = self.plain()
        return [*aws_prices.lines(wish), *(f"note: {note}" for note in aws_rules.notes(wish))]

    def plain(self) -> dict[str, Any]:
        """In plain values, as `decide.aws_nodes` and the component know it."""
        nodes = {key: value for key, value in vars(self.nodes).items() if value not in (None, ())}
        nodes.pop("instance_store", None)
        said = {
            "store": self.nodes.store,
            "taints": _kept(self.nodes.taints, lambda taints: [one.plain() for one in taints]),
            "instance_types": _kept(self.nodes.instance_types, list),
            "subnets": _kept(self.nodes.subnets, list),
            "labels": _kept(self.nodes.labels, dict),
        }
        account = {"account": self.account} if self.account else {}
        about = {"region": self.region, **account, "tags": _kept(self.tags, dict), "checks": self.checks}
        making = {"make": self.cluster.plain()} if self.cluster.create is True else {}
        return {**about, "cluster": self.cluster.name, **nodes, **said, **making}
