"""Settings of hosts: what is read, what is refused and in which words, and what the program gets of them."""

from __future__ import annotations

import base64
import copy
import json
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

import settings
from decide import defaults
from decide.host_wish import HostWish, read_wish
from decide.ownership import Owner
from settings.host_kinds import HostKey
from settings.hosts import KEY
from settings.kinds import Place, Reading
from tests.effort import examples

HOST: dict[str, Any] = {"name": "rtx", "address": "192.0.2.10", "hostKey": KEY}
RIGHT: dict[str, Any] = {"target": "bareMetal", "cluster": {"context": "home"}, "bareMetal": {"hosts": [HOST]}}


def config(*hosts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The right config with other hosts, or with other values beside them (`bareMetal__reboot`)."""
    raw = copy.deepcopy(RIGHT)
    if hosts:
        raw["bareMetal"]["hosts"] = list(hosts)
    for path, value in changes.items():
        *above, last = path.split("__")
        at = raw
        for key in above:
            at = at.setdefault(key, {})
        at[last] = value
    return raw


def host(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**HOST, **changes}.items() if value is not None}


def other(**changes: Any) -> dict[str, Any]:
    return host(**{"name": "tesla", "address": "192.0.2.11", **changes})


def faults_of(raw: Any, secret_keys: tuple[str, ...] = ()) -> dict[str, str]:
    with pytest.raises(settings.SettingsError) as caught:
        settings.parse(raw, secret_keys)
    assert len(str(caught.value).splitlines()) == len(caught.value.faults) + 1
    return {fault.path: str(fault) for fault in caught.value.faults}


def wired(kind: str, *fields: bytes) -> str:
    """A public key as ssh writes it."""
    data = b"".join(len(one).to_bytes(4, "big") + one for one in (kind.encode(), *fields))
    return f"{kind} {base64.b64encode(data).decode()}"


RSA = wired("ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\xc1" * 256)
ECDSA = wired("ecdsa-sha2-nistp256", b"nistp256", b"\x04" + b"x" * 64)

# What is read --------------------------------------------------------------------------------------------------------


def test_a_host_gets_all_defaults() -> None:
    (only,) = settings.parse(RIGHT).hosts_args()

    assert only == {
        "name": "rtx",
        "address": "192.0.2.10",
        "port": 22,
        "user": "root",
        "host_key": KEY,
        "sudo": "passwordless",
        "state": "present",
        "look": 1,
        "node_name": None,
        "wish": {
            "name": "rtx",
            "driver": {"source": "auto"},
            "toolkit": {"version": None},
            "reboot": "never",
            "runtime": "auto",
        },
        "reboot": "never",
        "reboot_timeout_seconds": 1800,
    }


def test_what_was_said_of_a_host_reaches_its_plan() -> None:
    said = host(
        user="ubuntu",
        port="2222",
        reboot="ifNeeded",
        nodeName="gpu-1",
        state="offline",
        driver={"branch": "595", "flavour": "open"},
        toolkit={"version": "1.20.0"},
    )
    (only,) = settings.parse(config(said, other(), bareMetal__rebootTimeoutSeconds=600)).hosts_args()[:1]

    assert (only["port"], only["user"], only["state"], only["node_name"]) == (2222, "ubuntu", "offline", "gpu-1")
    assert (only["reboot"], only["reboot_timeout_seconds"]) == ("ifNeeded", 600)
    assert read_wish(only["wish"]) == HostWish(
        name="rtx", branch=595, flavour="open", toolkit="1.20.0", reboot="ifNeeded"
    )


def test_consent_to_a_reboot_is_given_for_all_or_for_one() -> None:
    wish = settings.parse(config(host(), other(reboot="never"), bareMetal__reboot="ifNeeded"))

    assert [one["wish"]["reboot"] for one in wish.hosts_args()] == ["ifNeeded", "never"]


def test_the_components_get_what_they_declare_and_nothing_that_was_not_said() -> None:
    wish = settings.parse(config(host(driver={"branch": 580}, toolkit={"version": "1.20.0"})))
    args = wish.nodes_args()

    assert set(args) >= {"context", "kubeconfig", "gpu", "hosts", "validation_namespace"}
    assert {"nodes", "node_selector"}.isdisjoint(args)
    assert args["hosts"][0]["driver"] == {"source": "auto", "branch": "580"}
    assert args["hosts"][0]["toolkit_version"] == "1.20.0"
    assert "node_name" not in args["hosts"][0]
    assert args["gpu"]["driver"] == args["gpu"]["toolkit"] == "preinstalled"
    assert (
        wish.validation_args(
            SimpleNamespace(**vars(wish.cluster), node_of_host={}, made={}, away={}),
            SimpleNamespace(operator_revision="1"),
        )["nodes"]
        == []
    )
    json.dumps(args)


def test_without_validation_its_namespace_is_nobodys_business() -> None:
    assert "validation_namespace" not in settings.parse(config(validation__enabled=False)).nodes_args()


def test_beside_an_external_operator_the_hosts_are_still_ours() -> None:
    wish = settings.parse(config(gpu={"operator": "external"}, validation={"enabled": False}))

    assert wish.ownership.driver.owner is Owner.HOST
    assert wish.ownership.plugin.owner is Owner.EXTERNAL
    assert "driver" not in wish.nodes_args()["gpu"]


def test_target_cluster_knows_no_hosts() -> None:
    wish = settings.parse({"target": "cluster", "cluster": {"context": "c", "nodes": ["a"]}, "bareMetal": "{}"})

    assert wish.hosts_args() == []
    usual = {"context", "kubeconfig", "gpu", "nodes", "node_selector", "validation_namespace"}
    assert set(wish.nodes_args()) == usual


def test_a_sudo_that_wants_a_password_gets_it_from_the_secret_that_is_only_seen_to_be_there() -> None:
    wish = settings.parse(config(host(user="me", sudo="password"), sshPassword="S3CRET"), ["sshPassword"])

    assert wish.hosts_args()[0]["sudo"] == "password"
    assert "S3CRET" not in repr(wish)


@pytest.mark.parametrize("quiet", [{"user": "root"}, {"state": "offline"}, {"state": "abandoned"}])
def test_no_password_is_wanted_where_nobody_is_asked_for_one(quiet: dict[str, Any]) -> None:
    settings.parse(config(host(**{"user": "me", "sudo": "password", **quiet}), other()))


@pytest.mark.parametrize("key", [KEY, RSA, ECDSA, f"{KEY} root@rtx", f"  {KEY}\n"])
def test_a_host_key_is_read_without_its_comment(key: str) -> None:
    read = settings.parse(config(host(hostKey=key))).hosts_args()[0]["host_key"]

    assert read == " ".join(key.split()[:2])


@pytest.mark.parametrize("address", ["rtx", "rtx.home.arpa", "192.0.2.10", "2001:db8::10", "RTX.example.", "10-0-0-1"])
def test_names_and_addresses_are_both_fine(address: str) -> None:
    assert settings.parse(config(host(address=address))).hosts_args()[0]["address"] == address


def test_the_last_host_can_be_given_up() -> None:
    assert "pulumi destroy -s demo\n" in settings.parse(config(host(state="abandoned"))).destroy_hint("demo")


def test_one_machine_may_be_reached_at_two_ports() -> None:
    wish = settings.parse(config(host(port=2201), other(address="192.0.2.10", port=2202)))
    assert [one["port"] for one in wish.hosts_args()] == [2201, 2202]


# What is refused -----------------------------------------------------------------------------------------------------

AT = "bareMetal.hosts[0]"
WRONG: list[tuple[str, dict[str, Any], str, tuple[str, ...]]] = [
    (
        "no hosts",
        config(bareMetal={"hosts": []}),
        "bareMetal.hosts",
        ("names no host", "pulumi destroy", "Example: hosts:"),
    ),
    ("hosts missing", config(bareMetal={"reboot": "never"}), "bareMetal.hosts", ("is missing",)),
    ("nothing of bareMetal", config(bareMetal={}), "bareMetal", ("is missing", "hosts: [{name: rtx")),
    ("hosts as object", config(bareMetal={"hosts": HOST}), "bareMetal.hosts", ("a list belongs here, got an object",)),
    ("host as text", config(bareMetal={"hosts": ["rtx"]}), AT, ("an object belongs here",)),
    ("no cluster", config(cluster={}), "cluster", ("is missing",)),
    ("nodes", config(cluster__nodes=["a"]), "cluster.nodes", ("the hosts are the nodes", "leave nodes out")),
    ("selector", config(cluster__nodeSelector={"a": "b"}), "cluster.nodeSelector", ("leave nodeSelector out",)),
    ("gke too", config(gke={"zone": "a"}), "gke", ("belongs to target gke, but target is bareMetal",)),
    (
        "hosts of a cluster",
        {"target": "cluster", "cluster": {"context": "c", "nodes": ["a"]}, "bareMetal": {"hosts": [{"junk": 1}]}},
        "bareMetal",
        ("belongs to target bareMetal, but target is cluster", "leave bareMetal out"),
    ),
    ("misspelt key", config(bareMetal__rebot="never"), "bareMetal.rebot", ("did you mean reboot?",)),
    ("no name", config(host(name=None)), f"{AT}.name", ("is missing", "name: rtx")),
    ("odd name", config(host(name="RTX 1")), f"{AT}.name", ("a short name", '"RTX 1"')),
    ("long name", config(host(name="r" * 33)), f"{AT}.name", ("at most 32 characters",)),
    ("no address", config(host(address=None)), f"{AT}.address", ("is missing", "address: rtx.home.arpa")),
    ("odd address", config(host(address="rtx home")), f"{AT}.address", ("a host name or an address",)),
    ("half an address", config(host(address="192.0.2")), f"{AT}.address", ("a host name or an address",)),
    ("number as address", config(host(address=7)), f"{AT}.address", ("got 7",)),
    ("option as address", config(host(address="-oProxyCommand=x")), f"{AT}.address", ("a host name or an address",)),
    ("zone in address", config(host(address="fe80::1%eth0")), f"{AT}.address", ("a host name or an address",)),
    ("user in address", config(host(address="me@rtx")), f"{AT}.address", ("the user stands apart", "user: me")),
    ("port in address", config(host(address="rtx:2222")), f"{AT}.address", ("the port stands apart", "port: 2222")),
    ("port zero", config(host(port=0)), f"{AT}.port", ("from 1 to 65535", "got 0")),
    ("port too high", config(host(port=65536)), f"{AT}.port", ("got 65536",)),
    ("port as word", config(host(port="ssh")), f"{AT}.port", ("a whole number",)),
    ("odd user", config(host(user="a b")), f"{AT}.user", ("the name of a user",)),
    ("odd sudo", config(host(sudo="yes")), f"{AT}.sudo", ("passwordless or password",)),
    ("odd state", config(host(state="ofline")), f"{AT}.state", ("did you mean offline?",)),
    ("odd reboot", config(host(reboot="always")), f"{AT}.reboot", ("never or ifNeeded",)),
    ("reboot as flag", config(bareMetal__reboot=True), "bareMetal.reboot", ("got true",)),
    ("short patience", config(bareMetal__rebootTimeoutSeconds=5), "bareMetal.rebootTimeoutSeconds", ("from 60 to",)),
    ("no key", config(host(hostKey=None)), f"{AT}.hostKey", ("is missing",)),
    ("key as number", config(host(hostKey=1)), f"{AT}.hostKey", ("the public key of the host", "got 1")),
    ("empty key", config(host(hostKey="")), f"{AT}.hostKey", ("a public host key belongs here", "ssh-keyscan")),
    ("fingerprint", config(host(hostKey="SHA256:abc")), f"{AT}.hostKey", ("the fingerprint of a key",)),
    (
        "certificate",
        config(host(hostKey="ssh-ed25519-cert-v01@openssh.com AAAA")),
        f"{AT}.hostKey",
        ("this is a certificate",),
    ),
    ("DSA", config(host(hostKey=wired("ssh-dss", b"1"))), f"{AT}.hostKey", ("DSA keys are not accepted",)),
    ("placeholder", config(host(hostKey="ssh-ed25519 REPLACE-ME")), f"{AT}.hostKey", ("the placeholder",)),
    ("known_hosts line", config(host(hostKey=f"rtx {KEY}")), f"{AT}.hostKey", ("the address in front",)),
    ("cut key", config(host(hostKey=KEY[:-8])), f"{AT}.hostKey", ("a public host key belongs here",)),
    ("short key", config(host(hostKey=wired("ssh-ed25519", b"x" * 31))), f"{AT}.hostKey", ("a public host key",)),
    ("other kind inside", config(host(hostKey="ssh-rsa " + KEY.split()[1])), f"{AT}.hostKey", ("a public host key",)),
    (
        "short RSA",
        config(host(hostKey=wired("ssh-rsa", b"\x03", b"\x7f" * 128))),
        f"{AT}.hostKey",
        ("a public host key",),
    ),
    ("unknown curve", config(host(hostKey=wired("ecdsa-sha2-x", b"x", b"y"))), f"{AT}.hostKey", ("a public host key",)),
    ("not base64", config(host(hostKey="ssh-ed25519 ???")), f"{AT}.hostKey", ("a public host key",)),
    ("dead branch", config(host(driver={"branch": 535})), f"{AT}.driver.branch", ("ended in June 2026", "580 or 595")),
    ("unknown branch", config(host(driver={"branch": "600"})), f"{AT}.driver.branch", ("580 or 595 or 615", "got 600")),
    ("branch as word", config(host(driver={"branch": "lts"})), f"{AT}.driver.branch", ('got the text "lts"',)),
    ("branch as flag", config(host(driver={"branch": True})), f"{AT}.driver.branch", ("got true",)),
    ("dead version", config(host(driver={"version": "550.163.01"})), f"{AT}.driver.version", ("branch 550 ended",)),
    ("half a version", config(host(driver={"version": "580"})), f"{AT}.driver.version", ("an exact driver version",)),
    (
        "branch against version",
        config(host(driver={"branch": 595, "version": "580.173.02"})),
        f"{AT}.driver.version",
        ("580.173.02 is not of branch 595", "leave branch out"),
    ),
    ("odd flavour", config(host(driver={"flavour": "opn"})), f"{AT}.driver.flavour", ("did you mean open?",)),
    ("odd source", config(host(driver={"source": "apt"})), f"{AT}.driver.source", ("auto or distro",)),
    (
        "kept and moved",
        config(host(driver={"source": "keep", "branch": 580})),
        f"{AT}.driver.branch",
        ("has no effect on a driver that is kept",),
    ),
    ("old toolkit", config(host(toolkit={"version": "1.17.7"})), f"{AT}.toolkit.version", ("lets containers out",)),
    ("odd toolkit", config(host(toolkit={"version": "latest"})), f"{AT}.toolkit.version", ("an exact version",)),
    ("name twice", config(host(), other(name="rtx")), "bareMetal.hosts[1].name", ("rtx is the name of another",)),
    (
        "address twice",
        config(host(address="RTX.home"), other(address="rtx.home.")),
        "bareMetal.hosts[1].address",
        ("rtx.home port 22 is the address and port of another host",),
    ),
    (
        "one node for two",
        config(host(nodeName="gpu-1"), other(nodeName="gpu-1")),
        "bareMetal.hosts[1].nodeName",
        ("gpu-1 is the node of another host",),
    ),
    (
        "no password for sudo",
        config(host(user="me", sudo="password")),
        f"{AT}.sudo",
        ("the secret sshPassword is not there", "pulumi config set --secret"),
    ),
    ("driver of the operator", config(gpu={"driver": "operator"}), "gpu.driver", ("has no effect on hosts",)),
    ("toolkit elsewhere", config(gpu={"toolkit": "preinstalled"}), "gpu.toolkit", ("bareMetal.hosts: [{toolkit",)),
    (
        "driver in the chart",
        config(gpu={"operator": {"mode": "install", "values": {"driver": {"enabled": True}}}}),
        "gpu.operator.values.driver.enabled",
        ("one owner", "Fix: leave it out; the hosts have it: bareMetal.hosts"),
    ),
    (
        "driver container in the chart",
        config(gpu={"operator": {"mode": "install", "values": {"driver": {"version": "580"}}}}),
        "gpu.operator.values.driver.version",
        ("belongs to: host", "the hosts have it"),
    ),
]


@pytest.mark.parametrize(("raw", "path", "words"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_is_said_with_its_path_and_what_is_right(
    raw: dict[str, Any], path: str, words: tuple[str, ...]
) -> None:
    found = faults_of(raw)

    assert list(found) == [path]
    assert "Example: " in found[path] or "Fix: " in found[path]
    assert [word for word in words if word not in found[path]] == []


def test_each_of_three_equal_names_but_the_first_is_named() -> None:
    three = [host(address=f"192.0.2.{n}") for n in range(3)]

    assert set(faults_of(config(*three))) == {"bareMetal.hosts[1].name", "bareMetal.hosts[2].name"}


def test_all_faults_of_all_hosts_come_at_once() -> None:
    found = faults_of(config(host(port=0, hostKey="x"), other(driver={"branch": 535}), {"name": "c"}))

    assert set(found) == {
        "bareMetal.hosts[0].port",
        "bareMetal.hosts[0].hostKey",
        "bareMetal.hosts[1].driver.branch",
        "bareMetal.hosts[2].address",
        "bareMetal.hosts[2].hostKey",
    }


def test_a_private_key_is_refused_and_not_repeated() -> None:
    begin = "-----BEGIN OPENSSH PRIVATE " + "KEY-----"
    line = faults_of(config(host(hostKey=f"{begin}\nTOP-SECRET")))[f"{AT}.hostKey"]

    assert "this is a private key" in line
    assert "TOP-SECRET" not in line


@pytest.mark.parametrize("key", ["sshPrivateKey", "sshPassword"])
def test_a_secret_in_clear_is_refused_and_not_repeated(key: str) -> None:
    line = faults_of(config(**{key: "TOP-SECRET"}))[key]

    assert "pulumi config set --secret" in line
    assert "TOP-SECRET" not in line


def test_the_example_key_has_the_form_of_a_key_and_is_the_key_of_nobody() -> None:
    assert b"not a real key" in base64.b64decode(KEY.split()[1])


# Whatever comes ------------------------------------------------------------------------------------------------------

words = st.sampled_from(["rtx", "580", "never", "password", "root", KEY, "192.0.2.1", "", "{}", "\u00fc", "\x00"])
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(words | st.sampled_from(["name", "driver"]), inner, max_size=3)
    ),
    max_leaves=6,
)
PLACES = [
    ("bareMetal",),
    ("bareMetal", "hosts"),
    ("bareMetal", "reboot"),
    *(("bareMetal", "hosts", 0, key) for key in ("name", "address", "hostKey", "port", "user", "sudo", "state")),
    *(("bareMetal", "hosts", 0, key) for key in ("reboot", "nodeName", "driver", "toolkit")),
    *(("bareMetal", "hosts", 0, "driver", key) for key in ("branch", "version", "source")),
]


@hypothesis.settings(max_examples=examples(150), deadline=None)
@hypothesis.given(st.sampled_from(PLACES), junk)
def test_junk_in_one_place_of_a_right_config_is_refused_in_words(place: tuple[Any, ...], value: Any) -> None:
    raw = config(host(driver={}, toolkit={}))
    at: Any = raw
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    refused: settings.SettingsError | None = None
    try:
        wish = settings.parse(raw)
        json.dumps([wish.nodes_args(), wish.hosts_args()])
        assert all(isinstance(read_wish(one["wish"]), HostWish) for one in wish.hosts_args())
    except settings.SettingsError as error:
        refused = error
    if refused is not None:
        assert all(fault.path and fault.problem and fault.right for fault in refused.faults)
        assert len(str(refused).encode("utf-8", "strict").splitlines()) == len(refused.faults) + 1


@hypothesis.settings(max_examples=examples(80), deadline=None)
@hypothesis.given(st.binary(max_size=60), st.sampled_from(["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"]))
def test_no_bytes_in_a_key_raise_an_exception(data: bytes, kind: str) -> None:
    reading = Reading()
    HostKey().read(f"{kind} {base64.b64encode(data).decode()}", Place("hostKey", "", reading))
    assert len(reading.faults) == 1


def test_the_default_pins_are_the_ones_of_the_defaults() -> None:
    assert settings.parse(RIGHT).hosts_args()[0]["reboot_timeout_seconds"] == defaults.REBOOT_TIMEOUT_SECONDS


@pytest.mark.parametrize("secret", ["two\nlines", "at the end\n", "\thunter2", "", "GR_X='$(id)'", "GR_END"])
def test_a_password_that_is_no_line_is_refused_and_not_repeated(secret: str) -> None:
    raw = {"target": "cluster", "cluster": {"context": "x", "nodes": ["y"]}, "sshPassword": settings.veiled(secret)}
    found = faults_of(raw, ("sshPassword",))
    assert list(found) == ["sshPassword"]
    assert "not one line of printable characters" in found["sshPassword"]
    assert secret.strip() == "" or secret.strip() not in str(found)
    assert settings.veiled("a pass'word \u00e9") == ""


MIRROR = {"url": "http://mirror.lan:8080/nvidia", "keyUrl": "https://mirror.lan/nvidia/key.asc", "keySha256": "a" * 64}


def test_a_mirror_reaches_the_wish_of_each_host_and_the_components() -> None:
    wish = settings.parse(config(host(), other(), bareMetal__repositories={"toolkit": MIRROR}))
    told = {"toolkit": {"url": MIRROR["url"], "key_url": MIRROR["keyUrl"], "key_sha256": MIRROR["keySha256"]}}

    assert [one["wish"]["repositories"] for one in wish.hosts_args()] == [told, told]
    assert [one["repositories"] for one in wish.nodes_args()["hosts"]] == [told, told]
    assert isinstance(read_wish(wish.hosts_args()[0]["wish"]), HostWish)


def test_without_a_mirror_nothing_is_said_of_one() -> None:
    wish = settings.parse(config(host()))
    assert "repositories" not in wish.hosts_args()[0]["wish"]
    assert "repositories" not in wish.nodes_args()["hosts"][0]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("url", "ftp://mirror/nvidia", "an address with http:// or https://"),
        ("url", "http://mirror/nvidia stable main", "an address with http:// or https://"),
        ("url", "http://me:secret@mirror/nvidia", "a name and a password do not belong here"),
        ("keyUrl", "file:///etc/passwd", "an address with http:// or https://"),
        ("keyUrl", None, "is missing"),
        ("keySha256", "A" * 64, "a checksum of 64 small letters and digits"),
        ("keySha256", "a" * 63, "a checksum of 64 small letters and digits"),
    ],
)
def test_a_mirror_needs_address_key_and_checksum_each_in_its_form(key: str, value: Any, said: str) -> None:
    mirror = {name: one for name, one in {**MIRROR, key: value}.items() if one is not None}
    faults = faults_of(config(bareMetal__repositories={"cuda": mirror}))
    assert list(faults) == [f"bareMetal.repositories.cuda.{key}"]
    assert said in faults[f"bareMetal.repositories.cuda.{key}"]
    assert "secret" not in str(faults)
