"""UTC from GPS time and the receiver's word on how far apart they are; what a flag without date announces.

A receiver that labels in GPS time counts through a leap second, and no manual says in which second the
offset beside it grows. So the one second that may be a leap second, or the first of a month, gets no name.
"""

from refclock.units import S_PER_DAY
from refclock.wire.calendar import begins_a_month, civil_from_days, days_from_civil
from refclock.wire.report import LeapInfo


class GpsToUtc:
    """Names consecutive seconds. It remembers the last one, for the offset may have grown since."""

    def __init__(self) -> None:
        self._gps_s = -1
        self._offset_s = 0

    def name(self, gps_s: int, offset_s: int) -> tuple[int, bool] | None:
        """The POSIX second that GPS second ``gps_s`` is, and whether it is the leap second after that one.

        ``gps_s`` is GPS time reckoned as if it were POSIX time; ``offset_s`` what it is ahead of UTC. None
        where one cannot tell. The offset says 00:00:00 on the first of a month and did not just grow: the
        second may as well be the 23:59:60 before. Or the offset changed, at no month's end: a damaged byte,
        unless the next second says the same.
        """
        follows = self._gps_s + 1 == gps_s
        changed = offset_s != self._offset_s and self._gps_s >= 0
        grown = follows and offset_s == self._offset_s + 1
        self._gps_s, self._offset_s = gps_s, offset_s
        utc_s = gps_s - offset_s
        if grown and begins_a_month(utc_s + 1):
            return utc_s, True
        if grown and begins_a_month(utc_s):
            return utc_s, False
        return None if changed or begins_a_month(utc_s) else (utc_s, False)


def announcement(place: tuple[str, str, int, int], pending: bool, utc_s: int) -> LeapInfo:
    """What a flag says that has neither date nor sign, when it is about ``utc_s``.

    It may be set months ahead. All leap seconds so far came at the end of June or December (IERS Bulletin
    C), so it is taken for an insertion there and for nothing in other months; and the core believes it only
    when a majority of servers announce the same, which they do on the last day.
    """
    if not pending:
        return LeapInfo(*place, change=0)
    year, month, _ = civil_from_days(utc_s // S_PER_DAY)
    if month not in (6, 12):
        return LeapInfo(*place)
    year, month = (year, 7) if month == 6 else (year + 1, 1)
    return LeapInfo(*place, change=1, at_s=days_from_civil(year, month, 1) * S_PER_DAY)
