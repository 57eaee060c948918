"""One project under the real `pulumi`, with the lab's cluster behind it."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.real.cluster import RealCluster
from tests.lab.real_cluster import TIMES
from tests.pulumi_project import laid_out

STACK = "real"
NEEDED = ("pulumi", "pulumi-language-python", "pulumi-resource-command", "pulumi-resource-kubernetes")
missing = [tool for tool in NEEDED if shutil.which(tool) is None]
needs_pulumi = pytest.mark.skipif(
    bool(missing), reason=f"the real engine was NOT tried on real parts: not on PATH: {', '.join(missing)}"
)
REAL = ("pulumi with its Python host", "command and Kubernetes providers")


class Pulumi:
    """One project in a folder of its own, with a state of its own."""

    def __init__(self, cluster: RealCluster, folder: Path) -> None:
        self.project = laid_out(folder)
        env = cluster.env()
        env["PATH"] = os.pathsep.join([env["PATH"], os.environ["PATH"]])
        self.env = {
            **os.environ, **env, "PULUMI_BACKEND_URL": f"file://{folder / 'backend'}", "HOME": str(folder),
            "PULUMI_CONFIG_PASSPHRASE": "", "PULUMI_SKIP_UPDATE_CHECK": "1", "PULUMI_HOME": str(folder / "pulumi"),
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }  # fmt: skip
        self.run("stack", "init", STACK)

    def configure(self, config: Mapping[str, Any], **secrets: str) -> None:
        """The stack file, and the secrets as a user sets them."""
        path = self.project / "stacks" / f"Pulumi.{STACK}.yaml"
        kept = yaml.safe_load(path.read_text()) if path.exists() else {}
        path.write_text(yaml.safe_dump({**(kept or {}), "config": {f"gpu-ready:{k}": v for k, v in config.items()}}))
        for key, value in secrets.items():
            set_one = ["config", "set", "--secret", f"gpu-ready:{key}", "-s", STACK]
            assert self.run(*set_one, typed=value).returncode == 0

    def run(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        command = ["pulumi", "--non-interactive", "--color", "never", *words]
        began = time.monotonic()
        done = subprocess.run(
            command, cwd=self.project, env=self.env, capture_output=True, text=True, check=False, input=typed
        )
        TIMES.append(("the real engine and provider", words[0], time.monotonic() - began))
        return done

    def well(self, *words: str) -> str:
        done = self.run(*words, "--yes", "--skip-preview", "-s", STACK)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def output(self, name: str) -> Any:
        """One export."""
        return json.loads(self.run("stack", "output", "--json", "-s", STACK).stdout)[name]
