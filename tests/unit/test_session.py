"""Stack files, `--set`, and the place where a rehearsal keeps its things."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from lab.host import tools
from lab.session import ROOT, Session
from lab.stack_file import PLACEHOLDER, WrongUse, parse_set, put, read, split, turning

STACK = """\
encryptionsalt: v1:abc
config:
  gpu-ready:target: cluster
  gpu-ready:cluster:
    context: demo
    nodes: [gpu-1, gpu-2]
  gpu-ready:k3sToken:
    secure: v1:xxxx
  kubernetes:burst: 10
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GPU_READY_LAB_DIR", raising=False)
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.demo.yaml").write_text(STACK)
    return tmp_path


def stack_with(root: Path, text: str) -> str:
    path = root / "stacks" / "Pulumi.other.yaml"
    path.write_text(text)
    return str(path)


HOST = "hosts: [{name: rtx, address: 192.0.2.10, cards: [NVIDIA GeForce RTX 4070], node: gpu-1}]"


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("hosts.rtx.ssh", "up", "--set world.hosts.rtx.ssh=up"),
        ("nodes.gpu-1.driver", None, "--set world.nodes.gpu-1.driver=null"),
        ("nodes.gpu-1.driver", "580", "--set world.nodes.gpu-1.driver=580"),
        ("nodes.gpu-1.ready", True, "--set world.nodes.gpu-1.ready=true"),
        ("kubernetes", "1.30", "--set world.kubernetes=1.30"),
        ("operator.part", "", "--set 'world.operator.part=\"\"'"),
        ("hosts.rtx.ssh", "off", "--set world.hosts.rtx.ssh=off"),
        ("hosts.rtx.password", "it's: {", None),
        ("nodes.gpu-1.taints", [{"key": "a", "effect": "NoSchedule"}], None),
    ],
)
def test_the_option_that_turns_a_switch_is_read_as_that_value(path: str, value: Any, told: str | None) -> None:
    option = turning(path, value)
    assert told is None or option == told
    word, change = shlex.split(option)
    assert (word, split([change])) == ("--set", ([], [(path, value)]))


def test_a_world_whose_making_was_interrupted_is_made_anew(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(folder: Path, _manager: str) -> None:
        folder.mkdir()
        raise KeyboardInterrupt

    (root / "lab" / "worlds").mkdir(parents=True)
    (root / "lab" / "worlds" / "demo.yaml").write_text(HOST)
    (root / "stacks" / "Pulumi.demo.yaml").write_text(STACK.replace("gpu-ready:k3sToken", "kubernetes:token"))
    with monkeypatch.context() as patched:
        patched.setattr(tools, "install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Session("demo", root=root).world()
    world = Session("demo", root=root).world()
    assert not world.is_outline()
    assert list((world.machine("rtx").folder / "bin").iterdir())
    assert [one.name for one in world.machine("rtx").folder.parent.iterdir()] == ["rtx"]


class TestStackFile:
    def test_a_stack_is_found_by_name_and_by_path(self, root: Path) -> None:
        by_name, by_path = read(root, "demo"), read(root, str(root / "stacks" / "Pulumi.demo.yaml"))
        assert by_name.name == by_path.name == "demo"
        assert by_name.config == by_path.config

    def test_structured_values_reach_the_program_as_json(self, root: Path) -> None:
        own = read(root, "demo").own()
        assert own["target"] == "cluster"
        assert json.loads(own["cluster"]) == {"context": "demo", "nodes": ["gpu-1", "gpu-2"]}
        assert read(root, "demo").wire()["kubernetes:burst"] == "10"

    def test_keys_of_other_packages_are_not_ours(self, root: Path) -> None:
        assert "burst" not in read(root, "demo").own()

    def test_a_key_without_namespace_belongs_to_the_project(self, root: Path) -> None:
        assert read(root, stack_with(root, "config: {target: cluster}")).wire() == {"gpu-ready:target": "cluster"}

    def test_a_secret_becomes_a_placeholder_and_is_known_as_secret(self, root: Path) -> None:
        stack = read(root, "demo")
        assert stack.own()["k3sToken"] == PLACEHOLDER
        assert stack.own_secrets() == {"k3sToken"}

    @pytest.mark.parametrize("key", ["sshPassword", "gpu-ready:sshPassword", "k3sToken", "other:token"])
    def test_a_secret_on_the_command_line_is_replaced_as_well(self, root: Path, key: str) -> None:
        path = stack_with(root, "config: {k3sToken: {secure: v1:a}, 'other:token': {secure: v1:b}}")
        stack = read(root, path, [(key, "hunter2")])
        assert "hunter2" not in str(stack)
        full = key if ":" in key else f"gpu-ready:{key}"
        assert stack.config[full] == PLACEHOLDER
        assert full in stack.secret_keys
        assert f"for --set {full.partition(':')[2]} a placeholder stands in" in " ".join(stack.notes)

    def test_a_secret_that_was_not_touched_needs_no_word(self, root: Path) -> None:
        path = stack_with(root, "config: {k3sToken: {secure: v1:a}}")
        assert read(root, path, [("gpu.operator", "external")]).notes == ()

    def test_a_secret_inside_a_map_makes_the_whole_key_secret(self, root: Path) -> None:
        stack = read(root, stack_with(root, "config: {gpu-ready:a: {b: [{secure: v1:x}, 2]}}"))
        assert json.loads(stack.own()["a"]) == {"b": [PLACEHOLDER, 2]}
        assert stack.own_secrets() == {"a"}

    def test_project_defaults_lie_below_the_stack(self, root: Path) -> None:
        declared = "gpu-ready:target: {default: gke}, gpu: {type: object, default: {a: 1}}, aws: {type: object}"
        project = f"name: gpu-ready\nconfig: {{{declared}}}\n"
        (root / "Pulumi.yaml").write_text(project)
        own = read(root, "demo").own()
        assert own["target"] == "cluster"
        assert own["gpu"] == '{"a": 1}'
        assert "aws" not in own

    @pytest.mark.parametrize("wanted", ["demmo", "stacks/Pulumi.gone.yaml", "gone.yaml"])
    def test_a_stack_that_is_not_there_is_wrong_use(self, root: Path, wanted: str) -> None:
        with pytest.raises(WrongUse, match="no stack"):
            read(root, wanted)

    def test_a_misspelt_stack_gets_a_hint(self, root: Path) -> None:
        with pytest.raises(WrongUse, match=r"Did you mean demo\? There are: demo"):
            read(root, "demmo")

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("config: [a", "is not YAML: .*line 1, column"),
            ("- a", "is not a stack file"),
            ("config: [1]", "`config` is a list"),
            ("config: {a: 1}\n\x00", "is not YAML"),
            ("config: &a {gpu-ready:gpu: *a}", "has an anchor that contains itself"),
            ("config: {gpu-ready:gpu: &a [1, [*a]]}", "has an anchor that contains itself"),
            ("config: " + "[" * 5000, "is not YAML"),
            ("config: " + "[" * 900 + "]" * 900, "is nested too deeply"),
            ("config: {a: 1, gpu-ready:a: 1}", "a and gpu-ready:a are the same setting; one of them has to go"),
            ("? [a]\n: 1\n? [a]\n: 2\n", "is not YAML"),
        ],
    )
    def test_a_broken_stack_file_says_why(self, root: Path, text: str, why: str) -> None:
        with pytest.raises(WrongUse, match=why):
            read(root, stack_with(root, text))

    def test_a_stack_file_that_is_not_text_says_so(self, root: Path) -> None:
        path = root / "Pulumi.binary.yaml"
        path.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(WrongUse, match="cannot be read"):
            read(root, str(path))

    def test_a_key_that_stands_twice_is_refused(self, root: Path) -> None:
        with pytest.raises(WrongUse, match="'gpu-ready:a' stands there twice"):
            read(root, stack_with(root, "config:\n  gpu-ready:a: 1\n  gpu-ready:a: 2\n"))

    @pytest.mark.parametrize(
        ("text", "read_elsewhere"),
        [
            ("", ()),
            ("environment:", ()),
            ("environment: []", ()),
            ("environment: [gpu/base, gpu/prod@stable]", ("gpu/base", "gpu/prod@stable")),
            ("environment: {imports: [gpu/base, {gpu/keys: {merge: false}}]}", ("gpu/base", "gpu/keys")),
            ("environment: {values: {pulumiConfig: {gpu-ready:target: gke}}}", ("one written in the stack file",)),
            ("environment:\n  imports: [a]\n  values: {b: 1}", ("a", "one written in the stack file")),
            ("environment: gpu/base", ("gpu/base",)),
            ("environment: 7", ("7",)),
        ],
    )
    def test_environments_of_pulumi_esc_are_known_and_not_read(
        self, root: Path, text: str, read_elsewhere: tuple[str, ...]
    ) -> None:
        stack = read(root, stack_with(root, f"{text}\nconfig: {{target: cluster}}\n"))
        assert stack.environments == read_elsewhere
        assert stack.wire() == {"gpu-ready:target": "cluster"}

    def test_keys_of_encryption_and_unknown_ones_are_no_matter(self, root: Path) -> None:
        keys = "secretsprovider: awskms://alias/x\nencryptedkey: abc\nencryptionsalt: v1:x\nsomething: new\n"
        stack = read(root, stack_with(root, f"{keys}config: {{target: cluster}}"))
        assert (stack.wire(), stack.environments) == ({"gpu-ready:target": "cluster"}, ())

    def test_an_anchor_that_is_used_twice_is_fine(self, root: Path) -> None:
        text = "config: {gpu-ready:a: &x {b: [1]}, gpu-ready:c: *x, gpu-ready:d: [*x, *x]}"
        assert json.loads(read(root, stack_with(root, text)).own()["d"]) == [{"b": [1]}, {"b": [1]}]

    @pytest.mark.parametrize("key", ["gpu-redy:foo", "gpu_ready:foo", "gpuready:foo", "Gpu-Ready:foo"])
    def test_a_misspelt_namespace_gets_a_note(self, root: Path, key: str) -> None:
        stack = read(root, stack_with(root, f"config: {{'{key}': 1}}"))
        assert stack.notes == (f"{key} is read by nobody; did you mean gpu-ready:foo?",)

    def test_a_misspelt_namespace_of_set_gets_a_note_too(self, root: Path) -> None:
        assert read(root, "demo", [("gpu-redy:foo", 1)]).notes != ()

    @pytest.mark.parametrize("namespace", ["aws", "gcp", "kubernetes", "pulumi", "gpu", "gpu-operator", "command"])
    def test_namespaces_of_others_get_none(self, root: Path, namespace: str) -> None:
        assert read(root, stack_with(root, f"config: {{'{namespace}:foo': 1}}")).notes == ()

    def test_an_empty_stack_file_is_an_empty_config(self, root: Path) -> None:
        assert read(root, stack_with(root, "")).config == {}

    @pytest.mark.parametrize("name", ["Pulumi.a b.yaml", "Pulumi..hidden.yaml", "Pulumi.-x.yaml"])
    def test_a_name_that_is_no_name_is_refused(self, root: Path, name: str) -> None:
        (root / name).write_text("")
        with pytest.raises(WrongUse, match="cannot be the name"):
            read(root, str(root / name))


class TestSet:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("a.b=external", "external"),
            ("a.b=3", 3),
            ("a.b=true", True),
            ("a.b=[1, 2]", [1, 2]),
            ("a.b=", None),
            ("a.b={x: 1}", {"x": 1}),
        ],
    )
    def test_values_are_read_as_yaml(self, text: str, value: Any) -> None:
        assert parse_set(text) == ("a.b", value)

    @pytest.mark.parametrize("text", ["a.b", "=x", " =x", "a=[1", "a=&x [*x]"])
    def test_what_cannot_be_read_is_wrong_use(self, text: str) -> None:
        with pytest.raises(WrongUse, match="--set"):
            parse_set(text)

    def test_switches_of_the_world_are_told_from_settings(self) -> None:
        ours, world = split(["gpu.operator=external", "world.nodes.gpu-1.ready=false", "worldly=1"])
        assert ours == [("gpu.operator", "external"), ("worldly", 1)]
        assert world == [("nodes.gpu-1.ready", False)]

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("kubernetes=1.20", "1.20"),
            ("kubernetes='1.20'", "1.20"),
            ("nodes.gpu-1.driver=580", "580"),
            ("nodes.gpu-1.driver=", None),
            ("nodes.gpu-1.kernel= 6.10 ", "6.10"),
            ("nodes.gpu-1.ready=false", False),
            ("nodes.gpu-1.gpus=2", 2),
            ("operator.ready_seconds=0.5", 0.5),
            ("moon=1.50", 1.5),
        ],
    )
    def test_where_the_world_wants_a_text_it_stays_as_it_was_written(self, text: str, value: Any) -> None:
        (found,) = split([f"world.{text}"])[1]
        assert (found[1], type(found[1])) == (value, type(value))

    @pytest.mark.parametrize("operator", ["install", {"mode": "install"}])
    def test_a_setting_beside_a_short_form_keeps_what_that_said(self, operator: Any) -> None:
        values: dict[str, Any] = {"gpu-ready:gpu": {"operator": operator}}
        put(values, "gpu.operator.version", "v25.3.4")
        put(values, "gpu-ready:gpu.operator.values.driver.version", "580")
        assert values["gpu-ready:gpu"]["operator"] == {
            "mode": "install", "version": "v25.3.4", "values": {"driver": {"version": "580"}},
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("path", "example"),
        [
            ("target.x", " Example: --set target=cluster"),
            ("cluster.context.x", " Example: --set cluster.context=home"),
            ("other.x", ""),
            ("aws:region.x", ""),
        ],
    )
    def test_a_text_that_is_short_for_nothing_is_refused_with_a_right_example(self, path: str, example: str) -> None:
        values = {"gpu-ready:target": "a", "gpu-ready:cluster": {"context": "a"}, "gpu-ready:other": "a"}
        with pytest.raises(WrongUse) as refused:
            put({**values, "aws:region": "a"}, path, 2)
        assert str(refused.value).endswith(f"'a' stands where 'x' would have to be a key of a map.{example}")

    def test_a_deep_value_is_changed_and_its_neighbors_stay(self, root: Path) -> None:
        stack = read(root, "demo", [("cluster.context", "home"), ("gpu.driver.owner", "host")])
        assert json.loads(stack.own()["cluster"]) == {"context": "home", "nodes": ["gpu-1", "gpu-2"]}
        assert json.loads(stack.own()["gpu"]) == {"driver": {"owner": "host"}}

    def test_places_of_a_list_are_numbers(self) -> None:
        values: dict[str, Any] = {"gpu-ready:a": {"nodes": ["x", "y"]}}
        put(values, "a.nodes[1]", "z")
        put(values, "a.nodes.2", "new")
        assert values == {"gpu-ready:a": {"nodes": ["x", "z", "new"]}}

    def test_keys_with_dots_are_quoted(self) -> None:
        values: dict[str, Any] = {}
        put(values, 'cluster.nodeSelector["nvidia.com/gpu.present"]', "true")
        put(values, 'cluster.nodeSelector."a.b/c"', "d")
        assert values == {"gpu-ready:cluster": {"nodeSelector": {"nvidia.com/gpu.present": "true", "a.b/c": "d"}}}

    def test_the_original_config_is_not_changed_by_set(self) -> None:
        inner = {"b": 1}
        values: dict[str, Any] = {"gpu-ready:a": inner}
        put(values, "a.b", 2)
        assert inner == {"b": 1}

    @pytest.mark.parametrize("path", ["a.b.c", "a.list.x", "a.list.9", "..."])
    def test_a_path_that_leads_nowhere_is_wrong_use(self, path: str) -> None:
        with pytest.raises(WrongUse, match=r"--set"):
            put({"gpu-ready:a": {"b": 1, "list": [1]}}, path, 2)


class TestFolder:
    def test_state_lies_below_the_checkout(self, root: Path) -> None:
        assert Session("demo", root=root).folder == root / ".lab" / "demo"

    def test_an_environment_variable_moves_it(
        self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GPU_READY_LAB_DIR", str(tmp_path / "elsewhere"))
        assert Session("demo", root=root).folder == tmp_path / "elsewhere" / "demo"

    def test_a_stack_file_elsewhere_has_a_place_of_its_own_and_keeps_its_name(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paths = [root / where / "Pulumi.demo.yaml" for where in ("a", "b")]
        for path in paths:
            path.parent.mkdir()
            path.write_text(STACK)
        one, other = (Session(str(path), root=root) for path in paths)
        assert one.name == other.name == "demo"
        assert re.fullmatch(r"demo-[0-9a-f]{6}", one.folder.name)
        assert one.folder.name != other.folder.name
        monkeypatch.chdir(root / "a")
        assert Session("./Pulumi.demo.yaml", root=root).folder == one.folder

    def test_the_path_of_a_stack_in_stacks_means_the_same_as_its_name(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(root / "stacks")
        assert Session("Pulumi.demo.yaml", root=root).folder == Session("demo", root=root).folder

    @pytest.mark.parametrize(("where", "names"), [("stacks", ["gpu-7"]), ("elsewhere", ["cpu-1", "gpu-1", "gpu-2"])])
    def test_a_world_that_comes_along_belongs_to_the_stack_in_stacks(
        self, root: Path, where: str, names: list[str]
    ) -> None:
        (root / "lab" / "worlds").mkdir(parents=True)
        (root / "lab" / "worlds" / "demo.yaml").write_text("nodes: [{name: gpu-7}]")
        (root / "elsewhere").mkdir()
        (root / "elsewhere" / "Pulumi.demo.yaml").write_text(STACK.replace("gpu-ready:k3sToken", "kubernetes:token"))
        (root / "stacks" / "Pulumi.demo.yaml").write_text(STACK.replace("gpu-ready:k3sToken", "kubernetes:token"))
        with Session(str(root / where / "Pulumi.demo.yaml"), root=root).world().open() as cluster:
            assert [node["metadata"]["name"] for node in cluster.list("Node")] == names

    def test_nothing_is_made_by_looking(self, root: Path) -> None:
        session = Session("demo", root=root)
        assert session.resources() == []
        assert not session.folder.exists()

    def test_a_preview_makes_no_machines_and_whatever_comes_after_it_does(self, root: Path) -> None:
        (root / "lab" / "worlds").mkdir(parents=True)
        (root / "lab" / "worlds" / "demo.yaml").write_text(HOST)
        (root / "stacks" / "Pulumi.demo.yaml").write_text(STACK.replace("gpu-ready:k3sToken", "kubernetes:token"))
        session = Session("demo", root=root)
        session.only_previews = True
        assert (session.world().is_outline(), session.hosts()) == (True, {"192.0.2.10": "rtx"})
        session.only_previews = False
        world = session.world()
        with world.open() as cluster:
            (node,) = cluster.list("Node")
        assert node["status"]["nodeInfo"]["machineID"] == world.machine("rtx").state["machine_id"]
        session.only_previews = True
        assert not session.world().is_outline()

    @pytest.mark.parametrize(
        ("change", "taken"),
        [((), True), (("gpu.operator=external",), False), (("bareMetal.hosts.0.address=192.0.2.99",), False)],
    )
    def test_a_copy_of_a_stack_is_about_the_same_machines(
        self, tmp_path: Path, change: tuple[str, ...], taken: bool
    ) -> None:
        copy = tmp_path / "Pulumi.mine.yaml"
        copy.write_text((ROOT / "stacks" / "Pulumi.demo.yaml").read_text())
        session = Session(str(copy), change)
        cards = [host["cards"] for host in session._world_spec(session.wish())["hosts"]]
        assert (cards == [["NVIDIA GeForce RTX 4070"], ["Tesla T4"]]) is taken
