"""What a capture says about the rates of counter and RTC, and about the receiver's delays: for ``enroll``.

Rates are in ppt (parts in 10**12) of UTC: raw, by how much UTC advances faster than the counter; rtc, by
how much the RTC advances faster than UTC.
"""

from bisect import insort
from dataclasses import dataclass, field

from refclock.core.bridge import Bridge
from refclock.core.rules.reasons import is_rejection
from refclock.core.seconds.interval import Interval
from refclock.model import Decision, Event, PhcReading, Publish, RtcTick, Withhold
from refclock.units import NS_PER_S, PPT_ONE, PPT_PER_PPM, rate_ppt

# How well one second of a receiver is placed: its jitter with that of the interrupt.
_SECOND_NS = 5_000
_SECOND_WITHOUT_PPS_NS = 60_000_000
_MAX_KEPT = 200_000
# An RTC's crystal follows the room's temperature: what it strays by later is the core's to allow for, but its
# rate over some hours of the day is not yet its rate over all of them.
_RTC_WANDER_PPT = PPT_PER_PPM
_RTC_WANDER_DAY_PPT = PPT_PER_PPM // 5
_DAY_NS = 20 * 3600 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate, and the half-width of what it may be."""

    ppt: int
    unc_ppt: int
    span_ns: int

    @property
    def low(self) -> int:
        return self.ppt - self.unc_ppt

    @property
    def high(self) -> int:
        return self.ppt + self.unc_ppt


@dataclass(slots=True)
class Run:
    """Seconds of the receiver without interruption: their ends, as (raw ns, SI ns)."""

    first: tuple[int, int]
    last: tuple[int, int]

    @property
    def span_ns(self) -> int:
        return self.last[0] - self.first[0]


@dataclass(slots=True)
class Measurement:
    """Takes in a replay: each event after the core took it, with what was decided then."""

    bridge: Bridge
    has_pps: bool
    run: Run | None = None
    best: Run | None = None
    quorums: list[Interval] = field(default_factory=list)
    ticks: list[RtcTick] = field(default_factory=list)
    readings: list[PhcReading] = field(default_factory=list)
    phases_ns: list[int] = field(default_factory=list)
    seconds: int = 0

    def take(self, event: Event, decisions: list[Decision]) -> None:
        """One event of the capture, and the decisions that it led to."""
        if isinstance(event, RtcTick):
            if self.ticks and self.bridge.vetting.witnesses.rtc.stepped_ns:
                self.ticks.clear()
            self.ticks.append(event)
        elif isinstance(event, PhcReading):
            self.readings = [*self.readings[:1], event]
        quorum = self.bridge.vetting.witnesses.quorum.interval
        if quorum is not None and (not self.quorums or self.quorums[-1] is not quorum):
            self.quorums.append(quorum)
        for decision in decisions:
            self._decided(decision)

    def _decided(self, decision: Decision) -> None:
        if isinstance(decision, Withhold) and is_rejection(decision.reason):
            self.run = None
        if not isinstance(decision, Publish | Withhold) or decision.utc_ns is None:
            return
        if isinstance(decision, Withhold) and decision.reason not in _WAITING:
            return
        self.seconds += 1
        phase_ns = self.bridge.pairing.phase_ns
        if phase_ns is not None and len(self.phases_ns) < _MAX_KEPT:
            insort(self.phases_ns, phase_ns)
        here = decision.raw_ns, self.bridge.vetting.witnesses.leap.si_ns(decision.utc_ns)
        if self.run is None or here[0] <= self.run.last[0]:
            self.run = Run(here, here)
        self.run.last = here
        if self.best is None or self.run.span_ns > self.best.span_ns:
            self.best = self.run

    # ---- what it amounts to -----------------------------------------------------------------------

    def by_receiver(self) -> Rate | None:
        """The counter's rate against the receiver's longest uninterrupted run."""
        run = self.best
        if run is None or run.span_ns < NS_PER_S:
            return None
        placed = _SECOND_NS if self.has_pps else _SECOND_WITHOUT_PPS_NS
        advanced = run.last[1] - run.first[1]
        return Rate(
            rate_ppt(advanced - run.span_ns, run.span_ns),
            rate_ppt(2 * placed, run.span_ns) + 1,
            run.span_ns,
        )

    def by_quorum(self) -> Rate | None:
        """The counter's rate against the NTP quorum: what its narrowest intervals near both ends allow."""
        if len(self.quorums) < 2:
            return None
        begin, end = self.quorums[0].as_of_ns, self.quorums[-1].as_of_ns
        tenth = (end - begin) // 10
        early = min((one for one in self.quorums if one.as_of_ns <= begin + tenth), key=_width)
        late = min((one for one in self.quorums if one.as_of_ns >= end - tenth), key=_width)
        span = late.as_of_ns - early.as_of_ns
        if span < NS_PER_S:
            return None
        slow = rate_ppt(late.lo_ns - early.hi_ns - span, span)
        fast = rate_ppt(late.hi_ns - early.lo_ns - span, span)
        return Rate((slow + fast) // 2, (fast - slow) // 2 + 1, span)

    def rtc(self, counter: Rate) -> Rate | None:
        """The RTC's rate against UTC, by way of the counter."""
        if len(self.ticks) < 2:
            return None
        first, last = self.ticks[0], self.ticks[-1]
        span = last.raw_ns - first.raw_ns
        if span < NS_PER_S:
            return None
        passed = span + span * counter.ppt // PPT_ONE
        told = (last.rtc_s - first.rtc_s) * NS_PER_S
        reading = rate_ppt(first.unc_ns + last.unc_ns, span) + 1
        wander = _RTC_WANDER_PPT if span < _DAY_NS else _RTC_WANDER_DAY_PPT
        return Rate(rate_ppt(told - passed, passed), reading + counter.unc_ppt + wander, span)

    def phc(self, counter: Rate) -> Rate | None:
        """A network card's clock's rate against UTC, by way of the counter; None for one that is no clock."""
        if len(self.readings) < 2 or self.bridge.vetting.witnesses.further.phc.fault:
            return None
        first, last = self.readings
        span = last.raw_ns - first.raw_ns
        if span < NS_PER_S:
            return None
        passed = span + span * counter.ppt // PPT_ONE
        reading = rate_ppt(first.unc_ns + last.unc_ns, span) + 1
        told = last.phc_ns - first.phc_ns
        return Rate(rate_ppt(told - passed, passed), reading + counter.unc_ppt, span)


_WAITING = ("dwell", "witnesses", "edge-proof-unproven", "rate-disagrees", "locked")


def _width(interval: Interval) -> int:
    return interval.hi_ns - interval.lo_ns


def combine(receiver: Rate, quorum: Rate) -> Rate | None:
    """The rate to enroll: the receiver's, which is the sharper one, with an uncertainty that reaches as far
    as the quorum allows the truth to lie. None when the two contradict each other."""
    if receiver.low > quorum.high or quorum.low > receiver.high:
        return None
    reach = max(quorum.high - receiver.ppt, receiver.ppt - quorum.low, receiver.unc_ppt)
    return Rate(receiver.ppt, reach, min(receiver.span_ns, quorum.span_ns))
