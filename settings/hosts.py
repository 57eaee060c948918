"""The settings of target `bareMetal`: each host, how it is reached, and what it shall have."""
# ruff: noqa: RUF009 - setting() is dataclasses.field() with metadata

from dataclasses import dataclass
from typing import Any

from decide import defaults
from decide.host_login import HOST_NAME, MOST_PORTS, NODE_NAME, STATES, SUDO, USER
from decide.host_wish import CHECKSUM, REBOOTS, STORES
from settings.ec2 import Ec2, Ec2Host
from settings.host_drain import Drain
from settings.host_driver import HostDriver
from settings.host_join import EXAMPLE_K3S, Join, Joined, K3s, plain
from settings.host_kinds import MIRROR, SHA256, Address, HostKey, ToolkitVersion, Url
from settings.kinds import Choice, Count, ListOf, Section, Text, setting

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdwdS1yZWFkeSBleGFtcGxlIG5vdCBhIHJlYWwga2V5"
"""Of the right form for an example, and the key of nobody."""


@dataclass(frozen=True)
class HostToolkit:
    """The container toolkit of a host."""

    version: str | None = setting(
        ToolkitVersion(),
        f"version: {defaults.TOOLKIT_VERSION}",
        "Exact version. Without it a toolkit that is there already is never moved.",
        None,
        f"{defaults.TOOLKIT_VERSION} at the first install",
    )


@dataclass(frozen=True)
class Host:
    """A host that is a node of the cluster, or is about to be one."""

    name: str = setting(
        Text("a short name of small letters, digits and dashes", HOST_NAME, 32),
        "name: rtx",
        "Its name in this stack; the node gets it as label `gpu-ready/host`.",
    )
    address: str | None = setting(
        Address(),
        "address: rtx.home.arpa",
        "Host name or address at which ssh answers.",
        None,
        "required, but for `ec2`",
    )
    host_key: str | None = setting(
        HostKey(),
        f"hostKey: {KEY}",
        "The public key that the host has to show (`ssh-keyscan -t ed25519 ADDRESS`).",
        None,
        "required, but for `ec2`",
    )
    ec2: Ec2Host | None = setting(
        Section(Ec2Host, short="type"),
        "ec2: {type: g5.xlarge, image: rocky-9}",
        "The host is an instance that this stack makes, as `bareMetal.ec2` says; address, key and user follow.",
        None,
    )
    port: int = setting(Count(1, MOST_PORTS), "port: 22", "Port of ssh.", defaults.SSH_PORT)
    user: str = setting(
        Text("the name of a user", USER, 32),
        "user: ubuntu",
        "Who logs in; a first one has to be let in still when there is another.",
        "root",
    )
    sudo: str = setting(
        Choice(SUDO),
        "sudo: password",
        "How that user becomes root; `password` takes the secret `sshPassword`. Root needs none.",
        "passwordless",
    )
    state: str = setting(
        Choice(STATES),
        "state: offline",
        "`offline`: it is not talked to for now. `abandoned`: it will not come back, and can be taken out.",
        "present",
    )
    reboot: str | None = setting(
        Choice(REBOOTS), "reboot: ifNeeded", "Overrides `bareMetal.reboot` for this host.", None, "bareMetal.reboot"
    )
    instance_store: str | None = setting(
        Choice(STORES),
        "instanceStore: containers",
        "Overrides `bareMetal.instanceStore` for this host.",
        None,
        "bareMetal.instanceStore",
    )
    look: int = setting(
        Count(1, 1_000_000),
        "look: 2",
        "A host is looked at when its wish changes; another number looks again, after it was mended by hand.",
        1,
    )
    node_name: str | None = setting(
        Text("the name of a node", NODE_NAME),
        "nodeName: gpu-1",
        "Name of its node, where it cannot be found by its machine-id; another machine is refused.",
        None,
    )
    join: Join | None = setting(
        Joined(Join, "k3s"),
        "join: k3s",
        "How it becomes a node, where it is nobody's yet.",
        None,
        "it is a node already",
    )
    driver: HostDriver = setting(
        Section(HostDriver), "driver: {branch: 580}", "Which driver it shall have.", HostDriver(), "{}"
    )
    toolkit: HostToolkit = setting(
        Section(HostToolkit), "toolkit: {version: 1.20.0}", "Which container toolkit.", HostToolkit(), "{}"
    )

    @property
    def needs_password(self) -> bool:
        """Whether sudo asks for one."""
        return self.user != "root" and self.sudo == "password" and self.state == "present"

    def wish(self, reboot: str, store: str) -> dict[str, Any]:
        """What it shall have, as `decide.host_plan` reads it; of its disks only where it is for something."""
        used = self.instance_store or store
        return {
            "name": self.name,
            "driver": {key: value for key, value in vars(self.driver).items() if value not in (None, ())},
            "toolkit": {"version": self.toolkit.version},
            "reboot": self.reboot or reboot,
            "runtime": "auto",
            **({"instance_store": used} if used != "none" else {}),
        }


@dataclass(frozen=True)
class Repository:
    """A mirror, flat as NVIDIA's own repository is. http will do: apt takes nothing but what the key has signed."""

    url: str = setting(Url(), f"url: {MIRROR}/deb/amd64", "The folder in which `InRelease` lies.")
    key_url: str = setting(
        Url(),
        f"keyUrl: {MIRROR}/gpgkey",
        "The key, armored; or a package (`.deb`) that brings key and list along, as `cuda-keyring` does.",
    )
    key_sha256: str = setting(
        Text("a checksum of 64 small letters and digits", CHECKSUM, 64),
        f"keySha256: {SHA256}",
        "Checksum of that file (`sha256sum`). It decides what is trusted, so take it from where the key was made.",
    )


@dataclass(frozen=True)
class Repositories:
    """Mirrors, for hosts that cannot reach NVIDIA's. What is installed by then stays, and so does its list."""

    cuda: Repository | None = setting(
        Section(Repository),
        f"cuda: {{url: {MIRROR}/cuda, keyUrl: {MIRROR}/cuda.asc, keySha256: {SHA256}}}",
        "Of the CUDA repository, which has the driver for all but Ubuntu, whose own archive has it. It is one for all "
        "hosts of a stack.",
        None,
        "NVIDIA's",
    )
    toolkit: Repository | None = setting(
        Section(Repository),
        f"toolkit: {{url: {MIRROR}/deb/amd64, keyUrl: {MIRROR}/gpgkey, keySha256: {SHA256}}}",
        "Of the container toolkit's repository.",
        None,
        "NVIDIA's",
    )

    def plain(self) -> dict[str, dict[str, str]]:
        """Those that were named."""
        return {name: dict(vars(one)) for name, one in vars(self).items() if one}


@dataclass(frozen=True)
class BareMetal:
    """Hosts over SSH: driver, container toolkit and runtime are made ready on each."""

    hosts: tuple[Host, ...] = setting(
        ListOf(Section(Host)),
        f"hosts: [{{name: rtx, address: rtx.home.arpa, hostKey: {KEY}}}]",
        "The hosts.",
    )
    reboot: str = setting(
        Choice(REBOOTS),
        "reboot: ifNeeded",
        "`ifNeeded`: a host may be rebooted when its driver needs that. `never`: then it is refused, with what to run.",
        "never",
    )
    reboot_timeout_seconds: int = setting(
        Count(60, defaults.LONGEST_TIMEOUT_SECONDS, "seconds"),
        f"rebootTimeoutSeconds: {defaults.REBOOT_TIMEOUT_SECONDS}",
        "How long a host may be away.",
        defaults.REBOOT_TIMEOUT_SECONDS,
    )
    instance_store: str = setting(
        Choice(STORES),
        "instanceStore: containers",
        "`containers`: images and containers of a host lie on its instance store (g5, g6, p4d ...), several disks as "
        "RAID 0; its pods end and start again, once. Only blank disks are taken. `none`: they are left alone.",
        "none",
    )
    drain: Drain = setting(
        Section(Drain),
        "drain: {timeoutSeconds: 1800}",
        "What happens to the pods of a host before it goes down.",
        Drain(),
        "{}",
    )
    ec2: Ec2 | None = setting(
        Section(Ec2),
        f"ec2: {{region: us-east-1, subnet: subnet-0123456789abcdef0, sshFrom: [203.0.113.7/32], publicKey: {KEY}}}",
        "Where and how the instances are made, for hosts that are some.",
        None,
        "required where a host has `ec2`",
    )
    k3s: K3s | None = setting(
        Section(K3s),
        EXAMPLE_K3S,
        "By which k3s hosts become nodes, for those that say `join`.",
        None,
        "required where a host says `join`",
    )
    repositories: Repositories = setting(
        Section(Repositories),
        f"repositories: {{toolkit: {{url: {MIRROR}/deb/amd64, keyUrl: {MIRROR}/gpgkey, keySha256: {SHA256}}}}}",
        "Mirrors of the repositories that driver and toolkit come from.",
        Repositories(),
        "NVIDIA's",
    )

    @property
    def servers(self) -> list[str]:
        """Addresses of the hosts that make a cluster."""
        return [host.address or "" for host in self.hosts if host.join is not None and host.join.k3s == "server"]

    def hosts_args(self) -> list[dict[str, Any]]:
        """Each host that is there already, in plain values."""
        return [self._plain(host) for host in self.hosts if host.ec2 is None]

    def instances_args(self) -> list[dict[str, Any]]:
        """Each host that is to be made; how it is reached is known once it is there."""
        unknown = ("address", "host_key", "user", "port")
        made = [(host.ec2, self._plain(host)) for host in self.hosts if host.ec2 is not None]
        return [{**{key: one[key] for key in one if key not in unknown}, "ec2": ec2.plain()} for ec2, one in made]

    def _plain(self, host: Host) -> dict[str, Any]:
        mirrors = self.repositories.plain()
        # Said only where there are any: a stack without them stays as it is.
        said = {**({"repositories": mirrors} if mirrors else {}), **self.drain.wish()}
        wish = {**host.wish(self.reboot, self.instance_store), **said}
        if host.join is not None:
            wish["join"] = plain(host.join, self.k3s, self.servers)
        return {
            "name": host.name,
            "address": host.address,
            "port": host.port,
            "user": host.user,
            "host_key": host.host_key,
            "sudo": host.sudo,
            "state": host.state,
            "look": host.look,
            "node_name": host.node_name,
            "wish": wish,
            "reboot": wish["reboot"],
            "reboot_timeout_seconds": self.reboot_timeout_seconds,
        }
