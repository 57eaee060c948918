"""What is said around the tree: what is simulated, the proof per node, what stays, the state."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from decide.gke_hint import ALLOWED, PROTECTED
from lab.events import StepEvent
from lab.packages import COMMAND
from lab.stack_file import turning
from lab.view import seconds_text, short_type
from lab.view_model import STACK_TYPE, Tree, named

if TYPE_CHECKING:
    from lab.cluster.switches import Turned


class Line(NamedTuple):
    """A line and its style on a terminal."""

    text: str
    style: str = ""
    copied: bool = False


def header(nodes: int, secrets: int = 0, hosts: int = 0) -> list[Line]:
    """The first line of every command: what is real here, which is nothing."""
    lines = [Line(f"rehearsal: {simulated(nodes, hosts)}; nothing real is touched", "dim")]
    if secrets:
        what = "secret is replaced by a placeholder" if secrets == 1 else "secrets are replaced by placeholders"
        lines.append(Line(f"{secrets} {what}: a rehearsal takes no real one", "dim"))
    return lines


def still_on(switches: Sequence[Turned]) -> Iterator[str]:
    """Switches that an earlier run turned: what fails now may fail because of them."""
    if switches:
        which = ", ".join(f"{one.path} = {json.dumps(one.value)}" for one in switches)
        yield f"world: still switched: {which}; back with {' '.join(_back(one) for one in switches)}"


def switches_on(switches: Sequence[Turned]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {"path": f"world.{one.path}", "value": one.value, "beginning": one.beginning, "back": _back(one)}
        for one in switches
    ]


def _back(one: Turned) -> str:
    return turning(one.path, one.beginning)


def unread(environments: Sequence[str]) -> Iterator[Line]:
    """What the stack file would bring from elsewhere, and the rehearsal leaves out."""
    if environments:
        which = ", ".join(environments)
        yield Line(
            f"environments of Pulumi ESC are not read here: {which}; the config of the file alone counts", "yellow"
        )


def simulated(nodes: int, hosts: int = 0) -> str:
    """Engine and world in half a sentence."""
    cluster = f"built-in engine, simulated cluster ({_some(nodes, 'node')})"
    return f"{cluster}, {_some(hosts, 'simulated host')}" if hosts else cluster


def _some(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def contacts(hosts: Mapping[str, str], found: Mapping[str, Mapping[str, int]], op: str) -> str:
    """How much the hosts were bothered, as a part of the last line; a preview never does that."""
    if not hosts or op == "preview":
        return ""
    dials, scripts, files = (sum(one.get(key, 0) for one in found.values()) for key in ("dials", "scripts", "copies"))
    done = [
        f"{_some(count, what)} {did}"
        for count, what, did in ((scripts, "script", "run"), (files, "file", "sent"))
        if count
    ]
    return f", {_some(dials, 'connection')} to hosts" + (f" ({', '.join(done)})" if done else "")


def closing(report: Mapping[str, Any], hosts: Mapping[str, Any] | None = None, earlier: str = "") -> Iterator[Line]:
    """What `up` proved, node by node, and what the host below each shows; a report not made now says so."""
    host_of = {str(one["node"]): (name, one) for name, one in (hosts or {}).items() if isinstance(one, Mapping)}
    if report.get("why"):
        yield Line(f"not validated: {report['why']}", "yellow")
    for node in report.get("nodes") or []:
        yield from (Line(""), *_node(node, earlier), *_host(*host_of.get(str(node.get("name")), ("", {}))))
    for name in report.get("not_tested") or []:
        yield Line(f"  not tested: {_text(name)}", "yellow")
    for warning in report.get("warnings") or []:
        yield Line(f"  warning: {_text(warning)}", "yellow")


def take_back(stack: str, hint: str) -> Iterator[Line]:
    """How to undo it, here and outside of the rehearsal, and what then stays."""
    first, *rest = hint.splitlines() or [""]
    outside = f" (outside of the rehearsal: {first})" if first else ""
    named = f"-s {shlex.quote(stack)}"
    allow = f"{COMMAND} up {named} --yes --set {ALLOWED}, then " if first.startswith(PROTECTED) else ""
    yield Line(f"take it back: {allow}{COMMAND} destroy {named}{outside}")
    yield from (Line(f"  {line}", "dim") for line in rest)


def protected(stack: str, hint: str) -> Iterator[Line]:
    """What a destroy that stopped at a pool needs first; nothing where none is protected."""
    if hint.startswith(PROTECTED):
        yield from take_back(stack, hint)


def unsettled(stack: str, pending: Sequence[Mapping[str, Any]]) -> str:
    """What to do about operations that were interrupted."""
    return (
        f"noted as begun and never finished: {_names(pending)}; "
        "when you know what became of it, this forgets the note: "
        f"{COMMAND} refresh -s {shlex.quote(stack)} --clear-pending-creates"
    )


def running(holder: str, pending: Sequence[Mapping[str, Any]]) -> str:
    """Of operations that somebody is still at, nothing is to be forgotten."""
    return f"another operation is running ({holder}) and has begun, not finished: {_names(pending)}; wait until it ends"


def _names(pending: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(named(urn)[1] for urn in pending_urns(pending))


def pending_urns(pending: Sequence[Mapping[str, Any]]) -> list[str]:
    """The resources that interrupted operations were about."""
    return [str(item["resource"]["urn"]) for item in pending]


def _node(node: Mapping[str, Any], earlier: str = "") -> Iterator[Line]:
    card = " ".join(
        str(part)
        for part in (f"{node.get('gpus') or 1} x {node.get('card') or 'unknown card'}", node.get("memory") or "")
    )
    facts = [card.strip(), *([f"{node['slices']} slices {node['slice']}"] if node.get("slices") else [])]
    facts += [f"{node['shares']} shares ({node['sharing']})"] if node.get("shares") else []
    facts += [f"{word} {node[key]}" for key, word in (("driver", "driver"), ("cuda", "CUDA up to")) if node.get(key)]
    facts += [f"{float(node['seconds']):.0f}s"] if node.get("seconds") else []
    facts += [earlier] if earlier else []
    checks = node.get("checks") or []
    passed = bool(checks) and all(check.get("passed") for check in checks)
    yield Line(
        f"{'GPU ready' if passed else 'NOT ready'}: {node.get('name')}: {', '.join(facts)}",
        "bold green" if passed else "bold red",
    )
    for check in checks:
        word = "passed" if check.get("passed") else "FAILED"
        evidence = str(check.get("evidence") or "").strip().splitlines()
        yield Line(
            f"  {word} {check.get('name')}{': ' + evidence[-1] if evidence else ''}",
            "green" if check.get("passed") else "red",
        )


def _host(name: str, host: Mapping[str, Any]) -> Iterator[Line]:
    facts = [f"{word} {host[key]}" for key, word in (("driver", "driver"), ("toolkit", "toolkit")) if host.get(key)]
    facts += [str(host["runtime"])] if host.get("runtime") else []
    facts += [f"{host['instance_store']} on its instance store"] if host.get("instance_store") else []
    facts += [", ".join(str(card) for card in host["cards"])] if host.get("cards") else []
    if facts:
        yield Line(f"  host {name}: {', '.join(facts)}", "dim")


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ": ".join(str(value[key]) for key in ("name", "reason", "text") if value.get(key)) or str(dict(value))
    return str(value)


def workload(text: str) -> Iterator[Line]:
    """The first workload, to copy: no guides, no colors inside it."""
    if text.strip():
        yield Line("")
        yield Line("first workload, to copy (kubectl apply -f FILE):", "bold")
        yield from (Line(line, "cyan", copied=True) for line in text.strip("\n").splitlines())
        yield Line("")


def stays(
    expected: Sequence[str],
    unexpected: Sequence[str] = (),
    switched: bool = False,
    hosts: Mapping[str, int] | None = None,
    unknown: str = "",
) -> Iterator[Line]:
    """What `destroy` left in the world, sorted into what it says it leaves and what it should not have left."""
    if unknown:
        yield Line(f"all was deleted; what stays cannot be told: {unknown}", "yellow")
        return
    for name, count in (hosts or {}).items():
        what = f"{count} files, packages, holds and services"
        yield Line(f"host {name} is as it was before the first up: {what} compared", "green")
    if not expected and not unexpected:
        yield Line("nothing stays: the cluster is as it was before the first up", "green")
    if expected:
        yield Line("stays in the cluster, as the destroy hint of up says:", "yellow")
        yield from (Line(f"  {one}") for one in expected)
    if unexpected:
        because = (
            "differs from the start; switches of the world were turned meanwhile"
            if switched
            else "should not have stayed"
        )
        yield Line(f"{because}:", "yellow" if switched else "bold red")
        yield from (Line(f"  {one}") for one in unexpected)


def last(op: str, stack: str, result: str, seconds: float, counts: str, clock: float = 0.0) -> Line:
    """The last line of every command: how it ended, and once more that nothing of it was real."""
    inside = f" ({seconds_text(clock)} in the simulated cluster)" if clock >= 1 else ""
    text = f"rehearsal: {op} of {stack} {result} in {seconds_text(seconds)}{inside}: {counts}; nothing real was touched"
    return Line(text, "bold green" if result == "succeeded" else "bold red")


def state_lines(resources: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    """The resources of a state as a tree."""
    tree = Tree()
    for item in resources:
        urn = str(item["urn"])
        tree.step(StepEvent("done", "read", item["type"], named(urn)[1], urn, item.get("parent", "")))
        tree.nodes[urn].op = "kept"
    ids = {str(item["urn"]): str(item.get("id") or "") for item in resources}
    rows = tree.rows()
    width = max((len(row.guides + row.node.name) for row in rows), default=0)
    for row in rows:
        if row.node.type != STACK_TYPE:
            name = f"{row.guides}{row.node.name}"
            yield Line(f"{name:<{width}}  {short_type(row.node.type):<20}  {ids[row.node.urn]}".rstrip())
