"""Whether a second is in company: by which one all to come are judged is not left to a single pulse.

A pulse that came late, fed first or as a new anchor, would have every good one after it refused by the masks,
and the receiver accused of what was its host's doing.
"""

from collections import deque

from refclock.core.seconds.interval import RawRate
from refclock.units import NS_PER_S, scale_up

# More than half of so many seconds, itself among them, must lie by the one that is in question.
_LATEST = 8
MOST = _LATEST // 2 + 1
# What came longer ago is no company.
_FRESH_NS = 60 * NS_PER_S


class Company:
    """The latest seconds of a receiver, which will have to lie within ``offset_ns`` of one another."""

    def __init__(self, offset_ns: int) -> None:
        self.near_ns = offset_ns // 2
        self._latest: deque[tuple[int, int]] = deque(maxlen=_LATEST)

    def join(self, raw_ns: int, si_ns: int) -> int:
        """One more second (SI ns at a reading of the counter); returns how many there are with it."""
        while self._latest and not 0 <= raw_ns - self._latest[0][0] <= _FRESH_NS:
            self._latest.popleft()
        self._latest.append((raw_ns, si_ns))
        return len(self._latest)

    def astray_ns(self, rate: RawRate) -> int:
        """How far the last one certainly lies from most of them."""
        raw_ns, si_ns = self._latest[-1]
        away = []
        for at_ns, was_ns in self._latest:
            passed = raw_ns - at_ns
            moved = si_ns - was_ns - rate.advance(passed)
            away.append(max(0, abs(moved) - scale_up(passed, rate.unc_ppt)))
        return sorted(away)[len(away) // 2]
