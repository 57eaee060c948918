"""Bare-metal hosts over SSH: made ready one by one, and found again as nodes of a cluster that is there."""

from collections import Counter
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import Any, TypedDict

import pulumi
from pulumi import ResourceOptions
from typing_extensions import NotRequired

from components.choices import BroughtBy, GpuChoices, made_namespace, owned, reading, text
from components.gpu_host import GpuHost, GpuHostArgs, owner, wish_of
from components.host_drain import Drains, HostDrain
from components.host_step import Patience
from components.local_step import answer, reading_step
from decide import defaults, host_login, host_wish
from decide.host_wish import HostWish, read_wish
from decide.slots import field_manager, workload_selector
from decide.wording import shown, strangers

LATER = (pulumi.Output, Awaitable)


class BareMetalGpuNodesArgs(TypedDict):
    """Which hosts, and of which cluster they are nodes."""

    context: pulumi.Input[str]
    """Context of the kubeconfig; never the current one by accident."""
    hosts: list[GpuHostArgs]
    """The hosts."""
    kubeconfig: NotRequired[pulumi.Input[str]]
    """Path of the kubeconfig file. Default: ~/.kube/config"""
    private_key: NotRequired[pulumi.Input[str]]
    """Private key for ssh, as a secret; without it the ssh-agent is asked."""
    password: NotRequired[pulumi.Input[str]]
    """Password, as a secret: for ssh, and for sudo where that wants one."""
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
    """Path of the kubeconfig file."""
    context: pulumi.Output[str]
    """Context of the kubeconfig."""
    node_selector: pulumi.Output[dict[str, str]]
    """Labels by which a workload finds GPU nodes."""
    hosts: pulumi.Output[dict[str, Any]]
    """Per host: its node, and what the host itself showed of driver, toolkit, runtime and cards when it was asked."""

    def __init__(self, name: str, args: BareMetalGpuNodesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(self.TOKEN, name, {}, opts)
        gpu = host_choices(args.get("gpu") or {})
        self.kubeconfig = pulumi.Output.from_input(args.get("kubeconfig") or defaults.KUBECONFIG)
        self.context = pulumi.Output.from_input(args["context"])
        installs = owned(gpu).installs
        self.node_selector = pulumi.Output.from_input(workload_selector({}, installs))
        cluster = {**reading(gpu, self.kubeconfig, self.context), "nodes": [], "node_selector": {}}
        drains = Drains(name, args.get("drain") or {}, cluster, ResourceOptions(parent=self))
        makes = (made_namespace(gpu), args.get("validation_namespace"))
        common: dict[str, Any] = {
            "private_key": args.get("private_key"),
            "password": args.get("password"),
            "patience": Patience(name),
            "wish": {**wish_of_all(gpu), **({} if drains.enabled else {"drain": False})},
            "after": self._look(name, {**cluster, "makes": [one for one in makes if one]}),
        }
        hosts = told_apart(self._hosts(name, args, common), args.get("password") is not None)
        made = [self._host(name, one, common) for one in hosts]
        chains = drains.chains([one.going for one in made if one.may_go])
        for one in made:
            one.make(chains.get(one.args["name"]))
        by_name = {one.args["name"]: one for one in made}
        found = self._match(name, cluster, by_name)
        self.node_of_host = {host: found["nodes"][host] for host in by_name}
        self.marks = {host: found["marks"][host] for host in by_name}
        self.made = {host: one.made for host, one in by_name.items()}
        self.away = {host: one.state for host, one in by_name.items() if one.state != "present"}
        self.any_node = found["any_node"]
        shown = {host: one.report for host, one in by_name.items()}
        known = pulumi.Output.all(nodes=found["nodes"], reports=shown, states=self.away)
        self.hosts = known.apply(with_nodes)
        outputs = ("kubeconfig", "context", "node_selector", "hosts")
        self.register_outputs({key: getattr(self, key) for key in outputs})

    def _hosts(self, _name: str, args: BareMetalGpuNodesArgs, _common: Mapping[str, Any]) -> Sequence[GpuHostArgs]:
        """The hosts, once they are there."""
        return args["hosts"]

    def _host(self, name: str, host: GpuHostArgs, common: Mapping[str, Any]) -> GpuHost:
        """A host that is made ready."""
        return GpuHost(name, host, common, ResourceOptions(parent=self))

    def _look(self, name: str, params: Mapping[str, Any]) -> pulumi.Resource:
        """The cluster comes first: nothing is done to a host for a cluster that does not fit."""
        return reading_step(f"{name}-look", "look", params, defaults.LOOK_SECONDS, ResourceOptions(parent=self))

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
    if text(gpu.get("operator")) == "external":
        return gpu
    return {**gpu, "driver": BroughtBy.PREINSTALLED, "toolkit": BroughtBy.PREINSTALLED}
