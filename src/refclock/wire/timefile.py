"""The file in which the daemon tells every process of the host what time it is: one record of 512 bytes,
little-endian, written in place (docs/bounded-time.md has it byte by byte).

The number of the writing stands at both ends and a checksum before the second, so a reader who copies the
record while it is being written notices, whatever order the bytes arrive in.
"""

import struct
from binascii import crc32
from dataclasses import dataclass

from refclock.units import NS_PER_S, PPT_ONE, S_PER_DAY

SIZE = 512
MAGIC = b"RCKTIME1"
# A record says this while there is no time to be told.
NO_TIME = ""
_HEAD = struct.Struct("<8sQ7qQ16s16sBH")
_CHAIN_AT = _HEAD.size
_TAIL = struct.Struct("<IQ")
_TAIL_AT = SIZE - _TAIL.size
LONGEST_CHAIN = _TAIL_AT - _CHAIN_AT
_DAY_NS = S_PER_DAY * NS_PER_S


@dataclass(frozen=True, slots=True)
class TimeRecord:
    """At ``raw_ns`` (CLOCK_MONOTONIC_RAW) UTC was ``utc_ns`` (POSIX ns), give or take ``bound_ns``; since
    then UTC has run at (1 + ``rate_ppt`` / 10**12) of that counter, and the bound grows by ``growth_ppt``.

    Void once the counter passes ``void_after_ns``, and on any boot, in any time namespace, and after any
    suspension other than these: ``boot`` (16 bytes), ``namespace`` (inode of /proc/self/ns/time) and
    ``suspended_ns`` (CLOCK_BOOTTIME less CLOCK_MONOTONIC). ``leap``: as in model.Publish. ``state`` is a
    mode, or NO_TIME; ``chain`` says what the time rests on.
    """

    number: int
    raw_ns: int
    utc_ns: int
    bound_ns: int
    rate_ppt: int
    growth_ppt: int
    void_after_ns: int
    suspended_ns: int
    namespace: int
    boot: bytes
    state: str
    leap: int
    chain: tuple[str, ...]

    def at(self, raw_ns: int) -> tuple[int, int, int]:
        """The earliest, the likeliest and the latest UTC (POSIX ns) at a later reading of the counter.

        Around a leap second POSIX time repeats or skips a second; until a new record says which side of it
        we are on, both are possible.
        """
        elapsed_ns = raw_ns - self.raw_ns if raw_ns > self.raw_ns else 0
        utc_ns = self.utc_ns + elapsed_ns - (-elapsed_ns * self.rate_ppt // PPT_ONE)
        half_ns = self.bound_ns - (-elapsed_ns * self.growth_ppt // PPT_ONE) + 1
        earliest_ns, latest_ns = utc_ns - half_ns, utc_ns + half_ns
        if self.leap and latest_ns >= -(-(self.utc_ns + 1) // _DAY_NS) * _DAY_NS:
            if self.leap == 1:
                earliest_ns -= NS_PER_S
            else:
                latest_ns += NS_PER_S
        return earliest_ns, utc_ns, latest_ns


def encode(record: TimeRecord) -> bytes:
    """The record's 512 bytes. A chain that is too long loses its last parts; a number that does not fit 64
    bits raises struct.error."""
    chain = list(record.chain)
    while len(text := "\n".join(chain).encode("utf-8", "replace")) > LONGEST_CHAIN:
        chain.pop()
    head = _HEAD.pack(
        MAGIC, record.number, record.raw_ns, record.utc_ns, record.bound_ns, record.rate_ppt,
        record.growth_ppt, record.void_after_ns, record.suspended_ns, record.namespace, record.boot,
        record.state.encode("ascii"), record.leap, len(text),
    )  # fmt: skip
    body = (head + text).ljust(_TAIL_AT, b"\0")
    return body + _TAIL.pack(crc32(body), record.number)


def decode(data: bytes) -> TimeRecord | None:
    """The record; None for what is torn, foreign or damaged."""
    if len(data) != SIZE:
        return None
    (
        magic, number, raw_ns, utc_ns, bound_ns, rate_ppt, growth_ppt, void_after_ns, suspended_ns, namespace,
        boot, state, leap, size,
    ) = _HEAD.unpack_from(data)  # fmt: skip
    checksum, again = _TAIL.unpack_from(data, _TAIL_AT)
    if magic != MAGIC or number != again or checksum != crc32(data[:_TAIL_AT]) or size > LONGEST_CHAIN:
        return None
    text = data[_CHAIN_AT : _CHAIN_AT + size].decode("utf-8", "replace")
    name = state.rstrip(b"\0").decode("ascii", "replace")
    chain = tuple(text.split("\n")) if text else ()
    return TimeRecord(
        number, raw_ns, utc_ns, bound_ns, rate_ppt, growth_ppt, void_after_ns, suspended_ns, namespace, boot,
        name, leap, chain,
    )  # fmt: skip
