"""The settings of machines that become nodes by a k3s of ours."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from decide import host_join
from decide.host_join import CHECKSUMS, EXAMPLE, RELEASES, ROLES
from decide.remainder import Left
from settings.faults import FIX, Fault
from settings.kinds import BROKEN, Choice, Flag, Place, Section, Text, setting

SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
EXAMPLE_K3S = f'k3s: {{version: "{EXAMPLE}", sha256: {SHA256}}}'
TOKEN_FILE = "/var/lib/rancher/k3s/server/node-token"


@dataclass(frozen=True)
class Join:
    """How a host becomes a node. `join: k3s` alone says the same as `join: {k3s: server}`."""

    k3s: str = setting(
        Choice(ROLES),
        "k3s: server",
        "`server`: a cluster of its own begins there. `agent`: it joins a server, by the secret `k3sToken`.",
    )
    server: str | None = setting(
        Text("an address with https://", host_join.SERVER),
        "server: https://first.home.arpa:6443",
        "Of an agent: the server that it joins.",
        None,
        "the host of this stack that is one",
    )


@dataclass(frozen=True)
class Joined(Section):
    """A join, whose usual one is a word."""

    shape: type = Join
    short: str = "k3s"

    def read(self, given: Any, place: Place) -> Any:
        """The dataclass."""
        return super().read({"k3s": "server"} if given == "k3s" else given, place)


@dataclass(frozen=True)
class K3s:
    """The k3s by which hosts become nodes: one program, fetched from its release, never a script from the network."""

    version: str = setting(
        Text(f"a release of k3s such as {EXAMPLE}", host_join.VERSION),
        f'version: "{EXAMPLE}"',
        "Release of k3s. Another one moves it: the service is started anew, pods go on running.",
    )
    sha256: str = setting(
        Text("a checksum of 64 small letters and digits", host_join.SHA256, 64),
        f"sha256: {SHA256}",
        f"Checksum of its program: the line `k3s` in `{CHECKSUMS}` of that release ({RELEASES}/VERSION/{CHECKSUMS}). "
        "Nothing else is ever run.",
    )
    url: str | None = setting(
        Text("the address of a file with http:// or https://, in plain letters,", host_join.URL, 2000),
        "url: http://mirror.home.arpa/k3s/k3s",
        "Where the program is fetched, for hosts that cannot reach GitHub.",
        None,
        "that release on GitHub",
    )
    remove_data: bool = setting(
        Flag(),
        "removeData: true",
        "Whether `destroy` deletes the cluster's data (`/var/lib/rancher/k3s`: its objects, volumes, images). "
        "Otherwise they stay, and the next `up` takes them up again.",
        False,
    )


def plain(join: Any, k3s: Any, servers: list[str]) -> dict[str, Any]:
    """A join as the components want it."""
    joins = join.server or (f"https://{servers[0]}:6443" if servers and join.k3s == "agent" else None)
    whole = {"k3s": join.k3s, **vars(k3s), "server": joins}
    return {key: value for key, value in whole.items() if value not in (None, False)}


def goes(bare_metal: Any) -> str:
    """What goes with destroy as a whole: the cluster, where it began on a host whose data goes."""
    return "cluster" if bare_metal and bare_metal.servers and bare_metal.k3s.remove_data else ""


def left(bare_metal: Any) -> list[Left]:
    """What destroy leaves of k3s."""
    if bare_metal is None:
        return []
    joined = [host for host in bare_metal.hosts if host.join is not None]
    agents = [host.name for host in joined if host.join.k3s == "agent"] if not bare_metal.servers else []
    found = []
    if joined and not bare_metal.k3s.remove_data:
        why = "removeData is not true; the next up takes it up again"
        where = ", ".join(host.name for host in joined)
        found.append(Left(f"the data of k3s on {where}", why, "there: rm -r /var/lib/rancher/k3s /etc/rancher/node"))
    if agents:
        why = "nothing of k3s takes a node out of its cluster"
        found.append(Left(f"the nodes of {', '.join(agents)}", why, "kubectl delete node NODE"))
    return found


def faults(bare_metal: Any, given: set[str], has_token: bool) -> Iterator[Fault]:
    """What hosts say against each other, against the cluster, or without effect."""
    hosts = list(enumerate(bare_metal.hosts))
    joining = [(number, host.join) for number, host in hosts if host.join is not None]
    if BROKEN in [one for _, one in joining] or BROKEN in [one.k3s for _, one in joining] or bare_metal.k3s is BROKEN:
        return
    yield from _common(bare_metal.k3s, joining, has_token)
    has_server = any(one.k3s == "server" for _, one in joining)
    for number, host in hosts:
        if host.join is not None:
            yield from _of_host(f"bareMetal.hosts[{number}].join", host, has_server)
            yield from _with_disks(f"bareMetal.hosts[{number}].instanceStore", host, bare_metal)
    roles = [host.join.k3s if host.join is not None else "" for _, host in hosts]
    for one in host_join.clashes(roles, "cluster.context" in given, "cluster.kubeconfig" in given):
        path = f"bareMetal.{one.key}" if one.key.startswith("hosts") else f"cluster.{one.key}"
        if one.key != "context" or "server" in roles:
            yield Fault(path, one.problem, one.fix, FIX)


def _common(k3s: Any, joining: list[tuple[int, Any]], has_token: bool) -> Iterator[Fault]:
    """What is said once for all of them."""
    agents = [number for number, join in joining if join.k3s == "agent"]
    if joining and k3s is None:
        yield Fault("bareMetal.k3s", "is missing: which k3s", f'k3s: {{version: "{EXAMPLE}", sha256: ...}}')
    if k3s is not None and not joining:
        yield Fault("bareMetal.k3s", "has no effect: no host says join", "hosts: [{name: box, join: k3s, ...}]")
    if agents and not has_token:
        fix = f"pulumi config set --secret gpu-ready:k3sToken; a server has it in {TOKEN_FILE}"
        yield Fault(f"bareMetal.hosts[{agents[0]}].join", "wants the secret k3sToken", fix, FIX)
    if has_token and not joining:
        yield Fault("k3sToken", "has no effect: no host says join", "pulumi config rm gpu-ready:k3sToken", FIX)


def _with_disks(path: str, host: Any, bare_metal: Any) -> Iterator[Fault]:
    """The folder of a k3s that comes later cannot be moved before it is there."""
    if (host.instance_store or bare_metal.instance_store) == "containers":
        yield Fault(path, "cannot be brought to a k3s of ours in this release", "instanceStore: none", FIX)


def _of_host(path: str, host: Any, has_server: bool) -> Iterator[Fault]:
    """What a single one says that cannot be."""
    join = host.join
    if host.ec2 is not None:
        yield Fault(path, "is for a machine that is there; an instance is joined by joinScript", "leave join out", FIX)
    if join.k3s == "agent" and join.server is None and not has_server:
        yield Fault(f"{path}.server", "is missing: no host of this stack is a server", "server: https://...:6443")
    if join.k3s == "server" and join.server is not None:
        yield Fault(f"{path}.server", "has no effect on a server", "leave server out", FIX)
