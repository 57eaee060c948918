"""Makes decide/pci_names.txt anew: `python -m scripts.pci_names LIST`, the LIST being that of pci-ids.ucw.cz."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from decide.catalog import CHIPS

TARGET = Path(__file__).resolve().parent.parent / "decide" / "pci_names.txt"
VENDOR = "10de"
_DEVICE = re.compile(r"\t([0-9a-f]{4})  ([A-Z]{2})(\d\w+)(?: \[(.*)\])?$")
"""A card has its chip, and in brackets its name; audio, USB and bridges of the same chip have words of their own."""


def cards(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Device id, chip and name of each card from Kepler on."""
    ours = False
    for line in lines:
        if line[:1].isalnum():
            ours = line.startswith(VENDOR)
        found = _DEVICE.match(line.rstrip("\n")) if ours else None
        if found and found[2] in CHIPS and not re.search("NVSwitch|FPGA|Tegra|GK11x", line):
            yield found[1], found[2] + found[3], found[4] or ""


def main(source: Path) -> None:
    """Writes the table; its first line says which list it is from."""
    lines = source.read_text(encoding="utf-8").splitlines()
    version = next(line.split()[-1] for line in lines if "Version:" in line)
    rows = [" ".join(row).rstrip() for row in cards(lines)]
    head = f"# PCI device ids of NVIDIA cards with chip and name, from the PCI ID database, version {version}"
    TARGET.write_text("\n".join([head, *rows, ""]), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
