"""What was seen, for people and for programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from decide import host_runtime
from decide.catalog import name_of
from decide.defaults import RUNTIME_CLASS
from decide.host_failures import Refusal
from decide.host_wish import HostWish
from doctor.look import Seen
from doctor.words import counted
from host.facts import HostFacts

AWAY = {
    "offline": "offline: not contacted, all of it stays as it is",
    "abandoned": "abandoned: not contacted; taken out of the list it is forgotten",
}
RESULTS = {"ready": "fit for up", "refused": "refused", "unread": "not to be read"}


def lines(seen: Seen) -> Iterator[str]:
    """All that is to be said of one host."""
    host = seen.host
    if seen.result in AWAY:
        yield f"{host['name']}  {AWAY[seen.result]}"
        return
    yield f"{host['name']}  {place(host)}"
    if seen.facts:
        yield from (f"  {line}" for line in facts_lines(seen.facts))
    for about, text, done in steps(seen):
        yield f"  {about:<9} {'already done: ' if done else ''}{text}"
    yield from (f"  {line}" for one in seen.refusals for line in refusal_lines(one))


def steps(seen: Seen) -> Iterator[tuple[str, str, bool]]:
    """What each step would do, and whether we did it already; a plan is the same before and after."""
    facts, plan = seen.facts, seen.plan
    if not facts or not plan:
        return
    driver, toolkit = plan.values["driver"], plan.values["toolkit"]
    wanted = HostWish(version=driver.get("GR_WANT_DRIVER"))
    works = facts.driver_works and wanted.fits(facts.driver_version)
    done = {
        "driver": works and facts.ours.installs and facts.ours.driver == driver["GR_DECIDED"],
        "toolkit": bool(facts.toolkit) and facts.toolkit == facts.ours.toolkit == toolkit.get("GR_DECIDED"),
        "runtime": facts.ours.runtime and RUNTIME_CLASS in facts.runtime.handlers,
    }
    for one in plan.decisions:
        if one.about != "host":
            yield one.about, one.text, one.lasting and done.get(one.about, False)


def place(host: Mapping[str, Any]) -> str:
    """`ubuntu@192.0.2.10`, with the port where it is not the usual one."""
    address = f"[{host['address']}]" if ":" in host["address"] else host["address"]
    return f"{host['user']}@{address}{'' if host['port'] == 22 else ':' + str(host['port'])}"


def refusal_lines(refused: Refusal) -> Iterator[str]:
    """As the steps of `up` end."""
    first, fix = refused.lines()
    yield f"refused   {first}"
    yield f"          {fix}"


def facts_lines(facts: HostFacts) -> Iterator[str]:
    """The host and its cards, a line each."""
    runtime = host_runtime.named(facts.runtime) or "no container runtime"
    yield f"system    {facts.pretty}, kernel {facts.kernel}, {facts.arch}, {runtime}"
    yield f"cards     {', '.join(cards(facts)) or 'none of NVIDIA'}; {software(facts)}"


def cards(facts: HostFacts) -> list[str]:
    """Each with who holds it."""
    return [f"{name_of(card.id)} (held by {card.driver or 'nobody'})" for card in facts.cards]


def software(facts: HostFacts) -> str:
    """Driver and toolkit as they are."""
    state = "works" if facts.driver_works else "does not work"
    version = facts.driver_version or facts.loaded
    driver = f"driver {version} {state}" if version else "no driver"
    toolkit = f"container toolkit {facts.toolkit}" if facts.toolkit else "no container toolkit"
    return f"{driver}, {toolkit}"


def sum_line(seen: Sequence[Seen]) -> str:
    """The last line."""
    counts = {word: sum(one.result == result for one in seen) for result, word in RESULTS.items()}
    away = sum(one.result in AWAY for one in seen)
    parts = [f"{count} {word}" for word, count in {**counts, "not contacted": away}.items() if count]
    return f"{counted(len(seen), 'host')}: {', '.join(parts)}. Nothing was changed."


def document(stack: str, seen: Iterable[Seen], rehearsal: bool) -> dict[str, Any]:
    """The same for programs; hosts in the order of the stack file."""
    hosts = [_host(one) for one in seen]
    return {"op": "plan", "stack": stack, "simulated": rehearsal, "changed": False, "hosts": hosts}


def _host(seen: Seen) -> dict[str, Any]:
    known = dataclasses.asdict(seen.facts) if seen.facts else None
    return {
        "name": seen.host["name"],
        "address": seen.host["address"],
        "state": seen.host["state"],
        "result": seen.result,
        "facts": known,
        "plan": [{"step": about, "text": text, "done": done} for about, text, done in steps(seen)],
        "refusals": [
            {"id": one.id, "layer": one.layer, "problem": one.problem, "fix": one.fix} for one in seen.refusals
        ],
    }
