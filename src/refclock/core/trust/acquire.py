"""From the first word of a receiver to the first second that is fed: the dwell and its proofs.

Every second of the dwell must continue the one before, on the grid of predicted edges, and no witness may
object. At its end enough witnesses must agree, the edge proof must hold, and on a host that is not enrolled
the receiver's own rate must agree with the NTP quorum's (docs/vetting.md, "Modes" and "Quantities").
"""

from dataclasses import dataclass

from refclock.core.gate.company import Company
from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.pairing import Refused, Second
from refclock.core.witness.assessment import Assessment
from refclock.policy import Limits
from refclock.units import NS_PER_S, nearest_second, rate_ppt


@dataclass(frozen=True, slots=True)
class Ready:
    """The dwell is over. ``rate`` is what the raw counter is now known to do; ``error_ns`` bounds how far
    this second may lie from UTC."""

    rate: RawRate
    error_ns: int


class Acquisition:
    """One attempt to trust a receiver, whose seconds will have to lie within ``offset_ns`` of one another."""

    def __init__(self, limits: Limits, offset_ns: int) -> None:
        self._limits = limits
        self._company = Company(offset_ns)
        # How long after their pulse the messages began when the host was enrolled: from, to (ns).
        self.enrolled_phases: tuple[int, int] | None = None
        self.reset()

    def reset(self) -> None:
        """Begin anew with the next second."""
        self.started_ns: int | None = None
        self.needed_ns = self._limits.dwell_cold_ns
        self.last: tuple[int, int] | None = None
        self._first_si_ns = 0
        self._phases: tuple[int, int] | None = None
        self._quorum_start: Interval | None = None

    def elapsed_ns(self, raw_ns: int) -> int:
        """How long the dwell has lasted."""
        return 0 if self.started_ns is None else raw_ns - self.started_ns

    def consider(
        self, second: Second, si_ns: int, rate: RawRate, said: Assessment, utc_confirmed: bool
    ) -> Refused | Ready:
        """Take one second into the dwell. A refusal of kind reject means: reset and begin anew."""
        raw_ns, utc_s = second.edge.raw_ns, second.utc_s
        limits = self._limits
        if self.started_ns is None:
            self.started_ns, self._first_si_ns = raw_ns, si_ns
        objection = (
            self._continuity(second, si_ns, rate)
            or self._phase(second)
            or self._objection(second, si_ns, said)
        )
        if objection is not None:
            return objection
        self.last = raw_ns, si_ns
        self._company.join(raw_ns, si_ns)
        quorum = said.quorum
        if self._quorum_start is None:
            self._quorum_start = quorum
        sharp = [
            one for one in (quorum, said.rtc) if one is not None and one.half_ns <= limits.warm_quorum_ns
        ]
        warm = (
            rate.enrolled and utc_confirmed and quorum is not None and quorum.half_ns <= limits.warm_quorum_ns
        )
        self.needed_ns = limits.dwell_warm_ns if warm else limits.dwell_cold_ns
        elapsed = self.elapsed_ns(raw_ns)
        if elapsed < self.needed_ns:
            return Refused(raw_ns, "dwell", elapsed, self.needed_ns, utc_s)
        if elapsed < limits.proof_ns or not sharp:
            widest = min((one.half_ns for one in (quorum, said.rtc) if one is not None), default=elapsed)
            return Refused(raw_ns, "edge-proof-unproven", widest, limits.warm_quorum_ns, utc_s)
        if said.before_trust < limits.witnesses:
            return Refused(raw_ns, "witnesses", said.before_trust, limits.witnesses, utc_s)
        learnt = self._rate(raw_ns, si_ns, rate, quorum, utc_s)
        if isinstance(learnt, Refused):
            return learnt
        astray_ns = self._company.astray_ns(learnt)
        if astray_ns > self._company.near_ns:
            return Refused(raw_ns, "anchor-astray", astray_ns, self._company.near_ns, utc_s)
        error = min(one.farthest_ns(si_ns) for one in sharp) + second.edge.unc_ns
        return Ready(learnt, error)

    def _continuity(self, second: Second, si_ns: int, rate: RawRate) -> Refused | None:
        if self.last is None:
            return None
        last_raw, last_si = self.last
        passed = rate.advance(second.edge.raw_ns - last_raw)
        off_s = nearest_second(si_ns - last_si) - nearest_second(passed)
        if off_s == 0:
            return None
        return Refused(
            second.edge.raw_ns, "label-continuity", off_s, 0, second.utc_s, moved_ns=off_s * NS_PER_S
        )

    def _phase(self, second: Second) -> Refused | None:
        """The messages must come at a steady phase after their pulse, or they prove nothing about it."""
        low, high = self._phases or (second.phase_ns, second.phase_ns)
        self._phases = low, high = min(low, second.phase_ns), max(high, second.phase_ns)
        raw_ns, limit = second.edge.raw_ns, self._limits.proof_spread_ns
        if high - low > limit:
            return Refused(raw_ns, "edge-proof-spread", high - low, limit, second.utc_s)
        known = self.enrolled_phases
        if known is None or known[0] - limit // 2 <= second.phase_ns <= known[1] + limit // 2:
            return None
        middle = (known[0] + known[1]) // 2
        return Refused(
            raw_ns,
            "edge-proof-phase",
            second.phase_ns - middle,
            (known[1] - known[0] + limit) // 2,
            second.utc_s,
        )

    def _objection(self, second: Second, si_ns: int, said: Assessment) -> Refused | None:
        """Both hypotheses are tested: that the label names its edge, or the one beside it."""
        objection = said.quorum_objects or said.rtc_objects or said.cesium_objects or said.further_objects
        interval = said.quorum if said.quorum_objects else said.rtc
        if objection is None or interval is None or interval.half_ns > self._limits.warm_quorum_ns:
            return objection
        for other in (-1, 1):
            if interval.outside_ns(si_ns + other * NS_PER_S) <= second.edge.unc_ns:
                return Refused(second.edge.raw_ns, "edge-proof", -other, 0, second.utc_s)
        return objection

    def _rate(
        self, raw_ns: int, si_ns: int, rate: RawRate, quorum: Interval | None, utc_s: int
    ) -> RawRate | Refused:
        """An enrolled rate stays. Otherwise it is the quorum's over the dwell, provisionally, if the
        receiver's own rate agrees with it."""
        start, began = self._quorum_start, self.started_ns
        if rate.enrolled or quorum is None or start is None or began is None:
            return rate
        span = raw_ns - start.as_of_ns
        if 2 * span < self.needed_ns:
            return rate
        slowest = rate_ppt(quorum.lo_ns - start.hi_ns - span, span)
        fastest = rate_ppt(quorum.hi_ns - start.lo_ns - span, span)
        own = rate_ppt(si_ns - self._first_si_ns - (raw_ns - began), raw_ns - began)
        middle, half = (slowest + fastest) // 2, (fastest - slowest) // 2 + 1
        if not slowest <= own <= fastest:
            return Refused(raw_ns, "rate-disagrees", abs(own - middle), half, utc_s)
        return RawRate(middle, half + self._limits.raw_stability_ppt)
