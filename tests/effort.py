"""How much the default tests try: `make check` and CI set GPU_READY_THOROUGH and have all of it."""

import os

import pytest

THOROUGH = os.environ.get("GPU_READY_THOROUGH") == "1"


def examples(most: int) -> int:
    """How many examples a property test takes."""
    return most if THOROUGH else max(10, most // 6)


long = pytest.mark.skipif(not THOROUGH, reason="takes a second or more: make check, or GPU_READY_THOROUGH=1")
