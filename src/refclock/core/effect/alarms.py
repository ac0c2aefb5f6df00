"""What is wrong with the system clock now: said when it begins, again while it lasts, and shown meanwhile."""

from dataclasses import dataclass

from refclock.core.rules.reasons import REASONS
from refclock.core.seconds.pairing import Refused
from refclock.units import NS_PER_S

_AGAIN_NS = 300 * NS_PER_S


@dataclass(slots=True)
class _Alarm:
    """One that lasts: since when, when it was last said (raw ns), and the worst value."""

    since_ns: int
    said_ns: int
    worst: int
    limit: int


class Alarms:
    """At most one of each reason."""

    def __init__(self) -> None:
        self._on: dict[str, _Alarm] = {}

    def judge(self, raw_ns: int, reason: str, value: int, limit: int) -> list[Refused]:
        """``value`` against ``limit``, by size: what is to be said of it now. Within the limit it is over."""
        if abs(value) <= limit:
            self.end(reason)
            return []
        alarm = self._on.get(reason)
        if alarm is not None:
            alarm.worst, alarm.limit = max(alarm.worst, value, key=abs), limit
            if raw_ns - alarm.said_ns < _AGAIN_NS:
                return []
            alarm.said_ns = raw_ns
        else:
            self._on[reason] = _Alarm(raw_ns, raw_ns, value, limit)
        return [Refused(raw_ns, reason, value, limit)]

    def end(self, reason: str) -> None:
        """It is over, or can no longer be told."""
        self._on.pop(reason, None)

    def rows(self, raw_ns: int) -> list[dict[str, object]]:
        """Those that last, for people and monitors."""
        return [
            {
                "reason": reason,
                "for_ns": raw_ns - alarm.since_ns,
                "worst_value": alarm.worst,
                "limit": alarm.limit,
                "unit": REASONS[reason].unit,
                "words": REASONS[reason].words,
                "mend": REASONS[reason].mend,
            }
            for reason, alarm in self._on.items()
        ]
