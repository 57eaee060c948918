"""What a user may say to a chart, the GPU operator's or the device plugin's, and what is wrong with what was said.

The chart ships no values schema, so a misspelt or dead key, or a text where a boolean belongs, would pass in silence.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from decide import defaults
from decide.ownership import Owner, Ownership
from decide.wording import named, shown, similar

SUBCHART = "node-feature-discovery"  # brings its own schema: a typo below it is refused when the chart is rendered
PLUGIN_SUBCHART = "nfd"  # the same one, as the plugin's chart calls it
CHARTS = Path(__file__).parent / "charts"
DEEPEST = 20  # no values tree of a chart comes near it
LONGEST = 120  # of a path in a message


class Fault(NamedTuple):
    """A user's value that cannot be: its path, what is wrong, and what to do."""

    path: str
    problem: str
    fix: str


class Dead(NamedTuple):
    """A key that older guides set: gone since a version, and what took its place."""

    path: str
    since: str
    instead: str


class Book(NamedTuple):
    """What is known of a chart in all its versions."""

    chart: str
    subchart: str
    owned: Mapping[str, str]  # keys whose answer is somebody else's already, and what to do instead
    dead: tuple[Dead, ...] = ()
    bad: tuple[tuple[str, Any, str, str], ...] = ()  # path, value, what it breaks, what to do


class Chart(NamedTuple):
    """What one version of a chart understands."""

    book: Book
    version: str
    types: Mapping[str, str]
    places: frozenset[str]  # every key, and every section above one
    sections: frozenset[str]
    free: frozenset[str]  # sections that take any content
    defaults: Mapping[str, Any]  # what the chart says itself


DEAD = (
    Dead("psp.enabled", "v24.9.0", "Pod security policies left Kubernetes; the namespace is labelled instead"),
    Dead("dcgm.hostPort", "v24.9.0", "leave it out"),
    Dead("operator.defaultRuntime", "v25.3.0", "the runtime is detected; leave it out"),
    Dead("driver.useOpenKernelModules", "v25.3.0", "driver.kernelModuleType: open"),
    Dead("driver.maxParallelUpgrades", "v24.9.0", "driver.upgradePolicy.maxParallelUpgrades: 1"),
    Dead("cdi.default", "v25.10.0", "cdi.enabled: true, which is the default"),
    Dead("driver.licensingConfig.configMapName", "v25.10.0", "driver.licensingConfig.secretName: my-licence"),
    Dead("operator.initContainer", "v26.3.0", "leave it out; the operator's own image is used"),
    Dead("kataManager", "v26.3.0", "sandboxWorkloads.mode: kata"),
)

# Keys whose answer is somebody else's already: the setting that decides it, or why it cannot be had.
OWNED = {
    "driver.enabled": "set gpu.driver: operator or preinstalled",
    "toolkit.enabled": "set gpu.toolkit: operator or preinstalled",
    "devicePlugin.enabled": "leave it out; without it nothing advertises the cards",
    "operator.runtimeClass": "leave it out; pods and validation rely on the name nvidia",
    "operator.cleanupCRD": "set gpu.operator.removeCrds: true",
    "daemonsets.tolerations": "set cluster.tolerations",
    f"{SUBCHART}.worker.tolerations": "set cluster.tolerations",
    "cdi.nriPluginEnabled": "set gpu.toolkit: nri",
    "clusterPolicy.deployCR": "leave it out; the ClusterPolicy is what the validation waits for",
    "gpuCluster.deployCR": "leave it out; dynamic resource allocation comes with a later release",
    "psa.enabled": "leave it out; the namespace is ours and labelled already",
}

# Values that the chart takes and that break something.
BAD = (
    ("hostPaths.driverInstallDir", "/", "containers do not start with it", "leave it out; a driver in /usr is found"),
    ("validator.image", "gpu-operator-validator", "this image ended with v25.3", "leave it out"),
    ("gfd.image", "gpu-feature-discovery", "this image ended with v24.6", "leave it out"),
)

OPERATOR = Book(defaults.OPERATOR_CHART, SUBCHART, OWNED, DEAD, BAD)
PLUGIN = Book(
    defaults.PLUGIN_CHART,
    PLUGIN_SUBCHART,
    {
        "runtimeClassName": "set gpu.runtimeClass: ours, external or none",
        "tolerations": "set cluster.tolerations",
        f"{PLUGIN_SUBCHART}.worker.tolerations": "set cluster.tolerations",
        "affinity": "leave it out; the plugin runs on the declared nodes",
        "nodeSelector": "leave it out; the plugin runs on the declared nodes",
        "devicePlugin.enabled": "leave it out; without it nothing advertises the cards",
        "gfd.enabled": "set gpu.plugin.discovery: true",
        f"{PLUGIN_SUBCHART}.enabled": "set gpu.plugin.discovery: true",
        "namespaceOverride": "leave it out; the validation looks for the plugin where we install it",
        "nameOverride": "leave it out; the validation knows the plugin by its name",
        "fullnameOverride": "leave it out; the validation knows the plugin by its name",
    },
)

_TYPES: Mapping[str, Any] = {"bool": bool, "int": int, "string": str, "list": (list, tuple), "map": Mapping}
_NAMES = {"bool": "true or false", "int": "a whole number", "string": "a text", "list": "a list", "map": "an object"}


@cache
def chart(version: str, name: str = OPERATOR.chart) -> Chart:
    """The keys of one supported version."""
    book = PLUGIN if name == PLUGIN.chart else OPERATOR
    known = json.loads((CHARTS / f"{name}-v{version.removeprefix('v')}.json").read_text(encoding="utf-8"))
    types, read = known["values"], set(known["readByTemplates"])
    sections = {above for key in {*types, *read} for above in _above(key)}
    split_up = {above for key in read for above in _above(key)}  # templates read these key by key
    maps = {key for key, kind in types.items() if kind == "map"}
    free = maps | {key for key in read - split_up if types.get(key, "map") == "map"}
    return Chart(
        book,
        version,
        types,
        frozenset({*types, *read, *sections}),
        frozenset(sections),
        frozenset(free),
        known["defaults"],
    )


def _above(path: str) -> list[str]:
    parts = path.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def faults(
    user: Mapping[str, Any], version: str, ownership: Ownership | None = None, name: str = OPERATOR.chart
) -> list[Fault]:
    """Everything wrong with the user's own values for this version of a chart and these owners."""
    known = chart(version, name)
    return [fault for keys, value in _leaves(user) if (fault := _fault(keys, value, known, ownership))]


def _leaves(tree: Mapping[Any, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in tree.items():
        keys = (*above, str(key))
        if isinstance(value, Mapping) and value and len(keys) < DEEPEST:
            yield from _leaves(value, keys)
        else:
            yield keys, value


def _fault(keys: tuple[str, ...], value: Any, known: Chart, ownership: Ownership | None) -> Fault | None:
    """The first thing wrong with one value, the most telling check first."""
    path = ".".join(named(key) for key in keys)
    if len(keys) >= DEEPEST:
        return Fault(path[:LONGEST], "this is nested deeper than anything in the chart", "look at the indentation")
    return (
        _dead(path, value, known)
        or _owned(path, known)
        or (_idle(path, ownership) if known.book is OPERATOR else None)
        or _dotted(path, keys, known)
        or _unknown(path, known)
        or _mistyped(path, value, known)
    )


def _dead(path: str, value: Any, known: Chart) -> Fault | None:
    if dead := gone(path, known):
        return Fault(path, f"does nothing any more since {dead.since}", dead.instead)
    return next(
        (Fault(path, problem, fix) for bad, given, problem, fix in known.book.bad if (path, value) == (bad, given)),
        None,
    )


def gone(path: str, known: Chart) -> Dead | None:
    """A key that older guides set, where nothing reads it any more."""
    below = [dead for dead in known.book.dead if _is_at_or_below(path, dead.path)]
    return next((dead for dead in below if number(known.version) >= number(dead.since)), None)


def _owned(path: str, known: Chart) -> Fault | None:
    for owned, instead in known.book.owned.items():
        if _is_at_or_below(path, owned):
            return Fault(path, "is decided by gpu-ready, so that each thing has one owner", instead)
    return None


def _idle(path: str, ownership: Ownership | None) -> Fault | None:
    """Settings of a driver or toolkit container that will not run."""
    thing = path.split(".", maxsplit=1)[0]
    part = dict(ownership.parts()).get(thing) if ownership and thing in ("driver", "toolkit") else None
    if part is None or part.owner is Owner.OPERATOR:
        return None
    return Fault(
        path,
        f"has no effect, because the {thing} belongs to: {part.owner.value}",
        f"gpu.{thing}: operator, or leave it out",
    )


def _dotted(path: str, keys: tuple[str, ...], known: Chart) -> Fault | None:
    """The flat form of `helm --set`: in a values tree it would be one odd key that nothing reads."""
    for depth, key in enumerate(keys):
        if "." in key and not _free_above(".".join(keys[:depth]), known):
            return Fault(path, "keys with dots are for `helm --set` and mean nothing here", "nest it: " + nested(key))
    return None


def nested(key: str) -> str:
    """A dotted key as the nested form that was meant."""
    first, *rest = (named(part) for part in key.split("."))
    return first + "".join(f": {{{part}" for part in rest) + ": ..." + "}" * len(rest)


def _unknown(path: str, known: Chart) -> Fault | None:
    if path.split(".", maxsplit=1)[0] == known.book.subchart or path in known.places:
        return None
    close = _beside(path, known) if _free_above(path, known) else similar(path, known.places)
    if _free_above(path, known) and not close:
        return None
    hint = f"did you mean {close}?" if close else "leave it out"
    return Fault(path[:LONGEST], f"chart {known.book.chart} {known.version} does not know this key", hint)


def _free_above(path: str, known: Chart) -> bool:
    """Whether the path is in a place that takes any content: a map without keys, or one that a template reads whole."""
    return any(_is_at_or_below(path, free) for free in known.free)


def _beside(path: str, known: Chart) -> str:
    """In a free place only a slip of a key that is known there is taken for a mistake."""
    above, _, last = path.rpartition(".")
    known_here = {key.rpartition(".")[2] for key in known.types if key.rpartition(".")[0] == above}
    close = similar(last, known_here, cutoff=0.8)
    return f"{above}.{close}" if close else ""


def _mistyped(path: str, value: Any, known: Chart) -> Fault | None:
    if value is None:
        return Fault(path, "an empty value is dropped before it reaches Helm", "leave it out, or write its value")
    if path.endswith(".env"):
        return _bad_env(path, value)
    kind = known.types.get(path, "map" if path in known.sections else "")
    if kind not in _TYPES or _is_a(kind, value):
        return None
    return Fault(
        path,
        f"{_NAMES[kind]} belongs here, got {shown(value)}",
        f"{path.rsplit('.', maxsplit=1)[-1]}: {_corrected(kind, value)}",
    )


def _is_a(kind: str, value: Any) -> bool:
    if kind == "int":
        return not isinstance(value, bool) and (
            isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        )
    return isinstance(value, _TYPES[kind])


def _bad_env(path: str, value: Any) -> Fault | None:
    """Variables of a container are a list of names with texts; a bare `true` would make the whole pod invalid."""
    entries = value if isinstance(value, (list, tuple)) else [None]
    for entry in entries:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            return Fault(path, "a list of variables belongs here", 'env: [{name: DEVICE_ID_STRATEGY, value: "uuid"}]')
        if "valueFrom" not in entry and not isinstance(entry.get("value"), str):
            wrong = entry.get("value")
            example = f"env: [{{name: {entry['name']}, value: {_corrected('string', wrong)}}}]"
            return Fault(path, f"a variable is a text, got {shown(wrong)} for {entry['name']}", example)
    return None


def _corrected(kind: str, value: Any) -> str:
    """What the user probably meant, in the right type; else an example."""
    plain = str(value).lower() if isinstance(value, (bool, int, float, str)) else ""
    samples = {"bool": "true", "int": "1", "string": '"text"', "list": "[]", "map": "{}"}
    if kind == "string" and plain and len(plain) < 40:
        return json.dumps(plain)
    fits = plain in ("true", "false") if kind == "bool" else plain.isdigit() and len(plain) < 10
    return plain if kind in ("bool", "int") and fits else samples[kind]


def _is_at_or_below(path: str, above: str) -> bool:
    return path == above or path.startswith(f"{above}.")


def number(version: str) -> tuple[int, ...]:
    """A version as numbers that compare: `v26.7.0` is (26, 7, 0)."""
    return tuple(int(part) for part in version.lstrip("v").split("."))
