"""Runs a Pulumi program in this process, in an event loop and context of its own."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import selectors
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import pulumi
from pulumi.runtime import Settings, configure, run_in_stack, set_all_config
from pulumi.runtime import settings as sdk_settings

from lab.engine_backends import RefusedError

SETTLE_SECONDS: Final = 0.05
"""How long an answer is held back at most: a program that has ended never becomes idle."""
Program = Callable[[], Any]


class _IdleSelector(selectors.DefaultSelector):
    """Notes when the event loop has nothing left to do but wait."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = threading.Event()

    def select(self, timeout: float | None = None) -> Any:
        """Waits like every selector; being asked to wait at all means that the loop is idle."""
        if timeout is None or timeout > 0:
            self.idle.set()
        return super().select(timeout)


@dataclass
class ProgramRun:
    """One run of a program against an engine object."""

    engine: Any
    project: str
    stack: str
    config: Mapping[str, str]
    secret_keys: Sequence[str]
    preview: bool
    threads: int
    root_directory: str
    error: BaseException | None = None
    _selector: _IdleSelector = field(default_factory=_IdleSelector)
    _loop: asyncio.AbstractEventLoop | None = None

    def settle(self) -> None:
        """Waits until the program is idle: with one thread that makes the order of registrations repeatable."""
        if self.threads > 1 or self._loop is None:
            return
        self._selector.idle.clear()
        try:
            self._loop.call_soon_threadsafe(lambda: None)
        except RuntimeError:
            return
        self._selector.idle.wait(SETTLE_SECONDS)

    def run(self, program: Program) -> BaseException | None:
        """Returns when the program and all its calls have ended: with what it died of, if it did."""
        contextvars.copy_context().run(self._run, program)
        return self.error

    def _run(self, program: Program) -> None:
        loop = self._loop = asyncio.SelectorEventLoop(self._selector)
        executor = ThreadPoolExecutor(self.threads)
        loop.set_default_executor(executor)
        loop.set_exception_handler(_nothing)
        asyncio.set_event_loop(loop)
        try:
            self._configure()
            loop.run_until_complete(run_in_stack(_entry(program)))
        except BaseException as error:  # whatever a program raises is an answer
            self.error = error
        finally:
            executor.shutdown(wait=True)
            _cancel_all(loop)
            asyncio.set_event_loop(None)
            loop.close()

    def _configure(self) -> None:
        sdk_settings.ROOT.set(None)
        configure(
            Settings(
                project=self.project, stack=self.stack, monitor=self.engine, engine=self.engine, parallel=self.threads,
                dry_run=self.preview, organization="organization", root_directory=self.root_directory,
            )
        )  # fmt: skip
        set_all_config(dict(self.config), list(self.secret_keys))


def _entry(program: Program) -> Program:
    def run() -> Any:
        result = program()
        return result if inspect.isawaitable(result) else None

    return run


def _nothing(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Stays silent: after a failure many futures die unheard, all of the error that was reported."""


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


def described(error: BaseException) -> str:
    """What a program died of, in a line or two: the error and the last place of the program itself."""
    if isinstance(error, (pulumi.RunError, RefusedError)) or (
        isinstance(error, SystemExit) and isinstance(error.code, str)
    ):
        return str(error)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_users(f.filename)]
    where = f"\n  {frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _is_users(file: str) -> bool:
    library = ("site-packages", "/asyncio/", "/concurrent/", "<frozen", "/runpy.py", "/contextvars")
    return not any(part in file for part in library) and file != __file__
