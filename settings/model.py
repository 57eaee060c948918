"""The settings: each with kind, default, right example and one sentence; parser and documentation read this."""
# ruff: noqa: RUF009 - setting() is dataclasses.field() with metadata

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from decide import defaults
from decide.flavour import FLAVOURS
from decide.host_login import NODE_NAME
from decide.ownership import TARGETS
from settings.aws import Aws
from settings.framework import IMAGE, Framework
from settings.gke import Gke
from settings.gpu import NAMESPACE, Gpu
from settings.hosts import KEY, BareMetal
from settings.kinds import Choice, Count, FilePath, Flag, Labels, ListOf, Section, Text, setting
from settings.monitoring import Monitoring

TAINT_KEY = r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?"

_seconds = Count(defaults.SHORTEST_TIMEOUT_SECONDS, defaults.LONGEST_TIMEOUT_SECONDS, "seconds")


@dataclass(frozen=True)
class Toleration:
    """A taint that GPU pods shall tolerate."""

    key: str | None = setting(Text("a taint key", TAINT_KEY), "key: dedicated", "Key of the taint.", None)
    operator: str = setting(
        Choice(("Exists", "Equal")), "operator: Exists", "`Exists` for any value, `Equal` for this one.", "Equal"
    )
    value: str | None = setting(
        Text("a taint value", r"[A-Za-z0-9_.-]*", 63), "value: gpu", "Value of the taint, for `Equal`.", None
    )
    effect: str | None = setting(
        Choice(("NoSchedule", "PreferNoSchedule", "NoExecute")),
        "effect: NoSchedule",
        "Effect of the taint; none: every effect.",
        None,
    )

    def plain(self) -> dict[str, str]:
        """As Kubernetes wants it, without what was not said."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Cluster:
    """The cluster that the GPU nodes belong to. With target `bareMetal` the hosts are the nodes."""

    context: str = setting(
        Text("the name of a context"),
        "context: home",
        "Context of the kubeconfig. Never the current one by accident.",
        "",
        "required, but where a host makes the cluster (`join: k3s`)",
    )
    kubeconfig: str = setting(
        FilePath("the path of a kubeconfig file", longest=1024),
        f"kubeconfig: {defaults.KUBECONFIG}",
        "Path of the kubeconfig file; stays as written, so that a colleague with another home sees no change.",
        defaults.KUBECONFIG,
    )
    identifier: str | None = setting(
        Text("a name for the cluster"),
        "identifier: home",
        "Tells Pulumi which cluster this is. A context that was renamed: put its old name here, else all is made anew.",
        None,
        "the context",
    )
    nodes: tuple[str, ...] = setting(
        ListOf(Text("the name of a node", NODE_NAME)),
        "nodes: [gpu-1, gpu-2]",
        "Target `cluster`: names of the GPU nodes; each is validated. Either this or `nodeSelector`.",
        (),
    )
    node_selector: Mapping[str, str] = setting(
        Labels(),
        'nodeSelector: {pool: "gpu"}',
        "Target `cluster`: labels of the GPU nodes, where nodes come and go; one is validated. Either this or `nodes`.",
        {},
    )
    flavour: str | None = setting(
        Choice(tuple(FLAVOURS)),
        "flavour: rke2",
        "Target `cluster`: the distribution of Kubernetes, where the operator's toolkit container has to find its "
        "containerd. One that is found and not said is refused.",
        None,
        "other",
    )
    tolerations: tuple[Toleration, ...] = setting(
        ListOf(Section(Toleration)),
        "tolerations: [{key: dedicated, operator: Exists}]",
        "Taints of the GPU nodes beside `nvidia.com/gpu`, which is always tolerated.",
        (),
    )


@dataclass(frozen=True)
class Validation:
    """The proof: a Job per node runs nvidia-smi and a CUDA kernel; `pulumi up` succeeds only if it does."""

    enabled: bool = setting(Flag(), "enabled: true", "Whether to prove anything at all.", True)
    namespace: str = setting(
        Text("the name of a namespace", NAMESPACE, 63),
        f"namespace: {defaults.VALIDATION_NAMESPACE}",
        "Namespace of the validation's Jobs, made for them; each stack on a cluster needs its own.",
        defaults.VALIDATION_NAMESPACE,
    )
    run: int = setting(Count(1, 1_000_000), "run: 2", "Another number proves everything again, whenever you like.", 1)
    gpus: int = setting(
        Count(1, defaults.MOST_GPUS), "gpus: 1", "Cards that each Job asks for.", defaults.VALIDATION_GPUS
    )
    timeout_seconds: int = setting(
        _seconds,
        f"timeoutSeconds: {defaults.VALIDATION_TIMEOUT_SECONDS}",
        "How long to wait for the operator, and then again for the Jobs, before the first broken layer is named.",
        defaults.VALIDATION_TIMEOUT_SECONDS,
    )
    poll_seconds: int = setting(
        Count(1, defaults.LONGEST_POLL_SECONDS, "seconds"),
        f"pollSeconds: {defaults.POLL_SECONDS}",
        "How often to look meanwhile.",
        defaults.POLL_SECONDS,
    )
    framework: Framework | None = setting(
        Section(Framework, short="kind"), "framework: pytorch", "A framework's own check; its image is large.", None
    )
    nccl: bool = setting(
        Flag(),
        "nccl: true",
        "After that, an all-reduce by NCCL over all cards of each node that has several; needs `framework: pytorch`, "
        "and all those cards free.",
        False,
    )
    cuda_image: str = setting(
        Text("an image with a tag or digest", IMAGE, 512),
        f"cudaImage: {defaults.CUDA_IMAGE}",
        "Image that runs CUDA vectorAdd and prints `Test PASSED`.",
        defaults.CUDA_IMAGE,
    )
    smi_image: str = setting(
        Text("an image with a tag or digest", IMAGE, 512),
        f"smiImage: {defaults.SMI_IMAGE}",
        "Image with a shell, in which the driver's nvidia-smi runs.",
        defaults.SMI_IMAGE,
    )


@dataclass(frozen=True)
class Config:
    """The keys of the config namespace `gpu-ready`."""

    target: str = setting(
        Choice(TARGETS),
        "target: cluster",
        "What is there to begin with. `cluster`: a cluster with GPU nodes. `bareMetal`: hosts with cards, and ssh. "
        "`gke`: a project of Google Cloud. `aws`: a cluster in EKS, which gets a node group.",
    )
    cluster: Cluster = setting(
        Section(Cluster), "cluster: {context: home, nodes: [gpu-1]}", "Which cluster, and which of its nodes."
    )
    bare_metal: BareMetal | None = setting(
        Section(BareMetal),
        f"bareMetal: {{hosts: [{{name: rtx, address: rtx.home.arpa, hostKey: {KEY}}}]}}",
        "Target `bareMetal`: the hosts.",
        None,
        "required with target: bareMetal",
    )
    gke: Gke | None = setting(
        Section(Gke),
        "gke: {project: my-project, location: us-east1-b, cluster: ml, pools: "
        "[{name: a100, machineType: a2-highgpu-1g}]}",
        "Target `gke`: the cluster, and its pools of GPU nodes.",
        None,
        "required with target: gke",
    )
    aws: Aws | None = setting(
        Section(Aws),
        "aws: {region: us-east-1, cluster: research}",
        "Target `aws`: the cluster in EKS and its node group.",
        None,
        "required with target: aws",
    )
    gpu: Gpu = setting(Section(Gpu), "gpu: {operator: install}", "What makes the nodes GPU-ready.", Gpu(), "{}")
    validation: Validation = setting(
        Section(Validation), "validation: {enabled: true}", "The proof that GPU pods run.", Validation(), "{}"
    )
    monitoring: Monitoring = setting(
        Section(Monitoring), "monitoring: {enabled: true}", "Alerts and dashboards.", Monitoring(), "{}"
    )
