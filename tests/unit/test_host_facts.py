"""Facts of a host: what it says is foreign text, and comes in as plain words or not at all."""

from __future__ import annotations

import copy
import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from decide.host_failures import Refusal
from host.facts import HostFacts, Ours, read
from tests.effort import examples
from tests.unit.small_host import RTX, told


def refused(given: Any) -> str:
    found = read(given)
    assert isinstance(found, Refusal), found
    assert found.id == "HST-63"
    assert found.problem.isascii()
    assert found.problem.isprintable()
    assert len(found.problem) < 600
    return found.problem


def test_what_a_healthy_host_says_is_read() -> None:
    found = read(RTX)

    assert isinstance(found, HostFacts)
    assert (found.os, found.cards[0].id, found.runtime.handlers) == ("ubuntu-24.04", "10de:2786", ("runc",))


def test_the_last_line_of_a_text_is_the_answer() -> None:
    text = f"motd of the host\n{json.dumps(RTX)}\n"

    assert read(text) == read(text.encode()) == read(RTX)


def test_facts_cannot_be_changed() -> None:
    found = read(RTX)
    with pytest.raises(AttributeError):
        found.os = "debian-12"  # type: ignore[union-attr, misc]


def test_what_older_tools_do_not_say_may_be_left_out() -> None:
    known = told()
    del known["vgpu"], known["ours"]

    found = read(known)

    assert isinstance(found, HostFacts)
    assert (found.vgpu, found.ours) == (False, Ours())


@pytest.mark.parametrize(
    "given",
    [None, "", "x", "{", b"\xff\xfe", 7, [], True, "[" * 100_000, '{"format": NaN}', {}, "null", '"text"', {1: 2}],
    ids=lambda given: repr(given)[:12],
)
def test_no_facts_at_all_are_refused(given: Any) -> None:
    assert "cannot be understood" in refused(given)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("hostname", "x" * 5000, "hostname is the text"),
        ("hostname", "a\nb", "hostname is"),
        ("hostname", "$(reboot)", 'hostname is the text "$(reboot)"'),
        ("hostname", "\u0430dmin", "hostname is"),
        ("hostname", None, "hostname is nothing"),
        ("machine_id", "abc", "machine_id is"),
        ("boot_id", "", "boot_id is"),
        ("os__pretty", "Ubuntu\x1b[31m", "os.pretty is"),
        ("os__id", {"a": 1}, "os.id is an object"),
        ("kernel", "6.8.0; rm -rf /", "kernel is"),
        ("arch", 64, "arch is 64"),
        ("cards", "one", "cards is the text"),
        ("cards", [{}] * 65, "cards has 65 entries"),
        ("cards", ["x"], "cards[0] is the text"),
        ("cards__0__vendor_device", "10de", "cards[0].vendor_device is"),
        ("cards__0__address", "01:00.0", "cards[0].address is"),
        ("modules__flavour", "closed", "modules.flavour is"),
        ("driver__works", "yes", 'driver.works is the text "yes"'),
        ("driver__works", 1, "driver.works is 1"),
        ("driver__foreign", "snap", "driver.foreign is"),
        ("apt_lacks", ["a b"], "apt_lacks[0] is"),
        ("apt_lacks", ["x"] * 201, "apt_lacks has 201 entries"),
        ("disk_free_mb__root", -1, "disk_free_mb.root is -1"),
        ("disk_free_mb__root", 10**50, "a number beyond all bounds"),
        ("disk_free_mb__root", True, "disk_free_mb.root is true"),
        ("disk_free_mb__root", 1.5, "disk_free_mb.root is 1.5"),
        ("package_manager", "brew", "package_manager is"),
        ("runtime__kind", "podman", "runtime.kind is"),
        ("runtime__config", "etc/x", "runtime.config is"),
        ("runtime__config", "/a b", "runtime.config is"),
        ("apt_lacks", {"a": "1"}, "apt_lacks is an object"),
        ("ours", {"driver": ""}, "ours.toolkit is missing"),
        ("ours__driver", "distro 580", 'ours.driver is the text "distro 580"'),
        ("ours__driver", "distro 580 open; reboot", "ours.driver is the text"),
        ("ours__toolkit", True, "ours.toolkit is true"),
        ("format", 2, "format is 2"),
        ("format", 0, "format is 0, and 1 is understood"),
        ("surprise", 1, "surprise is not known"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_value_that_is_no_plain_word_is_refused_with_its_path(path: str, value: Any, words: str) -> None:
    assert words in refused(told(**{path: value}))


@pytest.mark.parametrize("key", sorted(set(RTX) - {"vgpu", "ours"}))
def test_nothing_may_be_missing(key: str) -> None:
    known = told()
    del known[key]
    assert f"{key} is missing" in refused(known)


def test_numbers_that_python_refuses_to_print_are_refused_in_words() -> None:
    assert "a number beyond all bounds" in refused(told(disk_free_mb__boot=10**5000))
    assert "cannot be understood" in refused('{"format": ' + "9" * 5000 + "}")


def test_many_faults_are_three_and_a_number() -> None:
    assert refused({"format": 1}).endswith("more")


words = st.text(max_size=6) | st.sampled_from(["nvidia", "10de:2786", "../../x", "'; reboot '", "\x00", "x" * 300])
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
PLACES = [(key,) for key in RTX] + [(key, inner) for key in RTX if isinstance(RTX[key], dict) for inner in RTX[key]]


@hypothesis.settings(max_examples=examples(120), deadline=None)
@hypothesis.given(st.sampled_from(PLACES), junk)
def test_junk_in_any_place_is_facts_or_one_refusal_and_never_an_exception(place: tuple[str, ...], value: Any) -> None:
    known = copy.deepcopy(RTX)
    at = known
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    found = read(known)
    if isinstance(found, HostFacts):
        assert str(vars(found)).isascii()
    else:
        refused(known)
