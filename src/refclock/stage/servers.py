"""NTP servers of the emulated world that answer on real sockets of the loopback interface."""

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US
from refclock.wire import sntp
from refclock.world.attack import Answer, Attack
from refclock.world.chance import Chance

_PRECISION = -20
_LONGEST = 1024
_VERSIONS = (3, 4)


class LiveServer:
    """One server on 127.0.0.1 at a free port: its clock errs by less than what its root distance admits,
    unless an attack makes it lie. It counts its ``asked`` and ``answered`` questions."""

    def __init__(
        self, index: int, number: int, seed: int, clock: Callable[[], int], attacks: Sequence[Attack]
    ) -> None:
        self._index, self._number = index, number
        self._clock, self._attacks = clock, attacks
        chance = Chance(seed, f"live ntp {index}")
        self._stratum = 1 + index % 2
        self._error_ns = chance.between(-400 * NS_PER_US, 400 * NS_PER_US)
        self._root_delay_ns = (self._stratum - 1) * 2 * NS_PER_MS
        self._dispersion_ns = chance.between(1_000 * NS_PER_US, 1_800 * NS_PER_US)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(("127.0.0.1", 0))
        self.fd = self._socket.fileno()
        self.port: int = self._socket.getsockname()[1]
        self.asked = self.answered = 0

    def close(self) -> None:
        """Answer no more: from now on the port refuses."""
        self._socket.close()

    def answer(self) -> None:
        """Answer one question that has arrived."""
        try:
            data, sender = self._socket.recvfrom(_LONGEST)
        except OSError:
            return
        question = sntp.decode(data)
        # Read after the question was taken up: time that it waited for us counts as the path's.
        received_ns = self._clock()
        if question is None or question.mode != sntp.MODE_CLIENT or question.version not in _VERSIONS:
            return
        self.asked += 1
        told = Answer(self._index, self._number, received_ns)
        for attack in self._attacks:
            attack.answer(told)
        if told.lost:
            return
        ahead_ns = self._error_ns + told.shift_ns
        receive_ns = received_ns + ahead_ns
        packet = sntp.NtpPacket(
            leap=told.leap, version=question.version, mode=sntp.MODE_SERVER, stratum=self._stratum,
            poll=6, precision=_PRECISION, root_delay_ns=self._root_delay_ns,
            root_dispersion_ns=self._dispersion_ns,
            reference_id=b"GPS\0" if self._stratum == 1 else bytes((192, 0, 2, self._index + 1)),
            reference=sntp.from_posix_ns(receive_ns - 8 * NS_PER_S), origin=question.transmit,
            receive=sntp.from_posix_ns(receive_ns), transmit=sntp.from_posix_ns(self._clock() + ahead_ns),
        )  # fmt: skip
        if told.kiss:  # RFC 5905, section 7.4
            packet = replace(packet, leap=3, stratum=0, reference_id=told.kiss)
        with suppress(OSError):  # the asker gave up, and its port is closed
            self._socket.sendto(sntp.encode(packet), sender)
            self.answered += 1
