"""Who drifts? The rates of all sources against the raw counter, over windows of hours.

One hypothesis for each source, one for the raw counter (all others shift together), one for receiver and
NTP together. The best is named only if it fits and the runner-up is clearly worse; otherwise nobody is.
Chi-squared values are integers, in thousandths; rates in ppt (parts in 10**12).

The model: a source's measured rate is the counter's own error g, plus c where the hypothesis says that it
is guilty, plus noise. g is drawn from the counter's stated stability, but for the hypothesis that it is
the counter that is wrong, which leaves g free.
"""

from collections import deque
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from math import isqrt

from refclock.core.seconds.interval import Interval
from refclock.units import NS_PER_S, PPT_PER_PPB, PPT_PER_PPM, rate_ppt

_KNOT_NS = 900 * NS_PER_S
_KEPT = 100
_WINDOWS = (4, 8, 12, 16, 24, 32, 48, 64, 80, 96)  # in knots: 1 h to 24 h
# kappa = 6: with 96 looks a day at ten windows, chance alone is not seen in the life of a host.
_DETECTED = 36_000
_FITS = 16_000
_CLEARLY_WORSE = 12_000
_THOUSAND = 1000
_WEIGHT = 10**36
# A crystal (RTC's, network card's) follows the room's temperature; over a day most of that averages out.
_CRYSTAL_SHORT_PPT = 2 * PPT_PER_PPM
_CRYSTAL_LONG_PPT = 700_000
_LONG_NS = 20 * 3600 * NS_PER_S
_RECEIVER_NS = 2_000
_GUILTY = (("receiver",), ("ntp",), ("rtc",), ("cesium",), ("phc",), ("receiver", "ntp"))


@dataclass(frozen=True, slots=True)
class Knot:
    """Each source's time less the raw counter's prediction, at one moment: (offset, half-width) in ns."""

    raw_ns: int
    offsets: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A source that drifts: by how much, in what time, and who witnesses against it."""

    source: str
    moved_ns: int
    took_ns: int
    witnesses: tuple[str, ...]


class Rates:
    """The history of offsets since the anchor, one knot each quarter of an hour, for a day."""

    def __init__(self, raw_sigma_ppt: int, rtc_unc_ppt: int, phc_unc_ppt: int) -> None:
        self._raw_sigma_ppt = max(raw_sigma_ppt, 1)
        self._crystal_unc_ppt = {"rtc": rtc_unc_ppt, "phc": phc_unc_ppt}
        self._knots: deque[Knot] = deque(maxlen=_KEPT)

    def due(self, raw_ns: int) -> bool:
        """True when the next knot may be added."""
        return not self._knots or raw_ns - self._knots[-1].raw_ns >= _KNOT_NS

    def before(self, raw_ns: int) -> Knot | None:
        """The last knot before an instant."""
        return next((knot for knot in reversed(self._knots) if knot.raw_ns < raw_ns), None)

    def add(self, knot: Knot) -> Verdict | None:
        """The verdict on the longest window that has one, first of all on the whole history; the knot is
        kept when it was due."""
        if self.due(knot.raw_ns):
            self._knots.append(knot)
        knots = self._knots
        starts = [knots[-1 - window] for window in reversed(_WINDOWS) if window < len(knots)]
        if starts and starts[0] is not knots[0]:
            starts.insert(0, knots[0])
        verdicts = (self._judge(start, knot) for start in starts)
        return next((verdict for verdict in verdicts if verdict is not None), None)

    def _sigma_ppt(self, name: str, start: int, end: int, span_ns: int) -> int:
        """One standard deviation of a source's rate over a window, honest sources given."""
        if name in ("receiver", "cesium"):
            return rate_ppt(_RECEIVER_NS + max(start, end), span_ns) + PPT_PER_PPB
        reading = rate_ppt(max(start, end) // 2 + 1, span_ns)
        if name in self._crystal_unc_ppt:
            crystal = _CRYSTAL_LONG_PPT if span_ns >= _LONG_NS else _CRYSTAL_SHORT_PPT
            # How well its rate was measured is one thing, how it has strayed since is another.
            return reading + isqrt(crystal**2 + (self._crystal_unc_ppt[name] // 2) ** 2)
        return reading + PPT_PER_PPB

    def _judge(self, start: Knot, end: Knot) -> Verdict | None:
        """A network card's clock may add a verdict, never take one away; and the raw counter, whose guilt
        begins trust anew, is not convicted by it."""
        heard = start.offsets.keys() & end.offsets.keys()
        verdict = self._fit(start, end, heard - {"phc"})
        if verdict is None and "phc" in heard:
            verdict = self._fit(start, end, heard)
            return None if verdict is not None and verdict.source == "raw" else verdict
        return verdict

    def _fit(self, start: Knot, end: Knot, heard: Set[str]) -> Verdict | None:
        span = end.raw_ns - start.raw_ns
        rates: dict[str, tuple[int, int]] = {}
        for name in heard:
            (first, first_half), (last, last_half) = start.offsets[name], end.offsets[name]
            sigma = self._sigma_ppt(name, first_half, last_half, span)
            rates[name] = rate_ppt(last - first, span), _WEIGHT // (sigma * sigma)
        raw = 0, _WEIGHT // (self._raw_sigma_ppt * self._raw_sigma_ppt)
        if _scatter([*rates.values(), raw]) < _DETECTED:
            return None
        fits = {"raw": _scatter(list(rates.values()))}
        for guilty in _GUILTY:
            if all(name in rates for name in guilty):
                innocent = [value for name, value in rates.items() if name not in guilty]
                together = [rates[name] for name in guilty]
                fits["+".join(guilty)] = _scatter([*innocent, raw]) + _scatter(together)
        (best, least), *others = sorted(fits.items(), key=lambda item: item[1])
        runner_up = min(value for _, value in others)
        if least > _FITS or runner_up - least < _CLEARLY_WORSE:
            return None
        guilty_names = best.split("+")
        named = guilty_names[0] if best != "raw" else "receiver"
        moved = end.offsets[named][0] - start.offsets[named][0] if named in rates else 0
        witnesses = [name for name in ("raw", *sorted(rates)) if name not in guilty_names]
        return Verdict(best, -moved if best == "raw" else moved, span, tuple(witnesses))


def _scatter(values: Sequence[tuple[int, int]]) -> int:
    """The chi-squared of rates about their weighted mean, in thousandths; 0 where nothing has a weight."""
    weight = sum(weight for _, weight in values)
    if not weight:
        return 0
    first = sum(weight * rate for rate, weight in values)
    second = sum(weight * rate * rate for rate, weight in values)
    return (second * weight - first * first) * _THOUSAND // (weight * _WEIGHT)


def offset(interval: Interval | None, predicted_ns: int) -> tuple[int, int] | None:
    """An interval as (offset from the prediction, half-width), in ns."""
    if interval is None:
        return None
    return (interval.lo_ns + interval.hi_ns) // 2 - predicted_ns, interval.half_ns
