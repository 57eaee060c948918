"""Looks at hosts, all of them at once: the facts of each, and what would be done to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from decide import host_plan
from decide.host_failures import Refusal
from decide.host_plan import Plan
from doctor.programs import Programs
from doctor.ssh import Door
from host.facts import HostFacts

AT_ONCE = 16
PRESENT = "present"
T = TypeVar("T")


class Seen(NamedTuple):
    """What came of looking at one host."""

    host: Mapping[str, Any]
    facts: HostFacts | None = None
    plan: Plan | None = None
    refusals: tuple[Refusal, ...] = ()

    @property
    def result(self) -> str:
        """In one word."""
        if self.host["state"] != PRESENT:
            return str(self.host["state"])
        if self.facts is None:
            return "unread"
        return "refused" if self.refusals else "ready"

    @property
    def is_well(self) -> bool:
        """Whether `up` may go on, as far as this host is concerned."""
        return not self.refusals


def look(host: Mapping[str, Any], door: Door) -> Seen:
    """One host; nobody talks to one that is said to be away."""
    if host["state"] != PRESENT:
        return Seen(host)
    found = door.facts(host, host_plan.asked(host["wish"]))
    if isinstance(found, Refusal):
        return Seen(host, refusals=(found,))
    return planned(host, found)


def planned(host: Mapping[str, Any], facts: HostFacts) -> Seen:
    """What the facts make of the wish."""
    plan = host_plan.plan(facts, host["wish"])
    return Seen(host, facts, plan) if isinstance(plan, Plan) else Seen(host, facts, refusals=plan)


def each(hosts: Sequence[T], ask: Callable[[T], Any], programs: Programs) -> Iterator[tuple[int, Any]]:
    """Asks of all at once; what is known first comes first, with its place in the list."""
    with ThreadPoolExecutor(max(1, min(AT_ONCE, len(hosts)))) as pool, _ended(programs):
        asked: dict[Future[Any], int] = {pool.submit(ask, host): at for at, host in enumerate(hosts)}
        for done in as_completed(asked):
            yield asked[done], done.result()


@contextmanager
def _ended(programs: Programs) -> Iterator[None]:
    """Who goes early (Ctrl-C, a fault) does not wait for what still runs."""
    try:
        yield
    except BaseException:
        programs.stopping.set()
        raise
