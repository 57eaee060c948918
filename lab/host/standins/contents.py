"""What packages put on the disk."""

from __future__ import annotations

from lab.host.standins.archive import CUDA_REPOSITORIES, KEYS
from lab.host.standins.box import Box
from lab.host.standins.downloads import key_text
from lab.host.standins.modules import module_files

MYPY = False
if MYPY:
    from collections.abc import Iterator

    Files = Iterator[tuple[str, str, int]]
    """Name, text, mode; `-> target` for a link."""

LIB = "/usr/lib/x86_64-linux-gnu"
"""On Debian and Ubuntu; `lib` says where it is on others."""
PROGRAM = """\
#!/bin/sh
exec "${0%%"/root/"*}/bin/.standin" "${0%%"/root/"*}" %s "$@"
"""
"""A program that a package brings: the stand-in of this name, on the machine whose root it lies in."""
_PROGRAMS = {
    "nvidia-utils-": ("nvidia-smi",), "nvidia-driver-cuda": ("nvidia-smi",), "nvidia-modprobe": ("nvidia-modprobe",),
    "nvidia-container-toolkit-base": ("nvidia-ctk", "nvidia-container-runtime"),
    "libnvidia-container-tools": ("nvidia-container-cli",),
    "apt": ("../lib/apt/apt-helper",), "containerd": ("containerd", "ctr"), "cri-tools": ("crictl",), "dkms": ("dkms",),
    "mdadm": ("../sbin/mdadm",), "ubuntu-drivers-common": ("ubuntu-drivers",),
    "nvidia-fabricmanager-": ("nv-fabricmanager",), "nvidia-fabricmanager": ("nv-fabricmanager",),
    "docker-ce": ("dockerd",), "docker-ce-cli": ("docker",), "containerd.io": ("containerd", "ctr"),
}  # fmt: skip
_PLAIN = {
    "nvidia-container-toolkit": ("/usr/bin/nvidia-container-runtime-hook",),
    "nvidia-compute-utils-": ("/usr/bin/nvidia-persistenced", "/usr/lib/systemd/system/nvidia-persistenced.service"),
    "nvidia-persistenced": ("/usr/bin/nvidia-persistenced", "/usr/lib/systemd/system/nvidia-persistenced.service"),
    "containerd": ("/usr/bin/containerd-shim-runc-v2", "/usr/lib/systemd/system/containerd.service"),
    "nvidia-fabricmanager-": ("/usr/lib/systemd/system/nvidia-fabricmanager.service",),
    "nvidia-fabricmanager": ("/usr/lib/systemd/system/nvidia-fabricmanager.service",),
    "runc": ("/usr/sbin/runc",),
    "docker-ce": ("/usr/lib/systemd/system/docker.service",),
    "cri-dockerd": ("/usr/bin/cri-dockerd", "/usr/lib/systemd/system/cri-docker.service"),
    "containerd.io": (
        "/usr/bin/containerd-shim-runc-v2",
        "/usr/bin/runc",
        "/usr/lib/systemd/system/containerd.service",
    ),
    "kubelet": ("/usr/bin/kubelet", "/usr/lib/systemd/system/kubelet.service"),
    "gcc-": ("/usr/bin/gcc",),
}
"""Programs and units that are only looked at."""
CONF_FILES = "/etc/"
"""What lies there stays when a package is removed, and goes when it is purged."""
_CUDA_KEY, _CUDA_LIST = (
    "/usr/share/keyrings/cuda-archive-keyring.gpg",
    "/etc/apt/sources.list.d/cuda-debian12-x86_64.list",
)
BASE = "1.0-1"
"""Version of what every system has; such packages bring only what is needed here."""


def files(box: Box, name: str, version: str) -> Files:
    """The files of one package."""
    upstream = version.partition("-")[0].partition(":")[2] or version.partition("-")[0]
    if version != BASE:
        yield f"/usr/share/doc/{name}/copyright", f"{name} {version}\n", 0o644
    for program in _of(_PROGRAMS, name):
        yield _in("/usr/bin", program), PROGRAM % program.rpartition("/")[2], 0o755
    for path in _of(_PLAIN, name):
        yield path, f"{name} {version}\n", 0o644 if path.endswith(".service") else 0o755
    yield from _libraries(lib(box), name, upstream)
    yield from module_files(box, name, upstream)
    yield from _settings(name)
    if name.startswith("linux-headers-") and name[14:15].isdigit():
        kernel = name.removeprefix("linux-headers-")
        yield f"/usr/src/{name}/Makefile", "# kernel headers\n", 0o644
        yield f"/lib/modules/{kernel}/build", f"-> ../../../usr/src/{name}", 0o777
    elif name.startswith("kernel-devel-"):
        kernel = name.removeprefix("kernel-devel-")
        yield f"/usr/src/kernels/{kernel}/Makefile", "# kernel headers\n", 0o644
        yield f"/lib/modules/{kernel}/build", f"-> ../../../usr/src/kernels/{kernel}", 0o777


def _settings(name: str) -> Files:
    """Settings and units, of the few packages that bring some."""
    if name == "nvidia-container-toolkit-base":
        yield "/etc/nvidia-container-runtime/config.toml", '[nvidia-container-runtime]\nmode = "auto"\n', 0o644
        for unit in ("nvidia-cdi-refresh.path", "nvidia-cdi-refresh.service"):
            yield f"/usr/lib/systemd/system/{unit}", "[Unit]\n", 0o644
    elif name.startswith("nvidia-driver-pinning-"):
        branch = name.removeprefix("nvidia-driver-pinning-")
        version = f"{branch}-*" if "." in branch else f"{branch}.*"
        stanza = f"Package: *nvidia* cuda-drivers libcuda1\nPin: version {version}\nPin-Priority: 1000\n"
        yield f"/etc/apt/preferences.d/{name}", stanza, 0o644
    elif name == "epel-release":
        from lab.host.standins.rpm_archive import KEYS as KEYS_OF_RPM

        key = "/etc/pki/rpm-gpg/RPM-GPG-KEY-EPEL"
        yield key, key_text(KEYS_OF_RPM["epel"]), 0o644
        address = "https://mirror.example.org/pub/epel/9/Everything/x86_64"
        text = f"[epel]\nname=EPEL\nbaseurl={address}\nenabled=1\ngpgcheck=1\ngpgkey=file://{key}\n"
        yield "/etc/yum.repos.d/epel.repo", text, 0o644
    elif name == "python3-dnf-plugin-versionlock":
        yield "/etc/dnf/plugins/versionlock.list", "", 0o644
    elif name == "cuda-keyring":
        yield _CUDA_KEY, key_text(KEYS["cuda"]), 0o644
        line = (
            f"deb [signed-by={_CUDA_KEY}] https://developer.download.nvidia.com/{CUDA_REPOSITORIES['debian-12']}/ /\n"
        )
        yield _CUDA_LIST, line, 0o644


def _in(folder: str, name: str) -> str:
    while name.startswith("../"):
        folder, name = folder.rpartition("/")[0], name[3:]
    return f"{folder}/{name}"


def _of(table: dict[str, tuple[str, ...]], name: str) -> tuple[str, ...]:
    for key, value in table.items():
        if name == key or (key.endswith("-") and name.startswith(key)):
            return value
    return ()


def lib(box: Box) -> str:
    """Where libraries lie."""
    return "/usr/lib64" if box.state.get("manager") == "dnf" else LIB


def _libraries(folder: str, name: str, upstream: str) -> Files:
    for package, library in (
        ("libnvidia-compute-", "libnvidia-ml"), ("libnvidia-compute-", "libcuda"), ("libnvidia-ml1", "libnvidia-ml"),
        ("libcuda1", "libcuda"), ("libnvidia-ml", "libnvidia-ml"), ("nvidia-driver-cuda-libs", "libcuda"),
        ("libnvidia-container1", "libnvidia-container"),
    ):  # fmt: skip
        if name == package or (package.endswith("-") and name.startswith(package)):
            yield f"{folder}/{library}.so.{upstream}", f"{library} {upstream}\n", 0o644
            yield f"{folder}/{library}.so.1", f"-> {library}.so.{upstream}", 0o777


def put(box: Box, name: str, version: str) -> list[str]:
    """Unpacks a package; the names of its files. A conffile that the user changed stays as it is."""
    names = []
    for path, text, mode in files(box, name, version):
        names.append(path)
        if path.startswith(CONF_FILES) and box.exists(path):
            continue
        if text.startswith("-> "):
            box.link(path, text[3:])
        else:
            box.write(path, text, mode)
    return names
