"""Trimble TSIP, version 1: packets A1-00 (time) and A3-00 (alarms) of the RES 720 and later modules.

DLE, id, subid, length (of what follows it, checksum included), mode, data, the exclusive or of all from the
id on, DLE ETX, a DLE within it doubled (RES 720 user guide, "TSIP version 1"; the layout was checked on a
recording). Numbers are big-endian; offsets count from the id. A1-00 labels the pulse just **passed**. The
factory default is GPS time, and the packet says how far UTC is from it.
"""

import re
from struct import Struct

from refclock.wire import dle
from refclock.wire.calendar import civil_utc
from refclock.wire.framing import DAMAGED, REFUSED, Seeker
from refclock.wire.gpstime import GpsToUtc, announcement
from refclock.wire.nmea import checksum
from refclock.wire.report import Health, Label, Report

PROTOCOL = "tsip1"
# Version, port settings, reset, receiver, time, satellites, alarms, and errors: what the manual lists.
_START = re.compile(rb"\x10(?:[\x90-\x93\xa0-\xa3\xb0-\xb1\xc0-\xc3\xd0-\xd3]|\Z)")
_HEAD = 5
_MODES = frozenset((0, 1, 2))  # query, set, response
_LENGTH_MAX = 256
_A1_00, _A3_00 = (0xA100, 36), (0xA300, 22)

_TIME = Struct(">IHBBBBBHBBBh")
_GPS_TIME, _FIRST_UTC, _LAST_UTC = (0, 3), 4, 7  # Galileo's time is GPS time to the nanosecond
_UTC_VALID, _TIME_VALID = 1, 2

_ALARMS = Struct(">I4xI")
_OPEN, _SHORT, _LEAP_PENDING = 0x01, 0x02, 0x04
_NO_SATELLITES, _BAD_PULSE, _NO_PULSE, _SPOOFED, _JAMMED = 0x01, 0x02, 0x04, 0x80, 0x100


class Framer(Seeker):
    """Finds packets and decodes the two."""

    name = PROTOCOL
    beginning = _START

    def __init__(self) -> None:
        super().__init__()
        self._to_utc = GpsToUtc()
        self._utc_s: int | None = None

    def take(self, data: bytes, at: int, stop: int, origin: int, reports: list[Report]) -> int:
        """See `framing.Framer`. It waits for at most the 256 bytes that a length may promise."""
        head = dle.head(data, at, _HEAD)
        if isinstance(head, int):
            return head
        length = head[2] << 8 | head[3]
        if not 2 <= length <= _LENGTH_MAX or head[4] not in _MODES:
            return REFUSED
        found = dle.frame(data, at, 4 + length)
        if isinstance(found, int):
            return found
        packet, end = found
        if checksum(packet):  # of all with its own sum: 0
            return DAMAGED
        self.frames += 1
        key = (packet[0] << 8 | packet[1], len(packet))
        place = (PROTOCOL, f"{packet[0]:02X}-{packet[1]:02X}", origin + at, origin + end)
        if key == _A1_00:
            reports += self._time(packet, place)
        elif key == _A3_00:
            reports += self._alarms(packet, place)
        return end

    def _time(self, packet: bytes, place: tuple[str, str, int, int]) -> list[Report]:
        """A1-00: 5 time of week, 9 week, 11 hour, minute, second, month, day, 16 year, 18 time base (0..3
        GPS, GLONASS, BeiDou, Galileo; 4..7 their UTC), 20 flags (0 UTC valid, 1 time valid), 21 UTC offset.

        The quantisation error at 23 is not used: its unit is not confirmed.
        """
        _tow, _week, hour, minute, second, month, day, year, base, _pps, flags, offset_s = _TIME.unpack_from(
            packet, 5
        )
        reading = civil_utc((year, month, day, hour, minute, second))
        if reading is None:
            return []
        reading_s, _, second60 = reading
        known = bool(flags & _UTC_VALID) and offset_s > 0
        timescale = "utc" if known else "gps"
        if base in _GPS_TIME and known:
            named = self._to_utc.name(reading_s, offset_s)
            timescale = "gps" if named is None else "utc"
            reading_s, second60 = named or (reading_s, False)
        elif base not in _GPS_TIME and not _FIRST_UTC <= base <= _LAST_UTC:
            timescale = "local"
        if timescale == "utc":
            self._utc_s = reading_s
        return [
            Label(
                *place, reading_s, second60=second60, valid=bool(flags & _TIME_VALID), utc_valid=known,
                leap_s=offset_s if known else None, timescale=timescale,
            )
        ]  # fmt: skip

    def _alarms(self, packet: bytes, place: tuple[str, str, int, int]) -> list[Report]:
        """A3-00: 5 minor alarms, 13 major ones."""
        minor, major = _ALARMS.unpack_from(packet, 5)
        antenna = "short" if minor & _SHORT else "open" if minor & _OPEN else "ok"
        locked = not major & (_BAD_PULSE | _NO_PULSE)
        health = Health(
            *place, fix=not major & _NO_SATELLITES, antenna=antenna, pulse_locked=locked,
            jamming="critical" if major & _JAMMED else "ok",
            spoofing="indicated" if major & _SPOOFED else "none",
        )  # fmt: skip
        if self._utc_s is None:
            return [health]
        return [health, announcement(place, bool(minor & _LEAP_PENDING), self._utc_s)]
