"""A receiver on a serial line. pyserial opens and configures it; reading is os.read on its descriptor
(pyserial's readline costs a hundred times as much, and a chunk deserves one stamp)."""

import errno
import grp
import os
import stat as file_kind
import termios
from contextlib import suppress

import serial

from refclock.errors import PortError
from refclock.model import Event, SerialBytes, SerialSent
from refclock.policy import ReceiverSettings
from refclock.ports import stamp
from refclock.ports.holders import holders
from refclock.ports.identity import Known, admitted, wanted
from refclock.ports.port import DevicePort

_CHUNK = 4096
_CFLAG, _CC = 2, 6  # places in what tcgetattr returns
_NO_DATA_YET = (errno.EAGAIN, errno.EINTR)


class _QuietSerial(serial.Serial):
    """pyserial, which on opening sets DTR and RTS; RTS can trigger a Palisade's event input.

    There is no public way to ask it not to touch them, so the two methods that do are emptied. The
    kernel's driver still raises both at the first open of a real UART (tty_port_open); nobody can help
    that from user space.
    """

    def _update_dtr_state(self) -> None:
        pass

    def _update_rts_state(self) -> None:
        pass


class SerialPort(DevicePort):
    """Bytes from and to a receiver. A line that hangs up is reopened when its path is there again, and the
    receiver behind it is the one that was there before."""

    def __init__(self, settings: ReceiverSettings, name: str, known: Known | None = None) -> None:
        super().__init__(name)
        self.device = settings.device
        self._settings = settings
        self._known = known
        self._serial: serial.Serial | None = None

    def _open(self) -> str:
        settings = self._settings
        remembered = self._known.recall(self.name) if self._known else None
        refuse_unsuitable(settings.device, wanted(settings, remembered))
        # Before it is opened, for that raises DTR and RTS, which another device may take for an order.
        found = admitted(settings, remembered)
        refuse_held(settings.device)
        line = _QuietSerial()
        line.port = settings.device
        line.baudrate = settings.baud
        line.bytesize = int(settings.framing[0])
        line.parity = settings.framing[1]
        line.stopbits = int(settings.framing[2])
        line.timeout = line.write_timeout = 0
        line.exclusive = True  # flock(2), advisory: keeps out others that ask
        try:
            line.open()  # with O_NOCTTY | O_NONBLOCK
            self._serial = line
            _finish(line)
        except (OSError, termios.error) as error:  # SerialException is an OSError, its errno often missing
            raise explain(settings.device, error) from None
        if admitted(settings, remembered) != found:
            raise PortError(f"{settings.device}: was exchanged while it was being opened; trying again.")
        self.fd = line.fileno()
        if found is not None and self._known is not None:
            self._known.learn(self.name, found.fields())
        which = f" ({found})" if found is not None else ""
        return f"opened {settings.device} at {settings.baud} {settings.framing}{which}"

    def _shut(self) -> None:
        self.fd = None
        line, self._serial = self._serial, None
        if line is not None:
            with suppress(OSError, termios.error):  # the device may be gone; the descriptor is freed anyway
                line.close()

    def on_ready(self) -> list[Event]:
        """One chunk, stamped before it is read."""
        if self.fd is None:
            return []
        when = stamp.now()
        try:
            data = os.read(self.fd, _CHUNK)
        except OSError as error:
            if error.errno in _NO_DATA_YET:
                return []
            return self._gone(os.strerror(error.errno or 0))
        if not data:
            return self._gone("the line hung up")
        return [SerialBytes(*when, port=self.name, data=data)]

    def perform(self, data: bytes) -> list[Event]:
        """Write to the receiver. The event carries the bytes that the line took: all of them, unless its
        buffer of 4 KiB is full; the rest is dropped, never sent late into another exchange."""
        if self.fd is None:
            return []
        when = stamp.now()
        try:
            sent = os.write(self.fd, data)
        except OSError as error:
            if error.errno in _NO_DATA_YET:
                return []
            return self._gone(os.strerror(error.errno or 0))
        return [SerialSent(*when, port=self.name, data=data[:sent])]

    def _gone(self, why: str) -> list[Event]:
        return self._lost(f"{self._settings.device}: {why}; waiting for its return.")


def _finish(line: serial.Serial) -> None:
    """What pyserial leaves to do."""
    attributes = termios.tcgetattr(line.fileno())
    # Without this, closing the line drops DTR, which resets some receivers and powers off others.
    attributes[_CFLAG] &= ~termios.HUPCL
    # pyserial sets VMIN 0, and then a read of nothing returns b"" like a hang-up does (termios(3)).
    attributes[_CC][termios.VMIN] = 1
    termios.tcsetattr(line.fileno(), termios.TCSANOW, attributes)
    # A pty and some drivers cannot; then chunks come in later, and nothing else changes.
    with suppress(ValueError, NotImplementedError, OSError):
        line.set_low_latency_mode(True)


def refuse_unsuitable(device: str, whom: str = "") -> None:
    """What is not a character device is not opened at all: opening a FIFO or a file has effects. ``whom``:
    which receiver is expected there, where that is known."""
    if not device:
        raise PortError("receiver.device: no device is configured; set it to a path like /dev/ttyUSB0.")
    try:
        mode = os.stat(device).st_mode
    except OSError as error:
        raise explain(device, error, whom) from None
    if not file_kind.S_ISCHR(mode):
        kind = "a directory" if file_kind.S_ISDIR(mode) else "not a device"
        raise PortError(
            f"{device}: is {kind}, expected a serial line; set receiver.device to the receiver's, "
            "see /dev/serial/by-id."
        )


def refuse_held(device: str) -> None:
    """gpsd takes no flock, so being able to lock the line proves nothing."""
    others = holders(device)
    if others:
        raise PortError(_held(device, ", ".join(map(str, others))))


def _held(device: str, whom: str) -> str:
    return (
        f"{device}: in use by {whom}, expected to have it alone (two readers tear each other's messages); "
        "stop that program, or take the device out of its configuration."
    )


def explain(device: str, error: Exception, whom: str = "") -> PortError:
    """One line: what, where, what was expected, how to mend it."""
    number = _errno(error)
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR):
        expected = f", expected {whom}" if whom else ""
        return PortError(
            f"{device}: no such device{expected}; plug the receiver in, or set receiver.device to where it "
            "is; see `refclock detect --list`."
        )
    if number in (errno.EACCES, errno.EPERM):
        return PortError(
            f"{device}: permission denied; it belongs to group {_group(device)}: run as a member of it "
            f"(usermod -a -G {_group(device)} USER, or SupplementaryGroups= in the unit)."
        )
    if number in (errno.EAGAIN, errno.EBUSY):
        return PortError(_held(device, ", ".join(map(str, holders(device))) or "another user's program"))
    if number == errno.ENOTTY:
        return PortError(f"{device}: not a serial line; set receiver.device to one, see /dev/serial/by-id.")
    if number == errno.EIO:
        return PortError(f"{device}: no hardware behind this line; set receiver.device to the receiver's.")
    return PortError(f"{device}: cannot be opened as a serial line: {error}.")


def _errno(error: Exception) -> int | None:
    """The errno of an OSError, or of the termios.error that pyserial wraps into one without an errno."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    for cause in (error, error.__context__):
        if isinstance(cause, termios.error) and cause.args and isinstance(cause.args[0], int):
            return cause.args[0]
    return None


def _group(device: str) -> str:
    try:
        owner = os.stat(device).st_gid
    except OSError:
        return "dialout"
    try:
        return grp.getgrgid(owner).gr_name
    except KeyError:
        return str(owner)
