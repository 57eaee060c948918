"""`sleep` and `date` on simulated time."""

from __future__ import annotations

import time

from lab.host.standins.box import START, Box, fail, say

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def sleep(box: Box, args: list[str]) -> int:
    """Moves simulated time on."""
    seconds = 0.0
    for word in args:
        number, unit = (word[:-1], _UNITS[word[-1]]) if word[-1:] in _UNITS else (word, 1)
        try:
            seconds += float(number) * unit
        except ValueError:
            fail(1, f"sleep: invalid time interval '{word}'")
    box.spend(seconds)
    return 0


def date(box: Box, args: list[str]) -> int:
    """Prints simulated time."""
    form = next((word[1:] for word in args if word.startswith("+")), "%a %b %e %H:%M:%S UTC %Y")
    moment = START + box.now()
    say(time.strftime(form.replace("%s", str(int(moment))).replace("%N", "000000000"), time.gmtime(moment)))
    return 0
