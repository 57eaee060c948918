"""The end of a drain: a node that we closed is opened once its host was checked."""

import time
from typing import Any

from components.steps.cordon import reopen


def main(params: Any) -> int:
    """0 once it is open; the API server may have been on that very host, and comes back with it."""
    for _ in range(60):
        if not reopen(params):
            return 0
        time.sleep(5)
    return 3
