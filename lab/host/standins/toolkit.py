"""`nvidia-ctk`, `nvidia-container-cli`, `nvidia-container-runtime`."""

from __future__ import annotations

from lab.host.standins import cdi
from lab.host.standins.box import Box, fail, say, warn
from lab.host.standins.card_tools import library
from lab.host.standins.drivers import held


def _version(box: Box, package: str) -> str:
    return str(box.state["packages"][package]["version"]).partition("-")[0]


def nvidia_ctk(box: Box, args: list[str]) -> int:
    """Says its version and what CDI knows; writes the specification. It configures no runtime here."""
    if args in (["--version"], ["-v"]):
        say(f"NVIDIA Container Toolkit CLI version {_version(box, 'nvidia-container-toolkit-base')}", "commit: 0000000")
        return 0
    if args[:2] == ["cdi", "list"]:
        found = cdi.devices(box) if box.exists(cdi.SPEC) else []
        warn(f'time="2026-01-01T10:00:00Z" level=info msg="Found {len(found)} CDI devices"')
        say(*[f"nvidia.com/gpu={name}" for name in found])
        return 0
    if args[:2] == ["cdi", "generate"]:
        if box.state["driver"] is None:
            fail(1, "failed to generate CDI spec: failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND")
        with box.locked():
            cdi.refresh(box)
        return 0
    return fail(1, f"No help topic for '{' '.join(args)}'")


def nvidia_container_cli(box: Box, args: list[str]) -> int:
    """Says what a container would get."""
    words = [word for word in args if not word.startswith("-")]
    if "--version" in args or "-V" in args:
        say(
            f"cli-version: {_version(box, 'libnvidia-container-tools')}",
            f"lib-version: {_version(box, 'libnvidia-container1')}",
        )
        return 0
    refuse_without_driver(box)
    if words[-1:] == ["info"]:
        say(f"NVRM version:   {box.state['driver']}", "CUDA version:   13.0")
        for number, card in enumerate(card for card in held(box) if card["works"]):
            say(
                "", f"Device Index:   {number}", f"Device Minor:   {number}", f"Model:          {card['name']}",
                f"Brand:          {card['name'].split()[0]}", f"GPU UUID:       {card['uuid']}",
                f"Bus Location:   0000{card['address']}", f"Architecture:   {card['compute']}",
            )  # fmt: skip
        return 0
    if words[-1:] == ["list"]:
        say("/dev/nvidiactl", *[f"/dev/nvidia{number}" for number, _card in enumerate(held(box))])
        return 0
    return fail(64, "Usage: nvidia-container-cli [OPTION...] COMMAND [ARG...]")


def refuse_without_driver(box: Box) -> None:
    """The two ways in which the layer below shows up here."""
    if not library(box):
        fail(
            1,
            "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: "
            "cannot open shared object file: no such file or directory",
        )
    if box.state["driver"] is None:
        fail(1, "nvidia-container-cli: initialization error: nvml error: driver not loaded")
    if box.state["driver"] != library(box):
        fail(1, "nvidia-container-cli: initialization error: nvml error: driver/library version mismatch")


def nvidia_container_runtime(box: Box, args: list[str]) -> int:
    """Says its version."""
    if args != ["--version"]:
        fail(1, "nvidia-container-runtime: only --version is simulated")
    say(f"NVIDIA Container Runtime version {_version(box, 'nvidia-container-toolkit-base')}")
    return 0
