"""Asking one server over the network, again and again: what NTP servers and KDCs have in common.

Each query has a socket of its own, connected, so that the kernel drops what comes from elsewhere and
reports an ICMP refusal, and bound to a fresh port.
"""

import os
import socket
from abc import ABC, abstractmethod
from contextlib import suppress

from refclock.errors import PortError
from refclock.model import Event
from refclock.policy import peer_name
from refclock.ports import stamp
from refclock.ports.port import DevicePort
from refclock.units import NS_PER_MS

_AT_ONCE = 8
# Datagrams passed on per query. Those that answer something else get all but the last, which is the answer's.
_PASSED_ON = 4
# A query that has drawn so many wrong ones is given up: someone floods us.
_FLOOD = 64
_FIRST_WITHIN_NS = 200 * NS_PER_MS
_RESOLVE_AFTER_LOSSES = 8

Address = tuple[int, tuple[object, ...]]  # address family, and what connect() takes


class QueryPort(DevicePort, ABC):
    """One server. A subclass says what is asked, and what of it is an answer.

    Names are resolved on opening and after eight losses in a row. The resolver is the C library's and
    **blocks**: it delays that iteration of the loop by as long as it takes. Use numeric addresses, which
    never ask it, or a resolver on this host.
    """

    _longest = 1024  # of an answer, in bytes

    def __init__(self, name: str, server: tuple[str, int], key: str) -> None:
        super().__init__(name)
        self.peer = peer_name(server)
        self._host, self._port = server
        self._key = key  # of the configuration, for complaints
        self._socket: socket.socket | None = None
        self._address: Address | None = None
        self._resolved = 0  # how often; the next of several addresses is taken each time
        self._losses = 0  # in a row
        self._first_ns: int | None = None  # when to ask first; None for soon
        self._t1_ns = 0
        self._wrong = 0  # datagrams of this query that answer something else

    @abstractmethod
    def _ask(self) -> list[Event]:
        """Connect and send the query; set ``_t1_ns``, and ``_wake_ns`` to its time-out."""

    @abstractmethod
    def _answers(self, data: bytes) -> bool:
        """Whether this is the answer to the query."""

    @abstractmethod
    def _reply(self, when: stamp.Stamp, data: bytes | None) -> Event:
        """The event of an answer, or of its loss (None)."""

    @abstractmethod
    def _taken(self, data: bytes) -> None:
        """The answer was passed on."""

    @abstractmethod
    def _plan(self) -> None:
        """The query has ended: set ``_wake_ns`` to the time of the next."""

    def _open(self) -> str:
        self._resolve()
        self._losses = 0
        # Several servers' first questions need not leave in one iteration of the loop.
        soon_ns = stamp.raw() + random_below(_FIRST_WITHIN_NS)
        self._wake_ns = soon_ns if self._first_ns is None else self._first_ns
        return f"asking {self.peer}"

    def ask_at(self, raw_ns: int) -> None:
        """Before opening: let the first question leave then (CLOCK_MONOTONIC_RAW)."""
        self._first_ns = raw_ns

    def _resolve(self) -> None:
        kind = {"type": socket.SOCK_DGRAM, "proto": socket.IPPROTO_UDP}
        try:
            try:
                # As bytes: a text goes through the idna codec, whose tables an address can do without.
                literal = self._host.encode()
                found = socket.getaddrinfo(literal, self._port, flags=socket.AI_NUMERICHOST, **kind)
            except socket.gaierror:  # not an address
                found = socket.getaddrinfo(self._host, self._port, **kind)
        except (OSError, UnicodeError) as error:
            # UnicodeError: the idna codec, on a label that is empty or longer than 63 characters.
            why = error.strerror if isinstance(error, OSError) else "not a host name"
            raise PortError(
                f"{self.peer}: the name does not resolve: {why}; mend {self._key}, or give an address."
            ) from None
        family, _, _, _, address = found[self._resolved % len(found)]
        self._resolved += 1
        self._address = family, address

    def _connect(self, kind: int = socket.SOCK_DGRAM) -> socket.socket:
        """A fresh non-blocking socket to the server, kept as ``_socket``. Raises OSError; a TCP connection
        is begun only."""
        assert self._address is not None  # up, so it was resolved
        family, address = self._address
        self._socket = socket.socket(family, kind | socket.SOCK_NONBLOCK)
        with suppress(BlockingIOError):  # EINPROGRESS
            self._socket.connect(address)
        return self._socket

    def _shut(self) -> None:
        self.fd = None
        mine, self._socket = self._socket, None
        if mine is not None:
            mine.close()

    def _timer(self, raw_ns: int) -> list[Event]:
        """Either the time-out of a query, or the time for the next one."""
        if self._socket is not None:
            return self._finish_lost()
        if self._losses >= _RESOLVE_AFTER_LOSSES:
            self._losses = 0
            try:
                self._resolve()
            except PortError as error:
                return self._lost(str(error))
        return self._ask()

    def on_ready(self) -> list[Event]:
        """What has arrived for the query, up to the answer, which ends it."""
        events: list[Event] = []
        for _ in range(_AT_ONCE):
            when = stamp.now()
            if self._socket is None:
                break
            try:
                data = self._socket.recv(self._longest)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # ICMP: nobody is listening there, or no way to it
                return [*events, *self._finish_lost()]
            right = self._answers(data)
            self._wrong += not right
            if right or self._wrong < _PASSED_ON:
                events.append(self._reply(when, data))
            if right:
                self._finish(data)
            elif self._wrong >= _FLOOD:
                return [*events, *self._finish_lost()]
        return events

    def _finish(self, data: bytes) -> None:
        self._losses = 0
        self._taken(data)
        self._plan()

    def _finish_lost(self) -> list[Event]:
        self._losses += 1
        event = self._reply(stamp.now(), None)
        self._plan()
        return [event]


def jittered(interval_ns: int) -> int:
    """An interval give or take a sixteenth. Jitter keeps the clients of one server, and the servers of one
    client, from falling into step."""
    return interval_ns + random_below(interval_ns // 8) - interval_ns // 16


def random_below(limit: int) -> int:
    """Evenly enough spread for jitter: a number from 0 to limit - 1, or 0."""
    return int.from_bytes(os.urandom(8)) % max(1, limit)
