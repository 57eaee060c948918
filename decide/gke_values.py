"""Helm values that GKE asks for beside ownership: its folders, and how its container runtime takes a handler.

Sources: NVIDIA's guide for the operator on GKE (August 2026), AICR's values for COS, toolkit #1222.
"""

from typing import Any

INSTALL_DIR = "/home/kubernetes/bin/nvidia"
"""The only folder of COS that is writable and lets programs run; both installers of Google put the driver there."""
_FILE = (
    "toolkit.env",
    [{"name": "RUNTIME_CONFIG_SOURCE", "value": "file"}],
    "GKE 1.33 and newer: a configuration read from the running containerd forgets where GKE's network plugin is",
)
_COS = (
    ("hostPaths.driverInstallDir", INSTALL_DIR, "where the driver is on COS, whoever of Google's installed it"),
    ("toolkit.installDir", INSTALL_DIR, "COS runs programs from no other folder"),
    ("cdi.enabled", True, "GKE's containerd takes devices by CDI"),
    _FILE,
)
VALUES: dict[str, tuple[tuple[str, Any, str], ...]] = {
    "gke": _COS,
    "gke-operator-cos": _COS,
    # The operator's own driver lies where the operator looks for it: other folders would be empty.
    "gke-operator-ubuntu": (_FILE,),
}
"""Variant of `ownership_gke` -> path, value and reason."""
