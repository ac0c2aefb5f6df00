"""What the service manager wants to know (sd_notify(3)): a datagram, no library."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

from refclock.units import NS_PER_US


class Notifier:
    """Talks to $NOTIFY_SOCKET; without one every call does nothing. Never blocks, never raises."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        variables = os.environ if environment is None else environment
        self._address = variables.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):  # an abstract socket (unix(7))
            self._address = "\0" + self._address[1:]
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._period_ns = self._watchdog_period_ns(variables)
        self._petted_raw_ns: int | None = None
        self._said = ""

    def _watchdog_period_ns(self, variables: Mapping[str, str]) -> int | None:
        """A quarter of the watchdog's patience; None when nobody watches us."""
        patience_us, pid = variables.get("WATCHDOG_USEC", ""), variables.get("WATCHDOG_PID", "")
        if not patience_us.isdecimal() or (pid and pid != str(os.getpid())):
            return None
        return int(patience_us) * NS_PER_US // 4

    def _send(self, message: str) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.sendto(message.encode("utf-8", "replace"), socket.MSG_DONTWAIT, self._address)

    def ready(self) -> None:
        """The daemon is up: it listens to its ports, whatever they say yet."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; sent when it changes."""
        line = " ".join(text.split())
        if line != self._said:
            self._said = line
            self._send(f"STATUS={line}")

    def pet(self, raw_ns: int) -> None:
        """A whole turn of the loop was completed."""
        if self._period_ns is None:
            return
        if self._petted_raw_ns is None or raw_ns - self._petted_raw_ns >= self._period_ns:
            self._petted_raw_ns = raw_ns
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The daemon ends."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Release the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
