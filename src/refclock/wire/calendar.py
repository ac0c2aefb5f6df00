"""The proleptic Gregorian calendar in integers: civil dates to POSIX seconds and back.

The arithmetic counts from 1 March of year 0, so that the leap day is the last day of its year and the
lengths of the months follow one linear rule (153 days every five months). 400 years are 146,097 days.
"""

from collections.abc import Sequence
from functools import lru_cache

from refclock.units import NS_PER_S, S_PER_DAY

# 1970-01-01 in days since 0000-03-01.
_POSIX_DAY = 719_468
_DAYS_PER_ERA = 146_097
_DAYS_PER_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# What a four-digit year can say, from the origin of POSIX time on.
YEAR_FIRST, YEAR_LAST = 1970, 9999


def is_leap_year(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_month(year: int, month: int) -> int:
    """28..31 for ``month`` in 1..12."""
    return 29 if month == 2 and is_leap_year(year) else _DAYS_PER_MONTH[month - 1]


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a date that exists."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * _DAYS_PER_ERA + day_of_era - _POSIX_DAY


def civil_from_days(days: int) -> tuple[int, int, int]:
    """Year, month and day of the date ``days`` after 1970-01-01."""
    era, day_of_era = divmod(days + _POSIX_DAY, _DAYS_PER_ERA)
    # The last day of 4, 100 and 400 years would otherwise count as the first of the next year.
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = (shifted_month + 2) % 12 + 1
    return era * 400 + year_of_era + (month <= 2), month, day


def date_s(year: int, month: int, day: int) -> int | None:
    """POSIX seconds of midnight UTC; None for a date that does not exist or lies outside 1970..9999."""
    if not (YEAR_FIRST <= year <= YEAR_LAST and 1 <= month <= 12 and 1 <= day <= days_in_month(year, month)):
        return None
    return days_from_civil(year, month, day) * S_PER_DAY


def parse_day(text: str) -> int | None:
    """POSIX seconds of midnight UTC of ``YYYY-MM-DD``; None for anything else."""
    year, month, day = text[:4], text[5:7], text[8:]
    digits = year + month + day
    if len(digits) != 8 or text != f"{year}-{month}-{day}" or not (digits.isascii() and digits.isdigit()):
        return None
    return date_s(int(year), int(month), int(day))


def civil_utc(civil: Sequence[int], nano: int = 0) -> tuple[int, int, bool] | None:
    """POSIX second, ns of it, and whether it is a leap second, of a calendar time and its signed ``nano``;
    None for a time that does not exist.

    ``civil`` is year, month, day, hour, minute, second. A u-blox rounds its epochs to 10 ms, so
    ``nano`` is negative as often as not; the instant then lies in the second before. A leap second just
    short of its beginning stays the one it names, with the ns cut to 0: as part of the :59 before it, it
    could not be told which of :60 and :00 it is next to.
    """
    year, month, day, hour, minute, second = civil
    midnight_s = date_s(year, month, day)
    if midnight_s is None or hour > 23 or minute > 59 or second > 60 or abs(nano) > NS_PER_S:
        return None
    tod_s = hour * 3600 + minute * 60 + second
    if second < 60:
        carry_s, frac_ns = divmod(nano, NS_PER_S)
        return midnight_s + tod_s + carry_s, frac_ns, False
    if tod_s != S_PER_DAY or nano == NS_PER_S:
        return None
    return midnight_s + tod_s - 1, max(nano, 0), True


def begins_a_month(posix_s: int) -> bool:
    """Whether this second is the first of a UTC month.

    A leap second is always the last of a month (ITU-R TF.460-6, annex 1, 2.1), so the second after one
    is such a second; a receiver that announces another instant is not to be believed.
    """
    days, second_of_day = divmod(posix_s, S_PER_DAY)
    return second_of_day == 0 and civil_from_days(days)[2] == 1


@lru_cache(maxsize=16)
def show_utc(posix_s: int, second60: bool = False) -> str:
    """``2016-12-31T23:59:59``; ending in ``:60`` for the leap second after ``posix_s``.

    Several messages name the same second, hence the cache.
    """
    days, second_of_day = divmod(posix_s, S_PER_DAY)
    year, month, day = civil_from_days(days)
    hour, rest = divmod(second_of_day, 3600)
    minute, second = divmod(rest, 60)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second + second60:02}"
