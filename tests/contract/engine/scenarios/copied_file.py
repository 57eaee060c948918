"""A file that is sent to a host: only what is in it and where it goes count; nothing is asked of the host at the end."""
import os
from pathlib import Path

import pulumi
from pulumi_command import remote

OPS = [
    "up 1",
    "up 1",
    "preview 2",
    "up 2",
    "preview 3",
    "up 3",
    "up 4",
    "up 5",
    "up 6",
    "refresh 6",
    "up 7",
    "up 8",
    "up 6",
    "destroy 6",
]

STAGE = int(os.environ.get("STAGE", "1"))
connection = remote.ConnectionArgs(
    host="127.0.0.1", port=float(os.environ.get("COPY_PORT", "22")), user="somebody", password="x",
    dial_error_limit=1 if STAGE < 5 else 2,  # from 5 on another connection
)

Path("first.txt").write_text("one")
Path("second.txt").write_text("one" if STAGE < 3 else "two")
# 2: another file that says the same; 3: it says something else; 8: it is not there
source = "first.txt" if STAGE == 1 else "second.txt" if STAGE < 8 else "none.txt"
target = os.path.abspath("here.txt" if STAGE < 4 else "there.txt")  # 4: it goes elsewhere
if STAGE != 7:
    remote.CopyToRemote("copy", connection=connection, source=pulumi.FileAsset(source), remote_path=target,
                        triggers=["again"] if STAGE >= 6 else None)
