"""A serial line, opened so that nothing at its other end notices, and left exactly as it was found.

Opening a line once raises DTR and RTS, which only the kernel's driver could help; what can be helped is: it
is never opened twice, not told to hang up, not taken from anybody, and its settings are put back to the bit.
"""

import fcntl
import os
import platform
import select
import termios
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from refclock.errors import PortError
from refclock.ports.serialport import explain, refuse_held, refuse_unsuitable
from refclock.units import NS_PER_S

_CHUNK = 4096
_CC = 6
# struct termios2 holds speeds that are in no table; the numbers of its ioctls are those of most machines
# (asm-generic/ioctls.h), and unknown to the others, which get the older way.
_TCGETS2, _TCSETS2, _TERMIOS2_SIZE = 0x802C542A, 0x402C542B, 44
_GENERIC_MACHINES = frozenset({"x86_64", "i686", "aarch64", "armv6l", "armv7l", "riscv64", "s390x"})
_SIZES = {"7": termios.CS7, "8": termios.CS8}
_PARITIES = {"N": 0, "E": termios.PARENB, "O": termios.PARENB | termios.PARODD}
_STOPS = {"1": 0, "2": termios.CSTOPB}
_BAUDS = (4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
_SPEEDS = {getattr(termios, f"B{baud}"): baud for baud in _BAUDS}


# What termios.tcgetattr returns.
Attributes = list[int | list[bytes | int]]


@dataclass(frozen=True, slots=True)
class Setting:
    """How fast, and how many data bits, which parity, how many stop bits."""

    baud: int
    framing: str = "8N1"

    def __str__(self) -> str:
        return f"{self.baud} {self.framing}"


class QuietLine:
    """Use it in a ``with``. Raises PortError where the line is held by somebody or cannot be had.

    ``found`` is the setting that it had, None for one that no receiver uses.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self._fd = -1
        self._before: Attributes | bytes = b""
        self.found: Setting | None = None

    def __enter__(self) -> Self:
        refuse_unsuitable(self._node)
        refuse_held(self._node)
        try:
            self._fd = os.open(self._node, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(OSError):  # the lock is what those who ask heed; this stops others but root
                fcntl.ioctl(self._fd, termios.TIOCEXCL)
            # Somebody may have come between the look and the lock.
            refuse_held(self._node)
            self._before, self.found = self._settings(), self._setting()
        except (OSError, termios.error) as error:
            self._release()
            raise explain(self._node, error) from None
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def set(self, setting: Setting) -> None:
        """Change the setting; what was received before is thrown away. Raises PortError."""
        size, parity, stop = setting.framing[0], setting.framing[1], setting.framing[2]
        flags = termios.CREAD | termios.CLOCAL | _SIZES[size] | _PARITIES[parity] | _STOPS[stop]
        speed = getattr(termios, f"B{setting.baud}")
        try:
            controls = termios.tcgetattr(self._fd)[_CC]
            controls[termios.VMIN], controls[termios.VTIME] = 1, 0
            # No HUPCL: a signal that ends this process must not drop DTR.
            termios.tcsetattr(self._fd, termios.TCSANOW, [0, 0, flags, 0, speed, speed, controls])
            termios.tcflush(self._fd, termios.TCIFLUSH)
        except (OSError, termios.error) as error:
            raise explain(self._node, error) from None

    def read(self, until_ns: int) -> bytes:
        """What comes next; empty when nothing came until CLOCK_MONOTONIC ``until_ns``. Raises PortError."""
        try:
            wait_ns = max(0, until_ns - time.monotonic_ns())
            if not select.select([self._fd], [], [], wait_ns / NS_PER_S)[0]:
                return b""
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise PortError(f"{self._node}: {os.strerror(error.errno or 0)} while listening.") from None
        if not data:
            raise PortError(f"{self._node}: hung up while being listened to; plug it in and try again.")
        return data

    def write(self, data: bytes) -> None:
        """Send. A question is far shorter than the kernel's buffer. Raises PortError."""
        try:
            os.write(self._fd, data)
        except OSError as error:
            raise explain(self._node, error) from None

    def _settings(self) -> Attributes | bytes:
        if platform.machine() in _GENERIC_MACHINES:
            with suppress(OSError):
                return fcntl.ioctl(self._fd, _TCGETS2, bytes(_TERMIOS2_SIZE))
        return termios.tcgetattr(self._fd)

    def _setting(self) -> Setting | None:
        _, _, flags, _, speed, _, _ = termios.tcgetattr(self._fd)
        sizes, parities = {value: key for key, value in _SIZES.items()}, termios.PARENB | termios.PARODD
        parity = {value: key for key, value in _PARITIES.items()}.get(flags & parities)
        size, stop = sizes.get(flags & termios.CSIZE), "2" if flags & termios.CSTOPB else "1"
        baud = _SPEEDS.get(speed)
        return Setting(baud, f"{size}{parity}{stop}") if baud and size and parity else None

    def _release(self) -> None:
        if self._fd < 0:
            return
        with suppress(OSError, termios.error):  # the device may be gone
            if isinstance(self._before, bytes):
                if self._before:
                    fcntl.ioctl(self._fd, _TCSETS2, self._before)
            else:
                termios.tcsetattr(self._fd, termios.TCSANOW, self._before)
        with suppress(OSError):
            fcntl.ioctl(self._fd, termios.TIOCNXCL)
        os.close(self._fd)
        self._fd = -1
