"""The text of a step without what its main does not reach."""

import builtins
import symtable

from components.lean_text import reached
from components.local_step import compose
from components.steps import REACHED

CODE = """\
import json

LIMIT = 3
UNUSED: int = LIMIT


class Kept(dict):
    pass


class Gone(Kept):
    pass


@staticmethod
def dropped():
    return helper() + UNUSED


def helper():
    return Kept(limit=LIMIT)


def hooked():
    return 1


HOOKS = []
HOOKS.append(hooked)


def main(params):
    return helper()
"""


def test_only_what_main_and_running_statements_lead_to_is_kept() -> None:
    scope: dict[str, object] = {}
    exec(reached(CODE), scope)

    assert {"json", "LIMIT", "Kept", "helper", "hooked", "HOOKS", "main"} <= scope.keys()
    assert not {"UNUSED", "Gone", "dropped"} & scope.keys()
    assert scope["main"](None) == {"limit": 3}  # type: ignore[operator]


def test_nothing_that_is_left_names_something_that_is_gone() -> None:
    for step in REACHED:
        table = symtable.symtable(compose(step, {}), step, "exec")
        known = {
            one.get_name()
            for one in table.get_symbols()
            if one.is_assigned() or one.is_imported() or one.is_namespace()
        }
        used, left = set[str](), [table]
        while left:
            one = left.pop()
            used |= {name.get_name() for name in one.get_symbols() if name.is_global() and name.is_referenced()}
            left += one.get_children()
        assert used - known - {*dir(builtins), "__name__", "__file__"} == set(), step
