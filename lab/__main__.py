"""`python -m lab`: the rehearsal on the command line."""

import gc
import os
import signal
import sys

# Nearly all that is made while modules come in stays: looking through it again and again is a tenth of a short run.
gc.set_threshold(100_000, 20, 20)


def stopped(*_signal: object) -> None:
    """While nothing is begun: an exception may be anything by the time that it has left a module being imported."""
    os.write(2, b"Stopped; nothing was begun.\n")
    os._exit(1)


def run() -> int:
    """Imports late: a bare Python, and a Ctrl-C however early, have to get a sentence and not a traceback."""
    signal.signal(signal.SIGINT, stopped)
    from lab import packages

    packages.demand("lab")
    from lab.cli import main

    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return main()
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        return 1


status = run()
# All is said and flushed. Python would end by the signal if it was ever caught inside of what `exec` ran.
signal.signal(signal.SIGINT, signal.SIG_IGN)
os._exit(status)
