"""A machine with real dnf and rpm: a throw-away copy of this one, whose rpm database is empty at first.

What dnf finds is made here: signed packages of a few lines with the names of NVIDIA's, in repositories with a module
stream, one of EPEL and one of the distribution. Nothing of this machine changes, and it needs no network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.real.tools import MissingError

PROGRAMS = {
    "dnf": "dnf", "rpmbuild": "rpm", "createrepo_c": "createrepo-c", "gpg": "gnupg", "curl": "curl",
    "unshare": "util-linux", "modifyrepo_c": "createrepo-c",
}  # fmt: skip
"""Program, and the package of Debian that brings it; versionlock is in dnf-plugins-core."""
VERSIONLOCK = Path("/usr/lib/python3/dist-packages/dnf-plugins/versionlock.py")
KERNEL = "5.14.0-570.12.1.el9_6.x86_64"
DRIVERS = ("580.173.02", "580.178.04", "595.91.07")
_SPEC = """\
Name: {name}
Version: {version}
Release: {release}
Epoch: {epoch}
Summary: a stand-in
License: MIT
BuildArch: {arch}
{lines}
%description
A stand-in.
%files
"""
_OS = """\
ID="rocky"
VERSION_ID="9.6"
ID_LIKE="rhel centos fedora"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Rocky Linux 9.6 (Blue Onyx)"
"""
_BEGIN = """\
mount -t overlay overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" "$1/root" || exit 99
mount -t proc proc "$1/root/proc" && mount --bind /dev "$1/root/dev" && mkdir -p "$1/root/mnt/made" &&
mount --bind "$1/made" "$1/root/mnt/made" || exit 99
exec chroot "$1/root" sh -c "$2"
"""


def insist() -> None:
    """Says what is missing, in one sentence."""
    lacks = sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})
    lacks += [] if VERSIONLOCK.exists() else ["dnf-plugins-core"]
    if lacks or os.geteuid() != 0:
        raise MissingError(f"real dnf wants root, and: apt-get install --no-install-recommends {' '.join(lacks)}")


@contextmanager
def rpm_root() -> Iterator[RpmRoot]:
    """One, as long as it is needed."""
    insist()
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="gpu-ready-rpm-") as folder:
        yield RpmRoot(Path(folder))


class RpmRoot:
    """The machine: its repositories are made once, its changes live in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.made = folder, folder / "made"
        for name in ("upper", "work", "root", "made/bin"):
            (folder / name).mkdir(parents=True)
        self.keys = {name: self._key(name) for name in ("nvidia", "epel")}
        self._distribution()
        self._nvidia()
        self._begin()

    def sh(self, text: str) -> subprocess.CompletedProcess[str]:
        """Runs a text there, as root; no process of it lives on."""
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _BEGIN, "sh", str(self.folder)]
        begin = f"PATH=/mnt/made/bin:$PATH LC_ALL=C HOME=/root; export PATH LC_ALL HOME\n{text}"
        done = subprocess.run([*command, begin], capture_output=True, text=True, check=False, timeout=300)
        if done.returncode == 99:
            raise MissingError(f"no overlay can be mounted here: {done.stderr.strip()}")
        return done

    def _key(self, name: str) -> str:
        home = self.folder / "keys"
        home.mkdir(mode=0o700, exist_ok=True)
        self._gpg("--quick-gen-key", f"{name} <{name}@example.org>", "rsa2048", "sign", "never")
        listed = self._gpg("--list-keys", "--with-colons", name).splitlines()
        fingerprint = next(line.split(":")[9] for line in listed if line.startswith("fpr:"))
        (self.made / f"{name}.asc").write_text(self._gpg("--armor", "--export", fingerprint))
        return fingerprint

    def _gpg(self, *words: str) -> str:
        command = ["gpg", "--homedir", str(self.folder / "keys"), "--batch", "--quiet", "--passphrase", "", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def _distribution(self) -> None:
        base = self.made / "base"
        for name, version, lines in (
            ("rpm", "4.16.1.3", ()), ("gcc", "11.5.0", ()), ("make", "4.3", ()),
            ("python3-dnf-plugin-versionlock", "4.3.0", ("Provides: dnf-command(versionlock)",)),
        ):  # fmt: skip
            self._package(base, name, version, lines=lines)
        epel = "[epel]\\nname=epel\\nbaseurl=file:///mnt/made/epel\\ngpgcheck=1\\ngpgkey=file:///mnt/made/epel.asc\\n"
        script = ("%post -p <lua>", f"f = io.open('/etc/yum.repos.d/epel.repo', 'w') f:write('{epel}') f:close()",
                  "%preun -p <lua>", "os.remove('/etc/yum.repos.d/epel.repo')")  # fmt: skip
        self._package(base, "epel-release", "9", lines=script)
        for release in ("570.12.1.el9_6", "687.51.1.el9_8"):
            self._package(base, "kernel-devel", "5.14.0", release, arch="x86_64")
        self._package(self.made / "epel", "dkms", "3.2.2", lines=("Requires: gcc make",), key="epel")
        for folder in (base, self.made / "epel"):
            _run("createrepo_c", "-q", str(folder))

    def _nvidia(self) -> None:
        folder = self.made / "cuda/x86_64"
        for version in DRIVERS:
            self._driver(folder, version)
        _run("createrepo_c", "-q", str(folder))
        (self.made / "modules.yaml").write_text(modules(sorted(path.name for path in folder.rglob("*.rpm"))))
        _run("modifyrepo_c", "--mdtype=modules", str(self.made / "modules.yaml"), str(folder / "repodata"))

    def _driver(self, folder: Path, version: str) -> None:
        exact = f"= 3:{version}"
        for name, lines in (
            ("libnvidia-ml", ()),
            ("nvidia-kmod-common", ()),
            ("nvidia-persistenced", (f"Requires: libnvidia-ml {exact}",)),
            ("nvidia-driver-cuda", (f"Requires: libnvidia-ml {exact}", f"Requires: nvidia-kmod-common {exact}",
                                    f"Requires: nvidia-persistenced {exact}", f"Requires: nvidia-kmod {exact}")),
        ):  # fmt: skip
            self._package(folder, name, version, "1.el9", lines, "3", "x86_64", "nvidia")
        for name, other in (("open", "latest"), ("latest", "open")):
            module = f"/lib/modules/{KERNEL}/extra/nvidia.ko"
            build = f"f = io.open('{module}', 'w') f:write('{version} {name}') f:close()"
            module_lines = (f"Requires: dkms nvidia-kmod-common {exact}", f"Provides: nvidia-kmod {exact}",
                     f"Conflicts: kmod-nvidia-{other}-dkms", "%post -p <lua>", build,
                     "%postun -p <lua>", f"if tonumber(arg[2]) == 0 then os.remove('{module}') end")  # fmt: skip
            self._package(folder, f"kmod-nvidia-{name}-dkms", version, "1.el9", module_lines, "3", "x86_64", "nvidia")

    def _package(
        self, folder: Path, name: str, version: str, release: str = "1.el9", lines: Sequence[str] = (),
        epoch: str = "0", arch: str = "noarch", key: str = "",
    ) -> None:  # fmt: skip
        spec = self.folder / f"{name}.spec"
        head = [line for line in lines if ":" in line.split(" ")[0]]
        tail = [line for line in lines if line not in head]
        text = _SPEC.format(name=name, version=version, release=release, epoch=epoch, arch=arch, lines="\n".join(head))
        spec.write_text(text + "\n".join(tail) + "\n")
        defined = {"_topdir": self.folder / "build", "_rpmdir": folder, "_build_id_links": "none"}
        _run("rpmbuild", "-bb", "--quiet", *_defined(defined), str(spec))
        if key:
            signing = {"_gpg_name": self.keys[key], "_gpg_path": self.folder / "keys", "__gpg": shutil.which("gpg")}
            made = [str(path) for path in folder.rglob(f"{name}-{version}-*.rpm")]
            _run("rpmsign", *_defined(signing), "--addsign", *made)

    def _begin(self) -> None:
        repo = "[base]\\nname=base\\nbaseurl=file:///mnt/made/base\\nenabled=1\\ngpgcheck=0\\n"
        (self.made / "os-release").write_text(_OS)
        conf = "[main]\\ngpgcheck=1\\ninstallonly_limit=3\\nbest=True\\nskip_if_unavailable=False\\n"
        done = self.sh(
            f"mkdir -p /etc/yum.repos.d /etc/pki/rpm-gpg /etc/dnf/vars /etc/dnf/modules.d\n"
            f"mkdir -p /lib/modules/{KERNEL}/extra /boot\n"
            f"rm -f /etc/os-release && cp /mnt/made/os-release /etc/os-release && echo 9 >/etc/dnf/vars/releasever\n"
            f"printf '{repo}' >/etc/yum.repos.d/base.repo && printf '{conf}' >/etc/dnf/dnf.conf\n"
            f"rm -f /etc/dnf/plugins/local.conf {VERSIONLOCK.parent}/local.py && : >/etc/dnf/plugins/versionlock.list\n"
            f": >/boot/vmlinuz-{KERNEL}; "
            "rpm --import /mnt/made/epel.asc && rpm -e gpg-pubkey; dnf -q -y --nogpgcheck install rpm"
        )
        if done.returncode:
            raise RuntimeError(f"real dnf does not begin: {done.stderr}")


def modules(files: Sequence[str]) -> str:
    """The module nvidia-driver, with a stream for each branch and flavour."""
    made = ""
    for branch in sorted({version.partition(".")[0] for version in DRIVERS}):
        for stream, other in (("open", "latest"), ("dkms", "open")):
            wanted = [name for name in files if f"-{branch}." in name and f"kmod-nvidia-{other}" not in name]
            names = [name.removesuffix(".rpm").rsplit("-", 2) for name in wanted]
            listed = "".join(f"    - {name}-3:{version}-{release}\n" for name, version, release in names)
            made += (
                f"---\ndocument: modulemd\nversion: 2\ndata:\n  name: nvidia-driver\n  stream: \"{branch}-{stream}\"\n"
                "  version: 20260101\n  context: abcd1234\n  arch: x86_64\n  summary: x\n  description: x\n"
                f"  license:\n    module: [MIT]\n  artifacts:\n    rpms:\n{listed}...\n"
            )  # fmt: skip
    return made


def _defined(values: dict[str, object]) -> list[str]:
    return [word for name, value in values.items() for word in ("--define", f"{name} {value}")]


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip()[-500:]}")
