"""Who owns driver, toolkit, device plugin and RuntimeClass, and why: exactly one owner for each, or a refusal.

The rules are data. A wish is looked up part by part; what the table does not hold is refused, never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from decide import ownership_aws, ownership_clusters, ownership_dra, ownership_gke
from decide.owners import CLASSLESS, Answer, Owner, Part, Refusal
from decide.wording import shown

__all__ = ["CLASSLESS", "TARGETS", "Decision", "Owner", "Ownership", "Part", "Refusal", "decide"]

TARGETS = ("cluster", "bareMetal", "gke", "aws")
WITHOUT_OPERATOR = ("gke", "aws-bottlerocket")
"""Where the platform itself hands out cards, so that no operator comes unless it is asked for."""


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


def _read(rows: Mapping[Any, Mapping[str, Mapping[Any, tuple[str, ...]]]]) -> dict[Any, Any]:
    """The rows of a cloud: of two words owner and reason, of three a refusal."""
    return {
        key: {thing: {asked: _answer_of(said) for asked, said in choices.items()} for thing, choices in row.items()}
        for key, row in rows.items()
    }


def _answer_of(said: tuple[str, ...]) -> Answer:
    return Refusal(*said) if len(said) == len(Refusal._fields) else Part(Owner(said[0]), said[1])


RULES: Mapping[tuple[str, str], Mapping[str, Mapping[Any, Answer]]] = {
    **ownership_clusters.ROWS,
    **ownership_dra.ROWS,
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
    """The owner of each thing for `wish` (`operator`, `driver`, `toolkit`, `runtime_class`, `allocation`; plain)."""
    refusals = _target_refusals(target)
    variant_of = VARIANTS.get(target)
    variant = variant_of(wish.get("driver"), wish.get("image")) if variant_of else target
    usual = "none" if variant in WITHOUT_OPERATOR else "install"
    operator = usual if wish.get("operator") is None else wish["operator"]
    by_claim = wish.get("allocation") == ownership_dra.DRA
    if wish.get("allocation") not in (None, *ownership_dra.ALLOCATIONS):
        refusals += (_not_a_choice(ownership_dra.SETTING, wish["allocation"], [*ownership_dra.ALLOCATIONS]),)
    if by_claim:
        refusals += ownership_dra.refusals(target, operator)
        variant = f"{variant}-{ownership_dra.DRA}"
    rules = RULES.get((variant, operator)) if isinstance(operator, str) else None
    if refusals or rules is None:
        return refusals or (_not_a_choice("gpu.operator", operator, [mode for t, mode in RULES if t == variant]),)
    if (variant, operator, wish.get("toolkit")) == ("cluster", "install", "nri"):
        rules = {**rules, "runtime_class": ownership_clusters.WITHOUT_CLASS}
    answers = {thing: _answer(thing, choices, wish.get(thing)) for thing, choices in rules.items()}
    refused = tuple(answer for answer in answers.values() if isinstance(answer, Refusal))
    notes = _notes(answers) if target == "cluster" and not by_claim else ()
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
