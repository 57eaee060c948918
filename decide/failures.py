"""The catalogue of known failures: id, layer, cause, fix, and the signs by which a text gives one away.

An id is never given to something else, because people search for it. Only a gate meets CFG (the declaration does not
fit the cluster), PLM-11 and on (kubectl, our Jobs), SCH-6 and on, CUDA-10 and on, DP-13, OP-18, TK-14.
"""

import re
from typing import Any, NamedTuple, Optional, Tuple


class Failure(NamedTuple):
    """One known failure."""

    id: str
    layer: str
    cause: str
    fix: str
    signs: Tuple[str, ...] = ()


# In the order in which a text is compared: what says more comes first.
ROWS: Tuple[Tuple[Any, ...], ...] = (
    ("PLM-11", "workstation", "kubectl is not on PATH", "install kubectl on the machine that runs pulumi"),
    ("PLM-12", "workstation", "the kubeconfig has no such context",
     "set cluster.context to one of `kubectl config get-contexts`; cluster.kubeconfig names the file"),
    ("PLM-13", "API server", "this user may not read what has to be judged",
     "grant it get and list on what is named above, and on pods/log"),
    ("PLM-14", "API server", "the credentials of this context are not accepted",
     "log in again"),
    ("PLM-3", "API server", "the cluster does not answer",
     "check VPN, kubeconfig and whether the cluster runs"),
    ("CFG-1", "nodes", "a declared node is not in the cluster", "correct cluster.nodes, or let the node join"),
    ("CFG-2", "nodes", "no node carries the declared labels",
     "correct cluster.nodeSelector, or label the nodes"),
    ("CFG-3", "nodes", "the node is not Ready", "mend the node first: kubectl describe node NODE"),
    ("CFG-4", "ownership", "there is a GPU operator or device plugin already; a second one would be installed",
     "set gpu.operator: external, or remove the one that is there"),
    ("CFG-5", "ownership", "gpu.operator is external, but nothing in the cluster hands out GPUs",
     "install the operator, or set gpu.operator: install"),
    ("CFG-6", "ownership", "a RuntimeClass of that name is here already and is not ours",
     "declare it: gpu.runtimeClass: external; or delete it"),
    ("CFG-7", "ownership", "gpu.runtimeClass is external, but there is none of that name",
     "set gpu.runtimeClass: ours, or create it"),
    ("DRV-1", "driver", "driver packages were updated while the old kernel module is still loaded",
     "drain and reboot the node, then hold the nvidia packages", (r"Driver/library version mismatch",)),
    ("DRV-5", "driver", "Secure Boot refuses the kernel module",
     "use signed prebuilt modules, enrol the key, or turn Secure Boot off",
     (r"Key was rejected by service", r"Loading of unsigned module is rejected")),
    ("DRV-8", "driver", "no kernel headers, or a driver too old for the kernel",
     "install the headers of the running kernel, or a newer driver branch",
     (r"/build: No such file or directory", r"Bad return status for module build on kernel")),
    ("DRV-7", "driver", "the driver container finds no headers for this kernel",
     "use a kernel that the image knows, or a driver on the host: gpu.driver: preinstalled",
     (r"Could not resolve Linux kernel version",)),
    ("DRV-9", "driver", "a driver is loaded on the host and the operator wants to replace it",
     "set gpu.driver: preinstalled", (r"driver module is already loaded with refcount",)),
    ("DRV-6", "driver", "nouveau holds the card, or the module was built for another kernel",
     "block nouveau, rebuild the initramfs and reboot; or install the matching kernel headers",
     (r"Unable to load the kernel module 'nvidia",)),
    ("DRV-4", "driver", "there is no nvidia module for the running kernel",
     "install prebuilt modules, or headers and DKMS, for this kernel", (r"FATAL: Module nvidia not found",)),
    ("DRV-10", "driver", "there is no driver image for this operating system and version",
     "set gpu.driver: preinstalled, or another version: gpu.operator.values: {driver: {version: ...}}",
     (r"nvcr\.io/nvidia/driver:\S+: not found", r"driver:\S+ not found")),
    ("DRV-12", "driver", "the uvm module is not loaded",
     "on the node: nvidia-modprobe -u -c 0, and load nvidia-uvm at boot", (r"nvidia-uvm: no such file",)),
    ("PCI-4", "driver", "the driver sees no card: wrong module flavour, or the card did not start",
     "compare card and driver branch; on the node: dmesg | grep -i nvrm", (r"No devices were found",)),
    ("PCI-8", "card", "the card stopped answering",
     "drain and reboot the node; if it comes back, the hardware is bad", (r"GPU is lost",)),
    ("DRV-3", "driver", "the driver's kernel module is not loaded",
     "on the node: dmesg | grep -i nvrm, then install the module for the running kernel and reboot",
     (r"couldn't communicate with the NVIDIA driver",)),
    ("TK-4", "driver", "the container toolkit finds no loaded driver",
     "on the node: nvidia-smi, and dmesg | grep -i nvrm", (r"nvml error: driver not loaded",)),
    ("OP-2", "driver", "the operator installs no driver, and the node has none",
     "install a driver on the node, or set gpu.driver: operator",
     (r"failed to run command .nvidia-smi", r"failed to validate the driver")),
    ("DP-1", "toolkit", "the plugin's pod runs without the NVIDIA runtime",
     "bring the container toolkit to the node: gpu.toolkit: operator, or configure it there",
     (r"Incompatible platform detected", r"did you configure the NVIDIA Container Toolkit")),
    ("DP-2", "toolkit", "the driver's libraries do not reach the plugin's pod",
     "check the container toolkit on the node and where the driver is installed",
     (r"could not load NVML", r"Detected non-NVML platform")),
    ("TK-9", "toolkit", "the driver was installed without its compute libraries",
     "install the compute packages of the same driver version", (r"libnvidia-ml\.so\.1",)),
    ("RT-2", "runtime", "the toolkit wrote a drop-in that is newer than containerd's own config file",
     "remove the drop-in, start containerd, give the toolkit container RUNTIME_CONFIG_SOURCE=file",
     (r"higher than root config version",)),
    ("RT-1", "runtime", "the container runtime has no handler for the RuntimeClass",
     "on the node: nvidia-ctk runtime configure; or let the operator do it: gpu.toolkit: operator",
     (r"no runtime for \"?[\w-]+\"? is configured",)),
    ("RT-6", "runtime", "the container runtime cannot find the card's CDI specification",
     "regenerate it on the node: nvidia-ctk cdi generate; check that CDI is enabled in containerd",
     (r"unresolvable CDI devices",)),
    ("RT-7", "runtime", "the RuntimeClass does not exist", "set gpu.runtimeClass: ours, or create it",
     (r"RuntimeClass \"?[\w-]+\"? not found",)),
    ("TK-14", "toolkit", "the toolkit container could not set up the node's container runtime",
     "read that pod's log and the containerd log of the node",
     (r"unable to setup runtime", r"unable to restart containerd")),
    ("OP-9", "operator", "Pod Security forbids the pod",
     "label the namespace pod-security.kubernetes.io/enforce=privileged", (r"violates PodSecurity",)),
    ("OP-10", "image", "the registry's certificate is unknown to the node", "install the CA on the nodes",
     (r"certificate signed by unknown authority",)),
    ("CUDA-5", "image", "the image cannot be pulled", "check its name, tag and registry access",
     (r"ErrImagePull", r"ImagePullBackOff", r"InvalidImageName", r"manifest unknown",
     r"failed to resolve reference", r"[Bb]ack-off pulling image")),
    ("CUDA-4", "runtime", "the card did not get into the container: neither CDI nor the nvidia runtime acted",
     "check the container toolkit and CDI on the node",
     (r"nvidia-smi\"?: executable file not found", r"nvidia-smi: (?:command )?not found")),
    ("CUDA-1", "runtime", "the container lost access to its card",
     "restart the pod; use CDI so that a daemon-reload does not take the card away",
     (r"Failed to initialize NVML: Unknown Error",)),
    ("CUDA-2", "CUDA", "the driver is too old for the image's CUDA, or the card was not injected",
     "use an image of an older CUDA (validation.cudaImage) or a newer driver",
     (r"driver version is insufficient",)),
    ("CUDA-3", "CUDA", "the uvm device is missing, or the host was suspended",
     "on the node: nvidia-modprobe -u -c 0, then restart the device plugin's pod", (r"CUDA unknown error",)),
    ("CUDA-11", "CUDA", "CUDA sees no card although the pod was given one",
     "on the node: nvidia-smi, and ls -l /dev/nvidia*; restart the device plugin's pod",
     (r"no CUDA-capable device is detected",)),
    ("CUDA-12", "CUDA", "the image's CUDA has no code for this card",
     "set validation.cudaImage to one that knows the card", (r"no kernel image is available",)),
    ("CUDA-10", "CUDA", "the kernel launch is not proven: the image ended well and never said Test PASSED",
     "set validation.cudaImage to an image that runs vectorAdd"),
    ("CUDA-13", "CUDA", "the validation failed in a way that is not in the catalogue",
     "read the lines above; kubectl logs shows the whole"),
    ("OP-1", "toolkit", "the toolkit layer is not ready", "read the toolkit pod of that node",
     (r"waiting for nvidia container stack to be setup",)),
    ("DP-3", "plugin", "no GPU is advertised: a taint or label of the node keeps pods of the GPU stack away",
     "add the taint to cluster.tolerations"),
    ("DP-13", "plugin", "no GPU is advertised on the node",
     "read the log of the device plugin's pod on that node"),
    ("DP-4", "plugin", "the device plugin holds some cards for unhealthy",
     "find the Xid in the node's kernel log, then restart the plugin's pod"),
    ("DP-12", "plugin", "a workload took the last card before the validation pod could",
     "free a card, then run pulumi up again", (r"UnexpectedAdmissionError",)),
    ("OP-4", "operator", "the operator's ClusterPolicy does not become ready",
     "read the pod of the first state that is not ready"),
    ("OP-5", "operator", "node feature discovery has not labelled the node",
     "is the card visible to the node (lspci)? does the discovery worker run there?",
     (r"No GPU node in the cluster",)),
    ("OP-18", "operator", "a pod of the operator crashes again and again",
     "read its log: kubectl logs --previous"),
    ("SCH-1", "scheduler", "not enough free nvidia.com/gpu",
     "free a card, ask for fewer (validation.gpus), or add a node", (r"Insufficient nvidia\.com/gpu",)),
    ("SCH-2", "scheduler", "the node has a taint that GPU pods do not tolerate",
     "add it to cluster.tolerations, or remove it", (r"untolerated taint",)),
    ("SCH-6", "scheduler", "no node matches the pod's node name or labels",
     "correct cluster.nodes or cluster.nodeSelector"),
    ("SCH-7", "scheduler", "the node is cordoned", "kubectl uncordon NODE"),
    ("SCH-8", "scheduler", "the scheduler finds no place for a reason of its own",
     "read its sentence above"),
    ("PLM-8", "validation", "the validation Job failed before it could say why",
     "run pulumi up again: it makes the Job afresh"),
    ("PLM-15", "validation", "the validation Job is gone", "run pulumi up --refresh"),
    ("PLM-16", "validation", "the validation Job is still at work", "look at its pod: kubectl describe pod"),
)  # fmt: skip
FAILURES = [Failure(*row) for row in ROWS]
BY_ID = {failure.id: failure for failure in FAILURES}


def recognize(text: str) -> Optional[Failure]:
    """The failure that a message, an event or a log gives away."""
    for failure in FAILURES:
        if any(re.search(sign, text) for sign in failure.signs):
            return failure
    return None
