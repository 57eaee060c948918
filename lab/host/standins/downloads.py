"""`apt-helper download-file`, and what lies behind the addresses that this product downloads from.

What comes is a stand-in as well: a key that says whose it would be, a package that says its name. The checksums are
those of the real files, because the caller pins them; those of the stand-ins nobody asks for.
"""

from __future__ import annotations

from lab.host.standins.archive import KEYS
from lab.host.standins.box import Box, fail, say

CHECKSUMS = {
    "libnvidia-container/gpgkey": "c880576d6cf75a48e5027a871bac70fd0421ab07d2b55f30877b21f1c87959c9",
    "debian12/x86_64/cuda-keyring_1.1-1_all.deb": "e7f219eab6fe4819cdb5c15b98233dc3420302d9c00883219cd3d896857cf48d",
}
"""End of an address -> SHA-256 of what lies there."""
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


def apt_helper(box: Box, args: list[str]) -> int:
    """Fetches a file, and keeps it only with the right checksum."""
    if args[:1] != ["download-file"] or len(args) not in {3, 4}:
        fail(100, f"E: Invalid operation {(args or [''])[0]}")
    url, target, wanted = args[1], args[2], (args[3] if len(args) > 3 else "").removeprefix("SHA256:")
    if box.fault("no-network"):
        fail(100, f"E: Failed to fetch {url}  Could not resolve '{url.split('/')[2]}'", "E: Download Failed")
    found = next((end for end in CHECKSUMS if url.endswith(end)), "")
    if not found:
        fail(100, f"E: Failed to fetch {url}  404  Not Found", "E: Download Failed")
    if wanted and wanted != CHECKSUMS[found]:
        fail(100, f"E: Failed to fetch {url}  Hash Sum mismatch", "E: Download Failed")
    is_key = found.endswith("gpgkey")
    box.write(target, armored(key_text(KEYS["toolkit"])) if is_key else f"{_PACKAGE}cuda-keyring=1.1-1\n")
    box.spend(2)
    say(f"Get:1 {url}", "Fetched 1 B in 1s")
    return 0
