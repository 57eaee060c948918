"""The disk that all hosts of a kind begin with: an ordinary server of that distribution, made by mmdebstrap, kept.

An ordinary server is a node that kubeadm has joined: containerd as the distribution packs it, and no compiler.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from lab.real.hosts import places

ADMIN, ASKED = "ops", "ann"
"""Users of every host: sudo asks the first one nothing, and the second one for her password."""
PASSWORD: Final = "a pass'word of $(ann)"
_BASE: Final = (
    "systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,sudo,python3,ca-certificates,iproute2,pciutils,kmod,procps,"
    "less,initramfs-tools,containerd,runc"
)
_MIRROR: Final = "http://deb.debian.org"
_QUIET: Final = (
    "getty.target", "console-getty.service", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
    "systemd-networkd-wait-online.service", "e2scrub_all.timer", "fstrim.timer", "systemd-timesyncd.service",
    "e2scrub_reap.service", "logrotate.timer", "man-db.timer",
)  # fmt: skip
"""Units that would write at times of their own."""


_NOBLE: Final = ("noble", "noble-security")


class Suite(NamedTuple):
    """A distribution of which a disk can be made."""

    sources: tuple[str, ...]
    include: str
    kernel: str
    """Package of the kernel; what it is called decides which packages of headers or modules fit."""
    keyring: tuple[str, str] = ("", "")
    """Where the archive's key comes from, and its checksum, where Debian's own keys do not do."""


SUITES: Final = {
    "bookworm": Suite(
        (
            f"deb {_MIRROR}/debian bookworm main",
            f"deb {_MIRROR}/debian-security bookworm-security main",
            f"deb {_MIRROR}/debian bookworm-updates main",
        ),
        _BASE,
        "linux-image-cloud-amd64",
    ),
    # Its own archive has the driver: real packages, of which only nvidia-smi cannot do anything here.
    "noble": Suite(
        # Without noble-updates: its newest modules are listed before their files are everywhere.
        tuple(f"deb http://archive.ubuntu.com/ubuntu {one} main restricted universe" for one in _NOBLE),
        _BASE,
        "linux-image-virtual",
        (
            "http://archive.ubuntu.com/ubuntu/pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb",
            "36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8",
        ),
    ),
    "trixie": Suite(
        (f"deb {_MIRROR}/debian trixie main", f"deb {_MIRROR}/debian-security trixie-security main"),
        _BASE,
        "linux-image-cloud-amd64",
    ),
}
COMPILERS: Final = {"linux-image-cloud-amd64": "dkms,linux-headers-cloud-amd64"}
"""What a host that had a driver before has already; without it apt brings it, which takes half a minute."""


def image(suite: str = "bookworm", compilers: bool = True) -> Path:
    """The folder of the disk; nobody writes into it."""
    return places.kept(
        name_of(suite, compilers), lambda folder: _make(folder, suite, SUITES[suite], _included(suite, compilers))
    )


def name_of(suite: str, compilers: bool) -> str:
    """How the disk is called in the cache: whatever changes it changes its name."""
    known = SUITES[suite]
    steps = [inspect.getsource(one) for one in (_mmdebstrap, _settle)]
    recipe = [known.sources, _included(suite, compilers), _QUIET, STAND_INS, PASSWORD, _files(known.sources), steps]
    return f"{family(suite, compilers)}-{places.key_of(json.dumps(recipe))}"


def family(suite: str, compilers: bool) -> str:
    """The beginning of that name."""
    return f"{suite}{'-compilers' if compilers else ''}"


def _included(suite: str, compilers: bool) -> str:
    known = SUITES[suite]
    return f"{known.include},{known.kernel}" + (f",{COMPILERS[known.kernel]}" if compilers else "")


def _make(folder: Path, suite: str, known: Suite, include: str) -> None:
    archive = folder / "disk.tar"
    with tempfile.TemporaryDirectory(prefix="gpu-ready-lab-") as spare:
        _whole(_mmdebstrap(Path(spare), suite, known, include, archive))
    root = folder / "root"
    root.mkdir()
    _whole(["tar", "-xpf", str(archive), "-C", str(root), "--numeric-owner", "--exclude=./dev/*"])
    archive.unlink()
    root.chmod(0o755)
    _settle(root, known.sources)


def _whole(command: Sequence[str]) -> None:
    """Runs to its end, or leaves none of its processes."""
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        said, _nothing = child.communicate()
    except BaseException:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait()
        raise
    if child.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{said[-2000:]}")


def _mmdebstrap(spare: Path, suite: str, known: Suite, include: str, archive: Path) -> list[str]:
    return [
        "mmdebstrap", "--quiet", "--variant=apt", "--format=tar", f"--include={include}",
        '--aptopt=Acquire::Check-Valid-Until "false"', "--aptopt=Acquire::Retries 3", "--dpkgopt=force-unsafe-io",
        *_keyring(spare, *known.keyring), suite, str(archive), *known.sources,
    ]  # fmt: skip


def _keyring(folder: Path, url: str, checksum: str) -> list[str]:
    """The option that names the archive's key."""
    if not url:
        return []
    # Read by apt, which is not root then.
    folder.chmod(0o755)
    package, tree = folder / "keyring.deb", folder / "keyring"
    urllib.request.urlretrieve(url, package)
    if hashlib.sha256(package.read_bytes()).hexdigest() != checksum:
        raise RuntimeError(f"{url} is not what it was")
    subprocess.run(["dpkg-deb", "-x", str(package), str(tree)], check=True)
    return [f"--keyring={tree}/usr/share/keyrings/ubuntu-archive-keyring.gpg"]


def _settle(root: Path, sources: Sequence[str]) -> None:
    """What whoever installs a server does, and what a joined node has."""
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (root / "etc/machine-id").write_text("")
    for user in (ADMIN, ASKED):
        subprocess.run(["chroot", str(root), "useradd", "-m", "-s", "/bin/bash", user], check=True, capture_output=True)
    known = f"{ASKED}:{PASSWORD}".encode()
    subprocess.run(["chroot", str(root), "chpasswd"], input=known, check=True)
    for name, text in _files(sources).items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for name in ("sudoers.d/ops", "sudoers.d/ann"):
        (root / "etc" / name).chmod(0o440)
    for unit in _QUIET:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    target = root / "etc/systemd/system/default.target"
    target.unlink(missing_ok=True)
    target.symlink_to("/lib/systemd/system/multi-user.target")
    wanted = root / "etc/systemd/system/sysinit.target.wants"
    wanted.mkdir(exist_ok=True)
    (wanted / "gpu-lab-hardware.service").symlink_to("../gpu-lab-hardware.service")
    for name, folder in STAND_INS.items():
        (root / folder / name).symlink_to(f"/opt/gpu-lab/{name}")
    (root / "opt/gpu-lab").mkdir(parents=True)
    (root / "var/log/journal").mkdir(exist_ok=True)


STAND_INS: Final = {
    "modprobe": "usr/local/sbin", "rmmod": "usr/local/sbin", "lsmod": "usr/local/bin", "modinfo": "usr/local/sbin",
    "uname": "usr/local/bin", "use-card": "usr/local/bin",
}  # fmt: skip
"""In front of the real ones on every PATH: the kernel is the machine's, whose release nobody can change."""


def _files(sources: Sequence[str]) -> dict[str, str]:
    return {
        "etc/apt/sources.list": "".join(f"{line}\n" for line in sources),
        "etc/apt/apt.conf.d/00lab": 'Acquire::http::Proxy "http://10.77.0.1:3142";\nAcquire::Languages "none";\n'
        'Acquire::Check-Valid-Until "false";\n',
        "etc/dpkg/dpkg.cfg.d/lab": "force-unsafe-io\n",
        "etc/ssh/sshd_config.d/lab.conf": "UseDNS no\nLogLevel VERBOSE\nMaxStartups 100\n",
        "etc/sudoers.d/ops": f"{ADMIN} ALL=(ALL) NOPASSWD: ALL\n",
        "etc/sudoers.d/ann": f"{ASKED} ALL=(ALL) ALL\n",
        "etc/kubernetes/kubelet.conf": "# written by kubeadm join\n",
        "var/lib/kubelet/config.yaml": "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
        "containerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n",
        "etc/systemd/system/gpu-lab-hardware.service": _HARDWARE,
        "etc/resolv.conf": "# no name server in the lab\n",
    }


_HARDWARE: Final = """\
[Unit]
Description=Lab: the bus with its cards, and the modules of the kernel
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/opt/gpu-lab/hardware
"""
