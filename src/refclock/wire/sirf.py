"""SiRF binary: recognised, so that the operator can be told to switch the receiver to NMEA.

A0 A2, length, payload, the sum of its bytes in 15 bits, B0 B3 (SiRF binary protocol reference, "Protocol
layers"). Numbers are big-endian.
"""

import re

from refclock.wire.framing import DAMAGED, REFUSED, WAIT, Seeker
from refclock.wire.report import Foreign, Report

PROTOCOL = "sirf"
_START = re.compile(rb"\xa0(?:\xa2|\Z)")
_OVERHEAD = 8
# The longest in a recording has 91 bytes; the reference allows 912 of them, and no receiver sends such.
_LENGTH_MAX = 256


class Framer(Seeker):
    """Finds frames."""

    name = PROTOCOL
    beginning = _START

    def take(self, data: bytes, at: int, stop: int, origin: int, reports: list[Report]) -> int:
        """See `framing.Framer`."""
        if len(data) < at + 4:
            return WAIT
        length = data[at + 2] << 8 | data[at + 3]
        if not 1 <= length <= _LENGTH_MAX:
            return REFUSED
        end = at + _OVERHEAD + length
        if len(data) < end:
            return WAIT
        if data[end - 2 : end] != b"\xb0\xb3":
            return REFUSED
        payload = data[at + 4 : end - 4]
        if sum(payload) & 0x7FFF != data[end - 4] << 8 | data[end - 3]:
            return DAMAGED
        self.frames += 1
        reports.append(Foreign(PROTOCOL, f"MID {payload[0]}", origin + at, origin + end))
        return end
