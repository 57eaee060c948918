"""What a host says of itself, read strictly: whatever comes from a host is foreign text until it has passed here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from decide.host_failures import Refusal, refusal
from host.shapes import Flag, Many, Number, Shape, Text

FORMAT = 1

# What is not a plain word never goes on into a plan, a message or a state.
PLAIN = r"[\x20-\x7e]{0,120}"
WORD = r"[A-Za-z0-9][A-Za-z0-9._+:~-]{0,119}"
MAYBE = rf"({WORD})?"
PATH = r"(/[A-Za-z0-9._/+@-]{1,200})?"
BOOT_ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
DECIDED = r"(keep|(distro|ubuntuDrivers|ppa|cudaRepo|run) [1-9][0-9]{2}[0-9.]{0,8} (open|proprietary))?"
_ID = r"[0-9a-f]{4}:[0-9a-f]{4}"
SHAPE = Shape(
    {
        "format": Number(FORMAT),
        "machine_id": Text(r"[0-9a-f]{32}"),
        "boot_id": Text(BOOT_ID),
        "hostname": Text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}"),
        "os": Shape({"id": Text(MAYBE), "version": Text(MAYBE), "pretty": Text(PLAIN)}),
        "arch": Text(WORD),
        "kernel": Text(WORD),
        "cards": Many(
            Shape(
                {
                    "address": Text(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"),
                    "vendor_device": Text(_ID),
                    "driver": Text(r"[A-Za-z0-9_-]{0,40}"),
                }
            ),
            64,
        ),
        "modules": Shape(
            {"nvidia": Text(MAYBE), "nouveau": Flag(), "nova": Flag(), "flavour": Text("(open|proprietary)?")}
        ),
        "driver": Shape(
            {
                "works": Flag(),
                "version": Text(MAYBE),
                "foreign": Text(r"(\.run|operator|mixed)?"),
                "packaged": Flag(),
            },
            may=("packaged",),
        ),
        "secure_boot": Flag(),
        "headers": Flag(),
        "next_kernel": Text(MAYBE),
        "next_kernel_has_module": Flag(),
        "package_manager": Text(r"(apt|dnf|zypper)?"),
        "dpkg_broken": Flag(),
        "disk_free_mb": Shape({"root": Number(10**12), "boot": Number(10**12)}),
        "runtime": Shape(
            {
                "kind": Text(r"(containerd|docker|crio|k3s|rke2|microk8s|k0s)?"),
                "version": Text(MAYBE),
                "config": Text(PATH),
                "handlers": Many(Text(WORD), 100),
                "unit": Text(MAYBE),
                "template": Text(PATH),
                "default": Text(MAYBE),
            },
            may=("unit", "template", "default"),
        ),
        "toolkit": Text(MAYBE),
        "immutable": Flag(),
        "wsl": Flag(),
        "tegra": Flag(),
        "vgpu": Flag(),
        "kubelet": Flag(),
        "k3s": Text("(program|data)?"),
        "apt_lacks": Many(Text(WORD), 200),
        "ours": Shape(
            {
                "driver": Text(DECIDED),
                "toolkit": Text(r"([0-9.]{5,11})?"),
                "runtime": Flag(),
                "join": Text("(server|agent)?"),
            },
            may=("join",),
        ),
        "claim": Text(r"[0-9a-f]{20}"),
        "recommended": Text(MAYBE),
        "fabric": Shape({"switches": Number(64), "manager": Text(MAYBE), "active": Flag()}),
        "store": Shape({"disks": Many(Shape({"name": Text(PLAIN), "holds": Text(PLAIN)}), 64), "mounted": Text(PATH)}),
    },
    may=("vgpu", "k3s", "ours", "claim", "store", "recommended", "fabric"),
)


@dataclass(frozen=True)
class Card:
    """A card on the bus."""

    address: str
    id: str
    """Vendor and device: `10de:2786`."""
    driver: str
    """Who holds it; empty: nobody."""


@dataclass(frozen=True)
class Runtime:
    """The container runtime that the kubelet uses."""

    kind: str
    version: str
    config: str
    handlers: tuple[str, ...]
    unit: str = ""
    """The service of its distribution of Kubernetes, where that runs."""
    template: str = ""
    """One of somebody's own that hides what k3s and RKE2 find by themselves."""
    default: str = ""
    """Docker's default runtime, where Docker is what the kubelet uses."""


@dataclass(frozen=True)
class Ours:
    """What an earlier run of ours noted there."""

    driver: str = ""
    """What it decided and began to install: `distro 580 open`; or `keep`."""
    toolkit: str = ""
    """The version that it decided and began to install."""
    runtime: bool = False
    """Whether it wrote the handler."""
    join: str = ""
    """As what it joined the machine by a k3s of ours: `server` or `agent`."""

    @property
    def installs(self) -> bool:
        """Whether the driver is to come from us."""
        return bool(self.driver) and self.driver != "keep"


@dataclass(frozen=True)
class Store:
    """The instance store, where it was asked about."""

    disks: tuple[tuple[str, str], ...] = ()
    """Names, and what is on each: `blank`, `ours`, or something else."""
    mounted: str = ""
    """What lies where it belongs, and is not ours."""


@dataclass(frozen=True)
class Fabric:
    """The switches that join its cards, where there are any."""

    switches: int = 0
    manager: str = ""
    """Version of the fabric manager; empty: none."""
    active: bool = False


@dataclass(frozen=True)
class HostFacts:
    """What a host said of itself, all of it plain words."""

    machine_id: str
    boot_id: str
    hostname: str
    os: str
    """Distribution and version: `ubuntu-24.04`."""
    pretty: str
    arch: str
    kernel: str
    cards: tuple[Card, ...]
    loaded: str
    """Version of the nvidia module in the kernel; empty: none."""
    flavour: str
    nouveau: bool
    nova: bool
    driver_works: bool
    driver_version: str
    foreign: str
    packaged: bool
    """Whether packages of a driver are there that are not ours."""
    secure_boot: bool
    headers: bool
    next_kernel: str
    next_kernel_has_module: bool
    package_manager: str
    dpkg_broken: bool
    free_root: int
    free_boot: int
    runtime: Runtime
    toolkit: str
    immutable: bool
    wsl: bool
    tegra: bool
    vgpu: bool
    kubelet: bool
    k3s: str
    """What is there of k3s, whoever made it: its `program`, or only its `data`."""
    apt_lacks: tuple[str, ...]
    """Packages for this kernel that apt does not have, though it has the same for later ones."""
    ours: Ours
    store: Store
    recommended: str
    """The driver that ubuntu-drivers recommends, where it was asked: `nvidia-driver-580-server-open`."""
    fabric: Fabric


def read(given: Any) -> HostFacts | Refusal:
    """The facts of a host, from its answer as text or parsed; else one refusal that says what cannot be understood."""
    known = _parsed(given)
    faults = list(SHAPE.faults(known, ""))
    if not faults and known["format"] != FORMAT:
        faults = [f"format is {known['format']}, and {FORMAT} is understood"]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        return refusal("HST-63", f"what the host says of itself cannot be understood: {'; '.join(faults[:3])}{more}")
    return _facts(known)


def _parsed(given: Any) -> Any:
    """Of a text its last line is the answer."""
    if not isinstance(given, (str, bytes)):
        return given
    text = given if isinstance(given, str) else given.decode("utf-8", "replace")
    lines = text.strip().splitlines()
    try:
        return json.loads(lines[-1]) if lines else None
    except (ValueError, RecursionError):
        return text


def _facts(known: Mapping[str, Any]) -> HostFacts:
    os, modules, driver, runtime = known["os"], known["modules"], known["driver"], known["runtime"]
    return HostFacts(
        machine_id=known["machine_id"],
        boot_id=known["boot_id"],
        hostname=known["hostname"],
        os=f"{os['id']}-{os['version']}".rstrip("-"),
        pretty=os["pretty"].strip() or os["id"],
        arch=known["arch"],
        kernel=known["kernel"],
        cards=tuple(Card(one["address"], one["vendor_device"], one["driver"]) for one in known["cards"]),
        loaded=modules["nvidia"],
        flavour=modules["flavour"],
        nouveau=modules["nouveau"],
        nova=modules["nova"],
        driver_works=driver["works"],
        driver_version=driver["version"],
        foreign=driver["foreign"],
        packaged=driver.get("packaged", False),
        secure_boot=known["secure_boot"],
        headers=known["headers"],
        next_kernel=known["next_kernel"],
        next_kernel_has_module=known["next_kernel_has_module"],
        package_manager=known["package_manager"],
        dpkg_broken=known["dpkg_broken"],
        free_root=known["disk_free_mb"]["root"],
        free_boot=known["disk_free_mb"]["boot"],
        runtime=Runtime(**{**runtime, "handlers": tuple(runtime["handlers"])}),
        toolkit=known["toolkit"],
        immutable=known["immutable"],
        wsl=known["wsl"],
        tegra=known["tegra"],
        vgpu=known.get("vgpu", False),
        kubelet=known["kubelet"],
        k3s=known.get("k3s", ""),
        apt_lacks=tuple(known["apt_lacks"]),
        ours=Ours(**known.get("ours", {})),
        recommended=known.get("recommended", ""),
        fabric=Fabric(**known.get("fabric", {})),
        store=_store(known.get("store", {"disks": [], "mounted": ""})),
    )


def _store(known: Mapping[str, Any]) -> Store:
    return Store(tuple((one["name"], one["holds"]) for one in known["disks"]), known["mounted"])
