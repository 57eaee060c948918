"""The catalog of cards: consistent in itself, and found by every name that a card goes by."""

import re

import pytest

from decide import defaults
from decide.catalog import (
    BRANCHES,
    CARDS,
    CHIPS,
    GENERATIONS,
    NAMES,
    OPEN,
    PCI_IDS,
    PROPRIETARY,
    RANGES,
    SUPPORTED,
    Card,
    drives,
    find,
    generation_of,
    name_of,
    names,
    supports,
)


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_each_card_is_complete_and_plausible(card: Card) -> None:
    assert card.generation in GENERATIONS
    assert 8_000 <= card.memory_mib <= 300_000
    assert re.fullmatch(r"\d{1,2}\.\d", card.compute_capability)


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_a_card_is_found_by_the_name_of_nvidia_smi_and_by_its_labels(card: Card) -> None:
    assert find(card.name) is card
    assert find(card.product) is card
    assert find(f"{card.product}-SHARED") is card


@pytest.mark.parametrize("name", ["", "NVIDIA", "Tesla-K80", "-SHARED", "NVIDIA-A10G-SHARED-SHARED"])
def test_an_unknown_card_is_nobody(name: str) -> None:
    assert find(name) is None


@pytest.mark.parametrize(
    "product", ["NVIDIA-A10G", "Tesla-T4", "NVIDIA-H100-80GB-HBM3", "NVIDIA-GeForce-RTX-4070", "NVIDIA-A100-SXM4-40GB"]
)
def test_products_are_spelt_as_feature_discovery_labels_them(product: str) -> None:
    assert product in CARDS


@pytest.mark.parametrize(
    ("product", "branch", "works"),
    [
        ("Tesla-V100-SXM2-16GB", 580, True),
        ("Tesla-V100-SXM2-16GB", 595, False),
        ("Tesla-P100-PCIE-16GB", 590, False),
        ("Tesla-T4", 595, True),
        ("NVIDIA-GeForce-RTX-5090", 570, True),
        ("NVIDIA-GeForce-RTX-5090", 550, False),
        ("NVIDIA-H100-80GB-HBM3", 615, True),
    ],
)
def test_the_card_decides_the_driver_branch(product: str, branch: int, works: bool) -> None:
    assert supports(CARDS[product], branch) is works


def test_flavours_follow_the_generation() -> None:
    assert GENERATIONS["Volta"].modules == (PROPRIETARY,)
    assert GENERATIONS["Blackwell"].modules == (OPEN,)
    assert GENERATIONS["Turing"].modules[0] == OPEN


@pytest.mark.parametrize(
    ("product", "mig"), [("NVIDIA-A10G", False), ("Tesla-T4", False), ("NVIDIA-L4", False), ("NVIDIA-H200", True)]
)
def test_only_some_cards_can_be_partitioned(product: str, mig: bool) -> None:
    assert CARDS[product].mig is mig


def test_ranges_of_pci_ids_are_in_order_and_do_not_overlap() -> None:
    ends = [end for first, last, _ in RANGES for end in (first, last)]

    assert ends == sorted(ends)
    assert {name for _, _, name in RANGES} == set(GENERATIONS)


@pytest.mark.parametrize("device", PCI_IDS)
def test_each_id_of_a_card_lies_in_the_range_of_its_generation(device: str) -> None:
    generation = generation_of(f"10de:{device}")

    assert generation
    assert generation.name == CARDS[PCI_IDS[device]].generation
    assert name_of(f"10de:{device.upper()}") == CARDS[PCI_IDS[device]].name


def test_each_known_card_is_found_on_the_bus() -> None:
    assert set(PCI_IDS.values()) == set(CARDS)


@pytest.mark.parametrize(
    ("pci_id", "generation"),
    [
        ("10de:102d", "Kepler"),
        ("10de:13f2", "Maxwell"),
        ("10de:1b38", "Pascal"),
        ("10de:1db6", "Volta"),
        ("10de:2187", "Turing"),
        ("10de:20f1", "Ampere"),
        ("10de:2236", "Ampere"),
        ("10de:2331", "Hopper"),
        ("10de:2783", "Ada"),
        ("10de:2901", "Blackwell"),
        ("10de:2d04", "Blackwell"),
    ],
)
def test_a_card_that_is_not_sold_for_containers_has_generation_and_name_too(pci_id: str, generation: str) -> None:
    found = generation_of(pci_id)

    assert found
    assert found.name == generation
    assert re.fullmatch(rf"(a card of the {generation} generation \({pci_id}\)|\w.+ \({pci_id}\))", name_of(pci_id))


def test_a_name_that_only_the_database_knows_has_the_id_beside_it() -> None:
    assert name_of("10de:2782") == "GeForce RTX 4070 Ti (10de:2782)"
    assert name_of("10de:2c2c") == "a card of the Blackwell generation (10de:2c2c)"


ROWS = [line.split(" ", 2) for line in NAMES.read_text().splitlines()[1:]]


def test_every_card_of_the_pci_database_has_the_generation_of_its_chip() -> None:
    assert len(ROWS) > 750
    wrong = [row for row in ROWS if getattr(generation_of(f"10de:{row[0]}"), "name", "") != CHIPS[row[1][:2]]]
    assert wrong == []


def test_names_are_plain_words_as_messages_need_them() -> None:
    assert [name for name in names().values() if not re.fullmatch(r"[\x20-\x7e]{2,80}", name)] == []


@pytest.mark.parametrize("pci_id", ["10de:0fbf", "10de:22ce", "10de:ffff", "1002:2786", "10de:", "8086"])
def test_what_is_no_known_card_has_no_generation(pci_id: str) -> None:
    assert generation_of(pci_id) is None
    assert name_of(pci_id) == f"an unknown card ({pci_id})"


def test_the_default_branch_is_alive_and_drives_the_most_generations() -> None:
    served = {branch: sum(drives(one, branch) for one in GENERATIONS.values()) for branch in SUPPORTED}

    assert defaults.DRIVER_BRANCH in SUPPORTED
    assert served[defaults.DRIVER_BRANCH] == max(served.values())


@pytest.mark.parametrize("branch", [535, 550, 570, 590, 610])
def test_branches_that_ended_say_when(branch: int) -> None:
    assert BRANCHES[branch].ended
    assert branch not in SUPPORTED
