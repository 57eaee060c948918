"""What the device plugin alone says: progress, or why it hands out no cards. With an operator that one is asked."""

from typing import Dict, List, Optional, Tuple

from decide.failures import recognize
from decide.operator_health import first_bad_operand, judge_operator, kept_from
from decide.reading import (
    Obj,
    Verdict,
    allocatable,
    at,
    chosen_nodes,
    events_about,
    holds,
    labels_of,
    last_lines,
    list_at,
    located,
    log_in,
    name_of,
    node_of,
    number_at,
    resource_of,
    space_of,
    stuck,
    text_at,
    waits,
)
from decide.rollout_health import CHART, observed, older_pods, owners_of

PLUGIN = "nvidia-device-plugin"
CONTAINER = "nvidia-device-plugin-ctr"
# How these call what the operator's catalogue calls otherwise.
OWN_WORDS = {"OP-4": "DP-14", "OP-18": "DP-16"}
BY_HAND = "configure it there: nvidia-ctk runtime configure --runtime=containerd, then restart containerd"
FIXES = {
    "DP-1": BY_HAND + "; where nvidia is to be the default runtime, check that it is",
    "RT-1": BY_HAND,
    "RT-7": "set gpu.runtimeClass: ours, or create it",
}


def judge_bringer(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """Whoever has to make nodes hand out cards."""
    alone = text_at(wish, "operator", "mode") == "none"
    if alone and at(wish, "runtime_class", "owner") == "platform":
        return None  # the platform's plugin speaks by what its nodes hand out
    return judge_plugin(snapshot, wish) if alone else judge_operator(snapshot, wish)


def judge_plugin(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """The plugin's pods run in their newest form on each node in question; else the first thing that is not well."""
    plugin = plugin_of(snapshot, wish)
    if not plugin:
        return waits("DP-14", f"there is no DaemonSet {plugin_name(wish)} yet")
    bad = first_bad_operand(snapshot, wish)
    if bad:
        return in_own_words(bad)
    return refused(snapshot, plugin) or not_everywhere(snapshot, wish, plugin) or not_rolled_out(snapshot, wish, plugin)


def plugin_name(wish: Obj) -> str:
    """How the chart calls its DaemonSet."""
    return text_at(wish, "operator", "daemon_set") or f"{text_at(wish, 'operator', 'release')}-{PLUGIN}"


def plugin_of(snapshot: Obj, wish: Obj) -> Obj:
    """The plugin's DaemonSet."""
    space = text_at(wish, "operator", "namespace")
    named = [one for one in list_at(snapshot, "daemonsets") if name_of(one) == plugin_name(wish)]
    return next((one for one in named if space_of(one) == space), {})


def in_own_words(found: Verdict) -> Verdict:
    """The same finding where no operator is that could mend it."""
    return found._replace(id=OWN_WORDS.get(found.id, found.id), fix=FIXES.get(found.id, found.fix))


def refused(snapshot: Obj, plugin: Obj) -> Optional[Verdict]:
    """Pods that admission does not let in; what it says of them stands in an event alone."""
    if number_at(plugin, "status", "currentNumberScheduled") >= number_at(plugin, "status", "desiredNumberScheduled"):
        return None
    said = [line for line in events_about(snapshot, name_of(plugin)) if line.startswith("FailedCreate")]
    known = recognize(said[-1]) if said else None
    if not said:
        return None
    id, cause = (known.id, known.cause) if known else ("DP-14", "the API server refuses them")
    return in_own_words(waits(id, f"no pods of {name_of(plugin)}: {cause}", said[-1]))


def pods_of(snapshot: Obj, plugin: Obj) -> Dict[str, Obj]:
    """The pods of a DaemonSet by their nodes."""
    pods = [pod for pod in list_at(snapshot, "pods") if name_of(plugin) in owners_of(pod, "name")]
    return {node_of(pod): pod for pod in pods if space_of(pod) == space_of(plugin)}


def not_everywhere(snapshot: Obj, wish: Obj, plugin: Obj) -> Optional[Verdict]:
    """Nodes on which no pod of the plugin is ready; with labels as the wish, one that is will do."""
    there, nodes = pods_of(snapshot, plugin), chosen_nodes(snapshot, wish)
    late = [node for node in nodes if not holds(there.get(name_of(node), {}), "Ready")]
    if not late or (len(late) < len(nodes) and not wish.get("nodes")):
        return None
    kept = [found for found in (kept_from(snapshot, wish, node) for node in late) if found]
    names = ", ".join(name_of(node) for node in late)
    return kept[0] if kept else waits("DP-14", f"{name_of(plugin)} has no ready pod on {names} yet")


def not_rolled_out(snapshot: Obj, wish: Obj, plugin: Obj) -> Optional[Verdict]:
    """Pods of before: what they hand out is not what was asked for last."""
    if not observed(plugin):
        return waits("DP-14", f"{name_of(plugin)} was changed just now")
    older = [pod for pod, here in older_pods(snapshot, wish, plugin) if here]
    return waits("DP-14", f"{located(older[0])} is of an older version and is being replaced") if older else None


def silent_nodes(snapshot: Obj, wish: Obj) -> List[Tuple[Obj, Obj]]:
    """Nodes that hand out nothing though the plugin runs there well, and its pod."""
    plugin = plugin_of(snapshot, wish) if text_at(wish, "operator", "mode") == "none" else {}
    there = pods_of(snapshot, plugin) if plugin else {}
    poor = [node for node in chosen_nodes(snapshot, wish) if not allocatable(node, wish) and name_of(node) in there]
    return [(node, there[name_of(node)]) for node in poor if holds(there[name_of(node)], "Ready")]


def silent_logs(snapshot: Obj, wish: Obj) -> List[Tuple[str, str, str]]:
    """Their logs: the plugin waits for ever for a card, and looks well meanwhile."""
    return [(space_of(pod), name_of(pod), CONTAINER) for _, pod in silent_nodes(snapshot, wish)]


def silent_plugin(snapshot: Obj, wish: Obj, node: Obj) -> Optional[Verdict]:
    """Why the plugin on this node hands out nothing, in its own words."""
    pod = next((pod for one, pod in silent_nodes(snapshot, wish) if name_of(one) == name_of(node)), {})
    said = log_in(snapshot, pod, CONTAINER) if pod else None
    if not isinstance(said, str):
        return None
    known = recognize(said)
    lines = [f"{name_of(pod)}: {line}" for line in last_lines(said, 3)]
    if not known:
        problem = f"{name_of(node)} advertises no {resource_of(node, wish)}, and {name_of(pod)} complains of nothing"
        return stuck("DP-13", problem, *lines)
    return in_own_words(stuck(known.id, f"{located(pod)}: {known.cause}", *lines))


def plugin_report(snapshot: Obj, wish: Obj) -> Dict[str, str]:
    """Which plugin there is."""
    plugin = plugin_of(snapshot, wish)
    ready = at(plugin, "status", "numberReady")
    return {"owner": "none", "version": text_at(labels_of(plugin), CHART), "state": f"{ready or 0} ready"}
