"""A network card's clock (PHC) as a witness: it has a rate but no date.

Anchored at the first feed, like the RTC, it tells from then on how much time has passed. It must be a
crystal of its own: one that stands still, runs beyond what a crystal does, jumped, or is disciplined by
something is no witness, until the raw counter begins anew or its rate is enrolled.
"""

from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.pairing import Refused
from refclock.model import PhcReading
from refclock.units import NS_PER_S, NS_PER_US, PPT_ONE, PPT_PER_PPM, rate_ppt, scale_up

# A reading not repeated for this long says nothing about now, and one less sharp than this nothing at all.
_VOID_AFTER_NS = 64 * NS_PER_S
_MAX_UNC_NS = 100 * NS_PER_US
# No crystal is farther off, and none slower than a thousandth of its nominal rate.
_MAX_RATE_PPT = 500 * PPT_PER_PPM
_FROZEN = 1000
# How far a crystal's rate strays from what was measured, with the temperature.
_STABILITY_PPT = 2 * PPT_PER_PPM
# A rate learnt over less than this is none.
_LEARNT_NS = 60 * NS_PER_S
_JUMP_SLACK_NS = 20 * NS_PER_US
# It keeps to CLOCK_REALTIME this closely for this long, while that one leaves the raw counter by so much.
_FOLLOWS_NS = 20 * NS_PER_US
_FOLLOWS_AFTER_NS = 3600 * NS_PER_S
_STEERED_NS = 100 * NS_PER_US


class _Window:
    """How far two differences have ranged since a reading."""

    def __init__(self, event: PhcReading) -> None:
        self.since_ns = event.raw_ns
        beside, steered = event.phc_ns - event.real_ns, event.real_ns - event.raw_ns
        self._from_real, self._of_real = (beside, beside), (steered, steered)

    def take(self, event: PhcReading) -> tuple[int, int]:
        """The ranges of PHC - REALTIME and of REALTIME - RAW, this reading included."""
        (lo, hi), beside = self._from_real, event.phc_ns - event.real_ns
        self._from_real = min(lo, beside), max(hi, beside)
        (low, high), steered = self._of_real, event.real_ns - event.raw_ns
        self._of_real = min(low, steered), max(high, steered)
        return self._from_real[1] - self._from_real[0], self._of_real[1] - self._of_real[0]


class PhcWitness:
    """One PHC. ``fault`` is the reason for which it is no witness, if any."""

    def __init__(self) -> None:
        self.enrolled: tuple[int, int] | None = None
        self.forget_raw()

    def forget_raw(self) -> None:
        """The raw counter lost its continuity: begin anew."""
        self.fault = ""
        self._first: PhcReading | None = None
        self._last: PhcReading | None = None
        self._window: _Window | None = None
        # At which of its own readings UTC (SI ns) was what, within which error.
        self._anchor: tuple[PhcReading, int, int] | None = None
        self._learnt: tuple[int, int] | None = None
        self._walked_ns = 0

    def enroll(self, rate_ppt: int, unc_ppt: int) -> None:
        """Its measured rate: PHC seconds elapse (1 + rate) for each UTC second, within ``unc_ppt``."""
        self.enrolled = rate_ppt, unc_ppt

    @property
    def present(self) -> bool:
        """True once it was read."""
        return self._last is not None

    @property
    def anchored(self) -> bool:
        """True once it was told what UTC is."""
        return self._anchor is not None

    @property
    def reading_unc_ns(self) -> int:
        """How sharply it was read last."""
        return 0 if self._last is None else self._last.unc_ns

    @property
    def rate_unc_ppt(self) -> int:
        """How well its rate is known: as it was measured, or not at all."""
        known = self.enrolled or self._learnt
        return _MAX_RATE_PPT if known is None else known[1]

    @property
    def drift_ppt(self) -> int:
        """How far it may drift from UTC once its known rate is taken out."""
        known = self.enrolled or self._learnt
        return _MAX_RATE_PPT if known is None else known[1] + _STABILITY_PPT

    def take(self, event: PhcReading, rate: RawRate) -> Refused | None:
        """Take in a reading; returns why it is no witness any more, once."""
        last = self._last
        if event.unc_ns > _MAX_UNC_NS or (last is not None and event.raw_ns <= last.raw_ns):
            return None
        if last is None or self._window is None:
            self._first, self._window = event, _Window(event)
        elif not self.fault:
            refused = self._judge(last, event, rate) or self._disciplined(self._window, event)
            if refused is not None:
                self.fault, self._last = refused.reason, event
                return refused
        self._last = event
        return None

    def _judge(self, last: PhcReading, event: PhcReading, rate: RawRate) -> Refused | None:
        raw_ns, passed = event.raw_ns, rate.advance(event.raw_ns - last.raw_ns)
        moved, slack = event.phc_ns - last.phc_ns, event.unc_ns + _JUMP_SLACK_NS
        if 0 <= moved < passed // _FROZEN:
            return Refused(raw_ns, "phc-frozen", moved, passed // _FROZEN)
        known = self._rate(rate)
        fastest = slack + last.unc_ns + scale_up(passed, _MAX_RATE_PPT)
        if abs(moved - passed) > fastest:
            # What keeps a wrong rate from its first reading on is told from what jumped by its size only.
            reason = "phc-step" if known is not None or abs(moved - passed) > passed // 100 else "phc-rate"
            return Refused(raw_ns, reason, abs(moved - passed), fastest)
        if known is None:
            return None
        beside = moved - passed - passed * known[0] // PPT_ONE
        # The learnt rate is one against the counter itself; the enrolled one is against UTC.
        wander = _STABILITY_PPT + known[1] + (rate.unc_ppt if self.enrolled else _STABILITY_PPT)
        slack += scale_up(passed, wander)
        if abs(beside) > slack + last.unc_ns:
            return Refused(raw_ns, "phc-step", abs(beside), slack + last.unc_ns)
        if self._anchor is not None:
            # Many small steps, none of them a jump, are one all the same.
            self._walked_ns += beside
            slack += self._anchor[0].unc_ns + scale_up(raw_ns - self._anchor[0].raw_ns, wander)
            if abs(self._walked_ns) > slack:
                return Refused(raw_ns, "phc-step", abs(self._walked_ns), slack)
        return None

    def _disciplined(self, window: _Window, event: PhcReading) -> Refused | None:
        beside, steered = window.take(event)
        if beside > _FOLLOWS_NS + event.unc_ns:
            self._window = _Window(event)
        elif event.raw_ns - window.since_ns >= _FOLLOWS_AFTER_NS and steered >= _STEERED_NS + event.unc_ns:
            return Refused(event.raw_ns, "phc-disciplined", beside, _FOLLOWS_NS)
        return None

    def _rate(self, rate: RawRate) -> tuple[int, int] | None:
        """Its rate and the uncertainty of its measurement: enrolled, or learnt until it was anchored."""
        first, last = self._first, self._last
        if self.enrolled is not None or self._learnt is not None:
            return self.enrolled or self._learnt
        if first is None or last is None or last.raw_ns - first.raw_ns < _LEARNT_NS:
            return None
        span = rate.advance(last.raw_ns - first.raw_ns)
        off = last.phc_ns - first.phc_ns - span
        return rate_ppt(off, span), rate_ppt(last.unc_ns + first.unc_ns, span) + 1

    def anchor(self, raw_ns: int, si_ns: int, error_ns: int, rate: RawRate) -> None:
        """The first feed: from here on it counts UTC by its own rate. One whose rate is not known, or that
        is silent, stays without an opinion."""
        last = self._last
        self._anchor = None
        if last is None or self.fault or raw_ns - last.raw_ns > _VOID_AFTER_NS:
            return
        if self._learnt is None and self.enrolled is None:
            learnt = self._rate(rate)
            if learnt is None:
                return
            # Learnt against the counter, so the counter's own uncertainty is in it.
            self._learnt = learnt[0], learnt[1] + rate.unc_ppt
        elapsed = last.raw_ns - raw_ns
        error_ns += last.unc_ns + scale_up(abs(elapsed), rate.unc_ppt)
        self._anchor = last, si_ns + rate.advance(elapsed), error_ns
        self._walked_ns = 0

    def interval(self, raw_ns: int, rate: RawRate) -> Interval | None:
        """UTC (SI ns) as it tells it now; None when it has no opinion."""
        last, anchor, known = self._last, self._anchor, self.enrolled or self._learnt
        if last is None or anchor is None or known is None or self.fault:
            return None
        if raw_ns - last.raw_ns > _VOID_AFTER_NS:
            return None
        passed = (last.phc_ns - anchor[0].phc_ns) * PPT_ONE // (PPT_ONE + known[0])
        told = anchor[1] + passed
        half = anchor[2] + last.unc_ns + scale_up(abs(passed), self.drift_ppt)
        return Interval(told - half, told + half, last.raw_ns).at(raw_ns, rate)

    def age_ns(self, raw_ns: int) -> int | None:
        """Time since it was last read."""
        return None if self._last is None else raw_ns - self._last.raw_ns
