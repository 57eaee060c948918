"""The settings of hosts that are EC2 instances, which this stack makes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from decide import aws_prices, defaults
from decide.aws_hosts import IMAGES
from settings.kinds import Choice, Count, Flag, Labels, ListOf, Text, setting

REGION = r"[a-z]{2}(-[a-z]+)+-[0-9]"
PUBLIC_KEY = r"(ssh-ed25519|ssh-rsa) [A-Za-z0-9+/]{40,}=*( [^\x00-\x1f\x7f]*)?"


def _id(kind: str) -> Text:
    return Text(f"an id such as {kind}-0123456789abcdef0", rf"{kind}-[0-9a-f]{{8,17}}")


@dataclass(frozen=True)
class Ec2Host:
    """An instance. `ec2: g5.xlarge` alone says the same as `ec2: {type: g5.xlarge}`."""

    type: str = setting(
        Text("an instance type", r"[a-z0-9-]+\.[a-z0-9]+"), "type: g5.xlarge", "Instance type, with NVIDIA cards."
    )
    image: str = setting(
        Choice(tuple(IMAGES)),
        "image: rocky-9",
        "Distribution. Its newest image when the instance is made, and moved by nobody.",
        "rocky-9",
    )
    ami: str | None = setting(
        _id("ami"),
        "ami: ami-0123456789abcdef0",
        "An image of your own, made of that distribution. One that joins the cluster by itself needs no `joinScript`.",
        None,
        "the distribution's own",
    )

    def plain(self) -> dict[str, Any]:
        """In plain values."""
        return {key: value for key, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Ec2:
    """Where and how instances are made."""

    region: str = setting(Text("a region", REGION, 32), "region: us-east-1", "Region of the instances.")
    subnet: str = setting(
        _id("subnet"), "subnet: subnet-0123456789abcdef0", "Subnet of the instances, with a way to your cluster."
    )
    ssh_from: tuple[str, ...] = setting(
        ListOf(Text("a network", r"[0-9a-fA-F.:]+/[0-9]+")),
        "sshFrom: [203.0.113.7/32]",
        "From where ssh is let in: where pulumi runs. The whole world is refused.",
    )
    public_key: str = setting(
        Text("a public key of ssh, as in id_ed25519.pub,", PUBLIC_KEY, 2000),
        "publicKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdwdS1yZWFkeSBleGFtcGxlIG5vdCBhIHJlYWwga2V5",
        "Your public key, which is let in; its private one is in the ssh-agent, or the secret `sshPrivateKey`.",
    )
    security_groups: tuple[str, ...] = setting(
        ListOf(_id("sg")),
        "securityGroups: [sg-0123456789abcdef0]",
        "Groups beside the one for ssh: what your cluster needs between its nodes.",
        (),
    )
    address: str = setting(
        Choice(("public", "private")),
        "address: private",
        "`public`: an elastic address each, which stays when it is stopped. `private`: the one in its subnet.",
        "public",
    )
    disk_gib: int = setting(
        Count(30, 16384, "GiB"), f"diskGib: {defaults.NODE_DISK_GIB}", "Encrypted gp3 disk.", defaults.NODE_DISK_GIB
    )
    account: str | None = setting(
        Text("the 12 digits of an account", r"[0-9]{12}"),
        'account: "123456789012"',
        "Account in which alone anything is made; with the credentials of another one up is refused.",
        None,
        "whichever the credentials are of",
    )
    tags: Mapping[str, str] = setting(Labels(), "tags: {team: research}", "Tags of all that is made in AWS.", {})
    allow_replace: bool = setting(
        Flag(), "allowReplace: true", "Whether up may end or stop an instance to change it.", False
    )

    def plain(self) -> dict[str, Any]:
        """In plain values, as `decide.aws_hosts` and the component know it; what follows a key is for people."""
        said = {key: list(one) if isinstance(one, tuple) else one for key, one in vars(self).items()}
        known = {key: one for key, one in said.items() if one is not None}
        return {**known, "tags": dict(self.tags), "public_key": " ".join(self.public_key.split()[:2])}

    def lines(self, hosts: list[dict[str, Any]]) -> list[str]:
        """What they cost."""
        return list(aws_prices.host_lines(self.region, hosts))
