"""Kinds of values: how each is read from what Pulumi hands over, and what is said when it does not fit."""

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from decide.wording import named, shown, similar
from settings.faults import EXAMPLE, FIX, Fault


class _Broken:
    """What is asked of a broken value is broken too."""

    def __getattr__(self, name: str) -> "_Broken":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __deepcopy__(self, _: Any) -> "_Broken":
        return self


BROKEN: Any = _Broken()
"""Stands where a value could not be read, so that rules about it stay silent: its fault is listed already."""

DEEPEST = 40  # of free-form values: far more than people nest, far less than Python can


@dataclass
class Reading:
    """One pass over a config: every fault met, and the path of every setting that was given."""

    faults: list[Fault] = field(default_factory=list)
    given: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Place:
    """Where in the config a value stands, and a right example for it."""

    path: str
    example: str
    reading: Reading

    def wrong(self, problem: str, fix: str = "") -> Any:
        """Notes a fault, with the right example or with what to do; the value counts as broken."""
        right = (fix, FIX) if fix else (self.example, EXAMPLE)
        self.reading.faults.append(Fault(self.path, problem, *right))
        return BROKEN

    def expected(self, words: str, given: Any) -> Any:
        """Notes that something else was expected here."""
        return self.wrong(f"{words} belongs here, got {shown(given)}")

    def below(self, key: Any, example: str) -> "Place":
        """A place inside this one."""
        return Place(f"{self.path}.{named(key)}" if self.path else named(key), example, self.reading)

    def entry(self, index: int) -> "Place":
        """A place in this list."""
        return Place(f"{self.path}[{index}]", self.example, self.reading)


class Kind(Protocol):
    """A kind of value."""

    @property
    def type(self) -> str:
        """How Pulumi calls it: string, integer, boolean, array or object."""

    def read(self, given: Any, place: Place) -> Any:
        """The value in its right type, or BROKEN with the fault noted."""


@dataclass(frozen=True)
class Text:
    """A text of a certain form."""

    words: str
    form: str = r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?"
    longest: int = 253
    type: str = "string"

    def read(self, given: Any, place: Place) -> Any:
        """A text of this form, unchanged; nothing is trimmed or guessed."""
        if isinstance(given, str) and len(given) <= self.longest and re.fullmatch(self.form, given):
            return given
        if isinstance(given, str) and len(given) > self.longest:
            return place.wrong(f"{self.words} of at most {self.longest} characters belongs here, got {len(given)}")
        return place.expected(self.words, given)


@dataclass(frozen=True)
class FilePath(Text):
    """The path of a file, and not what is in it: that would stand in clear in the state."""

    def read(self, given: Any, place: Place) -> Any:
        """A path as it was written."""
        if isinstance(given, str) and ("\n" in given or given.lstrip().startswith(("apiVersion", "{"))):
            return place.wrong("a path belongs here, not the content of the file")
        if isinstance(given, str) and "$" in given:
            return place.wrong("variables are not expanded here, nor is KUBECONFIG read; write the path, ~ is fine")
        return super().read(given, place)


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    options: tuple[str, ...]
    type: str = "string"

    def read(self, given: Any, place: Place) -> Any:
        """One of the options."""
        if isinstance(given, str) and given in self.options:
            return given
        close = similar(given, self.options) if isinstance(given, str) else ""
        hint = f"; did you mean {close}?" if close else ""
        return place.wrong(f"{' or '.join(self.options)} belongs here, got {shown(given)}{hint}")


@dataclass(frozen=True)
class Count:
    """A whole number within bounds; as text too, because `pulumi config set` writes texts."""

    low: int
    high: int
    unit: str = ""
    type: str = "integer"

    def read(self, given: Any, place: Place) -> Any:
        """A whole number within the bounds."""
        words = f"a whole number{self.unit and f' of {self.unit}'} from {self.low} to {self.high}"
        number = self._number(given)
        return number if number is not None and self.low <= number <= self.high else place.expected(words, given)

    @staticmethod
    def _number(given: Any) -> int | None:
        if isinstance(given, int):
            return None if isinstance(given, bool) else given
        if isinstance(given, str):
            return int(given) if re.fullmatch(r"-?[0-9]{1,15}", given) else None
        return int(given) if isinstance(given, float) and given.is_integer() else None


@dataclass(frozen=True)
class Flag:
    """Yes or no."""

    type: str = "boolean"

    def read(self, given: Any, place: Place) -> Any:
        """True or false, as text too, because `pulumi config set` writes texts."""
        known = {"true": True, "false": False}
        value = known.get(given) if isinstance(given, str) else given
        return value if isinstance(value, bool) else place.expected("true or false", given)


@dataclass(frozen=True)
class ListOf:
    """A list of values of one kind."""

    kind: Kind
    type: str = "array"

    def read(self, given: Any, place: Place) -> Any:
        """A tuple of values, broken if one of them is."""
        if not isinstance(given, (list, tuple)):
            return place.expected("a list", given)
        values = tuple(self.kind.read(one, place.entry(index)) for index, one in enumerate(given))
        return BROKEN if BROKEN in values else values


@dataclass(frozen=True)
class Labels:
    """Labels of a Kubernetes object."""

    type: str = "object"
    key = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?", re.ASCII)
    value = re.compile(r"([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?", re.ASCII)

    def read(self, given: Any, place: Place) -> Any:
        """Texts by texts; `true` and whole numbers become the texts that Kubernetes wants."""
        if not isinstance(given, Mapping):
            return place.expected("an object with labels", given)
        labels = {key: self._one(key, value, place) for key, value in given.items()}
        return BROKEN if BROKEN in labels.values() else labels

    def _one(self, key: Any, value: Any, place: Place) -> Any:
        if not isinstance(key, str) or not self.key.fullmatch(key):
            return place.expected("a label name", key)
        text = value
        if isinstance(value, (bool, int)) and abs(value) < 10**15:
            text = str(value).lower()
        fits = isinstance(text, str) and self.value.fullmatch(text)
        return text if fits else place.below(key, place.example).expected("a label value", value)


@dataclass(frozen=True)
class Tree:
    """Free-form values, kept as they are."""

    type: str = "object"

    def read(self, given: Any, place: Place) -> Any:
        """A copy, if everything in it could stand in a YAML file."""
        if not isinstance(given, Mapping):
            return place.expected("an object", given)
        copy = _plain(given, 1)
        return place.wrong("only plain values belong here, not nested endlessly") if copy is BROKEN else copy


def _plain(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        return BROKEN
    if isinstance(value, Mapping):
        tree = {key: _plain(one, depth + 1) if isinstance(key, str) else BROKEN for key, one in value.items()}
        return BROKEN if any(one is BROKEN for one in tree.values()) else tree
    if isinstance(value, (list, tuple)):
        entries = [_plain(one, depth + 1) for one in value]
        return BROKEN if any(one is BROKEN for one in entries) else entries
    finite = not isinstance(value, float) or math.isfinite(value)
    return value if isinstance(value, (str, int, float, bool, type(None))) and finite else BROKEN


@dataclass(frozen=True)
class Section:
    """An object with known keys, read into a dataclass; a mere text stands for its key `short`."""

    shape: type
    short: str = ""
    type: str = "object"

    def read(self, given: Any, place: Place) -> Any:
        """The dataclass, with BROKEN in the fields that could not be read."""
        if self.short and isinstance(given, str):
            given = {self.short: given}
        if not isinstance(given, Mapping):
            words = "an object" if not self.short else f"an object, or a text for its key {self.short},"
            return place.expected(words, given)
        known = {camel(one.name): one for one in dataclasses.fields(self.shape)}
        for key in given:
            if key not in known:
                unknown(key, {name: one.metadata["example"] for name, one in known.items()}, place)
        return self.shape(**{one.name: _member(one, given.get(name), place) for name, one in known.items()})


def _member(one: "dataclasses.Field[Any]", given: Any, place: Place) -> Any:
    name = camel(one.name)
    inside = place.below(name, one.metadata["example"])
    if given is not None:
        place.reading.given.add(inside.path)
        return one.metadata["kind"].read(given, inside)
    if one.default_factory is not dataclasses.MISSING:
        return one.default_factory()
    return one.default if one.default is not dataclasses.MISSING else inside.wrong("is missing")


def unknown(key: Any, examples: Mapping[str, str], place: Place) -> None:
    """Notes a key that nobody knows, with the one that was probably meant."""
    close = similar(key, examples) if isinstance(key, str) else ""
    hint = f"; did you mean {close}?" if close else f"; known here: {', '.join(examples)}"
    example = examples[close] if close else next(iter(examples.values()))
    place.below(key, example).wrong(f"is not a setting{hint}")


def setting(kind: Kind, example: str, about: str, default: Any = dataclasses.MISSING, shown_default: str = "") -> Any:
    """A field of a section: its kind, a right example, one sentence for the documentation, and its default."""
    metadata = {"kind": kind, "example": example, "about": about, "default": shown_default}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def camel(name: str) -> str:
    """A field's name as the config spells it: `node_selector` is `nodeSelector`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
