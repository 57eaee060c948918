"""Who owns what on clusters that are there and on hosts over SSH: the rules, as data."""

from collections.abc import Mapping
from typing import Any

from decide.owners import Answer, Owner, Part, Refusal


def _no_effect(setting: str) -> Refusal:
    return Refusal(
        setting,
        "has no effect on a GPU operator that is not ours (gpu.operator: external)",
        f"leave {setting} out and set it where that operator is configured, or gpu.operator: install",
    )


_THEIRS = "the operator that is there already brings it; we change nothing and the validation proves it"
_BY_OPERATOR = {
    "driver": "the operator's driver container installs it; a driver found on a host is used and left alone",
    "toolkit": "the operator's toolkit container installs it and registers the runtime with containerd or CRI-O",
    "nri": "the operator's toolkit container, as an NRI plugin: no settings of the container runtime are written, "
    "nothing is restarted; needs containerd 1.7.30 (NRI switched on), 2.1 or newer, or CRI-O 1.34 or newer",
    "runtime_class": "the operator makes RuntimeClass nvidia and overwrites any other of that name, so only it does",
}


def _on_hosts(setting: str, thing: str) -> Refusal:
    return Refusal(
        setting,
        f"has no effect on hosts of target bareMetal: the {thing} is put on each host, or kept where one works",
        f"leave {setting} out, and say it of the host: bareMetal.hosts: [{{{thing}: ...}}]; or target: cluster",
    )


_BY_US = {
    "driver": Part(
        Owner.HOST, "we install it on each host, or keep the one that works there; the operator builds none"
    ),
    "toolkit": Part(
        Owner.HOST, "we install it on each host and bring it to its container runtime, or keep what is there"
    ),
}
_OF_HOSTS: Mapping[str, Mapping[Any, Answer]] = {
    "driver": {
        None: _BY_US["driver"],
        "operator": _on_hosts("gpu.driver", "driver"),
        "preinstalled": _on_hosts("gpu.driver", "driver"),
    },
    "toolkit": {
        None: _BY_US["toolkit"],
        "operator": _on_hosts("gpu.toolkit", "toolkit"),
        "nri": _on_hosts("gpu.toolkit", "toolkit"),
        "preinstalled": _on_hosts("gpu.toolkit", "toolkit"),
    },
}
_NO_OPERATOR = "there is no operator that could bring it (gpu.operator: none)"
_BY_NODES = "it has to be on each node already; the device plugin alone brings none"
_ON_HOSTS_ALONE = Part(Owner.HOST, "we install it on each host, or keep the one that works there")
_DEFAULT_RUNTIME = Part(Owner.HOST, "none: nvidia is the default runtime of the nodes, so pods name no class")
_BY_THEIR_PLUGIN = Part(Owner.EXTERNAL, "the operator or plugin that is there already; the validation proves it")

# (target, operator) -> thing -> what the user asked for (None: nothing) -> owner, or why not.
_ON_CLUSTERS: Mapping[tuple[str, str], Mapping[str, Mapping[Any, Answer]]] = {
    ("cluster", "install"): {
        "driver": {
            None: Part(Owner.OPERATOR, _BY_OPERATOR["driver"]),
            "operator": Part(Owner.OPERATOR, _BY_OPERATOR["driver"]),
            "preinstalled": Part(Owner.HOST, "it is on the hosts already; the operator must not build another"),
        },
        "toolkit": {
            None: Part(Owner.OPERATOR, _BY_OPERATOR["toolkit"]),
            "operator": Part(Owner.OPERATOR, _BY_OPERATOR["toolkit"]),
            "nri": Part(Owner.OPERATOR, _BY_OPERATOR["nri"]),
            "preinstalled": Part(Owner.HOST, "it is on the hosts already, registered with the container runtime there"),
        },
        "plugin": {
            None: Part(Owner.OPERATOR, "the operator runs it; a second one on a node would advertise cards twice")
        },
        "runtime_class": {
            None: Part(Owner.OPERATOR, _BY_OPERATOR["runtime_class"]),
            "ours": Part(Owner.OPERATOR, _BY_OPERATOR["runtime_class"]),
            "external": Refusal(
                "gpu.runtimeClass",
                "the operator that we install would overwrite the RuntimeClass nvidia that somebody else made",
                "gpu.runtimeClass: ours, or gpu.operator: external",
            ),
            "none": Refusal(
                "gpu.runtimeClass",
                "the operator that we install makes RuntimeClass nvidia in any case",
                "gpu.operator: none, which nodes that run Docker want; or gpu.runtimeClass: ours",
            ),
        },
    },
    ("cluster", "external"): {
        "driver": {
            None: Part(Owner.EXTERNAL, _THEIRS),
            "operator": _no_effect("gpu.driver"),
            "preinstalled": _no_effect("gpu.driver"),
        },
        "toolkit": {
            None: Part(Owner.EXTERNAL, _THEIRS),
            "operator": _no_effect("gpu.toolkit"),
            "nri": _no_effect("gpu.toolkit"),
            "preinstalled": _no_effect("gpu.toolkit"),
        },
        "plugin": {None: Part(Owner.EXTERNAL, _THEIRS)},
        "runtime_class": {
            None: Part(Owner.EXTERNAL, _THEIRS),
            "external": Part(Owner.EXTERNAL, _THEIRS),
            "ours": Part(Owner.US, "we make RuntimeClass nvidia with handler nvidia, because nothing there does"),
            "none": _DEFAULT_RUNTIME,
        },
    },
    ("cluster", "none"): {
        "driver": {
            None: Part(Owner.HOST, _BY_NODES),
            "preinstalled": Part(Owner.HOST, _BY_NODES),
            "operator": Refusal("gpu.driver", _NO_OPERATOR, "gpu.driver: preinstalled, or gpu.operator: install"),
        },
        "toolkit": {
            None: Part(Owner.HOST, _BY_NODES),
            "preinstalled": Part(Owner.HOST, _BY_NODES),
            "operator": Refusal("gpu.toolkit", _NO_OPERATOR, "gpu.toolkit: preinstalled, or gpu.operator: install"),
            "nri": Refusal("gpu.toolkit", _NO_OPERATOR, "gpu.toolkit: preinstalled, or gpu.operator: install"),
        },
        "plugin": {
            None: Part(
                Owner.US,
                "its chart alone: no driver or toolkit containers, MIG manager, metrics; gpu.operator: install has",
            )
        },
        "runtime_class": {
            None: Part(Owner.US, "we make RuntimeClass nvidia with handler nvidia; the plugin's chart makes none"),
            "ours": Part(Owner.US, "we make RuntimeClass nvidia with handler nvidia; the plugin's chart makes none"),
            "external": Part(Owner.EXTERNAL, "it is there already, as k3s brings it; the validation proves it"),
            "none": _DEFAULT_RUNTIME,
        },
    },
}
_NO_CLASS = Part(Owner.OPERATOR, "none: pods name no class, and the operator deletes the one that it may have made")
_NO_CLASS_THERE = Refusal(
    "gpu.runtimeClass", "is none where the toolkit is an NRI plugin (gpu.toolkit: nri)", "leave gpu.runtimeClass out"
)
WITHOUT_CLASS: Mapping[Any, Answer] = {
    None: _NO_CLASS, "none": _NO_CLASS, "ours": _NO_CLASS_THERE, "external": _NO_CLASS_THERE,
}  # fmt: skip
"""Who owns the RuntimeClass where our operator's toolkit is an NRI plugin."""
ROWS: Mapping[tuple[str, str], Mapping[str, Mapping[Any, Answer]]] = {
    **_ON_CLUSTERS,
    ("bareMetal", "install"): {**_ON_CLUSTERS["cluster", "install"], **_OF_HOSTS},
    ("bareMetal", "external"): {
        **_ON_CLUSTERS["cluster", "external"],
        **_OF_HOSTS,
        "plugin": {None: _BY_THEIR_PLUGIN},
    },
    ("bareMetal", "none"): {
        **_ON_CLUSTERS["cluster", "none"],
        **_OF_HOSTS,
        "driver": {**_OF_HOSTS["driver"], None: _ON_HOSTS_ALONE},
    },
}
