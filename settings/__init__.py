"""What the user wants: `parse` turns the config into Settings, or lists every fault at once."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from decide import defaults, gke_hint, gke_pool, gke_prices, host_login
from decide.first_workload import manifest
from decide.ownership import CLASSLESS, TARGETS, Owner, Ownership
from decide.remainder import Left, destroy_hint, remainder
from decide.slots import workload_selector
from settings.aws import Aws
from settings.faults import Fault, SettingsError
from settings.gke import Gke
from settings.kinds import BROKEN, Place, Reading, camel, unknown
from settings.model import Cluster, Config, Gpu, Operator, Toleration, Validation
from settings.rules import broken, decision, settled
from settings.sharing import told

__all__ = ["Cluster", "Fault", "Gpu", "Operator", "Settings", "SettingsError", "Toleration", "Validation", "parse"]

SECRETS = ("sshPrivateKey", "sshPassword", "k3sToken", "registryPassword")
"""Keys that only ever stand encrypted. Here is seen that they are there, and whether one is a line; nothing else."""
ONE_LINE = ("sshPassword",)
"""Those that go to a host as a line."""
NOT_A_LINE = "\n"
"""What is seen of a secret that cannot."""
LABELLED = ("marks", "away", "any_node")
"""What is known of GPU nodes beside the nodes of hosts, where those are labelled."""
TAKES = {"cluster": ("cluster",), "bareMetal": ("cluster", "bareMetal"), "gke": ("gke",), "aws": ("aws",)}
"""Which keys of targets a target reads."""


@dataclass(frozen=True, kw_only=True)
class Settings(Config):
    """A config without faults, and who owns what on its nodes."""

    ownership: Ownership

    # The arguments' types stand in `components`, which needs Pulumi: hence Any. A contract test holds both together.

    def nodes_args(self, secret: Callable[[str], Any] = lambda _: None) -> Any:
        """Arguments of the target's nodes; those that need secrets get them by name."""
        proof = {"validation_namespace": self.validation.namespace} if self.validation.enabled else {}
        if self.cloud:
            return {**self.cloud.plain(), "gpu": self._choices(), **proof}
        where = {"context": self.cluster.context, "kubeconfig": self.cluster.kubeconfig, "gpu": self._choices()}
        where |= proof
        if self.target == "cluster":
            return {**where, **self._which_nodes()}
        return {**where, "hosts": [_host(one) for one in self.hosts_args()], **_login(secret)}

    def lines(self) -> list[str]:
        """What is said before anything is made: who owns what, and what it will cost."""
        google = gke_prices.lines(self.gke.plain()) if self.gke else ()
        return [*self.ownership.lines(), *google, *(self.aws.lines() if self.aws else ())]

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
            **(self._plugin_args() if self.ownership.plugin.owner is Owner.US else self._operator_args()),
        }

    def _operator_args(self) -> dict[str, Any]:
        operator = self.gpu.operator
        return {
            **({"operator_version": operator.version} if operator.version else {}),
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
        }

    @property
    def _version(self) -> str:
        return self.gpu.operator.version or defaults.OPERATOR_VERSION

    def _proves(self) -> str:
        """A digest of what the stack makes, and of the wish to see it again; when it changes, so does the proof."""
        about = json.dumps([self.stack_args(), self.validation.run], sort_keys=True)
        return hashlib.sha256(about.encode()).hexdigest()[:12]

    @property
    def installs(self) -> bool:
        """Whether the operator is ours."""
        return self.ownership.installs

    def remainder(self) -> list[Left]:
        """What destroy will leave behind."""
        return remainder(self.installs, self.gpu.operator.remove_crds, self._version)

    def destroy_hint(self, stack: str) -> str:
        """How to take everything back, and what is then still there."""
        there = [host["name"] for host in self.hosts_args() if host["state"] != "abandoned"]
        hint = destroy_hint(stack, self.remainder(), there)
        return gke_hint.destroy_hint(stack, self.gke.plain(), hint) if self.gke else hint

    def first_workload(self) -> str:
        """A Pod to copy."""
        return manifest(
            gke_pool.OUR_LABEL if self.gke else workload_selector(self.cluster.node_selector, self.installs),
            [defaults.GPU_TOLERATION, *self._tolerations()],
            "" if self.ownership.runtime_class.owner in CLASSLESS else defaults.RUNTIME_CLASS,
            self.validation.smi_image,
        )

    def _which_nodes(self) -> dict[str, Any]:
        return {"nodes": list(self.cluster.nodes), "node_selector": dict(self.cluster.node_selector)}

    def _choices(self) -> dict[str, Any]:
        gpu = self.gpu
        asked = {"driver": gpu.driver, "toolkit": gpu.toolkit, "runtime_class": gpu.runtime_class}
        if self.target == "bareMetal" and gpu.operator.mode != "external":
            asked.update(driver="preinstalled", toolkit="preinstalled")  # by us, before the operator comes
        return {
            "operator": gpu.operator.mode,
            **{thing: choice for thing, choice in asked.items() if choice is not None},
            **({"sharing": shared} if (shared := gpu.sharing.plain()) else {}),
            **({"flavour": self.cluster.flavour} if self.cluster.flavour else {}),
            "operator_namespace": gpu.operator.namespace,
            "tolerations": self._tolerations(),
            **({"target": self.target, "image": self.cloud.image} if self.cloud else {}),
        }

    @property
    def pools(self) -> bool:
        """Whether nodes come by pools."""
        return self.cloud is not None

    @property
    def cloud(self) -> Gke | Aws | None:
        """The settings of the cloud, where nodes come from one."""
        return self.gke or self.aws

    def _tolerations(self) -> list[dict[str, str]]:
        """Of taints beside that of GPU nodes: declared, or those that our own pools are made with."""
        if self.gke:
            taints = {taint.key: taint for pool in self.gke.pools for taint in pool.taints}
            return [{"key": key, "operator": "Exists"} for key in taints]
        return [one.plain() for one in self.cluster.tolerations]


def _host(plain: Mapping[str, Any]) -> dict[str, Any]:
    """A host as the components declare it: the wish in their words, nothing that was not said."""
    said = {key: value for key, value in plain.items() if key != "wish" and value is not None}
    wish = plain["wish"]
    driver = {key: str(value) for key, value in wish["driver"].items()}
    version, mirrors = wish["toolkit"]["version"], wish.get("repositories")
    more = {"toolkit_version": version, "repositories": mirrors}
    return {**said, "driver": driver, **{key: value for key, value in more.items() if value}}


def _login(secret: Callable[[str], Any]) -> dict[str, Any]:
    return {"private_key": secret("sshPrivateKey"), "password": secret("sshPassword")}


def parse(raw: Mapping[str, Any], secret_keys: Collection[str] = ()) -> Settings:
    """Settings from the config of namespace `gpu-ready`: keys without it, values as JSON text or parsed.

    `secret_keys` are those that stand encrypted. Raises one SettingsError that lists every fault, and nothing else.
    """
    reading = Reading()
    top = Place("", "", reading)
    if not isinstance(raw, Mapping):
        top.below("config", "target: cluster").expected("an object", raw)
        raise SettingsError(reading.faults)
    _check_secrets(raw, secret_keys, top)
    _check_keys(raw, top)
    read = Config(**{one.name: _member(one, raw, secret_keys, top) for one in dataclasses.fields(Config)})
    config = settled(read, reading.given)
    faults = [*reading.faults, *broken(config, reading.given)]
    owners = decision(config) if not faults else ()
    if not isinstance(owners, Ownership):
        raise SettingsError(faults)
    return Settings(**vars(config), ownership=dataclasses.replace(owners, notes=(*owners.notes, *told(config))))


def veiled(secret: str) -> str:
    """What `parse` may see of a secret: that it is there, and whether it is a line."""
    return "" if host_login.is_line(secret) else NOT_A_LINE


def _check_secrets(raw: Mapping[str, Any], secret_keys: Collection[str], top: Place) -> None:
    """A secret in clear is in the repository already; a setting that is encrypted would be shown in clear later."""
    for key in SECRETS:
        if key in raw and key not in secret_keys:
            fix = f"pulumi config set --secret gpu-ready:{key}"
            top.below(key, "").wrong("stands in clear; take it for known to others, and encrypt the next one", fix)
        elif key in ONE_LINE and raw.get(key) == NOT_A_LINE:
            fix = f"pulumi config set --secret gpu-ready:{key}, and type it there"
            top.below(key, "").wrong(f"is not {host_login.LINE}: sudo reads it from one", fix)
    top.reading.given.update(key for key in SECRETS if key in raw)
    for one in dataclasses.fields(Config):
        key = camel(one.name)
        if key in raw and key in secret_keys:
            top.below(key, one.metadata["example"]).wrong("is encrypted, but would not stay secret; write it in clear")


def _check_keys(raw: Mapping[str, Any], top: Place) -> None:
    """Keys that nobody knows, or that belong to another target."""
    examples = {camel(one.name): one.metadata["example"] for one in dataclasses.fields(Config)}
    target: Any = raw.get("target")
    for key in raw:
        if _is_of_another(key, raw):
            top.below(key, "").wrong(f"belongs to target {key}, but target is {target}", f"leave {key} out")
        elif key == "monitoring":
            top.below(key, "").wrong("comes with a later release", f"leave {key} out")
        elif key not in examples and key not in SECRETS:
            secret = {one: f"pulumi config set --secret gpu-ready:{one}" for one in SECRETS}
            unknown(key, {**examples, **secret}, top)


def _is_of_another(key: Any, raw: Mapping[str, Any]) -> bool:
    """Whether a key says something of a target that was not chosen."""
    target = raw.get("target")
    if not isinstance(target, str) or target not in TARGETS:
        return False
    return key in TARGETS and key not in TAKES.get(target, ()) and _is_given(_parsed(raw.get(key), "object"))


def _member(one: "dataclasses.Field[Any]", raw: Mapping[str, Any], secret_keys: Collection[str], top: Place) -> Any:
    """One top-level setting: read, its default, or BROKEN."""
    key = camel(one.name)
    place = top.below(key, one.metadata["example"])
    given = _parsed(raw.get(key), one.metadata["kind"].type)
    if (key in secret_keys and key in raw) or _is_of_another(key, raw):
        return BROKEN  # told already
    if _is_given(given):
        place.reading.given.add(key)
        return one.metadata["kind"].read(given, place)
    return _left_out(one, raw.get("target"), place)


def _left_out(one: "dataclasses.Field[Any]", target: Any, place: Place) -> Any:
    """The default of a setting; a target's own key has none once it is chosen, and is nobody's business before."""
    key = camel(one.name)
    if key in TARGETS:
        chosen = TAKES.get(target, ()) if isinstance(target, str) else ("cluster",)
        if key in chosen:
            return place.wrong("is missing")
        return BROKEN if one.default is dataclasses.MISSING else one.default
    return one.default if one.default is not dataclasses.MISSING else place.wrong("is missing")


def _parsed(given: Any, kind: str) -> Any:
    """Pulumi hands objects over as JSON texts. Any other text stays one, and its reader says what belongs there."""
    if given == "null":  # a key without a value
        return None
    if kind != "object" or not isinstance(given, str):
        return given
    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        return given


def _is_given(value: Any) -> bool:
    """Empty objects are what Pulumi.yaml has as default, so that no stack needs the keys of another target."""
    return value is not None and not (isinstance(value, Mapping) and not value)
