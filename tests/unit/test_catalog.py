"""The catalog of cards: consistent in itself, and found by every name that a card goes by."""

import re

import pytest

from decide.catalog import CARDS, GENERATIONS, OPEN, PROPRIETARY, Card, find, supports


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
