"""chrony's and ntpd's shared-memory sample: ``struct shmTime`` as a C compiler lays it out on LP64.

Offsets (chrony 4.3, refclock_shm.c; the same in ntpd's refclock_shm.c): mode 0, count 4,
clockTimeStampSec 8, clockTimeStampUSec 16, receiveTimeStampSec 24, receiveTimeStampUSec 32, leap 36,
precision 40, nsamples 44, valid 48, clockTimeStampNSec 52, receiveTimeStampNSec 56, eight spare ints
and four bytes of padding: 96 in all. ``time_t`` is 8 bytes, ``int`` 4, both in the host's byte order.
"""

import struct
from dataclasses import dataclass

from refclock.units import NS_PER_S, NS_PER_US

SIZE = 96
# "NTP0": unit N lives under the System V key NTP0 + N.
KEY_BASE = 0x4E545030
# Mode 1: the reader compares `count` before and after its copy and drops a sample torn by a writer.
MODE_COUNTED = 1

MODE_AT, COUNT_AT, FIELDS_AT, VALID_AT = 0, 4, 8, 48
_INT = struct.Struct("=i")
# From clockTimeStampSec up to and with receiveTimeStampNSec. `valid` lies in the midst of them.
_FIELDS = struct.Struct("=qi4xqiiiiiII")
_INT_MODULUS = 1 << 32


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample as a reader finds it: at ``sys_ns`` on CLOCK_REALTIME UTC was ``utc_ns`` (both ns)."""

    mode: int
    count: int
    utc_ns: int
    sys_ns: int
    leap: int
    precision: int
    valid: int


def key_of(unit: int) -> int:
    """The System V key of a unit."""
    return KEY_BASE + unit


def int_field(value: int) -> bytes:
    """A C ``int`` in the host's byte order; wraps as the C counter does."""
    return _INT.pack((value + _INT_MODULUS // 2) % _INT_MODULUS - _INT_MODULUS // 2)


def read_int(data: bytes) -> int:
    """The value of a C ``int``. Raises struct.error unless there are 4 bytes."""
    value: int = _INT.unpack(data)[0]
    return value


def pack_fields(utc_ns: int, sys_ns: int, leap: int, precision: int) -> bytes:
    """The bytes from FIELDS_AT on, ``valid`` being 0.

    ``utc_ns`` is the reference's time of the event and ``sys_ns`` the system clock's time of the same
    event. Both reach the reader to the nanosecond: chrony takes the NSec fields only where NSec // 1000
    equals USec in both stamps, and so they are one number, cut twice. ``precision`` is log2 of seconds.
    Raises struct.error for an instant that does not fit 64 bits of seconds.
    """
    utc_s, utc_rest = divmod(utc_ns, NS_PER_S)
    sys_s, sys_rest = divmod(sys_ns, NS_PER_S)
    return _FIELDS.pack(
        utc_s, utc_rest // NS_PER_US, sys_s, sys_rest // NS_PER_US, leap, precision, 0, 0, utc_rest, sys_rest
    )


def unpack(segment: bytes) -> Sample:
    """What a reader would take from a segment. Raises struct.error when it is shorter than 60 bytes."""
    utc_s, utc_us, sys_s, sys_us, leap, precision, _, valid, utc_rest, sys_rest = _FIELDS.unpack_from(
        segment, FIELDS_AT
    )
    if utc_rest // NS_PER_US != utc_us or sys_rest // NS_PER_US != sys_us:
        # What chrony does with a writer that knows no nanoseconds.
        utc_rest, sys_rest = utc_us * NS_PER_US, sys_us * NS_PER_US
    return Sample(
        mode=_INT.unpack_from(segment, MODE_AT)[0],
        count=_INT.unpack_from(segment, COUNT_AT)[0],
        utc_ns=utc_s * NS_PER_S + utc_rest,
        sys_ns=sys_s * NS_PER_S + sys_rest,
        leap=leap,
        precision=precision,
        valid=valid,
    )
