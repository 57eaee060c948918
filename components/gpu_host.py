"""One bare-metal host over SSH, step by step."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, TypedDict

import pulumi
from pulumi import ResourceOptions
from typing_extensions import NotRequired

from components.choices import count, text
from components.host_args import HostJoin, PackageRepositories, join_values, reboot_values
from components.host_drain import Chain, Going
from components.host_report import host_report, what_is_checked, what_is_proven
from components.host_step import Link, Wait, host_file, host_step
from components.host_store import InstanceStore, is_used
from components.outputs import resolved
from decide import defaults, host_drain, host_plan
from host import facts, script


class HostState(str, Enum):
    """Whether a host is to be talked to."""

    PRESENT = "present"
    """It is there, and is made what it shall be."""
    OFFLINE = "offline"
    """It is not there for now: no connection is tried, all of it stays as it was."""
    ABANDONED = "abandoned"
    """It will not come back: once it is taken out of the list, it is forgotten without a connection."""


class Reboot(str, Enum):
    """Whether a host may be rebooted when its driver needs that."""

    NEVER = "never"
    """It is refused, and what to run by hand is said."""
    IF_NEEDED = "ifNeeded"
    """It is rebooted; the pods of its node are evicted first."""


class HostDriver(TypedDict):
    """Which driver a host shall have; what is not said follows from its card and its distribution."""

    source: NotRequired[str]
    """`auto`, `distro`, `ubuntuDrivers`, `ppa`, `cudaRepo`, `run` or `keep`. Default: auto"""
    branch: NotRequired[str]
    """Driver branch, such as 580."""
    flavour: NotRequired[str]
    """Kernel modules: `open` or `proprietary`."""
    version: NotRequired[str]
    """Exact version; moves a driver that works already."""
    extras: NotRequired[list[str]]
    """What comes with it: `fabricManager`, `gds`, `cudaToolkit`."""
    url: NotRequired[str]
    """Of a .run file: where the host fetches it. Default: NVIDIA's address for data-centre cards"""
    path: NotRequired[str]
    """Of a .run file: where it lies on the host already."""
    sha256: NotRequired[str]
    """Of a .run file: its checksum, without which root does not run it."""


class GpuHostArgs(TypedDict):
    """One host."""

    name: str
    """Its name in this stack."""
    address: pulumi.Input[str]
    """Name or address at which ssh answers."""
    host_key: pulumi.Input[str]
    """Its public host key, as `ssh-keyscan` prints it without the address."""
    port: NotRequired[pulumi.Input[int]]
    """Port of ssh. Default: 22"""
    user: NotRequired[pulumi.Input[str]]
    """Who logs in; a first one has to be let in still when there is another. Default: root"""
    sudo: NotRequired[str]
    """How that user becomes root: `passwordless` or `password`. Default: passwordless"""
    state: NotRequired[HostState]
    """Whether it is to be talked to. Default: present"""
    look: NotRequired[int]
    """Another number has the host looked at again, after it was mended by hand. Default: 1"""
    node_name: NotRequired[str]
    """Name of its node, where it cannot be found by its machine-id; another machine is refused."""
    driver: NotRequired[HostDriver]
    """Which driver it shall have."""
    toolkit_version: NotRequired[str]
    """Version of the container toolkit."""
    join: NotRequired[HostJoin]
    """How it becomes a node, where it is none yet. Default: it is one already"""
    repositories: NotRequired[PackageRepositories]
    """Mirrors of the repositories that driver and toolkit come from. Default: NVIDIA's"""
    reboot: NotRequired[Reboot]
    """Whether it may be rebooted. Default: never"""
    reboot_timeout_seconds: NotRequired[int]
    """How long it may be away."""
    instance_store: NotRequired[InstanceStore]
    """What its instance store is for. Default: none"""


LEAVES = "GR_REBOOT="
"""Stands in what the step `reboot` is told when it sends the host away."""
AWAY = "{name} is {state}: nothing is done to it, and what was never done to it is only noted until state: present"


class GpuHost(pulumi.ComponentResource):
    """One host: tools and a look, driver, reboot with consent, toolkit, runtime, and a container there."""

    report: pulumi.Output[dict[str, Any]]
    """Driver, toolkit, runtime and cards, as the host itself shows them."""
    made: pulumi.Output[str]
    """The same in one line, with all by which a proof is one of something else."""

    def __init__(self, nodes: str, args: GpuHostArgs, common: Mapping[str, Any], opts: ResourceOptions) -> None:
        """`common` is what all hosts share: `private_key`, `password`, `after`, `patience`, and `wish`."""
        self.prefix = f"{nodes}-{args['name']}"
        super().__init__("gpu-ready:index:GpuHost", self.prefix, {}, opts)
        self.args, self.common, self.last = args, common, common["after"]
        self.state = text(args.get("state")) or "present"
        if not self.is_there:
            pulumi.log.info(AWAY.format(**args | {"state": self.state}), self)
        # Said of each step: that children take it over was never seen on the real engine.
        self.goes_with = ResourceOptions(parent=self, deleted_with=opts.deleted_with)
        self.machine_id: pulumi.Input[str] = ""
        self.claim: pulumi.Input[str] = ""
        self.decisions: Sequence[host_plan.Decision] = ()

        self.look = look = count("look", args.get("look") or 1)
        self.folder = script.folder_of(owner(self.prefix))
        self._bring(look)
        self.plan = self._plan({**wish_of(args), **common.get("wish", {})}, look)

    @property
    def going(self) -> Going:
        """How its node is known, and why it goes down."""
        why = self.plan.apply(lambda plan: plan.get("drain", "") if self.is_there else "")
        mark = host_drain.mark(owner(self.prefix))
        known = (self.prefix, self.args["name"], self.state, mark, self.digest)
        return Going(*known, self.ids, why, self.plan.apply(lambda plan: plan.get("serves", False)), self.goes_with)

    @property
    def may_go(self) -> bool:
        """Whether it may be rebooted; a driver that runs is never moved without."""
        return text(self.args.get("reboot")) == Reboot.IF_NEEDED.value

    @property
    def is_there(self) -> bool:
        """Whether anything is asked of it."""
        return self.state == "present"

    def make(self, chain: Chain | None = None) -> None:
        """All that was planned; it is drained where it goes down."""
        plan = self.plan
        if chain:
            self.last = chain.before_driver(self.last)
        driver = self._step("driver", plan["driver"], removes=True, says=("host", "driver"))
        if chain:
            self.last = chain.before_reboot(driver, self.last)
        reboot = self._step("reboot", reboot_values(plan["reboot"], driver), away=True)
        wishes_store = wish_of(self.args).get("instance_store")
        store = {"store": self._step("store", plan["store"], removes=True, says=("store",))} if wishes_store else {}
        toolkit = self._step("toolkit", plan["toolkit"], removes=True, says=("toolkit",))
        self.joined = self._join(plan, self.look) if self.args.get("join") else None
        runtime = self._step("runtime", plan["runtime"], removes=True, says=("runtime",))
        made = {"plan": plan["driver"], "reboot": reboot, "toolkit": toolkit, "runtime": runtime, **store}
        check = self._step("check", resolved(made).apply(what_is_checked))
        if chain:
            self.last = chain.after_check(self.last)

        self.boot_id = reboot.apply(lambda said: said.get("boot_id", ""))
        all_of_it = resolved({**made, "check": check})
        self.made = all_of_it.apply(what_is_proven)
        self.report = all_of_it.apply(host_report)
        self.register_outputs({"report": self.report})

    def _bring(self, look: int) -> None:
        """The tools go to whoever logs in; another look brings them again, should they be gone by then."""
        # Before what is in it, so that it is taken away too where no more than this was ever made.
        opts = self._after(delete_before_replace=True)
        text, link = script.folder_text(self.folder, look), self._link(False)
        whose = self.args.get("user") or "root"
        about = (self.folder, whose)
        made = host_step(f"{self.prefix}-folder", text, link, opts, removes=True, again=True, about=about)
        self.last = made.resource
        if self.is_there:
            place, sent = f"{self.folder}/bundle", script.packed_path()
            self.last = host_file(f"{self.prefix}-bundle", sent, place, link, self._after(), (look, whose))

    def _after(self, **more: Any) -> ResourceOptions:
        """Of the next step; one on a machine that is ours to delete goes with it."""
        return ResourceOptions.merge(self.goes_with, ResourceOptions(depends_on=[self.last], **more))

    def _plan(self, wish: Mapping[str, Any], look: int) -> pulumi.Output[dict[str, Any]]:
        """Only the plan flows on, never the facts: free disk space must not run a driver's installation again."""
        self.digest = host_plan.digest({**wish, "look": look})
        asked = {"GR_WISH": self.digest, **host_plan.asked(wish)}
        seen = self._step("tools", {**asked, "GR_HOST": owner(self.prefix)}, removes=True, again=True)
        self.machine_id = seen.apply(lambda known: known.get("machine_id", ""))
        self.claim = seen.apply(lambda known: known.get("claim", ""))
        node = self.args.get("node_name") or ""
        self.ids = seen.apply(lambda known: host_drain.ids_of(known, node))
        return seen.apply(lambda known: self._planned(known, wish, look))

    def _planned(self, known: Mapping[str, Any], wish: Mapping[str, Any], look: int) -> dict[str, Any]:
        """A refusal is a value too, and the first step speaks it."""
        found = facts.read(known)
        plan = host_plan.plan(found, wish) if isinstance(found, facts.HostFacts) else (found,)
        if isinstance(plan, host_plan.Plan):
            self.decisions = plan.decisions
            return {**plan.values, "drain": plan.away, "serves": plan.serves}
        values = host_plan.refusal_values(plan)
        # The facts stay in the state, so that nothing but a changed wish, or this, has them read anew.
        again = f"mended on the host itself? look: {look + 1} has it looked at again"
        values[host_plan.FIRST]["GR_REFUSALS"].append(again)
        return values

    def _join(self, plan: pulumi.Output[dict[str, Any]], look: int) -> pulumi.Output[dict[str, Any]]:
        """A cluster begins here, or this machine joins one; what a server says of itself is the key to all of it."""
        told = resolved([plan["join"], self.args["address"], self.common.get("k3s_token")])
        values = told.apply(lambda it: join_values(it[0], it[1], it[2], look))
        return self._step("join", values, removes=True, says=("join",), secret=True)

    def _lines(self, about: Collection[str]) -> Iterator[str]:
        return (f"{self.args['name']}: {one}" for one in self.decisions if one.about in about)

    def _step(
        self,
        step: str,
        values: pulumi.Input[Any],
        *,
        away: bool = False,
        says: Collection[str] = (),
        removes: bool = False,
        again: bool = False,
        secret: bool = False,
    ) -> pulumi.Output[dict[str, Any]]:
        """The next step of the chain; its values are all that it knows."""
        password = self.common.get("password") if sudo_of(self.args) == "password" else None
        # Tools that are replaced go first: later they would take the new ones along, or have no connection left.
        hidden = ["stdout"] if secret else None
        opts = self._after(delete_before_replace=again or None, additional_secret_outputs=hidden)
        known = resolved({"values": values, "claim": self.claim, "password": password, "folder": self.folder})
        stdin: pulumi.Input[str] = ""
        if self.is_there:
            stdin = known.apply(lambda it: composed(step, it["values"], sudo_of(self.args), it))
        lines = (lambda: self._lines(says)) if says else None
        link = self._link(away)
        made = host_step(f"{self.prefix}-{step}", stdin, link, opts, removes=removes, again=again, says=lines)
        self.last = made.resource
        return made.answer

    def _link(self, away: bool) -> Link:
        args, common = self.args, self.common
        seconds = count("rebootTimeoutSeconds", args.get("reboot_timeout_seconds") or defaults.REBOOT_TIMEOUT_SECONDS)
        connection = {
            "host": args["address"],
            "port": args.get("port") or 22,
            "user": args.get("user") or "root",
            "host_key": args["host_key"],
            "private_key": common.get("private_key"),
            "password": common.get("password"),
            **(defaults.DIALS_WHILE_AWAY if away else defaults.DIALS),
        }
        wait = Wait(args["name"], seconds if away else defaults.LOCK_SECONDS, LEAVES if away else "")
        known = {key: value for key, value in connection.items() if value is not None}
        return Link(known, self.state, common["patience"], wait)


def composed(step: str, values: Mapping[str, Any], way: str, known: Mapping[str, Any]) -> str:
    """The text of a step: the first takes the tools from where they were sent, the others call them."""
    if step == "tools":
        return script.tools_text(values, known["folder"], way, known["password"])
    told = {**values, "GR_CLAIM": known["claim"]}
    return script.step_text(step, told, script.bundle().hash, way, known["password"])


def owner(prefix: str) -> str:
    """Whose machine it is: noted there, and nobody else's until it is taken out or handed over."""
    return f"{pulumi.get_project()}/{pulumi.get_stack()}/{prefix}"


def sudo_of(args: GpuHostArgs) -> str:
    """How the steps become root there."""
    return "root" if (args.get("user") or "root") == "root" else args.get("sudo") or "passwordless"


def wish_of(args: GpuHostArgs) -> dict[str, Any]:
    """What the host shall have, in plain values: the plan is made of this and of the facts."""
    driver: Any = {} if args.get("driver") is None else args["driver"]
    if isinstance(driver, Mapping):
        driver = {"source": "auto", **{key: text(value) if key != "extras" else value for key, value in driver.items()}}
    return {
        "name": args["name"],
        "driver": driver,
        "toolkit": {"version": args.get("toolkit_version")},
        "reboot": text(args.get("reboot")) or "never",
        "runtime": "auto",
        **({"repositories": args["repositories"]} if args.get("repositories") else {}),
        **({"join": {**args["join"], "k3s": text(args["join"].get("k3s"))}} if args.get("join") else {}),
        **({"instance_store": text(args["instance_store"])} if is_used(args.get("instance_store")) else {}),
    }
