"""gpsd's JSON: one object a line, of which TPV and TOFF name seconds (gpsd_json(5), protocol 3).

What is confirmed, and what is not: a TPV says whether the receiver had a fix. Nothing says where the count
of leap seconds came from. ``leapseconds`` is there as soon as any device of that gpsd claimed a count, a
firmware's default included (gpsd 3.22 to 3.27, driver_ubx.c, NAV-TIMELS); without it a receiver that counts
GPS time was turned into UTC by the count that gpsd was built with. So ``utc_valid`` is always unknown. The
time is cut to milliseconds in a TPV, and exact in a TOFF. A label names the pulse just **passed**.

gpsd cannot say :60. It calls a leap second 00:00:00, and the next second 00:00:00 again (seen with 3.22 and
RMC). So the first second of a month, which may be either, names nothing here: it is withheld for want of a
label, and whoever knows of the leap second finds 00:00:01 in its place.

A PPS object gives the name of gpsd's last fix plus one second to a pulse that gpsd saw: an inference, not the
receiver's word, and so no label. Its ``shm`` names the segment that gpsd writes; see `segments`.

There is no checksum. A line counts when all of it is one JSON object; TCP vouches for its bytes.
"""

import json
import re
from collections.abc import Mapping

from refclock.units import NS_PER_S, S_PER_DAY
from refclock.wire.calendar import begins_a_month, date_s
from refclock.wire.framing import DAMAGED, REFUSED, WAIT
from refclock.wire.report import Health, Label, Report

PROTOCOL = "gpsd"
# gpsd's own buffer for an answer holds 10240 bytes (gps.h, GPS_JSON_RESPONSE_MAX).
LINE_MAX = 16_384
_BEGINNING = b'{"class":'
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?Z", re.ASCII
)
_DECIMAL = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,15}))?", re.ASCII)
_SEGMENT = re.compile(r"NTP([0-9]{1,3})", re.ASCII)
# gps.h: 5 is dead reckoning without satellites, 8 a simulator.
_NOT_FROM_SATELLITES = (5, 8)
_NO_FIX, _FIX_FROM = 1, 2
_DEGREES = re.compile(r"(-?)([0-9]{1,3})\.([0-9]{7,15})", re.ASCII)
_ANTENNA = {1: "ok", 2: "short", 3: "open"}
_NUMBER_LONGEST = 19
# The year 10000, which no label can name.
_TIME_END_S = 253_402_300_800

Fields = Mapping[str, object]


def _integer(text: str) -> int | None:
    return int(text) if len(text) <= _NUMBER_LONGEST else None


def _nothing(text: str) -> None:
    """NaN and the infinities, which JSON does not know and gpsd has been seen to print."""


# Fractions stay text: nothing here reckons in floating point.
_DECODER = json.JSONDecoder(parse_float=str, parse_int=_integer, parse_constant=_nothing)


def parse_line(line: bytes) -> Fields | None:
    """One line as gpsd's object, with or without its end; None for anything else. Fractions come as text."""
    if len(line) > LINE_MAX:
        return None
    try:
        fields = _DECODER.decode(line.decode())
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) and isinstance(fields.get("class"), str) else None


def segments(fields: Fields) -> int | None:
    """The SHM unit that gpsd says it writes, in a PPS or (since 3.23) a TOFF object; None for none."""
    found = _SEGMENT.fullmatch(str(fields.get("shm")))
    return int(found[1]) if found else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _time(value: object) -> tuple[int, int, bool] | None:
    """``2026-11-23T06:35:28.000Z`` as POSIX second, ns, and whether it was 23:59:60 (then that of :59).

    The fraction may be missing. A :60 anywhere but after 23:59:59 is no UTC, the first second of a month
    ambiguous.
    """
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[place]) for place in range(1, 7))
    midnight_s = date_s(year, month, day)
    if midnight_s is None or hour > 23 or minute > 59 or second > 60:
        return None
    tod_s = hour * 3600 + minute * 60 + second
    second60 = second == 60
    if second60 and tod_s != S_PER_DAY:
        return None
    second = midnight_s + tod_s - second60
    return None if begins_a_month(second) else (second, int((found[7] or "").ljust(9, "0")), second60)


def _seconds_up_ns(value: object) -> int | None:
    """A decimal number of seconds as ns, rounded up: it is an error bound."""
    found = _DECIMAL.fullmatch(str(value))
    if found is None or isinstance(value, bool):
        return None
    digits = (found[2] or "").ljust(9, "0")
    return int(found[1]) * NS_PER_S + int(digits[:9]) + any(one != "0" for one in digits[9:])


def _place(fields: Fields) -> tuple[int, int] | None:
    """Latitude and longitude in 1e-7 degrees, cut."""
    found = [_DEGREES.fullmatch(str(fields.get(key))) for key in ("lat", "lon")]
    place = [int(one[1] + one[2] + one[3][:7]) for one in found if one is not None]
    return (place[0], place[1]) if len(place) == 2 else None


class Framer:
    """Takes lines, and follows one device of the gpsd that speaks: the one that it says is being watched
    (WATCH with a device), else the first that names a second. A new greeting (VERSION) forgets it."""

    name = PROTOCOL

    def __init__(self) -> None:
        self.frames = 0
        self._device: object = None

    def find(self, data: bytes, at: int) -> int:
        """See `framing.Framer`."""
        found = data.find(_BEGINNING, at)
        if found >= 0:
            return found
        for size in range(min(len(_BEGINNING) - 1, len(data) - at), 0, -1):
            if data.endswith(_BEGINNING[:size]):
                return len(data) - size
        return -1

    def take(self, data: bytes, at: int, stop: int, origin: int, reports: list[Report]) -> int:
        """See `framing.Framer`. It waits for the end of a line, for LINE_MAX bytes at most."""
        end = data.find(b"\n", at, at + LINE_MAX) + 1
        if not end:
            return WAIT if len(data) - at < LINE_MAX else REFUSED
        fields = parse_line(data[at:end])
        if fields is None:
            return DAMAGED
        self.frames += 1
        self._hear(fields, origin + at, origin + end, reports)
        return end

    def _hear(self, fields: Fields, start: int, end: int, reports: list[Report]) -> None:
        match fields["class"]:
            case "VERSION":
                self._device = None
            case "WATCH" if isinstance(fields.get("device"), str):
                self._device = fields["device"]
            case "TPV" if self._mine(fields):
                reports += _tpv(fields, start, end)
            case "TOFF" if self._mine(fields):
                reports += _toff(fields, start, end)

    def _mine(self, fields: Fields) -> bool:
        device = fields.get("device")
        if self._device is None and isinstance(device, str):
            self._device = device
        return device == self._device


def _tpv(fields: Fields, start: int, end: int) -> list[Report]:
    """TPV: mode 0 unseen, 1 no fix, 2 and 3 fixes; status, time, leapseconds, ept (s), ant, lat, lon."""
    mode = _whole(fields.get("mode"))
    valid: bool | None = None
    if mode == _NO_FIX or fields.get("status") in _NOT_FROM_SATELLITES:
        valid = False
    elif mode is not None and mode >= _FIX_FROM:
        valid = True
    reports: list[Report] = []
    time = _time(fields.get("time"))
    if time is not None:
        reports.append(
            Label(
                PROTOCOL, "TPV", start, end, *time, valid=valid,
                leap_s=_whole(fields.get("leapseconds")), t_acc_ns=_seconds_up_ns(fields.get("ept")),
            )
        )  # fmt: skip
    antenna = _ANTENNA.get(_whole(fields.get("ant")) or 0)
    place = _place(fields) if valid else None
    if time is None or antenna is not None or place is not None:
        reports.append(Health(PROTOCOL, "TPV", start, end, fix=valid, antenna=antenna, position=place))
    return reports


def _toff(fields: Fields, start: int, end: int) -> list[Report]:
    """TOFF: real_sec and real_nsec are the time that the receiver's messages named, before they were cut."""
    real_s, rest_ns = _whole(fields.get("real_sec")), _whole(fields.get("real_nsec"))
    if real_s is None or rest_ns is None or not 0 < real_s < _TIME_END_S or not 0 <= rest_ns < NS_PER_S:
        return []
    if begins_a_month(real_s):
        return []
    return [Label(PROTOCOL, "TOFF", start, end, real_s, rest_ns)]
