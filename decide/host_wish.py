"""What somebody wants of a host, read from plain values: the same for a stack file and for a program that calls us."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from decide import defaults, host_extras, host_join, host_run
from decide.catalog import BRANCHES, SUPPORTED
from decide.host_failures import Refusal, refusal
from decide.host_packages import is_below
from decide.wording import shown, strangers

SOURCES = ("auto", "distro", "ubuntuDrivers", "ppa", "cudaRepo", "run", "keep")
FLAVOURS = ("open", "proprietary")
REBOOTS = ("never", "ifNeeded")
STORES = ("none", "containers")
RUNTIMES = ("auto", "containerd")
OPERATORS = ("install", "external", "none")
RUNTIME_CLASSES = ("ours", "external", "none")
BRANCH = r"[1-9][0-9]{2}"
VERSION = rf"{BRANCH}(\.[0-9]{{1,3}}){{1,2}}"
TOOLKIT = r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}"
REPOSITORIES = ("cuda", "toolkit")
KEYS = {
    "": (
        "name",
        "driver",
        "toolkit",
        "reboot",
        "runtime",
        "repositories",
        "operator",
        "runtime_class",
        "instance_store",
        "join",
        "drain",
    ),
    "driver": ("source", "branch", "version", "flavour", "extras", *host_run.KEYS),
    "toolkit": ("version",),
    "join": host_join.KEYS,
    **{f"repositories.{name}": ("url", "key_url", "key_sha256") for name in REPOSITORIES},
}
"""What each section of a wish may say."""
URL = r"https?://[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~+-]{1,100}){0,20}/?"
"""Of nothing but plain letters: it goes into a list of apt, where a space or a bracket means something."""
CHECKSUM = r"[0-9a-f]{64}"


class Repository(NamedTuple):
    """Where packages come from instead of NVIDIA's own address."""

    url: str
    key_url: str
    key_sha256: str

    def values(self) -> dict[str, str]:
        """What the steps are told: flat, as NVIDIA's are."""
        return {"GR_REPO": f"{self.url.rstrip('/')}/ /", "GR_KEY_URL": self.key_url, "GR_KEY_SHA256": self.key_sha256}


@dataclass(frozen=True)
class HostWish:
    """A wish without faults; None: nothing was said."""

    name: str = "host"
    source: str = "auto"
    branch: int | None = None
    version: str | None = None
    flavour: str | None = None
    extras: tuple[str, ...] = ()
    """What comes with the driver."""
    url: str | None = None
    path: str | None = None
    """Where the .run file lies on the host itself."""
    sha256: str | None = None
    toolkit: str | None = None
    reboot: str = "never"
    runtime: str = "auto"
    repositories: tuple[tuple[str, Repository], ...] = ()
    operator: str = "install"
    """`none` where the device plugin comes alone; all that is not that is an operator."""
    runtime_class: str = ""
    """`none` where pods name no RuntimeClass."""
    join: host_join.Join | None = None
    """How it becomes a node, where it is none yet."""

    instance_store: str = "none"
    drain: bool = True
    """Whether the pods of its node are sent away before it goes down."""

    @property
    def uses_store(self) -> bool:
        """Whether its instance store is for what the container runtime keeps."""
        return self.instance_store == "containers"

    def mirrored(self, name: str, usual: Mapping[str, str]) -> dict[str, str]:
        """Where packages come from, and the key that has signed them: the mirror's, or the usual ones."""
        mirror = dict(self.repositories).get(name)
        return mirror.values() if mirror else dict(usual)

    def has_mirror(self, name: str) -> bool:
        """Whether the packages of that name come from elsewhere."""
        return name in dict(self.repositories)

    @property
    def wanted(self) -> str:
        """What the version of a driver has to begin with; empty: anything will do."""
        return self.version or (str(self.branch) if self.branch else "")

    def fits(self, version: str, flavour: str = "") -> bool:
        """Whether a driver is what was asked for."""
        asked = self.wanted
        is_it = not asked or version == asked or version.startswith(f"{asked}.")
        return is_it and (not self.flavour or not flavour or flavour == self.flavour)


def read_wish(given: Any) -> HostWish | tuple[Refusal, ...]:
    """The wish, or every fault in it."""
    if not isinstance(given, Mapping):
        return (_odd("the wish", given, "{driver: {branch: 580}}"),)
    driver, toolkit = given.get("driver"), given.get("toolkit")
    read = _Reading()
    known: dict[str, Any] = {
        "name": read.text(given, "name", r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "name: rtx"),
        "source": read.choice(driver, "driver.source", SOURCES),
        "branch": read.number(driver, "driver.branch", BRANCH, "branch: 580"),
        "version": read.text(driver, "driver.version", VERSION, "version: 580.173.02"),
        "flavour": read.choice(driver, "driver.flavour", FLAVOURS),
        "extras": read.extras(driver),
        "url": read.text(driver, "driver.url", URL, "url: https://mirror/NVIDIA-Linux-x86_64-580.178.04.run"),
        "path": read.text(driver, "driver.path", host_run.PATH, "path: /opt/NVIDIA-Linux-x86_64-580.178.04.run"),
        "sha256": read.text(driver, "driver.sha256", CHECKSUM, "sha256: that of sha256sum"),
        "toolkit": read.text(toolkit, "toolkit.version", TOOLKIT, "version: 1.20.0"),
        "reboot": read.choice(given, "reboot", REBOOTS),
        "runtime": read.choice(given, "runtime", RUNTIMES),
        "repositories": read.repositories(given),
        "operator": read.choice(given, "operator", OPERATORS),
        "runtime_class": read.choice(given, "runtime_class", RUNTIME_CLASSES),
        "join": read.join(given),
        "instance_store": read.choice(given, "instance_store", STORES),
        "drain": given.get("drain", True) is not False,
    }
    read.strangers("", given)
    read.strangers("driver", driver)
    read.strangers("toolkit", toolkit)
    wish = HostWish(**{key: value for key, value in known.items() if value is not None})
    return tuple(read.refusals) or _whole(wish)


def _whole(wish: HostWish) -> HostWish | tuple[Refusal, ...]:
    """The branch of a version need not be said, but must not be another one."""
    if not wish.version:
        return wish
    branch = int(wish.version.split(".")[0])
    if wish.branch not in (None, branch):
        problem = f"driver.branch is {wish.branch}, but driver.version {wish.version} is of branch {branch}"
        return (refusal("HST-84", problem, "leave branch out"),)
    return HostWish(**{**vars(wish), "branch": branch})


def faults(wish: HostWish) -> Iterator[tuple[str, str]]:
    """What is wrong with a wish that reads well, whatever the host is: the argument's path, and the problem."""
    if wish.source == "keep" and (wish.wanted or wish.flavour or wish.extras):
        yield "driver.source", "keep leaves the driver as it is: branch, version, flavour and extras have no effect"
    elif wish.branch and branch_problem(wish.branch):
        yield f"driver.{'version' if wish.version else 'branch'}", branch_problem(wish.branch)
    for key, problem, right in host_run.faults(vars(wish)):
        yield f"driver.{key}", f"{problem}. Right: {right}"
    if wish.toolkit and toolkit_problem(wish.toolkit):
        yield "toolkit.version", toolkit_problem(wish.toolkit)


def branch_problem(number: int) -> str:
    """What is wrong with a driver branch; nothing if it still gets fixes."""
    alive = " or ".join(str(one) for one in SUPPORTED)
    known = BRANCHES.get(number)
    if known and known.ended:
        return f"branch {number} ended {known.ended} and gets no more fixes: {alive} belongs here"
    return "" if known else f"{alive} belongs here, got {number}"


def toolkit_problem(version: str) -> str:
    """What is wrong with a version of the container toolkit; nothing if it keeps containers in."""
    floor = defaults.TOOLKIT_FLOOR
    return (
        f"{version} lets containers out (CVE-2025-23266): {floor} is the oldest that does not"
        if is_below(version, floor)
        else ""
    )


class _Reading:
    def __init__(self) -> None:
        self.refusals: list[Refusal] = []

    def text(self, section: Any, path: str, form: str, example: str) -> str | None:
        given = self._given(section, path)
        if given is None or (isinstance(given, str) and re.fullmatch(form, given)):
            return given
        self.refusals.append(_odd(path, given, example))
        return None

    def number(self, section: Any, path: str, form: str, example: str) -> int | None:
        given = self._given(section, path)
        whole = isinstance(given, (int, float)) and not isinstance(given, bool) and 0 <= given < 10**6
        found = self.text({"it": str(int(given)) if whole else given}, f"{path}/it", form, example)
        return int(found) if found else None

    def choice(self, section: Any, path: str, options: tuple[str, ...]) -> str | None:
        key = path.rpartition(".")[2]
        return self.text(section, path, "|".join(options), f"{key}: {options[0]}")

    def extras(self, driver: Any) -> tuple[str, ...] | None:
        """Those that are known."""
        given = self._given(driver, "driver.extras")
        if given is None or (isinstance(given, (list, tuple)) and all(one in host_extras.EXTRAS for one in given)):
            return None if given is None else tuple(given)
        self.refusals.append(_odd("driver.extras", given, f"extras: [{host_extras.FABRIC}]"))
        return None

    def repositories(self, given: Mapping[str, Any]) -> tuple[tuple[str, Repository], ...]:
        """Those that take the place of NVIDIA's."""
        known = given.get("repositories") or {}
        if not isinstance(known, Mapping) or set(known) - set(REPOSITORIES):
            self.refusals.append(_odd("repositories", known, "repositories: {toolkit: {url: http://mirror/toolkit}}"))
            return ()
        return tuple((name, self._repository(name, known[name])) for name in REPOSITORIES if known.get(name))

    def _repository(self, name: str, section: Any) -> Repository:
        forms = (("url", URL, "http://mirror/nvidia"), ("key_url", URL, "http://mirror/gpgkey"),
                 ("key_sha256", CHECKSUM, "that of sha256sum"))  # fmt: skip
        said = section if isinstance(section, Mapping) else {}
        self.strangers(f"repositories.{name}", said)
        # What is missing is no address: each of the three has to be there.
        found = [self.text({key: said.get(key, "")}, f"repositories.{name}.{key}", *rest) for key, *rest in forms]
        return Repository(*(one or "" for one in found))

    def join(self, given: Mapping[str, Any]) -> host_join.Join | None:
        """By which k3s it becomes a node."""
        said = given.get("join")
        if said is None:
            return None
        wrong = list(host_join.faults(said)) if isinstance(said, Mapping) else [("k3s", "server or agent belongs here")]
        self.refusals += [refusal("HST-84", f"join.{key} {problem}") for key, problem in wrong]
        self.strangers("join", said)
        return None if wrong else host_join.read(said)

    def strangers(self, path: str, section: Any) -> None:
        """A misspelt word would be a wish that is silently not met."""
        for key, problem in strangers(section, KEYS[path]) if isinstance(section, Mapping) else ():
            self.refusals.append(refusal("HST-84", f"{path}{'.' if path else ''}{key} {problem}"))

    def _given(self, section: Any, path: str) -> Any:
        """Nothing for what was left out; a section that is none is one fault."""
        if section is None or isinstance(section, Mapping):
            return (section or {}).get(re.split(r"[./]", path)[-1])
        fault = _odd(path.rpartition(".")[0], section, "driver: {branch: 580}")
        if fault not in self.refusals:
            self.refusals.append(fault)
        return None


def _odd(path: str, given: Any, example: str) -> Refusal:
    return refusal("HST-84", f"{path.partition('/')[0]} cannot be {shown(given)}", f"for example {example}")
