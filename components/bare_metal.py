"""Bare-metal hosts over SSH: made ready one by one, and found again as nodes of a cluster that is there."""

from collections import Counter
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import Any, TypedDict

import pulumi
from pulumi import ResourceOptions
from typing_extensions import NotRequired

from components.choices import BroughtBy, GpuChoices, by_claim, made_namespace, owned, reading, text
from components.gpu_host import GpuHost, GpuHostArgs, owner, wish_of
from components.host_drain import Drains, HostDrain
from components.host_step import Patience
from components.local_step import answer, reading_step
from components.outputs import resolved
from decide import defaults, host_join, host_login, host_wish
from decide.host_wish import HostWish, read_wish
from decide.kubeconfig import k3s_kubeconfig
from decide.slots import field_manager, workload_selector
from decide.wording import shown, strangers

LATER = (pulumi.Output, Awaitable)


class BareMetalGpuNodesArgs(TypedDict):
    """Which hosts, and of which cluster they are nodes."""

    context: NotRequired[pulumi.Input[str]]
    """Context of the kubeconfig; never the current one by accident. Required, but where a host makes the cluster."""
    hosts: list[GpuHostArgs]
    """The hosts."""
    kubeconfig: NotRequired[pulumi.Input[str]]
    """Path of the kubeconfig file. Default: ~/.kube/config"""
    private_key: NotRequired[pulumi.Input[str]]
    """Private key for ssh, as a secret; without it the ssh-agent is asked."""
    password: NotRequired[pulumi.Input[str]]
    """Password, as a secret: for ssh, and for sudo where that wants one."""
    k3s_token: NotRequired[pulumi.Input[str]]
    """Token by which k3s agents join, as a secret."""
    gpu: NotRequired[GpuChoices]
    """Who brings what."""
    drain: NotRequired[HostDrain]
    """What happens to the pods of a host that is rebooted or gets another driver."""
    validation_namespace: NotRequired[str]
    """Namespace that a validation is going to make: refused when somebody else has made it already."""


class BareMetalGpuNodes(pulumi.ComponentResource):
    """Hosts over SSH that become GPU nodes. The cluster is looked at first, then each host is made ready and proven."""

    TOKEN = "gpu-ready:index:BareMetalGpuNodes"

    kubeconfig: pulumi.Output[str]
    """Path of the kubeconfig file; of a cluster that a host makes its text, as a secret."""
    context: pulumi.Output[str]
    """Context of the kubeconfig."""
    node_selector: pulumi.Output[dict[str, str]]
    """Labels by which a workload finds GPU nodes."""
    hosts: pulumi.Output[dict[str, Any]]
    """Per host: its node, and what the host itself showed of driver, toolkit, runtime and cards when it was asked."""

    def __init__(self, name: str, args: BareMetalGpuNodesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(self.TOKEN, name, {}, opts)
        gpu = host_choices(args.get("gpu") or {})
        installs = owned(gpu).installs
        self.node_selector = pulumi.Output.from_input(workload_selector({}, installs))
        common: dict[str, Any] = {
            "private_key": args.get("private_key"),
            "password": args.get("password"),
            "k3s_token": args.get("k3s_token"),
            "patience": Patience(name),
            "wish": {**wish_of_all(gpu), **({} if drains_of(args).get("enabled", True) else {"drain": False})},
        }
        server = self._server(name, args, common)
        cluster = {**reading(gpu, self.kubeconfig, self.context), "nodes": [], "node_selector": {}}
        makes = (made_namespace(gpu), args.get("validation_namespace"))
        common["after"] = self._look(
            name, {**cluster, "makes": [one for one in makes if one]}, server.last if server else None
        )
        hosts = told_apart(self._hosts(name, args, common), args.get("password") is not None)
        made = [server if server and one is server.args else self._host(name, one, common) for one in hosts]
        drains = Drains(name, drains_of(args), cluster, ResourceOptions(parent=self))
        others = [one for one in made if one is not server]
        chains = drains.chains([one.going for one in others if one.may_go])
        for one in others:
            one.make(chains.get(one.args["name"]))
        by_name = {one.args["name"]: one for one in made}
        found = self._match(name, cluster, by_name)
        nodes, marks = found["nodes"], found["marks"]
        self.node_of_host = {host: nodes[host] for host in by_name}
        self.marks = {host: marks[host] for host in by_name}
        self.made = {host: one.made for host, one in by_name.items()}
        self.away = {host: one.state for host, one in by_name.items() if one.state != "present"}
        self.any_node = found["any_node"]
        shown = {host: one.report for host, one in by_name.items()}
        known = resolved({"nodes": nodes, "reports": shown, "states": self.away})
        self.hosts = known.apply(with_nodes)
        outputs = ("kubeconfig", "context", "node_selector", "hosts")
        self.register_outputs({key: getattr(self, key) for key in outputs})

    def _server(self, name: str, args: BareMetalGpuNodesArgs, common: Mapping[str, Any]) -> GpuHost | None:
        """The host that makes the cluster, before anybody can look at that; and by which kubeconfig it is reached."""
        one = server_among(args)
        if one is None:
            self.kubeconfig = pulumi.Output.from_input(args.get("kubeconfig") or defaults.KUBECONFIG)
            self.context = pulumi.Output.from_input(args["context"])
            return None
        told_apart(args["hosts"], args.get("password") is not None)
        # Whoever has no kubectl would be told so only after all that is done to the host.
        login = reading_step(f"{name}-login", "login", {}, defaults.LOOK_SECONDS, ResourceOptions(parent=self))
        # The cluster is on it: nothing could go elsewhere, nor tell us so while it is away.
        alone = {**common, "after": login, "wish": {**common["wish"], "drain": False}}
        made = GpuHost(name, one, alone, ResourceOptions(parent=self))
        made.make()
        context = f"{pulumi.get_stack()}-{one['name']}"
        self.identifier = f"k3s:{owner(made.prefix)}"
        self.context = pulumi.Output.from_input(context)
        known = pulumi.Output.all(made.joined, one["address"])
        self.kubeconfig = pulumi.Output.secret(known.apply(lambda two: k3s_kubeconfig(two[0], two[1], context)))
        return made

    def _hosts(self, _name: str, args: BareMetalGpuNodesArgs, _common: Mapping[str, Any]) -> Sequence[GpuHostArgs]:
        """The hosts, once they are there."""
        return args["hosts"]

    def _host(self, name: str, host: GpuHostArgs, common: Mapping[str, Any]) -> GpuHost:
        """A host that is made ready."""
        return GpuHost(name, host, common, ResourceOptions(parent=self))

    def _look(self, name: str, params: Mapping[str, Any], after: pulumi.Resource | None) -> pulumi.Resource:
        """A cluster that is there comes first: nothing is done to a host for one that does not fit."""
        opts = ResourceOptions(parent=self, depends_on=[after] if after else [])
        return reading_step(f"{name}-look", "look", params, defaults.LOOK_SECONDS, opts)

    def _match(self, name: str, cluster: Mapping[str, Any], hosts: Mapping[str, GpuHost]) -> pulumi.Output[Any]:
        """The hosts as nodes: by their machine-ids, and by their boot ids where clones share one."""
        params = {
            **cluster,
            "hosts": [
                {
                    "name": host,
                    "machine_id": one.machine_id,
                    "boot_id": one.boot_id,
                    "node": one.args.get("node_name") or "",
                    "present": one.state == "present",
                    "manager": field_manager(owner(one.prefix)),
                }
                for host, one in hosts.items()
            ],
        }
        opts = ResourceOptions(parent=self, depends_on=[one.last for one in hosts.values()])
        return answer(reading_step(f"{name}-match", "match", params, defaults.MATCH_SECONDS, opts))


def drains_of(args: BareMetalGpuNodesArgs) -> HostDrain:
    """What was said of drains."""
    return args.get("drain") or {}


def server_among(args: BareMetalGpuNodesArgs) -> GpuHostArgs | None:
    """The host that makes the cluster; then all others join it, and no other cluster is named."""
    roles = [role_of(one) for one in args["hosts"]]
    for one in host_join.clashes(roles, bool(args.get("context")), bool(args.get("kubeconfig"))):
        raise pulumi.InputPropertyError(one.key, f"{one.problem}. Right: {one.fix}")
    return args["hosts"][roles.index("server")] if "server" in roles else None


def role_of(host: Any) -> str:
    """As what it joins; empty where it is a node already."""
    join = host.get("join") if isinstance(host, Mapping) else None
    return (text(join.get("k3s")) or "") if isinstance(join, Mapping) else ""


def told_apart(hosts: Sequence[GpuHostArgs], has_password: bool) -> Sequence[GpuHostArgs]:
    """Hosts without faults: at least one, and none twice."""
    for number, one in enumerate(hosts):
        refuse_faults(f"hosts[{number}]", one, has_password)
    known = Counter(mark for one in hosts for mark in marks(one))
    twice = [f"more than one host {mark}" for mark, times in known.items() if times > 1]
    if twice or not hosts:
        raise pulumi.InputPropertyError("hosts", "; ".join(twice) or "at least one host belongs here")
    return hosts


def marks(host: GpuHostArgs) -> Iterator[str]:
    """What no two hosts may share, as far as it is known."""
    yield f"is called {host['name']}"
    address, port = host["address"], host.get("port", 22)
    if isinstance(address, str) and isinstance(port, (int, float)):
        yield f"is at {host_login.place(address, port)}"
    if host.get("node_name"):
        yield f"is node {host['node_name']}"


def refuse_faults(path: str, host: GpuHostArgs, has_password: bool) -> None:
    """By the rules of a stack file; what is not known yet cannot be checked."""
    if not isinstance(host, Mapping):
        raise pulumi.InputPropertyError(path, f"a host with name, address and hostKey belongs here, got {shown(host)}")
    known: dict[str, Any] = {key: value for key, value in host.items() if not isinstance(value, LATER)}
    known |= {key: text(known[key]) for key in host_login.CHOICES if key in known}
    wrong = [(key, "is missing") for key in ("name", "address", "host_key") if key not in host]
    wrong += strangers(host, GpuHostArgs.__annotations__)
    wrong += host_login.faults(known, has_password)
    in_wish = [] if wrong else list(faults_of_wish(wish_of(host)))
    wrong += [one for one in in_wish if one[0] not in dict(wrong)]
    if wrong:
        said = "; ".join(f"{camel(key)}: {problem}" for key, problem in wrong)
        raise pulumi.InputPropertyError(f"{path}.{camel(wrong[0][0])}", said)


def faults_of_wish(wish: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The argument that a fault of a wish is about, and what is wrong with it."""
    read = read_wish(wish)
    if isinstance(read, HostWish):
        said = [(path, words, f"{path}: {words}") for path, words in host_wish.faults(read)]
    else:
        said = [(path, words, f"{path} {words}") for path, _, words in (one.problem.partition(" ") for one in read)]
    for path, words, both in said:
        yield ("toolkit_version", words) if path == "toolkit.version" else (path.partition(".")[0], both)


def camel(key: str) -> str:
    """The name of an argument as other languages write it."""
    first, *others = key.split("_")
    return first + "".join(one.title() for one in others)


def with_nodes(found: Mapping[str, Any]) -> dict[str, Any]:
    """What each host shows, the name of its node, and whether it is there."""
    states = {host: {"state": state} for host, state in found["states"].items()}
    return {
        host: {**shown, "node": found["nodes"][host], **states.get(host, {})}
        for host, shown in found["reports"].items()
    }


def wish_of_all(gpu: GpuChoices) -> dict[str, Any]:
    """What the cluster asks of each host; nothing where an operator does the rest."""
    if text(gpu.get("operator")) != "none":
        return {}
    return {"operator": "none", "runtime_class": text(gpu.get("runtime_class")) or "ours"}


def host_choices(gpu: GpuChoices) -> GpuChoices:
    """Driver and toolkit come with the hosts; an operator that is not ours is not told."""
    if by_claim(gpu):
        raise pulumi.InputPropertyError("gpu.allocation", "dra is done on nodes of a cluster alone, not on hosts")
    if text(gpu.get("operator")) == "external":
        return gpu
    return {**gpu, "driver": BroughtBy.PREINSTALLED, "toolkit": BroughtBy.PREINSTALLED}
