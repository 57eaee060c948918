"""What has to be in the operator's namespace on GKE before the operator: leave for critical pods, and COS' driver."""

from typing import Any

import pulumi_kubernetes as kubernetes
from pulumi import Resource, ResourceOptions

from components.choices import OURS, STACK, GpuChoices, this_stack, variant
from decide.gke_values import INSTALL_DIR
from decide.ownership_gke import OPT_OUT

CRITICAL = ["system-node-critical", "system-cluster-critical"]
INSTALLER = "nvidia-driver-installer"
# Google's installer lies on every COS node, of the version that fits the node; nothing is pulled, no branch can move.
IMAGE = "cos-nvidia-installer:fixed"
PAUSE = "gke.gcr.io/pause:3.8@sha256:880e63f94b145e46f1b1082bb71b85e21f16b99b180b9996407d61240ceb9830"
SKIPS = "lsmod | grep -q nvidia && echo 'a driver is loaded already' && exit 0; exec /cos-gpu-installer install"
FOLDERS = {
    "NVIDIA_INSTALL_DIR": (INSTALL_DIR, "/usr/local/nvidia"),
    "VULKAN_ICD_DIR": (f"{INSTALL_DIR}/vulkan/icd.d", "/etc/vulkan/icd.d"),
    "COS_TOOLS_DIR": ("/var/lib/cos-tools", "/build/cos-tools"),
}
"""What the installer has to know of folders: on the host, and in its container."""


def before_operator(name: str, gpu: GpuChoices, namespace: kubernetes.core.v1.Namespace, parent: Resource) -> list[Any]:
    """Nothing but on GKE."""
    kind, here = variant(gpu), ResourceOptions(parent=parent)
    if not kind.startswith("gke"):
        return []
    quota = leave_for_critical_pods(name, namespace, here)
    if kind != "gke-operator-cos":
        return [quota]
    return [quota, installer(name, namespace, ResourceOptions(parent=parent, depends_on=[quota]))]


def leave_for_critical_pods(
    name: str, namespace: kubernetes.core.v1.Namespace, opts: ResourceOptions
) -> kubernetes.core.v1.ResourceQuota:
    """GKE admits critical pods outside of kube-system only where a quota says so."""
    core = kubernetes.core.v1
    scope = core.ScopedResourceSelectorRequirementArgs(scope_name="PriorityClass", operator="In", values=CRITICAL)
    return core.ResourceQuota(
        f"{name}-quota",
        metadata=marked("gpu-operator-quota", namespace),
        spec=core.ResourceQuotaSpecArgs(
            hard={"pods": "1000"}, scope_selector=core.ScopeSelectorArgs(match_expressions=[scope])
        ),
        opts=opts,
    )


def marked(name: str, namespace: kubernetes.core.v1.Namespace) -> kubernetes.meta.v1.ObjectMetaArgs:
    """An object of ours in the operator's namespace."""
    return kubernetes.meta.v1.ObjectMetaArgs(
        name=name, namespace=namespace.metadata.name, labels=OURS, annotations={STACK: this_stack()}
    )


def installer(
    name: str, namespace: kubernetes.core.v1.Namespace, opts: ResourceOptions
) -> kubernetes.apps.v1.DaemonSet:
    """Google's installer, on nodes of ours alone: those that GKE was told to leave without a driver."""
    core, label = kubernetes.core.v1, {"k8s-app": INSTALLER}
    template = core.PodTemplateSpecArgs(
        metadata=kubernetes.meta.v1.ObjectMetaArgs(labels=label),
        spec=core.PodSpecArgs(
            priority_class_name=CRITICAL[0],
            affinity=where_gke_installs_none(),
            tolerations=[core.TolerationArgs(operator="Exists")],
            host_network=True,
            host_pid=True,
            automount_service_account_token=False,
            init_containers=[install()],
            containers=[core.ContainerArgs(name="pause", image=PAUSE)],
            volumes=[
                core.VolumeArgs(name=key, host_path=core.HostPathVolumeSourceArgs(path=path))
                for key, path in volumes().items()
            ],
        ),
    )
    return kubernetes.apps.v1.DaemonSet(
        f"{name}-{INSTALLER}",
        # It waits for nodes that come later; what it does is the gate's business.
        metadata=kubernetes.meta.v1.ObjectMetaArgs(
            name=INSTALLER,
            namespace=namespace.metadata.name,
            labels=OURS,
            annotations={STACK: this_stack(), "pulumi.com/skipAwait": "true"},
        ),
        spec=kubernetes.apps.v1.DaemonSetSpecArgs(
            selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=label), template=template
        ),
        opts=opts,
    )


def volumes() -> dict[str, str]:
    """Folders of the host, by the names of their volumes."""
    named = {key.lower().replace("_", "-"): on_host for key, (on_host, _inside) in FOLDERS.items()}
    return {"dev": "/dev", "root-mount": "/", **named}


def install() -> kubernetes.core.v1.ContainerArgs:
    """The container that installs, once per boot."""
    core = kubernetes.core.v1
    places = {"ROOT_MOUNT_DIR": "/root"}
    for key, (on_host, inside) in FOLDERS.items():
        places |= {f"{key}_HOST": on_host, f"{key}_CONTAINER": inside}
    inside_of = {key.lower().replace("_", "-"): inside for key, (_host, inside) in FOLDERS.items()}
    return core.ContainerArgs(
        name=INSTALLER,
        image=IMAGE,
        image_pull_policy="Never",
        command=["bash", "-c", SKIPS],
        env=[core.EnvVarArgs(name=key, value=value) for key, value in sorted(places.items())],
        resources=core.ResourceRequirementsArgs(requests={"cpu": "150m"}),
        security_context=core.SecurityContextArgs(privileged=True),
        volume_mounts=[
            core.VolumeMountArgs(name=volume, mount_path=path)
            for volume, path in {"dev": "/dev", "root-mount": "/root", **inside_of}.items()
        ],
    )


def where_gke_installs_none() -> kubernetes.core.v1.AffinityArgs:
    """A card, the label that keeps GKE's plugin away, and no driver of GKE's."""
    core = kubernetes.core.v1
    asked = [
        core.NodeSelectorRequirementArgs(key="cloud.google.com/gke-accelerator", operator="Exists"),
        core.NodeSelectorRequirementArgs(key="cloud.google.com/gke-gpu-driver-version", operator="DoesNotExist"),
        core.NodeSelectorRequirementArgs(key=OPT_OUT, operator="In", values=["true"]),
    ]
    return core.AffinityArgs(
        node_affinity=core.NodeAffinityArgs(
            required_during_scheduling_ignored_during_execution=core.NodeSelectorArgs(
                node_selector_terms=[core.NodeSelectorTermArgs(match_expressions=asked)]
            )
        )
    )
