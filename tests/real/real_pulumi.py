"""One project under the real `pulumi`, with a state and a simulated world of its own.

Real here: the CLI, its Python language host, the command provider. Simulated: the cluster, which the real engine
meets as a provider plugin (lab/plugin.py) and the gate as a stand-in kubectl.
"""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.cluster.host_spec import made_up_key
from lab.world import WholeWorld
from tests.pulumi_project import laid_out

ROOT = Path(__file__).resolve().parents[2]
WORLDS = ROOT / "tests" / "worlds"
STACK = "cluster"
NEEDED = ("pulumi", "pulumi-language-python", "pulumi-resource-command")
missing = [tool for tool in NEEDED if shutil.which(tool) is None]
needs_pulumi = pytest.mark.skipif(
    bool(missing), reason=f"the real engine was NOT tried: not on PATH: {', '.join(missing)}"
)


class Real:
    """One project in a folder of its own, with a state and a simulated cluster of its own."""

    def __init__(self, folder: Path, world: Mapping[str, Any] | None = None) -> None:
        self.folder, self.project = folder, laid_out(folder)
        spec = world or yaml.safe_load((WORLDS / "cluster.yaml").read_text())
        self.world = WholeWorld.create(folder / "world.json", dict(spec))
        self._lay_out()
        self.env = self._environment()
        self.run("stack", "init", STACK)

    def _lay_out(self) -> None:
        shutil.copy(WORLDS / "Pulumi.cluster.yaml", self.project / "stacks")
        plugin = self.folder / "bin" / "pulumi-resource-kubernetes"
        plugin.parent.mkdir()
        here = f"cd '{ROOT}' && exec '{sys.executable}' -m lab.plugin --world '{self.world.path}'"
        plugin.write_text(f'#!/bin/sh\n{here} "$@"\n')
        plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)

    def _environment(self) -> dict[str, str]:
        env = {**os.environ, **self.world.env()}
        return {
            **env,
            "PATH": f"{self.folder / 'bin'}:{env['PATH']}",
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'backend'}",
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["pulumi", "--non-interactive", "--color", "never", *words]
        return subprocess.run(command, cwd=self.project, env=self.env, capture_output=True, text=True, check=False)

    def up(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("up", "--yes", "--skip-preview", "-s", STACK, *words)

    def exports(self) -> dict[str, Any]:
        return dict(json.loads(self.run("stack", "output", "--json", "-s", STACK).stdout))

    def hosts(self, **more: Any) -> None:
        """The stack file from now on: one host, at which nothing listens."""
        host = {"name": "rtx", "address": "127.0.0.1", "port": 9, "hostKey": made_up_key("rtx"), **more}
        self.configure({"target": "bareMetal", "cluster": {"context": "demo"}, "bareMetal": {"hosts": [host]}})

    def configure(self, config: Mapping[str, Any]) -> None:
        """The stack file from now on; its secrets stay."""
        path = self.project / "stacks" / f"Pulumi.{STACK}.yaml"
        kept = yaml.safe_load(path.read_text()) or {}
        secrets = {key: value for key, value in kept.get("config", {}).items() if "secure" in str(value)}
        wanted = {f"gpu-ready:{key}": value for key, value in config.items()}
        path.write_text(yaml.safe_dump({**kept, "config": {**secrets, **wanted}}))

    def switch(self, path: str, value: Any) -> None:
        self.world.switch(path, value)
