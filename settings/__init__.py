"""What the user wants: `parse` turns the config into Settings, or lists every fault at once."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from decide import defaults, images
from decide.first_workload import manifest
from decide.ownership import CLASSLESS, Ownership
from decide.remainder import destroy_hint
from decide.slots import workload_selector
from settings import container, dra, monitoring, sharing
from settings.faults import Fault, SettingsError
from settings.given import SECRETS, check_keys, check_secrets, member, veiled
from settings.gpu import Gpu, Operator
from settings.kinds import Place, Reading
from settings.model import Cluster, Config, Toleration, Validation
from settings.owned import Owned
from settings.rules import broken, decision, settled

__all__ = [
    "SECRETS", "Cluster", "Fault", "Gpu", "Operator", "Settings", "SettingsError", "Toleration", "Validation", "parse",
    "veiled",
]  # fmt: skip

LABELLED = ("marks", "away", "any_node")
"""What is known of GPU nodes beside the nodes of hosts, where those are labelled."""


@dataclass(frozen=True, kw_only=True)
class Settings(Owned):
    """A config without faults, who owns what on its nodes, and what the components are told of it."""

    # The arguments' types stand in `components`, which needs Pulumi: hence Any. A contract test holds both together.

    def nodes_args(self, secret: Callable[[str], Any] = lambda _: None) -> Any:
        """Arguments of the target's nodes; those that need secrets get them by name."""
        proof = {"validation_namespace": self.validation.namespace} if self.validation.enabled else {}
        if self.cloud:
            return {**self.cloud.plain(), "gpu": self._looked_at(), **proof}
        there = {} if self.makes_cluster else {"context": self.cluster.context, "kubeconfig": self.cluster.kubeconfig}
        where = {**there, "gpu": self._looked_at(), **proof}
        if self.target == "cluster":
            return {**where, **self._which_nodes()}
        hosts = [_host(one) for one in [*self.hosts_args(), *self._instances()]]
        drain = self.bare_metal.drain.args() if self.bare_metal else {}
        return {**where, "hosts": hosts, **_login(secret), **self._rented(secret), **drain}

    @property
    def makes_cluster(self) -> bool:
        """Whether a host of this stack begins a cluster, whose kubeconfig is known nowhere else."""
        return bool(self.bare_metal and self.bare_metal.servers)

    @property
    def rents(self) -> bool:
        """Whether hosts are instances that this stack makes."""
        return bool(self._instances())

    def _instances(self) -> list[dict[str, Any]]:
        hosts = self.bare_metal.instances_args() if self.bare_metal else []
        return [{**one, "wish": {**one["wish"], **self._without_operator()}} for one in hosts]

    def _rented(self, secret: Callable[[str], Any]) -> dict[str, Any]:
        """Where and how instances are made, where there are any."""
        if not (self.rents and self.bare_metal and self.bare_metal.ec2):
            return {}
        return {"ec2": {**self.bare_metal.ec2.plain(), "join_script": secret("joinScript")}}

    def lines(self) -> list[str]:
        """What is said before anything is made: who owns what, and what it will cost."""
        google = _of_google(self.gke.plain()) if self.gke else ()
        rented = self.bare_metal.ec2.lines(self._instances()) if self.bare_metal and self.bare_metal.ec2 else ()
        return [*self.ownership.lines(), *google, *rented, *(self.aws.lines() if self.aws else ())]

    def hosts_args(self) -> list[dict[str, Any]]:
        """Each host of target bareMetal in plain values, with its wish as `decide.host_plan` reads it."""
        hosts = self.bare_metal.hosts_args() if self.bare_metal else []
        return [{**one, "wish": {**one["wish"], **self._without_operator()}} for one in hosts]

    def _without_operator(self) -> dict[str, str]:
        """What a host is told of the cluster; nothing where an operator does the rest."""
        if self.gpu.operator.mode != "none":
            return {}
        return {"operator": "none", "runtime_class": self.gpu.runtime_class or "ours"}

    def provider_args(self, nodes: Any) -> Any:
        """Arguments of the Kubernetes provider: path and context, which are the same for every colleague."""
        where = {"kubeconfig": nodes.kubeconfig, "context": nodes.context}
        known = getattr(nodes, "identifier", None) or self.cluster.identifier or nodes.context
        return {**where, "cluster_identifier": known}

    def stack_args(self, nodes: Any = None) -> Any:
        """Arguments of GpuStack on these GPU nodes."""
        return {
            **({"hosts": nodes.node_of_host, **{key: getattr(nodes, key) for key in LABELLED}} if nodes else {}),
            "gpu": self._choices(),
            **(
                {"metrics": self._metrics()}
                if self.monitoring.enabled and (self.installs or self._brings_plugin)
                else {}
            ),
            **self._what_hands_out(),
        }

    def _what_hands_out(self) -> dict[str, Any]:
        if dra.asked(self):
            return self._dra_args()
        return self._plugin_args() if self._brings_plugin else self._operator_args()

    def _dra_args(self) -> dict[str, Any]:
        wish = self.gpu.dra_driver
        return {
            **({"dra_version": wish.version} if wish.version else {}),
            **{key: value for key, value in self._which_nodes().items() if value},
            "operator_timeout_seconds": wish.timeout_seconds,
            "values": dict(wish.values),
        }

    def _operator_args(self) -> dict[str, Any]:
        operator = self.gpu.operator
        return {
            **({"operator_version": operator.version} if operator.version else {}),
            **({"nodes": list(self.cluster.nodes)} if self.gpu.sharing.mig and self.cluster.nodes else {}),
            "operator_timeout_seconds": operator.timeout_seconds,
            "remove_crds": operator.remove_crds,
            "values": dict(operator.values),
        }

    def _plugin_args(self) -> dict[str, Any]:
        plugin = self.gpu.plugin
        return {
            **({"plugin_version": plugin.version} if plugin.version else {}),
            **({"discovery": True} if plugin.discovery else {}),
            **{key: value for key, value in self._which_nodes().items() if value},
            "operator_timeout_seconds": plugin.timeout_seconds,
            "values": dict(plugin.values),
        }

    def validation_args(self, nodes: Any, stack: Any) -> Any:
        """Arguments of GpuValidation, on the cluster that these GPU nodes belong to, after this stack on them."""
        wish = self.validation
        return {
            "kubeconfig": nodes.kubeconfig,
            "context": nodes.context,
            **({"pools": nodes.pools} if self.pools else self._which_nodes()),
            "hosts": nodes.node_of_host,
            "made": nodes.made,
            "away": nodes.away,
            "gpu": self._choices(),
            "proves": self._proves(),
            "operator_revision": stack.operator_revision,
            "namespace": wish.namespace,
            **({"operator_version": self.gpu.operator.version} if self.gpu.operator.version else {}),
            "gpus": wish.gpus,
            "timeout_seconds": wish.timeout_seconds,
            "poll_seconds": wish.poll_seconds,
            "smi_image": wish.smi_image,
            "cuda_image": wish.cuda_image,
            **({"framework": wish.framework.plain()} if wish.framework else {}),
            **({"nccl": True} if wish.nccl else {}),
        }

    def monitoring_args(self) -> Any:
        """Arguments of GpuMonitoring; none: nothing is watched."""
        wish = self.monitoring
        if not wish.enabled:
            return None
        told = {"alerts": wish.alerts, "dashboards": wish.dashboards, "runbook": wish.runbook}
        known = {"metrics": self._metrics(), "operator_version": self._version, "namespace": wish.namespace}
        return {**known, **told}

    def _metrics(self) -> dict[str, Any]:
        return self.monitoring.metrics(self.gpu.operator.mode)

    def _proves(self) -> str:
        """A digest of what the stack makes, and of the wish to see it again; when it changes, so does the proof."""
        about = json.dumps([self.stack_args(), self.validation.run], sort_keys=True)
        return hashlib.sha256(about.encode()).hexdigest()[:12]

    def destroy_hint(self, stack: str) -> str:
        """How to take everything back, and what is then still there."""
        there = [host["name"] for host in self.hosts_args() if host["state"] != "abandoned"]
        hint = destroy_hint(stack, self.remainder(), there)
        if self.gke is None:
            return hint
        from decide import gke_hint

        return gke_hint.destroy_hint(stack, self.gke.plain(), hint)

    def first_workload(self) -> str:
        """A Pod to copy."""
        return manifest(
            self.gke.label if self.gke else workload_selector(self.cluster.node_selector, self.installs),
            [defaults.GPU_TOLERATION, *self._tolerations()],
            "" if self.ownership.runtime_class.owner in CLASSLESS else defaults.RUNTIME_CLASS,
            images.placed(self.validation.smi_image, images.read(container.plain(self.gpu).get("images"))),
            "" if dra.asked(self) else self.resource,
        )

    def _which_nodes(self) -> dict[str, Any]:
        return {"nodes": list(self.cluster.nodes), "node_selector": dict(self.cluster.node_selector)}

    def _looked_at(self) -> dict[str, Any]:
        """The choices, and what else the look at the cluster is about."""
        wish = self.monitoring
        return {**self._choices(), **({"monitoring": wish.place()} if wish.enabled else {})}

    def _choices(self) -> dict[str, Any]:
        gpu = self.gpu
        asked = {"driver": gpu.driver, "toolkit": gpu.toolkit, "runtime_class": gpu.runtime_class}
        if self.target == "bareMetal" and gpu.operator.mode != "external":
            asked.update(driver="preinstalled", toolkit="preinstalled")  # by us, before the operator comes
        return {
            "operator": gpu.operator.mode,
            **{thing: choice for thing, choice in asked.items() if choice is not None},
            **({"allocation": gpu.allocation} if dra.asked(self) else {}),
            **({"sharing": shared} if (shared := gpu.sharing.plain()) else {}),
            **({"mig": gpu.sharing.mig.plain()} if gpu.sharing.mig else {}),
            **container.plain(gpu),
            **({"flavour": self.cluster.flavour} if self.cluster.flavour else {}),
            "operator_namespace": gpu.operator.namespace,
            "tolerations": self._tolerations(),
            **({"target": self.target, "image": self.cloud.image} if self.cloud else {}),
        }

    def _tolerations(self) -> list[dict[str, str]]:
        """Of taints beside that of GPU nodes: declared, or those that our own pools are made with."""
        if self.gke:
            taints = {taint.key: taint for pool in self.gke.pools for taint in pool.taints}
            return [{"key": key, "operator": "Exists"} for key in taints]
        return [one.plain() for one in self.cluster.tolerations]


def _of_google(gke: Mapping[str, Any]) -> list[str]:
    from decide import gke_hint, gke_prices  # what a stack does not use, its start shall not pay for

    return [*gke_prices.lines(gke), *gke_hint.lines(gke)]


def _host(plain: Mapping[str, Any]) -> dict[str, Any]:
    """A host as the components declare it: the wish in their words, nothing that was not said."""
    said = {key: value for key, value in plain.items() if key != "wish" and value is not None}
    wish = plain["wish"]
    driver = {key: str(value) for key, value in wish["driver"].items()}
    version, mirrors = wish["toolkit"]["version"], wish.get("repositories")
    keys = {"toolkit_version": version, "repositories": mirrors, "join": wish.get("join")}
    more = {**keys, "instance_store": wish.get("instance_store")}
    return {**said, "driver": driver, **{key: value for key, value in more.items() if value}}


def _login(secret: Callable[[str], Any]) -> dict[str, Any]:
    known = {"private_key": secret("sshPrivateKey"), "password": secret("sshPassword"), "k3s_token": secret("k3sToken")}
    return {key: value for key, value in known.items() if value is not None or key != "k3s_token"}


def parse(raw: Mapping[str, Any], secret_keys: Collection[str] = ()) -> Settings:
    """Settings from the config of namespace `gpu-ready`: keys without it, values as JSON text or parsed.

    `secret_keys` are those that stand encrypted. Raises one SettingsError that lists every fault, and nothing else.
    """
    reading = Reading()
    top = Place("", "", reading)
    if not isinstance(raw, Mapping):
        top.below("config", "target: cluster").expected("an object", raw)
        raise SettingsError(reading.faults)
    check_secrets(raw, secret_keys, top)
    check_keys(raw, top)
    read = Config(**{one.name: member(one, raw, secret_keys, top) for one in dataclasses.fields(Config)})
    config = settled(read, reading.given)
    faults = [*reading.faults, *broken(config, reading.given)]
    owners = decision(config) if not faults else ()
    if not isinstance(owners, Ownership):
        raise SettingsError(faults)
    return Settings(
        **vars(config),
        ownership=dataclasses.replace(
            owners,
            notes=(
                *owners.notes,
                *dra.told(config),
                *sharing.told(config),
                *container.told(config),
                *monitoring.told(config),
            ),
        ),
    )
