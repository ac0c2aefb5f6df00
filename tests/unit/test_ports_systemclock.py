"""The look at the kernel's clock discipline."""

import ctypes
import errno
import os
import struct
import time
from pathlib import Path

import pytest

from refclock.errors import PortError
from refclock.model import PortChange, SystemClock
from refclock.ports import systemclock
from refclock.ports.systemclock import INTERVAL_NS, LOOK_NS, SystemClockPort


class FakeLibrary:
    """Stands in for the C library; adjtimex(2) fills in the fields and keeps what it was asked."""

    def __init__(self, **fields):
        self.fields = {"offset": 0, "freq": 0, "maxerror": 0, "status": 0, "tick": 10_000, "tai": 0, **fields}
        self.asked = []
        self.fails = self.settime = 0
        self.timer = -1

    def timerfd_create(self, clock, flags):
        assert (clock, flags) == (time.CLOCK_REALTIME, os.O_NONBLOCK | os.O_CLOEXEC)
        self.timer, other_end = os.pipe()
        os.close(other_end)
        return self.timer

    def timerfd_settime(self, fd, flags, spec, old):
        assert (fd, flags, old) == (self.timer, 3, None)
        assert struct.unpack("@4l", spec)[:2] == (0, 0)
        return self.settime

    def adjtimex(self, buffer):
        self.asked.append(buffer.raw)
        if self.fails:
            ctypes.set_errno(self.fails)
            return -1
        f = self.fields
        modes = 0
        longs = (f["offset"], f["freq"], f["maxerror"], 16)
        after = (2, 1, 500, 1_800_000_000, 123, f["tick"], 0, 0)
        values = (modes, *longs, f["status"], *after, 0, 0, 0, 0, 0, 0, f["tai"])
        ctypes.memmove(buffer, struct.pack("@I4l i8l i5l i44x", *values), len(buffer))
        return 5  # TIME_ERROR: the clock is not synchronised; no failure of the call


@pytest.fixture
def library(monkeypatch):
    fake = FakeLibrary()
    monkeypatch.setattr("refclock.ports.systemclock.ctypes.CDLL", lambda *_args, **_kwargs: fake)
    return fake


@pytest.fixture
def port():
    made = SystemClockPort()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("freq", "freq_ppb"), [(65536, 1000), (-65536, -1000), (0, 0), (33, 1), (32, 0), (-32768000, -500000)]
)
def test_fields_and_units(library, port, freq, freq_ppb):
    library.fields.update(freq=freq, maxerror=4321, status=0x2041, tick=9_999, tai=37)
    up, look = port.open()
    assert isinstance(up, PortChange)
    assert isinstance(look, SystemClock)
    assert (look.freq_ppb, look.tick_us, look.status, look.maxerror_us, look.tai_s) == (
        freq_ppb, 9_999, 0x2041, 4321, 37,
    )  # fmt: skip


def test_it_never_sets_anything(library, port):
    port.open()
    for _ in range(3):
        port.on_timer(port.wake_at())
    assert len(library.asked) == 5
    for asked in library.asked:
        assert asked == bytes(len(asked)), "modes is 0, and so is everything else"


def test_it_looks_each_second_and_tells_what_is_new_or_each_16_s(library, port):
    _, first = port.open()
    library.fields["maxerror"] = 77  # grows all the time, and is no news
    due = port.wake_at()
    assert port.on_timer(due - 1) == []
    assert port.on_timer(due) == []
    assert port.wake_at() == due + LOOK_NS
    library.fields["freq"] = 65536
    (look,) = port.on_timer(port.wake_at())
    assert (look.freq_ppb, look.maxerror_us) == (1000, 77)
    assert port.on_timer(port.wake_at()) == []
    (again,) = port.on_timer(look.raw_ns + INTERVAL_NS)
    assert again.freq_ppb == 1000
    assert first.clock_sets == again.clock_sets == 0


def test_whoever_sets_the_clock_is_told_of_at_once(library, port, monkeypatch):
    """The kernel wakes whoever waits for the timer; reading it then fails with ECANCELED. Setting a clock for
    it is for a virtual machine; here the reading fails by itself."""
    port.open()
    assert port.fd == library.timer
    assert port.on_ready() == [], "woken for nothing"

    def cancelled(fd, size):
        assert (fd, size) == (library.timer, 8)
        raise OSError(errno.ECANCELED, "cancelled")

    with monkeypatch.context() as patched:
        patched.setattr("refclock.ports.systemclock.os.read", cancelled)
        (look,) = port.on_ready()
        (second,) = port.on_ready()
    assert (look.clock_sets, second.clock_sets) == (1, 2)


def test_a_system_without_such_timers_is_looked_at_each_second_all_the_same(library, port):
    library.settime = -1
    up, look = port.open()
    assert "not told at once" in up.reason
    assert port.fd is None
    assert look.clock_sets is None
    assert port.on_ready() == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(library.timer)


def test_a_filtered_system_call_is_explained(library, port):
    library.fails = 1
    with pytest.raises(PortError, match=r"(?s)not permitted.*SystemCallFilter"):
        port.open()
    library.fails = 0
    assert [type(event) for event in port.on_timer(port.wake_at())] == [PortChange, SystemClock]
    library.fails = 1
    (down,) = port.on_timer(port.wake_at())
    assert not down.up


def test_hidden_files_read_as_unknown(library, port, monkeypatch):
    monkeypatch.setattr(systemclock, "_CLOCKSOURCE", "/nowhere/current_clocksource")
    assert port.open()[1].clocksource == "unknown"


def test_the_real_kernel(port):
    _, look = port.open()
    assert 9_000 <= look.tick_us <= 11_000
    assert abs(look.freq_ppb) <= 500_000
    assert 0 <= look.tai_s < 100
    assert port.fd is not None
    assert look.clock_sets == 0
    assert look.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
