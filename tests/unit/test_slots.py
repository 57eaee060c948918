"""Names of validation Jobs: short enough for a label, and never the same for two nodes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decide.slots import LONGEST_MANAGER, ROOM, Slot, field_manager, room_beside, short_name, slots, workload_selector
from tests.effort import examples

NODE = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?", fullmatch=True)


def test_each_declared_node_has_a_job_and_a_selector_has_one() -> None:
    assert slots(["gpu-1", "gpu-2"]) == [Slot("gpu-1", "gpu-1"), Slot("gpu-2", "gpu-2")]
    assert slots([]) == [Slot("any", None)]


def test_a_short_plain_name_stays_as_it_is() -> None:
    assert short_name("gpu-1") == "gpu-1"
    assert short_name("a" * ROOM) == "a" * ROOM


def test_dots_and_length_are_replaced_by_a_digest() -> None:
    name = "ip-10-0-0-1.eu-central-1.compute.internal"
    assert re.fullmatch(r"ip-10-0-0-1-eu-central-1-compute-\w*-?[0-9a-f]{6}", short_name(name))
    assert short_name("gpu.1") != short_name("gpu-1")


def test_a_workload_finds_nodes_by_the_declared_labels_else_by_those_of_our_operator() -> None:
    assert workload_selector({"pool": "gpu"}, installs=True) == {"pool": "gpu"}
    assert workload_selector({}, installs=True) == {"nvidia.com/gpu.present": "true"}
    assert workload_selector({}, installs=False) == {}


@settings(max_examples=examples(30))
@given(NODE)
def test_every_name_of_a_node_becomes_a_name_of_an_object(node: str) -> None:
    short = short_name(node)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", short)
    assert len(short) <= ROOM


@settings(max_examples=examples(20))
@given(st.lists(NODE, min_size=2, max_size=6, unique=True))
def test_no_two_nodes_share_a_name(nodes: list[str]) -> None:
    assert len({slot.name for slot in slots(nodes)}) == len(nodes)


@pytest.mark.parametrize(
    "node", ["ip-10-0-1-23.eu-central-1.compute.internal", "n" * 253, "gke-pool-1-abcdef-xyz.c.a-project.internal"]
)
@pytest.mark.parametrize("component", ["gpu-validation", "v", "a-rather-long-name-of-a-component"])
def test_the_whole_name_of_a_job_fits_into_a_label(component: str, node: str) -> None:
    (slot,) = slots([node], room_beside(component))
    assert len(f"{component}-{slot.name}-12345678") <= 63


def test_a_field_manager_is_one_of_us_and_the_same_again_however_long_its_owner_is() -> None:
    assert field_manager("gpu-ready/demo/nodes-rtx") == "gpu-ready:gpu-ready/demo/nodes-rtx"
    fits = "a" * (LONGEST_MANAGER - len("gpu-ready:"))
    assert field_manager(fits) == f"gpu-ready:{fits}"
    long, other = (field_manager(f"{fits}{end}") for end in "bc")
    assert (len(long), long[:11], long == field_manager(f"{fits}b")) == (LONGEST_MANAGER, "gpu-ready:a", True)
    assert long != other
