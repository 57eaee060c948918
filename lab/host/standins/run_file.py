"""The .run file of a driver and its uninstaller.

Options, order and the status 0 of who gave up: NVIDIA/nvidia-installer 590.48. Words of failures are shortened.
"""

from __future__ import annotations

from lab.host.standins import contents, modules
from lab.host.standins.box import Box, fail, say

MYPY = False
if MYPY:
    from collections.abc import Iterator

LIST, UNINSTALL = "/var/lib/nvidia/log", "/usr/bin/nvidia-uninstall"
_PROGRAMS = ("nvidia-smi", "nvidia-modprobe", "nvidia-installer", "nvidia-uninstall")
_OPTIONS = frozenset({
    "--silent", "--dkms", "--kernel-module-type", "--no-x-check", "--no-nouveau-check", "--uninstall", "--tmpdir",
    "--no-check-for-alternate-installs", "--no-install-compat32-libs", "--no-rebuild-initramfs", "--skip-module-load",
    "--skip-module-unload", "--allow-installation-with-running-driver", "--log-file-name",
})  # fmt: skip


def program(version: str) -> str:
    """What the file of a version is made of: the same bytes everywhere."""
    return contents.PROGRAM % f"nvidia-installer {version}"


def nvidia_installer(box: Box, args: list[str]) -> int:
    """Installs, or with --uninstall takes away; the version stands in the file."""
    version, flags = args[0], _options(args[1:])
    if not box.is_root:
        fail(1, "ERROR: nvidia-installer must be run as root")
    with box.locked():
        if "--uninstall" in flags:
            return _uninstall(box)
        why = _stands_against(box, flags)
        if why:
            _log(box, flags, f"ERROR: {why}", "ERROR: Installation has failed.  Please see the file for details.")
            fail(1, f"ERROR: {why}", "ERROR: Installation has failed.")
        return _install(box, version, flags)


def nvidia_uninstall(box: Box, args: list[str]) -> int:
    """Takes away what the list names."""
    _options(args)
    with box.locked():
        return _uninstall(box)


def _options(args: list[str]) -> dict[str, str]:
    flags = {word.partition("=")[0]: word.partition("=")[2] for word in args}
    for word in flags:
        if word not in _OPTIONS:
            fail(1, f"ERROR: Invalid option: {word}")
    if "--silent" not in flags:
        fail(1, "ERROR: Unable to load: nvidia-installer ncurses user interface: there is no terminal")
    return flags


def _log(box: Box, flags: dict[str, str], *lines: str) -> None:
    box.write(flags.get("--log-file-name") or "/var/log/nvidia-installer.log", "".join(f"{line}\n" for line in lines))


def _stands_against(box: Box, flags: dict[str, str]) -> str:
    there = {name for name, one in box.state["packages"].items() if one["status"] == "installed"}
    loaded = box.state["modules"]
    if "nvidia" in loaded and "--allow-installation-with-running-driver" not in flags:
        return "An NVIDIA kernel module 'nvidia' appears to be already loaded in your kernel."
    if "nouveau" in loaded and "--no-nouveau-check" not in flags:
        return "The Nouveau kernel driver is currently in use by your system."
    if not {"gcc", "make"} <= there:
        return "Unable to find the development tool `cc` in your path"
    if not modules.has_headers(box, box.state["kernel"]):
        return "Unable to find the kernel source tree for the currently running kernel."
    return ""


def _install(box: Box, version: str, flags: dict[str, str]) -> int:
    if box.fault("module-build-fails"):
        words = 'ERROR: An error occurred while performing the step: "Building kernel modules".'
        _log(box, flags, "cc1: error: the rehearsal's fault module-build-fails", words)
        fail(1, words, "ERROR: Installation has failed.")
    _uninstall(box)
    box.write(LIST, "", 0o600)
    box.save()
    for path, text, mode in _files(box, version):
        _note(box, path)
        if text.startswith("-> "):
            box.link(path, text[3:])
        else:
            box.write(path, text, mode)
        box.save()
    flavor = flags.get("--kernel-module-type") or "open"
    if "--dkms" in flags and "dkms" in box.state["packages"]:
        for line in modules.build(box, version, flavor):
            say(line)
    else:
        for name in modules.NAMES:
            path = f"/lib/modules/{box.state['kernel']}/kernel/drivers/video/{name}.ko"
            _note(box, path)
            box.write(path, modules.text(version, flavor, box.state["kernel"], ""))
    _log(box, flags, f"Installation of the NVIDIA driver (version: {version}) is now complete.")
    box.save()
    box.spend(90)
    return 0


def _note(box: Box, path: str) -> None:
    box.write(LIST, f"{box.read(LIST) or ''}{path}\n", 0o600)


def _files(box: Box, version: str) -> Iterator[tuple[str, str, int]]:
    for name in _PROGRAMS:
        yield (
            f"/usr/bin/{name}",
            contents.PROGRAM % (name if name != "nvidia-installer" else f"{name} {version}"),
            0o755,
        )
    yield "/usr/bin/nvidia-persistenced", f"nvidia-persistenced {version}\n", 0o755
    for name in ("libnvidia-ml", "libcuda"):
        yield f"{contents.lib(box)}/{name}.so.{version}", f"{name} {version}\n", 0o755
        yield f"{contents.lib(box)}/{name}.so.1", f"-> {name}.so.{version}", 0o777
    yield f"/usr/src/nvidia-{version}/dkms.conf", f'PACKAGE_NAME="nvidia"\nPACKAGE_VERSION="{version}"\n', 0o644


def _uninstall(box: Box) -> int:
    if not box.exists(LIST):
        say("There is no NVIDIA driver currently installed.")
        return 0
    modules.unbuild(box)
    box.save()
    # Its own list goes last, and its own program before that.
    for path in sorted((box.read(LIST) or "").split(), key=lambda path: path == UNINSTALL):
        box.remove(path)
        box.prune(path.rpartition("/")[0])
        box.save()
    box.clear("/var/lib/nvidia")
    box.save()
    box.spend(20)
    return 0
