"""Trimble TSIP: a Thunderbolt with its default (GPS time) or set to UTC, and a RES 720 (version 1).

Sources: Thunderbolt User Guide, appendix A (8F-AB, 8F-AC); RES 720 user guide. The bytes are made here from
the layouts, not with the codec's help.
"""

import struct
from functools import reduce
from math import radians
from operator import xor

from refclock.units import GPS_EPOCH_S, S_PER_WEEK
from refclock.world.chance import Chance
from refclock.world.encoders import HEIGHT_MM, LATITUDE, LONGITUDE, Civil, civil
from refclock.world.labels import Label
from refclock.world.moment import Moment
from refclock.world.voices.voice import Voice

_DLE = b"\x10"
_IN_UTC, _NOT_SET, _NO_UTC = 1, 4, 8
_NORMAL, _POWER_UP, _AUTO_HOLDOVER = 0, 1, 2
_DOING_FIXES, _NO_TIME, _NO_SATELLITE = 0, 1, 8
_MINOR = {"open": 0x02, "short": 0x04, "ok": 0}
_NOTHING_SEEN, _UNDISCIPLINED, _LEAP_PENDING = 0x08, 0x10, 0x80


def packet(body: bytes) -> bytes:
    """DLE, the body with its DLEs doubled, DLE ETX."""
    return _DLE + body.replace(_DLE, _DLE * 2) + b"\x10\x03"


class Thunderbolt(Voice):
    """8F-AB and 8F-AC after each pulse. It never says :60, and before its first fix it has no time."""

    utc = True

    def __init__(self, chance: Chance, start_s: int) -> None:
        super().__init__(chance, start_s)
        self._fixed = False
        self._held_s = 0

    def says(self, label: Label, moment: Moment) -> list[bytes]:
        self._fixed |= moment.fix
        self._held_s = 0 if moment.fix else self._held_s + 1
        return [self._time(label, moment), self._health(moment)]

    def _time(self, label: Label, moment: Moment) -> bytes:
        """The offset still is the old one in a leap second, which is a second :59."""
        gps_s = label.posix_s + moment.leap_s
        flags = (_IN_UTC if self.utc else 0) | (0 if moment.utc_known else _NO_UTC)
        flags |= 0 if self._fixed else _NOT_SET
        reading = civil(label.posix_s if self.utc and moment.utc_known else gps_s)
        if label.when != civil(label.posix_s, label.second60):
            reading = label.when  # somebody garbled it
        offset_s = moment.leap_s - label.second60 if moment.utc_known else 0
        told = struct.pack(">hB", _signed16(offset_s), flags)
        return packet(b"\x8f\xab" + _week(gps_s) + told + _reading(reading))

    def _health(self, moment: Moment) -> bytes:
        discipline = _NORMAL if moment.fix else _AUTO_HOLDOVER if self._fixed else _POWER_UP
        status = _DOING_FIXES if moment.fix else _NO_SATELLITE if self._fixed else _NO_TIME
        minor = _MINOR[moment.antenna] | (0 if moment.fix else _NOTHING_SEEN | _UNDISCIPLINED)
        minor |= _LEAP_PENDING if moment.change else 0
        held_s = self._held_s if self._fixed else 0
        state = struct.pack(">BBBIHHBBBB", 7, discipline, 100, held_s, 0, minor, status, 0, 0, 0)
        offsets = struct.pack(">ff", self.chance.normal(20), self.chance.normal(300) / 1000)
        oscillator = struct.pack(">Iff", 0x80000, 0.5, 38.25)
        north, east = radians(_latitude(moment)), radians(LONGITUDE / 1e7)
        place = struct.pack(">ddd", north, east, HEIGHT_MM / 1000)
        return packet(b"\x8f\xac" + state + offsets + oscillator + place + bytes(8))


class ThunderboltGps(Thunderbolt):
    """As it comes from the factory."""

    utc = False


class Res720(Voice):
    """A1-00, A3-00 and A1-11 after each pulse, in GPS time with the offset beside it."""

    def says(self, label: Label, moment: Moment) -> list[bytes]:
        return [self._time(label, moment), self._alarms(moment), self._position(moment)]

    def _time(self, label: Label, moment: Moment) -> bytes:
        gps_s, known = label.posix_s + moment.leap_s, moment.utc_known
        reading = civil(gps_s) if label.when == civil(label.posix_s, label.second60) else label.when
        flags = (1 if known else 0) | (2 if moment.fix else 0)
        # What UTC was ahead of the leap second is what it is in it.
        offset_s = _signed16(moment.leap_s - label.second60) if known else 0
        body = _week(gps_s) + struct.pack(
            ">BBBBBHBBBhfff", reading.hour, reading.minute, reading.second, reading.month, reading.day,
            reading.year, 0, 0, flags, offset_s, self.chance.normal(3) / 10, 0.2, 3.1,
        )  # fmt: skip
        return _version1(0xA100, body)

    def _alarms(self, moment: Moment) -> bytes:
        minor = {"open": 1, "short": 2, "ok": 0}[moment.antenna] | (4 if moment.change else 0)
        major = (0 if moment.fix else 1) | (0x80 if moment.spoofing > 1 else 0)
        major |= 0x100 if moment.jamming > 2 else 0
        return _version1(0xA300, struct.pack(">IIII", minor, 0xFFFFFFFF, major, 0xFFFFFFFF))

    def _position(self, moment: Moment) -> bytes:
        place = struct.pack(">ddd", _latitude(moment), LONGITUDE / 1e7, HEIGHT_MM / 1000)
        errors = struct.pack(">ffffff", 0, 0, 0, 1.5, 2.0, 3.0)
        return _version1(0xA111, b"\x00\x03" + place + errors)


def _latitude(moment: Moment) -> float:
    """Degrees; a metre is 90 of their ten-millionths."""
    return (LATITUDE + moment.north_m * 90) / 1e7


def _week(gps_s: int) -> bytes:
    """Time of week and week."""
    week, tow_s = divmod(gps_s - GPS_EPOCH_S, S_PER_WEEK)
    return struct.pack(">IH", tow_s, week & 0xFFFF)


def _reading(reading: Civil) -> bytes:
    year, month, day, hour, minute, second = reading
    return struct.pack(">BBBBBH", second, minute, hour, day, month, year)


def _signed16(value: int) -> int:
    return min(max(value, -32768), 32767)


def _version1(key: int, body: bytes) -> bytes:
    """Id, subid, length of what follows, response, body, exclusive or of it all."""
    data = struct.pack(">HHB", key, len(body) + 2, 2) + body
    return packet(data + bytes((reduce(xor, data),)))
