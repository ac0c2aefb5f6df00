"""The status socket: whoever connects gets one JSON document, and the line is closed.

A client may command (sinks.commands) if it says so within a twentieth of a second; the loop goes on
meanwhile. Nothing else is kept about it, so there is nothing that a slow or hostile one could hold on to: the
answer goes into the socket's own buffer in one non-blocking send, where a client finds it whenever it likes
to read; what does not fit is cut off and counted.
"""

import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress

from refclock.errors import PortError
from refclock.sinks.commands import Commander, answer, heard
from refclock.units import NS_PER_MS

# Clients served in one turn of the loop; the next ones wait in the kernel's queue for the next turn.
_PER_TURN = 4
_BACKLOG = 8
# How long a client is given to begin a command, and how many are waited for at once.
_GRACE_NS = 50 * NS_PER_MS
_MOST_SILENT = 8
# Far more than a document needs; the default of net.core.wmem_default is about as much.
_BUFFER = 1 << 18
# A stale socket's answer comes at once; a live one may be busy.
_PROBE_S = 0.5


class StatusServer:
    """Listens on a Unix stream socket. The loop waits on ``fd`` and calls ``serve`` when it is readable."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.cut_off = 0  # clients whose document did not fit
        self._listener: socket.socket | None = None
        self._silent: list[tuple[int, socket.socket]] = []
        self._inode: tuple[int, int] | None = None

    @property
    def fd(self) -> int | None:
        """The listening descriptor, None while closed."""
        return self._listener.fileno() if self._listener else None

    def open(self) -> None:
        """Bind, replacing only a socket that nobody answers on. Raises PortError."""
        self._make_room()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        # The socket is made with this mask, not narrowed afterwards: no moment in which others may connect.
        mask = os.umask(0o117)
        try:
            listener.bind(self.path)
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            raise PortError(
                f"status socket {self.path}: {error.strerror or error}; its directory must exist and be "
                "writable for this user (systemd: RuntimeDirectory=refclock), or set another [status] socket."
            ) from None
        finally:
            os.umask(mask)
        found = os.lstat(self.path)
        self._inode = (found.st_dev, found.st_ino)
        self._listener = listener

    def _make_room(self) -> None:
        try:
            mode = os.lstat(self.path).st_mode
        except OSError:
            return  # nothing there, or nothing to be seen: bind will say
        if not stat.S_ISSOCK(mode):
            raise PortError(
                f"status socket {self.path}: exists and is no socket; remove it or set another [status] one."
            )
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_PROBE_S)
            try:
                probe.connect(self.path)
            except ConnectionRefusedError:
                with suppress(OSError):
                    os.unlink(self.path)
                return
            except OSError as error:
                raise PortError(
                    f"status socket {self.path}: cannot tell whether another daemon answers on it "
                    f"({error}); stop it, or set another [status] socket."
                ) from None
        raise PortError(
            f"status socket {self.path}: another daemon answers on it; stop it first, or set another "
            "[status] socket and another [shm] unit."
        )

    def serve(
        self, document: Callable[[], bytes], commander: Commander | None = None, raw_ns: int = 0
    ) -> None:
        """Answer those who wait, a few at a time. ``document`` is asked once, and once more after a command;
        ``commander`` does what root or this daemon's own user commands. Call it when ``fd`` is readable, and
        at ``wake_at``; ``raw_ns`` is now."""
        data: bytes | None = None
        due = [client for at, client in self._silent if at <= raw_ns]
        self._silent = [(at, client) for at, client in self._silent if at > raw_ns]
        for client in [*due, *self._accept()]:
            line = heard(client) if commander is not None else b""
            if line and commander is not None:
                self._send(client, answer(client, line, commander, (0, os.geteuid())))
                data = None
            elif commander is not None and client not in due and len(self._silent) < _MOST_SILENT:
                self._silent.append((raw_ns + _GRACE_NS, client))
                continue
            else:
                data = document() if data is None else data
                self._send(client, data)
            client.close()

    def wake_at(self) -> int | None:
        """When (raw ns) a client has been silent for long enough; None while there is none."""
        return self._silent[0][0] if self._silent else None

    def _accept(self) -> Iterator[socket.socket]:
        for _ in range(_PER_TURN):
            if self._listener is None:
                return
            try:
                client, _address = self._listener.accept()
            except OSError:  # nobody waits (any more), or no descriptor is left for it
                return
            client.setblocking(False)
            yield client

    def _send(self, client: socket.socket, data: bytes) -> None:
        sent = 0
        with suppress(OSError):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            sent = client.send(data, socket.MSG_NOSIGNAL)
        self.cut_off += sent < len(data)

    def close(self) -> None:
        """Stop listening and remove the socket, if the path still names ours."""
        if self._listener is None:
            return
        for _at, client in self._silent:
            client.close()
        self._silent.clear()
        self._listener.close()
        self._listener = None
        with suppress(OSError):
            found = os.lstat(self.path)
            if (found.st_dev, found.st_ino) == self._inode:
                os.unlink(self.path)
