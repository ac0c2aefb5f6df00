"""The pulse: the kernel's PPS API (RFC 2783) through its ioctls, and an emulation for demos and tests."""

import errno
import fcntl
import os
import struct
from dataclasses import dataclass

from refclock.errors import PortError
from refclock.model import Event, PpsEdge
from refclock.policy import PpsSettings
from refclock.ports import stamp
from refclock.ports.port import DevicePort, Port
from refclock.ports.ppssocket import EmulatedPps
from refclock.units import NS_PER_MS, NS_PER_S

EMULATED = "emulated:"

# linux/pps.h. The numbers encode the size of a pointer, for that is what the header names as the argument.
_POINTER = struct.calcsize("P") << 16
PPS_GETPARAMS = 0x80000000 | _POINTER | 0x70A1
PPS_SETPARAMS = 0x40000000 | _POINTER | 0x70A2
PPS_GETCAP = 0x80000000 | _POINTER | 0x70A3
PPS_FETCH = 0xC0000000 | _POINTER | 0x70A4
_CAPTURE = {"assert": 0x01, "clear": 0x02}
_OFFSET = {"assert": 0x10, "clear": 0x20}

# struct pps_ktime is s64 sec, s32 nsec, u32 flags.
_CAP = struct.Struct("=i")
# pps_kparams: api_version, mode, assert_off_tu, clear_off_tu.
_PARAMS = struct.Struct("=ii qiI qiI")
# pps_fdata: assert_sequence, clear_sequence, assert_tu, clear_tu, current_mode, padding; time-out.
_FDATA = struct.Struct("=II qiI qiI i4x qiI")

# ppstest leaves 675 ns behind on a device that it was run on as root. More is somebody's intention.
_OFFSET_TOLERATED_NS = 1_000

_SETTLE_NS = 2 * NS_PER_MS
_AFTER_EDGE_NS = tuple(ms * NS_PER_MS for ms in (2, 4, 7, 12, 20, 35, 50))
_SEARCH_NS = 20 * NS_PER_MS
_IDLE_SEARCH_NS = 100 * NS_PER_MS
_IDLE_AFTER_NS = 10 * NS_PER_S
_LOOK_NS = 5 * NS_PER_S


@dataclass(frozen=True, slots=True)
class _Edge:
    """The latest edge that the kernel holds; nothing has been captured yet when both are zero."""

    seq: int
    at_ns: int


def open_pps(settings: PpsSettings, name: str) -> Port:
    """The port for a device string: /dev/ppsN, or emulated:PATH."""
    if settings.device.startswith(EMULATED):
        return EmulatedPps(settings.device.removeprefix(EMULATED), settings.edge, name)
    return KernelPps(settings, name)


class KernelPps(DevicePort):
    """Edges that the kernel stamped, fetched without waiting about 2 ms after each is due.

    A fetch with a zero time-out returns the latest edge at once (drivers/pps/pps.c: it waits only if the
    time-out comes to at least one tick); the sequence number says whether it is new. The descriptor is of
    no use to a selector: most kernels report it readable all the time. So ``fd`` stays None, and the port
    searches every 20 ms until the first edge, then lives by prediction. Reading takes no privilege.
    """

    def __init__(self, settings: PpsSettings, name: str) -> None:
        super().__init__(name)
        self.device = settings.device
        self._edge = settings.edge
        self._handle: int | None = None
        self._seq = 0
        self._due_ns = 0  # raw: when the last edge's successor is expected
        self._heard_ns = 0  # raw: of the last edge, or of opening
        self._look_ns = 0  # raw: when to see whether the device is still the same

    def _open(self) -> str:
        try:
            self._handle = os.open(self.device, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise _explain(self.device, error) from None
        try:
            self._enable(self._handle)
            edge = self._fetch(self._handle)
        except OSError as error:
            raise _explain(self.device, error) from None
        # What is there already has an unknown age: a receiver may have been silent for a week.
        self._seq = edge.seq
        raw = stamp.raw()
        self._due_ns = self._heard_ns = raw
        self._look_ns = raw + _LOOK_NS
        self._wake_ns = raw + _SEARCH_NS
        return f"opened {self.device}, {self._edge} edges"

    def _shut(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def _enable(self, handle: int) -> None:
        """See to it that the wanted edge is captured, and that nobody shifts its stamps."""
        wanted = _CAPTURE[self._edge]
        (able,) = _CAP.unpack(_ask(handle, PPS_GETCAP, bytes(_CAP.size)))
        if not able & wanted:
            raise PortError(
                f"{self.device}: this source cannot capture {self._edge} edges (capabilities {able:#x}); "
                "set pps.edge to the other one."
            )
        params = _PARAMS.unpack(_ask(handle, PPS_GETPARAMS, bytes(_PARAMS.size)))
        mode = params[1]
        seconds, rest = params[2:4] if self._edge == "assert" else params[5:7]
        shift_ns = seconds * NS_PER_S + rest
        if mode & _OFFSET[self._edge] and abs(shift_ns) > _OFFSET_TOLERATED_NS:
            raise PortError(
                f"{self.device}: a program made the kernel shift {self._edge} stamps by {shift_ns} ns, "
                "expected none; reload the PPS driver, and set the delay as pps.delay_ns."
            )
        if mode & wanted:
            return
        try:
            _ask(handle, PPS_SETPARAMS, _PARAMS.pack(params[0], mode | wanted, *params[2:]))
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EACCES):
                raise
            raise PortError(
                f"{self.device}: capture of {self._edge} edges is off, and switching it on takes "
                "CAP_SYS_TIME; let root do it once (it stays on), or set pps.edge to the other one."
            ) from None

    def _fetch(self, handle: int) -> _Edge:
        fetched = _FDATA.unpack(_ask(handle, PPS_FETCH, bytes(_FDATA.size)))
        if self._edge == "assert":
            return _Edge(fetched[0], fetched[2] * NS_PER_S + fetched[3])
        return _Edge(fetched[1], fetched[5] * NS_PER_S + fetched[6])

    def _timer(self, raw_ns: int) -> list[Event]:
        assert self._handle is not None  # up, so it is open
        try:
            edge = self._fetch(self._handle)
        except OSError as error:
            if error.errno not in (errno.EINTR, errno.EAGAIN, errno.ETIMEDOUT):
                return self._lost(f"{self.device}: {os.strerror(error.errno or 0)}; waiting for its return.")
            edge = _Edge(self._seq, 0)
        when = stamp.now()
        if edge.seq != self._seq and edge.at_ns:
            self._expect(edge, when)
            return [PpsEdge(*when, port=self.name, edge=self._edge, seq=edge.seq, at_ns=edge.at_ns)]
        if raw_ns >= self._look_ns:
            self._look_ns = raw_ns + _LOOK_NS
            if not self._still_there(self._handle):
                return self._lost(f"{self.device}: the device is gone; waiting for its return.")
        self._wake_ns = self._next_try(raw_ns)
        return []

    def _expect(self, edge: _Edge, when: stamp.Stamp) -> None:
        """Plan for the edge after this one."""
        raw_ns, real_ns, _ = when
        age_ns = real_ns - edge.at_ns
        self._seq, self._heard_ns = edge.seq, raw_ns
        self._look_ns = raw_ns + _LOOK_NS
        # Outside this the system clock was stepped in between, and the edge's age says nothing.
        self._due_ns = raw_ns - age_ns + NS_PER_S if 0 <= age_ns < NS_PER_S - _SETTLE_NS else raw_ns
        self._wake_ns = max(self._due_ns, raw_ns) + _SETTLE_NS

    def _next_try(self, raw_ns: int) -> int:
        for after in _AFTER_EDGE_NS:
            if self._due_ns + after > raw_ns:
                return self._due_ns + after
        idle = raw_ns - self._heard_ns > _IDLE_AFTER_NS
        return raw_ns + (_IDLE_SEARCH_NS if idle else _SEARCH_NS)

    def _still_there(self, handle: int) -> bool:
        """The kernel never tells: a fetch from a source that was unregistered repeats its last edge."""
        try:
            here, ours = os.stat(self.device), os.fstat(handle)
        except OSError:
            return False
        return (here.st_dev, here.st_ino) == (ours.st_dev, ours.st_ino)


def _ask(handle: int, request: int, argument: bytes) -> bytes:
    answer = bytearray(argument)
    fcntl.ioctl(handle, request, answer)
    return bytes(answer)


def _explain(device: str, error: OSError) -> PortError:
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR):
        return PortError(
            f"{device}: no such device; load the driver of the pulse (pps-gpio, or ldattach PPS on the "
            "serial line whose DCD pin carries it), or set pps.device."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return PortError(
            f"{device}: permission denied, expected to be readable; give it MODE=0640 and a GROUP "
            "that refclock runs in by a udev rule."
        )
    if error.errno in (errno.ENOTTY, errno.EINVAL, errno.EISDIR):
        return PortError(f"{device}: not a PPS device; set pps.device to /dev/ppsN.")
    return PortError(f"{device}: cannot be used as a PPS device: {os.strerror(error.errno or 0)}.")
