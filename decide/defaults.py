"""Every pin, default and limit with its reason; the only file that a version bot edits."""

from typing import Any

# Versions ------------------------------------------------------------------------------------------------------------

# The newest chart whose source was read, of the only line that NVIDIA supports in full (26.3 is deprecated, older ones
# have ended). 26.7.1 and 26.7.2 exist, but were not read and stay out until their keys are in `charts/`.
OPERATOR_VERSION = "v26.7.0"
# Newest first. Each has its key list in `charts/`; older ones serve clusters that cannot move yet.
OPERATOR_VERSIONS = ("v26.7.0", "v26.3.3", "v25.10.1", "v25.3.4")

# Both ends of what the operator is tested on; every object that we send is checked against the schemas of both.
KUBERNETES_OLDEST = "1.32"
KUBERNETES_NEWEST = "1.36"

# Images --------------------------------------------------------------------------------------------------------------

# The tag of NVIDIA's own current guide: runs on every driver since 525 and on every card that CUDA 12.5 knows (up to
# Hopper). No CUDA 13 variant is known to be published; for cards that came later the image is a setting.
CUDA_IMAGE = "nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda12.5.0"
# nvidia-smi itself comes from the node's driver; the image only needs a shell and must accept old drivers, so CUDA 12.
# Same CUDA line and same registry as the sample above: one mirror and one pull secret serve both.
SMI_IMAGE = "nvcr.io/nvidia/cuda:12.5.0-base-ubuntu22.04"

# Names ---------------------------------------------------------------------------------------------------------------

OPERATOR_REPOSITORY = "https://helm.ngc.nvidia.com/nvidia"  # releases are published nowhere else
OPERATOR_CHART = "gpu-operator"
RELEASE_NAME = "gpu-operator"  # the name that NVIDIA's guides use, so that their commands fit
OPERATOR_NAMESPACE = "gpu-operator"  # likewise
VALIDATION_NAMESPACE = "gpu-ready"  # its own, because the operator's namespace admits privileged pods
RESERVED_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
RUNTIME_CLASS = "nvidia"  # name and handler: operator, toolkit and k3s agree on it
RESOURCE_NAME = "nvidia.com/gpu"  # what the device plugin advertises

KUBECONFIG = "~/.kube/config"  # stays literal in the state: a colleague with another home sees no change
# Written by the operator on every node with a GPU; the only label that is there with every driver and toolkit owner.
GPU_NODE_SELECTOR: dict[str, str] = {"nvidia.com/gpu.present": "true"}

GPU_TOLERATION: dict[str, str] = {"key": RESOURCE_NAME, "operator": "Exists"}  # the taint that clouds put on GPU pools

# Setting one of these lists in Helm replaces the chart's, so its own entries are repeated when the user adds any.
# Both are the same in all supported versions but for `node-role.kubernetes.io/master`, a taint that went away in 1.24.
DAEMONSET_TOLERATIONS: tuple[dict[str, Any], ...] = (
    {"key": RESOURCE_NAME, "operator": "Exists", "effect": "NoSchedule"},
)
# The chart's own list for the worker of node feature discovery, which may find GPUs on control-plane nodes too.
DISCOVERY_TOLERATIONS: tuple[dict[str, Any], ...] = (
    {"key": "node-role.kubernetes.io/control-plane", "operator": "Equal", "value": "", "effect": "NoSchedule"},
    {"key": RESOURCE_NAME, "operator": "Exists", "effect": "NoSchedule"},
)

# Time ----------------------------------------------------------------------------------------------------------------

# Helm waits only for hooks here (readiness is the gate's business); Pulumi's 300 s is short when a node pulls slowly.
OPERATOR_TIMEOUT_SECONDS = 600
# A driver container builds for up to 21 minutes before its probe gives up; preinstalled drivers are ready in 2.
VALIDATION_TIMEOUT_SECONDS = 1800
POLL_SECONDS = 5  # a look costs the API server four list calls
GRACE_SECONDS = 60  # young pods show errors that go away by themselves
LOOK_SECONDS = 30  # an API server that needs longer for a list call is not healthy

# Shorter than any image pull, longer than a working day makes sense: outside it is a slip of the pen.
SHORTEST_TIMEOUT_SECONDS = 10
LONGEST_TIMEOUT_SECONDS = 6 * 3600
LONGEST_POLL_SECONDS = 300

VALIDATION_GPUS = 1  # one card proves the chain; more would wait for cards that other people use
MOST_GPUS = 16  # the largest machine that a cloud rents (a2-megagpu-16g)
