"""Scripts on hosts: the only user of `remote.Command`.

A host gets few resources, and each of them is short: the tools go there once, under their hash, and a step sends
values and one call. What a step does, and that it may run twice or beside its orphaned self, is the business of `host`.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pulumi
from pulumi import ResourceOptions
from pulumi_command import remote

from decide import defaults

NOT_YET = "Process exited with status 75"
LOST = (
    "without exit status or exit signal",
    "dial tcp",
    "ssh: handshake failed: EOF",
    "connection reset",
    "i/o timeout",
)
"""How a connection ends that a rebooting host cut, or that met a host which is not back yet."""
INPUTS = ["connection", "create", "update", "delete", "stdin", "logging", "addPreviousOutputInEnv"]


@dataclass(frozen=True)
class Link:
    """How a host is reached, and how its resources are to be treated."""

    connection: Mapping[str, Any]
    state: str = "present"
    patience: "Patience | None" = None

    def options(self, opts: ResourceOptions) -> ResourceOptions:
        """What is not there is not asked: a change stays undone, and an abandoned host is let go without a call."""
        if self.state == "present":
            return opts
        gone = ResourceOptions(ignore_changes=INPUTS, retain_on_delete=self.state == "abandoned")
        return ResourceOptions.merge(opts, gone)


@dataclass
class Patience:
    """An error hook: "not yet" is tried again until a total time is over, everything else fails at once.

    The engine asks a hook at most a hundred times, so the pause follows from the time.
    """

    seconds: int
    lost_too: bool = False
    since: dict[str, float] = field(default_factory=dict)

    def hook(self, name: str) -> pulumi.ErrorHook:
        """The hook, under a name of its own."""
        return pulumi.ErrorHook(name, self.again)

    @property
    def pause(self) -> float:
        """Between two tries."""
        return max(defaults.SHORTEST_PAUSE_SECONDS, self.seconds / defaults.MOST_TRIES)

    async def again(self, asked: Any) -> bool:
        """Whether to try once more; sleeps before it says so, and lets other hosts ask meanwhile."""
        error = str(asked.errors[0]) if asked.errors else ""
        if not (NOT_YET in error or (self.lost_too and any(sign in error for sign in LOST))):
            return False
        began = self.since.setdefault(asked.urn, time.monotonic())
        if time.monotonic() - began >= self.seconds:
            pulumi.log.error(self.end(asked.name, error))
            return False
        await asyncio.sleep(self.pause)
        return True

    def end(self, name: str, error: str) -> str:
        """What is known when the time is over: whether ssh answered, and what the host said last."""
        said = [line for line in error.splitlines() if line.strip()]
        if NOT_YET in error:
            return f"{name}: after {self.seconds} s still not: ssh answers, and the host says: {' / '.join(said[-2:])}"
        why = said[0] if said else "no reason given"
        return f"{name}: after {self.seconds} s the host does not answer over ssh: {why}"


class Step(NamedTuple):
    """A step: what has to come after it depends on the resource, what needs its words takes the answer."""

    resource: remote.Command
    answer: pulumi.Output[dict[str, Any]]


def host_step(
    name: str,
    text: pulumi.Input[str],
    link: Link,
    opts: ResourceOptions,
    *,
    removes: bool = False,
    again: bool = False,
    says: Callable[[], Iterable[str]] | None = None,
) -> Step:
    """Runs a step on a host when its text changes; `again`: it is told when it ran before; `says` is told first."""
    command = remote.Command(
        name,
        connection=remote.ConnectionArgs(**link.connection),
        create=f"{defaults.STEP_COMMAND} apply",
        update=f"{defaults.STEP_COMMAND} again" if again else None,
        delete=f"{defaults.STEP_COMMAND} remove" if removes else None,
        stdin=text,
        logging=remote.Logging.STDERR,
        # sshd takes no variables that it was not told of; with the default the step would not even start.
        add_previous_output_in_env=False,
        opts=ResourceOptions.merge(link.options(opts), ResourceOptions(hooks=hooks(name, link, says))),
    )
    return Step(command, command.stdout.apply(answer))


def hooks(name: str, link: Link, says: Callable[[], Iterable[str]] | None) -> pulumi.ResourceHookBinding:
    """What the engine calls in this process: what is about to be done is said when it is done, and not kept."""

    def say(_args: pulumi.ResourceHookArgs) -> None:
        for line in says() if says else ():
            pulumi.log.info(line)

    binding = pulumi.ResourceHookBinding(on_error=[link.patience.hook(name)] if link.patience else None)
    if says:
        binding.before_create = binding.before_update = [pulumi.ResourceHook(f"{name}-says", say)]
    return binding


def answer(stdout: str | None) -> dict[str, Any]:
    """The last line of what a step printed; nothing where it never ran."""
    lines = (stdout or "").strip().splitlines()
    found = json.loads(lines[-1]) if lines else {}
    return found if isinstance(found, dict) else {}
