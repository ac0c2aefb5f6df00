"""A standard that gives a pulse and no label (cesium, rubidium): who numbers its seconds, and how often.

Once: before the first feed each pulse is named by the witnesses, two of whom must tell the same second,
each for itself (docs/vetting.md, "A standard without labels"). From the first feed on a second is the last
accepted one plus the whole seconds that the counter says have elapsed; it is never numbered anew.
"""

from collections.abc import Sequence

from refclock.core.seconds.health import ReceiverHealth
from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.leap import LeapSeconds
from refclock.core.seconds.pairing import Edge, Refused, Second, edge_window_ns
from refclock.policy import Policy
from refclock.units import NS_PER_S, nearest_second, scale_up
from refclock.wire.families import PPS_ONLY

# So many must tell the second; one alone, who may lie, never names it.
_NAMERS = 2
# As long as the counter itself is surer than this it counts; half of it is left to the pulse's window.
_COUNTS_NS = NS_PER_S // 4
# Two pulses within one window: which of them is the standard's is not known, nor of the next ones.
_DOUBT_NS = 10 * NS_PER_S


class Standard:
    """Numbers one standard's pulses; it has the manners of core.seconds.pairing's ``Pairing``."""

    def __init__(self, policy: Policy, health: ReceiverHealth, leap: LeapSeconds) -> None:
        self._limits = policy.limits
        self._delay_ns = policy.pulse.delay_ns if policy.pulse else 0
        self._health = health
        # Where it has a line, somebody must say on it that the standard is locked.
        self._speaks = policy.receiver.protocol not in PPS_ONLY
        self._leap = leap
        self._grid_ns: int | None = None
        self._last_ns: int | None = None
        self._last_sequence: int | None = None
        self._answered_ns: int | None = None
        self._doubted_ns: int | None = None
        self._stray: tuple[Edge, int, int] | None = None
        self.extra_edges = 0
        self.missed_edges = 0

    def expect(self, raw_ns: int | None) -> None:
        """Predict further edges from this one, which was good; None forgets."""
        self._grid_ns = raw_ns

    def forget_edges(self) -> None:
        """The clock that stamped the pulses so far was stepped: their stamps are worthless."""
        self._stray = None

    def on_edge(
        self,
        edge: Edge,
        sequence: int,
        rate: RawRate,
        counted: tuple[int, int] | None,
        told: Sequence[Interval],
    ) -> list[Second | Refused]:
        """A pulse came. ``counted``: the last accepted second (raw ns, SI ns) once trust is established;
        ``told``: what each witness that may name a second says UTC was at this pulse."""
        last_ns = self._last_ns
        if last_ns is not None and edge.raw_ns <= last_ns:
            return [Refused(edge.raw_ns, "edge-order", edge.raw_ns - last_ns, 1)]
        self._last_ns = edge.raw_ns
        if self._last_sequence is not None:
            self.missed_edges += max(0, sequence - self._last_sequence - 1)
        self._last_sequence = sequence
        grid_ns = self._grid_ns
        if grid_ns is None:
            self._stray = None
            return [self._take(edge, rate, counted, told)]
        passed = rate.advance(edge.raw_ns - grid_ns)
        number = nearest_second(passed)
        off = passed - number * NS_PER_S
        window = edge_window_ns(self._limits, rate, passed, self._limits.edge_window_ns)
        answered = self._answered_ns is not None and self._number(self._answered_ns, rate) == number
        if abs(off) > window:
            found = self._settle(None, rate)
            if answered:
                return [*found, self._extra(edge, off, window)]
            # The right pulse of this second may yet come; the next pulse tells.
            self._stray = edge, off, window
            return found
        found = self._settle(number, rate)
        if answered:
            self._doubted_ns = edge.raw_ns
            self.extra_edges += 1
        if self._doubted_ns is not None and edge.raw_ns - self._doubted_ns < _DOUBT_NS:
            return [*found, Refused(edge.raw_ns, "edge-ambiguous", 2, 1)]
        return [*found, self._take(edge, rate, counted, told)]

    def _number(self, raw_ns: int, rate: RawRate) -> int:
        return nearest_second(rate.advance(raw_ns - (self._grid_ns or 0)))

    def _settle(self, number: int | None, rate: RawRate) -> list[Second | Refused]:
        """What a pulse beside the grid was, now that a later one came, which has this number: one beside
        the right one, or the standard's own in the wrong place."""
        stray, self._stray = self._stray, None
        if stray is None:
            return []
        edge, off, window = stray
        if number is not None and self._number(edge.raw_ns, rate) == number:
            return [self._extra(edge, off, window)]
        return [Refused(edge.raw_ns, "edge-window", abs(off), window, moved_ns=-off)]

    def _extra(self, edge: Edge, off: int, window: int) -> Refused:
        self.extra_edges += 1
        return Refused(edge.raw_ns, "edge-extra", abs(off), window)

    def _take(
        self, edge: Edge, rate: RawRate, counted: tuple[int, int] | None, told: Sequence[Interval]
    ) -> Second | Refused:
        """One pulse in its place: its second, or why it has none."""
        self._answered_ns = edge.raw_ns
        if self._speaks and self._health.locked(edge.raw_ns) is None:
            return Refused(edge.raw_ns, "standard-unknown", 0, 1)
        named = self._count(edge, rate, counted) if counted is not None else self._ask(edge, told)
        if isinstance(named, Refused):
            return named
        utc_s, second60 = self._leap.name(named)
        return Second(edge, utc_s, second60, self._delay_ns, 0)

    def _count(self, edge: Edge, rate: RawRate, counted: tuple[int, int]) -> int | Refused:
        """The SI second by counting from the last accepted one."""
        last_raw_ns, last_si_ns = counted
        elapsed = edge.raw_ns - last_raw_ns
        unsure = scale_up(abs(elapsed), rate.unc_ppt)
        if 2 * unsure > _COUNTS_NS:
            return Refused(edge.raw_ns, "numbering-lost", 2 * unsure, _COUNTS_NS)
        return nearest_second(last_si_ns - self._delay_ns) + nearest_second(rate.advance(elapsed))

    def _ask(self, edge: Edge, told: Sequence[Interval]) -> int | Refused:
        """The SI second by the witnesses. An interval narrower than half a second holds one whole second at
        most; it must hold one, and all that are as narrow must hold the same."""
        limit = min(self._limits.warm_quorum_ns, _COUNTS_NS)
        sharp = [one for one in told if one.half_ns + edge.unc_ns < limit]
        if len(sharp) < _NAMERS:
            return Refused(edge.raw_ns, "numbering", len(sharp), _NAMERS)
        names = sorted(nearest_second((one.lo_ns + one.hi_ns) // 2 - self._delay_ns) for one in sharp)
        if names[0] != names[-1]:
            return Refused(edge.raw_ns, "numbering-conflict", names[-1] - names[0], 0)
        off = max(one.outside_ns(names[0] * NS_PER_S + self._delay_ns) for one in sharp)
        if off > edge.unc_ns:
            return Refused(edge.raw_ns, "numbering-phase", off, edge.unc_ns)
        return names[0]
