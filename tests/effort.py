"""How much the default tests try: `make check` and CI set GPU_READY_THOROUGH and have all of it."""

import os

import hypothesis
import pytest

THOROUGH = "1" in (os.environ.get("GPU_READY_THOROUGH"), os.environ.get("GPU_READY_EVERY_LINE"))
# What is merged must not depend on luck; whoever works on something gets other examples each time.
hypothesis.settings.register_profile("gpu-ready", derandomize=THOROUGH)
hypothesis.settings.load_profile("gpu-ready")


def examples(most: int) -> int:
    """How many examples a property test takes."""
    return most if THOROUGH else max(10, most // 6)


long = pytest.mark.skipif(not THOROUGH, reason="long: make check, or GPU_READY_THOROUGH=1")
