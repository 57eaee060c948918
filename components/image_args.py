"""Argument types of where images come from, and of the operator's driver container."""

from enum import Enum
from typing import TypedDict

from typing_extensions import NotRequired


class Images(TypedDict):
    """Where images come from."""

    registry: NotRequired[str]
    """A mirror that has each image under the path that it has at home."""
    pull_secrets: NotRequired[list[str]]
    """Secrets by name, by which nodes may pull there."""


class Proxy(TypedDict):
    """By which way out the driver container fetches packages."""

    http: NotRequired[str]
    """For http. Default: as https"""
    https: NotRequired[str]
    """For https. Default: as http"""
    no: NotRequired[list[str]]
    """What is reached without it."""


class Upgrades(TypedDict):
    """How the operator brings its driver containers to another version."""

    auto: NotRequired[bool]
    """Whether it does at all."""
    parallel: NotRequired[int]
    """How many nodes at once."""
    unavailable: NotRequired[str]
    """How many may be out of work at a time: a number or a share."""
    drain: NotRequired[bool]
    """Whether nodes are drained for it."""


class Modules(str, Enum):
    """Flavour of the kernel modules."""

    AUTO = "auto"
    """As the card wants it."""
    OPEN = "open"
    """NVIDIA's open ones."""
    PROPRIETARY = "proprietary"
    """The closed ones."""


class DriverContainer(TypedDict):
    """The operator's driver container."""

    modules: NotRequired[Modules]
    """Flavour of the kernel modules. Default: the chart's"""
    precompiled: NotRequired[int]
    """Driver branch whose images have ready modules. Default: built on the node"""
    secure_boot: NotRequired[bool]
    """That nodes boot with Secure Boot: what cannot work there is refused. Default: no"""
    upgrades: NotRequired[Upgrades]
    """How it comes to another version. Default: the chart's"""
