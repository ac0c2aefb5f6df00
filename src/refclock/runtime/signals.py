"""Signals as something a selector waits on (signal(7); signal.set_wakeup_fd)."""

import signal
import socket
from contextlib import suppress
from types import FrameType
from typing import Self

_STOP = (signal.SIGTERM, signal.SIGINT)
_IGNORED = (signal.SIGHUP,)


class Signals:
    """While open, SIGTERM and SIGINT make ``fd`` readable and ``received`` non-empty; SIGHUP does nothing."""

    def __init__(self) -> None:
        self.received = ""
        self._inner, self._outer = socket.socketpair()
        self._inner.setblocking(False)
        self._outer.setblocking(False)
        self.fd = self._outer.fileno()

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in _STOP}
        self._before |= {number: signal.signal(number, signal.SIG_IGN) for number in _IGNORED}
        self._wakeup = signal.set_wakeup_fd(self._inner.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._inner.close()
        self._outer.close()

    def drain(self) -> None:
        """Empty what made ``fd`` readable."""
        with suppress(BlockingIOError):
            self._outer.recv(4096)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name
