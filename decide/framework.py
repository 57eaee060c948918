"""A framework's own word that a card works: the script that a validation pod runs after the CUDA kernel."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from decide import defaults

NAME = "framework"
PROOF = "Framework check PASSED"
KINDS = ("pytorch", "tensorflow", "own")
_PYTORCH = """\
import sys, torch
known = torch.cuda.get_arch_list()
for number in range(torch.cuda.device_count()):
    major, minor = torch.cuda.get_device_capability(number)
    fits = [one for one in known if one.startswith("sm_") and int(one[3:-1]) == major and int(one[-1]) <= minor]
    if not fits:
        sys.exit(f"no kernel image is available: the card is sm_{major}{minor}, the image has {' '.join(known)}")
    ones = torch.ones(256, 256, device=number)
    if (ones @ ones)[0, 0].item() != 256:
        sys.exit(f"matmul on card {number} is wrong")
    print(f"card {number}: matmul right, torch {torch.__version__} with {fits[-1]} for sm_{major}{minor}")
if not torch.cuda.device_count():
    sys.exit("no CUDA-capable device is detected by torch")
"""
_TENSORFLOW = """\
import sys, tensorflow as tf
cards = tf.config.list_physical_devices("GPU")
if not cards:
    sys.exit("no CUDA-capable device is detected by tensorflow")
for number in range(len(cards)):
    with tf.device(f"/GPU:{number}"):
        ones = tf.ones((256, 256))
        if float(tf.linalg.matmul(ones, ones)[0][0]) != 256:
            sys.exit(f"matmul on card {number} is wrong")
    print(f"card {number}: matmul right, tensorflow {tf.__version__}")
"""
SCRIPTS: Mapping[str, str] = {"pytorch": _PYTORCH, "tensorflow": _TENSORFLOW}
IMAGES: Mapping[str, str] = {"pytorch": defaults.PYTORCH_IMAGE, "tensorflow": defaults.TENSORFLOW_IMAGE}


class Framework(NamedTuple):
    """What runs, and in which image."""

    image: str
    script: str

    @property
    def command(self) -> list[str]:
        """In the pod itself: another script is another pod, and is proven anew."""
        return ["python3", "-c", f'{self.script}\nprint("{PROOF}")\n']


def read(plain: Mapping[str, Any] | None) -> Framework | None:
    """From plain values: `kind`, and `image` and `script` where they are one's own."""
    if not plain:
        return None
    kind = str(plain.get("kind") or "own")
    return Framework(str(plain.get("image") or IMAGES.get(kind, "")), str(plain.get("script") or SCRIPTS.get(kind, "")))
