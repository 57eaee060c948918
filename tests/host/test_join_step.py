"""The step `join` on a machine that has nothing of Kubernetes: there, again, another release, and back."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from decide import host_join
from host import script
from lab.host.machine import Machine
from lab.host.standins.box import Box
from lab.host.standins.downloads import sha256
from lab.host.standins.k3s import program
from lab.providers.transport import Finished, Script
from tests.effort import long
from tests.host.small_machine import CARD, with_tools
from tests.host.stepping import stepped, unheard
from tests.host.test_interrupted_steps import differing

pytestmark = long
OURS = "/var/lib/gpu-ready/"
VERSION, NEWER = "v1.34.1+k3s1", "v1.34.2+k3s1"
CONFIG, TOKEN = "etc/rancher/k3s/config.yaml", "etc/rancher/k3s/gpu-ready.token"
DATA = "var/lib/rancher/k3s"
SECRET = "K10not-a-real-token"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Driver and toolkit are there."""
    wish = {"name": "box", "cards": [CARD], "runtime": "none", "user": "root", "toolkit": "1.20.0"}
    return with_tools(Machine.create(tmp_path / "machine", wish))


def told(**more: str) -> dict[str, str]:
    """What the step gets; None leaves a value out."""
    version = more.get("GR_K3S", VERSION)
    return {
        "GR_JOIN": "server", "GR_K3S": version, "GR_SHA256": sha256(program(version)),
        "GR_URL": f"{host_join.RELEASES}/{version}/k3s", "GR_ADDRESS": "192.0.2.20", **more,
    }  # fmt: skip


def join(machine: Machine, verb: str = "apply", **more: str) -> Finished:
    text = script.step_text("join", told(**more), script.bundle().hash)
    return machine.run(Script(f"sh -s {verb}", stdin=text), "root")


def said(ended: Finished) -> dict[str, Any]:
    assert ended.ending == "", ended.mixed.decode()
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def left(before: Any, machine: Machine) -> list[str]:
    return [path for path in differing(before, machine.snapshot()) if not path.startswith(OURS)]


def starts(machine: Machine, unit: str = "k3s") -> int:
    return int(machine.state["services"][unit]["starts"])


def refused(ended: Finished, id: str) -> str:
    assert ended.ending == "exit status 3", ended
    text = ended.stderr.decode()
    assert f"\n{id} " in f"\n{text}", text
    return text


def test_a_cluster_begins_once_and_is_taken_back(machine: Machine) -> None:
    before = machine.snapshot()
    answer = said(join(machine))
    assert answer["k3s"] == VERSION
    assert all(len(answer[part]) > 20 for part in ("authority", "certificate", "key"))
    assert machine.state["handlers"] == ["nvidia", "runc"], "found at the first start"
    assert (machine.root / CONFIG).read_text().count("192.0.2.20") == 1
    after = machine.snapshot()
    assert said(join(machine)) == answer
    assert (differing(after, machine.snapshot()), starts(machine)) == ([], 1)
    assert join(machine, "remove", GR_REMOVE_DATA="yes").ending == ""
    assert left(before, machine) == []
    assert machine.state["services"].get("k3s") is None


def test_the_data_stays_without_consent_and_is_taken_up_again(machine: Machine) -> None:
    before = machine.snapshot()
    answer = said(join(machine))
    removed = join(machine, "remove")
    assert b"the data of the cluster stays in /var/lib/rancher/k3s" in removed.stderr
    assert {path.split("/")[2] for path in left(before, machine)} == {"lib", "rancher"}
    assert [path for path in left(before, machine) if "k3s" not in path and "/etc/rancher" not in path] == [
        "/var/lib/rancher/"
    ]
    assert said(join(machine))["authority"] == answer["authority"], "the same cluster as before"


def test_the_token_is_in_one_file_of_root_alone(machine: Machine) -> None:
    assert said(join(machine, GR_TOKEN=SECRET))
    holding = [
        path for path in machine.root.rglob("*") if path.is_file() and SECRET in path.read_text(errors="replace")
    ]
    assert sorted(str(path.relative_to(machine.root)) for path in holding) == [TOKEN, f"{DATA}/server/token"]
    assert (machine.root / TOKEN).stat().st_mode & 0o777 == 0o600
    assert not [call for call in machine.calls() if SECRET in call]


def test_what_has_another_checksum_is_not_run(machine: Machine) -> None:
    before = machine.snapshot()
    text = refused(join(machine, GR_SHA256="0" * 64), "HST-97")
    assert "sha256sum-amd64.txt" in text
    assert left(before, machine) == [path for path in left(before, machine) if path.endswith("/")]
    assert not (machine.root / "usr/local/bin/k3s").exists()
    assert join(machine, "remove").ending == ""
    assert left(before, machine) == []


def test_a_checksum_of_another_release_is_told(machine: Machine) -> None:
    other = told(GR_K3S=NEWER)
    text = refused(join(machine, GR_SHA256=other["GR_SHA256"], GR_URL=other["GR_URL"]), "HST-97")
    assert "is k3s v1.34.2+k3s1, and version is v1.34.1+k3s1" in text


def test_without_a_way_to_github_the_mirror_is_named(machine: Machine) -> None:
    machine.switch("fault", "no-network")
    assert "bareMetal.k3s: {url: ...}" in refused(join(machine), "HST-97")
    machine.switch("fault", "none")
    assert said(join(machine, GR_URL=f"http://mirror.home.arpa/{VERSION}/k3s"))["k3s"] == VERSION


@pytest.mark.parametrize(
    "path", ["usr/local/bin/k3s", CONFIG, "etc/systemd/system/k3s-agent.service", f"{DATA}/server/token"]
)
def test_what_is_somebodys_is_left_alone(machine: Machine, path: str) -> None:
    (machine.root / path).parent.mkdir(parents=True, exist_ok=True)
    (machine.root / path).write_text("somebody's\n")
    before = machine.snapshot()
    assert "leave join out" in refused(join(machine), "HST-98")
    assert left(before, machine) == []
    assert join(machine, "remove", GR_REMOVE_DATA="yes").ending == ""
    assert left(before, machine) == []


def test_a_port_that_somebody_has_is_named(machine: Machine) -> None:
    listens = "   0: 00000000:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1 0 100 0 0 10 0\n"
    (machine.root / "proc/net").mkdir()
    (machine.root / "proc/net/tcp").write_text(f"  sl  local_address rem_address   st\n{listens}")
    assert "port 6443" in refused(join(machine), "HST-99")
    (machine.root / "proc/net/tcp").write_text(listens.replace("192B", "1F90"))
    assert said(join(machine))


def test_what_would_be_kept_out_is_refused_before_anything_is_done(machine: Machine) -> None:
    before = machine.snapshot()
    enforce = machine.root / "sys/fs/selinux/enforce"
    enforce.parent.mkdir(parents=True)
    enforce.write_text("1\n")
    assert "k3s-selinux" in refused(join(machine), "HST-99")
    enforce.write_text("0\n")
    box = Box(str(machine.folder))
    box.state["services"]["firewalld"] = {"active": True, "enabled": True, "starts": 1}
    box.save()
    assert "--add-port=6443/tcp" in refused(join(machine), "HST-99")
    assert [path for path in left(before, machine) if path != "service firewalld"] == []


def test_another_release_moves_it_with_one_more_start(machine: Machine) -> None:
    said(join(machine))
    assert said(join(machine, GR_K3S=NEWER))["k3s"] == NEWER
    assert (machine.root / "usr/local/bin/k3s").read_text() == program(NEWER)
    assert starts(machine) == 2


def test_one_that_the_engine_never_heard_of_goes_with_the_step_before_it(machine: Machine) -> None:
    before = machine.snapshot()
    unheard(machine, "sh -s apply", script.step_text("join", told(GR_REMOVE_DATA="yes"), script.bundle().hash))
    assert machine.state["services"]["k3s"]["active"]
    earlier = script.step_text("toolkit", {}, script.bundle().hash)
    assert machine.run(Script("sh -s remove", stdin=earlier), "root").ending == ""
    assert left(before, machine) == []


def test_its_pods_end_with_it_and_nothing_else(machine: Machine) -> None:
    said(join(machine))
    shim, inside, other = (subprocess.Popen(["sleep", "60"]) for _ in range(3))
    for one, parent, line in (
        (shim, 1, f"/{DATA}/data/abc/bin/containerd-shim-runc-v2 -namespace k8s.io"),
        (inside, shim.pid, "python train.py"),
        (other, 1, "/usr/bin/containerd-shim-runc-v2 -namespace moby"),
    ):
        folder = machine.root / f"proc/{one.pid}"
        folder.mkdir()
        (folder / "stat").write_text(f"{one.pid} (some) name) S {parent} 1 1 0\n")
        (folder / "cmdline").write_text(line.replace(" ", "\0"))
    assert join(machine, "remove").ending == ""
    assert (shim.wait(5), inside.wait(5), other.poll()) == (-9, -9, None)
    other.kill()
    other.wait()


def test_a_disk_for_its_data_may_be_there(machine: Machine) -> None:
    (machine.root / DATA / "lost+found").mkdir(parents=True)
    said(join(machine))
    assert join(machine, "remove", GR_REMOVE_DATA="yes").ending == ""
    assert not (machine.root / DATA / "server").exists()


def test_what_is_still_mounted_is_not_deleted(machine: Machine) -> None:
    said(join(machine))
    (machine.root / "proc/mounts").write_text(f"nfs {machine.root}/var/lib/kubelet/pods/a/volume nfs rw 0 0\n")
    assert "still mounted in /var/lib/kubelet" in refused(join(machine, "remove", GR_REMOVE_DATA="yes"), "HST-99")
    (machine.root / "proc/mounts").write_text("")
    assert join(machine, "remove", GR_REMOVE_DATA="yes").ending == ""


def test_it_may_be_killed_at_each_change(machine: Machine, tmp_path: Path) -> None:
    before = machine.snapshot()
    with stepped(machine, tmp_path / "steps", keep=True) as watch:
        said(join(machine, GR_TOKEN=SECRET))
    after = machine.snapshot()
    assert watch.changes > 15
    faults = []
    for crash in watch.kept():
        machine.restore(crash)
        ended = join(machine, GR_TOKEN=SECRET)
        faults += [f"{crash.name}, again: {ended.ending} {path}" for path in differing(after, machine.snapshot())]
        machine.restore(crash)
        ended = join(machine, "remove", GR_TOKEN=SECRET, GR_REMOVE_DATA="yes")
        faults += [f"{crash.name}, removed: {ended.ending} {path}" for path in left(before, machine)]
    assert faults == []


def test_its_removal_may_be_killed_at_each_change(machine: Machine, tmp_path: Path) -> None:
    before = machine.snapshot()
    said(join(machine, GR_TOKEN=SECRET))
    with stepped(machine, tmp_path / "steps", keep=True) as watch:
        assert join(machine, "remove", GR_REMOVE_DATA="yes").ending == ""
    faults = []
    for crash in watch.kept():
        machine.restore(crash)
        ended = join(machine, "remove", GR_REMOVE_DATA="yes")
        faults += [f"{crash.name}: {ended.ending} {path}" for path in left(before, machine)]
    assert faults == []


def test_nobody_has_to_listen(machine: Machine) -> None:
    unheard(machine, "sh -s apply", script.step_text("join", told(), script.bundle().hash))
    assert machine.state["handlers"] == ["nvidia", "runc"]
