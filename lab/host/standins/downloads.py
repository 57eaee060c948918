"""`apt-helper download-file`, and what lies behind the addresses that this product downloads from.

The toolkit's key is NVIDIA's own, as public in 2019: the caller knows it by its fingerprint, which later issues of the
file have too. The package with the other key is a stand-in that says its name, under the real one's checksum, because
the caller pins that.
"""

from __future__ import annotations

import os

from lab.host.standins.box import Box, fail, say

CHECKSUMS = {
    "debian12/x86_64/cuda-keyring_1.1-1_all.deb": "e7f219eab6fe4819cdb5c15b98233dc3420302d9c00883219cd3d896857cf48d",
}
"""End of an address -> SHA-256 of the package that lies there."""
KEYS = {"libnvidia-container/gpgkey": os.path.join(os.path.dirname(__file__), "libnvidia-container.asc")}
"""End of an address -> file with the key that lies there."""
FINGERPRINTS = {
    "search=0x2388FF3BE10A76F638F80723FCAE110B1118213C": "2388FF3BE10A76F638F80723FCAE110B1118213C",
    "D42D0685.pub": "610C7B14E068A878070DA4E99CD0A493D42D0685", "CDF6BA43.pub": f"{0:032}CDF6BA43",
}  # fmt: skip
"""End of an address -> whose key lies there, of which nobody but NVIDIA has the bytes."""
_PACKAGE = "rehearsal package "


def key_text(fingerprint: str) -> str:
    """A stand-in for the bytes of a key."""
    return f"rehearsal key {fingerprint}\n"


def armored(text: str) -> str:
    """The same as an armored block."""
    from binascii import b2a_base64

    body = b2a_base64(text.encode(), newline=False).decode()
    return f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{body}\n-----END PGP PUBLIC KEY BLOCK-----\n"


def package_of(box: Box, file: str) -> str:
    """Which package a downloaded file is, as name=version; nothing for another file."""
    text = box.read(file) or ""
    return text.removeprefix(_PACKAGE).strip() if text.startswith(_PACKAGE) else ""


def packet(fingerprint: str) -> bytes:
    """A stand-in for a key that is checked by its fingerprint: a packet in the form of one, of which `sha1sum` of the
    rehearsal says that fingerprint."""
    body = b"\x04" + key_text(fingerprint).encode()
    return b"\x99" + len(body).to_bytes(2, "big") + body


def apt_helper(box: Box, args: list[str]) -> int:
    """Fetches a file, and keeps it only with the right checksum."""
    if args[:1] != ["download-file"] or len(args) not in {3, 4}:
        fail(100, f"E: Invalid operation {(args or [''])[0]}")
    url, target, wanted = args[1], args[2], (args[3] if len(args) > 3 else "").removeprefix("SHA256:")
    if box.fault("no-network"):
        fail(100, f"E: Failed to fetch {url}  Could not resolve '{url.split('/')[2]}'", "E: Download Failed")
    text, checksum = fetched(url)
    if not text:
        fail(100, f"E: Failed to fetch {url}  404  Not Found", "E: Download Failed")
    if wanted and wanted != checksum:
        fail(100, f"E: Failed to fetch {url}  Hash Sum mismatch", "E: Download Failed")
    box.write(target, text)
    box.spend(2)
    say(f"Get:1 {url}", "Fetched 1 B in 1s")
    return 0


def fetched(url: str) -> tuple[str, str]:
    """What lies behind an address, and its checksum; nothing behind others."""
    for end, checksum in CHECKSUMS.items():
        if url.endswith(end):
            return f"{_PACKAGE}cuda-keyring=1.1-1\n", checksum
    for end, file in KEYS.items():
        if url.endswith(end):
            with open(file, encoding="ascii") as key:
                text = key.read()
            return text, sha256(text)
    for end, fingerprint in FINGERPRINTS.items():
        if url.endswith(end):
            from binascii import b2a_base64

            body = b2a_base64(packet(fingerprint), newline=False).decode()
            text = f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{body}\n-----END PGP PUBLIC KEY BLOCK-----\n"
            return text, sha256(text)
    return _release(url)


def _release(url: str) -> tuple[str, str]:
    """The program of k3s, or a driver as a .run file, from its publisher or from a mirror that names it alike."""
    name = url.rpartition("/")[2]
    if name.startswith("NVIDIA-Linux-x86_64-") and name.endswith(".run"):
        from lab.host.standins.run_file import program as run_file

        text = run_file(name.removeprefix("NVIDIA-Linux-x86_64-").removesuffix(".run"))
        return text, sha256(text)
    version = next((word for word in url.split("/") if word[:3] == "v1." and "+k3s" in word), "")
    if not version or not url.endswith("/k3s"):
        return "", ""
    from lab.host.standins.k3s import program

    return program(version), sha256(program(version))


def sha256(text: str) -> str:
    """Its checksum."""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()
