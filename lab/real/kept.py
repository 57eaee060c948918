"""`make lab`: a lab that stays until `make lab-down`, with a stack in it; one process holds all of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from lab.engine import Engine, Result
from lab.provider import Provider
from lab.providers.command import CommandProvider
from lab.real import chart_host, setup, tools
from lab.real.cluster import RealCluster
from lab.real.hosts import packages
from lab.real.hosts.bed import Bed
from lab.real.kubernetes import RealKubernetesProvider
from lab.real.processes import started
from lab.real.site import USER, Site, written
from lab.real.ssh import RealRemoteCommands
from lab.state import FileStore
from lab.view_plain import PlainView

ROOT = Path(__file__).resolve().parents[2]
PLACE = Path(os.environ.get("GPU_READY_LAB_KEPT", "/var/tmp/gpu-ready-lab-kept"))
"""Of this machine, not of a checkout: there is one at a time."""
NOTE, LOG, KEY = PLACE / "lab.json", PLACE / "log", PLACE / "key"
HOSTS: dict[str, dict[str, Any]] = {"rtx": {"card": "NVIDIA GeForce RTX 4070"}, "tesla": {"nouveau": True}}
PATIENCE = 1800.0
SILENT = 3.0


def up() -> int:
    """Starts it, shows what it does, and says how to look around."""
    packages.insist()
    if lacks := [*setup.lacking(), *tools.missing()]:
        raise tools.MissingError(f"{'; '.join(lacks)}: make lab-setup")
    chart_host.others()
    if running():
        print("lab: it is up already; make lab-down ends it", file=sys.stderr)
        return 2
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(mode=0o700)
    with LOG.open("w") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "lab.real.kept"], cwd=ROOT, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        return _shown(keeper)
    except KeyboardInterrupt:
        print("\nlab: interrupted; what had begun is taken away again", file=sys.stderr, flush=True)
        down()
        return 130


def _shown(keeper: subprocess.Popen[bytes]) -> int:
    """What the keeper writes, until it is ready or has ended."""
    end = time.monotonic() + PATIENCE
    with LOG.open() as log:
        while keeper.poll() is None and not NOTE.exists() and time.monotonic() < end:
            print(log.read(), end="", flush=True)
            time.sleep(0.3)
        print(log.read(), end="", flush=True)
    if not NOTE.exists():
        print(f"lab: it did not come up; its words: {LOG}", file=sys.stderr)
        return 1
    told = json.loads(NOTE.read_text())
    print(_how_to_look(told))
    return int(told["exit"])


def _how_to_look(told: dict[str, Any]) -> str:
    lines = ["", "The lab of real parts is up; make lab-down ends it.", f"  kubeconfig   {told['kubeconfig']}"]
    lines += [f"  kubectl      {told['kubectl']} --kubeconfig {told['kubeconfig']} get nodes,pods -A"]
    lines += [f"  host {name:8}{line}" for name, line in told["ssh"].items()]
    lines += [f"  stack file   {told['stack']}", f"  state        {told['state']}", f"  log          {LOG}"]
    return "\n".join(lines)


def down() -> int:
    """Ends it and waits until nothing is left; fine where there is none."""
    pid = running()
    if pid:
        os.kill(pid, signal.SIGTERM)
        began = time.monotonic()
        while running():
            time.sleep(0.1)
            if time.monotonic() - began > SILENT:
                print("lab: waiting until machines and servers have ended", flush=True)
                began = float("inf")
    shutil.rmtree(PLACE, ignore_errors=True)
    print("lab: down" if pid else "lab: there was none")
    return 0


def running() -> int:
    """The process that holds the lab; 0 where there is none."""
    try:
        pid, began = (PLACE / "keeper").read_text().split()
    except (OSError, ValueError):
        return 0
    return int(pid) if started(int(pid)) == began else 0


def keep() -> int:
    """Holds cluster and hosts until somebody ends it; two hosts, one of which has to be rebooted."""
    over, engines = threading.Event(), list[Engine]()

    def end(*_: object) -> None:
        over.set()
        for engine in engines:  # once asks it to stop, twice ends what runs
            engine.stop()
            engine.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    (PLACE / "keeper").write_text(f"{os.getpid()} {started(os.getpid())}")
    with RealCluster(PLACE / "cluster", tools.build()) as cluster, Bed() as bed, Site(cluster, bed) as site:
        for name, about in HOSTS.items():
            if not over.is_set():
                site.add(name, **about)
        exit_code = 0 if over.is_set() else _deploy(site, engines).exit
        if not over.is_set():
            _note(site, exit_code)
        over.wait()
    return 0


def _deploy(site: Site, engines: list[Engine]) -> Result:
    config, key = site.config(), site.bed.private_key()
    written(config, PLACE / "Pulumi.lab.yaml")
    KEY.write_text(key)
    KEY.chmod(0o600)
    wire = {f"gpu-ready:{name}": one if isinstance(one, str) else json.dumps(one) for name, one in config.items()}
    env = site.cluster.env()
    env["PATH"] = os.pathsep.join([env["PATH"], str(Path(sys.executable).parent), os.environ["PATH"]])
    charts = site.cluster.charts.env()
    providers: list[Provider] = [
        CommandProvider(env=env, cwd=str(ROOT), remote=RealRemoteCommands(folder=site.bed.folder)),
        RealKubernetesProvider(site.cluster.built["helm"], charts, PLACE / "helm"),
    ]
    engine = Engine(
        "gpu-ready",
        "lab",
        FileStore(PLACE / "state.json"),
        providers,
        PlainView(sys.stdout).event,
        root_directory=str(ROOT),
    )
    engines.append(engine)
    secret = "gpu-ready:sshPrivateKey"
    return engine.run("up", _program, config={**wire, secret: key}, secret_keys=[secret])


def _program() -> None:
    import runpy

    sys.path.insert(0, str(ROOT))
    runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")


def _note(site: Site, exit: int) -> None:
    """What `make lab` tells its caller; complete as soon as it is there."""
    hosts = {
        name: f"ssh -i {KEY} -p {one.host.port} -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile="
        f"{PLACE / 'known_hosts'} {USER}@{one.host.address}"
        for name, one in site.members.items()
    }
    told = {
        "kubeconfig": str(site.cluster.kubeconfig), "kubectl": str(site.cluster.kubectl), "ssh": hosts,
        "stack": str(PLACE / "Pulumi.lab.yaml"), "state": str(PLACE / "state.json"), "exit": exit,
    }  # fmt: skip
    fresh = NOTE.with_suffix(".new")
    fresh.write_text(json.dumps(told))
    fresh.replace(NOTE)


if __name__ == "__main__":
    sys.exit(keep())
