"""What is said of a host in more than a word: where packages come from, and how it becomes a node."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypedDict

import pulumi
from typing_extensions import NotRequired

from components.outputs import resolved


class PackageRepository(TypedDict):
    """A mirror, flat as NVIDIA's own repository is."""

    url: str
    """The folder in which `InRelease` lies."""
    key_url: str
    """The key that has signed it, armored; or a package that brings key and list along."""
    key_sha256: str
    """Checksum of that file."""


class PackageRepositories(TypedDict):
    """Mirrors, for a host that cannot reach NVIDIA's."""

    cuda: NotRequired[PackageRepository]
    """Of the CUDA repository, which has the driver for all but Ubuntu."""
    toolkit: NotRequired[PackageRepository]
    """Of the container toolkit's repository."""


class JoinAs(str, Enum):
    """What a machine becomes."""

    SERVER = "server"
    """A cluster of one machine, to which agents may come."""
    AGENT = "agent"
    """A node of a server that is there."""


class HostJoin(TypedDict):
    """A machine that is nobody's node becomes one by k3s, once driver and toolkit are there."""

    k3s: JoinAs
    """As what: `server` or `agent`."""
    version: str
    """Release of k3s, such as `v1.34.1+k3s1`."""
    sha256: str
    """Checksum of its program: the line `k3s` in `sha256sum-amd64.txt` of that release."""
    url: NotRequired[str]
    """Where the program is fetched. Default: the release on GitHub"""
    server: NotRequired[str]
    """Of an agent: the server, such as `https://first.home.arpa:6443`."""
    remove_data: NotRequired[bool]
    """Whether destroy takes the data of the cluster too. Default: no, it stays"""


def join_values(planned: Mapping[str, Any], address: str, token: str | None, look: int) -> dict[str, Any]:
    """What only here is known; nothing where the host is refused. Another look reads the kubeconfig anew."""
    return {**planned, "GR_ADDRESS": address, "GR_TOKEN": token or "", "GR_LOOK": look} if planned else {}


def reboot_values(values: pulumi.Output[Any], driver: pulumi.Output[Any]) -> pulumi.Output[dict[str, Any]]:
    """Whether it is needed is found out on the host; the boot id names the boot that is to be left, and no other."""
    keys = {"GR_REBOOT": "reboot", "GR_BOOT_ID": "boot_id", "GR_DRIVER": "driver"}
    return resolved([values, driver]).apply(
        lambda both: {**both[0], **{name: both[1].get(key, "") for name, key in keys.items()}}
    )
