"""What the lab's stand-ins for NVIDIA's packages put on a disk, and what they do when they come and go.

Names, versions and dependencies are those of the simulated archive (`lab.host.standins.archive`, which tells its
sources), so that both worlds offer the same. What apt, dpkg, systemd and DKMS do with them is real: the module is built
on the host by the real DKMS with the real headers; it is empty, because no kernel here has a card for it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

LIB: Final = "usr/lib/x86_64-linux-gnu"
UNITS: Final = "usr/lib/systemd/system"
MODULES: Final = ("nvidia", "nvidia-uvm", "nvidia-modeset", "nvidia-drm", "nvidia-peermem")


class File(NamedTuple):
    """A file of a package; `link`: the text is what it points to; `program`: the stand-in of that name."""

    path: str
    text: str = ""
    mode: int = 0o644
    link: bool = False
    program: str = ""
    data: bytes = b""


def files(name: str, version: str) -> Iterator[File]:
    """The files of one package."""
    upstream = version.partition("-")[0]
    yield File(f"usr/share/doc/{name}/copyright", f"A stand-in for {name} {version}, made by the lab.\n")
    for program in _PROGRAMS.get(name, ()):
        yield File(f"usr/bin/{program}", mode=0o755, program=program)
    for library in _LIBRARIES.get(name, ()):
        yield File(f"{LIB}/{library}.so.{upstream}", f"{upstream}\n")
        yield File(f"{LIB}/{library}.so.1", f"{library}.so.{upstream}", link=True)
    if name in _FLAVOURS:
        yield from _source(upstream, _FLAVOURS[name])
    if name.startswith("nvidia-driver-pinning-"):
        yield File(f"etc/apt/preferences.d/{name}", _pin(name.removeprefix("nvidia-driver-pinning-")))
    if name == "nvidia-persistenced":
        yield File(f"{UNITS}/nvidia-persistenced.service", _DAEMON)
    if name == "nvidia-container-toolkit-base":
        yield File("usr/share/nvidia-container-toolkit/version", f"{upstream}\n")
        yield File("etc/nvidia-container-runtime/config.toml", '[nvidia-container-runtime]\nmode = "auto"\n')
    if name == "firmware-nvidia-gsp":
        yield File(f"usr/lib/firmware/nvidia/{upstream}/gsp_ga10x.bin", "firmware\n")


_PROGRAMS: Final = {
    "nvidia-driver-cuda": ("nvidia-smi",), "nvidia-persistenced": ("nvidia-persistenced",),
    "nvidia-container-toolkit-base": ("nvidia-ctk", "nvidia-container-runtime"),
    "libnvidia-container-tools": ("nvidia-container-cli",),
}  # fmt: skip
_LIBRARIES: Final = {
    "libnvidia-ml1": ("libnvidia-ml",), "libcuda1": ("libcuda",), "libnvidia-container1": ("libnvidia-container",),
}  # fmt: skip
_FLAVOURS: Final = {"nvidia-kernel-open-dkms": "Dual MIT/GPL", "nvidia-kernel-dkms": "NVIDIA"}


def _pin(branch: str) -> str:
    version = f"{branch}-*" if "." in branch else f"{branch}.*"
    return f"Package: *nvidia* cuda-drivers libcuda1\nPin: version {version}\nPin-Priority: 1000\n"


def _source(upstream: str, licence: str) -> Iterator[File]:
    """What DKMS builds: modules that carry version and licence, and do nothing."""
    folder = f"usr/src/nvidia-{upstream}"
    names = "".join(
        f'BUILT_MODULE_NAME[{number}]="{one}"\nDEST_MODULE_LOCATION[{number}]="/updates/dkms"\n'
        for number, one in enumerate(MODULES)
    )
    build = f"${{dkms_tree}}/nvidia/{upstream}/build"
    make = f'MAKE[0]="\'make\' -C /lib/modules/${{kernelver}}/build M={build} modules"\nCLEAN="true"\n'
    yield File(
        f"{folder}/dkms.conf",
        f'PACKAGE_NAME="nvidia"\nPACKAGE_VERSION="{upstream}"\nAUTOINSTALL="yes"\n{make}{names}',
    )
    yield File(f"{folder}/Kbuild", f"obj-m := {' '.join(f'{one}.o' for one in MODULES)}\n")
    for one in MODULES:
        yield File(f"{folder}/{one}.c", _MODULE % (licence, upstream))


_MODULE: Final = """\
#include <linux/module.h>
MODULE_LICENSE("%s");
MODULE_VERSION("%s");
"""
_DAEMON: Final = """\
[Unit]
Description=NVIDIA Persistence Daemon
[Service]
ExecStart=/usr/bin/nvidia-persistenced
[Install]
WantedBy=multi-user.target
"""


def scripts(name: str, version: str) -> dict[str, str]:
    """Maintainer scripts, as debhelper and dh-dkms write them."""
    upstream = version.partition("-")[0]
    if name in _FLAVOURS:
        return {
            "postinst": f'#!/bin/sh\nset -e\n[ "$1" != configure ] || /usr/lib/dkms/common.postinst nvidia {upstream} '
            f'"" "$(dpkg --print-architecture)" "$2"\n',
            "prerm": f"#!/bin/sh\nset -e\ncase $1 in remove|upgrade|deconfigure) "
            f"dkms remove -m nvidia -v {upstream} --all || : ;; esac\n",
        }
    if name == "nvidia-persistenced":
        return {key: text.replace("UNIT", "nvidia-persistenced.service") for key, text in _SERVICE.items()}
    if name in _LIBRARIES:
        return {"triggers": "activate-noawait ldconfig\n"}
    return {}


_SERVICE: Final = {
    "postinst": """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
  deb-systemd-helper unmask UNIT >/dev/null || true
  if deb-systemd-helper --quiet was-enabled UNIT; then
    deb-systemd-helper enable UNIT >/dev/null || true
  else
    deb-systemd-helper update-state UNIT >/dev/null || true
  fi
  if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    if [ -n "$2" ]; then action=restart; else action=start; fi
    deb-systemd-invoke $action UNIT >/dev/null || true
  fi
fi
""",
    "prerm": """\
#!/bin/sh
set -e
if [ -d /run/systemd/system ] && [ "$1" = remove ]; then
  deb-systemd-invoke stop UNIT >/dev/null || true
fi
""",
    "postrm": """\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
fi
if [ "$1" = purge ]; then
  deb-systemd-helper purge UNIT >/dev/null || true
fi
""",
}
"""The text of dh_installsystemd, compat 13, as packages of Debian 12 have it."""


def dearmored(text: str) -> bytes:
    """A key as a file that is called .gpg has to hold it; the last line of an armored one is a checksum."""
    body = [line for line in text.partition("\n\n")[2].splitlines() if line and line[0] not in "-="]
    return base64.b64decode("".join(body))


def keyring(key: Path, url: str) -> Iterator[File]:
    """The package that brings key and list of the CUDA repository, as `cuda-keyring` does."""
    place = "usr/share/keyrings/cuda-archive-keyring.gpg"
    yield File(place, data=dearmored(key.read_text()))
    yield File("etc/apt/sources.list.d/cuda-debian12-x86_64.list", f"deb [signed-by=/{place}] {url} /\n")
