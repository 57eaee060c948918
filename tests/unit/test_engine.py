"""What the built-in engine decides and does: small stacks with a toy provider."""

from __future__ import annotations

import threading
from typing import Any

import pulumi
import pytest
from pulumi import ResourceOptions as Opt

from lab.events import Change, LogEvent, StepEvent, SummaryEvent
from lab.state import MemoryStore
from lab.values import Secret, from_json
from tests.unit.toy import Bench, Group, Thing, ToyProvider


def test_a_preview_makes_nothing_and_writes_nothing() -> None:
    bench = Bench()

    def program() -> None:
        a = Thing("a", text="x")
        Thing("b", text=a.size.apply(str))
        pulumi.export("size", a.size)

    result = bench.preview(program)
    assert bench.steps(result) == ["create a", "create b"]
    assert result.outputs == {"size": "[unknown]"}
    assert bench.toy.calls == []
    assert bench.store.load()["resources"] == []


def test_up_twice_changes_nothing() -> None:
    bench = Bench()
    first = bench.up(lambda: Thing("a", text="x"))
    second = bench.up(lambda: Thing("a", text="x"), expect_no_changes=True)
    assert (first.changes, second.changes, second.exit) == ({"create": 2}, {"same": 2}, 0)


def test_changes_against_expectation_are_an_exit_status() -> None:
    assert Bench().up(lambda: Thing("a"), expect_no_changes=True).exit == 7


def test_a_change_is_an_update_or_a_replacement_as_the_provider_says() -> None:
    bench = Bench()
    bench.up(lambda: Thing("a", text="x", fixed=1))
    assert bench.steps(bench.up(lambda: Thing("a", text="y", fixed=1))) == ["update a"]
    replaced = bench.up(lambda: Thing("a", text="y", fixed=2))
    assert bench.steps(replaced) == ["create-replacement a", "replace a", "delete-replaced a"]
    assert [op for op, _name in bench.toy.calls] == ["create", "update", "create", "delete"]


def test_an_update_tells_what_changes_and_hides_secrets() -> None:
    bench = Bench()
    bench.up(lambda: Thing("a", text="x", token=pulumi.Output.secret("s1"), deep={"a": [1, 2]}))
    result = bench.up(lambda: Thing("a", text="y", token=pulumi.Output.secret("s2"), deep={"a": [1, 3]}))
    started = next(e for e in result.events if isinstance(e, StepEvent) and (e.phase, e.op) == ("start", "update"))
    assert set(started.changes) == {
        Change("text", "x", "y"),
        Change("token", "[secret]", "[secret]"),
        Change("deep.a[1]", 2, 3),
    }


def test_the_provider_may_ask_for_deletion_first_and_its_dependents_go_along() -> None:
    bench = Bench()

    def program(first: int) -> None:
        base = Thing("base", first=first)
        Thing("replaced", fixed=base.size)
        Thing("updated", text=base.size.apply(str))
        Thing("ordered", opts=Opt(depends_on=[base]))

    bench.up(lambda: program(1))
    bench.toy.calls.clear()
    bench.up(lambda: program(2))
    assert bench.toy.calls[:2] == [("delete", "replaced"), ("delete", "base")]
    assert ("delete", "updated") not in bench.toy.calls
    assert ("delete", "ordered") not in bench.toy.calls
    assert ("create", "replaced") in bench.toy.calls


def test_a_replacement_that_cannot_be_made_waits_in_the_state() -> None:
    bench = Bench()
    bench.up(lambda: Thing("a", first=1))
    bench.toy.failing = {("create", "a")}
    assert bench.up(lambda: Thing("a", first=2)).exit == 1
    assert bench.kept("pendingReplacement")["a"] is True
    bench.toy.failing.clear()
    assert bench.steps(bench.up(lambda: Thing("a", first=2))) == ["replace a", "create-replacement a"]
    assert bench.kept("pendingReplacement")["a"] is None


def test_a_resource_that_waits_for_its_replacement_and_leaves_the_program_is_only_forgotten() -> None:
    bench = Bench()
    bench.up(lambda: Thing("a", first=1))
    bench.toy.failing = {("create", "a")}
    bench.up(lambda: Thing("a", first=2))
    bench.toy.calls.clear()
    assert bench.steps(bench.up(lambda: None)) == ["remove-pending-replace a"]
    assert bench.toy.calls == []


def test_a_protected_dependent_stops_the_replacement_of_what_it_hangs_on() -> None:
    bench = Bench()

    def program(first: int) -> None:
        base = Thing("base", first=first)
        Thing("kept", fixed=base.size, opts=Opt(protect=True))

    bench.up(lambda: program(1))
    result = bench.up(lambda: program(2))
    assert bench.steps(result) == []
    assert "as part of replacing" in result.errors[0]


def test_nothing_is_made_after_a_failure_but_siblings_are_with_continue_on_error() -> None:
    def program() -> None:
        bad = Thing("bad")
        Thing("after", opts=Opt(depends_on=[bad]))
        Thing("size", text=bad.size.apply(str))
        Thing("sibling", opts=Opt(depends_on=[Thing("other")]))

    for go_on, made in ((False, set()), (True, {"other", "sibling"})):
        bench = Bench(one_thread=True)
        bench.toy.failing = {("create", "bad")}
        result = bench.up(program, continue_on_error=go_on)
        assert result.exit == 1
        assert {name for op, name in bench.toy.calls if name != "bad"} == made
        assert result.errors == ["cannot create bad"]
        assert set(bench.kept()) & {"bad", "after", "size"} == set()


def test_with_continue_on_error_nothing_is_deleted_that_a_failed_one_needs() -> None:
    bench = Bench()

    def program() -> None:
        Thing("top", opts=Opt(depends_on=[Thing("middle", opts=Opt(depends_on=[Thing("low")]))]))
        Thing("free")

    bench.up(program)
    bench.toy.failing = {("delete", "top")}
    bench.engine.run("destroy", continue_on_error=True)
    assert set(bench.kept()) == {"toys-dev", "default", "top", "middle", "low"}


def test_with_continue_on_error_what_is_skipped_stays_as_it_was() -> None:
    bench = Bench(one_thread=True)

    def program(text: str) -> None:
        base = Thing("base", text=text)
        group = Group("group", opts=Opt(depends_on=[base]))
        Thing("child", text=text, opts=Opt(parent=group))
        Thing("of-child", text=text, opts=Opt(deleted_with=base))
        if text == "old":
            Thing("gone")

    bench.up(lambda: program("old"))
    before = bench.kept()
    bench.toy.failing = {("update", "base")}
    result = bench.up(lambda: program("new"), continue_on_error=True)
    assert bench.steps(result) == ["update base", "delete gone"]
    assert bench.kept() == {name: inputs for name, inputs in before.items() if name != "gone"}


def test_with_continue_on_error_exports_that_are_known_are_taken_over() -> None:
    bench = Bench()

    def program(text: str) -> None:
        pulumi.export("good", Thing("good", text=text).size)
        pulumi.export("bad", Thing("bad", text=text).size)

    bench.up(lambda: program("x"))
    bench.toy.failing = {("update", "bad")}
    assert bench.up(lambda: program("longer"), continue_on_error=True).outputs == {"good": 6, "bad": 1}


def test_a_failed_update_keeps_old_inputs_and_is_tried_again() -> None:
    bench = Bench()
    bench.up(lambda: Thing("a", text="x"))
    bench.toy.failing = {("update", "a")}
    bench.up(lambda: Thing("a", text="y"))
    assert bench.kept()["a"] == {"text": "x"}
    bench.toy.failing.clear()
    assert bench.steps(bench.up(lambda: Thing("a", text="y"))) == ["update a"]


def test_made_but_not_well_stands_in_the_state_and_is_updated_next_time() -> None:
    bench = Bench()
    bench.toy.partly = {("create", "a")}
    result = bench.up(lambda: Thing("a", text="x"))
    assert (result.exit, result.errors) == (1, ["a is made, but not well"])
    assert bench.kept("initErrors")["a"] == ["not ready"]
    bench.toy.partly.clear()
    assert bench.steps(bench.up(lambda: Thing("a", text="x"))) == ["update a"]
    assert bench.kept("initErrors")["a"] is None
    assert bench.steps(bench.up(lambda: Thing("a", text="x"))) == ["same a"]


def test_an_update_that_half_worked_keeps_what_it_reached() -> None:
    bench = Bench()
    bench.up(lambda: Thing("a", text="x"))
    bench.toy.partly = {("update", "a")}
    assert bench.up(lambda: Thing("a", text="yy")).exit == 1
    assert (bench.kept()["a"], bench.kept("outputs")["a"]["size"]) == ({"text": "yy"}, 2)
    bench.toy.partly.clear()
    assert bench.steps(bench.up(lambda: Thing("a", text="yy"))) == ["update a"]


def test_a_refresh_takes_over_what_changed_and_forgets_what_is_gone() -> None:
    bench = Bench()

    def program() -> None:
        gone = Thing("gone", text="x")
        Thing("moved", text="old", opts=Opt(depends_on=[gone]))

    bench.up(program)
    ids = bench.kept("id")
    del bench.toy.world[ids["gone"]]
    bench.toy.world[ids["moved"]] = {"text": "new", "size": 3}
    result = bench.engine.run("refresh")
    assert result.changes == {"same": 1, "delete": 1, "update": 1}
    assert bench.kept()["moved"] == {"text": "new"}
    assert bench.kept("dependencies")["moved"] is None
    assert sorted(bench.steps(bench.up(program))) == ["create gone", "update moved"]


def test_a_refresh_counts_only_what_the_next_up_would_change_back() -> None:
    bench = Bench()

    def program() -> None:
        Thing("grown", text="x")
        Thing("free", text="x", opts=Opt(ignore_changes=["text"]))

    bench.up(program)
    ids = bench.kept("id")
    bench.toy.world[ids["grown"]] = {"text": "x", "size": 9}
    bench.toy.world[ids["free"]] = {"text": "theirs", "size": 6}
    assert bench.engine.run("refresh").changes == {"same": 3}
    assert (bench.kept("outputs")["grown"]["size"], bench.kept()["free"]) == (9, {"text": "theirs"})
    assert set(bench.up(program).changes) == {"same"}


def test_a_preview_with_refresh_shows_what_drifted_and_keeps_the_state() -> None:
    bench = Bench()
    bench.up(lambda: Thing("a", text="x"))
    before = bench.store.load()
    bench.toy.world.clear()
    result = bench.preview(lambda: Thing("a", text="x"), refresh=True)
    assert bench.steps(result) == ["refresh a", "create a"]
    assert bench.store.load() == before


def test_a_refresh_that_cannot_look_fails_and_runs_no_program() -> None:
    bench = Bench()
    bench.up(lambda: Thing("a", text="x"))
    bench.toy.failing = {("read", "a")}
    result = bench.up(lambda: Thing("a", text="y"), refresh=True)
    assert (result.exit, bench.steps(result)) == (1, ["refresh a"])


def test_a_provider_resource_is_made_configured_and_updated() -> None:
    bench = Bench()

    def program(speed: str) -> None:
        Thing("a", opts=Opt(provider=ToyProvider("mine", place="here", speed=speed)))

    bench.up(lambda: program("slow"))
    assert bench.toy.contexts[-1].config == {"place": "here", "speed": "slow"}
    result = bench.up(lambda: program("fast"))
    assert ("update", "pulumi:providers:toy", "mine") in result.steps
    assert bench.steps(result) == ["same a"]


def test_a_provider_that_must_be_replaced_replaces_its_resources() -> None:
    bench = Bench()

    def program(place: str) -> None:
        Thing("a", opts=Opt(provider=ToyProvider("mine", place=place)))

    bench.up(lambda: program("here"))
    for run in (bench.preview, bench.up):
        result = run(lambda: program("there"))
        assert bench.steps(result) == ["create-replacement a", "replace a", "delete-replaced a"]
    assert bench.up(lambda: program("there")).changes == {"same": 3}


def test_children_use_the_provider_of_their_component() -> None:
    bench = Bench()

    def program() -> None:
        group = Group("g", Opt(providers=[ToyProvider("mine", place="here")]))
        Thing("child", opts=Opt(parent=group))

    result = bench.up(program)
    assert "::mine::" in result.one("Thing").new.provider
    assert not [step for step in result.steps if step[2] == "default"]


def test_protection_retention_and_partner_are_inherited_from_a_component() -> None:
    def program() -> None:
        partner = Thing("partner")
        group = Group("g", Opt(protect=True, retain_on_delete=True, deleted_with=partner))
        Thing("child", opts=Opt(parent=group))
        Thing("free", opts=Opt(parent=group, protect=False, retain_on_delete=False))

    result = Bench().up(program)
    child, free = result.one("Thing", "child").new, result.one("Thing", "free").new
    assert (child.protect, child.retain_on_delete, child.deleted_with) == (True, True, result.one(name="partner").urn)
    assert (free.protect, free.retain_on_delete) == (False, False)


def custom(token: str) -> Any:
    return lambda: pulumi.CustomResource(token, "a", {})


NONSENSE: list[tuple[Any, str]] = [
    (custom("tyo:index:Thing"), "no stand-in for the package 'tyo'; there are: toy. Did you mean 'toy'?"),
    (custom("toy:index:Thingg"), "toy:index:Thingg a: there is no type toy:index:Thingg"),
    (lambda: Thing("a", txt="x", fixd=1), "toy:index:Thing a: fixd: is unknown; txt: is unknown"),
    (lambda: ToyProvider("p", plaec="x"), "plaec: is unknown"),
    (lambda: Thing("a", opts=Opt(import_="x")), "there is no toy:index:Thing with the id 'x' to import"),
    (lambda: (Thing("a"), Thing("a", text="again")), "Duplicate resource URN"),
    (lambda: pulumi.ComponentResource("demo:index:Far", "a", {}, None, True), "components from other packages"),
]


@pytest.mark.parametrize(("program", "words"), NONSENSE)
def test_nonsense_is_refused_at_once_with_a_reason(program: Any, words: str) -> None:
    bench = Bench(one_thread=True)
    result = bench.up(program)
    assert result.exit == 1
    assert len(result.errors) == 1
    assert words in result.errors[0]
    assert len([call for call in bench.toy.calls if call[0] != "read"]) == ("Duplicate" in words)


def test_a_stand_in_that_breaks_is_an_error_and_not_a_lost_state() -> None:
    bench = Bench()

    def breaks(operation: str, ctx: Any) -> None:
        if ctx.name == "b":
            raise KeyError("oops")

    bench.toy.during = breaks
    result = bench.up(lambda: Thing("b", opts=Opt(depends_on=[Thing("a")])))
    assert result.errors == ["the stand-in for toy:index:Thing broke: KeyError: 'oops'"]
    assert "a" in bench.kept()
    assert [item["type"] for item in result.pending] == ["creating"]


def test_invokes_are_answered_with_the_configuration_of_their_provider() -> None:
    seen: list[Any] = []

    def program() -> None:
        provider = ToyProvider("mine", place="here")
        opts = pulumi.InvokeOptions(provider=provider)
        seen.append(pulumi.runtime.invoke("toy:index:double", {"text": "ab"}, opts).value)

    assert Bench().preview(program).exit == 0
    assert seen == [{"text": "abab", "config": {"place": "here"}}]


def test_an_invoke_that_fails_is_the_error_of_the_program() -> None:
    result = Bench().up(lambda: pulumi.runtime.invoke("toy:index:half", {}))
    assert "invoke of toy:index:half failed: there is no function toy:index:half" in result.errors[0]


def test_additional_secret_outputs_are_marked_in_the_state_and_masked_in_exports() -> None:
    bench = Bench()

    def program() -> None:
        thing = Thing("a", text="x", opts=Opt(additional_secret_outputs=["size"]))
        pulumi.export("size", thing.size)
        pulumi.export("list", [thing.size, 1])

    result = bench.up(program)
    assert result.outputs == {"size": "[secret]", "list": ["[secret]", 1]}
    assert bench.kept("outputs")["a"]["size"]["value"] == 1


def test_a_value_that_becomes_secret_stays_secret_in_the_outputs_of_what_did_not_change() -> None:
    bench = Bench()

    def program(named: list[str], hide: bool) -> None:
        text = pulumi.Output.secret("x") if hide else pulumi.Output.from_input("x")
        thing = Thing("a", text=text, opts=Opt(additional_secret_outputs=named))
        pulumi.export("size", thing.size)

    assert bench.up(lambda: program([], False)).outputs == {"size": 1}
    result = bench.up(lambda: program(["size", "nonsense"], True))
    assert (bench.steps(result), result.outputs) == (["same a"], {"size": "[secret]"})
    assert from_json(bench.kept("outputs")["a"]) == {"size": Secret(1), "text": Secret("x")}


def test_time_limits_reach_the_provider_in_seconds() -> None:
    bench = Bench()
    limits = pulumi.CustomTimeouts(create="1h30m", delete="90s")
    bench.up(lambda: Thing("a", opts=Opt(custom_timeouts=limits)))
    bench.engine.run("destroy")
    assert [ctx.timeout for ctx in bench.toy.contexts] == [5400.0, 90.0]


def test_a_resource_that_does_not_exist_cannot_be_read() -> None:
    bench = Bench()
    result = bench.up(lambda: Thing("seen", opts=Opt(id="nowhere")))
    assert (result.exit, result.errors) == (1, ["there is no toy:index:Thing with the id 'nowhere'"])


def test_exports_of_a_failed_run_are_laid_over_the_old_ones() -> None:
    bench = Bench()

    def program(value: str, fails: bool) -> None:
        pulumi.export(value, value)
        pulumi.export("both", value)
        if fails:
            raise RuntimeError("stop")

    bench.up(lambda: program("old", False))
    assert bench.up(lambda: program("new", True)).outputs == {"old": "old", "new": "new", "both": "new"}
    assert bench.up(lambda: program("new", False)).outputs == {"new": "new", "both": "new"}


def test_the_error_of_a_program_names_its_place_and_nothing_is_deleted() -> None:
    bench = Bench()
    bench.up(lambda: Thing("a"))

    def program() -> None:
        raise RuntimeError("stop here")

    result = bench.up(program)
    assert result.errors[0].startswith("RuntimeError: stop here\n  ")
    assert result.errors[0].endswith("in program")
    assert "test_engine.py:" in result.errors[0]
    assert "a" in bench.kept()


@pytest.mark.parametrize("error", [pulumi.RunError("say it so"), SystemExit("say it so")])
def test_a_program_that_says_why_it_stops_is_quoted_without_place(error: BaseException) -> None:
    def program() -> None:
        raise error

    assert Bench().up(program).errors == ["say it so"]


def test_lines_of_the_program_and_of_providers_are_events() -> None:
    heard: list[Any] = []
    bench = Bench(on_event=heard.append)
    bench.toy.during = lambda operation, ctx: ctx.say(f"{operation} goes on")

    def program() -> None:
        pulumi.log.warn("look out")
        Thing("a")

    result = bench.up(program)
    lines = {(e.severity, e.text, e.urn.rpartition("::")[2]) for e in heard if isinstance(e, LogEvent)}
    assert {("warning", "look out", ""), ("info", "create goes on", "a")} <= lines
    assert result.diagnostics == [("warning", "", "look out")]
    assert isinstance(heard[-1], SummaryEvent)


def test_config_and_its_secrets_reach_the_program() -> None:
    def program() -> None:
        config = pulumi.Config("toys")
        pulumi.export("plain", config.require("plain"))
        pulumi.export("secret", config.require_secret("secret"))
        pulumi.export("known", pulumi.runtime.is_config_secret("toys:secret"))

    config = {"toys:plain": "x", "toys:secret": "y"}
    result = Bench().up(program, config=config, secret_keys=["toys:secret"])
    assert result.outputs == {"plain": "x", "secret": "[secret]", "known": True}


def test_the_state_is_written_before_and_after_every_step() -> None:
    written: list[tuple[set[str], list[str]]] = []

    class Spy(MemoryStore):
        def save(self, document: dict[str, Any]) -> None:
            super().save(document)
            names = {entry["urn"].rpartition("::")[2] for entry in document["resources"]}
            pending = [item["resource"]["urn"].rpartition("::")[2] for item in document["pending_operations"]]
            written.append((names - {"toys-dev", "default"}, pending))

    Bench(Spy()).up(lambda: Thing("b", opts=Opt(depends_on=[Thing("a")])))
    assert [item for item in written if item[0] or item[1]] == [
        (set(), ["a"]), ({"a"}, []), ({"a"}, ["b"]), ({"a", "b"}, [])]  # fmt: skip


def test_independent_resources_are_made_and_deleted_side_by_side() -> None:
    bench = Bench(parallel=4)
    together = threading.Barrier(4, timeout=5)
    bench.toy.during = lambda operation, ctx: (together.wait(), None)[1]

    def program() -> None:
        for name in "abcd":
            Thing(name)

    assert bench.up(program).exit == 0
    assert bench.engine.run("destroy").exit == 0


def test_no_more_steps_run_at_once_than_allowed() -> None:
    bench = Bench(parallel=2)
    running, most = [0], [0]
    lock = threading.Lock()

    def during(operation: str, ctx: Any) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.005)
        with lock:
            running[0] -= 1

    bench.toy.during = during
    bench.up(lambda: [Thing(f"t{i}") for i in range(8)] and None)
    assert most[0] == 2


def test_programs_may_run_at_the_same_time_in_one_process() -> None:
    benches = [Bench() for _ in range(3)]
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda b=b: results.append(b.up(lambda: pulumi.export("n", Thing("a", text="x").size))))
        for b in benches
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.outputs for result in results] == [{"n": 1}] * 3


def test_an_asynchronous_program_is_awaited() -> None:
    async def program() -> None:
        pulumi.export("text", "x")

    assert Bench().up(program).outputs == {"text": "x"}


def test_what_was_registered_can_be_asked_about() -> None:
    def program() -> None:
        group = Group("g")
        a = Thing(
            "a",
            text="x",
            token=pulumi.Output.secret("s"),
            deep={"in": pulumi.Output.secret(1)},
            opts=Opt(parent=group, delete_before_replace=True, custom_timeouts=pulumi.CustomTimeouts(create="5m")),
        )
        b = Thing("b", text=a.size.apply(str))
        Thing("c", opts=Opt(depends_on=[b]))  # fmt: skip

    result = Bench().preview(program)
    a, b, c = (result.one("Thing", name) for name in "abc")
    assert a.plain == {"text": "x", "token": "s", "deep": {"in": 1}}
    assert (a.inputs["token"], a.secret("token"), a.secret("deep"), a.secret("deep.in"), a.secret("text")) == (
        Secret("s"), True, False, True, False)  # fmt: skip
    assert (a.delete_before_replace, b.delete_before_replace, a.timeout("create")) == (True, None, 300.0)
    assert result.registered.parent(a) is result.one("Group")
    assert result.registered.children(result.one("Group")) == [a]
    assert result.registered.before(a, c)
    assert not result.registered.before(c, a)
    assert len(result.all("toy:index:Thing")) == 3
    with pytest.raises(LookupError, match="3 resources are Thing"):
        result.one("Thing")


class Renamed(pulumi.ComponentResource):
    def __init__(self, type: str, name: str, child: str, opts: Opt | None = None) -> None:
        super().__init__(f"demo:index:{type}", name, {}, opts)
        Thing(child, opts=Opt(parent=self))


def test_children_follow_the_alias_of_their_parent_also_where_their_name_starts_with_its_name() -> None:
    bench = Bench()
    bench.up(lambda: Renamed("Old", "box", "box-child"))
    alias = pulumi.Alias(name="box", type_="demo:index:Old")
    result = bench.up(lambda: Renamed("New", "crate", "crate-child", Opt(aliases=[alias])))
    assert bench.steps(result) == ["same crate-child"]
    assert result.changes == {"same": 3}
    assert bench.kept("parent")["crate-child"] == result.one("New").urn
    assert bench.up(lambda: Renamed("New", "crate", "crate-child")).changes == {"same": 3}


def test_an_alias_may_name_another_parent_or_none_or_be_a_whole_urn() -> None:
    bench = Bench()
    first = bench.up(lambda: (Thing("a"), Renamed("Box", "b", "child")))

    def moved() -> None:
        box = Renamed("Box", "b", "child2")
        Thing("a", opts=Opt(parent=box, aliases=[pulumi.Alias(parent=None)]))
        Thing("child", opts=Opt(aliases=[first.one("Thing", "child").urn]))

    assert sorted(bench.steps(bench.up(moved))) == ["create child2", "same a", "same child"]

    def back() -> None:
        box = Renamed("Box", "b", "child2")
        Thing("a", opts=Opt(aliases=[pulumi.Alias(parent=box)]))
        Thing("child")

    assert sorted(bench.steps(bench.up(back))) == ["same a", "same child", "same child2"]


def test_two_resources_cannot_have_been_the_same_one() -> None:
    bench = Bench(one_thread=True)
    bench.up(lambda: Thing("a"))
    alias = Opt(aliases=[pulumi.Alias(name="a")])
    result = bench.up(lambda: (Thing("b", opts=alias), Thing("c", opts=alias)))
    assert "is taken by another resource" in result.errors[0]


def test_a_dependent_whose_deletion_failed_is_not_forgotten_when_it_is_made_again() -> None:
    bench = Bench()

    def program(first: int, hangs: bool) -> None:
        base = Thing("base", first=first)
        Thing("dep", fixed=base.size if hangs else 9)

    bench.up(lambda: program(1, True))
    bench.toy.failing = {("delete", "dep")}
    assert bench.up(lambda: program(2, False), continue_on_error=True).exit == 1
    bench.toy.failing.clear()
    bench.up(lambda: program(2, False))
    assert len(bench.toy.world) == 2


def test_what_exists_can_be_imported_and_is_then_made_what_the_program_wants() -> None:
    bench = Bench()
    bench.toy.world["there"] = {"text": "old", "size": 3}
    result = bench.up(lambda: Thing("a", text="new", opts=Opt(import_="there")))
    assert (result.exit, bench.steps(result)) == (0, ["import a", "update a"])
    assert (bench.kept("id")["a"], bench.toy.world["there"]["text"]) == ("there", "new")
    assert bench.steps(bench.up(lambda: Thing("a", text="new", opts=Opt(import_="there")))) == ["same a"]
    assert "it is 'there' already" in bench.up(lambda: Thing("a", opts=Opt(import_="else"))).errors[0]


def test_an_entry_that_the_failed_program_did_not_reach_names_what_was_renamed_by_its_new_name() -> None:
    bench = Bench()
    bench.up(lambda: Thing("c", opts=Opt(depends_on=[Thing("a")])))

    def program() -> None:
        Thing("b", opts=Opt(aliases=[pulumi.Alias(name="a")]))
        raise RuntimeError("stop")

    result = bench.up(program)
    assert bench.kept("dependencies")["c"] == [result.one("Thing", "b").urn]
