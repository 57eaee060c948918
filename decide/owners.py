"""Who may own a thing on a GPU node, and what a wish about it can end in."""

from enum import Enum
from typing import NamedTuple


class Owner(str, Enum):
    """Whose business a thing is; everybody else leaves it alone."""

    US = "us"
    HOST = "host"
    OPERATOR = "operator"
    EXTERNAL = "external"
    PLATFORM = "platform"


CLASSLESS = (Owner.OPERATOR, Owner.HOST, Owner.PLATFORM)
"""Where these own the RuntimeClass, a pod gets its card without naming one."""


class Part(NamedTuple):
    """The one owner of one thing, and the reason."""

    owner: Owner
    reason: str


class Refusal(NamedTuple):
    """A wish that cannot be: the setting, what is wrong with it, and a setting that is right."""

    setting: str
    problem: str
    fix: str


Answer = Part | Refusal
