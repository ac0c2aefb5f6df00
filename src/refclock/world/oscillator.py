"""The host's raw counter against true UTC, as straight lines between knots.

The knots are rounded to whole nanoseconds first and everything else is computed from them, so a reader
who interpolates the knots of a capture's header gets the truth that the simulation had.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt

from refclock.units import NS_PER_S, PPT_ONE, S_PER_DAY
from refclock.world.chance import Chance

# The counter is summed in 10**-6 ns: rounding each knot by itself would add a rate error of its own.
_FINE = 1_000_000
_PAUSE_RAW_NS = 1_000


@dataclass(frozen=True, slots=True)
class OscillatorClass:
    """One kind of oscillator; every rate in parts in 10**12.

    ``offset`` bounds its constant error, ``daily`` is half the swing of its day's temperature wave,
    ``walk`` the standard deviation gained by its random walk in a day, ``flicker`` the level of three
    relaxation noises (1000 s to 64000 s), ``white`` the white frequency noise over 1 s, and
    ``enrolled`` the uncertainty that a day's measurement of its rate ends with.
    """

    offset: int
    daily: int
    walk: int
    flicker: int
    white: int
    enrolled: int


# Sizes follow the usual figures: a TSC crystal in an office 1.1e-6, in a stable rack 1.6e-7, a 32 kHz
# clock crystal 2e-6. A cesium standard (4e-13) has a pulse of its own (world.scenario), which is better
# than any stamp of it: a host that has one has a counter like any other.
CLASSES = {
    "office-tsc": OscillatorClass(20_000_000, 500_000, 200_000, 60_000, 20_000, 400_000),
    "rack-tsc": OscillatorClass(20_000_000, 60_000, 40_000, 25_000, 5_000, 60_000),
    "rtc-crystal": OscillatorClass(8_000_000, 900_000, 200_000, 100_000, 0, 1_000_000),
}
PROFILE_CLASS = {"appserver": "office-tsc", "kdc": "rack-tsc", "kdc-cesium": "rack-tsc"}


class RateNoise:
    """The fractional rate of one oscillator, step by step, in parts in 10**12.

    Which way it counts is the user's: of the raw counter it is by how much UTC outruns it, of the RTC by
    how much it outruns UTC, as the core and its enrolment have them.
    """

    def __init__(self, kind: OscillatorClass, chance: Chance, step_s: int) -> None:
        self.constant_ppt = chance.between(-kind.offset, kind.offset)
        self._kind, self._chance, self._step_s = kind, chance, step_s
        self._phase_s = chance.below(S_PER_DAY)
        self._walk = 0
        self._flicker = [0, 0, 0]
        self._walk_step = kind.walk * isqrt(step_s * 10**8 // S_PER_DAY) // 10**4
        self._white_step = kind.white * 1000 // max(1, isqrt(step_s * 10**6))

    def _wave(self) -> int:
        """The day's temperature as two parabolic arcs: as round as a sine, and made of integers."""
        half = S_PER_DAY // 2
        cycle, within = divmod(self._phase_s % S_PER_DAY, half)
        height = self._kind.daily * 4 * within * (half - within) // (half * half)
        return -height if cycle else height

    def next(self) -> int:
        """The mean rate over the next step, in parts in 10**12."""
        self._phase_s += self._step_s
        self._walk += self._chance.normal(self._walk_step)
        for index, relax_s in enumerate((1_000, 8_000, 64_000)):
            step_s = min(self._step_s, relax_s)
            kick = self._kind.flicker * isqrt(2 * step_s * 10**8 // relax_s) // 10**4
            level = self._flicker[index]
            self._flicker[index] = level - level * step_s // relax_s + self._chance.normal(kick)
        white = self._chance.normal(self._white_step)
        return self.constant_ppt + self._wave() + self._walk + sum(self._flicker) + white


@dataclass(frozen=True, slots=True)
class RateChange:
    """From ``start_ns`` to ``end_ns`` (truth) one second of the counter lasts ``rate_ppt`` longer."""

    start_ns: int
    end_ns: int
    rate_ppt: int


@dataclass(frozen=True, slots=True)
class Outage:
    """The host is absent from ``start_ns`` to ``end_ns`` (truth).

    ``raw_after_ns`` is where the counter restarts after a reboot; None: it stood still (a paused VM).
    """

    start_ns: int
    end_ns: int
    raw_after_ns: int | None


def knot_spacing_s(duration_ns: int) -> int:
    """Seconds between knots: finer in short worlds, so that the header stays of a readable size."""
    for limit_s, spacing_s in ((6 * 3600, 16), (14 * S_PER_DAY, 64)):
        if duration_ns <= limit_s * NS_PER_S:
            return spacing_s
    return 256


class RawCounter:
    """CLOCK_MONOTONIC_RAW as a function of truth."""

    def __init__(self, knots: Sequence[tuple[int, int]]) -> None:
        """``knots`` are (truth, raw) in the order of truth."""
        self._utc = [utc for utc, _ in knots]
        self._raw = [raw for _, raw in knots]
        self._at = 0

    def raw_at(self, utc_ns: int) -> int:
        """The counter at a true instant. Quick for instants that lie close together."""
        at, utc = self._at, self._utc
        if not utc[at] <= utc_ns < utc[at + 1]:
            at = self._at = min(max(bisect_right(utc, utc_ns) - 1, 0), len(utc) - 2)
        raw = self._raw
        return raw[at] + (utc_ns - utc[at]) * (raw[at + 1] - raw[at]) // (utc[at + 1] - utc[at])

    def utc_at_raw(self) -> list[list[int]]:
        """The knots as [raw, truth], in the order of raw, for the header of a capture.

        A reboot restarts the counter far below where it was, so no stretch of it is used twice.
        """
        return [list(pair) for pair in sorted(zip(self._raw, self._utc, strict=True))]


def grow_counter(
    noise: RateNoise,
    *,
    start_ns: int,
    end_ns: int,
    spacing_s: int,
    raw_ns: int,
    changes: Sequence[RateChange] = (),
    outages: Sequence[Outage] = (),
) -> RawCounter:
    """Lay knots from ``start_ns`` to beyond ``end_ns`` (truth), the counter beginning at ``raw_ns``."""
    step_ns = spacing_s * NS_PER_S
    grid = range(start_ns, end_ns + 2 * step_ns, step_ns)
    breaks = [(change.start_ns, change.end_ns) for change in changes]
    breaks += [(outage.start_ns, outage.end_ns) for outage in outages]
    extra = sorted({edge for pair in breaks for edge in pair if start_ns < edge < grid[-1]} - set(grid))
    absent = {outage.start_ns: outage for outage in outages}
    knots = [(start_ns, raw_ns)]
    fine = raw_ns * _FINE
    rate = noise.next()
    resume_ns = start_ns
    for before_ns, now_ns in pairwise(sorted([*grid, *extra])):
        if (before_ns - start_ns) % step_ns == 0 and before_ns > start_ns:
            rate = noise.next()
        if before_ns in absent:
            outage = absent[before_ns]
            resume_ns = outage.end_ns
            after = fine // _FINE + _PAUSE_RAW_NS if outage.raw_after_ns is None else outage.raw_after_ns
            fine = after * _FINE
            knots.append((min(resume_ns, grid[-1]), after))
        if now_ns <= resume_ns:
            continue
        total = rate + sum(
            change.rate_ppt for change in changes if change.start_ns <= before_ns < change.end_ns
        )
        fine += (now_ns - before_ns) * _FINE * PPT_ONE // (PPT_ONE + total)
        knots.append((now_ns, fine // _FINE))
    return RawCounter(knots)
