"""What components ask of every chart that they install: a version whose keys are known, and values that it knows."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from decide import user_values
from decide.chart_books import Book
from decide.ownership import Ownership


def known_version(argument: str, version: str, versions: Sequence[str]) -> str:
    """A version whose keys we know; others are refused with the list."""
    if version not in versions:
        known = ", ".join(versions)
        raise pulumi.InputPropertyError(argument, f"{version!r} is not among the supported ones: {known}")
    return version


def known_values(args: Mapping[str, Any], version: str, who: Ownership | None, book: Book) -> Any:
    """The user's own values, which must be keys that the chart knows."""
    own = args.get("values") or {}
    wrong = user_values.faults(own, version, who, book.chart)
    if wrong:
        said = "; ".join(f"{fault.path}: {fault.problem}. {fault.fix}" for fault in wrong)
        raise pulumi.InputPropertyError(f"values.{wrong[0].path}", said)
    return own
