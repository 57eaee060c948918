"""Facts of hosts as `facts.sh` prints them, for tests: two that are fine, and changes to them."""

from __future__ import annotations

import copy
from typing import Any

from host.facts import HostFacts, read

RTX: dict[str, Any] = {
    "format": 1,
    "machine_id": "0123456789abcdef0123456789abcdef",
    "boot_id": "11111111-2222-3333-4444-555555555555",
    "hostname": "rtx",
    "os": {"id": "ubuntu", "version": "24.04", "pretty": "Ubuntu 24.04.3 LTS"},
    "arch": "x86_64",
    "kernel": "6.8.0-60-generic",
    "cards": [
        {
            "address": "0000:01:00.0",
            "vendor_device": "10de:2786",
            "driver": "",
        }
    ],
    "modules": {"nvidia": "", "nouveau": False, "nova": False, "flavour": ""},
    "driver": {"works": False, "version": "", "foreign": ""},
    "secure_boot": False,
    "headers": True,
    "next_kernel": "6.8.0-60-generic",
    "next_kernel_has_module": False,
    "package_manager": "apt",
    "dpkg_broken": False,
    "disk_free_mb": {"root": 40000, "boot": 900},
    "runtime": {
        "kind": "containerd",
        "version": "1.7.24",
        "config": "/etc/containerd/config.toml",
        "handlers": ["runc"],
    },
    "toolkit": "",
    "immutable": False,
    "wsl": False,
    "tegra": False,
    "vgpu": False,
    "kubelet": True,
    "apt_lacks": [],
    "ours": {"driver": "", "toolkit": "", "runtime": False},
}


def told(**changes: Any) -> dict[str, Any]:
    """What the Ubuntu host says, with other values at some paths: `os__id="debian"`, `cards__0__driver="nouveau"`."""
    known = copy.deepcopy(RTX)
    for path, value in changes.items():
        *above, last = [int(key) if key.isdigit() else key for key in path.split("__")]
        at: Any = known
        for key in above:
            at = at[key]
        at[last] = value
    return known


DEBIAN: dict[str, Any] = {
    "hostname": "tesla",
    "os": {"id": "debian", "version": "12", "pretty": "Debian GNU/Linux 12 (bookworm)"},
    "kernel": "6.1.0-40-amd64",
    "cards__0__vendor_device": "10de:1eb8",
}


K3S: dict[str, Any] = {
    "runtime__kind": "k3s",
    "runtime__version": "2.1.5",
    "runtime__config": "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
    "runtime__unit": "k3s",
    "runtime__template": "",
}


K0S: dict[str, Any] = {
    "runtime__kind": "k0s",
    "runtime__version": "1.7.29",
    "runtime__config": "/etc/k0s/containerd.d/gpu-ready.toml",
    "runtime__unit": "k0sworker",
    "runtime__template": "",
}
DOCKER: dict[str, Any] = {
    "runtime__kind": "docker",
    "runtime__version": "28.3.2",
    "runtime__config": "/etc/docker/daemon.json",
    "runtime__default": "runc",
}


def facts(**changes: Any) -> HostFacts:
    """The same, read."""
    found = read(told(**changes))
    assert isinstance(found, HostFacts), found
    return found


def working(version: str = "580.126.20", flavour: str = "open", **changes: Any) -> HostFacts:
    """A host whose driver works, by whomever."""
    loaded = {
        "modules": {"nvidia": version, "nouveau": False, "nova": False, "flavour": flavour},
        "driver": {"works": True, "version": version, "foreign": ""},
        "next_kernel_has_module": True,
        "cards__0__driver": "nvidia",
    }
    return facts(**{**loaded, **changes})


def made_ready(**changes: Any) -> dict[str, Any]:
    """What the same host says once we made it ready and it was rebooted."""
    return {
        **changes,
        "boot_id": "99999999-2222-3333-4444-555555555555",
        "kernel": changes.get("kernel", "6.8.0-60-generic").replace("-60-", "-71-").replace("-40-", "-41-"),
        "cards__0__driver": "nvidia",
        "modules": {"nvidia": "580.173.02", "nouveau": False, "nova": False, "flavour": "open"},
        "driver": {"works": True, "version": "580.173.02", "foreign": ""},
        "next_kernel_has_module": True,
        "disk_free_mb": {"root": 1, "boot": 1},
        "runtime__handlers": ["nvidia", "runc"],
        "toolkit": "1.20.0",
        "apt_lacks": ["linux-headers-6.1.0-40-amd64"],
        "ours": {
            "driver": f"{'cudaRepo' if 'os' in changes else 'distro'} 580 open",
            "toolkit": "1.20.0",
            "runtime": True,
        },
    }
