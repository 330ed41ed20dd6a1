"""The worker's two clocks, and whether they tick finely enough to time a step."""

from __future__ import annotations

import sys
from typing import Callable, Optional

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

COARSE_NS = 100_000  # half a per cent of a turn of 20 ms
CHAIN = 16  # documents that repeats of a step train on before they begin again from the step's own state
# WebAssembly knows no processor's time and counts the wall's for it; with one thread only, nothing runs beside an order there
TELLS_IDLE = sys.platform != "emscripten"
LONGEST_WATCH = 3_000_000  # readings: some tenths of a second where a clock stands still


def tick_ns(clock: Callable[[], int]) -> int:
    """The smallest step by which a clock was seen to move on, in ns; what a system claims of it is not asked.

    Systems there are that claim 100 ns for a processor clock that moves on every 15.6 ms.
    """
    smallest, seen, last = 0, 0, clock()
    for _ in range(LONGEST_WATCH):
        now = clock()
        if now != last:
            if seen:  # the first interval was under way already
                smallest = min(smallest or now - last, now - last)
            last, seen = now, seen + 1
            if seen > 3:
                return smallest
    return smallest or 1_000_000_000


def children_ns() -> int:
    """Processor time in ns of this process's children that have ended and were waited for; 0 where nobody tells."""
    if resource is None:
        return 0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round((used.ru_utime + used.ru_stime) * 1e9)


def delay_ns() -> Optional[int]:
    """Time in ns that this process's main thread could have run and had no processor; None where the system tells nothing."""
    try:
        with open("/proc/self/schedstat") as told:
            return int(told.read().split()[1])
    except (OSError, IndexError, ValueError):
        return None


def yields() -> int:
    """How often this process gave its processor away by itself, to wait for something; 0 where nobody tells."""
    return 0 if resource is None else int(resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw)
