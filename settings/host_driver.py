"""The settings of a host's driver."""

from dataclasses import dataclass

from decide import defaults
from decide.host_extras import EXTRAS
from decide.host_run import PATH
from decide.host_wish import CHECKSUM, FLAVOURS, SOURCES
from settings.host_kinds import SHA256, DriverBranch, DriverVersion, Url
from settings.kinds import Choice, ListOf, Text, setting


@dataclass(frozen=True)
class HostDriver:
    """The driver of a host. A driver that works is kept unless branch, version or flavour ask for another one."""

    source: str = setting(
        Choice(SOURCES),
        "source: distro",
        "`auto`: what suits the distribution. `distro`: Ubuntu's prebuilt and signed modules. "
        "`ubuntuDrivers`: the same archive, of the branch that `ubuntu-drivers` recommends; for cards with a display "
        "its series for desktops. `ppa`: graphics-drivers, DKMS. `cudaRepo`: NVIDIA's "
        "repository. `run`: a .run file, by `version` and `sha256`. `keep`: the one that is there, nothing is ever "
        "installed.",
        "auto",
    )
    branch: int | None = setting(
        DriverBranch(),
        f"branch: {defaults.DRIVER_BRANCH}",
        "Driver branch. Without it a driver that works is never moved; with it one of another branch is replaced.",
        None,
        f"{defaults.DRIVER_BRANCH} at the first install",
    )
    version: str | None = setting(
        DriverVersion(),
        'version: "580.173.02"',
        "Exact version, where the newest one of the branch will not do. On Ubuntu only the one that prebuilt modules "
        "are made of.",
        None,
    )
    flavour: str | None = setting(
        Choice(FLAVOURS), "flavour: open", "Kernel modules: `open` or `proprietary`.", None, "by the card"
    )
    extras: tuple[str, ...] = setting(
        ListOf(Choice(EXTRAS)),
        "extras: [fabricManager]",
        "What comes with the driver. `fabricManager`: of exactly its version, where NVSwitch joins the cards. `gds`: "
        "GPUDirect Storage, and `cudaToolkit`: CUDA, both of `cudaRepo` alone.",
        (),
        "[]",
    )
    url: str | None = setting(
        Url(),
        "url: https://us.download.nvidia.com/XFree86/Linux-x86_64/580.119.02/NVIDIA-Linux-x86_64-580.119.02.run",
        "Where the host fetches the .run file.",
        None,
        "NVIDIA's for data-centre cards of that version",
    )
    path: str | None = setting(
        Text("an absolute path in plain letters", PATH),
        "path: /opt/NVIDIA-Linux-x86_64-580.178.04.run",
        "Where the .run file lies on the host already; it stays there.",
        None,
    )
    sha256: str | None = setting(
        Text("a checksum of 64 small letters and digits", CHECKSUM, 64),
        f"sha256: {SHA256}",
        "Checksum of the .run file (`sha256sum`), required with it: root runs that file.",
        None,
        "required with `source: run`",
    )
