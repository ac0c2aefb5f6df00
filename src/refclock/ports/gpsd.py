"""A receiver that gpsd owns: its JSON lines, as the bytes of a line whose protocol is "gpsd".

The socket is ours and never waits, each answer has a deadline, and gpsd-py3 only reads what a POLL answered
(docs/adr/0030). gpsd sends the name of each second by itself; the POLL each 10 s is the dead man's handle: a
gpsd whose receiver is mute still answers it, and one that does not is left and dialled anew.
"""

import errno
import os
import socket
from contextlib import suppress

from refclock.errors import PortError
from refclock.model import Event, PortChange, SerialBytes, SerialSent
from refclock.policy import GpsdAddress
from refclock.ports import stamp
from refclock.ports.gpsdlibrary import Position, position
from refclock.ports.port import RETRY_FIRST_NS, DevicePort
from refclock.units import NS_PER_S
from refclock.wire.gpsdjson import LINE_MAX, Fields, parse_line, segments

# gpsd answers nobody while it opens a device and tries its drivers on it: five seconds were seen.
ANSWER_NS = 15 * NS_PER_S
POLL_NS = 10 * NS_PER_S
# A device that gpsd let go, and took up again under a new watch, speaks only to who asks anew.
SILENT_NS = 2 * POLL_NS
_CHUNK = 4096
_PROTOCOL_MAJOR = 3
_BAD_LINES = 16
_NO_DATA_YET = (errno.EAGAIN, errno.EINTR)
_POLL = b"?POLL;\n"


class _UnfitError(Exception):
    """What gpsd said makes it useless; the words are for people."""


class GpsdPort(DevicePort):
    """Up once gpsd has greeted, listed its devices and agreed to watch ours.

    ``unit`` is chrony's SHM unit that refclock writes: a gpsd that writes the same one is not listened to.
    """

    def __init__(self, address: GpsdAddress, unit: int | None, name: str) -> None:
        super().__init__(name)
        self._address, self._unit = address, unit
        self._what = f"gpsd at {address.server}"
        self._socket: socket.socket | None = None
        self._forget()

    def _forget(self) -> None:
        self._rest = b""
        self._bad_lines = 0
        self._release = self._device = ""
        self._watched = False
        self._awaited = ""
        self._position: Position | None = None
        self._heard_ns = 0

    def open(self) -> list[Event]:
        """Dial. The news that the port is up comes with gpsd's answers; see Port."""
        try:
            self._open()
        except PortError as error:
            self._fail(str(error))
            raise
        self._up, self._retry_at_ns = True, None
        return []

    def _open(self) -> str:
        self._forget()
        family = socket.AF_INET6 if ":" in self._address.host else socket.AF_INET
        try:
            self._socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            failed = self._socket.connect_ex((self._address.host, self._address.port))
            if failed == errno.EINPROGRESS:  # on loopback its outcome is known at once all the same
                failed = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        except OSError as error:
            failed = error.errno or errno.EIO
        if failed or self._socket is None:
            raise PortError(self._unreachable(failed))
        self.fd = self._socket.fileno()
        self._await("greeting")
        return self._what

    def _shut(self) -> None:
        self.fd = None
        line, self._socket = self._socket, None
        if line is not None:
            with suppress(OSError):
                line.close()

    def _unreachable(self, number: int) -> str:
        return (
            f"{self._what}: {os.strerror(number)}; start it (systemctl start gpsd.socket), or mend "
            "receiver.device."
        )

    def _await(self, what: str) -> None:
        self._awaited, self._wake_ns = what, stamp.raw() + ANSWER_NS

    def _timer(self, raw_ns: int) -> list[Event]:
        try:
            if self._awaited:
                raise _UnfitError(f"no {self._awaited} in {ANSWER_NS // NS_PER_S} s; see whether it runs")
            self._await("answer to a POLL")
            return self._send(_POLL)
        except _UnfitError as unfit:
            return self._drop(f"{self._what}: {unfit}.")

    def on_ready(self) -> list[Event]:
        """One chunk, stamped before it is read, then what became of it."""
        if self._socket is None:
            return []
        when = stamp.now()
        try:
            data = self._socket.recv(_CHUNK)
        except OSError as error:
            if error.errno in _NO_DATA_YET:
                return []
            greeted = f"{self._what}: {os.strerror(error.errno or 0)}; dialling again."
            return self._drop(greeted if self._release else self._unreachable(error.errno or 0))
        if not data:
            return self._drop(f"{self._what}: hung up; dialling again.")
        events: list[Event] = [SerialBytes(*when, port=self.name, data=data)]
        *lines, self._rest = (self._rest + data).split(b"\n")
        try:
            for line in lines:
                events += self._hear(line)
            if len(self._rest) > LINE_MAX:
                raise _UnfitError(f"sent {len(self._rest)} bytes without an end of line; that is no gpsd")
        except _UnfitError as unfit:
            events += self._drop(f"{self._what}: {unfit}.")
        return events

    def _hear(self, line: bytes) -> list[Event]:
        """One whole line."""
        fields = parse_line(line)
        if fields is None:
            self._bad_lines += 1
            if not self._release or self._bad_lines > _BAD_LINES:
                raise _UnfitError(f"expected JSON, found {line[:60]!r}; see what listens on that port")
            return []
        self._bad_lines = 0
        if self._unit is not None and segments(fields) == self._unit:
            raise _UnfitError(
                f"it writes SHM unit {self._unit} itself, which is refclock's under [shm] unit; choose "
                "another there and in chrony.conf, such as 20"
            )
        match fields["class"]:
            case "VERSION" if not self._release:
                return self._greeted(fields)
            case "ERROR" if not self._watched:
                raise _UnfitError(f"says {str(fields.get('message'))[:100]!r}")
            case "DEVICES" if self._release and not self._device:
                self._device = self._choose(fields)
                self._await("agreement to watch")
                return self._send(_watch(self._device))
            case "WATCH" if self._device and not self._watched:
                return self._watches(fields)
            case "TPV" if self._watched and fields.get("device") == self._device:
                self._heard_ns, self._retry_ns = stamp.raw(), RETRY_FIRST_NS
            case "DEVICE" if self._watched:
                self._device_changed(fields)
            case "POLL" if self._watched:
                return self._polled(fields)
        return []

    def _greeted(self, fields: Fields) -> list[Event]:
        major = fields.get("proto_major")
        if major != _PROTOCOL_MAJOR:
            raise _UnfitError(f"speaks protocol {major}, expected {_PROTOCOL_MAJOR}; gpsd 3.0 or later does")
        self._release = str(fields.get("release"))[:20]
        self._await("list of devices")
        return self._send(b"?DEVICES;\n")

    def _choose(self, fields: Fields) -> str:
        """gpsd's own name of the device that is meant."""
        listed = fields.get("devices")
        rows = listed if isinstance(listed, list) else []
        paths = [str(row["path"]) for row in rows if isinstance(row, dict) and row.get("path")]
        names, wanted = ", ".join(paths) or "none", self._address.device
        if wanted:
            same = [path for path in paths if wanted in (path, os.path.realpath(path))]
            same += [path for path in paths if os.path.realpath(path) == os.path.realpath(wanted)]
            if not same:
                raise _UnfitError(
                    f"has no {wanted}, but {names}; plug the receiver in, or name it to gpsd (gpsdctl add), "
                    "or mend receiver.device"
                )
            return same[0]
        if len(paths) != 1:
            raise _UnfitError(
                f"has {len(paths)} devices, {names}, expected one; name it in receiver.device, as in "
                f"gpsd://{self._address.server}/dev/ttyACM0"
            )
        return paths[0]

    def _watches(self, fields: Fields) -> list[Event]:
        if fields.get("enable") is not True or fields.get("device") != self._device:
            raise _UnfitError(f"does not watch {self._device} as it was asked to")
        self._watched, self._reason, self._heard_ns = True, "", stamp.raw()
        self._rest_until_poll(NS_PER_S)
        return [self._tell(f"gpsd {self._release} at {self._address.server} watches {self._device}")]

    def _rest_until_poll(self, wait_ns: int) -> None:
        self._awaited, self._wake_ns = "", stamp.raw() + wait_ns

    def _device_changed(self, fields: Fields) -> None:
        """gpsd tells of devices that come and go."""
        path, gone = fields.get("path"), fields.get("activated") == 0
        if path == self._device and gone:
            raise _UnfitError(f"lost {self._device}; waiting for its return")
        if path != self._device and not gone and not self._address.device:
            raise _UnfitError(
                f"has a second device, {str(path)[:100]}; name the one that is meant in receiver.device"
            )

    def _polled(self, fields: Fields) -> list[Event]:
        """What gpsd-py3 makes of it is for people; told when the kind of fix changes."""
        self._rest_until_poll(POLL_NS)
        if stamp.raw() - self._heard_ns > SILENT_NS:
            silent_s = SILENT_NS // NS_PER_S
            raise _UnfitError(f"answers, but heard nothing of {self._device} for {silent_s} s; see its cable")
        before, self._position = self._position, position(fields, self._device)
        if before is not None and before.fix == self._position.fix:
            return []
        return [self._tell(f"{self._device}: {self._position}")]

    def _tell(self, reason: str) -> Event:
        return PortChange(*stamp.now(), port=self.name, up=True, reason=reason)

    def _send(self, data: bytes) -> list[Event]:
        assert self._socket is not None  # up, so it is open
        when = stamp.now()
        try:
            sent = self._socket.send(data)
        except OSError as error:
            raise _UnfitError(f"takes no question: {os.strerror(error.errno or 0)}") from None
        return [SerialSent(*when, port=self.name, data=data[:sent])]

    def _drop(self, reason: str) -> list[Event]:
        """Hang up and dial again later. Told once, and again when the reason changes."""
        before = self._reason
        events = self._lost(reason)
        return [] if reason == before else events


def _watch(device: str) -> bytes:
    """Ask for this device's objects, the TOFF and PPS ones too. A path never holds a quotation mark that is
    not escaped: JSON wrote it."""
    name = device.replace("\\", "\\\\").replace('"', '\\"')
    return f'?WATCH={{"enable":true,"json":true,"pps":true,"device":"{name}"}};\n'.encode()
