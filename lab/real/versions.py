"""Which versions of the real parts a run of the lab met."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.real import setup, tools
from lab.real.hosts import image

ON_HOSTS = ("apt", "containerd", "openssh-server", "systemd")
_MODULES = {"kwok": "sigs.k8s.io/kwok", "helm": "helm.sh/helm/v4"}


def found(suites: Sequence[str]) -> dict[str, str]:
    """By name; what is not there has none."""
    known = {"Python": platform.python_version(), "Kubernetes": tools.KUBERNETES, "etcd": _said("etcd", "--version")}
    known |= {name: _pinned(name, module) for name, module in _MODULES.items()}
    known |= {suite: _of_disk(suite) for suite in suites}
    known["pulumi"] = _said("pulumi", "version")
    return {name: version for name, version in known.items() if version}


def _said(program: str, word: str) -> str:
    if shutil.which(program) is None:
        return ""
    said = subprocess.run([program, word], capture_output=True, text=True, check=False).stdout
    number = re.search(r"\d+\.\d+\.\d+\S*", said)
    return number[0] if number else ""


def _pinned(name: str, module: str) -> str:
    text = (tools.SOURCES / name / "go.mod").read_text(encoding="utf-8")
    number = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", text, re.MULTILINE)
    return number[1] if number else ""


def _of_disk(suite: str) -> str:
    """Of the packages on the disk that hosts of this kind begin with."""
    status = image.image(suite, setup.has(suite, True)) / "root/var/lib/dpkg/status"
    return f"({', '.join(_packages(status))})" if status.exists() else ""


def _packages(status: Path) -> list[str]:
    text = status.read_text(encoding="utf-8", errors="replace")
    versions = dict(re.findall(r"^Package: (\S+)\n(?:\S[^\n]*\n|[ \t][^\n]*\n)*?Version: (\S+)", text, re.MULTILINE))
    return [f"{name} {versions[name]}" for name in ON_HOSTS if name in versions]
