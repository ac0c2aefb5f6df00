"""Garmin binary: recognised, so that the operator can be told to switch the receiver to NMEA.

DLE, id, size, data, the two's complement of their sum, DLE ETX, a DLE within it doubled (Garmin device
interface specification, "Serial protocol packet format").
"""

import re

from refclock.wire import dle
from refclock.wire.framing import DAMAGED, Seeker
from refclock.wire.report import Foreign, Report

PROTOCOL = "garmin"
# Ids of what sensors send: acknowledgement, refusal, command's echo, satellites, positions, product.
_IDS = b"\x06\x0a\x0e\x11\x15\x1c\x26\x33\x34\x37\x72\xfd\xfe\xff"
_START = re.compile(rb"\x10(?:[" + re.escape(_IDS) + rb"]|\Z)")


class Framer(Seeker):
    """Finds packets."""

    name = PROTOCOL
    beginning = _START

    def take(self, data: bytes, at: int, stop: int, origin: int, reports: list[Report]) -> int:
        """See `framing.Framer`. It waits for at most the 255 bytes that a size may promise."""
        head = dle.head(data, at, 2)
        if isinstance(head, int):
            return head
        found = dle.frame(data, at, head[1] + 3)
        if isinstance(found, int):
            return found
        packet, end = found
        if sum(packet) & 0xFF:
            return DAMAGED
        self.frames += 1
        reports.append(Foreign(PROTOCOL, f"id {packet[0]}", origin + at, origin + end))
        return end
