"""Where on the raw counter a CLOCK_REALTIME stamp lies, and whether somebody stepped CLOCK_REALTIME.

The kernel stamps a pulse with CLOCK_REALTIME, which chrony steers from our own samples; the vetting
judges on CLOCK_MONOTONIC_RAW, which nobody steers. Every event carries both, read together.
"""

from dataclasses import dataclass

from refclock.model import Event
from refclock.units import NS_PER_S, PPT_ONE, scale_up

# The kernel clamps the slew of CLOCK_REALTIME to +-100000 ppm (adjtimex(2), tick); one per cent of it is
# added for the raw counter's own error. What moves faster than that was stepped.
_MAX_SLEW_PPT = 101_000_000_000
# The same seen from the slewed clock: 1 / (1 - 0.101) - 1.
_UNKNOWN_PPT = 113_000_000_000
_MIN_BASE_NS = NS_PER_S // 2
_MAX_BASE_NS = 30 * NS_PER_S
# A stamp cannot claim so wide a bracket that a step would hide in it.
_MAX_UNC_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Placed:
    """An instant on the raw counter, give or take ``unc_ns``."""

    raw_ns: int
    unc_ns: int


class Timeline:
    """The relation of the two clocks, followed from event to event."""

    def __init__(self) -> None:
        self._last: Event | None = None
        self._base: Event | None = None
        self._rate: tuple[int, int] | None = None

    def observe(self, event: Event) -> int:
        """Follow the clocks; returns by how much CLOCK_REALTIME was stepped since the last event, or 0."""
        last, self._last = self._last, event
        if last is None or self._base is None:
            self._base = event
            return 0
        raw = event.raw_ns - last.raw_ns
        drift = event.real_ns - last.real_ns - raw
        unsure = min(event.unc_ns + last.unc_ns, _MAX_UNC_NS)
        # Mostly the brackets alone explain it, and no slew need be reckoned.
        if abs(drift) > unsure and abs(drift) > scale_up(abs(raw), _MAX_SLEW_PPT) + unsure:
            self._base, self._rate = event, None
            return drift
        span = event.raw_ns - self._base.raw_ns
        if span >= _MIN_BASE_NS:
            real_span = event.real_ns - self._base.real_ns
            self._rate = (span, real_span) if span <= _MAX_BASE_NS and real_span > 0 else None
            self._base = event
        return 0

    def system_ns(self, raw_ns: int) -> int | None:
        """What CLOCK_REALTIME shows at a reading of the raw counter shortly after the last event, going by
        that event's two clocks; None before the first."""
        return None if self._last is None else self._last.real_ns + raw_ns - self._last.raw_ns

    def place(self, event: Event, at_ns: int) -> Placed:
        """The raw instant of a CLOCK_REALTIME stamp ``at_ns`` taken shortly before the event.

        The slew measured over the last seconds is taken out; a tenth of the distance is left as
        uncertainty where none was measured.
        """
        distance = event.real_ns - at_ns
        if self._rate is None:
            return Placed(event.raw_ns - distance, event.unc_ns + scale_up(abs(distance), _UNKNOWN_PPT) + 1)
        raw_span, real_span = self._rate
        placed = event.raw_ns - (2 * distance * raw_span + real_span) // (2 * real_span)
        # The slew may have changed within the span: at most by as much as it differed from nominal.
        change = abs(real_span - raw_span) * PPT_ONE // raw_span
        return Placed(placed, event.unc_ns + scale_up(abs(distance), change) + 1)
