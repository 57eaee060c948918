"""Hooks of the program: error hooks that ask for another try, and hooks before and after steps."""

from __future__ import annotations

import threading
from typing import Any

import pulumi
import pytest
from pulumi import ResourceOptions as Opt

from tests.unit.toy import Bench, Thing


def on_error(decide: Any) -> Opt:
    return Opt(hooks=pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook("decide", decide)]))


def failing_times(bench: Bench, operation: str, times: int) -> None:
    left = [times]

    def during(called: str, ctx: Any) -> None:
        bench.toy.failing = {(operation, "a")} if called == operation and left[0] > 0 else set()
        left[0] -= called == operation

    bench.toy.during = during


@pytest.mark.parametrize("one_thread", [True, False])
def test_a_create_is_repeated_as_long_as_the_hook_says_so(one_thread: bool) -> None:
    bench, asked = Bench(one_thread=one_thread), []
    failing_times(bench, "create", 3)

    def decide(args: Any) -> bool:
        asked.append((args.failed_operation, args.name, len(args.errors), args.errors[0]))
        return True

    result = bench.up(lambda: Thing("a", on_error(decide)))
    assert result.exit == 0
    assert asked == [("create", "a", n, "cannot create a") for n in (1, 2, 3)]
    assert [text for _severity, _urn, text in result.diagnostics] == [
        f"retrying create due to on-error hook request ({n}/100)" for n in (1, 2, 3)
    ]


def test_a_hook_that_says_no_leaves_the_failure_as_it_is() -> None:
    bench = Bench()
    failing_times(bench, "create", 3)
    result = bench.up(lambda: Thing("a", on_error(lambda args: "try again" in args.errors[0])))
    assert result.errors == ["cannot create a"]
    assert bench.toy.calls == [("create", "a")]


def test_nobody_asks_for_ever() -> None:
    bench = Bench()
    failing_times(bench, "create", 1000)
    result = bench.up(lambda: Thing("a", on_error(lambda args: True)))
    assert (result.exit, len(bench.toy.calls)) == (1, 100)
    assert "maximum number of error hook retries (100) reached" in [text for *_rest, text in result.diagnostics]


def test_updates_and_deletions_are_repeated_too() -> None:
    bench = Bench()

    def program(text: str) -> None:
        pulumi.ErrorHook("decide", lambda args: True)
        if text:
            Thing("a", on_error(lambda args: True), text=text)

    bench.up(lambda: Thing("a", on_error(lambda args: True), text="x"))
    failing_times(bench, "update", 2)
    assert bench.up(lambda: Thing("a", on_error(lambda args: True), text="y")).exit == 0
    failing_times(bench, "delete", 2)
    assert bench.up(lambda: pulumi.ErrorHook("decide", lambda args: True)).exit == 0
    assert "a" not in bench.kept()


def test_without_the_program_a_failed_deletion_is_not_repeated() -> None:
    bench = Bench()
    bench.up(lambda: Thing("a", on_error(lambda args: True)))
    failing_times(bench, "delete", 1)
    assert bench.engine.run("destroy").errors == ["cannot delete a"]


def test_an_error_hook_that_breaks_is_a_failure_of_its_own() -> None:
    bench = Bench()
    failing_times(bench, "create", 1)
    result = bench.up(lambda: Thing("a", on_error(lambda args: 1 / 0)))
    assert result.errors == ["error hook 'decide' failed: division by zero"]


def test_a_failure_after_the_program_has_ended_stands_as_it_is() -> None:
    """The first failure ends the program, and its hooks are gone with it."""
    bench, over = Bench(), threading.Event()
    bench.toy.failing = {("create", "a"), ("create", "b")}

    def during(operation: str, ctx: Any) -> None:
        if ctx.urn.endswith("::b"):
            over.wait(0.3)

    bench.toy.during = during

    def program() -> None:
        hook = pulumi.ErrorHook("decide", lambda args: False)
        for name in ("a", "b"):
            Thing(name, Opt(hooks=pulumi.ResourceHookBinding(on_error=[hook])))

    result = bench.up(program)
    assert (sorted(result.errors), result.pending) == (["cannot create a", "cannot create b"], [])


def binding(seen: list[Any], **options: Any) -> Opt:
    def noting(moment: str) -> pulumi.ResourceHook:
        note = lambda args: seen.append((moment, args.name, (args.new_outputs or {}).get("size")))  # noqa: E731
        return pulumi.ResourceHook(moment, note, pulumi.ResourceHookOptions(**options))

    moments = ("before_create", "after_create", "before_update", "after_update", "before_delete", "after_delete")
    bound: dict[str, Any] = {moment: [noting(moment)] for moment in moments}
    return Opt(hooks=pulumi.ResourceHookBinding(**bound))


def test_hooks_run_before_and_after_their_steps_but_not_in_a_preview() -> None:
    bench = Bench()
    seen: list[Any] = []
    bench.preview(lambda: Thing("a", binding(seen), text="x"))
    assert seen == []
    bench.up(lambda: Thing("a", binding(seen), text="x"))
    bench.up(lambda: Thing("a", binding(seen), text="yy"))
    bench.up(lambda: binding(seen))
    assert seen == [
        ("before_create", "a", None), ("after_create", "a", 1), ("before_update", "a", None),
        ("after_update", "a", 2), ("before_delete", "a", None), ("after_delete", "a", None)]  # fmt: skip


def test_a_hook_may_ask_for_previews_too() -> None:
    bench = Bench()
    seen: list[Any] = []
    bench.preview(lambda: Thing("a", binding(seen, on_dry_run=True), text="x"))
    assert [moment for moment, *_rest in seen] == ["before_create", "after_create"]


@pytest.mark.parametrize("forgiving", [True, False])
def test_a_hook_that_fails_stops_the_step_unless_its_errors_may_be_ignored(forgiving: bool) -> None:
    def breaks(args: pulumi.ResourceHookArgs) -> None:
        raise ZeroDivisionError("division by zero")

    def program() -> None:
        options = pulumi.ResourceHookOptions(ignore_errors=forgiving)
        hook = pulumi.ResourceHook("bad", breaks, options)
        Thing("a", Opt(hooks=pulumi.ResourceHookBinding(before_create=[hook])))

    bench = Bench()
    result = bench.up(program)
    assert result.exit == (0 if forgiving else 1)
    severity, _urn, text = result.diagnostics[0]
    assert (severity, text) == (
        "warning" if forgiving else "error",
        "before_create hook 'bad' failed: division by zero",
    )
    assert bool(bench.toy.calls) == forgiving
