"""Hands vetted seconds to chronyd through its Unix datagram socket (chrony.conf(5), refclock SOCK).

chronyd makes the socket, so nobody can be there before it, and whoever may write to it feeds chrony: that is
why its owner and mode are looked at. A sample is one datagram; chronyd reads it and it is gone, so that there
is nothing to withdraw when we stop vouching. Datagrams that chronyd does not like it drops without a word.
"""

import errno
import os
import socket
import stat as file_kind
import struct
from collections.abc import Callable

from refclock.errors import PortError
from refclock.model import Decision, Publish
from refclock.sinks.journal import NOTICE
from refclock.sinks.retrying import Retrying
from refclock.units import NS_PER_S, NS_PER_US

# struct sock_sample (chrony 4.3, refclock_sock.c): tv_sec, tv_usec, offset (s), pulse, leap, padding, magic.
_SAMPLE = struct.Struct("@qqdiiii")
SIZE = 40
MAGIC = 0x534F434B
_NO_PULSE = 0
_ROOT = 0
_WRITE_BY_ALL = 0o002
_PATH_LIMIT = 107  # unix(7): sun_path holds 108 bytes, one of them the final NUL
_NOT_THERE = (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR, errno.ENOTCONN, errno.ECONNRESET)


def pack(sample: Publish) -> bytes:
    """One sample.

    The stamp of the pulse is cut to microseconds, as struct timeval has it; that costs nothing, for the
    offset between UTC and the system clock is a number of its own, and it was measured at the pulse itself:
    it reaches chrony to the nanosecond (a double has 53 bits, which is 0.9 ns at 97 days).
    """
    seconds, rest_ns = divmod(sample.sys_ns, NS_PER_S)
    offset_s = (sample.utc_ns - sample.sys_ns) / NS_PER_S
    return _SAMPLE.pack(seconds, rest_ns // NS_PER_US, offset_s, _NO_PULSE, sample.leap, 0, MAGIC)


def judge(path: str) -> str | None:
    """What is wrong with a socket for us; None when it is fit. Raises PortError where there is none."""
    if len(os.fsencode(path)) > _PATH_LIMIT:
        return f"its path is longer than {_PATH_LIMIT} bytes, which no socket's can be"
    if struct.calcsize("@l") != SIZE // 5:
        return "the sample's layout is known for 64-bit systems only"
    try:
        found = os.stat(path)
    except OSError as error:
        raise absent(path, error.errno or 0) from None
    if not file_kind.S_ISSOCK(found.st_mode):
        return "it is no socket; name what `refclock SOCK` in chrony.conf names"
    if found.st_uid not in (_ROOT, os.geteuid()):
        return f"it is uid {found.st_uid}'s, expected root's: chronyd makes it before it drops root"
    if found.st_mode & _WRITE_BY_ALL:
        return f"anybody may write to it (mode {found.st_mode & 0o777:04o}) and so feed chrony; expected 0660"
    return None


def absent(path: str, number: int) -> PortError:
    """The error for a socket that cannot be reached: what, and the way out."""
    if number in (errno.EACCES, errno.EPERM):
        return PortError(
            f"{path}: permission denied; chronyd makes its sockets for root alone. Give this one to the "
            "daemon's group with a drop-in for chrony's unit: ExecStartPost=+/bin/chgrp refclock, and chmod "
            "0660."
        )
    return PortError(
        f"{path}: {os.strerror(number)}; start chronyd with `refclock SOCK {path} ...` in chrony.conf, or "
        "mend sock.path."
    )


class ChronySock(Retrying):
    """Sends each Publish as one datagram, at once. chronyd may come, go and come again."""

    def __init__(self, path: str, log: Callable[[int, str], None]) -> None:
        super().__init__(f"chrony SOCK {path}", log, "Trying again.")
        self._path = path
        self._socket: socket.socket | None = None
        self._sent = self._dropped = 0

    def open(self) -> None:
        """Connect. Raises PortError for a socket that is not there, or not to be trusted."""
        problem = judge(self._path)
        if problem is not None:
            raise PortError(f"{self._path}: {problem}.")
        line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            line.connect(self._path)
        except OSError as error:
            line.close()
            raise absent(self._path, error.errno or 0) from None
        self._hang_up()
        self._socket, self._trouble = line, ""
        self._log(NOTICE, f"{self.name}: connected")

    def take(self, decision: Decision) -> None:
        """Send a second; a chronyd that was restarted since the last one gets this one, too."""
        if not isinstance(decision, Publish):
            return
        data = pack(decision)
        if not self._send(data) and self._socket is None:
            self._retry()
            self._send(data)

    def _send(self, data: bytes) -> bool:
        if self._socket is None:
            return False
        try:
            self._socket.send(data)
        except BlockingIOError:
            # The system keeps a few datagrams for a reader that is late, not more.
            self._dropped += 1
            self._complain(f"{self.name}: chronyd does not read; seconds are dropped.")
            return False
        except OSError as error:
            if error.errno not in _NOT_THERE:
                self._complain(str(absent(self._path, error.errno or 0)))
            self._hang_up()
            return False
        self._sent += 1
        self._trouble = ""
        return True

    def tend(self, raw_ns: int) -> None:
        """Each 16 s: connect if that failed, so that trouble is seen before there is a second to send."""
        if self._due(raw_ns) and self._socket is None:
            self._retry()

    def state(self) -> str:
        """How the socket fares, for people."""
        if self._socket is None or self._trouble:
            return self._trouble
        dropped = f", {self._dropped} dropped" if self._dropped else ""
        return f"connected, {self._sent} sent{dropped}"

    def unheard(self) -> str:
        """Why no chronyd takes what is sent; "" when one is bound to the socket. A line that was connected
        once does not tell, so that another is tried."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as line:
            try:
                line.connect(self._path)
            except OSError as error:
                return str(absent(self._path, error.errno or 0))
        return ""

    def close(self) -> None:
        """Hang up; there is nothing to leave behind."""
        self._hang_up()
        self._trouble = "closed"

    def _hang_up(self) -> None:
        line, self._socket = self._socket, None
        if line is not None:
            line.close()
