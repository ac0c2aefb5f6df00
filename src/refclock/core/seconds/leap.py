"""Leap seconds: what is confirmed, and the continuous count of SI seconds that the gate needs.

SI time here is POSIX time plus the leap seconds confirmed since the program began to count: it does not
repeat or skip at a leap second, so an accepted leap second does not move the phase X.
"""

from dataclasses import dataclass
from itertools import pairwise

from refclock.units import NS_PER_S, S_PER_DAY
from refclock.wire.calendar import begins_a_month

_LEAP_INSERT, _LEAP_DELETE = 1, 2
# An announcement further ahead is no announcement of the next leap second.
_HORIZON_S = 32 * S_PER_DAY
_SETTLED_S = 3600


@dataclass(frozen=True, slots=True)
class LeapSecond:
    """One leap second. ``at_s`` is the POSIX second that begins right after it; ``change`` +1 or -1."""

    at_s: int
    change: int


class LeapSeconds:
    """Announcements heard, and the leap seconds confirmed from them.

    Confirmed by an unexpired leap-second file, or by two independent sources: the receiver and a majority
    of the NTP quorum. Where an unexpired file knows of none, none is confirmed.
    """

    def __init__(self) -> None:
        self.confirmed: list[LeapSecond] = []
        self.announced: LeapSecond | None = None
        self._table: dict[int, int] = {}
        self._expires_s = 0

    def load_table(self, expires_s: int, steps: list[tuple[int, int]]) -> None:
        """A leap-second file: pairs of POSIX second and TAI-UTC from then on, and when it expires."""
        changes = pairwise(steps)
        self._table = {at: after - before for (_, before), (at, after) in changes}
        self._expires_s = expires_s

    def announce(self, change: int | None, at_s: int | None) -> None:
        """What the receiver says of the next leap second (0: none)."""
        if change is not None:
            self.announced = LeapSecond(at_s, change) if change and at_s is not None else None

    def confirm(self, utc_s: int, inserts: int, deletes: int, majority: int) -> None:
        """Confirm the coming leap second if the evidence suffices, or withdraw it. ``inserts`` and
        ``deletes`` count the quorum's servers that announce one, ``majority`` is how many are needed."""
        if utc_s < self._expires_s:
            due = [LeapSecond(at, change) for at, change in self._table.items()]
        else:
            told, due = self.announced, []
            if told is not None and 0 < majority <= (inserts if told.change == 1 else deletes):
                due = [told]
        # What was confirmed and is not any more was withdrawn, or never true; but not in its last hour.
        settled_s = utc_s + _SETTLED_S
        self.confirmed = [leap for leap in self.confirmed if leap.at_s <= settled_s]
        taken = {leap.at_s for leap in self.confirmed}
        for leap in due:
            near = utc_s < leap.at_s <= utc_s + _HORIZON_S
            if near and abs(leap.change) == 1 and begins_a_month(leap.at_s) and leap.at_s not in taken:
                self.confirmed.append(leap)

    def count(self, utc_s: int) -> int:
        """Leap seconds confirmed that lie before this POSIX second (inserted minus deleted)."""
        return sum(leap.change for leap in self.confirmed if leap.at_s <= utc_s)

    def si_ns(self, utc_ns: int) -> int:
        """POSIX ns to SI ns. During an inserted second POSIX time is ambiguous: labels carry :60."""
        return utc_ns + self.count(utc_ns // NS_PER_S) * NS_PER_S if self.confirmed else utc_ns

    def utc_ns(self, si_ns: int) -> int:
        """SI ns to POSIX ns."""
        utc = si_ns
        for leap in self.confirmed:
            if utc >= (leap.at_s + leap.change) * NS_PER_S:
                utc -= leap.change * NS_PER_S
        return utc

    def name(self, si_s: int) -> tuple[int, bool]:
        """What UTC calls an SI second: its POSIX second, and whether it is the :60 after that one."""
        utc_s = self.utc_ns(si_s * NS_PER_S) // NS_PER_S
        second60 = self.si_ns(utc_s * NS_PER_S) != si_s * NS_PER_S
        return utc_s - second60, second60

    def inserted_after(self, utc_s: int) -> bool:
        """True when a confirmed leap second is inserted right after this POSIX second."""
        return any(leap.change == 1 and leap.at_s == utc_s + 1 for leap in self.confirmed)

    def near_boundary(self, utc_s: int) -> bool:
        """True within two seconds of a confirmed leap second, where NTP time is ambiguous."""
        return any(abs(utc_s - leap.at_s) <= 2 for leap in self.confirmed)

    def indicator(self, utc_s: int) -> int:
        """The leap field of a sample: set on the last UTC day before a confirmed leap second only."""
        for leap in self.confirmed:
            if 0 < leap.at_s - utc_s <= S_PER_DAY:
                return _LEAP_INSERT if leap.change == 1 else _LEAP_DELETE
        return 0
