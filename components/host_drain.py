"""Nodes are emptied before their hosts go down, and opened again after: both with kubectl, on whoever runs pulumi."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, cast

import pulumi
from pulumi import ResourceOptions
from typing_extensions import NotRequired

from components.choices import count, text, when_away
from components.host_step import tell
from components.local_step import IDLE_INPUTS, answer, idle_step
from decide import defaults, host_drain

LAST_WORDS_SECONDS = 150  # after kubectl has given up a budget is looked for, and the node opened again


SAID = {
    "census": "drain     which of them are nodes with pods is looked up",
    "drain": "drain     its node is closed and its pods are evicted, as budgets allow",
    "drain-late": "drain     a reboot is needed after all: its node is closed, its pods are evicted, as budgets allow",
    "uncordon": "drain     its node is opened again, where it was we who closed it",
}


class HostDrain(TypedDict):
    """What happens to the pods of a host that is rebooted or gets another driver."""

    enabled: NotRequired[bool]
    """Whether they are evicted first, as their PodDisruptionBudgets allow. Default: true"""
    timeout_seconds: NotRequired[int]
    """How long that may take; then nothing is done to the host."""
    at_once: NotRequired[int]
    """How many nodes in use may be away at a time. Default: 1"""
    empty_dir: NotRequired[str]
    """What becomes of pods with files in an emptyDir: `refuse` or `delete`. Default: refuse"""


class Turn(NamedTuple):
    """One host among those that may have to wait for each other."""

    goes: pulumi.Output[Any]
    over: pulumi.Output[Any]


class Going(NamedTuple):
    """A host that may go down: who it is, how its node is known, and why the plan says that it goes."""

    prefix: str
    name: str
    state: str
    mark: str
    wish: str
    ids: pulumi.Output[dict[str, str]]
    why: pulumi.Output[str]
    serves: pulumi.Output[bool]
    """Whether its driver works: then it waits though no pod is there, so that a new driver fails on one host alone."""
    opts: ResourceOptions


class Drains:
    """The drains of all hosts: nodes with pods or with a driver that works take turns, all others wait for nobody."""

    def __init__(self, name: str, args: HostDrain, cluster: Mapping[str, Any], opts: ResourceOptions) -> None:
        self.seconds = count("drain.timeoutSeconds", args.get("timeout_seconds") or defaults.DRAIN_SECONDS)
        self.at_once = count("drain.atOnce", args.get("at_once") or defaults.DRAINS_AT_ONCE)
        self.enabled = args.get("enabled", True) is not False
        how = text(args.get("empty_dir")) or defaults.EMPTY_DIRS[0]
        if how not in defaults.EMPTY_DIRS:
            right = " or ".join(defaults.EMPTY_DIRS)
            raise pulumi.InputPropertyError("drain.emptyDir", f"{right} belongs here, got {how!r}")
        self.how = [f"--timeout={self.seconds}s", *(["--delete-emptydir-data"] if how == "delete" else [])]
        self.name, self.opts = name, opts
        self.where = {key: cluster[key] for key in ("kubeconfig", "context")}
        binding = pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(f"{name}-drains", self.explain)])
        binding.before_create = binding.before_update = [pulumi.ResourceHook(f"{name}-drains-say", self.say)]
        self.hooks = binding
        self.hosts: dict[str, tuple[str, str]] = {}
        self.planned: list[Turn] = []
        self.sudden: list[Turn] = []

    def explain(self, asked: Any) -> bool:
        """Says what kubectl meant; tries nothing again."""
        host, what = self.hosts.get(asked.name, (asked.name, "drain"))
        tell(host_drain.explained(host, what, ([str(error) for error in asked.errors] or [""])[0]))
        return False

    def say(self, asked: pulumi.ResourceHookArgs) -> None:
        """What is about to be done, where anything is."""
        host, step = self.hosts[asked.name]
        if (asked.new_inputs or {}).get("create"):
            pulumi.log.info(f"{host}: {SAID[step]}")

    def chains(self, hosts: Sequence[Going]) -> dict[str, "Chain"]:
        """The steps of each host, where they are wished."""
        if not hosts or not self.enabled:
            return {}
        self.busy = self._census(hosts)
        return {one.name: Chain(self, one) for one in hosts}

    def _census(self, hosts: Sequence[Going]) -> pulumi.Output[Any]:
        """Whose nodes have pods: one step for all hosts, which has nothing to do where none goes down."""
        each = {
            one.name: pulumi.Output.all(why=one.why, ids=one.ids, serves=one.serves, wish=one.wish) for one in hosts
        }
        told = pulumi.Output.all(where=self.where, hosts=each).apply(census_of)
        name = f"{self.name}-census"
        self.hosts[name] = ("hosts that go down", "census")
        opts = ResourceOptions.merge(self.opts, ResourceOptions(hooks=self.hooks))
        return answer(idle_step(name, "census", told, defaults.LOOK_SECONDS, opts))

    async def first(self, goes: pulumi.Output[Any], earlier: Sequence[Turn]) -> str:
        """Comes to its end when so few of those before it are away that this one may go.

        It is waited for and depended on by nobody: else each host had all others in its state.
        """
        if await goes.future():
            await self.lane([one for one in earlier if await one.goes.future()])
        return ""

    async def last(self, goes: pulumi.Output[Any], earlier: Sequence[Turn]) -> str:
        """After all that were to go, so that none of both ever waits for one that waits for it."""
        if await goes.future():
            for one in self.planned:
                if await one.goes.future():
                    await one.over.future()
            await self.lane([one for one in earlier if await one.goes.future()])
        return ""

    async def lane(self, away: Sequence[Turn]) -> None:
        """Host k comes after host k - N."""
        if len(away) >= self.at_once:
            await away[-self.at_once].over.future()


class Chain:
    """One host: emptied before its driver moves, or before a reboot that only the driver step knew of, then opened."""

    def __init__(self, drains: Drains, host: Going) -> None:
        self.drains, self.host = drains, host
        self.said: list[pulumi.Output[str]] = []

    def before_driver(self, after: pulumi.Resource) -> pulumi.Resource:
        """Where the plan says that it goes down."""
        drains, why, name = self.drains, self.host.why, self.host.name
        # Who stays up does not wait for the census either.
        goes: Any = why.apply(lambda known: drains.busy.apply(lambda busy: name in busy) if known else False)
        self.goes = goes
        return self._drain("drain", why, drains.first(goes, list(drains.planned)), after)

    def before_reboot(self, driver: pulumi.Output[Any], after: pulumi.Resource) -> pulumi.Resource:
        """Where only the driver step has found out; an answer about an earlier boot is none any more."""
        both = pulumi.Output.all(driver=driver, ids=self.host.ids, why=self.host.why)
        self.surprise = both.apply(lambda it: "" if it["why"] else host_drain.surprise(it["driver"], it["ids"]))
        turn = self.drains.last(self.surprise, list(self.drains.sudden))
        return self._drain("drain-late", self.surprise, turn, after)

    def after_check(self, after: pulumi.Resource) -> pulumi.Resource:
        """After all was done and checked; where nothing was closed there is nothing to open."""
        params = pulumi.Output.all(said=self.said, where=self.drains.where, mark=self.host.mark)
        made = self._step("uncordon", params.apply(opened), defaults.UNCORDON_SECONDS, after)
        self.drains.planned.append(Turn(self.goes, made.stdout))
        self.drains.sudden.append(Turn(self.surprise, made.stdout))
        return cast(pulumi.Resource, made)

    def _drain(self, step: str, why: pulumi.Output[str], turn: Any, after: pulumi.Resource) -> pulumi.Resource:
        host, drains = self.host, self.drains
        waited: pulumi.Output[str] = pulumi.Output.from_input(asyncio.ensure_future(turn))
        params = {**drains.where, "mark": host.mark, "wish": host.wish, "how": drains.how}
        all_of_it = pulumi.Output.all(why=why, params=params, ids=host.ids, turn=waited)
        told = all_of_it.apply(lambda it: {**it["params"], **it["ids"]} if it["why"] else None)
        made = self._step(step, told, drains.seconds + LAST_WORDS_SECONDS, after)
        self.said.append(made.stdout)
        return cast(pulumi.Resource, made)

    def _step(self, step: str, told: pulumi.Output[Any], seconds: int, after: pulumi.Resource) -> Any:
        name = f"{self.host.prefix}-{step}"
        self.drains.hosts[name] = (self.host.name, step)
        hooks = ResourceOptions(hooks=self.drains.hooks, depends_on=[after])
        away = when_away(self.host.state, IDLE_INPUTS)
        opts = ResourceOptions.merge(ResourceOptions.merge(self.host.opts, hooks), away)
        source, undo = ("uncordon", "") if step == "uncordon" else ("drain", "open")
        return idle_step(name, source, told, seconds, opts, undo)


def census_of(known: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the census is told of hosts that go down; nothing where none does."""
    going = {
        name: {**host["ids"], "serves": host["serves"], "wish": host["wish"]}
        for name, host in known["hosts"].items()
        if host["why"]
    }
    return {**known["where"], "hosts": going} if going else None


def opened(known: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is to be opened; nothing where no drain has closed it."""
    at = [json.loads(one).get("at") for one in known["said"] if one]
    return {**known["where"], "mark": known["mark"], "at": at} if any(at) else None
