"""Asking NTP servers (RFC 5905, in its simple client form, section 14). Only the asking is done here, and
the matching of an answer to its question; whether an answer is any good is the core's to judge.

ntplib encodes the request and names an answer's fields. Its own ``request()`` is not used: it accepts a
forged origin, a kiss-o'-death as time, and any sender.
"""

import os

import ntplib

from refclock.model import Event, NtpReply
from refclock.policy import NtpSettings
from refclock.ports import stamp
from refclock.ports.query import QueryPort, jittered
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire.sntp import PACKET_SIZE

_VERSION, _CLIENT = 4, 3
_ORIGIN, _TRANSMIT = slice(24, 32), slice(40, 48)
_STRATUM = 1
_BURST, _BURST_NS, _BURST_SILENT_NS = 4, 2 * NS_PER_S, 8 * NS_PER_S
_POLL_LONGEST_S = 1024


class NtpPort(QueryPort):
    """One server, asked every ``poll_s``, give or take a sixteenth. Until its first four answers it is
    asked every 2 s, or every 8 s if it stays silent: at boot the network may come later than we do.

    A query's 64-bit transmit time stamp is random, which hides our clock and has to be guessed by whoever
    forges an answer (RFC 5905, section 8; RFC 8633, section 5.1). Nothing else in the request says anything
    about us. ``t1`` is taken right before sending and ``t4`` as the first thing on readability, so a late
    loop lengthens the delay, and with it the uncertainty; it never hides it.

    A kiss-o'-death (stratum 0) with the right origin doubles the interval, up to 1024 s; each ordinary
    answer halves it again down to ``poll_s`` (RFC 5905, section 7.4).
    """

    def __init__(self, settings: NtpSettings, server: tuple[str, int], name: str) -> None:
        super().__init__(name, server, "ntp.servers")
        self._poll_s = settings.poll_s
        self._timeout_ns = settings.timeout_ms * NS_PER_MS
        self._answered = 0
        self._doubled = 0  # how often a kiss-o'-death doubled the interval
        self._cookie = b""

    def _open(self) -> str:
        self._answered = self._doubled = 0
        return super()._open()

    def _ask(self) -> list[Event]:
        self._cookie = os.urandom(8)  # the source of the secrets module, which alone costs 4 MiB of memory
        request = bytearray(ntplib.NTPPacket(version=_VERSION, mode=_CLIENT).to_data())
        request[_TRANSMIT] = self._cookie
        self._wrong = 0
        self._t1_ns = stamp.raw()
        try:
            mine = self._connect()
            self._t1_ns = stamp.raw()
            mine.send(request)
        except OSError:  # no route, no such family, refused: for the core one thing, no answer
            return self._finish_lost()
        self.fd = mine.fileno()
        self._wake_ns = self._t1_ns + self._timeout_ns
        return []

    def _answers(self, data: bytes) -> bool:
        return len(data) >= PACKET_SIZE and data[_ORIGIN] == self._cookie

    def _reply(self, when: stamp.Stamp, data: bytes | None) -> NtpReply:
        return NtpReply(
            *when, port=self.name, peer=self.peer, cookie=self._cookie.hex(),
            t1_raw_ns=self._t1_ns, t4_raw_ns=when[0], data=data,
        )  # fmt: skip

    def _taken(self, data: bytes) -> None:
        self._answered += 1
        kissed = data[_STRATUM] == 0
        self._doubled = self._doubled + 1 if kissed else max(0, self._doubled - 1)
        while self._doubled and self._poll_s << (self._doubled - 1) >= _POLL_LONGEST_S:
            self._doubled -= 1

    def _plan(self) -> None:
        """Close this query's socket, and set the time of the next one, counted from the last."""
        self._shut()
        interval_ns = min(_POLL_LONGEST_S, self._poll_s << self._doubled) * NS_PER_S
        if self._answered < _BURST and not self._doubled:
            interval_ns = min(interval_ns, _BURST_NS if self._losses < _BURST else _BURST_SILENT_NS)
        self._wake_ns = self._t1_ns + jittered(interval_ns)


def ntp_ports(settings: NtpSettings) -> list[NtpPort]:
    """A port for every configured server, named ntp0, ntp1, ... in their order."""
    return [NtpPort(settings, server, f"ntp{index}") for index, server in enumerate(settings.servers)]


def describe(data: bytes) -> dict[str, str | int]:
    """An answer's fields in words, for diagnosis; nothing is decided by them. ``reference`` is whom the
    server follows; it may hold any characters. Empty for what is no NTP packet."""
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
