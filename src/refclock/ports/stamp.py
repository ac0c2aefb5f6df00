"""The stamp of an observation: what both clocks said at one instant, and how well that is known.

CLOCK_MONOTONIC_RAW is the host's counter that nobody steers; CLOCK_REALTIME is steered by chrony, so it
alone would hide what chrony does with our own samples (clock_gettime(2)).
"""

import time

# Wider than this and a second try is worth its microsecond: an interrupt or a preemption fell inside.
_WIDE_NS = 5_000
_TRIES = 3

Stamp = tuple[int, int, int]


def now() -> Stamp:
    """CLOCK_MONOTONIC_RAW, CLOCK_REALTIME at the same instant, and the half-width of the pair, all in ns.

    The REALTIME reading lies somewhere between two RAW readings, so it belongs to their midpoint give or
    take half their distance, rounded up. The narrowest of up to three tries counts.
    """
    best: Stamp | None = None
    for _ in range(_TRIES):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        real = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        half = (after - before + 1) // 2
        if best is None or half < best[2]:
            best = ((before + after) // 2, real, half)
        if half <= _WIDE_NS:
            break
    assert best is not None  # the loop runs at least once
    return best


def raw() -> int:
    """CLOCK_MONOTONIC_RAW alone, in ns, for timers and brackets."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
