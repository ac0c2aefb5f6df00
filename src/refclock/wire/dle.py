"""Frames between DLE and DLE ETX, as Trimble's and Garmin's receivers send them.

A 10 within the frame is doubled; a single one ends it. So most false starts end within a few bytes, and a
frame of known length is one pattern.
"""

import re
from functools import lru_cache

from refclock.wire.framing import REFUSED, WAIT

_BYTE = rb"(?:[^\x10]|\x10\x10)"


@lru_cache(maxsize=256)
def _first(size: int) -> re.Pattern[bytes]:
    """The first ``size`` bytes of a frame."""
    return re.compile(rb"\x10(%b{%d})" % (_BYTE, size), re.DOTALL)


@lru_cache(maxsize=256)
def _whole(size: int) -> re.Pattern[bytes]:
    """A frame of ``size`` bytes between DLE and DLE ETX, doubled ones counted once."""
    return re.compile(rb"\x10(%b{%d})\x10\x03" % (_BYTE, size), re.DOTALL)


@lru_cache(maxsize=256)
def _beginning(size: int) -> re.Pattern[bytes]:
    """All that may be there of such a frame while its end is not."""
    return re.compile(rb"\x10%b{0,%d}\x10?" % (_BYTE, size), re.DOTALL)


def head(data: bytes, at: int, size: int) -> bytes | int:
    """The first ``size`` bytes of the frame at ``data[at]``; WAIT where more must come, or REFUSED."""
    found = _first(size).match(data, at)
    if found is not None:
        return found[1].replace(b"\x10\x10", b"\x10")
    return WAIT if _beginning(size).fullmatch(data, at) else REFUSED


def frame(data: bytes, at: int, size: int) -> tuple[bytes, int] | int:
    """The frame of ``size`` bytes at ``data[at]`` without its DLEs, and its end; WAIT or REFUSED."""
    found = _whole(size).match(data, at)
    if found is not None:
        return found[1].replace(b"\x10\x10", b"\x10"), found.end()
    return WAIT if _beginning(size).fullmatch(data, at) else REFUSED


def unpacked(data: bytes) -> bytes:
    """What stands between DLE and DLE ETX of a whole frame."""
    return data[1:-2].replace(b"\x10\x10", b"\x10")


def packed(packet: bytes) -> bytes:
    """A whole frame around it."""
    return b"\x10" + packet.replace(b"\x10", b"\x10\x10") + b"\x10\x03"
