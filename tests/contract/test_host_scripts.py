"""The scripts that run on hosts as root: their form, the texts that carry them, and what their record is good for."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import signal
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decide.host_failures import BY_ID, Refusal
from host import script
from host.facts import read
from tests.contract.shell_steps import HOST, small_root, step
from tests.effort import examples, long

SOURCES = sorted(HOST.glob("*.sh"))
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
SHELLCHECK = Path(sys.executable).with_name("shellcheck")
HASH = "0123456789abcdef"
FOLDER = ".gpu-ready-01234567"
SECRET = "pa'ss \\word$(id)é"
PACKAGES = "nvidia-container-toolkit=1.20.0-1 nvidia-container-toolkit-base=1.20.0-1 libnvidia-container1=1.20.0-1"
LONGEST = {
    "GR_REFUSALS": ["HST-64 driver: nouveau holds Tesla T4 at 0000:01:00.0, which takes a reboot, and reboot is never"]
    * 9,
    "GR_PACKAGES": PACKAGES,
    "GR_KEY_URL": "https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/cuda-keyring_1.1-1_all.deb",
    "GR_REPO": "https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/ /",
    "GR_KEY_SHA256": "0" * 64,
    "GR_MACHINE_ID": "0" * 32,
}


def run(
    shell: str, text: str, *args: str, root: Path | None = None, path: str = ""
) -> subprocess.CompletedProcess[str]:
    """Gives a text to a shell as the login shell of a host does."""
    command = [shell, "sh"] if shell == "busybox" else [shell]
    environment = {"PATH": f"{path}{os.defpath}", "GPU_READY_ROOT": str(root or ""), "HOME": str(root or "/")}
    environment["LANG"] = "C.UTF-8"  # as on most hosts: there tools quote with other characters
    return subprocess.run(
        [*command, "-s", *args], input=text, capture_output=True, text=True, check=False, env=environment
    )


def send(home: Path, data: bytes) -> Path:
    """What SFTP does, to where `run` has its home."""
    file = home / FOLDER / "bundle"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(data)
    return file


def composed(secret: str = SECRET) -> dict[str, str]:
    """A text of each step in each way to become root."""
    ways: dict[str, str | None] = {"root": None, "passwordless": None, "password": secret}
    texts = {
        f"{step} {way}": script.step_text(step, LONGEST, HASH, way, password)
        for step in script.steps()
        for way, password in ways.items()
    }
    texts["take root"] = script.TAKE.format(hash=HASH, checksum="0" * 64, end=script.END)
    tools = {f"tools {way}": script.tools_text({}, FOLDER, way, word) for way, word in ways.items()}
    return {**texts, **tools, "folder root": script.folder_text(FOLDER)}


# --- form -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shell != "busybox"])
def test_each_script_and_each_text_is_understood_by_the_shells_of_the_distributions(shell: str, tmp_path: Path) -> None:
    texts = {**{path.name: script.stripped(path.read_text()) for path in SOURCES}, **composed()}
    for name, text in texts.items():
        file = tmp_path / re.sub(r"\W", "-", name)
        file.write_text(text)
        said = subprocess.run([shell, "-n", str(file)], capture_output=True, text=True, check=False)
        assert (said.returncode, said.stderr) == (0, ""), name


@long
@pytest.mark.skipif(not SHELLCHECK.exists(), reason="shellcheck is not installed here: make setup")
def test_shellcheck_has_nothing_to_say_about_any_of_them(tmp_path: Path) -> None:
    files = []
    for name, text in composed("plain").items():
        if not name.startswith(("facts", "tools")) and not name.endswith(" root"):
            continue
        files.append(tmp_path / re.sub(r"\W", "-", name))
        files[-1].write_text(text)
    # In one call with the others lib.sh would be followed, ten times.
    library = HOST / "lib.sh"
    for those in ([library], [path for path in SOURCES if path != library] + files):
        command = [str(SHELLCHECK), "-s", "sh", "-e", "SC1091,SC2016", *map(str, those)]
        assert subprocess.run(command, cwd=HOST.parent, capture_output=True, text=True, check=False).stdout == ""


def test_each_refusal_carries_an_id_of_the_catalogue_and_its_layer() -> None:
    texts = [path.read_text() for path in SOURCES] + [*composed().values()]
    named = [pair for text in texts for pair in re.findall(r'(?:refuse|no) "([A-Z]+-\d+) ([a-z ]+)(?:"|: )', text)]
    assert len(named) > 40
    assert [(id, layer) for id, layer in named if BY_ID[id].layer != layer] == []


def test_no_file_of_the_host_is_named_without_its_root() -> None:
    """So that the same text runs on a host, in a rehearsal and in a test."""
    bare = re.compile(r'(?<![\w"}*/.:~-])/(?:etc|proc|sys|run|var|boot|lib|usr|tmp)\b[^ "\')]*')
    # These put the root before it, or say it to somebody.
    fine = re.compile(
        r"\b(?:refuse|say|place|exists|first_line|mentions|megabytes)\b|^ *\"|^(?:[a-z0-9]+\) )?[A-Z_]+=|^fix="
        r"|\b(?:list|key|config|socket|own)=/"
        r"|/etc/ld.so.conf.d|/usr/bin/nvidia-|signed-by=|/sbin:/sbin|:-/etc"
    )
    lines = [(path.name, line) for path in SOURCES for line in script.stripped(path.read_text()).splitlines()]
    assert [one for one in lines if bare.search(one[1]) and not fine.search(one[1])] == []
    assert bare.search("cat /etc/passwd")
    assert not bare.search('cat "$ROOT/etc/passwd"')


def test_only_ascii_goes_to_a_host() -> None:
    assert all(path.read_text(encoding="utf-8").isascii() for path in SOURCES)


# --- texts ------------------------------------------------------------------------------------------------------------


def test_a_step_is_shorter_than_three_kilobytes() -> None:
    assert {name: len(text) for name, text in composed().items() if len(text) > 3000} == {}


def test_the_packed_bundle_is_made_of_the_scripts_as_they_are_now() -> None:
    """Else each colleague would pack it for himself, and not all to the same bytes: python -m host.script packs it."""
    unpacked = gzip.decompress(script.PACKED.read_bytes()).decode()
    assert all(
        f"unpack {name} <<'{script.END}'\n{said}{script.END}\n" in unpacked
        for name, said in script.sources(HOST).items()
    )
    assert script.bundle().packed == script.PACKED.read_bytes()


def test_a_bundle_of_other_scripts_is_never_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bundle.gz").write_bytes(gzip.compress(b"echo other\n"))
    for packed in (tmp_path / "bundle.gz", tmp_path / "none.gz"):
        monkeypatch.setattr(script, "PACKED", packed)
        with pytest.raises(ValueError, match=r"Right: python -m host\.script"):
            script.bundle.__wrapped__()


def test_the_bundle_has_the_same_path_for_each_colleague_and_is_found_from_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(HOST.parent)
    assert script.packed_path() == "host/bundle.gz"
    (tmp_path / "host").symlink_to(HOST)
    monkeypatch.chdir(tmp_path)
    assert script.packed_path() == "host/bundle.gz"
    (tmp_path / "host").unlink()
    (tmp_path / "host").mkdir()
    (tmp_path / "host/bundle.gz").write_bytes(b"another one")
    assert script.packed_path() == str(HOST / "bundle.gz")


def test_the_hash_tells_each_name_and_each_content(tmp_path: Path) -> None:
    def hash_of(**files: str) -> str:
        folder = tmp_path / hashlib.sha256(repr(files).encode()).hexdigest()
        folder.mkdir()
        for name, text in files.items():
            (folder / f"{name}.sh").write_text(text)
        return script.digest(script.sources(folder))

    first = hash_of(a="echo 1\n", b="echo 2\n")
    assert first == hash_of(b="# a comment is for readers\n\n  echo 2\r\n", a="echo 1")
    assert (
        len({first, hash_of(a="echo 2\n", b="echo 1\n"), hash_of(a="echo 1\n"), hash_of(a="echo 1\n", c="echo 2\n")})
        == 4
    )


def test_texts_do_not_depend_on_the_order_of_values_or_on_where_they_are_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = script.step_text("driver", {"GR_A": "1", "GR_B": "2"}, HASH)
    monkeypatch.chdir(tmp_path)
    assert script.step_text("driver", {"GR_B": "2", "GR_A": "1"}, HASH) == here
    assert str(HOST.parent) not in here + script.tools_text({}, FOLDER)


def test_the_password_stands_in_one_place_and_only_where_it_is_needed() -> None:
    for name, text in composed().items():
        if name.endswith(" password"):
            assert text.count("pa'ss") == 1
            assert re.search(rf"<<'{script.END}'\n{re.escape(SECRET)}\n", text), "neither in an argument"
        else:
            assert "pa'" not in text


@pytest.mark.parametrize(
    ("way", "password"),
    [
        ("password", None), ("root", "x"), ("su", None), ("password", "a\nb"), ("password", ""),
        ("password", "GR_X='$(id)'"), ("password", script.END), ("password", "GR_X"),
    ],
)  # fmt: skip
def test_a_password_that_does_not_fit_the_way_or_a_line_is_refused(way: str, password: str | None) -> None:
    with pytest.raises(ValueError, match=r"the way to root|as one line") as refused:
        script.step_text("driver", {}, HASH, way, password)
    assert not password or password == "x" or password not in str(refused.value)


@pytest.mark.parametrize("name", ["PATH", "gr_x", "GR_", "GR_X=1;id", "GR_X\n", "GR_é", ""])
def test_a_name_that_is_none_of_ours_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a value"):
        script.step_text("driver", {name: "1"}, HASH)


@pytest.mark.parametrize(
    ("step", "hash_"), [("lib", HASH), ("../x", HASH), ("driver", "../../../tmp/evil"), ("driver", HASH.upper())]
)
def test_a_step_or_bundle_that_cannot_be_is_refused(step: str, hash_: str) -> None:
    with pytest.raises(ValueError, match=r"no step|no hash"):
        script.step_text(step, {}, hash_)


# --- values -----------------------------------------------------------------------------------------------------------

HOSTILE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Co", "Cn", "Zl", "Zp", "Cf")), max_size=60) | st.text(
    string.punctuation + " ;&|$`'\"\\\n\0"[:11] + "GR_A=", max_size=60
)
PROBE = """\
. "${0%/*}/lib.sh"
printf '<%s>\\n' "${GR_TEXT-}" "$GR_MANY" "${GR_MANY_1-}" "${GR_MANY_2-}" "${GR_YES-}" "${GR_NO-}"
"""


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root in which the step `facts` does nothing but show what arrived."""
    root = tmp_path_factory.mktemp("probe")
    bundle = root / "var/lib/gpu-ready" / HASH
    bundle.mkdir(parents=True)
    for part in ("lib.sh", "packages.sh", "apt.sh", "rpm.sh", "card.sh", "node.sh", "call.sh"):
        shutil.copy(HOST / part, bundle)
    (bundle / "facts.sh").write_text(PROBE)
    return root


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=HOSTILE, many=st.lists(HOSTILE, max_size=2), shell=st.sampled_from([one for one in SHELLS if one != "busybox"])
)
def test_any_value_arrives_as_it_was_or_is_refused(probe: Path, text: str, many: list[str], shell: str) -> None:
    values: dict[str, script.Value] = {"GR_TEXT": text, "GR_MANY": many, "GR_YES": True, "GR_NO": False}
    if not "".join([text, *many]).isprintable():
        with pytest.raises(ValueError, match="only printable"):
            script.step_text("facts", values, HASH)
        return
    said = run(shell, script.step_text("facts", values, HASH), "apply", root=probe)
    first, second = [*many, "", ""][:2]
    assert said.stdout == f"<{text}>\n<{len(many)}>\n<{first}>\n<{second}>\n<1>\n<>\n"
    assert (said.stderr, said.returncode) == ("", 0)


@pytest.mark.parametrize("text", ["a\nb", "a\0b", "\x1b[31m", "a\tb", "a\u2028b", "\udc80", "a\rb"])
def test_what_no_shell_or_engine_could_carry_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="only printable"):
        script.step_text("facts", {"GR_TEXT": text}, HASH)
    with pytest.raises(ValueError, match="only printable"):
        script.step_text("facts", {"GR_MANY": [text]}, HASH)


def test_half_a_text_does_nothing(probe: Path) -> None:
    lines = script.step_text("facts", {"GR_TEXT": "x", "GR_MANY": [], "GR_YES": "", "GR_NO": ""}, HASH).splitlines(
        keepends=True
    )
    assert run("sh", "".join(lines), "apply", root=probe).stdout
    for count in range(len(lines)):
        assert run("sh", "".join(lines[:count]), "apply", root=probe).stdout == "", lines[count - 1]


def test_a_password_that_sudo_did_not_want_is_not_taken_for_a_value(probe: Path, tmp_path: Path) -> None:
    (tmp_path / "sudo").write_text('#!/bin/sh\nshift 4\nexec "$@"\n')
    (tmp_path / "sudo").chmod(0o755)
    values: dict[str, script.Value] = {"GR_TEXT": "x", "GR_MANY": []}
    text = script.step_text("facts", values, HASH, "password", "touch gone; GR_TEXT=y")
    said = run("sh", text, "apply", root=probe, path=f"{tmp_path}:")
    assert said.stdout.startswith("<x>\n"), said


def test_a_host_that_lost_its_tools_says_so_but_has_nothing_to_take_back(tmp_path: Path) -> None:
    text = script.step_text("driver", {}, HASH)
    said = run("sh", text, "apply", root=tmp_path)
    assert (said.returncode, said.stderr) == (3, "HST-75\n"), "short, because each text stands in the state twice"
    assert run("sh", text, "remove", root=tmp_path).returncode == 0
    (tmp_path / "var/lib/gpu-ready/record").mkdir(parents=True)
    assert run("sh", text, "remove", root=tmp_path).returncode == 3


def test_whoever_may_not_become_root_gets_the_words_of_sudo_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "sudo").write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    (tmp_path / "sudo").chmod(0o755)
    (tmp_path / "tmp").mkdir()
    said = run("sh", script.look_text({}, "passwordless"), "apply", root=tmp_path, path=f"{tmp_path}:")
    assert said.returncode == 3
    first, second, third = said.stderr.splitlines()
    assert first == "sudo: a password is required"
    assert second.startswith("HST-1 access: ")
    assert third.startswith("fix: ")


# --- the record -------------------------------------------------------------------------------------------------------

LINE = "/etc/some/new/file.conf"


def tree(root: Path, *without: str) -> dict[str, tuple[int, str]]:
    """Everything below the root but for our own things and what lies in memory on a real host."""
    without = without or ("run", "tools", "bin", "var")
    shown = {}
    for path in sorted(root.rglob("*")):
        inside = str(path.relative_to(root))
        if not inside.startswith(without):
            shown[inside] = (path.stat().st_mode, path.read_text() if path.is_file() else "")
    return shown


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return small_root(tmp_path)


@pytest.mark.parametrize("path", [LINE, "/etc/own.conf"])
def test_a_file_of_ours_goes_and_what_stood_there_comes_back(root: Path, path: str) -> None:
    before = tree(root)
    for text in ("first", "second", "second"):
        said = step(root, f"echo {text} | place {path}")
        assert (said.returncode, said.stderr) == (0, "")
        assert (root / path[1:]).read_text() == f"{text}\n"
    assert oct((root / path[1:]).stat().st_mode)[-3:] == ("640" if "own" in path else "644")
    assert step(root, "take_back_files").stderr == ""
    assert tree(root) == before
    assert list((root / "var/lib/gpu-ready/record").iterdir()) == []


@pytest.mark.parametrize("path", [LINE, "/etc/own.conf"])
def test_what_somebody_edited_since_stays(root: Path, path: str) -> None:
    step(root, f"echo ours | place {path}")
    (root / path[1:]).write_text("edited\n")
    said = step(root, "take_back_files")
    assert "left in place, because somebody edited it" in said.stderr
    assert (root / path[1:]).read_text() == "edited\n"


def test_what_somebody_wrote_over_ours_is_what_comes_back(root: Path) -> None:
    step(root, "echo ours | place /etc/own.conf")
    (root / "etc/own.conf").write_text("theirs, and newer\n")
    step(root, "echo ours | place /etc/own.conf; take_back_files")
    assert (root / "etc/own.conf").read_text() == "theirs, and newer\n"


def test_a_file_that_somebody_took_away_is_not_brought_back(root: Path) -> None:
    step(root, "echo ours | place /etc/own.conf")
    (root / "etc/own.conf").unlink()
    assert step(root, "take_back_files").stderr == ""
    assert not (root / "etc/own.conf").exists()


KEEPING = "".join(
    f'{tool}() {{ command cp -a "$ROOT/." "$(mktemp -d "$ROOT-crash.XXXXXXXX")"; command {tool} "$@"; }}\n'
    for tool in ("cp", "mv", "mkdir", "rm", "rmdir")
)
"""What a kill before each change would leave is what lies there at that moment: one run gives all of them."""


@long
@pytest.mark.parametrize(
    ("path", "body", "after"),
    [
        (LINE, "echo ours | place PATH", "take_back_files"),
        ("/etc/own.conf", "echo ours | place PATH", "echo ours | place PATH; take_back_files"),
        (LINE, "take_back_files", "echo ours | place PATH; take_back_files"),
        ("/etc/own.conf", "take_back_files", "take_back_files"),
    ],
)
def test_killed_before_any_change_it_finds_its_way_back(root: Path, path: str, body: str, after: str) -> None:
    before = tree(root)
    if body.startswith("take"):
        step(root, f"echo ours | place {path}")
    assert step(root, KEEPING + body.replace("PATH", path)).returncode == 0
    kept = list(root.parent.glob("root-crash.*"))
    different = {str(tree(crash, "run", "tools")): crash for crash in kept}
    assert len(different) >= 3
    for crash in different.values():
        assert step(crash, after.replace("PATH", path)).returncode == 0
        assert tree(crash) == before
        assert record(crash) == []


def record(root: Path) -> list[str]:
    """Names of what is noted there."""
    folder = root / "var/lib/gpu-ready/record"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_another_machine_at_the_same_address_is_not_touched(root: Path) -> None:
    said = step(root, "echo reached", "apply")
    assert said.stdout == "reached\n"
    bundle = root / "tools/some.sh"
    environment = {"PATH": os.defpath, "GPU_READY_ROOT": str(root)}
    values = f"GR_MACHINE_ID='{'1' * 32}'\n"
    other = subprocess.run(
        ["sh", str(bundle), "apply"], input=values, capture_output=True, text=True, check=False, env=environment
    )
    assert (other.returncode, other.stdout) == (3, "")
    assert other.stderr.startswith("HST-70 access: ")


def test_two_runs_never_work_at_once(root: Path) -> None:
    """The second says who has the lock, and that it is worth another try."""
    said = step(root, "PATIENCE=0\nif (alone) 9>&-; then echo twice; fi")
    assert said.stdout == ""
    assert re.search(r"not yet: HST-72 .* process \d+, step some apply", said.stderr)
    assert said.returncode == 0, "the first goes on"


@long
def test_a_bundle_that_somebody_changed_is_not_run(root: Path) -> None:
    bundle = root / "var/lib/gpu-ready" / script.bundle().hash
    tools = script.tools_text({"GR_HOST": "a/b/rtx"}, FOLDER)
    send(root, script.bundle().packed)
    (root / "run").mkdir()
    installed = run("sh", tools, "apply", root=root)
    assert installed.returncode == 0, installed
    text = script.step_text("driver", {"GR_REFUSALS": ["HST-1 access: no"]}, script.bundle().hash)
    assert run("sh", text, "apply", root=root).stderr == "HST-1 access: no\n"
    with (bundle / "driver.sh").open("a") as file:
        file.write("echo changed\n")
    said = run("sh", text, "apply", root=root)
    assert (said.returncode, said.stderr.split(":")[0]) == (3, "HST-75 access")
    assert run("sh", tools, "apply", root=root).returncode == 0
    assert run("sh", text, "apply", root=root).stderr == "HST-1 access: no\n"


def take(root: Path, verb: str = "apply", way: str = "root", password: str | None = None) -> str:
    """The step tools, as what it says of itself; "" where it went well."""
    (root / "run").mkdir(exist_ok=True)
    text = script.tools_text({"GR_HOST": "a/b/rtx"}, FOLDER, way, password)
    said = run("sh", text, verb, root=root, path=f"{root}/bin:")
    return said.stderr if said.returncode else ""


@long
@pytest.mark.parametrize("sent", [None, b"", b"other", b"longer"])
def test_root_runs_nothing_of_what_was_sent_unless_it_is_the_bundle_of_this_release(
    root: Path, sent: bytes | None
) -> None:
    hostile = gzip.compress(f"echo >{root}/hostile\n".encode())
    if sent is not None:
        send(root, {b"other": hostile, b"longer": script.bundle().packed + hostile}.get(sent, sent))
    assert take(root) == "HST-75\n"
    assert {path.name for path in root.iterdir()} <= {FOLDER, "etc", "run"}
    assert [*(root / "run").iterdir()] == []
    assert take(root, "remove") == "", "there is nothing to take back"

    send(root, script.bundle().packed)
    assert take(root) == ""


FULL = """\
#!/bin/sh
[ "${PWD#*/run/gpu-ready.}" != "$PWD" ] || exec /bin/cat "$@"
echo "cat: write error: No space left on device" >&2
exit 1
"""


def test_a_full_run_is_not_taken_for_tools_that_somebody_changed(root: Path) -> None:
    send(root, script.bundle().packed)
    (root / "bin").mkdir()
    (root / "bin/cat").write_text(FULL)
    (root / "bin/cat").chmod(0o755)
    words = take(root).splitlines()
    assert words[0].startswith("cat: write error")
    assert words[1].startswith("HST-32 packages: ")
    assert words[2].startswith("fix: ")
    assert len(words) == 3
    assert [*(root / "run").iterdir()] == []


@long
def test_tools_that_lie_on_the_host_are_enough_until_they_are_changed_too(root: Path) -> None:
    file = send(root, script.bundle().packed)
    assert take(root) == ""
    file.unlink()
    home = root / "var/lib/gpu-ready" / script.bundle().hash
    shutil.rmtree(root / "var/lib/gpu-ready/record", ignore_errors=True)
    (home / "driver.sh").unlink()
    assert take(root, "again") == ""
    assert (home / "driver.sh").exists()
    (home / "bundle").write_bytes(b"other")
    assert take(root, "again") == take(root, "remove") == "HST-75\n"
    send(root, script.bundle().packed)
    assert take(root, "again") == ""
    assert (home / "bundle").read_bytes() == script.bundle().packed
    file.unlink()
    assert take(root, "remove") == ""
    assert not (root / "var/lib/gpu-ready").exists()


@long
def test_a_password_that_sudo_did_not_ask_for_is_no_part_of_what_was_sent(root: Path) -> None:
    send(root, script.bundle().packed)
    (root / "bin").mkdir()
    skips = "while case $1 in -*) ;; *) false ;; esac; do [ $1 != -p ] || shift; shift; done"
    (root / "bin/sudo").write_text(f'#!/bin/sh\n{skips}\n"$@"\n')
    (root / "bin/sudo").chmod(0o755)
    assert take(root, "apply", "password", "no=t a $(password)") == ""
    assert take(root, "again", "passwordless") == ""


def test_the_folder_is_nobody_elses_business_and_goes_with_all_that_is_in_it(root: Path) -> None:
    text, folder = script.folder_text(FOLDER), root / FOLDER
    assert run("sh", text, "apply", root=root).stderr == ""
    assert folder.stat().st_mode & 0o777 == 0o700
    send(root, b"tools")
    assert run("sh", text, "apply", root=root).returncode == run("sh", text, "remove", root=root).returncode == 0
    assert not folder.exists()
    folder.write_text("no folder")
    assert f"mkdir: cannot create directory '{FOLDER}'" in run("sh", text, "apply", root=root).stderr
    gone = run("sh", text.replace("cd ", "cd nowhere "), "remove", root=root)
    assert (gone.returncode, gone.stderr) == (0, ""), "a home that is gone holds up nobody"


def test_nothing_is_sent_to_a_machine_on_which_we_never_were(root: Path) -> None:
    text = script.folder_text(FOLDER, 2)
    said = run("sh", text, "again", root=root)
    assert (said.returncode, said.stderr, [*root.glob("*gpu-ready*")]) == (3, "HST-70\n", [])
    (root / "var/lib/gpu-ready").mkdir(parents=True)
    assert run("sh", text, "again", root=root).returncode == 0, "somebody cleaned the home"
    assert (root / FOLDER).is_dir()


def test_words_of_others_come_out_as_plain_ascii(root: Path) -> None:
    (root / "words").write_bytes(b"caf\xc3\xa9 \x1b[31m \xff\n")
    (root / "value").write_bytes(b'a"b\\c\xe9\x07')
    said = step(root, 'run cat "$ROOT/words"; last_words; quoted "$(cat "$ROOT/value")"; list_of <"$ROOT/value"')
    assert said.stderr == "caf [31m \n"
    assert said.stdout == r'"a\"b\\c"["a\"b\\c"]' + "\n"


# --- steps among stubs ------------------------------------------------------------------------------------------------

HOSTILE_BYTES = b'"}], "x": $(touch /tmp/pwned) `id` \\\\" \xff\xfe caf\xc3\xa9 \x1b[2J \\n\' ; rm -rf /\n'


def stub(root: Path, name: str, body: str) -> None:
    """A tool of the host that says what a test wants, and notes that it was called."""
    (root / "bin").mkdir(exist_ok=True)
    (root / "bin" / name).write_text(f'#!/bin/sh\necho "{name} $*" >>"{root}/calls"\n{body}\n')
    (root / "bin" / name).chmod(0o755)


def shipped(root: Path, name: str, *args: str, values: str = "") -> subprocess.CompletedProcess[str]:
    """Runs a step of the bundle as it lies there."""
    (root / "run").mkdir(exist_ok=True)
    environment = {"PATH": f"{root / 'bin'}:{os.defpath}", "GPU_READY_ROOT": str(root)}
    command = ["sh", str(HOST / f"{name}.sh"), *args]
    return subprocess.run(command, input=values, capture_output=True, text=True, check=False, env=environment)


def card(root: Path) -> None:
    """A card on the bus of a host."""
    device = root / "sys/bus/pci/devices/0000:01:00.0"
    device.mkdir(parents=True)
    for name, text in {"vendor": "0x10de", "device": "0x2786", "class": "0x030000"}.items():
        (device / name).write_text(text + "\n")


def test_facts_of_a_hostile_host_are_one_line_of_plain_json(root: Path) -> None:
    card(root)
    (root / "hostile").write_bytes(HOSTILE_BYTES * 3)
    for name in (
        "dpkg-query",
        "dpkg",
        "apt-cache",
        "apt-mark",
        "systemctl",
        "nvidia-smi",
        "modinfo",
        "nvidia-ctk",
        "containerd",
        "uname",
        "df",
    ):
        stub(root, name, f'cat "{root}/hostile"')
    for name in (
        "etc/os-release",
        "etc/machine-id",
        "proc/sys/kernel/random/boot_id",
        "sys/module/nvidia/version",
        "etc/hostname",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"ID=" + HOSTILE_BYTES)
    said = shipped(root, "facts", "apply", values="GR_BRANCHES='580'\n")
    assert said.stdout.count("\n") == 1
    assert said.stdout.isascii()
    known = json.loads(said.stdout)
    assert known["os"]["id"].startswith("}], x: $(touch /tmp/pwned) `id` ")
    assert isinstance(read(said.stdout), Refusal)
    assert not Path("/tmp/pwned").exists()


def ours(root: Path) -> dict[str, str]:
    """What a look finds to be ours."""
    (root / "proc/sys/kernel/random").mkdir(parents=True)
    (root / "proc/sys/kernel/random/boot_id").write_text("1111\n")
    for name in ("dpkg-query", "apt-cache", "apt-mark", "dpkg"):
        stub(root, name, "")
    found: dict[str, str] = json.loads(shipped(root, "facts", "apply").stdout)["ours"]
    return found


@long
@pytest.mark.parametrize(
    ("decided", "packages", "seen"),
    [
        ("distro 580 open", None, ""),
        ("cudaRepo 580 open", "cuda-keyring nvidia-driver-pinning-580 linux-headers-amd64", ""),
        ("cudaRepo 580 open", "cuda-keyring nvidia-kernel-open-dkms", "cudaRepo 580 open"),
        ("distro 580 open", "linux-modules-nvidia-580-server-open-generic", "distro 580 open"),
        ("keep", None, "keep"),
    ],
)
def test_what_was_decided_is_ours_once_its_installation_has_begun(
    root: Path, decided: str, packages: str | None, seen: str
) -> None:
    record = root / "var/lib/gpu-ready/record"
    record.mkdir(parents=True)
    (record / "driver.decided").write_text(f"{decided}\n")
    if packages:
        (record / "driver.packages").write_text(packages.replace(" ", "\n") + "\n")
    assert ours(root)["driver"] == seen


@long
@pytest.mark.parametrize(("begun", "seen"), [(False, ""), (True, "1.20.0")])
def test_a_toolkit_is_ours_once_its_installation_has_begun(root: Path, begun: bool, seen: str) -> None:
    record = root / "var/lib/gpu-ready/record"
    record.mkdir(parents=True)
    (record / "toolkit.decided").write_text("1.20.0\n")
    if begun:
        (record / "toolkit.packages").write_text("nvidia-container-toolkit\n")
    assert ours(root)["toolkit"] == seen


def test_a_share_of_a_card_is_seen_in_its_configuration_space(root: Path) -> None:
    card(root)
    for name in ("dpkg-query", "apt-cache", "apt-mark", "dpkg"):
        stub(root, name, "")
    config = bytearray(256)
    config[0x34], config[0x50:0x55] = 0x40, bytes([9, 0, 8, 0x56, 0x46])
    config[0x40:0x42] = bytes([1, 0x50])
    for shared in (True, False):
        config[0x53] = 0x56 if shared else 0
        (root / "sys/bus/pci/devices/0000:01:00.0/config").write_bytes(bytes(config))
        assert (shipped(root, "facts", "shared_card").returncode == 0) is shared
    config[0x41] = 0x40
    (root / "sys/bus/pci/devices/0000:01:00.0/config").write_bytes(bytes(config))
    assert json.loads(shipped(root, "facts", "apply").stdout)["vgpu"] is False, "a list that bites its tail ends"


def test_the_driver_of_a_card_that_is_in_use_is_not_taken_away(root: Path) -> None:
    card(root)
    record = root / "var/lib/gpu-ready/record"
    record.mkdir(parents=True)
    (record / "driver.packages").write_text("nvidia-utils-580-server\n")
    stub(root, "nvidia-smi", 'echo "4711, python3"')
    stub(root, "apt-get", "")
    said = shipped(root, "driver", "remove", values="GR_REPO=''\n")
    assert said.returncode == 3
    assert said.stderr.startswith("HST-81 driver: the card is in use: 4711, python3")
    assert "apt-get" not in (root / "calls").read_text()
    assert (record / "driver.packages").exists()


JOBS = "12 multi-user.target start waiting\n 9 snapd.seeded.service start running\n10 own.service start running"


@pytest.mark.parametrize(
    ("cards", "left", "said"),
    [
        (1, None, ""),
        (0, None, "boot 1111 is starting: snapd.seeded.service own.service"),
        (1, "0000", "boot 1111 is starting: snapd.seeded.service own.service"),
    ],
)
def test_a_boot_that_does_not_end_is_waited_for_only_where_something_is_to_come_of_it(
    root: Path, cards: int, left: str | None, said: str
) -> None:
    """After a reboot of ours, or for a driver that may yet be loaded; what it waits for is named."""
    card(root)
    (root / "proc/sys/kernel/random").mkdir(parents=True)
    (root / "proc/sys/kernel/random/boot_id").write_text("1111\n")
    stub(root, "nvidia-smi", "echo GPU-1, card, 580.126.20" if cards else "")
    stub(root, "systemctl", f"case $1 in is-system-running) echo starting ;; list-jobs) echo '{JOBS}' ;; esac")
    ended = shipped(root, "reboot", "apply", values=f"GR_REBOOT='1'\nGR_BOOT_ID='{left}'\n" if left else "")
    assert (ended.returncode, said in ended.stderr) == (75 if said else 0, True)
    assert said or json.loads(ended.stdout)["boot_id"] == "1111"


def test_what_was_decided_is_noted_before_anything_else(root: Path) -> None:
    stub(root, "dpkg", "echo vim is broken")
    said = shipped(root, "driver", "apply", values="GR_DECIDED='distro 580 open'\n")
    assert said.stderr.startswith("HST-31 packages: ")
    assert (root / "var/lib/gpu-ready/record/driver.decided").read_text() == "distro 580 open\n"


def test_a_refusal_is_spoken_before_anything_is_changed(root: Path) -> None:
    values = "GR_REFUSALS='2'\nGR_REFUSALS_1='HST-31 packages: \"$(id)\"'\nGR_REFUSALS_2='fix: mend it'\n"
    said = shipped(root, "driver", "apply", values=values)
    assert (said.returncode, said.stdout) == (3, "")
    assert said.stderr == 'HST-31 packages: "$(id)"\nfix: mend it\n'
    assert not (root / "var").exists()


KNOWN_TO_APT = """\
case "$*" in
policy*" linux-modules-nvidia-580-server-open-6.8.0-60-generic "*) ;;
*) echo unexpected >&2 ;;
esac
if [ "$1" = policy ]; then
  printf '%s:\\n  Installed: %s\\n  Candidate: %s\\n' linux-headers-6.8.0-60-generic '(none)' 1 \\
    linux-modules-nvidia-580-server-generic '(none)' 1 linux-modules-nvidia-580-server-open-generic-hwe-24.04 2 2 \\
    linux-modules-nvidia-580-server-open-6.8.0-60-generic '(none)' '(none)'
fi
"""


def test_what_apt_left_behind_for_the_running_kernel_is_found_in_one_call(root: Path) -> None:
    for name in ("dpkg-query", "dpkg"):
        stub(root, name, "")
    stub(root, "uname", '[ "$1" != -r ] || echo 6.8.0-60-generic')
    stub(root, "apt-cache", KNOWN_TO_APT)
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/os-release").write_text('ID=ubuntu\nVERSION_ID="24.04"\n')
    known = json.loads(shipped(root, "facts", "apply", values="GR_BRANCHES='580 595'\n").stdout)
    assert known["apt_lacks"] == [
        "linux-modules-nvidia-580-server-6.8.0-60-generic", "linux-modules-nvidia-580-server-open-6.8.0-60-generic",
    ]  # fmt: skip
    calls = [line for line in (root / "calls").read_text().splitlines() if line.startswith("apt-cache")]
    assert len(calls) == 2, "one for each question"


def test_a_card_that_hangs_nvidia_smi_holds_neither_the_step_nor_its_connection(root: Path) -> None:
    """What cannot be killed lives on, and must not keep the ends of our pipes: the engine reads until they close."""
    stub(root, "nvidia-smi", f'echo $$ >"{root}/hangs"; exec sleep 30')
    said = step(root, 'SMI_PATIENCE=2; seen; cat "$T/smi"')
    try:
        assert (said.returncode, said.stdout, said.stderr) == (0, "nvidia-smi hangs\n", "")
    finally:
        os.kill(int((root / "hangs").read_text()), signal.SIGKILL)


APT = """\
case "$*" in
*" -s install"*) cat "{root}/simulated" ;;
*" install "*) [ ! -e "{root}/lies" ] && touch "{root}/installed" ;;
esac
"""
INST = "Inst wanted (2.0-1 Some:1/archive [amd64])\nInst needed (2.0-1 Some:1/archive [amd64])\n"


def packaging(root: Path, simulated: str) -> None:
    """An apt that offers `wanted` 2.0-1, and a dpkg that has it once it was installed."""
    (root / "simulated").write_text(simulated)
    stub(root, "apt-get", APT.replace("{root}", str(root)))
    stub(root, "apt-cache", "echo '  Candidate: 2.0-1'")
    stub(root, "apt-mark", "")
    stub(root, "dpkg-query", f'[ ! -e "{root}/installed" ] || echo "ii |wanted|2.0-1"')


def test_what_is_new_is_noted_before_it_is_installed(root: Path) -> None:
    packaging(root, INST + "Inst older [1.0-1] (2.0-1 Some:1/archive [amd64])\nInst linux-image-6.9 (6.9 X [amd64])\n")
    said = step(root, "install wanted=2.*")
    assert (said.returncode, said.stderr) == (0, "gpu-ready: installing wanted=2.0-1\n")
    noted = (root / "var/lib/gpu-ready/record/some.packages").read_text()
    assert noted == "needed\nwanted\n", "neither what is only updated, nor a kernel"
    calls = (root / "calls").read_text()
    assert step(root, "install wanted=2.*").stderr == ""
    assert "apt-get" not in (root / "calls").read_text()[len(calls) :]


def test_nothing_is_installed_at_the_price_of_what_is_not_ours(root: Path) -> None:
    packaging(root, INST + "Remv precious [1.0-1]\n")
    said = step(root, "install wanted")
    assert (said.returncode, said.stderr.split(":")[0]) == (3, "HST-71 packages")
    assert "precious" in said.stderr
    assert not (root / "installed").exists()
    assert step(root, "echo precious | note packages; install wanted").returncode == 0, "unless it is ours"


def test_an_apt_that_ends_well_and_installs_nothing_is_caught(root: Path) -> None:
    packaging(root, INST)
    (root / "lies").touch()
    stub(root, "apt-get", APT.replace("{root}", str(root)) + "exit 0\n")
    said = step(root, "install wanted")
    assert (said.returncode, said.stderr.splitlines()[-2].split(":")[0]) == (3, "HST-80 packages")


def test_a_version_that_is_not_offered_is_named(root: Path) -> None:
    packaging(root, INST)
    said = step(root, "install 'wanted=3.*'")
    assert said.returncode == 3
    assert said.stderr.startswith("HST-78 packages: apt does not offer wanted 3\nfix: ")
    assert not (root / "installed").exists()


def test_a_repository_that_is_not_trusted_is_why_a_package_is_not_offered(root: Path) -> None:
    packaging(root, INST)
    said = step(
        root, "echo \"E: The repository 'http://a InRelease' is not signed.\" >\"$T/updated\"; install 'wanted=3.*'"
    )
    assert said.returncode == 3
    assert (
        "TK-1 packages: a repository is not signed with its pinned key: E: The repository 'http://a In" in said.stderr
    )
    assert "keySha256" in said.stderr.partition("\nfix: ")[2]
    assert "HST-78" not in said.stderr


def test_only_holds_of_our_own_are_lifted(root: Path) -> None:
    (root / "holds").write_text("theirs\n")
    stub(
        root, "apt-mark",
        f'f="{root}/holds"; case $1 in showhold) cat "$f" ;; hold) shift; printf "%s\\n" "$@" >>"$f" ;; '
        f'unhold) shift; for n; do grep -vxF "$n" "$f" >"$f.new"; mv "$f.new" "$f"; done ;; esac',
    )  # fmt: skip
    assert step(root, "hold theirs ours").returncode == 0
    assert (root / "holds").read_text() == "theirs\nours\n"
    assert (root / "var/lib/gpu-ready/record/some.holds").read_text() == "ours\n"
    assert step(root, "free").returncode == 0
    assert (root / "holds").read_text() == "theirs\n"


def test_a_lock_of_apt_is_worth_another_try_and_its_holder_is_named(root: Path) -> None:
    packaging(root, INST)
    stub(
        root,
        "apt-get",
        "echo 'E: Could not get lock /var/lib/dpkg/lock. It is held by process 7 (unattended-upgr)' >&2; exit 100",
    )
    said = step(root, "install wanted")
    assert said.returncode == 75
    assert "not yet: TK-12" in said.stderr
    assert "process 7 (unattended-upgr)" in said.stderr
