"""The tree behind the tree: what is known of each resource while events come in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lab.events import Change, LogEvent, StepEvent
from lab.view import QUIET, is_default_provider

STACK_TYPE = "pulumi:pulumi:Stack"
PARTS_OF_REPLACE = frozenset({"replace", "create-replacement", "delete-replaced"})


@dataclass(eq=False)
class Node:
    """One resource and what happens to it."""

    urn: str
    type: str
    name: str
    op: str = "same"
    """What happens to it altogether."""
    doing: str = "same"
    """The step that runs or ran last."""
    phase: str = ""
    started: float = 0.0
    seconds: float = 0.0
    note: str = ""
    message: str = ""
    changes: tuple[Change, ...] = ()
    children: list[Node] = field(default_factory=list)

    @property
    def running(self) -> bool:
        """Whether something happens to it now."""
        return self.phase == "start"

    @property
    def telling(self) -> bool:
        """Whether a reader wants to see it: it changes, it failed, or it is being worked on."""
        if is_default_provider(self.type, self.name):
            return False
        return self.op not in QUIET or self.phase in ("start", "failed") or bool(self.changes)

    @property
    def broken(self) -> bool:
        """Whether something under it failed."""
        return any(child.phase == "failed" or child.broken for child in self.children)

    def elapsed(self, now: float) -> float:
        """Seconds so far, or that it took."""
        return now - self.started if self.running else self.seconds


@dataclass(frozen=True)
class Row:
    """One node in its place."""

    node: Node
    guides: str
    below: str
    """What stands to the left of lines under the node."""


def named(urn: str) -> tuple[str, str]:
    """Type and name as an URN says them."""
    parts = urn.split("::")
    return (parts[-2].rpartition("$")[2], parts[-1]) if len(parts) >= 4 else ("", urn)


def about(event: LogEvent) -> str:
    """The text of a warning or an error, with the name of the resource it is about."""
    return f"{event.severity}: {named(event.urn)[1] + ': ' if event.urn else ''}{event.text}"


class Tree:
    """All nodes of one operation, placed under their parents."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.top = Node("", STACK_TYPE, "")
        self.nodes: dict[str, Node] = {"": self.top}

    def step(self, event: StepEvent) -> Node:
        """A step began or ended; the kind of a node is that of its most telling step."""
        node = self._place(event)
        node.phase, node.seconds = event.phase, event.seconds
        if event.phase == "start":
            node.started = self.clock()
        node.doing = event.op
        if event.op not in QUIET or node.op in QUIET:
            node.op = "replace" if event.op in PARTS_OF_REPLACE else event.op
        node.changes = event.changes or node.changes
        node.message = event.message or node.message
        return node

    def note(self, event: LogEvent) -> Node | None:
        """Progress, if it belongs to a node that is being worked on."""
        node = self.nodes.get(event.urn) if event.urn else None
        if node is not None and node is not self.top:
            node.note = event.text.strip().rpartition("\n")[2]
            return node
        return None

    def _place(self, event: StepEvent) -> Node:
        if event.type == STACK_TYPE:
            self.nodes[event.urn] = self.top
            self.top.urn, self.top.name = event.urn, event.name
            return self.top
        if event.urn not in self.nodes:
            self.nodes[event.urn] = Node(event.urn, event.type, event.name)
            self._parent(event.parent).children.append(self.nodes[event.urn])
        elif event.parent:
            self._move(self.nodes[event.urn], self._parent(event.parent))
        return self.nodes[event.urn]

    def _parent(self, urn: str) -> Node:
        """A child may be heard of before its parent: when things are deleted it always is."""
        if urn not in self.nodes:
            token, name = named(urn)
            if token == STACK_TYPE or not token:
                self.nodes[urn] = self.top
            else:
                self.nodes[urn] = Node(urn, token, name)
                self.top.children.append(self.nodes[urn])
        return self.nodes[urn]

    def _move(self, node: Node, parent: Node) -> None:
        if node in parent.children or node is parent:
            return
        for other in self.nodes.values():
            if node in other.children:
                other.children.remove(node)
        parent.children.append(node)

    def rows(self, ascii_only: bool = False) -> list[Row]:
        """The nodes worth seeing, in order, with their guides."""
        marks = ("|- ", "`- ", "|  ", "   ") if ascii_only else ("├─ ", "└─ ", "│  ", "   ")
        return list(_rows(self.top, "", marks))

    def failed(self) -> list[Node]:
        """The nodes that failed and say why, each once."""
        return [node for node in dict.fromkeys(self.nodes.values()) if node.phase == "failed" and node.message]


def _seen(node: Node) -> bool:
    return node.telling or any(_seen(child) for child in node.children)


def _rows(node: Node, left: str, marks: tuple[str, str, str, str]) -> Iterator[Row]:
    shown = [child for child in node.children if _seen(child)]
    for child in shown:
        last = child is shown[-1]
        below = left + marks[3 if last else 2]
        has_children = any(_seen(grandchild) for grandchild in child.children)
        yield Row(child, left + marks[1 if last else 0], below + (marks[2] if has_children else ""))
        yield from _rows(child, below, marks)
