"""The layout of struct shmTime, against what a C compiler makes of it."""

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refclock.wire import shm

INSTANTS = st.integers(min_value=0, max_value=1 << 62)


class ShmTime(ctypes.Structure):
    """As chrony 4.3's refclock_shm.c declares it; ctypes pads like the platform's C compiler."""

    _fields_ = (
        ("mode", ctypes.c_int),
        ("count", ctypes.c_int),
        ("clock_s", ctypes.c_long),
        ("clock_us", ctypes.c_int),
        ("receive_s", ctypes.c_long),
        ("receive_us", ctypes.c_int),
        ("leap", ctypes.c_int),
        ("precision", ctypes.c_int),
        ("nsamples", ctypes.c_int),
        ("valid", ctypes.c_int),
        ("clock_ns", ctypes.c_uint),
        ("receive_ns", ctypes.c_uint),
        ("dummy", ctypes.c_int * 8),
    )


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_long) != 8, reason="the layout is LP64's")
class TestAgainstTheCompiler:
    def test_size_and_offsets(self):
        assert ctypes.sizeof(ShmTime) == shm.SIZE
        assert ShmTime.count.offset == shm.COUNT_AT
        assert ShmTime.clock_s.offset == shm.FIELDS_AT
        assert ShmTime.valid.offset == shm.VALID_AT

    @given(utc=INSTANTS, sys=INSTANTS, leap=st.integers(0, 2), precision=st.integers(-30, 0))
    def test_every_field_lands_where_c_reads_it(self, utc, sys, leap, precision):
        fields = shm.pack_fields(utc, sys, leap, precision)
        segment = (bytes(shm.FIELDS_AT) + fields).ljust(shm.SIZE, b"\0")
        seen = ShmTime.from_buffer_copy(segment)
        assert seen.clock_s * 10**9 + seen.clock_ns == utc
        assert seen.receive_s * 10**9 + seen.receive_ns == sys
        assert seen.clock_ns // 1000 == seen.clock_us
        assert seen.receive_ns // 1000 == seen.receive_us
        assert (seen.leap, seen.precision, seen.nsamples, seen.valid) == (leap, precision, 0, 0)


@given(utc=INSTANTS, sys=INSTANTS)
def test_a_reader_gets_both_stamps_to_the_nanosecond(utc, sys):
    segment = shm.int_field(1) + shm.int_field(7) + shm.pack_fields(utc, sys, 1, -20)
    sample = shm.unpack(segment)
    assert (sample.utc_ns, sample.sys_ns) == (utc, sys)
    assert (sample.mode, sample.count, sample.leap, sample.precision, sample.valid) == (1, 7, 1, -20, 0)


def test_a_writer_without_nanoseconds_is_read_in_microseconds():
    fields = bytearray(shm.pack_fields(1_500_000_001, 2_500_000_999, 0, -20))
    fields[44:48] = b"\0\0\0\0"  # clockTimeStampNSec
    sample = shm.unpack(bytes(8) + bytes(fields))
    assert (sample.utc_ns, sample.sys_ns) == (1_500_000_000, 2_500_000_000)


@pytest.mark.parametrize(("value", "stored"), [(0, 0), (2**31 - 1, 2**31 - 1), (2**31, -(2**31)), (-1, -1)])
def test_the_counter_wraps_like_cs(value, stored):
    assert shm.read_int(shm.int_field(value)) == stored


def test_the_key_spells_ntp():
    assert shm.key_of(2).to_bytes(4, "big") == b"NTP2"
