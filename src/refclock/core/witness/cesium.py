"""The cesium standard's own pulse, against which profile kdc-cesium judges the receiver's, edge to edge.

The two pulses of one second are compared within that second, so that the raw counter's rate hardly
enters. The difference wanders only as far as one of the two does; where in the second the cesium's pulse
lies does not matter. It has no date and no label: it is the authority for rate and for nothing else.
"""

from refclock.core.gate.gate import Gate, Mask
from refclock.core.seconds.interval import RawRate
from refclock.core.seconds.pairing import Refused, Second
from refclock.core.seconds.timeline import Placed
from refclock.policy import Limits
from refclock.units import NS_PER_S, nearest_second, scale_up

# Its mask is the profile's second one.
MASK = 2
_FRESH_NS = 1_600_000_000


class Cesium:
    """The pulses of one standard, and the gate on the receiver's distance from them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._edge: Placed | None = None
        # At the first comparison: how far apart the two pulses were, and which was the standard's.
        self._base: tuple[int, Placed] | None = None
        # How far its pulse has wandered on the raw counter since the first comparison.
        self.wandered_ns = 0
        # Since when no whole second can have slipped in between receiver and standard.
        self.since_ns = 0
        self.reset()

    def reset(self) -> None:
        """A new attempt to trust the receiver, or a raw counter that began anew: compare from here on."""
        mask = Mask(self._limits.mask2_offset_ns, self._limits.mask2_rate_ppt)
        self.gate = Gate((mask,), self._limits.gap_budget_ns)
        self._base = None
        self._kept: tuple[int, int, int] | None = None
        # The distance of the first second that was kept; those refused before it do not count.
        self._from_ns = 0

    def on_edge(self, edge: Placed) -> None:
        """A pulse of the standard."""
        self._edge = edge

    def age_ns(self, raw_ns: int) -> int | None:
        """Time since its last pulse."""
        return None if self._edge is None else raw_ns - self._edge.raw_ns

    def apart_ns(self, second: Second, rate: RawRate) -> int | None:
        """The receiver's second less the standard's pulse, within half a second either way, counted from
        the first comparison on; None when the standard is silent."""
        edge = self._edge
        # The second itself lies before its stamp by the cable's delay and the sawtooth.
        receiver_ns = second.edge.raw_ns - second.late_ns
        if edge is None or abs(receiver_ns - edge.raw_ns) > _FRESH_NS:
            return None
        apart = rate.advance(receiver_ns - edge.raw_ns)
        if self._base is None:
            self._base, self.since_ns = (apart, edge), receiver_ns
        base_ns, base_edge = self._base
        wandered = rate.advance(edge.raw_ns - base_edge.raw_ns)
        self.wandered_ns = wandered - nearest_second(wandered) * NS_PER_S
        moved = apart - base_ns
        # Whole seconds do not count; and a distance near half a second must not flip its sign.
        return moved - nearest_second(moved) * NS_PER_S

    def judge(self, second: Second, apart_ns: int) -> Refused | None:
        """None when the mask admits the distance."""
        breach = self.gate.judge(second.edge.raw_ns, apart_ns)
        if breach is None:
            return None
        raw_ns, limit_ns = second.edge.raw_ns, breach.limit_ns
        # A late pulse means that the receiver's time is behind.
        return Refused(raw_ns, "drift-mask", breach.value_ns, limit_ns, second.utc_s, MASK, -apart_ns)

    def continuous(self, raw_ns: int, si_ns: int, apart_ns: int, rate: RawRate) -> bool:
        """Whether a second (``si_ns``, SI ns at ``raw_ns``) goes on from the last one that was kept without a
        whole second between: pulses tell none, so that the raw counter must."""
        if self._kept is None:
            return True
        kept_raw_ns, kept_si_ns, kept_apart_ns = self._kept
        passed = raw_ns - kept_raw_ns
        moved = abs(si_ns - kept_si_ns - rate.advance(passed)) + scale_up(abs(passed), rate.unc_ppt)
        return moved + abs(apart_ns - kept_apart_ns) < NS_PER_S

    def keep(self, raw_ns: int, si_ns: int, apart_ns: int, rate: RawRate) -> None:
        """The second was accepted."""
        if not self.continuous(raw_ns, si_ns, apart_ns, rate):
            self.since_ns, self._kept = raw_ns, None
        if self._kept is None:
            self._from_ns = apart_ns
        self._kept = raw_ns, si_ns, apart_ns
        self.gate.accept(raw_ns, apart_ns)

    def bound_ns(self, raw_ns: int, apart_ns: int) -> int:
        """How far the receiver can have left UTC since ``since_ns``, by the standard."""
        elapsed = max(0, raw_ns - self.since_ns)
        mask_ns = self._limits.mask2_offset_ns + scale_up(elapsed, self._limits.mask2_rate_ppt)
        return abs(apart_ns - self._from_ns) + mask_ns
