"""Clocks that say each second in one fixed line of ASCII, whose byte on time begins with the pulse.

The lines are made here from the manuals, not with the codec's help. A clock that loses its satellites goes on
by its own oscillator, and after ten minutes calls that no time any more.
"""

from abc import ABC, abstractmethod
from datetime import date

from refclock.units import S_PER_DAY
from refclock.world.chance import Chance
from refclock.world.encoders import LATITUDE, Civil, civil
from refclock.world.labels import Label
from refclock.world.moment import Moment
from refclock.world.voices.voice import Voice

_HELD_S = 600
GOOD, COASTING, BAD = 0, 1, 2
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]


class Clock(Voice, ABC):
    """What all have in common: the state that the flags tell."""

    on_time = 0

    def __init__(self, chance: Chance, start_s: int) -> None:
        super().__init__(chance, start_s)
        self._fixed = False
        self._held_s = 0

    def says(self, label: Label, moment: Moment) -> list[bytes]:
        good = moment.fix and moment.utc_known
        self._fixed |= good
        self._held_s = 0 if good else self._held_s + 1
        state = GOOD if good else COASTING if self._fixed and self._held_s <= _HELD_S else BAD
        return [self.line(label.when, state, self._leap(label, moment), moment).encode("ascii")]

    @abstractmethod
    def line(self, when: Civil, state: int, leap_s: int | None, moment: Moment) -> str:
        """One second's line; ``leap_s`` is how long it is to the leap second that is announced."""

    def _leap(self, label: Label, moment: Moment) -> int | None:
        if not moment.change or moment.change_at_s is None:
            return None
        return moment.change_at_s - label.posix_s


def _date(when: Civil) -> date:
    return date(when.year, when.month, when.day)


def _year_day(when: Civil) -> int:
    return _date(when).timetuple().tm_yday


def _in_last_hour(leap_s: int | None) -> bool:
    return leap_s is not None and 0 < leap_s <= 3600


def _this_month(when: Civil, leap_s: int | None) -> bool:
    """Whether the announced leap second ends the month of ``when``, as Spectracom shows it."""
    return leap_s is not None and 0 < leap_s <= (32 - when.day) * S_PER_DAY


class Meinberg(Clock):
    """The Standard string of a radio clock that is set to UTC."""

    zone = "U"

    def line(self, when: Civil, state: int, leap_s: int | None, moment: Moment) -> str:
        year, month, day, hour, minute, second = when
        flags = ("  ", " *", "#*")[state] + self.zone + ("A" if _in_last_hour(leap_s) else " ")
        clock = f"U:{hour:02}.{minute:02}.{second:02};{flags}"
        return f"\x02D:{day:02}.{month:02}.{year % 100:02};T:{_date(when).isoweekday()};{clock}\x03"


class MeinbergLocal(Meinberg):
    """As it comes from the factory: Central European Time."""

    zone = " "

    def says(self, label: Label, moment: Moment) -> list[bytes]:
        ahead = Label(label.posix_s + 3600, False, civil(label.posix_s + 3600))
        return super().says(ahead, moment)


class Erlangen(Clock):
    """Meinberg's string for NTP."""

    def line(self, when: Civil, state: int, leap_s: int | None, moment: Moment) -> str:
        year, month, day, hour, minute, second = when
        head = f"\x02{day:02}.{month:02}.{year % 100:02}; {_date(when).isoweekday()}; "
        clock = f"{hour:02}:{minute:02}:{second:02}; +00:00; "
        announced, now = "A" if _in_last_hour(leap_s) else " ", "L" if second == 60 else " "
        flags = f"{('  ', ' *', '#*')[state]}  {announced} {now};"
        north = (LATITUDE + moment.north_m * 90) // 1000
        return f"{head}{clock}{flags}{north // 10_000:3}.{north % 10_000:04}N  16.3731E  171m\x03"


class Spectracom0(Clock):
    """Day of the year, no year; zone 0, no daylight saving."""

    def line(self, when: Civil, state: int, leap_s: int | None, moment: Moment) -> str:
        clock = f"{when.hour:02}:{when.minute:02}:{when.second:02}"
        return f"\r\n{' ??'[state]}  {_year_day(when):03} {clock} STZ=00\r\n"


class Spectracom1(Clock):
    """Weekday, date and time, no zone."""

    def line(self, when: Civil, state: int, leap_s: int | None, moment: Moment) -> str:
        year, month, day, hour, minute, second = when
        name = _DAYS[_date(when).weekday()]
        clock = f"{hour:02}:{minute:02}:{second:02}"
        return f"\r\n{' ??'[state]} {name} {day:02}{_MONTHS[month - 1]}{year % 100:02} {clock}\r\n"


class Spectracom2(Clock):
    """Always UTC, with quality and leap second."""

    def line(self, when: Civil, state: int, leap_s: int | None, moment: Moment) -> str:
        clock = f"{when.hour:02}:{when.minute:02}:{when.second:02}.000"
        flags = ("  ", " A", "?D")[state]
        leap = "L" if _this_month(when, leap_s) else " "
        return f"\r\n{flags}{when.year % 100:02} {_year_day(when):03} {clock} {leap}S"


class Spectracom3(Clock):
    """A full date, the offset from UTC, and the byte on time near the end."""

    on_time = 28

    def line(self, when: Civil, state: int, leap_s: int | None, moment: Moment) -> str:
        year, month, day, hour, minute, second = when
        leap = "L" if _this_month(when, leap_s) else " "
        clock = f"{year:04}{month:02}{day:02} {hour:02}{minute:02}{second:02}+0000S{leap}#"
        return f"0003{' ??'[state]} {clock}\r\n"


class XlDc(Clock):
    """TrueTime: day of the year and time, and how far its thresholds are exceeded."""

    on_time = 14

    def line(self, when: Civil, state: int, leap_s: int | None, moment: Moment) -> str:
        clock = f"{when.hour:02}:{when.minute:02}:{when.second:02}"
        return f"\x01{_year_day(when):03}:{clock}{' .?'[state]}\r\n"


class Arbiter(Clock):
    """B5, broadcast in UTC."""

    def line(self, when: Civil, state: int, leap_s: int | None, moment: Moment) -> str:
        clock = f"{when.hour:02}:{when.minute:02}:{when.second:02}.000"
        return f"\r\n{' ??'[state]} {when.year % 100:02} {_year_day(when):03} {clock}   "


class Zyfer(Clock):
    """Time of day message in UTC."""

    def line(self, when: Civil, state: int, leap_s: int | None, moment: Moment) -> str:
        clock = f"{when.year:04},{_year_day(when):03},{when.hour:02},{when.minute:02},{when.second:02}"
        return f"!TIME,{clock},2,{('4,1', '5,2', '9,0')[state]}"
