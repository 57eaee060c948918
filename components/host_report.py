"""What the steps made of a host, put together: for its check, for its proof, and for people."""

import json
from collections.abc import Mapping
from typing import Any


def what_is_checked(parts: Mapping[str, Any]) -> dict[str, Any]:
    """What the steps made of the host: where one of them made something else, it is checked again."""
    report = host_report(parts)
    return {
        "GR_CARDS": parts["reboot"].get("cards", 0),
        "GR_DRIVER": report["driver"],
        "GR_FLAVOUR": str(parts["plan"].get("GR_DECIDED", "")).rpartition(" ")[2],
        "GR_TOOLKIT": report["toolkit"],
        "GR_RUNTIME": report["runtime"],
        # What went to and fro looks as if nothing had happened, but for the boot that it took.
        "GR_BOOT_ID": parts["reboot"].get("boot_id", ""),
    }


def what_is_proven(parts: Mapping[str, Any]) -> str:
    """What was checked, and the cards that answered."""
    told = what_is_checked(parts)
    named = {key.removeprefix("GR_").lower(): value for key, value in told.items() if value}
    return json.dumps({**named, "cards": parts["check"].get("cards", [])}, sort_keys=True)


def host_report(parts: Mapping[str, Any]) -> dict[str, Any]:
    """What a host shows of itself, in one table."""
    runtime = parts["runtime"]
    return {
        "driver": parts["reboot"].get("driver", ""),
        "toolkit": parts["toolkit"].get("toolkit", ""),
        "runtime": f"{runtime.get('runtime', '')} {runtime.get('version', '')}".strip(),
        "cards": [card.get("name", "") for card in parts.get("check", {}).get("cards", [])],
    }
