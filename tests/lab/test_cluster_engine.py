"""The same program under the real `pulumi` with the real Kubernetes provider, where both are on PATH."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.real.cluster import RealCluster
from tests.lab.real_cluster import TIMES

REAL = (
    "pulumi with its Python host",
    "command and Kubernetes providers",
    "kube-apiserver, -controller-manager and -scheduler",
    "etcd",
    "kubectl",
)
STANDINS = ("kubelets (kwok)", "the operator and its chart", "containers and what they print")
ENGINE = "pulumi"

ROOT = Path(__file__).resolve().parents[2]
STACK = "real"
NEEDED = ("pulumi", "pulumi-language-python", "pulumi-resource-command", "pulumi-resource-kubernetes")
missing = [tool for tool in NEEDED if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(
    bool(missing), reason=f"the real engine was NOT tried on a real API server: not on PATH: {', '.join(missing)}"
)


class Pulumi:
    """One project in a folder of its own, with a state of its own."""

    def __init__(self, cluster: RealCluster, folder: Path) -> None:
        self.cluster, self.project = cluster, folder / "project"
        self.project.mkdir()
        (folder / "backend").mkdir()
        for name in ("__main__.py", "settings", "decide", "components", "host"):
            (self.project / name).symlink_to(ROOT / name)
        described = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
        described["runtime"]["options"] = {"toolchain": "pip", "virtualenv": sys.prefix}
        (self.project / "Pulumi.yaml").write_text(yaml.safe_dump(described))
        (self.project / "stacks").mkdir()
        env = cluster.env()
        env["PATH"] = os.pathsep.join([env["PATH"], os.environ["PATH"]])
        self.env = {
            **os.environ, **env, "PULUMI_BACKEND_URL": f"file://{folder / 'backend'}", "HOME": str(folder),
            "PULUMI_CONFIG_PASSPHRASE": "", "PULUMI_SKIP_UPDATE_CHECK": "1", "PULUMI_HOME": str(folder / "pulumi"),
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }  # fmt: skip
        self.run("stack", "init", STACK)

    def configure(self, config: dict[str, Any]) -> None:
        path = self.project / "stacks" / f"Pulumi.{STACK}.yaml"
        kept = yaml.safe_load(path.read_text()) if path.exists() else {}
        path.write_text(yaml.safe_dump({**(kept or {}), "config": {f"gpu-ready:{k}": v for k, v in config.items()}}))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["pulumi", "--non-interactive", "--color", "never", *words]
        began = time.monotonic()
        done = subprocess.run(command, cwd=self.project, env=self.env, capture_output=True, text=True, check=False)
        TIMES.append(("the real engine and provider", words[0], time.monotonic() - began))
        return done

    def well(self, *words: str) -> str:
        done = self.run(*words, "--yes", "--skip-preview", "-s", STACK)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def test_up_again_refresh_destroy_with_the_real_engine(cluster: RealCluster, tmp_path: Path) -> None:
    pulumi = Pulumi(cluster, tmp_path)
    pulumi.configure({
        "target": "cluster",
        "cluster": {"context": "lab", "kubeconfig": str(cluster.kubeconfig), "nodes": ["gpu-1", "gpu-2"]},
        "gpu": {"driver": "preinstalled", "toolkit": "preinstalled"},
        "validation": {"timeoutSeconds": 120, "pollSeconds": 1},
    })  # fmt: skip
    before = cluster.snapshot()
    pulumi.well("up")
    report = json.loads(pulumi.run("stack", "output", "--json", "-s", STACK).stdout)["report"]
    assert [node["name"] for node in report["nodes"]] == ["gpu-1", "gpu-2"]
    assert report["ready"] is True
    pulumi.well("up", "--expect-no-changes")
    pulumi.well("refresh")
    pulumi.well("up", "--expect-no-changes")
    pulumi.well("destroy")
    assert cluster.left(before) == []
