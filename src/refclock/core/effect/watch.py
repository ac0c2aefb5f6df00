"""What chrony, or anybody else, does with the system clock: its rate, steps, a slew that nobody ends.

The rules bound what is fed; tickets and authenticators are judged by the system clock. So CLOCK_REALTIME is
held against the raw counter, which nobody steers (draft-weber-krb-wg-kerberos-clock-synchronization-01,
requirements 22, 26 and 29 to 31), and whatever goes beyond the profile is said within two seconds.
"""

from collections.abc import Callable

from refclock.core.effect.alarms import Alarms
from refclock.core.seconds.interval import RawRate
from refclock.core.seconds.pairing import Refused
from refclock.model import Event, SystemClock
from refclock.policy import Limits
from refclock.units import NS_PER_S, PPT_ONE, PPT_PER_PPB, PPT_PER_PPM, rate_ppt, scale_down, scale_up

# A rate is measured over this much at least, and the clock is looked at this often.
_WINDOW_NS = NS_PER_S
# Two stamps so wide tell no rate: later ones will. But for no longer than this.
_PATIENCE_NS = 16 * NS_PER_S
# adjtimex(2): the kernel adds ``tick`` microseconds a hundred times a second; a unit is 100 ppm.
_TICK_US, _TICK_PPB = 10_000, 100_000
# chrony leaves the kernel its frequency when it ends, known to some ppm; the slew on top of it goes.
_SETTLED_PPT = 20 * PPT_PER_PPM
# By how much the rate may have changed since it was measured, where a step has to be told from it.
_STEADY_PPT = 100 * PPT_PER_PPM


class SystemWatch:
    """CLOCK_REALTIME against the raw counter, from event to event."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._steps = 0
        self._step: tuple[int, int] | None = None
        self._alarms = Alarms()
        self._chronyd: bool | None = None
        self._kernel_ppt: int | None = None
        self._sets: int | None = None
        self.begin_anew()

    def begin_anew(self) -> None:
        """The raw counter began anew: nothing that was measured against it holds."""
        self._anchor: Event | None = None
        self._looked_ns: int | None = None
        self._rate_ppt: int | None = None

    def wake_at(self) -> int | None:
        """When (raw ns) to look again at the latest, where nothing else happens; None before an event."""
        return None if self._looked_ns is None else self._looked_ns + _WINDOW_NS

    def on_chronyd(self, there: bool) -> None:
        """Whether a chronyd takes what it is given."""
        self._chronyd = there

    def set_ns(self, event: Event) -> int:
        """By how much the clock was set since the last look, where the kernel counted that it was: also what
        is too little to be told from a slew. 0 otherwise."""
        if not isinstance(event, SystemClock) or event.clock_sets is None:
            return 0
        before, self._sets = self._sets, event.clock_sets
        if before is None or before == event.clock_sets or self._anchor is None:
            return 0
        elapsed = event.raw_ns - self._anchor.raw_ns
        slewed = scale_down(elapsed, self._rate_ppt or self._kernel_ppt or 0)
        moved = event.real_ns - self._anchor.real_ns - elapsed - slewed
        unsure = event.unc_ns + self._anchor.unc_ns + scale_up(abs(elapsed), _STEADY_PPT)
        return moved if abs(moved) > unsure else 0

    def observe(
        self, event: Event, stepped_ns: int, rate: RawRate, off_ns: Callable[[], int | None]
    ) -> list[Refused]:
        """Follow the clock. ``stepped_ns`` is by how much it was stepped just before this event, 0 if it was
        not; ``off_ns`` tells by how much it is ahead of all that UTC may be (negative: behind), None if
        unknown."""
        if isinstance(event, SystemClock):
            kernel_ppb = event.freq_ppb + (event.tick_us - _TICK_US) * _TICK_PPB
            self._kernel_ppt = kernel_ppb * PPT_PER_PPB
        if stepped_ns:
            self._steps += 1
            self._step = event.raw_ns, stepped_ns
            self.begin_anew()
        anchor = self._anchor
        if anchor is None:
            self._anchor, self._looked_ns = event, event.raw_ns
            return self._left(event.raw_ns, rate) + self._off(event.raw_ns, off_ns())
        elapsed = event.raw_ns - anchor.raw_ns
        if elapsed < _WINDOW_NS:
            return []
        self._looked_ns = event.raw_ns
        unsure_ppt = (event.unc_ns + anchor.unc_ns) * PPT_ONE // elapsed + 1
        if unsure_ppt > self._limits.system_rate_ppt // 2 and elapsed < _PATIENCE_NS:
            return []
        self._anchor = event
        self._rate_ppt = rate_ppt(event.real_ns - anchor.real_ns - elapsed, elapsed)
        found = self._fast(event.raw_ns, rate, unsure_ppt)
        return found + self._left(event.raw_ns, rate) + self._off(event.raw_ns, off_ns())

    def _fast(self, raw_ns: int, rate: RawRate, unsure_ppt: int) -> list[Refused]:
        """The measured rate, less what the counter itself is known to be off."""
        assert self._rate_ppt is not None  # measured just now
        limit = self._limits.system_rate_ppt + rate.unc_ppt + unsure_ppt
        return self._alarms.judge(raw_ns, "clock-rate", self._rate_ppt - rate.y_ppt, limit)

    def _left(self, raw_ns: int, rate: RawRate) -> list[Refused]:
        """A chronyd that is killed in mid-slew leaves its slew in the kernel."""
        if self._chronyd is not False or self._kernel_ppt is None:
            self._alarms.end("slew-left")
            return []
        limit = _SETTLED_PPT + rate.unc_ppt
        return self._alarms.judge(raw_ns, "slew-left", self._kernel_ppt - rate.y_ppt, limit)

    def _off(self, raw_ns: int, off_ns: int | None) -> list[Refused]:
        """Ahead and behind are two alarms: what to do about each is another thing."""
        limit, off = self._limits.gate_tolerance_ns, off_ns or 0
        ahead = self._alarms.judge(raw_ns, "clock-ahead", max(off, 0), limit)
        return ahead + self._alarms.judge(raw_ns, "clock-behind", min(off, 0), limit)

    def fields(self, raw_ns: int) -> dict[str, object]:
        """For people and monitors, as JSON-able values."""
        at_ns, step_ns = self._step if self._step is not None else (None, None)
        return {
            "rate_ppt": self._rate_ppt,
            "rate_limit_ppt": self._limits.system_rate_ppt,
            "kernel_ppt": self._kernel_ppt,
            "chronyd": self._chronyd,
            "steps": self._steps,
            "last_step_ns": step_ns,
            "last_step_age_ns": None if at_ns is None else raw_ns - at_ns,
            "alarms": self._alarms.rows(raw_ns),
        }
