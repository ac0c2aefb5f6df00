"""NMEA 0183 sentences that tell the time: RMC, ZDA, GGA, GLL, GNS, and three vendors' own.

A sentence is ``$`` address ``,`` fields ``*`` two hex digits CR LF. The checksum is the exclusive or of all
between ``$`` and ``*`` (NMEA 0183, section 5.3.3.2); a sentence without one is refused, because a flipped
bit in a digit would otherwise be a legal, wrong second. Every label names the pulse just **passed**.

What is not a legal time gives no report at all. Nothing here raises, whatever the bytes.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from refclock.units import S_PER_DAY
from refclock.wire.calendar import begins_a_month, date_s
from refclock.wire.framing import DAMAGED, REFUSED, WAIT
from refclock.wire.report import Label, LeapInfo, Report, TimeOfDay

PROTOCOL = "nmea"

# The standard allows 82 characters; GSV and vendors' own run to several hundred. The bound only limits
# memory: a byte that is not printable, or another "$", ends a false start at once.
BODY_MAX = 1020
_SENTENCE = re.compile(rb"\$([ -#%%-)+-~]{1,%d}+)\*([0-9A-Fa-f]{2})\r?\n" % BODY_MAX)
# How many bytes are checksummed at once; see `_running`. It must hold the longest sentence.
_BLOCK = 2048
_BEGINNING = re.compile(rb"\$(?:[ -#%%-)+-~]{0,%d}+)(?:\*(?:[0-9A-Fa-f](?:[0-9A-Fa-f]\r?)?)?)?" % BODY_MAX)
# A two-digit year at or above the pivot is 19xx. GPS time begins in 1980; 2080 is not our problem.
YEAR_PIVOT = 80

_Fields = list[bytes]
# Where the sentence lies in the stream: offset of its "$", and of the byte after it.
_Where = tuple[int, int]


def _number(text: bytes, width: int) -> int:
    """An unsigned number of exactly ``width`` ASCII digits, else -1."""
    return int(text) if len(text) == width and text.isdigit() else -1


def _signed(text: bytes) -> int | None:
    """A number of one to three digits with an optional sign, else None."""
    digits = text[1:] if text[:1] in (b"+", b"-") else text
    return int(text) if 1 <= len(digits) <= 3 and digits.isdigit() else None


@lru_cache(maxsize=16)
def _clock(text: bytes) -> tuple[int, int, bool] | None:
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
def _short_date_s(text: bytes) -> int | None:
    """``ddmmyy`` as POSIX seconds of its midnight. Most of a day's sentences carry the same six digits."""
    number = _number(text, 6)
    if number < 0:
        return None
    day, month_year = divmod(number, 10_000)
    month, year = divmod(month_year, 100)
    return date_s(year + (1900 if year >= YEAR_PIVOT else 2000), month, day)


@lru_cache(maxsize=16)
def _date_s(year: bytes, month: bytes, day: bytes) -> int | None:
    """Four, two and two digits as POSIX seconds of their midnight."""
    return date_s(_number(year, 4), _number(month, 2), _number(day, 2))


def _label(
    message: str,
    where: _Where,
    clock: bytes,
    midnight_s: int | None,
    *,
    valid: bool | None,
    utc_valid: bool | None = None,
    leap_s: int | None = None,
) -> list[Report]:
    time = _clock(clock)
    if time is None or midnight_s is None:
        return []
    utc_s, frac_ns, second60 = midnight_s + time[0], time[1], time[2]
    return [Label(PROTOCOL, message, *where, utc_s, frac_ns, second60, "previous", valid, utc_valid, leap_s)]


def _status(status: bytes, mode: bytes) -> bool | None:
    """Data status A or V, overruled by the FAA mode: N is no fix, S is a simulator."""
    if status == b"V" or mode in (b"N", b"S"):
        return False
    return True if status == b"A" else None


def _rmc(fields: _Fields, where: _Where) -> list[Report]:
    """RMC: 1 time, 2 status, 9 ddmmyy, 12 FAA mode (since NMEA 2.3)."""
    if len(fields) < 10:
        return []
    mode = fields[12] if len(fields) > 12 else b""
    midnight_s = _short_date_s(fields[9])
    return _label("RMC", where, fields[1], midnight_s, valid=_status(fields[2], mode))


def _zda(fields: _Fields, where: _Where) -> list[Report]:
    """ZDA: 1 time, 2 day, 3 month, 4 year; the local zone after them may be missing. It has no flag."""
    if len(fields) < 5:
        return []
    return _label("ZDA", where, fields[1], _date_s(fields[4], fields[3], fields[2]), valid=None)


def _time_of_day(message: str, where: _Where, clock: bytes, valid: bool | None) -> list[Report]:
    time = _clock(clock)
    # A :60 without a date could not be told from a :59.
    if time is None or time[2]:
        return []
    return [TimeOfDay(PROTOCOL, message, *where, time[0], time[1], valid)]


def _gga(fields: _Fields, where: _Where) -> list[Report]:
    """GGA: 1 time, 6 quality: 0 none, 1..5 satellites, 6 dead reckoning, 7 manual, 8 simulator.

    Jackson Labs put their lock state there, or leave it empty: an empty one is unknown, not zero.
    """
    if len(fields) < 7:
        return []
    quality = _number(fields[6], 1)
    return _time_of_day("GGA", where, fields[1], None if quality < 0 else 1 <= quality <= 5)


def _gll(fields: _Fields, where: _Where) -> list[Report]:
    """GLL: 5 time, 6 status, 7 FAA mode."""
    if len(fields) < 7:
        return []
    mode = fields[7] if len(fields) > 7 else b""
    return _time_of_day("GLL", where, fields[5], _status(fields[6], mode))


def _gns(fields: _Fields, where: _Where) -> list[Report]:
    """GNS: 1 time, 6 one FAA mode letter for each constellation. One that has a fix is enough."""
    if len(fields) < 7:
        return []
    modes = fields[6]
    valid = None if not modes else b"S" not in modes and modes.strip(b"N") != b""
    return _time_of_day("GNS", where, fields[1], valid)


def _pubx(fields: _Fields, where: _Where) -> list[Report]:
    """PUBX,04 (u-blox M8 protocol specification, "Time of day and clock information").

    2 hhmmss.ss, 3 ddmmyy, 4 UTC time of week, 5 UTC week, 6 leap seconds; a D behind these says that they
    are the firmware's default. It has no flag of validity: without time its fields are empty.
    """
    if len(fields) < 7 or fields[1] != b"04":
        return []
    leap = fields[6]
    default = leap.endswith(b"D")
    leap_s = _signed(leap[:-1] if default else leap)
    utc_valid = None if leap_s is None else not default
    midnight_s = _short_date_s(fields[3])
    return _label("PUBX,04", where, fields[2], midnight_s, valid=None, utc_valid=utc_valid, leap_s=leap_s)


def _pgrmf(fields: _Fields, where: _Where) -> list[Report]:
    """PGRMF (Garmin): 1 week mod 1024, 2 second of week, 3 ddmmyy, 4 hhmmss, 5 leap seconds, 11 fix 0..2."""
    if len(fields) < 12:
        return []
    valid = {b"0": False, b"1": True, b"2": True}.get(fields[11])
    midnight_s = _short_date_s(fields[3])
    return _label("PGRMF", where, fields[4], midnight_s, valid=valid, leap_s=_signed(fields[5]))


def _perdcrw(fields: _Fields, where: _Where) -> list[Report]:
    """PERDCRW,TPS1 (Furuno): 2 YYYYMMDDhhmmss, 3 source of time, 4 date of the leap second, 5 present and
    6 future leap seconds. Source 0 is the clock chip, 1 the satellites with the firmware's default leap
    count, 2 confirmed UTC."""
    if len(fields) < 7 or fields[1] != b"TPS1" or len(fields[2]) != 14:
        return []
    status = fields[3]
    utc_valid = {b"0": False, b"1": False, b"2": True}.get(status)
    valid = {b"0": False, b"1": True, b"2": True}.get(status)
    leap_s, future_s = _signed(fields[5]), _signed(fields[6])
    change = future_s - leap_s if leap_s is not None and future_s is not None else None
    if change not in (-1, 0, 1):
        change = None
    event_s = _long_date_s(fields[4]) if fields[4][8:] == b"000000" else None
    at_s = event_s if change and event_s is not None and begins_a_month(event_s) else None
    name = "PERDCRW,TPS1"
    midnight_s = _long_date_s(fields[2])
    labels = _label(name, where, fields[2][8:], midnight_s, valid=valid, utc_valid=utc_valid, leap_s=leap_s)
    return [*labels, LeapInfo(PROTOCOL, name, *where, utc_valid, leap_s, change, at_s)]


def _long_date_s(text: bytes) -> int | None:
    """The date of ``YYYYMMDDhhmmss`` as POSIX seconds of its midnight."""
    return _date_s(text[:4], text[4:6], text[6:8])


_Decoder = Callable[[_Fields, _Where], list[Report]]
# Keyed by bytes 2..4 of the body, which tells all of these apart at the price of one look-up, and which
# passes GSV, GSA and the other nine tenths of a stream by. PTNTA is absent on purpose: it is GPS time.
_STANDARD: dict[bytes, _Decoder] = {b"RMC": _rmc, b"ZDA": _zda, b"GGA": _gga, b"GLL": _gll, b"GNS": _gns}
_VENDOR: dict[bytes, tuple[bytes, _Decoder]] = {
    b"BX,": (b"PUBX,", _pubx),
    b"RMF": (b"PGRMF,", _pgrmf),
    b"RDC": (b"PERDCRW,", _perdcrw),
}

_KEYS = frozenset((*_STANDARD, *_VENDOR))
_DIGITS = "0123456789abcdefABCDEF"
_HEX = {(high + low).encode(): int(high + low, 16) for high in _DIGITS for low in _DIGITS}


def _running(block: bytes) -> bytes:
    """The exclusive or of all bytes up to and including each, so that two look-ups checksum any part.

    Folding one big integer does that for a block at a seventh of the price of a loop over its bytes.
    """
    size = len(block)
    folded = int.from_bytes(block, "big")
    shift = 8
    while shift < 8 * size:
        folded ^= folded >> shift
        shift <<= 1
    return folded.to_bytes(size, "big")


def checksum(body: bytes) -> int:
    """The exclusive or of all bytes."""
    return _running(body)[-1] if body else 0


def decode(body: bytes, where: _Where = (0, 0)) -> list[Report]:
    """What the sentence between ``$`` and ``*`` says of time. Any bytes will do."""
    key = body[2:5]
    standard = _STANDARD.get(key)
    if standard is not None:
        # The talker says which satellites; it is two capitals, and P is no talker but a vendor's mark.
        talker = body[:2]
        if body[5:6] != b"," or not talker.isalpha() or not talker.isupper() or talker[:1] == b"P":
            return []
        return standard(body.split(b","), where)
    vendor = _VENDOR.get(key)
    if vendor is not None and body.startswith(vendor[0]):
        return vendor[1](body.split(b","), where)
    return []


class Framer:
    """Finds and decodes NMEA sentences. It keeps no state between them."""

    name = PROTOCOL

    def __init__(self) -> None:
        self.frames = 0

    def find(self, data: bytes, at: int) -> int:
        """Where the next sentence may begin, at ``at`` or after it; -1 for nowhere."""
        return data.find(b"$", at)

    def take(self, data: bytes, at: int, stop: int, origin: int, reports: list[Report]) -> int:
        """See `framing.Framer`. Sentences come in bursts, so it takes all that follow without a gap."""
        sums = b""
        damaged = False
        end = at
        # Most chunks of a live line end within a sentence: without a line's end there is nothing to sum.
        while data.find(b"\n", end, at + _BLOCK) >= 0:
            match = _SENTENCE.match(data, end, at + _BLOCK)
            if match is None or end >= stop:
                break
            sums = sums or _running(data[at : at + _BLOCK])
            if sums[end - at] ^ sums[match.end(1) - 1 - at] != _HEX[match[2]]:
                damaged = end == at
                break
            start, end = match.span()
            self.frames += 1
            if data[start + 3 : start + 6] in _KEYS:
                reports += decode(match[1], (origin + start, origin + end))
        if end > at:
            return end
        if damaged:
            return DAMAGED
        return WAIT if _BEGINNING.fullmatch(data, at) else REFUSED
