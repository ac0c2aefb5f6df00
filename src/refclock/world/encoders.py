"""Small encoders for what receivers say: NMEA sentences and UBX messages with their checksums.

Sources: NMEA 0183 sentence layouts; u-blox M8 receiver description, UBX-13003221 (payload layouts);
Furuno's PERDCRW,TPS1. All positions are one fixed, fictitious antenna.
"""

import struct
from datetime import date
from functools import lru_cache, reduce
from itertools import accumulate
from operator import xor
from typing import NamedTuple

from refclock.units import GPS_EPOCH_S, S_PER_DAY, S_PER_WEEK

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
LATITUDE, LONGITUDE, HEIGHT_MM = 482_083_000, 163_731_000, 171_000  # 1e-7 degrees, mm
_NMEA_LATITUDE, _NMEA_LONGITUDE = 289_249_800, "01622.38600,E"  # 1e-5 minutes of arc


class Civil(NamedTuple):
    """A UTC date and time of day; ``second`` is 60 in a leap second."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int


@lru_cache(maxsize=8)
def _calendar(day: int) -> tuple[int, int, int]:
    found = date.fromordinal(min(max(day + _EPOCH_ORDINAL, 1), date.max.toordinal()))
    return found.year, found.month, found.day


def civil(posix_s: int, second60: bool = False) -> Civil:
    """The calendar reading of a POSIX second; with ``second60`` that of the leap second after it."""
    day, rest = divmod(posix_s, S_PER_DAY)
    hour, rest = divmod(rest, 3600)
    minute, second = divmod(rest, 60)
    return Civil(*_calendar(day), hour, minute, 60 if second60 else second)


def nmea(body: str) -> bytes:
    """A sentence around ``body``: ``$body*HH`` with the XOR of its bytes, CR, LF."""
    data = body.encode("ascii")
    return b"$%b*%02X\r\n" % (data, reduce(xor, data))


def ubx(class_id: int, message_id: int, payload: bytes) -> bytes:
    """A UBX frame: sync, class, id, length, payload and the 8-bit Fletcher checksum over all but the sync."""
    body = struct.pack("<BBH", class_id, message_id, len(payload)) + payload
    return b"\xb5b%b%c%c" % (body, sum(body) & 255, sum(accumulate(body)) & 255)


def _where(north_m: int) -> str:
    """The antenna's place, or one so far north of it: a minute of arc is 1853 m there."""
    degrees, minutes = divmod(_NMEA_LATITUDE + north_m * 54, 60 * 10**5)
    return f"{degrees:02}{minutes // 10**5:02}.{minutes % 10**5:05},N,{_NMEA_LONGITUDE}"


def rmc(when: Civil, valid: bool, north_m: int = 0) -> bytes:
    """Recommended minimum: status A or V, and the FAA mode that goes with it."""
    year, month, day, hour, minute, second = when
    where = f"A,{_where(north_m)},0.014," if valid else "V,,,,,,"
    date_text = f"{day:02}{month:02}{year % 100:02}"
    mode = "A" if valid else "N"
    return nmea(f"GNRMC,{hour:02}{minute:02}{second:02}.00,{where},{date_text},,,{mode}")


def gga(when: Civil, fix: bool, satellites: int, north_m: int = 0) -> bytes:
    """Fix data; quality 0 and no position without a fix."""
    clock = f"GNGGA,{when.hour:02}{when.minute:02}{when.second:02}.00"
    if not fix:
        return nmea(f"{clock},,,,,0,00,99.99,,,,,,")
    return nmea(f"{clock},{_where(north_m)},1,{satellites:02},0.9,171.0,M,42.5,M,,")


def zda(when: Civil) -> bytes:
    """Date and time with a four-digit year; it has no validity of its own."""
    year, month, day, hour, minute, second = when
    return nmea(f"GNZDA,{hour:02}{minute:02}{second:02}.00,{day:02},{month:02},{year:04},00,00")


def pubx_time(when: Civil, posix_s: int, leap_s: int, default: bool, bias_ns: int) -> bytes:
    """PUBX,04: the leap count, with a D behind it while it is the firmware's default."""
    year, month, day, hour, minute, second = when
    week, tow = divmod(posix_s - GPS_EPOCH_S, S_PER_WEEK)
    clock = f"{hour:02}{minute:02}{second:02}.00,{day:02}{month:02}{year % 100:02},{tow}.00,{week}"
    return nmea(f"PUBX,04,{clock},{leap_s}{'D' if default else ''},{bias_ns},-32.145,21")


def furuno_time(
    when: Civil, status: int, event: Civil | None, present_s: int, future_s: int, *, follows: int = 4
) -> bytes:
    """PERDCRW,TPS1: status 0 RTC, 1 default leap count, 2 confirmed UTC; the leap event's date and counts;
    what the pulse follows, 0 the clock chip, 4 UTC."""
    at = "00000000000000" if event is None else compact(event)
    return nmea(f"PERDCRW,TPS1,{compact(when)},{status},{at},{present_s:+03},{future_s:+03},{follows}")


def compact(when: Civil) -> str:
    """``YYYYMMDDhhmmss``."""
    return "{:04}{:02}{:02}{:02}{:02}{:02}".format(*when)


def _itow_ms(posix_s: int, leap_s: int) -> int:
    return (posix_s + leap_s - GPS_EPOCH_S) % S_PER_WEEK * 1000


_PVT = struct.Struct("<IHBBBBBBIiBBBBiiiiIIiiiiiIIHHIihH")


def nav_pvt(
    when: Civil,
    posix_s: int,
    leap_s: int,
    *,
    fix: bool,
    valid: int,
    t_acc_ns: int,
    nano: int,
    satellites: int,
    north_m: int = 0,
) -> bytes:
    """NAV-PVT; ``valid``: bit 0 date, 1 time, 2 fully resolved."""
    spread = (900, 1500) if fix else (0xFFFFFFFF, 0xFFFFFFFF)
    payload = _PVT.pack(
        _itow_ms(posix_s, leap_s), when.year, when.month, when.day, when.hour, when.minute, when.second,
        valid, t_acc_ns, nano, 3 if fix else 0, 1 if fix else 0, 0xE0 if valid & 4 else 0, satellites,
        LONGITUDE, LATITUDE + north_m * 90, HEIGHT_MM + 42_500, HEIGHT_MM, *spread,
        2, -1, 3, 2, 0, 120, 18_000_000, 130, 0, 0, 0, 0, 0,
    )  # fmt: skip
    return ubx(0x01, 0x07, payload)


def nav_timeutc(when: Civil, posix_s: int, leap_s: int, *, valid: int, t_acc_ns: int, nano: int) -> bytes:
    """NAV-TIMEUTC; ``valid``: bit 0 TOW, 1 week, 2 UTC; the standard in bits 4-7 is USNO (3)."""
    payload = struct.pack(
        "<IIiHBBBBBB", _itow_ms(posix_s, leap_s), t_acc_ns, nano,
        when.year, when.month, when.day, when.hour, when.minute, when.second, valid | 0x30,
    )  # fmt: skip
    return ubx(0x01, 0x21, payload)


def nav_timegps(posix_s: int, leap_s: int, *, valid: int, f_tow_ns: int) -> bytes:
    """NAV-TIMEGPS; ``valid``: bit 0 time of week, 1 week, 2 leap seconds."""
    week, tow = divmod(posix_s + leap_s - GPS_EPOCH_S, S_PER_WEEK)
    t_acc_ns = 25 if valid else 0xFFFFFFFF
    return ubx(0x01, 0x20, struct.pack("<IihbBI", tow * 1000, f_tow_ns, week, leap_s, valid, t_acc_ns))


def _signed8(value: int) -> int:
    return min(max(value, -128), 127)


def nav_timels(posix_s: int, leap_s: int, known: bool, change: int, event_s: int | None) -> bytes:
    """NAV-TIMELS; ``event_s`` is the POSIX second that begins after an announced leap second, which falls
    at the end of day 1..7 of its week."""
    week, day, to_event = 0, 0, 0
    if event_s is not None:
        to_event = min(max(event_s - posix_s, -(1 << 31)), (1 << 31) - 1)
        week, rest = divmod(event_s - 1 - GPS_EPOCH_S, S_PER_WEEK)
        day = rest // S_PER_DAY + 1
    payload = struct.pack(
        "<IBxxxBbBbiHHxxxB", _itow_ms(posix_s, leap_s), 0, 2 if known else 0, _signed8(leap_s),
        2 if known else 0, _signed8(change), to_event, week & 0xFFFF, day, 3 if known else 0,
    )  # fmt: skip
    return ubx(0x01, 0x26, payload)


def nav_status(posix_s: int, leap_s: int, fix: bool, spoofing: int, up_s: int) -> bytes:
    """NAV-STATUS; ``spoofing``: 1 none, 2 indicated, 3 multiple."""
    flags = 0x0D if fix else 0x00
    ready_ms = 26_000 if fix else 0
    payload = struct.pack(
        "<IBBBBII", _itow_ms(posix_s, leap_s), 3 if fix else 0, flags, 0, spoofing << 3,
        ready_ms, up_s * 1000 & 0xFFFFFFFF,
    )  # fmt: skip
    return ubx(0x01, 0x03, payload)


def mon_hw(antenna: int, jamming: int, noise: int) -> bytes:
    """MON-HW in its 60-byte form.

    ``antenna``: 2 ok, 3 short, 4 open; ``jamming``: 1 ok, 2 warning, 3 critical.
    """
    payload = struct.pack(
        "<IIIIHHBBBxI17xBxxIII", 0xF400, 0, 0x10000, 0xEF57, noise, 4200, antenna, 1, 1 | jamming << 2,
        0x1FFFF, 12 if jamming < 2 else 190, 0, 0xFA57, 0,
    )  # fmt: skip
    return ubx(0x0A, 0x09, payload)


def tim_tp(posix_s: int, q_err_ps: int, utc_known: bool, locked: bool) -> bytes:
    """TIM-TP for the pulse that begins UTC second ``posix_s``; week and time of week count UTC already."""
    week, tow = divmod(posix_s - GPS_EPOCH_S, S_PER_WEEK)
    flags = 0x01 | (0x02 if utc_known else 0) | (0 if locked else 0x30)
    return ubx(0x0D, 0x01, struct.pack("<IIiHBB", tow * 1000, 0, q_err_ps, week & 0xFFFF, flags, 0x03))
