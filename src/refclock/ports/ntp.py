"""Asking NTP servers (RFC 5905, in its simple client form, section 14). Only the asking is done here, and
the matching of an answer to its question; whether an answer is any good is the core's to judge.

ntplib encodes the request and names an answer's fields. Its own ``request()`` is not used: it accepts a
forged origin, a kiss-o'-death as time, and any sender.
"""

import os
import socket

import ntplib

from refclock.errors import PortError
from refclock.model import Event, NtpReply
from refclock.policy import NtpSettings
from refclock.ports import stamp
from refclock.ports.port import DevicePort
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire.sntp import PACKET_SIZE

_VERSION, _CLIENT = 4, 3
_ORIGIN, _TRANSMIT = slice(24, 32), slice(40, 48)
_STRATUM = 1
_LONGEST = 1024
_AT_ONCE = 8
# Datagrams passed on per query. Those with a wrong origin get all but the last, which is the answer's.
_PASSED_ON = 4
# A query that has drawn so many wrong ones is given up: someone floods us.
_FLOOD = 64
_BURST, _BURST_NS, _BURST_SILENT_NS = 4, 2 * NS_PER_S, 8 * NS_PER_S
_RESOLVE_AFTER_LOSSES = 8
_POLL_LONGEST_S = 1024

_Address = tuple[int, tuple[object, ...]]  # address family, and what connect() takes


class NtpPort(DevicePort):
    """One server, asked every ``poll_s``, give or take a sixteenth. Until its first four answers it is
    asked every 2 s, or every 8 s if it stays silent: at boot the network may come later than we do.

    Each query has a socket of its own, connected, so that the kernel drops what comes from elsewhere and
    reports an ICMP refusal, and bound to a fresh port. Its 64-bit transmit time stamp is random, which
    hides our clock and has to be guessed by whoever forges an answer (RFC 5905, section 8; RFC 8633,
    section 5.1). Nothing else in the request says anything about us. ``t1`` is taken right before sending
    and ``t4`` as the first thing on readability, so a late loop lengthens the delay, and with it the
    uncertainty; it never hides it.

    A kiss-o'-death (stratum 0) with the right origin doubles the interval, up to 1024 s; each ordinary
    answer halves it again down to ``poll_s`` (RFC 5905, section 7.4).

    Names are resolved on opening and after eight losses in a row. The resolver is the C library's and
    **blocks**: it delays that iteration of the loop by as long as it takes. Use numeric addresses, which
    never ask it, or a resolver on this host.
    """

    def __init__(self, settings: NtpSettings, server: tuple[str, int], name: str) -> None:
        super().__init__(name)
        host, port = server
        self.peer = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._host, self._port = host, port
        self._poll_s = settings.poll_s
        self._timeout_ns = settings.timeout_ms * NS_PER_MS
        self._socket: socket.socket | None = None
        self._address: _Address | None = None
        self._resolved = 0  # how often; the next of several addresses is taken each time
        self._answered = 0
        self._losses = 0
        self._doubled = 0  # how often a kiss-o'-death doubled the interval
        self._cookie = b""
        self._t1_ns = 0
        self._wrong = 0  # datagrams of this query whose origin was not the cookie

    def _open(self) -> str:
        self._resolve()
        self._answered = self._losses = self._doubled = 0
        # Several servers' first questions need not leave in one iteration of the loop.
        self._wake_ns = stamp.raw() + _random_below(200 * NS_PER_MS)
        return f"asking {self.peer}"

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
                f"{self.peer}: the name does not resolve: {why}; mend ntp.servers, or give an address."
            ) from None
        family, _, _, _, address = found[self._resolved % len(found)]
        self._resolved += 1
        self._address = family, address

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

    def _ask(self) -> list[Event]:
        assert self._address is not None  # up, so it was resolved
        family, address = self._address
        self._cookie = os.urandom(8)  # the source of the secrets module, which alone costs 4 MiB of memory
        request = bytearray(ntplib.NTPPacket(version=_VERSION, mode=_CLIENT).to_data())
        request[_TRANSMIT] = self._cookie
        self._wrong = 0
        self._t1_ns = stamp.raw()
        try:
            self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._socket.connect(address)
            self._t1_ns = stamp.raw()
            self._socket.send(request)
        except OSError:  # no route, no such family, refused: for the core one thing, no answer
            return self._finish_lost()
        self.fd = self._socket.fileno()
        self._wake_ns = self._t1_ns + self._timeout_ns
        return []

    def on_ready(self) -> list[Event]:
        """What has arrived for the query, up to the answer with the right origin, which ends it."""
        events: list[Event] = []
        for _ in range(_AT_ONCE):
            when = stamp.now()
            if self._socket is None:
                break
            try:
                data = self._socket.recv(_LONGEST)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # ICMP: nobody is listening there, or no way to it
                return [*events, *self._finish_lost()]
            right = len(data) >= PACKET_SIZE and data[_ORIGIN] == self._cookie
            self._wrong += not right
            if right or self._wrong < _PASSED_ON:
                events.append(self._reply(when, data))
            if right:
                self._finish(data[_STRATUM] == 0)
            elif self._wrong >= _FLOOD:
                return [*events, *self._finish_lost()]
        return events

    def _reply(self, when: stamp.Stamp, data: bytes | None) -> NtpReply:
        return NtpReply(
            *when, port=self.name, peer=self.peer, cookie=self._cookie.hex(),
            t1_raw_ns=self._t1_ns, t4_raw_ns=when[0], data=data,
        )  # fmt: skip

    def _finish(self, kissed: bool) -> None:
        self._losses = 0
        self._answered += 1
        self._doubled = self._doubled + 1 if kissed else max(0, self._doubled - 1)
        while self._doubled and self._poll_s << (self._doubled - 1) >= _POLL_LONGEST_S:
            self._doubled -= 1
        self._plan()

    def _finish_lost(self) -> list[Event]:
        self._losses += 1
        event = self._reply(stamp.now(), None)
        self._plan()
        return [event]

    def _plan(self) -> None:
        """Close this query's socket, and set the time of the next one, counted from the last."""
        self._shut()
        interval_ns = min(_POLL_LONGEST_S, self._poll_s << self._doubled) * NS_PER_S
        if self._answered < _BURST and not self._doubled:
            interval_ns = min(interval_ns, _BURST_NS if self._losses < _BURST else _BURST_SILENT_NS)
        # Jitter keeps the clients of one server, and the servers of one client, from falling into step.
        jitter_ns = _random_below(interval_ns // 8) - interval_ns // 16
        self._wake_ns = self._t1_ns + interval_ns + jitter_ns


def ntp_ports(settings: NtpSettings) -> list[NtpPort]:
    """A port for every configured server, named ntp0, ntp1, ... in their order."""
    return [NtpPort(settings, server, f"ntp{index}") for index, server in enumerate(settings.servers)]


def describe(data: bytes) -> dict[str, str | int]:
    """An answer's fields in words, for status and diagnosis; nothing is decided by them. Empty for what
    is no NTP packet."""
    packet = ntplib.NTPStats()
    try:
        packet.from_data(data)
        return {
            "version": int(packet.version),
            "mode": ntplib.mode_to_text(packet.mode),
            "leap": ntplib.leap_to_text(packet.leap),
            "stratum": int(packet.stratum),
            "stratum_text": ntplib.stratum_to_text(packet.stratum),
            "reference": ntplib.ref_id_to_text(packet.ref_id, packet.stratum),
        }
    except ntplib.NTPException:
        return {}


def _random_below(limit: int) -> int:
    """Evenly enough spread for jitter: a number from 0 to limit - 1, or 0."""
    return int.from_bytes(os.urandom(8)) % max(1, limit)
