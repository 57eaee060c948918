"""Scripts on hosts: the only user of `remote.Command`.

A host gets few resources, and each of them is short: the tools go there once, under their hash, and a step sends
values and one call. What a step does, and that it may run twice or beside its orphaned self, is the business of `host`.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pulumi
from pulumi import ResourceOptions
from pulumi_command import remote

from components.choices import when_away
from decide import defaults, host_access
from decide.host_access import NOT_YET
from decide.host_failures import Refusal

LOST = (
    "without exit status or exit signal",
    "dial tcp",
    "ssh: handshake failed: EOF",
    "connection reset",
    "broken pipe",
    "i/o timeout",
)
"""How a connection ends that a rebooting host cut, or that met a host which is not back yet."""
INPUTS = ["connection", "create", "update", "delete", "stdin", "logging", "triggers", "addPreviousOutputInEnv"]
NEVER_MADE = "never made"


@dataclass(frozen=True)
class Link:
    """How a host is reached, and how its resources are to be treated."""

    connection: Mapping[str, Any]
    state: str
    patience: "Patience"
    wait: "Wait"

    def options(self, opts: ResourceOptions) -> ResourceOptions:
        """What is not there is not asked: a change stays undone, and an abandoned host is let go without a call."""
        return ResourceOptions.merge(opts, when_away(self.state, INPUTS))


class Wait(NamedTuple):
    """How long a step may go on saying that it is not yet."""

    host: str = ""
    seconds: int = defaults.LOCK_SECONDS
    lost_when: str = ""
    """Told to the step, this makes a lost connection "not yet" as well; so does an earlier "not yet" of the step."""

    def may_be_lost(self, told: str, earlier: Sequence[str]) -> bool:
        """Whether somebody has sent the host away, so that no answer is what had to come."""
        return bool(self.lost_when) and (self.lost_when in told or any(NOT_YET in error for error in earlier))

    @property
    def pause(self) -> float:
        """Between two tries: the engine asks a hook at most a hundred times."""
        return max(defaults.SHORTEST_PAUSE_SECONDS, self.seconds / defaults.MOST_TRIES)


class Patience:
    """An error hook: "not yet" is tried again until a total time is over, everything else fails at once, explained.

    One for all steps, so that it is there too for those of a host that has left the program.
    """

    def __init__(self, name: str) -> None:
        self.hook = pulumi.ErrorHook(f"{name}-patience", self.again)
        self.waits: dict[str, Wait] = {}
        self.since: dict[tuple[str, str], float] = {}

    def binding(self, name: str, wait: Wait) -> pulumi.ResourceHookBinding:
        """The hook, which from now on knows this step."""
        self.waits[name] = wait
        return pulumi.ResourceHookBinding(on_error=[self.hook])

    async def again(self, asked: Any) -> bool:
        """Whether to try once more; sleeps before it says so, and lets other hosts ask meanwhile."""
        errors, wait = [str(error) for error in asked.errors] or [""], self.waits.get(asked.name, Wait())
        host, listed = wait.host or asked.name, bool(wait.host)
        is_lost = any(sign in errors[0] for sign in LOST) and wait.may_be_lost(await told(asked), errors[1:])
        if not (NOT_YET in errors[0] or is_lost):
            tell(host_access.explained(host, errors[0], listed))
            return False
        # What is replaced is made and deleted under one URN, and each of both has its own time.
        began = self.since.setdefault((asked.urn, asked.failed_operation), time.monotonic())
        if time.monotonic() - began >= wait.seconds:
            tell(host_access.too_late(host, wait.seconds, errors, listed))
            return False
        await asyncio.sleep(wait.pause)
        return True


async def told(asked: Any) -> str:
    """What the step was sent; with a password in it, it comes as a secret output."""
    sent = (asked.new_inputs or {}).get("stdin")
    return str(await pulumi.Output.from_input(sent).future() or "")


def tell(refused: Refusal | None) -> None:
    """Says it as our own steps do; the engine shows the raw error beside it."""
    if refused:
        pulumi.log.error("\n".join(refused.lines()))


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
    about: Sequence[pulumi.Input[str]] = (),
    says: Callable[[], Iterable[str]] | None = None,
) -> Step:
    """Runs a step on a host when its text changes; `again`: it is told when it ran before; `says` is told first.

    A step that is `about` something else is another step: the old one takes back what it did.

    A host that is not there gets steps without scripts. One that was made stays as the state has it, one that never
    was is noted without a connection, and becomes a step like another by the first change when the host is back; where
    a step is told that it ran before, by a replacement, because it did not.
    """
    is_there = link.state == "present"
    command = remote.Command(
        name,
        connection=remote.ConnectionArgs(**link.connection),
        create=f"{defaults.STEP_COMMAND} apply" if is_there else None,
        update=f"{defaults.STEP_COMMAND} again" if is_there and again else None,
        delete=f"{defaults.STEP_COMMAND} remove" if is_there and removes else None,
        stdin=text if is_there else None,
        triggers=(list(about) or None) if is_there else [NEVER_MADE] if again else None,
        logging=remote.Logging.STDERR,
        # sshd takes no variables that it was not told of; with the default the step would not even start.
        add_previous_output_in_env=False,
        opts=ResourceOptions.merge(
            link.options(opts), ResourceOptions(hooks=hooks(name, link, says if is_there else None))
        ),
    )
    return Step(command, command.stdout.apply(answer))


def host_file(
    name: str, path: str, place: str, link: Link, opts: ResourceOptions, about: Sequence[Any]
) -> pulumi.Resource:
    """Sends a file to a host when it or what it is `about` changed. A state keeps of it but path and checksum.

    Nothing is asked of a host when this is deleted, so for one that is not there it is not made at all.
    """
    return remote.CopyToRemote(
        name,
        connection=remote.ConnectionArgs(**link.connection),
        source=pulumi.FileAsset(path),
        remote_path=place,
        triggers=list(about),
        opts=ResourceOptions.merge(opts, ResourceOptions(hooks=link.patience.binding(name, link.wait))),
    )


def hooks(name: str, link: Link, says: Callable[[], Iterable[str]] | None) -> pulumi.ResourceHookBinding:
    """What the engine calls in this process: what is about to be done is said when it is done, and not kept."""

    def say(_args: pulumi.ResourceHookArgs) -> None:
        for line in says() if says else ():
            pulumi.log.info(line)

    binding = link.patience.binding(name, link.wait)
    if says:
        binding.before_create = binding.before_update = [pulumi.ResourceHook(f"{name}-says", say)]
    return binding


def answer(stdout: str | None) -> dict[str, Any]:
    """The last line of what a step printed; nothing where it never ran."""
    lines = (stdout or "").strip().splitlines()
    found = json.loads(lines[-1]) if lines else {}
    return found if isinstance(found, dict) else {}
