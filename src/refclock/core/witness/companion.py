"""A second receiver beside a standard without labels: its messages' arrival tells the time, coarsely.

Its word is an interval on UTC as any witness's: a message names the second just passed and comes
``message_delay_ns`` after it, give or take ``message_jitter_ns``.
"""

from refclock.core.seconds.health import ReceiverHealth
from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.leap import LeapSeconds
from refclock.policy import Limits, ReceiverSettings
from refclock.units import NS_PER_S
from refclock.wire.report import Label, Report

# It speaks each second; what is older says nothing about now.
_VOID_AFTER_NS = 4 * NS_PER_S
# Messages of one burst follow one another; the first one's arrival is what the delay was stated for.
_BURST_NS = NS_PER_S // 2


class Companion:
    """The last good label of a second receiver, as an interval."""

    def __init__(self, settings: ReceiverSettings | None, limits: Limits) -> None:
        self._settings = settings or ReceiverSettings()
        self.configured = settings is not None
        self._limits = limits
        self._health = ReceiverHealth(limits.position_m, limits.receiver_holdover_ns)
        self._burst_ns: int | None = None
        self._said: Interval | None = None

    def hear(self, report: Report, raw_ns: int, unc_ns: int, leap: LeapSeconds) -> None:
        """A report whose first byte arrived at ``raw_ns``."""
        self._health.hear(report, raw_ns)
        if self._burst_ns is None or not 0 <= raw_ns - self._burst_ns < _BURST_NS:
            self._burst_ns = raw_ns
        if not isinstance(report, Label) or report.label_edge != "previous" or report.yearless:
            return
        if report.timescale != "utc" and (report.timescale, self._settings.timescale) != ("unstated", "utc"):
            return
        if leap.near_boundary(report.utc_s) or report.second60:
            self._said = None
            return
        settings = self._settings
        si_ns = leap.si_ns(report.utc_s * NS_PER_S) + report.frac_ns + settings.message_delay_ns
        half = settings.message_jitter_ns + unc_ns
        self._said = Interval(si_ns - half, si_ns + half, self._burst_ns)

    def interval(self, raw_ns: int, rate: RawRate) -> Interval | None:
        """UTC (SI ns) as it tells it; None when it is silent, or does not vouch for its time."""
        said, health = self._said, self._health
        if said is None or raw_ns - said.as_of_ns > _VOID_AFTER_NS:
            return None
        if health.valid(raw_ns) is not True or health.fault(raw_ns) is not None:
            return None
        return said.at(raw_ns, rate)

    def age_ns(self, raw_ns: int) -> int | None:
        """Time since it was last heard."""
        return None if self._said is None else raw_ns - self._said.as_of_ns

    def forget_raw(self) -> None:
        """The raw counter lost its continuity."""
        self._health = ReceiverHealth(self._limits.position_m, self._limits.receiver_holdover_ns)
        self._burst_ns = self._said = None
