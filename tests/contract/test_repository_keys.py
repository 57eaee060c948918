"""Which key files of package repositories are taken, and that apt gets of them what was checked and nothing more."""

from __future__ import annotations

import subprocess
from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from lab.host.standins.sources import fingerprints
from tests.contract.shell_steps import HOST, small_root, step

KEY = (HOST.parent / "lab/host/standins/libnvidia-container.asc").read_text()
"""NVIDIA's own, in a file that was public in 2019; it has two subkeys."""
OF_KEY = "C95B321B61E88C1809C4F759DDCAE044F796ECB0"
V4, V5 = bytes([4]) + b"\x07" * 300, bytes([5]) + b"\x07" * 20


PINNED = b"\x99\x01\x2d" + V4 + b"\xb4\x00"
"""Ends where base64 needs no padding, so that more can follow."""
FOREIGN = b"\x98\x15\x04" + b"\x08" * 20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return small_root(tmp_path)


def armored(packets: bytes, margin: str = "", word: str = "PGP PUBLIC KEY BLOCK") -> str:
    """A block with nothing but these in it."""
    body = "\n".join(b64encode(packets[at : at + 48]).decode() + margin for at in range(0, len(packets), 48))
    return f"-----BEGIN {word}-----\n\n{body}\n-----END {word}-----\n"


def fetched(root: Path, key: bytes, fingerprint: str) -> tuple[subprocess.CompletedProcess[str], bytes | None]:
    """What the step says to this file behind the address of a key, and what apt gets of it."""
    helper = root / "usr/lib/apt"
    helper.mkdir(parents=True)
    (root / "key").write_bytes(key)
    (helper / "apt-helper").write_text(f'#!/bin/sh\n[ $# = 3 ] && cp "{root}/key" "$3"\n')
    (helper / "apt-helper").chmod(0o755)
    said = step(root, f"GR_REPO='https://a/b /' GR_KEY_URL=https://a/key GR_KEY_FINGERPRINT={fingerprint}\nrepository")
    placed = root / "usr/share/keyrings/gpu-ready-some.gpg"
    return said, placed.read_bytes() if placed.exists() else None


@pytest.mark.parametrize(
    ("key", "fingerprint", "is_taken"),
    [
        (KEY, OF_KEY, True),
        (KEY, OF_KEY[::-1], False),
        (KEY + KEY, OF_KEY, False),
        (KEY.replace("FnNWDEB", "FnNWDEC"), OF_KEY, False),
        ("<html>", OF_KEY, False),
    ],
    ids=["the pinned one", "another", "two in a file", "changed", "no key"],
)
def test_a_key_is_taken_by_its_fingerprint(root: Path, key: str, fingerprint: str, is_taken: bool) -> None:
    said, placed = fetched(root, key.encode(), fingerprint)
    assert (said.returncode, said.stderr[:4]) == ((0, "") if is_taken else (3, "TK-1"))
    assert ("keySha256" in said.stderr) is not is_taken
    assert placed == (packets_of(KEY) if is_taken else None)


def packets_of(block: str) -> bytes:
    """Read by no code of ours."""
    return b64decode(block.partition("\n\n")[2].partition("\n=")[0])


@pytest.mark.parametrize(
    ("file", "is_taken"),
    [
        (armored(PINNED), True),
        (armored(PINNED) + armored(FOREIGN), False),
        (armored(PINNED) + armored(FOREIGN, word="X"), True),
        (armored(PINNED) + " " + armored(FOREIGN), True),
        (armored(PINNED).replace("-----END", armored(FOREIGN, margin=" ").splitlines()[2] + "\n-----END"), True),
        (armored(PINNED, margin=" "), False),
        (PINNED + b"\xfc\xb0\n" + armored(FOREIGN).encode().ljust(175), False),
        (FOREIGN + b"\xfc\xc3\x40\n" + armored(PINNED).encode().ljust(1023), True),
        (PINNED + b"\x94\x15" + FOREIGN[2:], False),
    ],
    ids=[
        "nothing else", "a second block", "a block of another word", "an indented block", "foreign lines with blanks",
        "blanks everywhere", "foreign armor in a packet", "armor in a packet behind a foreign key", "a secret key",
    ],
)  # fmt: skip
def test_apt_gets_the_pinned_key_alone_or_nothing(root: Path, file: str | bytes, is_taken: bool) -> None:
    """Whoever reads such files otherwise (gpg, sqv) finds a foreign key in them."""
    (fingerprint,) = fingerprints(PINNED)
    said, placed = fetched(root, file if isinstance(file, bytes) else file.encode(), fingerprint)
    assert (said.returncode, said.stderr[:4]) == ((0, "") if is_taken else (3, "TK-1"))
    assert placed == (PINNED if is_taken else None)


@pytest.mark.parametrize(
    "packets",
    [
        b"\x99\x01\x2d" + V4,
        b"\x9a\x00\x00\x01\x2d" + V4 + b"\xb4\x03abc",
        b"\xc6\xc0\x6d" + V4 + b"\xc2\x03abc" + b"\xce\x02xx",
        b"\xc6\xff\x00\x00\x01\x2d" + V4 + b"\x98\x15" + b"\x04" + b"\x08" * 20,
    ],
    ids=["two bytes of length", "four", "new form", "two keys"],
)
def test_fingerprints_are_those_that_the_packets_have(root: Path, packets: bytes) -> None:
    (root / "key").write_bytes(packets)
    assert step(root, f'dearmored "{root}/key"; fingerprints').stdout.split() == fingerprints(packets)


@pytest.mark.parametrize("packets", [b"", b"key\n", b"\x98\x15" + V5, b"\x99\x01\x2d" + V4[:9], b"\xc6\xe1" + V4])
def test_what_is_no_whole_key_of_version_4_fits_no_pin(root: Path, packets: bytes) -> None:
    (root / "key").write_bytes(packets)
    assert "other" in step(root, f'dearmored "{root}/key"; fingerprints').stdout.split()


def test_the_key_of_a_mirror_is_known_by_its_checksum_alone(root: Path) -> None:
    helper = root / "usr/lib/apt"
    helper.mkdir(parents=True)
    (helper / "apt-helper").write_text('#!/bin/sh\necho "$*" >"$3"\n')
    (helper / "apt-helper").chmod(0o755)
    said = step(root, "GR_REPO='http://mirror/b/ /' GR_KEY_URL=http://mirror/key GR_KEY_SHA256=abc\nrepository")
    assert (said.returncode, said.stderr) == (0, "")
    assert (root / "usr/share/keyrings/gpu-ready-some.gpg").read_text().endswith(" SHA256:abc\n")
    listed = (root / "etc/apt/sources.list.d/gpu-ready-some.list").read_text()
    assert listed == "deb [signed-by=/usr/share/keyrings/gpu-ready-some.gpg] http://mirror/b/ /\n"
