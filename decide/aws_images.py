"""What the images of EKS bring: driver, toolkit, plugin, the disk that grows, and how a node is told what to do."""

import base64
import json
from collections.abc import Mapping
from typing import Any, NamedTuple


class Image(NamedTuple):
    """A kind of node image."""

    name: str
    ami_type: str | None
    """As the API of EKS calls it; None where the image is one's own, and nothing of the kind may be said."""
    disks: tuple[tuple[str, bool], ...]
    """Block devices, and whether it is the one that holds images and logs."""
    brings: frozenset[str]
    """What is in it: of driver, toolkit and plugin."""
    stores: tuple[str, ...] = ("none",)
    """What it can do with the disks of the instance."""


# Sources: EKS API model of boto3 1.44.5 (ami types); awslabs/amazon-eks-ami v20260714 and Bottlerocket's QUICKSTART-EKS
# (contents); read 2026-11-21. Device names: EKS and Canonical guides, not tried by us.
IMAGES: dict[str, Image] = {
    one.name: one
    for one in (
        Image(
            "al2023",
            "AL2023_x86_64_NVIDIA",
            (("/dev/xvda", True),),
            frozenset({"driver", "toolkit"}),
            ("raid0", "none"),
        ),
        Image(
            "bottlerocket",
            "BOTTLEROCKET_x86_64_NVIDIA",
            (("/dev/xvda", False), ("/dev/xvdb", True)),
            frozenset({"driver", "toolkit", "plugin"}),
        ),
        Image("ubuntu", None, (("/dev/sda1", True),), frozenset()),
    )
}
_BOUNDARY = "gpu-ready"  # any would do that the part does not hold; a random one would be a change at each up


def user_data(image: str, store: str, cluster: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """What a node is told at its first boot, in base64; empty where EKS says it all.

    `cluster` (`name`, `endpoint`, `ca`) matters to an image of one's own alone: EKS adds nothing to what that one gets.
    """
    if image == "al2023" and store == "raid0":
        return _in_base64(_mime(_NODE_CONFIG))
    if image == "ubuntu":
        return _in_base64(_bootstrap(cluster, labels))
    return ""


_NODE_CONFIG = json.dumps(
    {
        "apiVersion": "node.eks.aws/v1alpha1",
        "kind": "NodeConfig",
        # Images, container layers and pod logs on the disks of the instance, as one array; blank again after a stop.
        "spec": {"instance": {"localStorage": {"strategy": "RAID0"}}},
    },
    indent=1,
)


def _mime(part: str) -> str:
    return "\n".join(
        (
            "MIME-Version: 1.0",
            f'Content-Type: multipart/mixed; boundary="{_BOUNDARY}"',
            "",
            f"--{_BOUNDARY}",
            "Content-Type: application/node.eks.aws",
            "",
            part,
            "",
            f"--{_BOUNDARY}--",
            "",
        )
    )


def _bootstrap(cluster: Mapping[str, str], labels: Mapping[str, str]) -> str:
    shown = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    words = (
        "/etc/eks/bootstrap.sh",
        cluster["name"],
        f"--apiserver-endpoint {cluster['endpoint']}",
        f"--b64-cluster-ca {cluster['ca']}",
        f"--kubelet-extra-args '--node-labels={shown}'",
    )
    return "#!/bin/bash\nset -e\n" + " ".join(words) + "\n"


def _in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def release_problem(image: str, release: str | None) -> str:
    """Why a release cannot be pinned for an image."""
    if release and IMAGES[image].ami_type is None:
        return "has no effect on an image of your own, whose id says it all"
    return ""


def as_export(image: str) -> dict[str, Any]:
    """Plain values for a report."""
    one = IMAGES[image]
    return {"image": one.name, "amiType": one.ami_type or "CUSTOM", "brings": sorted(one.brings)}
