"""The CDI specification that the toolkit keeps up to date."""

from __future__ import annotations

from lab.host.standins.box import Box
from lab.host.standins.drivers import held

SPEC = "/run/cdi/nvidia.yaml"


def refresh(box: Box) -> None:
    """Writes it, where the toolkit has its refresh unit and the driver runs; nobody takes it away."""
    base = box.state["packages"].get("nvidia-container-toolkit-base")
    if base and base["status"] != "config-files" and box.state["driver"]:
        names = "".join(f"  - name: {name!r}\n" for name in devices(box))
        box.write(SPEC, f"cdiVersion: 0.7.0\nkind: nvidia.com/gpu\n# driver {box.state['driver']}\ndevices:\n{names}")


def devices(box: Box) -> list[str]:
    """Names of the devices in it: by number, by UUID, all."""
    cards = [card for card in held(box) if card["works"]]
    return [*[str(number) for number in range(len(cards))], *[card["uuid"] for card in cards], "all"]
