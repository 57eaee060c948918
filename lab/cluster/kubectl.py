"""The stand-in kubectl: reads a simulated cluster, and refuses everything that it does not know."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lab.cluster import access, drain, field_managers, kinds, kubelet
from lab.cluster.nodes import server_version
from lab.cluster.store import Cluster, Object
from lab.cluster.world import World

CALL_SECONDS = 0.2
SLOW_SECONDS = 12.0
_REFUSED = "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?"
_TIMED_OUT = (
    "Unable to connect to the server: net/http: request canceled (Client.Timeout exceeded while awaiting headers)"
)
_VALUED = {
    "--kubeconfig": "kubeconfig",
    "--context": "context",
    "--request-timeout": "timeout",
    "-n": "namespace",
    "--namespace": "namespace",
    "-l": "selector",
    "--selector": "selector",
    "-o": "output",
    "--output": "output",
    "-c": "container",
    "--container": "container",
    "--tail": "tail",
    "--timeout": "drain",
    "--field-selector": "fields",
}
_PLAIN = {
    "-A": "all", "--all-namespaces": "all", "--client": "client", "--show-managed-fields": "managers",
    "--overwrite": "overwrite", "--force": "force", "--no-headers": "bare",
    "--ignore-daemonsets": "daemon sets", "--delete-emptydir-data": "empty dirs",
}  # fmt: skip


class Refused(Exception):
    """What kubectl prints on stderr before it ends with status 1."""


def main(argv: list[str]) -> int:
    """`argv[0]` is the file of the world; the rest is a kubectl command line."""
    world = World(argv[0])
    try:
        words, options = _parse(argv[1:])
        print(_answer(world, words, options))
        return 0
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1


def _parse(argv: list[str]) -> tuple[list[str], dict[str, str]]:
    words: list[str] = []
    options: dict[str, str] = {}
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        flag, equals, value = word.partition("=")
        if not word.startswith("-"):
            words.append(word)
        elif flag in _PLAIN and not equals:
            options[_PLAIN[flag]] = "true"
        elif flag in _VALUED and (equals or rest):
            options[_VALUED[flag]] = value if equals else rest.pop(0)
        else:
            raise Refused(f"error: unknown flag: {flag} (this stand-in of kubectl knows few)")
    return words, options


def _answer(world: World, words: list[str], options: dict[str, str]) -> str:
    verb = " ".join(words[:2]) if words[:1] == ["config"] else "".join(words[:1])
    if verb not in _VERBS:
        raise Refused(f'error: unknown command "{" ".join(words)}" for "kubectl" (this stand-in knows few)')
    world.clock.reach(world.clock.now() + CALL_SECONDS)
    with world.open() as cluster:
        _check_context(cluster, options)
        if verb != "config get-contexts":
            slow = _reach_api(cluster, options)
            world.clock.reach(world.clock.now() + slow)
        answer = _VERBS[verb](cluster, words[1:], options)
    return "\n".join([answer, *_emptied(world, words[1], options)]) if verb == "drain" else answer


def _check_context(cluster: Cluster, options: dict[str, str]) -> None:
    path = options.get("kubeconfig", "")
    text = Path(path).read_text(encoding="utf-8") if Path(path).name.startswith(access.OURS) else ""
    if why := access.refusal(cluster, text, options.get("context", "")):
        raise Refused(why if why.startswith("Unable") else f"error: {why}")


def _reach_api(cluster: Cluster, options: dict[str, str]) -> float:
    """How long the API server takes to answer."""
    state = cluster.spec["api"]
    if state == "down":
        raise Refused(_REFUSED)
    if state != "slow":
        return 0.0
    limit = _seconds(options.get("timeout", "0"))
    if 0 < limit < SLOW_SECONDS:
        raise Refused(_TIMED_OUT)
    return SLOW_SECONDS


def _seconds(text: str) -> float:
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], text[-1:]) if text[-1:] in units else (text, "s")
    try:
        return float(number) * units[unit]
    except ValueError:
        raise Refused(f'error: invalid argument "{text}" for "--request-timeout" flag') from None


def _get(cluster: Cluster, words: list[str], options: dict[str, str]) -> str:
    if words == ["pdb"] and {"all", "bare"} <= {*options}:
        return drain.table(cluster)
    if options.get("output") != "json" or not 1 <= len(words) <= 2:
        raise Refused("error: this stand-in of kubectl knows `get KIND [NAME] -o json` only")
    found = [kind for word in words[0].split(",") for kind in [_kind(cluster, word)]]
    shown = field_managers.shown if "managers" in options else lambda _cluster, obj: obj
    if len(words) == 2:
        return _show(shown(cluster, _one(cluster, found[0], words[1], options)))
    items = [shown(cluster, obj) for kind in found for obj in _some(cluster, kind, options)]
    return _show({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}})


def _kind(cluster: Cluster, word: str) -> kinds.Kind:
    kind = kinds.find(word)
    if kind is None or not cluster.serves(kind):
        raise Refused(f'error: the server doesn\'t have a resource type "{word.partition(".")[0]}"')
    return kind


def _one(cluster: Cluster, kind: kinds.Kind, name: str, options: dict[str, str]) -> Object:
    obj = cluster.get(kind.name, name, options.get("namespace", "default"))
    if obj is None:
        raise Refused(f'Error from server (NotFound): {kind.resource} "{name}" not found')
    return obj


def _some(cluster: Cluster, kind: kinds.Kind, options: dict[str, str]) -> list[Object]:
    namespace = None if "all" in options else options.get("namespace", "default")
    wanted = [_requirement(one) for one in options.get("selector", "").split(",") if one]
    node = _node_in(options.get("fields", ""))
    found = [obj for obj in cluster.list(kind.name, namespace) if node in (None, obj.get("spec", {}).get("nodeName"))]
    return [obj for obj in found if all(_matches(obj, *one) for one in wanted)]


def _node_in(fields: str) -> str | None:
    name, _, value = fields.partition("=")
    if name not in ("", "spec.nodeName"):
        raise Refused(f"error: this stand-in of kubectl does not know the field selector {fields}")
    return value if name else None


def _requirement(text: str) -> tuple[str, str, str]:
    for operator in ("!=", "==", "="):
        key, found, value = text.partition(operator)
        if found:
            return key.strip(), operator, value.strip()
    return text.strip().lstrip("!"), "!" if text.strip().startswith("!") else "exists", ""


def _matches(obj: Object, key: str, operator: str, value: str) -> bool:
    has = obj["metadata"].get("labels", {}).get(key)
    if operator == "exists":
        return has is not None
    if operator == "!":
        return has is None
    return bool((has == value) is (operator != "!="))


def _show(value: Any) -> str:
    return json.dumps(value)  # not indented: that would take most of the time of a call


def _logs(cluster: Cluster, words: list[str], options: dict[str, str]) -> str:
    if len(words) != 1:
        raise Refused("error: this stand-in of kubectl knows `logs POD [-c CONTAINER]` only")
    name = words[0].removeprefix("pod/")
    pod = _one(cluster, kinds.KINDS["Pod"], name, options)
    container = options.get("container") or pod["spec"]["containers"][0]["name"]
    statuses = [*pod["status"].get("initContainerStatuses", ()), *pod["status"].get("containerStatuses", ())]
    known = [one["name"] for one in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])]
    if container not in known:
        raise Refused(f"error: container {container} is not valid for pod {name}")
    text = kubelet.log_of(cluster, pod, container)
    if text is None:
        raise Refused(_not_started(name, container, statuses))
    lines = text.splitlines()
    tail = int(options.get("tail", "-1"))
    return "\n".join(lines[-tail:] if tail > 0 else lines if tail < 0 else [])


def _not_started(pod: str, container: str, statuses: list[Object]) -> str:
    waiting: Object = next((one["state"].get("waiting", {}) for one in statuses if one["name"] == container), {})
    reason = waiting.get("reason", "")
    why = "trying and failing to pull image" if "Image" in reason else reason
    start = f" is waiting to start: {why}" if why else " is not available"
    return f'Error from server (BadRequest): container "{container}" in pod "{pod}"{start}'


def _version(cluster: Cluster, words: list[str], options: dict[str, str]) -> str:
    if options.get("output") != "json":
        raise Refused("error: this stand-in of kubectl knows `version -o json` only")
    major, minor = cluster.version
    about = {"major": str(major), "minor": str(minor), "gitVersion": server_version(cluster), "platform": "linux/amd64"}
    server = {} if "client" in options else {"serverVersion": about}
    return _show({"clientVersion": about, "kustomizeVersion": "v5.7.1", **server})


def _contexts(cluster: Cluster, words: list[str], options: dict[str, str]) -> str:
    if options.get("output") != "name":
        raise Refused("error: this stand-in of kubectl knows `config get-contexts -o name` only")
    return "\n".join([cluster.spec["context"], *cluster.spec["contexts"]])


def _nodes(cluster: Cluster, names: list[str], options: dict[str, str]) -> list[Object]:
    node = kinds.KINDS["Node"]
    return [_one(cluster, node, name, options) for name in names] or _some(cluster, node, options)


def _cordon(cluster: Cluster, words: list[str], options: dict[str, str], closed: bool = True) -> str:
    if not words and "selector" not in options:
        raise Refused("error: USAGE: cordon NODE [flags]")
    return "\n".join(drain.cordon(cluster, one, closed) for one in _nodes(cluster, words, options))


def _uncordon(cluster: Cluster, words: list[str], options: dict[str, str]) -> str:
    return _cordon(cluster, words, options, closed=False)


def _label(cluster: Cluster, words: list[str], options: dict[str, str]) -> str:
    if kinds.find(words[0]) != kinds.KINDS["Node"]:
        raise Refused("error: this stand-in of kubectl labels nodes only")
    names = [word for word in words[1:] if "=" not in word and not word.endswith("-")]
    for node in _nodes(cluster, names, options):
        if why := drain.label(cluster, node, words[1 + len(names) :], "overwrite" in options):
            raise Refused(why)
    return "labeled"


def _drain(cluster: Cluster, words: list[str], options: dict[str, str]) -> str:
    """Closes the node and looks at its pods; they are sent away while time goes on, in `_emptied`."""
    return _cordon(cluster, words, options)


def _emptied(world: World, node: str, options: dict[str, str]) -> list[str]:
    with world.open() as cluster:
        how = {"ignores_daemon_sets": "daemon sets", "empty_dir": "empty dirs", "force": "force"}
        wrong, said = drain.unfit(cluster, node, **{key: word in options for key, word in how.items()}), list[str]()
    if not wrong:
        said, wrong = drain.empty(world, node, _seconds(options.get("drain", "0")))
    if wrong:
        why = wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]"
        end = f'error: unable to drain node "{node}" due to error: {why}, continuing command...'
        raise Refused("\n".join([*said, end, "There are pending nodes to be drained:", f" {node}", why]))
    return [f"node/{node} drained"]


_VERBS = {
    "cordon": _cordon, "uncordon": _uncordon, "drain": _drain, "label": _label,
    "get": _get, "logs": _logs, "version": _version, "config get-contexts": _contexts,
}  # fmt: skip
