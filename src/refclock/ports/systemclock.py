"""A look at the kernel's clock discipline. It never sets anything: adjtimex(2) with modes = 0 reads."""

import ctypes
import errno
import os
import struct
import time
from collections.abc import Callable
from dataclasses import replace

from refclock.errors import PortError
from refclock.model import Event, SystemClock
from refclock.ports import stamp
from refclock.ports.port import DevicePort
from refclock.units import NS_PER_MS, NS_PER_S

# A look each second; what it finds is told when it is another than before, and each 16 s.
LOOK_NS = NS_PER_S
INTERVAL_NS = 16 * NS_PER_S
_CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"

# struct timex (adjtimex(2)), native sizes: modes; offset freq maxerror esterror; status; constant precision
# tolerance time.tv_sec time.tv_usec tick ppsfreq jitter; shift; stabil jitcnt calcnt errcnt stbcnt; tai; 11
# spare ints.
_TIMEX = struct.Struct("@I4l i8l i5l i44x")
_FREQ, _MAXERROR, _STATUS, _TICK, _TAI = 2, 3, 5, 11, 20
_FREQ_BITS = 16  # freq is in ppm with a 16-bit fraction
# timerfd_create(2), <sys/timerfd.h>; struct itimerspec: interval and first expiry, each seconds and ns.
_TFD_TIMER_ABSTIME, _TFD_TIMER_CANCEL_ON_SET = 1, 2
_ITIMERSPEC = struct.Struct("@4l")
_NEVER_S = 1 << 33  # in 2242


class SystemClockPort(DevicePort):
    """The kernel's frequency (ppb), tick (us), status bits, maximum error (us), TAI offset (s), with the
    clocksource in use and this boot's id: on opening, every 16 s, within a second of a change, and at once
    when somebody sets CLOCK_REALTIME: ``fd`` is a timer that the kernel then cancels."""

    def __init__(self, name: str = "sys0") -> None:
        super().__init__(name)
        self._adjtimex: Callable[[object], int] | None = None
        self._boot_id = ""
        self._sets: int | None = None
        self._told: SystemClock | None = None

    def open(self) -> list[Event]:
        """Raises PortError. The first look comes right behind the news that the port is up."""
        return [*super().open(), *self._timer(stamp.raw())]

    def _open(self) -> str:
        # ctypes costs 0.4 MiB of memory; there is no other way to this call without compiled code.
        library = ctypes.CDLL(None, use_errno=True)
        self._adjtimex = library.adjtimex
        self._boot_id = _text(_BOOT_ID)
        self._told = None
        self._look()
        self.fd = _cancelled_when_set(library)
        self._sets = None if self.fd is None else self._sets or 0
        seen = "" if self.fd is not None else ", but not told at once when somebody sets the clock"
        return f"reading the kernel's clock discipline{seen}"

    def _shut(self) -> None:
        fd, self.fd = self.fd, None
        if fd is not None:
            os.close(fd)

    def on_ready(self) -> list[Event]:
        """The kernel cancelled the timer: somebody set the clock."""
        if self.fd is None:
            return []
        try:
            os.read(self.fd, 8)
        except OSError as error:
            if error.errno == errno.ECANCELED and self._sets is not None:
                self._sets += 1
                return self._timer(stamp.raw())
        return []

    def _timer(self, raw_ns: int) -> list[Event]:
        self._wake_ns = raw_ns + LOOK_NS
        try:
            look = self._look()
        except PortError as error:
            return self._lost(str(error))
        told = self._told
        if told is not None and raw_ns - told.raw_ns < INTERVAL_NS and _same(look, told):
            return []
        self._told = look
        return [look]

    def _look(self) -> SystemClock:
        assert self._adjtimex is not None  # set on opening
        # All zero, so modes is 0: a pure read, which needs no privilege. It is written nowhere else.
        buffer = ctypes.create_string_buffer(_TIMEX.size)
        if self._adjtimex(buffer) < 0:
            raise PortError(
                f"adjtimex: {os.strerror(ctypes.get_errno())}, expected leave to read the clock's state; "
                "name adjtimex in the unit's SystemCallFilter (ProtectClock forbids it; without "
                "CAP_SYS_TIME it cannot set anything)."
            )
        when = stamp.now()
        fields = _TIMEX.unpack(buffer.raw)
        return SystemClock(
            *when,
            freq_ppb=fields[_FREQ] * 1000 + (1 << _FREQ_BITS - 1) >> _FREQ_BITS,
            tick_us=fields[_TICK],
            status=fields[_STATUS],
            maxerror_us=fields[_MAXERROR],
            tai_s=fields[_TAI],
            clocksource=_text(_CLOCKSOURCE),
            boot_id=self._boot_id,
            suspended_ms=_suspended_ms(),
            clock_sets=self._sets,
        )


def _same(look: SystemClock, told: SystemClock) -> bool:
    """Whether a look found nothing new. The maximum error grows all the time."""
    unmoved = replace(
        told, raw_ns=look.raw_ns, real_ns=look.real_ns, unc_ns=look.unc_ns, maxerror_us=look.maxerror_us
    )
    return look == unmoved


def _cancelled_when_set(library: ctypes.CDLL) -> int | None:
    """A timer on CLOCK_REALTIME that is never due, and whose reading fails with ECANCELED once the clock was
    set; None where the system has none for us. Python has such timers from 3.13 on."""
    fd = int(library.timerfd_create(time.CLOCK_REALTIME, os.O_NONBLOCK | os.O_CLOEXEC))
    if fd < 0:
        return None
    flags = _TFD_TIMER_ABSTIME | _TFD_TIMER_CANCEL_ON_SET
    if library.timerfd_settime(fd, flags, _ITIMERSPEC.pack(0, 0, _NEVER_S, 0), None) < 0:
        os.close(fd)
        return None
    return fd


def _suspended_ms() -> int:
    """How long this boot has been suspended: what CLOCK_BOOTTIME counts and CLOCK_MONOTONIC does not
    (clock_gettime(2)). The two are read one after the other, hence the rounding."""
    apart_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return (apart_ns + NS_PER_MS // 2) // NS_PER_MS


def _text(path: str) -> str:
    """A one-line file of the kernel's; "unknown" where it is hidden, as in some containers."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "unknown"
