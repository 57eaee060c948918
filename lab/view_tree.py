"""The tree on a terminal: it grows while things happen, and its last form stays on the screen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from lab.events import Event, LogEvent, StepEvent, SummaryEvent
from lab.view import FAILED, change_lines, fitted, is_retry, mark_of, reason, seconds_text, short_type, wrapped
from lab.view_model import Node, Row, Tree, about

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
ASCII_SPINNER = "|/-\\"
LOG_STYLES = {"info": "", "warning": "yellow"}


class TreeView:
    """Draws the tree again and again while an operation runs, and once more, whole, when it is over."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console, self.clock = console, clock
        self.ascii = not console.encoding.lower().startswith("utf")
        self.lock = threading.RLock()
        self.said: set[str] = set()
        self.live: Live | None = None
        self._reset("", "")

    def _reset(self, op: str, stack: str) -> None:
        self.op, self.stack = op, stack
        self.tree = Tree(self.clock)
        self.began = self.clock()
        self.errors: list[str] = []

    def say(self, text: str, style: str = "", copied: bool = False, end: str = "\n") -> None:
        """One line of our own, above the tree while there is one."""
        lines = text if copied else wrapped(text, self.console.width)
        self.console.print(Text(lines, style), soft_wrap=True, end=end)

    def begin(self, op: str, stack: str) -> None:
        """Starts to draw."""
        self._reset(op, stack)
        self.live = Live(
            console=self.console,
            get_renderable=self.drawn,
            refresh_per_second=10,
            transient=True,
            vertical_overflow="crop",
        )
        self.live.start()

    def end(self) -> None:
        """Draws it a last time, to stay."""
        if self.live is None:
            return
        self.live.stop()
        self.live = None
        with self.lock:
            self.console.print(Group(*self._all_lines()))
            self._explain()

    def event(self, event: Event) -> None:
        """Takes up what happened."""
        with self.lock:
            new_line = self._take(event)
        if new_line:  # outside the lock: the thread that draws holds rich's lock and waits for ours
            self.say(*new_line)

    def _take(self, event: Event) -> tuple[str, str] | None:
        if isinstance(event, StepEvent):
            self.tree.step(event)
            self.said |= {event.message} - {""}  # it comes once more, as an error of the log
        elif isinstance(event, SummaryEvent):
            self.tree.top.seconds = event.seconds
        else:
            return self._log(event)
        return None

    def _log(self, event: LogEvent) -> tuple[str, str] | None:
        if event.severity == "debug" or is_retry(event.text) or (event.severity == "info" and self.tree.note(event)):
            return None
        if event.text in self.said:
            return None
        self.said.add(event.text)
        if event.severity == "error":
            self.errors.append(about(event))
            return None
        text = event.text if event.severity == "info" else about(event)
        return text, LOG_STYLES[event.severity]

    def drawn(self) -> Group:
        """The tree as it is now; where it is taller than the screen, its end."""
        with self.lock:
            lines = list(self._all_lines())
        room = self.console.height - 2
        if len(lines) > room:
            hidden = len(lines) - room + 1
            lines = [lines[0], Text(f"... {hidden} more lines", "dim"), *lines[1 + hidden :]]
        return Group(*lines)

    def _all_lines(self) -> Iterator[Text]:
        now = self.clock()
        rows = self.tree.rows(self.ascii)
        widest = max([len(row.guides) + len(row.node.name) for row in rows], default=0)
        width = min(widest, max(20, self.console.width // 2))
        yield self._head(now)
        for row in rows:
            yield self._line(row, width, now)
            if row.node.running and self.live and len(row.node.note) > self._room(width):
                yield _one_line(Text.assemble((f"{row.below}  ", "dim"), (row.node.note, "cyan")))
            yield from self._below(row)

    def _head(self, now: float) -> Text:
        took = seconds_text(now - self.began if self.live else self.tree.top.seconds or now - self.began)
        head = Text.assemble((self.stack, "bold"), "  ", (self.op, "bold cyan"), "  ", (took, "dim"))
        return _one_line(head)

    def _line(self, row: Row, width: int, now: float) -> Text:
        node = row.node
        sign, style = self._sign(node, now)
        took = "" if self.op == "preview" or not node.phase else seconds_text(node.elapsed(now))
        name = f"{node.name:<{max(0, width - len(row.guides))}}"
        line = Text.assemble((row.guides, "dim"), (f"{sign} ", style), (name, "" if node.phase else "dim"))
        line.append(f"  {took:>6}  ", "dim")
        return _one_line(line.append_text(self._beside(node, self._room(width))))

    def _sign(self, node: Node, now: float) -> tuple[str, str]:
        if node.running and self.live:
            frames = ASCII_SPINNER if self.ascii else SPINNER
            return frames[int(now * 10) % len(frames)], "cyan"
        mark = FAILED if node.phase == "failed" else mark_of(node.op)
        sign = {"✗": "x", "±": "%", "↻": "@", "·": "."}.get(mark.sign, mark.sign) if self.ascii else mark.sign
        return sign, mark.style

    def _room(self, width: int) -> int:
        """What is left of a line beside guides, sign, name and seconds."""
        return self.console.width - width - len("+ ") - len("  123456  ")

    def _beside(self, node: Node, room: int) -> Text:
        if node.phase == "failed":
            return Text("failed", FAILED.style)
        if self.live is None and node.broken:
            return Text("incomplete", "red")
        if node.running and self.live:
            note = node.note if len(node.note) <= room else ""
            return Text(note or f"{mark_of(node.doing).doing} {short_type(node.type)}", "cyan")
        if node.running:
            return Text("not finished", "dim")
        return Text(short_type(node.type), "dim")

    def _below(self, row: Row) -> Iterator[Text]:
        for line in change_lines(row.node.changes):
            left = f"{row.below}  "
            text = line if self.ascii else fitted(line, self.console.width - len(left))
            yield _one_line(Text.assemble((left, "dim"), (text, _diff_style(line))))
        if row.node.phase == "failed" and row.node.message:
            yield _one_line(Text.assemble((f"{row.below}  ", "dim"), (reason(row.node.message).line, "red")))

    def _explain(self) -> None:
        """What one line beside the resource cannot say: the whole reason, below the tree."""
        for text in self.errors:
            self.say(text, "bold red")
        for node in self.tree.failed():
            self.say("")
            self.say(f"why {node.name} failed:", "bold red")
            why = reason(node.message)
            for line in (*why.evidence, why.line, *why.more):
                self.say(f"  {line}", "green" if line.startswith("fix:") else "")


def _one_line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _diff_style(line: str) -> str:
    return {"-": "red", "+": "green"}.get(line.lstrip()[:1], "yellow")
