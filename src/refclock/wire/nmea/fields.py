"""The fields of a sentence: numbers, clocks, dates, and the labels that are made of them."""

from functools import lru_cache

from refclock.units import S_PER_DAY
from refclock.wire.calendar import date_s
from refclock.wire.report import Label, Report, TimeOfDay

PROTOCOL = "nmea"
# A two-digit year at or above the pivot is 19xx. GPS time begins in 1980; 2080 is not our problem.
YEAR_PIVOT = 80

Fields = list[bytes]
# Where the sentence lies in the stream: offset of its "$", and of the byte after it.
Where = tuple[int, int]


def number(text: bytes, width: int) -> int:
    """An unsigned number of exactly ``width`` ASCII digits, else -1."""
    return int(text) if len(text) == width and text.isdigit() else -1


def count(text: bytes, most: int = 9) -> int | None:
    """An unsigned number of one to ``most`` digits, else None."""
    return int(text) if 1 <= len(text) <= most and text.isdigit() else None


def signed(text: bytes) -> int | None:
    """A number of one to three digits with an optional sign, else None."""
    digits = text[1:] if text[:1] in (b"+", b"-") else text
    return int(text) if 1 <= len(digits) <= 3 and digits.isdigit() else None


@lru_cache(maxsize=16)
def clock(text: bytes) -> tuple[int, int, bool] | None:
    """``hhmmss[.s…]`` as second of the day, ns, and whether it was 23:59:60 (the second is then that of :59).

    Digits beyond the ninth of a fraction are dropped. A :60 anywhere but after 23:59:59 is no UTC. All the
    sentences of one epoch carry the same text, which is what the cache is for.
    """
    whole, point, fraction = text.partition(b".")
    if len(whole) != 6 or not whole.isdigit():
        return None
    hour, minute_second = divmod(int(whole), 10_000)
    minute, second = divmod(minute_second, 100)
    if hour > 23 or minute > 59 or second > 60:
        return None
    frac_ns = 0
    if point and fraction:
        if not fraction.isdigit():
            return None
        frac_ns = int(fraction[:9].ljust(9, b"0"))
    tod_s = hour * 3600 + minute * 60 + second
    if second < 60:
        return tod_s, frac_ns, False
    return (tod_s - 1, frac_ns, True) if tod_s == S_PER_DAY else None


@lru_cache(maxsize=16)
def _degrees(text: bytes, whole: int) -> int | None:
    """``ddmm.mmmm`` or ``dddmm.mmmm`` (``whole`` digits of degrees) in 1e-7 degrees; None for no angle."""
    degrees, minutes = text[:whole], text[whole:]
    before, _, fraction = minutes.partition(b".")
    if len(before) != 2 or not (degrees + before + fraction).isdigit() or int(before) > 59:
        return None
    ten_millionths = int(before) * 10_000_000 + int(fraction[:7].ljust(7, b"0"))
    return int(degrees) * 10_000_000 + ten_millionths // 60


def position(fields: Fields) -> tuple[int, int] | None:
    """Latitude, its hemisphere, longitude and its hemisphere, as 1e-7 degrees north and east."""
    latitude, longitude = _degrees(fields[0], 2), _degrees(fields[2], 3)
    if latitude is None or longitude is None or latitude > 900_000_000 or longitude > 1_800_000_000:
        return None
    if fields[1] not in (b"N", b"S") or fields[3] not in (b"E", b"W"):
        return None
    return latitude if fields[1] == b"N" else -latitude, longitude if fields[3] == b"E" else -longitude


def _full_year(year: int) -> int:
    return year + (1900 if year >= YEAR_PIVOT else 2000)


@lru_cache(maxsize=16)
def short_date_s(text: bytes) -> int | None:
    """``ddmmyy`` as POSIX seconds of its midnight. Most of a day's sentences carry the same six digits."""
    digits = number(text, 6)
    if digits < 0:
        return None
    day, month_year = divmod(digits, 10_000)
    month, year = divmod(month_year, 100)
    return date_s(_full_year(year), month, day)


@lru_cache(maxsize=16)
def split_date_s(year: bytes, month: bytes, day: bytes) -> int | None:
    """Four, two and two digits as POSIX seconds of their midnight."""
    return date_s(number(year, 4), number(month, 2), number(day, 2))


def long_date_s(text: bytes) -> int | None:
    """The date of ``YYYYMMDDhhmmss`` as POSIX seconds of its midnight."""
    return split_date_s(text[:4], text[4:6], text[6:8])


def label(
    message: str,
    where: Where,
    time: bytes,
    midnight_s: int | None,
    *,
    valid: bool | None,
    utc_valid: bool | None = None,
    leap_s: int | None = None,
    timescale: str = "utc",
) -> list[Report]:
    """A label of a clock reading and a date; nothing where either does not exist."""
    found = clock(time)
    if found is None or midnight_s is None:
        return []
    utc_s, frac_ns, second60 = midnight_s + found[0], found[1], found[2]
    return [
        Label(
            PROTOCOL, message, *where, utc_s, frac_ns, second60, "previous", valid, utc_valid, leap_s,
            timescale=timescale,
        )
    ]  # fmt: skip


def time_of_day(message: str, where: Where, time: bytes, valid: bool | None) -> list[Report]:
    """A clock reading without a date. A :60 could not be told from a :59, and says nothing."""
    found = clock(time)
    if found is None or found[2]:
        return []
    return [TimeOfDay(PROTOCOL, message, *where, found[0], found[1], valid)]
