"""Motorola Oncore binary: what @@Ba, @@Ea and @@Ha say of time, @@Bn, @@En and @@Hn of the pulse.

A message is @@, two letters, data of a length that follows from the letters, the exclusive or of letters
and data, CR LF (M12+ user's guide, chapter 5). Numbers are big-endian; offsets count from the first @. The
position messages label the measurement, made at the pulse just **passed** and up to a millisecond after it.
The sawtooth is that of the **next** pulse: the label of the second that follows carries it.

The receivers with six and eight channels do not say in their position messages whether they label in UTC;
@@Aw and @@Bo do, where the host has them sent. Until then the time scale is "unstated".
"""

import re
from struct import Struct

from refclock.wire.calendar import begins_a_month, civil_utc, date_s
from refclock.wire.framing import DAMAGED, REFUSED, WAIT, Seeker
from refclock.wire.gpstime import GpsToUtc
from refclock.wire.nmea import checksum
from refclock.wire.report import Health, Label, LeapInfo, Report

PROTOCOL = "oncore"
_START = re.compile(rb"@(?:@|\Z)")

# Length of each message that receivers send, all told. Others are passed over like noise.
_LENGTHS = {
    b"Ag": 8, b"As": 20, b"At": 8, b"Au": 12, b"Av": 8, b"Aw": 8, b"Ay": 11, b"Az": 11,
    b"Ba": 68, b"Bb": 92, b"Bd": 23, b"Bj": 8, b"Bl": 41, b"Bn": 59, b"Bo": 8,
    b"Ca": 9, b"Cb": 33, b"Cf": 7, b"Cg": 8, b"Ch": 9, b"Cj": 294,
    b"Ea": 76, b"Ek": 71, b"En": 69, b"Fa": 9, b"Ga": 20, b"Gb": 17, b"Gc": 8, b"Gd": 8, b"Gj": 21,
    b"Ha": 154, b"Hb": 54, b"Hn": 78, b"Ia": 10, b"Sz": 8,
}  # fmt: skip
_SUM_AND_END = 3

_CALENDAR = Struct(">BBHBBBI")
_LEAP = Struct(">bbHBB5xBBB")
_UTC_MODE, _UTC_DECODED, _UTC_SIGN = 0x80, 0x40, 0x20
_FIX_MODES = frozenset((4, 6, 7))  # position held, in the plane, in space
_IN_SPACE_MODE = 7
_PLACE = Struct(">ii")
_TOO_FEW, _NO_ALMANAC = 0x08, 0x80
_IN_SPACE, _IN_PLANE, _HELD, _BAD_FIX = 0x20, 0x10, 0x08, 0xC3
_ANTENNA = ("ok", "short", "open", "short")  # overcurrent, undercurrent, no voltage

# Where the receivers with six and eight channels keep their status.
_OLD = {b"Ba": 64, b"Ea": 72}
# Where the pulse messages keep the judgement of the solution (0: good) and the sawtooth.
_PULSE = {b"Bn": (21, 25), b"En": (21, 25), b"Hn": (6, 14)}


class Framer(Seeker):
    """Finds messages and decodes some. It remembers the time mode and offset told apart from the time, the
    last second, and the sawtooth of the one to follow."""

    name = PROTOCOL
    beginning = _START

    def __init__(self) -> None:
        super().__init__()
        self._to_utc = GpsToUtc()
        self._utc_mode: bool | None = None
        self._offset_s: int | None = None
        self._held = False
        self._second: int | None = None
        self._sawtooth: tuple[int, int] | None = None

    def take(self, data: bytes, at: int, stop: int, origin: int, reports: list[Report]) -> int:
        """See `framing.Framer`."""
        kind = data[at + 2 : at + 4]
        size = _LENGTHS.get(kind)
        if size is None:
            return REFUSED if len(kind) == 2 else WAIT
        end = at + size
        if len(data) < end:
            return WAIT
        if data[end - 2 : end] != b"\r\n":
            return REFUSED
        if checksum(data[at + 2 : end - 2]):  # of all with its own sum: 0
            return DAMAGED
        self.frames += 1
        message = data[at : end - _SUM_AND_END]
        reports += self._decode(kind, message, (PROTOCOL, message[:4].decode(), origin + at, origin + end))
        return end

    def _decode(self, kind: bytes, message: bytes, place: tuple[str, str, int, int]) -> list[Report]:
        if kind == b"Ha":
            return self._twelve(message, place)
        if kind in _OLD:
            return self._old(message, place, _OLD[kind])
        if kind in _PULSE:
            return self._pulse(message, place, *_PULSE[kind])
        if kind == b"Aw":
            self._utc_mode = message[4] == 1
        elif kind == b"Bo":
            self._offset_s = max(_signed(message[4]), 0)
        elif kind == b"At":
            self._held = message[4] == 1
        elif kind == b"Gj":
            return _leap(message, place)
        return []

    def _twelve(self, message: bytes, place: tuple[str, str, int, int]) -> list[Report]:
        """@@Ha: 4 time, 15 latitude and longitude, 129 status (mode in its upper three bits), 130 more of
        it, 141 UTC mode and offset."""
        fix = message[129] >> 5 in _FIX_MODES and not message[130] & (_TOO_FEW | _NO_ALMANAC)
        utc, offset_s = message[141], message[141] & 0x1F
        if utc & _UTC_SIGN:
            offset_s -= 32
        decoded = bool(utc & _UTC_DECODED) and offset_s > 0
        north, east = _PLACE.unpack_from(message, 15)
        # Milliseconds of arc to ten-millionths of a degree. One that is held says nothing.
        moving = fix and message[129] >> 5 == _IN_SPACE_MODE
        position = (north * 25 // 9, east * 25 // 9) if moving else None
        health = Health(*place, fix=fix, antenna=_ANTENNA[message[130] >> 1 & 3], position=position)
        return [*self._label(message, place, fix, bool(utc & _UTC_MODE), offset_s if decoded else 0), health]

    def _old(self, message: bytes, place: tuple[str, str, int, int], status_at: int) -> list[Report]:
        """@@Ba and @@Ea: 4 time, 37 antenna in its upper two bits (where the model senses it), status.

        A position that is held shares its bit with the search for satellites, which @@At tells apart where
        it is sent; a fix in the plane is called bad by ntpd. Both are unknown.
        """
        status = message[status_at]
        fix = None if status & (_IN_PLANE | _HELD) else False
        if status & _BAD_FIX:
            fix = False
        elif status & _IN_SPACE or (status & _HELD and self._held):
            fix = True
        # 0 is what a model without the sense says, too.
        antenna = _ANTENNA[message[37] >> 6] if message[37] >> 6 else None
        return [
            *self._label(message, place, fix, self._utc_mode, self._offset_s),
            Health(*place, fix=fix, antenna=antenna),
        ]

    def _label(
        self, message: bytes, place: tuple[str, str, int, int], valid: bool | None, in_utc: bool | None,
        offset_s: int | None,
    ) -> list[Report]:  # fmt: skip
        """4 month, day, year, hour, minute, second, nanoseconds. ``offset_s`` is how far GPS time is ahead
        of UTC: 0 while the receiver does not know, None while it has not said."""
        month, day, year, hour, minute, second, nano = _CALENDAR.unpack_from(message, 4)
        reading = civil_utc((year, month, day, hour, minute, second), nano) if nano < 1_000_000_000 else None
        if reading is None:
            return []
        reading_s, frac_ns, second60 = reading
        timescale = "unstated" if in_utc is None or offset_s is None else "utc" if offset_s else "gps"
        if in_utc is False and offset_s:
            named = self._to_utc.name(reading_s, offset_s)
            timescale = "gps" if named is None else "utc"
            reading_s, second60 = named or (reading_s, False)
        sawtooth, self._second = self._sawtooth, reading_s + second60
        q_err_ps = sawtooth[1] if sawtooth is not None and sawtooth[0] == self._second else None
        return [
            Label(
                *place, reading_s, frac_ns, second60, valid=valid,
                utc_valid=None if offset_s is None else offset_s > 0, leap_s=offset_s or None,
                q_err_ps=q_err_ps, timescale=timescale,
            )
        ]  # fmt: skip

    def _pulse(
        self, message: bytes, place: tuple[str, str, int, int], judged_at: int, sawtooth_at: int
    ) -> list[Report]:
        """The receiver's own judgement on its pulse (0 good, 1 alarm, 2 unknown), and the next pulse's
        sawtooth in ns, signed: that much the pulse comes late, so that ntpd subtracts it
        (refclock_oncore.c)."""
        judged = message[judged_at]
        self._sawtooth = None
        if self._second is not None and judged == 0:
            self._sawtooth = (self._second + 1, -1000 * _signed(message[sawtooth_at]))
        locked = {0: True, 1: False}.get(judged)
        return [] if locked is None else [Health(*place, pulse_locked=locked)]


def _leap(message: bytes, place: tuple[str, str, int, int]) -> list[Report]:
    """@@Gj: 4 present and 5 future offset, 6 year, month, day, 15 hour, minute, second from which on the
    future one holds.

    @@Bj is not read: it sets its flag as soon as the satellites tell of a leap second, six months early at
    times, and does not say when.
    """
    present_s, future_s, year, month, day, hour, minute, second = _LEAP.unpack_from(message, 4)
    midnight_s = date_s(year, month, day)
    change = future_s - present_s if future_s - present_s in (-1, 0, 1) else None
    at_s = None
    if midnight_s is not None and hour < 24 and minute < 60 and second <= 60:
        named_s = midnight_s + hour * 3600 + minute * 60 + second
        # Some name the leap second itself, 23:59:60 or :59; the next whole day is meant.
        at_s = named_s + -named_s % 86_400 if -named_s % 86_400 <= 1 else None
    if not change or at_s is None or not begins_a_month(at_s):
        at_s = None
    return [LeapInfo(*place, utc_valid=present_s > 0, leap_s=present_s or None, change=change, at_s=at_s)]


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte
