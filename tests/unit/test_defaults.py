"""Defaults: they fit each other, and each has its reason beside it."""

import re
import tokenize
from pathlib import Path

import pytest

from decide import defaults

SOURCE = Path(defaults.__file__)


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.lstrip("v").split("."))


def test_the_default_operator_is_the_newest_supported_one() -> None:
    newest_first = sorted(defaults.OPERATOR_VERSIONS, key=version, reverse=True)

    assert list(defaults.OPERATOR_VERSIONS) == newest_first
    assert newest_first[0] == defaults.OPERATOR_VERSION


def test_the_supported_kubernetes_versions_are_a_range() -> None:
    assert version(defaults.KUBERNETES_OLDEST) < version(defaults.KUBERNETES_NEWEST)


@pytest.mark.parametrize("image", [defaults.CUDA_IMAGE, defaults.SMI_IMAGE])
def test_images_are_pinned(image: str) -> None:
    assert re.fullmatch(r"[\w./-]+:(?!latest)[\w.-]+", image)


def test_the_images_run_on_the_oldest_driver_that_is_still_in_use() -> None:
    assert "cuda12." in defaults.CUDA_IMAGE
    assert ":12." in defaults.SMI_IMAGE


def test_times_fit_into_each_other() -> None:
    assert defaults.POLL_SECONDS < defaults.GRACE_SECONDS < defaults.VALIDATION_TIMEOUT_SECONDS
    for seconds in (defaults.VALIDATION_TIMEOUT_SECONDS, defaults.OPERATOR_TIMEOUT_SECONDS):
        assert defaults.SHORTEST_TIMEOUT_SECONDS <= seconds <= defaults.LONGEST_TIMEOUT_SECONDS
    assert defaults.POLL_SECONDS <= defaults.LONGEST_POLL_SECONDS


def test_a_driver_that_is_built_fits_into_the_default_time_limit() -> None:
    assert defaults.VALIDATION_TIMEOUT_SECONDS > 21 * 60


def test_no_default_namespace_is_one_that_is_taken() -> None:
    assert defaults.OPERATOR_NAMESPACE not in defaults.RESERVED_NAMESPACES
    assert defaults.VALIDATION_NAMESPACE not in (*defaults.RESERVED_NAMESPACES, defaults.OPERATOR_NAMESPACE)


def test_each_default_has_its_reason_on_its_line_or_above_it() -> None:
    with SOURCE.open("rb") as text:
        comments = {token.start[0] for token in tokenize.tokenize(text.readline) if token.type == tokenize.COMMENT}
    lines = SOURCE.read_text(encoding="utf-8").splitlines()
    settings = [n for n, line in enumerate(lines, start=1) if re.match(r"[A-Z_]+\b.* = ", line)]
    together = {n for n in settings if n - 1 in settings}  # a line right below another shares its reason

    assert [lines[n - 1] for n in settings if n not in comments and n - 1 not in comments and n not in together] == []
