"""Who owns driver, toolkit, device plugin and RuntimeClass, and why: exactly one owner for each, or a refusal.

The rules are data. A wish is looked up part by part; what the table does not hold is refused, never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, NamedTuple

from decide import ownership_aws, ownership_gke
from decide.wording import shown

TARGETS = ("cluster", "bareMetal", "gke", "aws")
WITHOUT_OPERATOR = ("gke", "aws-bottlerocket")
"""Where the platform itself hands out cards, so that no operator comes unless it is asked for."""


class Owner(str, Enum):
    """Whose business a thing is; everybody else leaves it alone."""

    US = "us"
    HOST = "host"
    OPERATOR = "operator"
    EXTERNAL = "external"
    PLATFORM = "platform"


CLASSLESS = (Owner.OPERATOR, Owner.HOST, Owner.PLATFORM)
"""Where these own the RuntimeClass, a pod gets its card without naming one."""


class Part(NamedTuple):
    """The one owner of one thing, and the reason."""

    owner: Owner
    reason: str


class Refusal(NamedTuple):
    """A wish that cannot be: the setting, what is wrong with it, and a setting that is right."""

    setting: str
    problem: str
    fix: str


@dataclass(frozen=True)
class Ownership:
    """One owner for each thing on a GPU node; none, two, or two that overwrite each other cannot be made."""

    driver: Part
    toolkit: Part
    plugin: Part
    runtime_class: Part
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuses what the types cannot."""
        for name, part in self.parts():
            if not _is_one_owner(part):
                raise TypeError(f"{name}: exactly one owner with a reason belongs here, got {part!r}")
        if self.installs and self.plugin.owner not in (Owner.OPERATOR, Owner.PLATFORM):
            raise ValueError("plugin: an operator that owns anything here runs the device plugin too")
        if self.installs and self.runtime_class.owner is not Owner.OPERATOR:
            raise ValueError("runtime_class: the operator writes this RuntimeClass whoever else does; it has to own it")

    @property
    def installs(self) -> bool:
        """Whether there is an operator of ours."""
        return Owner.OPERATOR in [part.owner for _name, part in self.parts()]

    def parts(self) -> list[tuple[str, Part]]:
        """Each thing with its owner, in the order of the layers."""
        return [(field.name, getattr(self, field.name)) for field in fields(self) if field.name != "notes"]

    def lines(self) -> list[str]:
        """The table that is printed before anything is made."""
        table = [f"{LABELS[name]:<13} {part.owner.value:<9} {part.reason}" for name, part in self.parts()]
        return table + [f"note: {note}" for note in self.notes]

    def as_export(self) -> dict[str, Any]:
        """Plain values for an export, a component of another language or a test."""
        plain: dict[str, Any] = {name: {"owner": p.owner.value, "reason": p.reason} for name, p in self.parts()}
        return {**plain, "notes": list(self.notes)}

    @classmethod
    def from_export(cls, plain: Mapping[str, Any]) -> "Ownership":
        """The same ownership again from its plain values."""
        parts = {name: Part(Owner(plain[name]["owner"]), plain[name]["reason"]) for name in LABELS}
        return cls(**parts, notes=tuple(plain.get("notes", ())))


def _is_one_owner(part: object) -> bool:
    return isinstance(part, Part) and type(part.owner) is Owner and bool(part.reason)


LABELS = {"driver": "driver", "toolkit": "toolkit", "plugin": "device plugin", "runtime_class": "RuntimeClass"}
SETTINGS = {"driver": "gpu.driver", "toolkit": "gpu.toolkit", "runtime_class": "gpu.runtimeClass"}

Decision = Ownership | tuple[Refusal, ...]
Answer = Part | Refusal


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
                "gpu.runtimeClass: ours, or gpu.operator: none",
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
_BEFORE_CLOUDS: Mapping[tuple[str, str], Mapping[str, Mapping[Any, Answer]]] = {
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


def _read(rows: Mapping[Any, Mapping[str, Mapping[Any, tuple[str, ...]]]]) -> dict[Any, Any]:
    """The rows of a cloud: of two words owner and reason, of three a refusal."""
    return {
        key: {thing: {asked: _answer_of(said) for asked, said in choices.items()} for thing, choices in row.items()}
        for key, row in rows.items()
    }


def _answer_of(said: tuple[str, ...]) -> Answer:
    return Refusal(*said) if len(said) == len(Refusal._fields) else Part(Owner(said[0]), said[1])


RULES: Mapping[tuple[str, str], Mapping[str, Mapping[Any, Answer]]] = {
    **_BEFORE_CLOUDS,
    **_read(ownership_gke.ROWS),
    **_read(ownership_aws.ROWS),
}
VARIANTS = {"gke": ownership_gke.variant, "aws": ownership_aws.variant}
"""Where driver or image decide which rows are about a wish."""

# Said when all of it is true, where others prepared the hosts.
NOTES: tuple[tuple[Mapping[str, Owner], str], ...] = (
    (
        {"toolkit": Owner.HOST, "plugin": Owner.OPERATOR},
        "each host needs the runtime handler nvidia in its container runtime, with CDI switched on there",
    ),
    (
        {"plugin": Owner.US, "runtime_class": Owner.US},
        "each node needs the runtime handler nvidia (nvidia-ctk runtime configure); pods name runtimeClassName: nvidia",
    ),
    (
        {"plugin": Owner.US, "runtime_class": Owner.HOST},
        "nvidia has to be the default runtime of each node: nvidia-ctk runtime configure --nvidia-set-as-default",
    ),
    (
        {"driver": Owner.OPERATOR, "toolkit": Owner.HOST},
        'each host needs root = "/run/nvidia/driver" in /etc/nvidia-container-runtime/config.toml, where it will be',
    ),
)


def decide(target: str, wish: Mapping[str, Any]) -> Decision:
    """The owner of each thing for `wish` (`operator`, `driver`, `toolkit`, `runtime_class`; plain text or absent)."""
    refusals = _target_refusals(target)
    variant_of = VARIANTS.get(target)
    variant = variant_of(wish.get("driver"), wish.get("image")) if variant_of else target
    usual = "none" if variant in WITHOUT_OPERATOR else "install"
    operator = usual if wish.get("operator") is None else wish["operator"]
    rules = RULES.get((variant, operator)) if isinstance(operator, str) else None
    if refusals or rules is None:
        return refusals or (_not_a_choice("gpu.operator", operator, [mode for t, mode in RULES if t == variant]),)
    answers = {thing: _answer(thing, choices, wish.get(thing)) for thing, choices in rules.items()}
    refused = tuple(answer for answer in answers.values() if isinstance(answer, Refusal))
    notes = _notes(answers) if target == "cluster" else ()
    return refused or Ownership(
        **{thing: answer for thing, answer in answers.items() if isinstance(answer, Part)}, notes=notes
    )


def _target_refusals(target: str) -> tuple[Refusal, ...]:
    if target in TARGETS:
        return ()
    return (_not_a_choice("target", target, list(TARGETS)),)


def _answer(thing: str, choices: Mapping[Any, Answer], asked: Any) -> Answer:
    known = asked is None or isinstance(asked, str)
    if known and asked in choices:
        return choices[asked]
    return _not_a_choice(SETTINGS.get(thing, f"gpu.{thing}"), asked, [choice for choice in choices if choice])


def _not_a_choice(setting: str, given: Any, choices: list[str]) -> Refusal:
    if not choices:
        return Refusal(setting, f"nobody but the operator can own it, got {shown(given)}", f"leave {setting} out")
    return Refusal(setting, f"{' or '.join(choices)} belongs here, got {shown(given)}", f"{setting}: {choices[0]}")


def _notes(answers: Mapping[str, Answer]) -> tuple[str, ...]:
    owners = {thing: answer.owner for thing, answer in answers.items() if isinstance(answer, Part)}
    return tuple(text for when, text in NOTES if all(owners.get(thing) is owner for thing, owner in when.items()))
