"""Who owns what on nodes of EKS: the image decides, and what is in it is nobody else's.

Sources: AWS's guides for its accelerated images, awslabs/amazon-eks-ami v20260714, Bottlerocket's guide for EKS,
NVIDIA's guide for the GPU operator on EKS (2026).
"""

from collections.abc import Mapping
from typing import Any

Choices = Mapping[Any, tuple[str, ...]]
Row = Mapping[str, Choices]

_AL2023_DRIVER = (
    "platform",
    "it is in the image AL2023_x86_64_NVIDIA; an operator that brings another breaks the node",
)
_AL2023_TOOLKIT = ("platform", "it is in the image, and nvidia is the default runtime there, with CDI")
_BOTTLEROCKET = ("platform", "it is in Bottlerocket's NVIDIA image, which nothing on the node can change")
_IN_THE_IMAGE = {
    "operator": ("gpu.driver", "the image has a driver already", "leave gpu.driver out; or aws.nodes.image: ubuntu"),
    "preinstalled": ("gpu.driver", "the image decides that: aws.nodes.image", "leave gpu.driver out"),
}
_TOOLKIT_IN_THE_IMAGE = {
    "operator": ("gpu.toolkit", "the image has it already", "leave gpu.toolkit out; or aws.nodes.image: ubuntu"),
    "preinstalled": ("gpu.toolkit", "the image decides that: aws.nodes.image", "leave gpu.toolkit out"),
}
_NOT_ON_UBUNTU = {
    "platform": ("gpu.driver", "Ubuntu's image for EKS has none", "leave gpu.driver out; or aws.nodes.image: al2023"),
    "preinstalled": ("gpu.driver", "Ubuntu's image for EKS has none", "leave gpu.driver out"),
}
_PLUGIN = ("operator", "the operator runs it: the image has none, and EKS installs none")
_CLASS = ("operator", "the operator makes RuntimeClass nvidia and overwrites any other of that name, so only it does")
_CLASSES: Choices = {
    None: _CLASS,
    "ours": _CLASS,
    "external": (
        "gpu.runtimeClass",
        "the operator that we install would overwrite the RuntimeClass nvidia that somebody else made",
        "gpu.runtimeClass: ours, or gpu.operator: external",
    ),
}
_THEIRS = ("external", "the operator that is there already brings it; we change nothing and the validation proves it")
_CLASSES_BESIDE_THEIRS: Choices = {
    None: _THEIRS,
    "external": _THEIRS,
    "ours": ("us", "we make RuntimeClass nvidia with handler nvidia, because nothing there does"),
}
_AL2023: Row = {
    "driver": {None: _AL2023_DRIVER, "platform": _AL2023_DRIVER, **_IN_THE_IMAGE},
    "toolkit": {None: _AL2023_TOOLKIT, **_TOOLKIT_IN_THE_IMAGE},
}
_IN_BOTTLEROCKET: Row = {
    "driver": {None: _BOTTLEROCKET, "platform": _BOTTLEROCKET, **_IN_THE_IMAGE},
    "toolkit": {None: _BOTTLEROCKET, **_TOOLKIT_IN_THE_IMAGE},
    "plugin": {None: ("platform", "Bottlerocket runs it; a second one would hand out each card twice")},
}

ROWS: Mapping[tuple[str, str], Row] = {
    ("aws", "install"): {**_AL2023, "plugin": {None: _PLUGIN}, "runtime_class": _CLASSES},
    ("aws", "external"): {**_AL2023, "plugin": {None: _THEIRS}, "runtime_class": _CLASSES_BESIDE_THEIRS},
    ("aws-bottlerocket", "none"): {
        **_IN_BOTTLEROCKET,
        "runtime_class": {
            None: ("platform", "pods need none: nvidia is the default runtime of that image"),
            "ours": ("gpu.runtimeClass", "pods need none with that image", "leave gpu.runtimeClass out"),
            "external": ("gpu.runtimeClass", "pods need none with that image", "leave gpu.runtimeClass out"),
        },
    },
    ("aws-bottlerocket", "install"): {**_IN_BOTTLEROCKET, "runtime_class": _CLASSES},
    ("aws-ubuntu", "install"): {
        "driver": {
            None: ("operator", "the operator's driver container installs it: Ubuntu's image for EKS has none"),
            "operator": ("operator", "the operator's driver container installs it"),
            **_NOT_ON_UBUNTU,
        },
        "toolkit": {
            None: ("operator", "the operator's toolkit container installs it and registers it with containerd"),
            "operator": ("operator", "the operator's toolkit container installs it"),
            "preinstalled": ("gpu.toolkit", "Ubuntu's image for EKS has none", "leave gpu.toolkit out"),
        },
        "plugin": {None: _PLUGIN},
        "runtime_class": _CLASSES,
    },
    ("aws-ubuntu", "external"): {
        "driver": {None: _THEIRS, **_NOT_ON_UBUNTU},
        "toolkit": {None: _THEIRS},
        "plugin": {None: _THEIRS},
        "runtime_class": _CLASSES_BESIDE_THEIRS,
    },
}
"""(variant, operator) -> thing -> what was asked for -> owner and reason, or setting, problem and fix."""


def variant(_driver: object, image: object) -> str:
    """Which rows are about this wish."""
    return "aws" if image in (None, "al2023") else f"aws-{image}"
