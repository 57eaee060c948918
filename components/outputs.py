"""Few outputs: the SDK makes one of each value inside of values, and looks through all that wait at each step."""

from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pulumi


class Later:
    """Asks when it is awaited: what is never asked is no coroutine that nobody awaited."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self.ask = ask

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from self.ask().__await__())


def resolved(value: Any) -> pulumi.Output[Any]:
    """What `Output.from_input` makes of dicts and lists with outputs of plain values in them, as one output."""
    found: list[pulumi.Output[Any]] = []
    form = _noted(value, found)

    async def resources() -> set[pulumi.Resource]:
        return set[pulumi.Resource]().union(*[await one.resources() for one in found])

    async def values() -> Any:
        return _filled(form, [await one.future(with_unknowns=True) for one in found])

    async def is_known() -> bool:
        return all([await one.is_known() for one in found])

    async def is_secret() -> bool:
        return any([await one.is_secret() for one in found])

    return pulumi.Output(Later(resources), Later(values), Later(is_known), Later(is_secret))


class Place(int):
    """Where a value belongs that is not there yet."""


def _noted(value: Any, found: list[pulumi.Output[Any]]) -> Any:
    if isinstance(value, dict):
        return {key: _noted(item, found) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_noted(item, found) for item in value]
    if not isinstance(value, (pulumi.Output, Awaitable)):
        return value
    found.append(value if isinstance(value, pulumi.Output) else pulumi.Output.from_input(value))
    return Place(len(found) - 1)


def _filled(form: Any, values: list[Any]) -> Any:
    if isinstance(form, dict):
        return {key: _filled(item, values) for key, item in form.items()}
    if isinstance(form, list):
        return [_filled(item, values) for item in form]
    return values[form] if isinstance(form, Place) else form
