"""Motorola Oncore, twelve channels: @@Ha and @@Gj after the pulse, @@Hn with the sawtooth of the next one.

Source: M12+ Oncore user's guide, chapter 5. The bytes are made here from the layouts, not with the codec's
help.
"""

import struct
from functools import reduce
from operator import xor

from refclock.world.encoders import HEIGHT_MM, LATITUDE, LONGITUDE, civil
from refclock.world.labels import Label
from refclock.world.moment import Moment
from refclock.world.voices.voice import Voice

_HELD, _SEARCHING = 0x84, 0x64  # position held, or acquiring satellites; narrow-band tracking
_TOO_FEW, _CODE_INSIDE = 0x08, 0x01
_ANTENNA = {"ok": 0x00, "short": 0x02, "open": 0x04}
_IN_UTC, _DECODED = 0x80, 0x40


def message(kind: str, data: bytes) -> bytes:
    """@@, two letters, data, their exclusive or, CR LF."""
    body = kind.encode() + data
    return b"@@%b%c\r\n" % (body, reduce(xor, body))


class Oncore(Voice):
    """An M12 that is set to UTC and holds its position."""

    def says(self, label: Label, moment: Moment) -> list[bytes]:
        said = [self._position(label, moment)]
        if moment.second % 10 == 0:
            said.append(_leap(moment))
        return said

    def announces(self, coming: Label, q_err_ps: int, moment: Moment) -> bytes:
        """@@Hn: pulse on, in UTC, solution good, RAIM possible; the sawtooth is how late the pulse comes."""
        judged = 0 if moment.fix else 2
        late_ns = -q_err_ps // 1000 & 0xFF
        return message("Hn", struct.pack(">BBBBIHB", 1, 0, judged, 0, 0, 20, late_ns) + bytes(60))

    def _position(self, label: Label, moment: Moment) -> bytes:
        when = label.when
        # Without the almanac's parameters it shows GPS time.
        if not moment.utc_known and when == civil(label.posix_s):
            when = civil(label.posix_s + moment.leap_s)
        year, month, day, hour, minute, second = when
        nano = self.chance.between(100_000, 900_000)
        # Milliseconds of arc.
        north, east = (LATITUDE + moment.north_m * 90) * 36 // 100, LONGITUDE * 36 // 100
        place = struct.pack(">iiii", north, east, HEIGHT_MM // 10, 0)
        seen = self.satellites(moment)
        status = _HELD if moment.fix else _SEARCHING
        further = _ANTENNA[moment.antenna] | (0 if moment.fix else _TOO_FEW) | _CODE_INSIDE
        utc = _IN_UTC | (_DECODED | moment.leap_s & 0x3F if moment.utc_known else 0)
        data = struct.pack(">BBHBBBI", month, day, year, hour, minute, second, nano)
        data += place + place + struct.pack(">HHHHBB", 0, 0, 0, 15, seen, seen)
        data += struct.pack(">BBBBH", 3, 8, 90, 0, 0xA0) * 12
        data += struct.pack(">BBHhIhB", status, further, 0, -8, 99_860, 48, utc)
        return message("Ha", data + bytes(3) + b"SIMUL1")


def _leap(moment: Moment) -> bytes:
    """@@Gj: from when on which offset holds."""
    present_s = moment.leap_s if moment.utc_known else 0
    year = month = day = 0
    if moment.change_at_s is not None:
        year, month, day, *_ = civil(moment.change_at_s)
    now, then = _signed8(present_s), _signed8(present_s + moment.change)
    return message("Gj", struct.pack(">bbHBBbIBBB", now, then, year, month, day, now, 0, 0, 0, 0))


def _signed8(value: int) -> int:
    return min(max(value, -128), 127)
