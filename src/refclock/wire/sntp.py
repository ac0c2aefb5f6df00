"""NTP packets (RFC 5905, section 7.3) as integers. Time stamps stay 64-bit fixed point: no float, no era.

A time stamp counts seconds since 1900 in its upper 32 bits, modulo 2**32 (an era of 136 years), and
2**-32 s in its lower; which era is meant is the caller's to say.
"""

import struct
from dataclasses import dataclass

from refclock.units import NS_PER_S

PACKET_SIZE = 48
# POSIX time zero in NTP seconds (RFC 5905, figure 4).
NTP_TO_POSIX_S = 2_208_988_800
MODE_CLIENT, MODE_SERVER = 3, 4
_LAYOUT = struct.Struct(">BBbbII4sQQQQ")
_FRACTION_BITS = 32
_ERA_S = 1 << 32


@dataclass(frozen=True, slots=True)
class NtpPacket:
    """The fixed part of a packet. ``root_delay`` and ``root_dispersion`` are in ns; ``reference``,
    ``origin``, ``receive`` and ``transmit`` are raw 64-bit time stamps (0 is "unset")."""

    leap: int
    version: int
    mode: int
    stratum: int
    poll: int
    precision: int
    root_delay_ns: int
    root_dispersion_ns: int
    reference_id: bytes
    reference: int
    origin: int
    receive: int
    transmit: int


def _short_to_ns(short: int) -> int:
    """NTP short format (16.16 s) to ns, rounded up."""
    return -(-short * NS_PER_S >> 16)


def _ns_to_short(duration_ns: int) -> int:
    return -(-(duration_ns << 16) // NS_PER_S)


def decode(data: bytes) -> NtpPacket | None:
    """The packet at the start of a datagram; None when there are fewer than 48 bytes."""
    if len(data) < PACKET_SIZE:
        return None
    first, stratum, poll, precision, delay, dispersion, ref_id, *stamps = _LAYOUT.unpack_from(data)
    return NtpPacket(
        first >> 6, first >> 3 & 7, first & 7, stratum, poll, precision,
        _short_to_ns(delay), _short_to_ns(dispersion), ref_id, *stamps,
    )  # fmt: skip


def encode(packet: NtpPacket) -> bytes:
    """The 48 bytes of a packet. Raises struct.error for a field outside its width."""
    return _LAYOUT.pack(
        packet.leap << 6 | packet.version << 3 | packet.mode,
        packet.stratum, packet.poll, packet.precision,
        _ns_to_short(packet.root_delay_ns), _ns_to_short(packet.root_dispersion_ns),
        packet.reference_id, packet.reference, packet.origin, packet.receive, packet.transmit,
    )  # fmt: skip


def to_posix_ns(stamp: int, pivot_s: int) -> int:
    """A 64-bit time stamp as POSIX ns, in the era that brings it nearest to ``pivot_s`` (POSIX seconds)."""
    seconds = (stamp >> _FRACTION_BITS) - NTP_TO_POSIX_S
    era = (pivot_s - seconds + _ERA_S // 2) // _ERA_S
    fraction = stamp & ((1 << _FRACTION_BITS) - 1)
    return (seconds + era * _ERA_S) * NS_PER_S + (fraction * NS_PER_S >> _FRACTION_BITS)


def from_posix_ns(instant_ns: int) -> int:
    """POSIX ns as a 64-bit time stamp, the era dropped; rounded up to the next 2**-32 s, so that
    ``to_posix_ns`` gives the same nanosecond back."""
    seconds, rest = divmod(instant_ns, NS_PER_S)
    fraction = -(-(rest << _FRACTION_BITS) // NS_PER_S)
    return ((seconds + NTP_TO_POSIX_S) % _ERA_S << _FRACTION_BITS) + fraction
