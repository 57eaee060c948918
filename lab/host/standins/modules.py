"""Kernel modules on the disk: precompiled ones from packages, and those that DKMS builds."""

from __future__ import annotations

from lab.host.standins.box import Box

MYPY = False
if MYPY:
    from collections.abc import Iterator

TREE = "/var/lib/dkms"
NAMES = ("nvidia", "nvidia-uvm", "nvidia-modeset", "nvidia-drm", "nvidia-peermem")


def text(version: str, flavor: str, kernel: str, signer: str) -> str:
    """A module as modinfo sees it."""
    license_ = "Dual MIT/GPL" if flavor == "open" else "NVIDIA"
    return f"version={version}\nlicense={license_}\nvermagic={kernel} SMP preempt mod_unload\nsigner={signer}\n"


def read(box: Box, kernel: str, name: str) -> tuple[str, dict[str, str]] | None:
    """File and fields of a module for a kernel; None where there is none. DKMS's folder comes first, as in depmod."""
    file = name.replace("_", "-") if name.startswith("nvidia") else name
    folder = f"/lib/modules/{kernel}"
    for where in ("updates/dkms", "extra", "kernel/*", "kernel/drivers/*", "kernel/drivers/*/*/*"):
        pattern = f"{folder}/{where}/{file}.ko"
        for found in box.find(pattern):
            lines = (box.read(found) or "").splitlines()
            return found, dict(line.split("=", 1) for line in lines if "=" in line)
    return None


def module_files(box: Box, package: str, upstream: str) -> Iterator[tuple[str, str, int]]:
    """What a package brings of the kernel side: finished modules of Ubuntu, sources for DKMS of everybody."""
    if package.startswith("linux-objects-nvidia-"):
        series, flavor, kernel = _named(package)
        driver = upstream_of_series(box, series)
        folder = f"nvidia-{series.replace('-server', 'srv')}{'-open' if flavor == 'open' else ''}"
        for name in NAMES:
            path = f"/lib/modules/{kernel}/kernel/{folder}/{name}.ko"
            yield path, text(driver, flavor, kernel, "Canonical Ltd. Kernel Module Signing"), 0o644
    elif is_dkms(package):
        yield f"/usr/src/nvidia-{upstream}/dkms.conf", f'PACKAGE_NAME="nvidia"\nPACKAGE_VERSION="{upstream}"\n', 0o644


def is_dkms(package: str) -> bool:
    """Whether this package has its module built on the machine."""
    return package.startswith("nvidia-dkms-") or package in {
        "nvidia-kernel-open-dkms", "nvidia-kernel-dkms", "kmod-nvidia-open-dkms", "kmod-nvidia-latest-dkms",
    }  # fmt: skip


def _named(package: str) -> tuple[str, str, str]:
    """`linux-objects-nvidia-580-server-open-6.8.0-117-generic` -> 580-server, open, 6.8.0-117-generic."""
    branch, _dash, rest = package.removeprefix("linux-objects-nvidia-").partition("-")
    server = "-server" if rest.startswith("server-") else ""
    rest = rest.removeprefix("server-")
    flavor = "open" if rest.startswith("open-") else "proprietary"
    return f"{branch}{server}", flavor, rest.removeprefix("open-")


def upstream_of_series(box: Box, series: str) -> str:
    """Driver version of the precompiled modules: that of the user space which is installed with them."""
    common = box.state["packages"].get(f"nvidia-kernel-common-{series}")
    if common:
        return str(common["version"]).partition("-")[0]
    from lab.host.standins.archive import UBUNTU_BRANCHES

    return UBUNTU_BRANCHES[series.removesuffix("-server")]


def has_headers(box: Box, kernel: str) -> bool:
    """Whether a module can be built for this kernel."""
    return box.read(f"/lib/modules/{kernel}/build/Makefile") is not None


def kernels(box: Box) -> list[str]:
    """All kernels on the disk, the oldest first."""
    from lab.host.standins.versions import ordered

    return ordered(name.removeprefix("/boot/vmlinuz-") for name in box.find("/boot/vmlinuz-*"))


def built(kernel: str, name: str) -> str:
    """Where DKMS puts a module."""
    return f"{_folder(kernel)}/{name}.ko"


def _folder(kernel: str) -> str:
    own = kernel.endswith(".x86_64")
    return f"/lib/modules/{kernel}/{'extra' if own else 'updates/dkms'}"


def build(box: Box, version: str, flavor: str) -> Iterator[str]:
    """What DKMS says while it builds; the last line begins with `Error!` when it fails."""
    for kernel in kernels(box):
        if not has_headers(box, kernel):
            yield f"Module build for kernel {kernel} was skipped since the"
            yield "kernel headers for this kernel do not seem to be installed."
            continue
        yield f"Building initial module for {kernel}"
        _begin(box, version)
        if box.fault("module-build-fails"):
            box.write(
                f"{TREE}/nvidia/{version}/build/make.log", "cc1: error: the rehearsal's fault module-build-fails\n"
            )
            yield f"Error! Bad return status for module build on kernel: {kernel} (x86_64)"
            yield f"Consult /var/lib/dkms/nvidia/{version}/build/make.log for more information."
            return
        for name in NAMES:
            box.write(built(kernel, name), text(version, flavor, kernel, ""), 0o644)
        yield "Done."


def _begin(box: Box, version: str) -> None:
    """Before its first build DKMS makes a key pair, which stays when all packages are gone."""
    for name in ("mok.key", "mok.pub"):
        if not box.exists(f"{TREE}/{name}"):
            box.write(f"{TREE}/{name}", "made by dkms\n", 0o600 if name == "mok.key" else 0o644)
    box.write(f"{TREE}/nvidia/{version}/build/make.log", "", 0o644)


def unbuild(box: Box) -> None:
    """Takes away what DKMS built, for all kernels."""
    box.clear(f"{TREE}/nvidia")
    for kernel in kernels(box):
        for name in NAMES:
            box.remove(built(kernel, name))
        box.prune(_folder(kernel))
