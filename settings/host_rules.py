"""Rules between the settings of hosts, each a function from a config to its faults."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from decide import host_run
from decide.host_login import place
from settings import host_join
from settings.faults import FIX, Fault
from settings.hosts import KEY, Host
from settings.kinds import BROKEN, camel
from settings.model import Config

Given = set[str]


def _hosts(config: Config) -> list[Host]:
    """The hosts, as far as they could be read."""
    hosts = config.bare_metal.hosts if config.bare_metal is not None else ()
    return [] if hosts is BROKEN else list(hosts)


def the_target_alone(config: Config, given: Given) -> Iterator[Fault]:
    """What a target does not know has no effect on it, and somebody believes that it has."""
    if config.target != "bareMetal":
        return
    for key in ("nodes", "nodeSelector"):
        if f"cluster.{key}" in given:
            problem = "has no effect with target bareMetal: the hosts are the nodes, each found by its machine-id"
            yield Fault(
                f"cluster.{key}", problem, f"leave {key} out; bareMetal.hosts: [{{nodeName: ...}}] names one", FIX
            )


def some_host(config: Config, _: Given) -> Iterator[Fault]:
    """At least one, be it given up: what up forgets, destroy has to find forgotten."""
    if config.bare_metal is None or config.bare_metal.hosts is BROKEN:
        return
    if not _hosts(config):
        problem = "names no host; the last one goes with the stack: pulumi destroy"
        yield Fault("bareMetal.hosts", problem, "hosts: [{name: rtx, address: ..., hostKey: ...}]")


def each_host_once(config: Config, _: Given) -> Iterator[Fault]:
    """Two entries for one host would do everything twice, at once."""
    hosts = list(enumerate(_hosts(config)))
    for what, key in (("name", "name"), ("node", "nodeName"), ("address and port", "address")):
        yield from _twice(what, key, [(index, _mark(host, key)) for index, host in hosts])


def _mark(host: Host, key: str) -> Any:
    """What no two hosts may share; nothing where it was not said or could not be read."""
    if key == "address":
        there = (host.address, host.port)
        return None if BROKEN in there or host.address is None else place(host.address, host.port)
    mark = host.name if key == "name" else host.node_name
    return None if mark is BROKEN else mark


def _twice(what: str, key: str, marks: list[tuple[int, Any]]) -> Iterator[Fault]:
    count = Counter(mark for _, mark in marks if mark is not None)
    seen: set[Any] = set()
    for index, mark in marks:
        if mark in seen:
            problem = f"{mark} is the {what} of another host already"
            yield Fault(
                f"bareMetal.hosts[{index}].{key}", problem, f"take one of them out, or give it its own {key}", FIX
            )
        if count[mark] > 1:
            seen.add(mark)


def drivers(config: Config, given: Given) -> Iterator[Fault]:
    """What a driver's settings say against each other; whether they fit the card is seen on the host."""
    for index, host in enumerate(_hosts(config)):
        driver, path = host.driver, f"bareMetal.hosts[{index}].driver"
        if driver is BROKEN or BROKEN in vars(driver).values():
            continue
        for key in ("branch", "version", "flavour", "extras"):
            if driver.source == "keep" and f"{path}.{key}" in given:
                problem = "has no effect on a driver that is kept (source: keep)"
                yield Fault(f"{path}.{key}", problem, f"leave {key} out, or source: auto", FIX)
        if driver.branch and driver.version and not driver.version.startswith(f"{driver.branch}."):
            problem = f"{driver.version} is not of branch {driver.branch}"
            yield Fault(f"{path}.version", problem, "leave branch out", FIX)
        for key, problem, right in host_run.faults(vars(driver)):
            yield Fault(f"{path}.{key}", problem, right, *(() if problem.startswith("is missing") else (FIX,)))


def passwords(config: Config, given: Given) -> Iterator[Fault]:
    """A sudo that asks for a password has to get one."""
    for index, host in enumerate(_hosts(config)):
        if BROKEN not in (host.user, host.sudo, host.state) and host.needs_password and "sshPassword" not in given:
            problem = "wants a password, and the secret sshPassword is not there"
            fix = "pulumi config set --secret gpu-ready:sshPassword; or let sudo ask for none: sudo: passwordless"
            yield Fault(f"bareMetal.hosts[{index}].sudo", problem, fix, FIX)


def where_it_is(config: Config, given: Given) -> Iterator[Fault]:
    """Of a host that is there address and key are told; of an instance they follow."""
    for index, host in enumerate(_hosts(config)):
        path = f"bareMetal.hosts[{index}]"
        for key, example in (("address", "address: rtx.home.arpa"), ("hostKey", f"hostKey: {KEY}")):
            if host.ec2 is None and f"{path}.{key}" not in given:
                yield Fault(f"{path}.{key}", "is missing", example)
        for key in ("address", "hostKey", "port", "user", "sudo"):
            if host.ec2 is not None and f"{path}.{key}" in given:
                yield Fault(f"{path}.{key}", "follows from the instance (ec2)", f"leave {key} out", FIX)


def instances(config: Config, given: Given) -> Iterator[Fault]:
    """What no instance can be; where they are made is said once for all of them."""
    hosts = _hosts(config)
    made = [(index, host.ec2) for index, host in enumerate(hosts) if host.ec2 is not None]
    common = config.bare_metal.ec2 if config.bare_metal is not None else None
    if common is BROKEN or any(one is BROKEN or BROKEN in vars(one).values() for _, one in made):
        return
    if made and common is None:
        example = (
            "ec2: {region: us-east-1, subnet: subnet-..., sshFrom: [203.0.113.7/32], publicKey: ssh-ed25519 AAAA...}"
        )
        yield Fault("bareMetal.ec2", "is missing: a host is to be made there", example)
    if common is None or BROKEN in list(vars(common).values()):
        return
    if not made:
        yield Fault("bareMetal.ec2", "has no effect: no host is an instance", "hosts: [{name: g5, ec2: g5.xlarge}]")
    from decide import aws_hosts  # what a stack does not use, its start shall not pay for

    wish = {**common.plain(), "hosts": [{"name": "", **one.plain()} for _, one in made]}
    for wrong in aws_hosts.faults(wish, "joinScript" in given):
        number, _, key = wrong.key.rpartition(".")
        where = f"hosts[{made[int(number)][0]}].ec2.{key}" if number else f"ec2.{camel(key)}"
        yield Fault(f"bareMetal.{where}", wrong.problem, wrong.fix, FIX)


def joins(config: Config, given: Given) -> Iterator[Fault]:
    """A script that nobody runs."""
    if "joinScript" in given and not any(host.ec2 is not None for host in _hosts(config)):
        problem = "has no effect: it is run on instances that this stack makes, and there are none"
        yield Fault("joinScript", problem, "pulumi config rm gpu-ready:joinScript", FIX)


def which_cluster(config: Config, given: Given) -> Iterator[Fault]:
    """One that is there is named; one that a host makes is not."""
    if config.target not in ("cluster", "bareMetal") or config.cluster is BROKEN or "cluster.context" in given:
        return
    hosts = _hosts(config)
    if any(host.join is not None and host.join.k3s in (BROKEN, "server") for host in hosts):
        return
    if "cluster" in given:
        yield Fault("cluster.context", "is missing", "context: home")
    else:
        yield Fault("cluster", "is missing", "cluster: {context: home}; or a host makes one: join: k3s")


def k3s(config: Config, given: Given) -> Iterator[Fault]:
    """What machines that become nodes say against each other."""
    if config.bare_metal is not None and BROKEN not in (config.bare_metal, config.bare_metal.hosts, config.cluster):
        yield from host_join.faults(config.bare_metal, given, "k3sToken" in given)


RULES = (
    which_cluster,
    k3s,
    where_it_is,
    instances,
    joins,
    the_target_alone,
    some_host,
    each_host_once,
    drivers,
    passwords,
)
