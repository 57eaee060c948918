"""Every pin, default and limit with its reason; the only file that a version bot edits."""

from typing import Any

# Versions ------------------------------------------------------------------------------------------------------------

# The newest chart whose source was read, of the only line that NVIDIA supports in full (26.3 is deprecated, older ones
# have ended). 26.7.1 and 26.7.2 exist, but were not read and stay out until their keys are in `charts/`.
OPERATOR_VERSION = "v26.7.0"
# Newest first. Each has its key list in `charts/`; older ones serve clusters that cannot move yet.
OPERATOR_VERSIONS = ("v26.7.0", "v26.3.3", "v25.10.1", "v25.3.4")

# NVIDIA's device plugin alone, for who wants no operator; newest first, each with its key list in `charts/`.
PLUGIN_VERSION = "0.20.0"
PLUGIN_VERSIONS = ("0.20.0", "0.19.3", "0.18.2")

# NVIDIA's driver for dynamic resource allocation alone: the newest tag whose source was read. Operator v26.7.0 comes
# with 0.5.0, whose tag was not.
DRA_VERSION = "0.4.1"
DRA_VERSIONS = ("0.4.1",)
# Its own page says so: 1.34.0 and 1.34.1 have the API, and faults with it.
DRA_KUBERNETES = (1, 34, 2)
# What NVIDIA's guide asks for where cards are allocated by claims; the driver's own page says 565.
DRA_DRIVER_BRANCH = 580
# The first that hands devices over by CDI; it is on by itself from 2.0.
DRA_CONTAINERD = (1, 7)

# Long-term support until mid-2028, and the last branch that drives Maxwell, Pascal and Volta.
DRIVER_BRANCH = 580
# First with a drop-in that containerd 2.x takes as it is; both checksums below were seen with its repository.
TOOLKIT_VERSION = "1.20.0"
TOOLKIT_FLOOR = "1.17.8"  # older ones let a container out (CVE-2025-23266, CVE-2025-23267)
TOOLKIT_FOR_CONTAINERD_2 = "1.20.0"  # older ones leave out runtime_type in configurations of version 3
CONTAINERD_OLDEST = "1.6"  # what Debian 12 has; nothing older was tried

# Both ends of what the operator is tested on; every object that we send is checked against the schemas of both.
KUBERNETES_OLDEST = "1.32"
KUBERNETES_NEWEST = "1.36"

# Images --------------------------------------------------------------------------------------------------------------

# The tag of NVIDIA's own current guide: runs on every driver since 525 and on every card that CUDA 12.5 knows (up to
# Hopper). No CUDA 13 variant is known to be published; for cards that came later the image is a setting.
CUDA_IMAGE = "nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda12.5.0"
# nvidia-smi itself comes from the node's driver; the image only needs a shell and must accept old drivers, so CUDA 12.
# Same CUDA line and same registry as the sample above: one mirror and one pull secret serve both.
RUNBOOK = "docs/troubleshooting.md"
EXPORTER_IMAGE = "nvcr.io/nvidia/k8s/dcgm-exporter:4.6.0-4.8.3-distroless"  # the one of operator v26.7.0
SMI_IMAGE = "nvcr.io/nvidia/cuda:12.5.0-base-ubuntu22.04"

# Tags of 2025, both of CUDA 12 for the same reason; known from their publishers' pages, never pulled by this project.
PYTORCH_IMAGE = "docker.io/pytorch/pytorch:2.7.1-cuda12.8-cudnn9-runtime"
TENSORFLOW_IMAGE = "docker.io/tensorflow/tensorflow:2.19.0-gpu"

# Names ---------------------------------------------------------------------------------------------------------------

OPERATOR_REPOSITORY = "https://helm.ngc.nvidia.com/nvidia"  # releases are published nowhere else
OPERATOR_CHART = "gpu-operator"
RELEASE_NAME = "gpu-operator"  # the name that NVIDIA's guides use, so that their commands fit
OPERATOR_NAMESPACE = "gpu-operator"  # likewise
PLUGIN_REPOSITORY = "https://nvidia.github.io/k8s-device-plugin"
PLUGIN_CHART = "nvidia-device-plugin"
PLUGIN_RELEASE = "nvdp"  # as in NVIDIA's guide
# Likewise. Never the operator's: who changes over gets the one namespace deleted, with all that ran there, before the
# other is made, so that two plugins never meet on a node.
PLUGIN_NAMESPACE = "nvidia-device-plugin"
DRA_CHART = "oci://registry.k8s.io/dra-driver-nvidia/charts/dra-driver-nvidia-gpu"
DRA_RELEASE = "dra-driver-nvidia-gpu"  # as in the driver's guide
DRA_NAMESPACE = "dra-driver-nvidia-gpu"  # likewise; a name of its own, for the same reason
DEVICE_CLASS = "gpu.nvidia.com"  # the chart makes it; the driver is called so too
VALIDATION_NAMESPACE = "gpu-ready"  # its own, because the operator's namespace admits privileged pods
MONITORING_NAMESPACE = "gpu-monitoring"  # its own, so that destroy takes it whole
RESERVED_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
RUNTIME_CLASS = "nvidia"  # name and handler: operator, toolkit and k3s agree on it
RESOURCE_NAME = "nvidia.com/gpu"  # what the device plugin advertises

KUBECONFIG = "~/.kube/config"  # stays literal in the state: a colleague with another home sees no change
# Written by the operator on every node with a GPU; the only label that is there with every driver and toolkit owner.
GPU_NODE_SELECTOR: dict[str, str] = {"nvidia.com/gpu.present": "true"}

GPU_TOLERATION: dict[str, str] = {"key": RESOURCE_NAME, "operator": "Exists"}  # the taint that clouds put on GPU pools
# Whatever value: everything tolerates the key. This is the one that GKE writes itself.
GPU_TAINT: dict[str, str] = {"key": RESOURCE_NAME, "value": "present", "effect": "NoSchedule"}

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

# The chart's own, but for the value of the taint: it would wait for `nvidia.com/gpu=present` and for no other.
PLUGIN_TOLERATIONS: tuple[dict[str, Any], ...] = (
    {"key": "CriticalAddonsOnly", "operator": "Exists"},
    {"key": RESOURCE_NAME, "operator": "Exists", "effect": "NoSchedule"},
)

# Package repositories -------------------------------------------------------------------------------------------------

# Independent of the distribution; old versions stay in it, so that an exact pin stays good.
TOOLKIT_REPOSITORY = "https://nvidia.github.io/libnvidia-container/stable/deb/amd64 /"
TOOLKIT_REPOSITORY_RPM = "https://nvidia.github.io/libnvidia-container/stable/rpm/x86_64/"
TOOLKIT_KEY_URL = "https://nvidia.github.io/libnvidia-container/gpgkey"
TOOLKIT_KEY_FINGERPRINT = "C95B321B61E88C1809C4F759DDCAE044F796ECB0"  # of the key in that file

# Debian's own archive has only branches that ended. The key lies in that package; Google's driver installer pins
# the same checksum for Debian 12.
CUDA_REPOSITORIES = "https://developer.download.nvidia.com/compute/cuda/repos"
CUDA_KEYRING = "cuda-keyring_1.1-1_all.deb"
CUDA_KEYRING_SHA256 = {"debian-12": "e7f219eab6fe4819cdb5c15b98233dc3420302d9c00883219cd3d896857cf48d"}
# Debian 13 has a key of its own: its apt takes no signature by SHA-1 any more. Read about, not seen served.
CUDA_KEY_DEBIAN_13 = "8793F200"
CUDA_KEY_DEBIAN_13_FINGERPRINT = "02182E60104FCDC26EAE1B8597A5D4CB8793F200"

# Of RHEL 8 and 9 and all that is like them. The fingerprint stands in several public scripts that check it.
CUDA_KEY_RPM = "D42D0685"
CUDA_KEY_RPM_FINGERPRINT = "610C7B14E068A878070DA4E99CD0A493D42D0685"

# NVIDIA's own address of a driver for data-centre cards; one for others is named by its url. Its checksum is never
# known here: it is asked for.
RUN_FILE = "https://us.download.nvidia.com/tesla/{0}/NVIDIA-Linux-x86_64-{0}.run"

# Of the graphics-drivers team; Launchpad shows this fingerprint for it (4096 bit), and several public scripts check it.
PPA = "https://ppa.launchpadcontent.net/graphics-drivers/ppa/ubuntu"
PPA_KEY_FINGERPRINT = "2388FF3BE10A76F638F80723FCAE110B1118213C"
PPA_KEY_URL = f"https://keyserver.ubuntu.com/pks/lookup?op=get&search=0x{PPA_KEY_FINGERPRINT}"
PPA_BUILD = "~gpu"  # stands in each of its versions and in none of the archive's, which has packages of the same names

# The CUDA of branch 580, the oldest that is installed: every later branch runs what it compiles too.
CUDA_TOOLKIT = "13-0"

# Room on a host -------------------------------------------------------------------------------------------------------

# Driver, toolkit, headers and their archives come to 2 GB at most; an own estimate with a margin.
FREE_ROOT_MB = 3000
FREE_BOOT_MB = 200  # a second kernel with its initramfs

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

# Hosts ---------------------------------------------------------------------------------------------------------------

STEP_COMMAND = "sh -s"  # the script comes by stdin: in a command line it would stand in `ps`, and is limited to 128 KiB
SSH_PORT = 22  # what sshd listens on unless told otherwise
# Bare metal needs 20 to 30 minutes at worst (DGX class, memory training); a virtual machine is back in one.
REBOOT_TIMEOUT_SECONDS = 1800
# What a web server needs to end its requests, and a controller to have another replica ready: minutes, not seconds.
DRAIN_SECONDS = 900
# One node less is what a cluster is made to bear.
DRAINS_AT_ONCE = 1
# The API server may have been on the host itself, and comes back minutes after ssh.
UNCORDON_SECONDS = 600
# What becomes of pods with files in an emptyDir: the first one loses nothing.
EMPTY_DIRS = ("refuse", "delete")
# Six dials of 10 s: a sleeping router is forgiven, and a wrong key is not tried so often that fail2ban shuts the door.
DIALS = {"dial_error_limit": 5, "per_dial_timeout": 10}
# While a host is away each try shall end soon, because the error hook does the waiting.
DIALS_WHILE_AWAY = {"dial_error_limit": 2, "per_dial_timeout": 2}
LOCK_SECONDS = 1800  # unattended-upgrades may hold the locks of apt for half an hour
MOST_TRIES = 95  # the engine asks an error hook at most 100 times
SHORTEST_PAUSE_SECONDS = 5  # more often tells nothing new
MATCH_SECONDS = 180  # after a reboot a kubelet needs a minute or two to report its new boot id

# A new instance: AWS says that it runs, and sshd and the script that makes it a node need minutes from then.
DIALS_FIRST_BOOT = {"dial_error_limit": 60, "per_dial_timeout": 5}
FIRST_BOOT_SECONDS = 1800  # packages of a node by a slow mirror; after that somebody has to look

# AWS -----------------------------------------------------------------------------------------------------------------

NODE_GROUP = "gpu"  # what it is for, short enough for the names of Jobs
AWS_TYPES = ("g5.xlarge",)  # the cheapest with a card whose price is known here
NODE_DISK_GIB = 100  # images with CUDA have 5 to 20 GB each; the image's own 20 GiB fill with the second one
IMDS_HOP_LIMIT = 1  # so that a pod does not get at the node's role; 2 for those that ask there for their region
NODE_GROUP_TIMEOUT = "60m"  # a group that gets no machine is given up by EKS after about half an hour
AWS_NETWORK = "10.64.0.0/16"  # seldom taken by others; 4096 addresses for the nodes and pods of each zone
EKS_VERSION = "1.35"  # one below the newest that the operator is tested on
SYSTEM_TYPE = "m6i.large"  # operator, CoreDNS and node feature discovery need about 1 CPU and 2 GiB
SYSTEM_DISK_GIB = 40  # twice what the image has of its own
SYSTEM_NODES = 2  # so that one can be replaced
# The label by which the cluster autoscaler tells nodes that will have cards from nodes that have none.
ACCELERATOR_LABEL = "k8s.amazonaws.com/accelerator"
