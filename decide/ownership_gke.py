"""Who owns what on GKE: two modes, `gpu.driver: platform` and `gpu.driver: operator`, and nothing in between.

Sources: Google's and NVIDIA's guides for the GPU operator on GKE, NVIDIA's AICR recipes (2026). What installs the
driver ends in the very DaemonSet that advertises the cards, so that both have one owner, always.
"""

Choices = dict[str | None, tuple[str, ...]]
OPT_OUT = "gke-no-default-nvidia-gpu-device-plugin"
_ONE = "GKE finishes the driver in the DaemonSet that hands out the cards: mixed, a node has no driver or two plugins"
_DRIVER: Choices = {
    "preinstalled": ("gpu.driver", "no image of GKE has a driver before GKE installs it", "gpu.driver: platform"),
}
_TOOLKIT: Choices = {
    "operator": ("gpu.toolkit", "follows from gpu.driver on GKE", "leave gpu.toolkit out"),
    "preinstalled": ("gpu.toolkit", "follows from gpu.driver on GKE", "leave gpu.toolkit out"),
}
_CLASS: Choices = {
    "external": ("gpu.runtimeClass", "nothing on GKE makes a RuntimeClass before us", "leave gpu.runtimeClass out"),
}
_PLATFORM = ("platform", "GKE installs it for the node's version and image (gpu.driver: platform)")
_PLUGIN = ("platform", "GKE's plugin hands out the cards, and nothing else may")
_OPERATORS_CLASS = ("operator", "the operator makes RuntimeClass nvidia and overwrites any other of that name")

ROWS: dict[tuple[str, str], dict[str, Choices]] = {
    ("gke", "none"): {
        "driver": {
            None: _PLATFORM,
            "platform": _PLATFORM,
            "operator": ("gpu.operator", f"none cannot bring a driver. {_ONE}", "gpu.operator: install"),
            **_DRIVER,
        },
        "toolkit": {None: ("platform", "GKE's plugin mounts the driver into pods; no toolkit is needed"), **_TOOLKIT},
        "plugin": {None: _PLUGIN},
        "runtime_class": {
            None: ("platform", "pods need none: GKE's plugin works with the default runtime"),
            "ours": ("gpu.runtimeClass", "no handler nvidia is there without a toolkit", "leave gpu.runtimeClass out"),
            **_CLASS,
        },
    },
    ("gke", "install"): {
        "driver": {None: _PLATFORM, "platform": _PLATFORM, **_DRIVER},
        "toolkit": {None: ("operator", "the operator's toolkit, with the driver from GKE's own folder"), **_TOOLKIT},
        "plugin": {None: _PLUGIN},
        "runtime_class": {None: _OPERATORS_CLASS, "ours": _OPERATORS_CLASS, **_CLASS},
    },
    ("gke-operator-cos", "install"): {
        "driver": {"operator": ("us", "Google's installer for COS, which we apply; the operator has no image for COS")},
        "toolkit": {None: ("operator", "the operator's toolkit container; it writes to GKE's own folder"), **_TOOLKIT},
        "plugin": {None: ("operator", f"the operator runs it; label {OPT_OUT} keeps GKE's away")},
        "runtime_class": {None: _OPERATORS_CLASS, "ours": _OPERATORS_CLASS, **_CLASS},
    },
    ("gke-operator-ubuntu", "install"): {
        "driver": {"operator": ("operator", "the operator's driver container; of GKE's images it serves Ubuntu alone")},
        "toolkit": {None: ("operator", "the operator's toolkit container"), **_TOOLKIT},
        "plugin": {None: ("operator", f"the operator runs it; label {OPT_OUT} keeps GKE's away")},
        "runtime_class": {None: _OPERATORS_CLASS, "ours": _OPERATORS_CLASS, **_CLASS},
    },
}  # fmt: skip
"""(variant, operator) -> thing -> what was asked for -> owner and reason, or setting, problem and fix."""


def variant(driver: object, image: object) -> str:
    """Which rows are about this wish."""
    if driver != "operator":
        return "gke"
    return "gke-operator-ubuntu" if str(image).upper().startswith("UBUNTU") else "gke-operator-cos"
