"""Every value that Helm is given, for each target, owner, distribution, sharing and version, with its reason.

A change of `golden_values.txt` is a change of what clusters get, to be read line by line. Made anew with GOLDEN=1.
"""

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from decide import (
    defaults,
    dra_values,
    driver_container,
    flavour,
    images,
    mig,
    monitoring,
    nri,
    operator_values,
    plugin_values,
    sharing,
)
from decide.mig import Mig
from decide.monitoring import Metrics
from decide.operator_values import Value
from decide.ownership import Owner, Ownership, decide
from decide.sharing import Sharing

GOLDEN = Path(__file__).with_name("golden_values.txt")
BY = ("operator", "preinstalled")
LABELS = {"release": "kube-prometheus-stack"}
WATCHED = {
    "prometheus operator": Metrics(),
    "prometheus operator, labels": Metrics(labels=LABELS),
    "prometheus plain": Metrics(prometheus="plain"),
    "exporter external": Metrics(exporter="external"),
}
DIVIDED = {
    "mig single": Mig("single", "all-1g.5gb"),
    "mig mixed, layouts, reboot": Mig("mixed", "mine", layouts={"mine": {"1g.5gb": 4, "3g.20gb": 1}}, reboot=True),
}
MIRROR = images.Images("registry.example.com/mirror", ("registry",))
CONTAINERS: tuple[tuple[dict[str, Any], dict[str, Any] | None], ...] = (
    (
        {"modules": "open", "upgrades": {"auto": True, "parallel": 2, "unavailable": "10%", "drain": True}},
        {"http": "http://proxy.example.com:3128", "no": ["10.0.0.0/8"]},
    ),
    ({"precompiled": 580}, None),
)
SHARED = {"none": None, "timeSlicing": Sharing("timeSlicing", 4), "mps": Sharing("mps", 4)}


def owned(target: str = "cluster", **wish: Any) -> Ownership:
    decided = decide(target, wish)
    assert isinstance(decided, Ownership)
    return decided


def shown(values: list[Value]) -> str:
    return "".join(f"{one.path}: {json.dumps(one.value)}\n    {one.reason}\n" for one in values)


def of_operator(who: Ownership, name: str, version: str, how: str) -> str:
    """What is installed, or why nothing is."""
    told = flavour.problem(name, version) if who.toolkit.owner is Owner.OPERATOR else None
    if told:
        return "refused: {}; {}\n".format(*told)
    by_flavour = flavour.values(name) if who.toolkit.owner is Owner.OPERATOR else ()
    return shown([*operator_values.values(who), *by_flavour, *sharing.operator_values(SHARED[how])])


def fetched() -> Iterator[tuple[str, str, str]]:
    """Likewise of a mirror, a proxy and a driver container that is told something."""
    for version in defaults.OPERATOR_VERSIONS:
        found = [one for how in CONTAINERS for one in driver_container.values(*how)]
        yield (
            "operator, beside the above with mirror and secret",
            version,
            shown([*images.operator_values(MIRROR, version)]),
        )
        yield "operator, beside the above with proxy, modules, upgrades; precompiled", version, shown(found)
    for version in defaults.PLUGIN_VERSIONS:
        told = [*images.plugin_values(MIRROR, version, discovery=True)]
        yield "plugin alone, beside the below with mirror, secret and discovery", version, shown(told)


def plugged() -> Iterator[tuple[str, str, str]]:
    """Likewise of a toolkit that is a plugin of the container runtime, wherever that is."""
    for driver, version in itertools.product(BY, defaults.OPERATOR_VERSIONS):
        found, who = nri.problem(version, {}), owned(driver=driver, toolkit="nri")
        text = "refused: {}; {}\n".format(*found) if found else shown([*operator_values.values(who), *nri.values()])
        yield f"operator: driver {driver}, toolkit nri", version, text


def divided() -> Iterator[tuple[str, str, str]]:
    """Likewise of cards that MIG divides."""
    for how, one in DIVIDED.items():
        for version in defaults.OPERATOR_VERSIONS:
            yield f"operator, beside the above with {how}", version, shown(list(mig.operator_values(one)))
        for version in defaults.PLUGIN_VERSIONS:
            yield f"plugin alone, beside the below with {how}", version, shown(list(mig.plugin_values(one)))


def cases() -> Iterator[tuple[str, str, str]]:
    """A heading, a version, and what that gets."""
    for driver, toolkit, name, how in itertools.product(BY, BY, flavour.FLAVOURS, SHARED):
        if how != "none" and name != "other":
            continue  # the one has nothing to do with the other
        head = f"operator: driver {driver}, toolkit {toolkit}, flavour {name}, sharing {how}"
        for version in defaults.OPERATOR_VERSIONS:
            yield head, version, of_operator(owned(driver=driver, toolkit=toolkit), name, version, how)
    for how, wish in WATCHED.items():
        for version in defaults.OPERATOR_VERSIONS:
            yield (
                f"operator, beside the above with monitoring: {how}",
                version,
                shown(list(monitoring.operator_values(wish))),
            )
    yield from plugged()
    yield from divided()
    yield from fetched()
    for target, by_class, discovery, how in itertools.product(
        ("cluster", "bareMetal"), ("ours", "external", "none"), (False, True), SHARED
    ):
        head = f"plugin alone: {target}, runtimeClass {by_class}, discovery {discovery}, sharing {how}"
        where = {"nodes": ["gpu-1"]} if target == "cluster" else {"hosts": True}
        who = owned(target, operator="none", runtime_class=by_class)
        found = [*plugin_values.values(who, {"discovery": discovery, **where}), *sharing.plugin_values(SHARED[how])]
        for version in defaults.PLUGIN_VERSIONS:
            yield head, version, shown(found)
    yield from by_claim()


def by_claim() -> Iterator[tuple[str, str, str]]:
    """Likewise where claims hand out cards."""
    for version in defaults.DRA_VERSIONS:
        wish = {"nodes": ["gpu-1"], "tolerations": [{"key": "dedicated", "operator": "Exists"}]}
        yield "DRA driver alone", version, shown([*dra_values.values({}, images.Images(), version)])
        yield (
            "DRA driver alone: nodes, taint, mirror, secret",
            version,
            shown([*dra_values.values(wish, MIRROR, version)]),
        )


def written() -> str:
    """Versions that get the same stand together."""
    found: dict[tuple[str, str], list[str]] = {}
    for head, version, text in cases():
        found.setdefault((head, text), []).append(version)
    return "".join(f"## {head}: {', '.join(versions)}\n{text}\n" for (head, text), versions in found.items())


def test_what_clusters_get_is_what_is_written_down() -> None:
    if os.environ.get("GOLDEN"):
        GOLDEN.write_text(written(), encoding="utf-8")
    assert written() == GOLDEN.read_text(encoding="utf-8"), "if this is meant: GOLDEN=1 pytest " + Path(__file__).name
