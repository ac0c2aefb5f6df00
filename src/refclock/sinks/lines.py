"""Lines to a descriptor that may stall: a pipe, a terminal, the journal's socket.

Nothing may block the event loop, and O_NONBLOCK cannot be set on a descriptor that is shared with the
shell that started us: it belongs to the open file, not to the process. So each write first asks poll(2)
and stays within PIPE_BUF, which a pipe that polls writable takes whole (pipe(7)). A regular file always
polls writable; a stalling disk below it does stall.
"""

import os
import select

_CHUNK = select.PIPE_BUF
_MAX_PENDING = 1 << 20


class LineWriter:
    """Writes lines without ever waiting; keeps up to 1 MiB for a reader that pauses."""

    def __init__(self, fd: int, owned: bool = False) -> None:
        self.lost = 0  # lines thrown away because the reader paused for too long
        self.broken = ""  # why nothing can be written any more
        self._fd = fd
        self._owned = owned
        self._pending = bytearray()
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    @property
    def pending(self) -> bool:
        """Whether something waits for the reader."""
        return bool(self._pending)

    def line(self, text: str) -> None:
        """Write, or keep for later, one line."""
        if self.broken:
            return
        data = text.encode("utf-8", "replace") + b"\n"
        if len(self._pending) + len(data) > _MAX_PENDING:
            self.lost += 1
        else:
            self._pending += data
        self.flush()

    def flush(self) -> None:
        """Write what the reader takes now."""
        try:
            while self._pending and self._poll.poll(0):
                written = os.write(self._fd, self._pending[:_CHUNK])
                del self._pending[:written]
        except BlockingIOError:
            pass
        except OSError as error:
            self.broken = error.strerror or str(error)
            self._pending.clear()

    def close(self) -> None:
        """A last attempt; whoever opened the descriptor closes it."""
        self.flush()
        if self._owned:
            os.close(self._fd)
