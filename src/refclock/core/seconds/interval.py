"""Intervals on UTC, how they age against the raw counter, and how a majority of them is found."""

from collections.abc import Sequence
from dataclasses import dataclass

from refclock.units import PPT_ONE, scale_up


@dataclass(frozen=True, slots=True)
class RawRate:
    """What is known of the host's counter: UTC advances by (1 + y) for each raw second, with y within
    ``y_ppt`` plus or minus ``unc_ppt``. ``enrolled`` when it was measured once and stored."""

    y_ppt: int
    unc_ppt: int
    enrolled: bool = False

    def advance(self, elapsed_ns: int) -> int:
        """UTC elapsed while the counter advanced by ``elapsed_ns``, by the nominal y (rounded down)."""
        return elapsed_ns + elapsed_ns * self.y_ppt // PPT_ONE


@dataclass(frozen=True, slots=True)
class Interval:
    """UTC (SI ns, see core.seconds.leap) lay within [lo, hi] when the counter read ``as_of_ns``."""

    lo_ns: int
    hi_ns: int
    as_of_ns: int

    def at(self, raw_ns: int, rate: RawRate) -> "Interval":
        """The same knowledge at another reading of the counter, wider by what the rate may hide."""
        elapsed = raw_ns - self.as_of_ns
        if elapsed == 0:
            return self
        centre = rate.advance(elapsed)
        slack = scale_up(abs(elapsed), rate.unc_ppt) + 1
        return Interval(self.lo_ns + centre - slack, self.hi_ns + centre + slack, raw_ns)

    @property
    def half_ns(self) -> int:
        """Half the width, rounded up."""
        return (self.hi_ns - self.lo_ns + 1) // 2

    def meets(self, other: "Interval") -> bool:
        """True when the two share a point (both at the same reading of the counter)."""
        return self.lo_ns <= other.hi_ns and other.lo_ns <= self.hi_ns

    def holds(self, utc_ns: int) -> bool:
        """True when the instant lies inside."""
        return self.lo_ns <= utc_ns <= self.hi_ns

    def farthest_ns(self, utc_ns: int) -> int:
        """The distance from an instant to the farthest point of the interval."""
        return max(utc_ns - self.lo_ns, self.hi_ns - utc_ns)

    def outside_ns(self, utc_ns: int) -> int:
        """The distance from an instant to the nearest point of the interval; 0 inside."""
        return max(0, self.lo_ns - utc_ns, utc_ns - self.hi_ns)


def majority(intervals: Sequence[Interval], needed: int) -> tuple[Interval, int] | None:
    """The span that the most intervals share, and how many; None when fewer than ``needed`` share one.

    Marzullo's algorithm as in RFC 5905, section 11.2.1, without its midpoint rule: an end point is walked
    past in order, lower ends before upper ends at the same place, and the deepest overlap wins. Where two
    spans are equally deep the hull of both is returned, which loosens nothing: it is wider.
    """
    if not intervals:
        return None
    ends = sorted([(one.lo_ns, False) for one in intervals] + [(one.hi_ns, True) for one in intervals])
    depth = best = lo = hi = 0
    for index, (place, upper) in enumerate(ends):
        if upper:
            depth -= 1
            continue
        depth += 1
        if depth >= best:
            if depth > best:
                best, lo = depth, place
            # The next end point closes this overlap, whichever kind it is.
            hi = ends[index + 1][0]
    if best < needed:
        return None
    return Interval(lo, hi, intervals[0].as_of_ns), best


def shared_by(intervals: Sequence[Interval], count: int) -> Interval:
    """The hull of all points that at least ``count`` of the intervals share, where there are such.

    It holds the truth where so many are honest. The deepest overlap does not: a liar who overlaps the
    honest ones at one end makes that end the deepest.
    """
    points = [
        point
        for one in intervals
        for point in (one.lo_ns, one.hi_ns)
        if sum(other.holds(point) for other in intervals) >= count
    ]
    return Interval(min(points), max(points), intervals[0].as_of_ns)


def agreed(told: Sequence[Interval], known: int, least: int) -> tuple[Interval, int] | None:
    """What a majority of all ``known`` sources says, and how many of them share a point; None without one,
    or where fewer than ``least`` speak: silence must never make a minority the majority.

    As many as a majority can outvote may lie; what all the others share holds the truth.
    """
    needed = known // 2 + 1
    found = majority(told, needed) if len(told) >= least else None
    return None if found is None else (shared_by(told, len(told) - (known - needed)), found[1])
