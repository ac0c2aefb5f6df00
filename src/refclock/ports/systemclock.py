"""A look at the kernel's clock discipline. It never sets anything: adjtimex(2) with modes = 0 reads."""

import ctypes
import os
import struct
import time
from collections.abc import Callable

from refclock.errors import PortError
from refclock.model import Event, SystemClock
from refclock.ports import stamp
from refclock.ports.port import DevicePort
from refclock.units import NS_PER_MS, NS_PER_S

INTERVAL_NS = 16 * NS_PER_S
_CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"

# struct timex (adjtimex(2)), native sizes: modes; offset freq maxerror esterror; status; constant precision
# tolerance time.tv_sec time.tv_usec tick ppsfreq jitter; shift; stabil jitcnt calcnt errcnt stbcnt; tai; 11
# spare ints.
_TIMEX = struct.Struct("@I4l i8l i5l i44x")
_FREQ, _MAXERROR, _STATUS, _TICK, _TAI = 2, 3, 5, 11, 20
_FREQ_BITS = 16  # freq is in ppm with a 16-bit fraction


class SystemClockPort(DevicePort):
    """The kernel's frequency (ppb), tick (us), status bits, maximum error (us), TAI offset (s), with the
    clocksource in use and this boot's id: on opening, and every 16 s."""

    def __init__(self, name: str = "sys0") -> None:
        super().__init__(name)
        self._adjtimex: Callable[[object], int] | None = None
        self._boot_id = ""

    def open(self) -> list[Event]:
        """Raises PortError. The first look comes right behind the news that the port is up."""
        return [*super().open(), *self._timer(stamp.raw())]

    def _open(self) -> str:
        # ctypes costs 0.4 MiB of memory; there is no other way to this call without compiled code.
        library = ctypes.CDLL(None, use_errno=True)
        self._adjtimex = library.adjtimex
        self._boot_id = _text(_BOOT_ID)
        self._look()
        return "reading the kernel's clock discipline"

    def _timer(self, raw_ns: int) -> list[Event]:
        self._wake_ns = raw_ns + INTERVAL_NS
        try:
            return [self._look()]
        except PortError as error:
            return self._lost(str(error))

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
        )


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
