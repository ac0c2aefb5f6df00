"""Receiver or standard? Two pulses moved apart, and the raw counter, which saw both, tells which one left it.

The three-cornered hat of frequency metrology (Gray and Allan, 1974) with the counter as its third corner: its
rate may be anything, as long as it stays what it was just before. Where it did not, nobody is named.
"""

from collections import deque
from typing import NamedTuple

from refclock.units import NS_PER_S, NS_PER_US

_EVERY_NS = 10 * NS_PER_S
_KEPT = 90  # a quarter of an hour
# So long must the rates of before have been seen, and so long the moving apart.
_BEFORE_NS = 300 * NS_PER_S
_SINCE_NS = 30 * NS_PER_S
# Stamps err by a microsecond or two, over either stretch.
_LEAST_NS = 20 * NS_PER_US
# The one that stayed may seem to have moved by this part of what the other did.
_PART = 4


class Seen(NamedTuple):
    """At one moment: how far the standard's pulse has wandered on the raw counter, and the receiver's from
    the standard's, each in ns since both were first seen."""

    raw_ns: int
    standard_ns: int
    apart_ns: int


class Hat:
    """What was seen of late."""

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque(maxlen=_KEPT)
        self._now: Seen | None = None

    def see(self, seen: Seen) -> None:
        """Both pulses of one second."""
        self._now = seen
        if not self._seen or seen.raw_ns - self._seen[-1].raw_ns >= _EVERY_NS:
            self._seen.append(seen)

    def guilty(self, began_ns: int) -> str | None:
        """Who left the other two since an instant: "receiver" or "cesium"; None while that is not clear."""
        before = [one for one in self._seen if one.raw_ns < began_ns]
        now = self._now
        if now is None or not before or now.raw_ns - began_ns < _SINCE_NS:
            return None
        first, last = before[0], before[-1]
        span, passed = last.raw_ns - first.raw_ns, now.raw_ns - last.raw_ns
        if span < _BEFORE_NS or passed > span:
            return None
        apart = now.apart_ns - last.apart_ns
        standard = now.standard_ns - last.standard_ns
        standard -= (last.standard_ns - first.standard_ns) * passed // span
        if abs(apart) < _LEAST_NS:
            return None
        if abs(standard) * _PART <= abs(apart):
            return "receiver"
        return "cesium" if abs(standard + apart) * _PART <= abs(apart) else None
