"""containerd of a simulated machine merges and refuses as each release was seen to; its clients ask the daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.host.standins import toml
from tests.host.small_machine import TOOLKIT, UBUNTU_DRIVER, Bench, born

OLD = '"io.containerd.grpc.v1.cri"'
NEW = "'io.containerd.cri.v1.runtime'"
MAIN, DROP_IN = "/etc/containerd/config.toml", "/etc/containerd/conf.d/99.toml"


def handler(plugin: str, name: str = "nvidia") -> str:
    table = f"[plugins.{plugin}.containerd.runtimes.{name}"
    return f'{table}]\nruntime_type = "io.containerd.runc.v2"\n{table}.options]\nSystemdCgroup = true\n'


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Bench:
    release = getattr(request, "param", "1.7.24")
    return Bench(born(tmp_path / "machine", containerd=release), capsys)


def on(*releases: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("bench", releases, indirect=True)


def with_drop_in(bench: Bench, text: str, more: str = "") -> Bench:
    main = bench.file(MAIN).read_text()
    bench.write(MAIN, main.replace("version =", f'imports = ["/etc/containerd/conf.d/*.toml"]\n{more}version =', 1))
    bench.write(DROP_IN, text)
    return bench


def dumped(bench: Bench) -> dict[str, object]:
    """The CRI plugin's containerd section of `config dump`."""
    plugins = toml.loads(bench.well("containerd config dump"))["plugins"]
    section: dict[str, object] = plugins[(OLD if OLD.strip('"') in plugins else NEW).strip("\"'")]["containerd"]
    return section


def runtimes(bench: Bench) -> list[str]:
    found = dumped(bench)["runtimes"]
    assert isinstance(found, dict)
    return sorted(found)


# merging


@on("1.6.20", "1.7.24", "2.0.5")
def test_an_imported_section_replaces_the_main_files_as_a_whole(bench: Bench) -> None:
    version, plugin = (3, NEW) if bench.machine.state["containerd"] == "2.0.5" else (2, OLD)
    with_drop_in(bench, f"version = {version}\n{handler(plugin)}")
    dump = bench.well("containerd config dump")
    assert "SystemdCgroup = true" not in dump.split("runtimes.nvidia")[0]
    assert ("runc" in runtimes(bench)) is (plugin == NEW)


@on("2.1.9", "2.2.1", "2.3.4")
def test_since_2_1_an_imported_section_is_added(bench: Bench) -> None:
    with_drop_in(bench, f"version = 3\n{handler(NEW)}")
    assert runtimes(bench) == ["nvidia", "runc"]
    assert bench.well("containerd config dump").count("SystemdCgroup = true") == 2


def test_a_partial_drop_in_takes_the_default_handler_away(bench: Bench) -> None:
    with_drop_in(bench, f"version = 2\n{handler(OLD)}")
    bench.well("systemctl restart containerd")
    assert "unknown service runtime.v1.RuntimeService" in bench("crictl info").err
    assert "no corresponding runtime configured" in bench.machine.state["running"]["error"]
    assert bench.machine.state["handlers"] == []


@on("2.3.4")
def test_a_higher_version_below_the_main_files_stops_2_3(bench: Bench) -> None:
    with_drop_in(bench, f"version = 4\n{handler(NEW)}")
    said = bench("containerd config dump")
    assert (said.status, "drop-in config version 4 higher than root config version 3" in said.err) == (1, True)


@on("2.1.9")
def test_a_higher_version_below_the_main_files_silences_it_on_2_1(bench: Bench) -> None:
    bench.write(MAIN, f"version = 2\n{handler(OLD, 'runc')}")
    with_drop_in(bench, f"version = 3\n{handler(NEW)}")
    said = bench("containerd config dump")
    assert (said.status, "Ignoring unknown key in TOML for plugin" in said.err) == (0, True)
    assert said.out.count("SystemdCgroup = true") == 1


@on("2.1.9")
def test_a_lower_version_is_brought_up_to_date(bench: Bench) -> None:
    with_drop_in(bench, f"version = 2\n{handler(OLD)}")
    assert runtimes(bench) == ["nvidia", "runc"]


@on("1.7.24")
def test_a_version_that_the_release_does_not_know_is_refused(bench: Bench) -> None:
    bench.write(MAIN, "version = 3\n")
    assert "unsupported config version: 3" in bench("containerd config dump").err


def test_without_a_handler_of_its_own_the_main_file_loses_runc_when_one_is_added(bench: Bench) -> None:
    bench.write(MAIN, f"version = 2\n{handler(OLD)}")
    assert runtimes(bench) == ["nvidia"]


def test_a_folder_that_is_not_imported_counts_for_nothing(bench: Bench) -> None:
    bench.write(DROP_IN, f"version = 2\n{handler(OLD)}")
    assert runtimes(bench) == ["runc"]


def test_an_import_that_is_not_there_is_refused_unless_it_is_a_pattern(bench: Bench) -> None:
    bench.write(MAIN, 'version = 2\nimports = ["/etc/containerd/nvidia.toml"]\n')
    assert "no such file" in bench("containerd config dump").err
    bench.write(MAIN, 'version = 2\nimports = ["/etc/containerd/nvidia*.toml"]\n')
    assert bench("containerd config dump").status == 0


# what is no TOML


@on("1.7.24", "2.1.9")
def test_a_block_that_stands_twice_is_refused(bench: Bench) -> None:
    plugin = OLD if bench.machine.state["containerd"] == "1.7.24" else NEW
    words = "duplicated tables" if plugin == OLD else "table nvidia already exists"
    candidate = bench.write("/etc/containerd/candidate", bench.file(MAIN).read_text() + 2 * handler(plugin))
    said = bench(f"containerd -c {candidate} config dump")
    assert (said.status, words in said.err) == (1, True)


@pytest.mark.parametrize(
    "text",
    ["version", "version = ", "version = two", "[plugins", "a = 1\na = 2", 'a = "open', "a = [1, 2", "a = 1 b = 2",
     "a = 1\n[a]\n", "[a]\n[a]\n", "[]", "{{ template }}", "a = {b = 1"],
)  # fmt: skip
def test_what_is_no_toml_is_refused(text: str) -> None:
    with pytest.raises(toml.Unreadable):
        toml.loads(text)


def test_what_settings_are_written_in_is_read() -> None:
    text = '# c\na.\'b.c\'."d" = [1,\n  2, # two\n]\n[t] # x\ns = \'a # b\'\nu = "q\\"q"\nf = 1.5\n'
    text += "b = true\ni = {x = 1, y.z = 0}\n"
    assert toml.loads(text) == {
        "a": {"b.c": {"d": [1, 2]}},
        "t": {"s": "a # b", "u": 'q"q', "f": 1.5, "b": True, "i": {"x": 1, "y": {"z": 0}}},
    }


@on("1.7.24", "2.1.9")
def test_a_dump_can_be_read_again(bench: Bench) -> None:
    dump = bench.well("containerd config dump")
    again = bench.write("/etc/containerd/again.toml", dump)
    assert bench.well(f"containerd -c {again} config dump") == dump


# the daemon


def test_the_daemon_knows_only_what_it_read_when_it_started(bench: Bench) -> None:
    bench.write(MAIN, bench.file(MAIN).read_text() + handler(OLD))
    assert runtimes(bench) == ["nvidia", "runc"]
    assert '"nvidia"' not in bench.well("crictl info")
    bench.well("systemctl restart containerd")
    assert '"nvidia"' in bench.well("crictl info")
    assert bench.machine.state["handlers"] == ["nvidia", "runc"]


def test_a_daemon_that_refuses_its_settings_is_gone(bench: Bench) -> None:
    good = bench.file(MAIN).read_text()
    bench.write(MAIN, good + "nonsense\n")
    said = bench("systemctl restart containerd")
    assert (said.status, "control process exited with error code" in said.err) == (1, True)
    assert bench("systemctl is-active containerd").out == "activating\n"
    assert "connect: connection refused" in bench("crictl info").err
    assert not bench.file("/run/containerd/containerd.sock").exists()
    bench.write(MAIN, good)
    bench.well("systemctl restart containerd")
    assert '"defaultRuntimeName": "runc"' in bench.well("crictl info")


def test_the_fault_lets_it_refuse_the_new_handler_only(bench: Bench) -> None:
    bench.machine.switch("fault", "containerd-refuses")
    bench.well("systemctl restart containerd")
    bench.write(MAIN, bench.file(MAIN).read_text() + handler(OLD))
    bench.well("containerd config dump")
    assert bench("systemctl restart containerd").status == 1


@pytest.mark.parametrize("line", ["crictl -r unix:///run/k3s/containerd/containerd.sock info", "crictl pods"])
def test_another_socket_and_other_words_are_refused(bench: Bench, line: str) -> None:
    assert bench(line).status == 1


def test_a_switched_off_plugin_answers_nobody(bench: Bench) -> None:
    bench.write(MAIN, 'version = 2\ndisabled_plugins = ["cri"]\n')
    bench.well("systemctl restart containerd")
    assert "unknown service runtime.v1.RuntimeService" in bench("crictl info").err


@on("1.7.24", "2.1.9")
def test_only_2_tells_the_kubelet_which_handlers_it_has(bench: Bench) -> None:
    is_new = bench.machine.state["containerd"].startswith("2")
    assert ("runtimeHandlers" in bench.well("crictl info")) is is_new
    assert ("containerd/v2 v2.1.9" in bench.well("containerd --version")) is is_new


# containers


def test_a_container_sees_the_card_only_when_everything_below_works(ubuntu: Bench) -> None:
    image = "example.com/cuda:13"
    run = f"ctr -n k8s.io run --rm --gpus 0 {image} probe nvidia-smi -L"
    assert "not found" in ubuntu(run).err
    ubuntu.well(f"ctr -n k8s.io images pull {image}")
    assert "nvidia-container-cli" in ubuntu(run).err
    ubuntu.repository()
    ubuntu.install(*TOOLKIT)
    assert "load library failed" in ubuntu(run).err
    ubuntu.install(*UBUNTU_DRIVER)
    assert "driver not loaded" in ubuntu(run).err
    ubuntu.well("modprobe nvidia")
    assert "GPU 0: " in ubuntu.well(run)
    assert ubuntu(run.replace("--gpus 0 ", "")).status == 127
