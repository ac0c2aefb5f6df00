"""Dates that may be believed: not before the floor, not beyond the ceiling; a leap second where confirmed.

The floor is the program's build date, the operator's dates.not_before, the last time that was vetted before
the start, or the second after the last one fed, whichever is latest. A week rollover falls below it, or
jumps; it is never corrected.
"""

from dataclasses import replace

from refclock.core.seconds.leap import LeapSeconds
from refclock.core.seconds.pairing import Refused, Second
from refclock.units import S_PER_DAY, nearest_second
from refclock.wire.calendar import civil_from_days, date_s, is_leap_year
from refclock.wire.report import Label

_CEILING_S = 20 * 365 * S_PER_DAY + 5 * S_PER_DAY


class Dates:
    """[floor, ceiling) in POSIX seconds, and the last second that was fed."""

    def __init__(self, build_utc_s: int, not_before_s: int | None = None) -> None:
        """``not_before_s`` is the operator's word that it is later than that."""
        self.floor_s = max(build_utc_s, not_before_s or 0)
        self.ceiling_s = build_utc_s + _CEILING_S
        self.fed_s: int | None = None

    def raise_floor(self, floor_s: int) -> None:
        """Believe nothing before this second any more; the floor never sinks."""
        self.floor_s = max(self.floor_s, floor_s)

    def next_s(self) -> int:
        """The first believable second after what was fed."""
        return self.floor_s if self.fed_s is None else max(self.floor_s, self.fed_s + 1)

    def dated(self, label: Label) -> Label | None:
        """A label with its year: one that has none gets the only year that puts it less than 364 days after
        the first believable second, or not more than a day before it. None for a day that neither of the
        two years has.

        So no witness can choose the year. It is wrong only after a year without a second that was fed, and
        then every witness objects.
        """
        if not label.yearless:
            return label
        from_s = self.next_s() - S_PER_DAY
        year, day = civil_from_days(from_s // S_PER_DAY)[0], label.utc_s // S_PER_DAY
        for one in (year, year + 1):
            utc_s = (date_s(one, 1, 1) or 0) + label.utc_s
            if utc_s >= from_s and day < 365 + is_leap_year(one):
                return replace(label, utc_s=utc_s, yearless=False)
        return None

    def judge(self, second: Second, leap: LeapSeconds, moved_ns: int | None) -> Refused | None:
        """None when the second's name may be believed; ``moved_ns`` is how far it lies from where the last
        accepted one leads. Some receivers call a leap second :60, others say :59 twice."""
        raw_ns, utc_s = second.edge.raw_ns, second.utc_s
        if utc_s < self.floor_s:
            return Refused(raw_ns, "date-floor", utc_s, self.floor_s, utc_s, moved_ns=moved_ns)
        if utc_s >= self.ceiling_s:
            return Refused(raw_ns, "date-ceiling", utc_s, self.ceiling_s, utc_s, moved_ns=moved_ns)
        behind = moved_ns is not None and nearest_second(moved_ns) == -1
        if (second.second60 or behind) and leap.inserted_after(utc_s):
            return Refused(raw_ns, "leap-second", 1, 0, utc_s)
        if second.second60:
            return Refused(raw_ns, "leap-unconfirmed", 1, 0, utc_s)
        return None
