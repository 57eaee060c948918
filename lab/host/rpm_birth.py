"""What is different on a machine with dnf, as its distribution leaves it: repositories, keys, packages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lab.host.spec import DISTRIBUTIONS
from lab.host.standins import contents, rpm_archive
from lab.host.standins.box import Box
from lab.host.standins.downloads import key_text

PACKAGES: Final = (
    "bash", "coreutils", "curl", "dnf", "dracut", "glibc", "kmod", "openssh-server", "rpm", "sudo", "systemd",
    "vim-minimal",
)  # fmt: skip
BY_HAND: Final = ("openssh-server", "vim-minimal")
FOLDERS: Final = (
    "/etc/dnf/modules.d", "/etc/dnf/plugins", "/etc/pki/rpm-gpg", "/etc/yum.repos.d", "/etc/systemd/system", "/mnt",
    "/root", "/usr/lib/modprobe.d", "/usr/lib/systemd/system", "/usr/lib64", "/usr/sbin", "/usr/share/doc",
    "/usr/src/kernels", "/var/cache/dnf", "/var/lib/rpm", "/var/log",
)  # fmt: skip
_KEY: Final = "/etc/pki/rpm-gpg/RPM-GPG-KEY-Distribution"


def system(box: Box, spec: Mapping[str, Any]) -> None:
    """Repositories of the distribution, of which one is switched off, as they come."""
    number = DISTRIBUTIONS[spec["distro"]].version.partition(".")[0]
    kind = rpm_archive.KINDS[spec["distro"]]
    box.write(_KEY, key_text(rpm_archive.KEYS["base"]))
    box.write(
        "/etc/dnf/dnf.conf", "[main]\ngpgcheck=1\ninstallonly_limit=3\nclean_requirements_on_remove=True\nbest=True\n"
    )
    box.write("/var/lib/rpm/.rpm.lock", "")
    text = "".join(
        f"[{name}]\nname={name}\nbaseurl=https://mirror.example.org/{name}/{number}/x86_64/os/\nenabled={enabled}\n"
        f"gpgcheck=1\ngpgkey=file://{_KEY}\n\n"
        for name, enabled in (("base", 1), (kind.builders, 0)) if name
    )  # fmt: skip
    box.write("/etc/yum.repos.d/distribution.repo", text)
    box.state["rpm_keys"] = [f"gpg-pubkey-{rpm_archive.KEYS['base'][-8:].lower()}-5e0ff0ff"]


def headers(box: Box, spec: Mapping[str, Any]) -> list[Any]:
    """Those of the running kernel, where somebody asked for them; a fresh machine has none."""
    kernel = box.state["kernel"]
    return (
        [one for one in rpm_archive.packages("base", spec["distro"]) if one.name == f"kernel-devel-{kernel}"]
        if spec["headers"]
        else []
    )


def driver(box: Box, version: str) -> list[Any]:
    """All packages of a driver that somebody installed before us, with what builds its module."""
    distro = box.state["distro"]
    kind = rpm_archive.KINDS[distro]
    build = [one for name in ("epel", "base") for one in rpm_archive.packages(name, distro)]
    wanted = {"gcc", "make", "dkms", f"kernel-devel-{box.state['kernel']}"}
    made = [one for one in rpm_archive.driver(version, kind) if not one.name.startswith("kmod-nvidia-latest")]
    assert contents.lib(box) == "/usr/lib64"
    return [*[one for one in build if one.name in wanted], *made]


def make_folders(box: Box) -> None:
    """Those that are there without a file in them."""
    for name in FOLDERS:
        Path(box.path(name)).mkdir(parents=True, exist_ok=True)
