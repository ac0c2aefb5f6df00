"""A network card's clock as a witness (/dev/ptpN). It is read and never set: a descriptor opened for
reading gives no right to (clock_gettime(2), "dynamic clocks")."""

import errno
import os
import time

from refclock.errors import PortError
from refclock.model import Event, PhcReading
from refclock.policy import PhcSettings
from refclock.ports import stamp
from refclock.ports.port import DevicePort
from refclock.units import NS_PER_S

INTERVAL_NS = 16 * NS_PER_S
# A reading crosses the bus; the quickest of a few was disturbed least.
_TRIES = 5
_CLOCKFD = 3  # linux/posix-timers.h


class PhcPort(DevicePort):
    """The card's clock on opening and every 16 s, between two readings of CLOCK_MONOTONIC_RAW."""

    def __init__(self, settings: PhcSettings, name: str) -> None:
        super().__init__(name)
        self._path = settings.device
        self._handle: int | None = None
        self._clock = 0

    def _open(self) -> str:
        try:
            self._handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            # The kernel's FD_TO_CLOCKID.
            self._clock = (~self._handle << 3) | _CLOCKFD
            time.clock_gettime_ns(self._clock)
        except OSError as error:
            self._shut()
            raise _explain(self._path, error) from None
        self._wake_ns = stamp.raw()
        return f"reading {self._path}"

    def _shut(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def _timer(self, raw_ns: int) -> list[Event]:
        self._wake_ns = raw_ns + INTERVAL_NS
        try:
            half_ns, at_ns, phc_ns = min(self._read() for _ in range(_TRIES))
        except OSError as error:
            return self._lost(str(_explain(self._path, error)))
        when = stamp.now()
        # In these microseconds the two clocks part by a step only, which is the core's to notice.
        real_ns = when[1] - (when[0] - at_ns)
        return [PhcReading(at_ns, real_ns, half_ns + when[2], port=self.name, phc_ns=phc_ns)]

    def _read(self) -> tuple[int, int, int]:
        """Half-width of the bracket, its middle on RAW, and the card's time."""
        before = stamp.raw()
        phc = time.clock_gettime_ns(self._clock)
        after = stamp.raw()
        return (after - before + 1) // 2, (before + after) // 2, phc


def _explain(path: str, error: OSError) -> PortError:
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR):
        return PortError(
            f"{path}: no such clock; set phc.device to one of /dev/ptp*, or remove [phc] from the "
            "configuration."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return PortError(
            f"{path}: no leave to read it; a udev rule gives it: "
            'SUBSYSTEM=="ptp", GROUP="refclock", MODE="0640".'
        )
    if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
        return PortError(f"{path}: it is no network card's clock; set phc.device to one of /dev/ptp*.")
    return PortError(f"{path}: cannot be read: {os.strerror(error.errno or 0)}; see phc.device.")
