"""Arguments of a host that is reached over ssh: the faults that a program gets to hear of."""

from typing import Any

import pulumi
import pytest

from components.bare_metal import refuse_faults, told_apart
from lab.cluster.host_spec import made_up_key

HOST: dict[str, Any] = {"name": "rtx", "address": "192.0.2.10", "host_key": made_up_key("rtx")}


def refused(host: Any, has_password: bool = False) -> str:
    with pytest.raises(pulumi.InputPropertyError) as caught:
        refuse_faults("hosts[0]", host, has_password)
    return f"{caught.value.args[0]}: {caught.value.args[1]}"


class Later:
    """Known only when the program runs."""

    def __await__(self) -> Any:
        return iter(())


def test_all_faults_of_a_host_come_at_once() -> None:
    said = refused({**HOST, "name": "R T X", "port": -1, "state": "ofline", "host_key": 3})
    assert said.startswith("hosts[0].name: name: a short name")
    for part in ("port: a port from 1", "state: one of present, offline, abandoned", "hostKey: the public key"):
        assert part in said


def test_what_is_missing_is_named() -> None:
    assert "hosts[0].address: address: is missing" in refused({"name": "rtx", "host_key": HOST["host_key"]})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"toolkit_version": "latest"}, 'hosts[0].toolkitVersion: toolkitVersion: cannot be the text "latest"'),
        ({"driver": {"branch": "new"}}, 'hosts[0].driver: driver: driver.branch cannot be the text "new"'),
        ({"driver": {"branch": "580", "version": "595.71.05"}}, "hosts[0].driver: driver: driver.branch is 580, but "),
        ({"driver": {"branch": "535"}}, "hosts[0].driver: driver: driver.branch: branch 535 ended in June 2026"),
        (
            {"driver": {"branch": 600}},
            "hosts[0].driver: driver: driver.branch: 580 or 595 or 615 belongs here, got 600",
        ),
        ({"driver": {"version": "550.163.01"}}, "hosts[0].driver: driver: driver.version: branch 550 ended"),
        ({"driver": {"source": "keep", "branch": "580"}}, "hosts[0].driver: driver: driver.source: keep leaves"),
        ({"toolkit_version": "1.17.0"}, "hosts[0].toolkitVersion: toolkitVersion: 1.17.0 lets containers out"),
        ({"driver": "580"}, 'hosts[0].driver: driver: driver cannot be the text "580"'),
        ({"driver": ["580"]}, "hosts[0].driver: driver: driver cannot be a list"),
        (
            {"driver": {"brnch": "580"}},
            "hosts[0].driver: driver: driver.brnch is read by nobody, did you mean branch?",
        ),
        (
            {
                "repositories": {
                    "toolkit": {"url": "http://m/x", "key_url": "http://m/k", "key_sha256": "0" * 64, "keyurl": ""}
                }
            },
            "hosts[0].repositories: repositories: repositories.toolkit.keyurl is read by nobody, did you mean key_url?",
        ),
        (
            {"toolkit": {"version": "1.20.0"}},
            "hosts[0].toolkit: toolkit: is read by nobody, did you mean toolkit_version?",
        ),
        ({"reboot": "maybe"}, "hosts[0].reboot: reboot: one of never, ifNeeded belongs here"),
    ],
)
def test_a_wish_that_cannot_be_is_said_once_of_its_own_argument(more: Any, said: str) -> None:
    found = refused({**HOST, **more})
    assert found.startswith(said)
    assert "; " not in found


def test_a_misspelt_argument_is_named_with_the_right_one() -> None:
    said = refused({"name": "rtx", "adress": "rtx.home", "host_key": HOST["host_key"]})
    assert "hosts[0].address: address: is missing" in said
    assert "adress: is read by nobody, did you mean address?" in said


@pytest.mark.parametrize("host", ["rtx.home", None, ["rtx"], 3])
def test_what_is_no_host_at_all_is_refused(host: Any) -> None:
    assert "hosts[0]: a host with name, address and hostKey belongs here, got " in refused(host).replace(" on ", ": ")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({}, "more than one host is called rtx"),
        ({"name": "tesla"}, "more than one host is at 192.0.2.10 port 22"),
        ({"name": "tesla", "port": 22.0}, "more than one host is at 192.0.2.10 port 22"),
        ({"name": "tesla", "address": "RTX.home.arpa."}, ""),
        ({"name": "tesla", "port": 2222}, ""),
        ({"name": "tesla", "address": Later()}, ""),
        ({"name": "tesla", "address": "192.0.2.11", "node_name": "gpu-1"}, "more than one host is node gpu-1"),
    ],
)
def test_what_no_two_hosts_share(other: Any, said: str) -> None:
    hosts: list[Any] = [{**HOST, "node_name": "gpu-1"}, {**HOST, **other}]
    if not said:
        assert told_apart(hosts, has_password=False) == hosts
        return
    with pytest.raises(pulumi.InputPropertyError, match=said):
        told_apart(hosts, has_password=False)


def test_a_name_is_the_same_however_it_is_written() -> None:
    hosts: list[Any] = [{**HOST, "address": "RTX.home."}, {**HOST, "name": "tesla", "address": "rtx.home"}]
    with pytest.raises(pulumi.InputPropertyError, match=r"at rtx\.home port 22"):
        told_apart(hosts, has_password=False)


@pytest.mark.parametrize("port", [22, 22.0, 65535])
@pytest.mark.parametrize("address", ["rtx", "rtx.home.arpa", "fd00::1", "192.0.2.10", Later()])
def test_what_is_right_or_not_known_yet_is_not_refused(port: Any, address: Any) -> None:
    refuse_faults("hosts[0]", {**HOST, "port": port, "address": address}, has_password=False)  # type: ignore[typeddict-item]


@pytest.mark.parametrize("port", [0, 22.5, "22", True, None])
def test_what_is_no_port_is_refused(port: Any) -> None:
    assert "port: a port from 1 to 65535" in refused({**HOST, "port": port})


@pytest.mark.parametrize(
    ("more", "has_password", "fine"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"state": "offline"}, False, True),
        ({"state": "abandoned"}, False, True),
        ({"user": "root"}, False, True),
    ],
)
def test_a_sudo_that_asks_needs_an_answer_from_a_host_that_is_there(
    more: dict[str, Any], has_password: bool, fine: bool
) -> None:
    host: Any = {**HOST, "user": "ubuntu", "sudo": "password", **more}
    if fine:
        refuse_faults("hosts[0]", host, has_password)
    else:
        assert "hosts[0].sudo: sudo: wants a password" in refused(host, has_password)
