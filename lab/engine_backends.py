"""Who answers for a resource: a provider, or one of the two kinds that need none."""

from __future__ import annotations

import difflib
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lab.engine_goal import seconds
from lab.provider import CheckFailure, Context, Diff, Props, Provider
from lab.state import Entry
from lab.values import diff_paths, show_path, unwrap


class RefusedError(Exception):
    """The engine will not do it; the text says what is wrong."""

    def __init__(self, text: str, urn: str = "") -> None:
        super().__init__(text)
        self.urn = urn


class Plain:
    """Whose resources exist in the state only: nothing is made, outputs are what they were."""

    package = "pulumi"

    def check(self, ctx: Context, olds: Props | None, news: Props) -> tuple[Props, list[CheckFailure]]:
        """All is right."""
        return news, []

    def diff(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Diff:
        """Another input is a change."""
        return Diff(changed=tuple(show_path(path) for path in diff_paths(old_inputs, new_inputs)))

    def create(self, ctx: Context, inputs: Props) -> tuple[str, Props]:
        """Nothing is made."""
        return "", {}

    def update(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Props:
        """Nothing is changed."""
        return old_outputs

    def delete(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> None:
        """Nothing goes."""

    def read(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> tuple[Props, Props] | None:
        """As it was."""
        return inputs, outputs

    def invoke(self, ctx: Context, token: str, args: Props) -> Props:
        """Nothing is asked."""
        return {}

    def check_config(self, news: Props) -> list[CheckFailure]:
        """All is right."""
        return []

    def diff_config(self, olds: Props, news: Props) -> Diff:
        """Never another."""
        return Diff()


@dataclass
class _ProviderResource(Plain):
    """A provider as a resource: its inputs are the configuration of the provider behind it."""

    behind: Provider

    def check(self, ctx: Context, olds: Props | None, news: Props) -> tuple[Props, list[CheckFailure]]:
        return news, self.behind.check_config(_config(news))

    def diff(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Diff:
        return self.behind.diff_config(_config(old_inputs), _config(new_inputs))

    def create(self, ctx: Context, inputs: Props) -> tuple[str, Props]:
        return "" if ctx.preview else str(uuid.uuid4()), inputs

    def update(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Props:
        return new_inputs


def _config(inputs: Props) -> Props:
    return {key: value for key, value in inputs.items() if key != "version"}


@dataclass
class Backends:
    """Finds the provider of a resource, and tells it what it may know."""

    providers: Sequence[Provider]
    preview: bool
    say: Callable[[str, str], None]
    """Shows a line beside the resource with this URN."""
    provider_inputs: Callable[[str], Props]
    """Inputs of the provider resource with this reference (URN and id)."""
    stopping: threading.Event = field(default_factory=threading.Event)
    killing: threading.Event = field(default_factory=threading.Event)

    def of(self, entry: Entry) -> Provider:
        """The one that answers for this resource."""
        if not entry.custom:
            return Plain()
        package = entry.type.split(":")[2 if entry.is_provider else 0]
        provider = self.package(package, entry.urn)
        return _ProviderResource(provider) if entry.is_provider else provider

    def package(self, name: str, urn: str = "") -> Provider:
        """The provider of the package; an unknown one is refused at once."""
        known = {provider.package: provider for provider in self.providers}
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            there = ", ".join(sorted(known))
            raise RefusedError(f"there is no stand-in for the package {name!r}; there are: {there}.{hint}", urn)
        return known[name]

    def context(self, entry: Entry, operation: str = "") -> Context:
        """What the provider may know about an operation on this resource."""
        config = {} if entry.is_provider or not entry.custom else self.provider_inputs(entry.provider)
        return Context(
            urn=entry.urn, type=entry.type, name=entry.name, preview=self.preview, config=unwrap(_config(config)),
            timeout=seconds(entry.custom_timeouts.get(operation, "")), stopping=self.stopping, killing=self.killing,
            additional_secret_outputs=tuple(entry.additional_secret_outputs),
            say=lambda line: self.say(line, entry.urn),
        )  # fmt: skip

    def check(self, entry: Entry, olds: Props | None, news: Props) -> Props:
        """Inputs completed by the provider; what it refuses is refused."""
        inputs, failures = self.of(entry).check(self.context(entry), olds, news)
        if failures:
            raise RefusedError("; ".join(_refusal(failure) for failure in failures), entry.urn)
        return inputs

    def diff(self, entry: Entry, old: Entry, inputs: Props) -> Diff:
        """What the provider finds changed between the old entry and these inputs."""
        return self.of(entry).diff(self.context(entry), old.id, old.inputs, old.outputs, inputs)

    def provider_replaced(self, was: Props, new: str) -> bool:
        """Whether moving from a provider resource with these inputs to this one (reference) means new resources."""
        provider = self.package(new.rpartition("::")[0].split("::")[2].rpartition(":")[2])
        return bool(provider.diff_config(_config(was), _config(self.provider_inputs(new))).replaces)


def _refusal(failure: CheckFailure) -> str:
    return f"{failure.property}: {failure.reason}" if failure.property else failure.reason
