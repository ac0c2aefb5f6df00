"""A pulse without hardware: edges sent to a Unix datagram socket, for the demo and for tests."""

import os
import re
import socket
import stat as file_kind
from contextlib import suppress

from refclock.errors import PortError
from refclock.model import Event, PpsEdge
from refclock.ports import stamp
from refclock.ports.port import DevicePort

# "assert SEQ AT_NS" or "clear SEQ AT_NS": a sequence number of 32 bits, CLOCK_REALTIME in ns.
_EDGE = re.compile(rb"(assert|clear) ([0-9]{1,10}) ([0-9]{1,19})\n?")
_SEQ_LIMIT = 1 << 32
_AT_LIMIT_NS = 1 << 63
_LONGEST = 64
_AT_ONCE = 16
_PATH_LIMIT = 107  # unix(7): sun_path holds 108 bytes, one of them the final NUL


class EmulatedPps(DevicePort):
    """Edges of the wanted kind that arrive as datagrams at ``path`` (mode 0600: only our own user and
    root can send). ``ignored`` counts datagrams that were none."""

    def __init__(self, path: str, edge: str, name: str) -> None:
        super().__init__(name)
        self.ignored = 0
        self._path = path
        self._edge = edge.encode()
        self._socket: socket.socket | None = None
        self._bound: tuple[int, int] | None = None  # device and inode of our socket file

    def _open(self) -> str:
        if not 0 < len(os.fsencode(self._path)) <= _PATH_LIMIT:
            raise PortError(
                f"emulated:{self._path}: expected a path of 1 to {_PATH_LIMIT} bytes; mend pps.device."
            )
        _clear_the_way(self._path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            # Before bind: the file then never exists with wider permissions (unix(7) creates it with the
            # socket's own mode, less the umask).
            os.fchmod(self._socket.fileno(), 0o600)
            self._socket.bind(self._path)
            made = os.stat(self._path)
        except OSError as error:
            raise PortError(
                f"{self._path}: cannot create a socket there ({_why(error)}); name a path in a directory "
                "that refclock may write, as pps.device."
            ) from None
        self._bound = made.st_dev, made.st_ino
        self.fd = self._socket.fileno()
        return f"emulated pulse at {self._path}, {self._edge.decode()} edges"

    def _shut(self) -> None:
        self.fd = None
        mine, self._socket = self._socket, None
        bound, self._bound = self._bound, None
        if mine is not None:
            mine.close()
        if bound is not None:
            with suppress(OSError):
                found = os.stat(self._path, follow_symlinks=False)
                if (found.st_dev, found.st_ino) == bound:
                    os.unlink(self._path)

    def on_ready(self) -> list[Event]:
        """What has arrived, at most sixteen datagrams, each with its own stamp."""
        events: list[Event] = []
        for _ in range(_AT_ONCE):
            when = stamp.now()
            if self._socket is None:
                break
            try:
                data = self._socket.recv(_LONGEST)
            except BlockingIOError:
                break
            except OSError as error:
                return [*events, *self._lost(f"{self._path}: {_why(error)}; opening it again.")]
            edge = self._parse(data, when)
            if edge is not None:
                events.append(edge)
        return events

    def _parse(self, data: bytes, when: stamp.Stamp) -> PpsEdge | None:
        found = _EDGE.fullmatch(data)
        if found is None or int(found[2]) >= _SEQ_LIMIT or int(found[3]) >= _AT_LIMIT_NS:
            self.ignored += 1
            return None
        if found[1] != self._edge:
            return None
        return PpsEdge(*when, port=self.name, edge=found[1].decode(), seq=int(found[2]), at_ns=int(found[3]))


def _clear_the_way(path: str) -> None:
    """Remove the socket that an earlier run of ours left behind; anything else is not ours to remove."""
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise PortError(f"{path}: {_why(error)}; name another path as pps.device.") from None
    if not file_kind.S_ISSOCK(there.st_mode) or there.st_uid != os.geteuid():
        raise PortError(
            f"{path}: exists and is not a socket of this user's, so it is not replaced; remove it, or name "
            "another path as pps.device."
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as probe:
        if probe.connect_ex(path) == 0:
            raise PortError(
                f"{path}: another process receives edges there; stop it, or name another path as pps.device."
            )
    with suppress(FileNotFoundError):
        os.unlink(path)


def _why(error: OSError) -> str:
    return os.strerror(error.errno or 0)
