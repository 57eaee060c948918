"""Of a step's text the part that its `main` reaches: what is composed from shared files carries more than it calls."""

import ast
from collections.abc import Mapping
from functools import cache

MADE = (ast.FunctionDef, ast.ClassDef)


@cache
def reached(code: str) -> str:
    """The same program without definitions that nothing leads to from `main` and from what runs by itself."""
    body = ast.parse(code).body
    made = {name: node for node in body if (name := defined(node))}
    runs = [node for node in body if not defined(node)]
    wanted = closure({"main", *(name for node in runs for name in names(node))}, made)
    lines = code.splitlines(keepends=True)
    for name in made.keys() - wanted:
        node = made[name]
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
        lines[first - 1 : node.end_lineno] = [""] * ((node.end_lineno or first) - first + 1)
    return "".join(lines)


def defined(node: ast.stmt) -> str:
    """The one name that a statement of a module makes; nothing of others."""
    if isinstance(node, MADE):
        return node.name
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""


def names(node: ast.AST) -> set[str]:
    """All names in it."""
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def closure(first: set[str], made: Mapping[str, ast.stmt]) -> set[str]:
    """Everything that these lead to."""
    found, left = set[str](), [*first]
    while left:
        name = left.pop()
        if name in made and name not in found:
            found.add(name)
            left += names(made[name])
    return found
