"""NTP servers on paths with delay, asymmetry, jitter and loss; honest ones state their error honestly."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US
from refclock.wire.sntp import MODE_SERVER, NtpPacket, encode, from_posix_ns
from refclock.world.attack import Answer, Attack
from refclock.world.chance import Chance

POLL_S = 64
TIMEOUT_NS = NS_PER_S
# Four queries two seconds apart, then one every poll: a daemon that starts wants a quorum soon.
_BURST_S = (1, 3, 5, 7)
_LOSS_PPT = 10**10  # 1 %
_LEAP_NOTICE_S = 86_400
_PRECISION = -23


@dataclass(frozen=True, slots=True)
class Exchange:
    """One query, in true time: sent, answered, noticed by the daemon; ``data`` is None if it was lost."""

    peer: str
    cookie: str
    sent_ns: int
    back_ns: int
    seen_ns: int
    data: bytes | None


class Server:
    """One server. Its clock errs by at most what its root distance admits."""

    def __init__(
        self, index: int, count: int, seed: int, attacks: Sequence[Attack], leap_at_s: int | None
    ) -> None:
        self.peer = f"ntp{index + 1}:123"
        self._index, self._count = index, count
        self._attacks, self._leap_at_s = attacks, leap_at_s
        self._chance = chance = Chance(seed, f"ntp {index}")
        self.stratum = 1 if index % 2 == 0 else 2
        self._out_ns = chance.between(1 * NS_PER_MS, 14 * NS_PER_MS)
        # Half the asymmetry is this server's unseen error; the round trip covers it.
        self._back_ns = self._out_ns * chance.between(85, 115) // 100
        reach = 150 * NS_PER_US if self.stratum == 1 else 1_500 * NS_PER_US
        self._error_ns = chance.between(-reach, reach) // 2
        self._wander_ns = chance.between(0, reach) // 2
        self._period_ns = chance.between(3, 12) * 3600 * NS_PER_S
        self._dispersion_ns = reach + chance.between(100, 400) * NS_PER_US
        self._root_delay_ns = 0 if self.stratum == 1 else chance.between(2, 9) * NS_PER_MS
        self._ref_id = (
            (b"GPS\0", b"PPS\0")[index // 2 % 2] if self.stratum == 1 else bytes((192, 0, 2, index + 1))
        )

    def _clock_ns(self, at_ns: int) -> int:
        """What this server's clock shows at a true instant: UTC as POSIX counts it, with its own error."""
        phase = at_ns % self._period_ns * 4
        wave = phase - self._period_ns if phase < 2 * self._period_ns else 3 * self._period_ns - phase
        leapt = self._leap_at_s is not None and at_ns >= self._leap_at_s * NS_PER_S
        return at_ns + self._error_ns + self._wander_ns * wave // self._period_ns - (NS_PER_S if leapt else 0)

    def ask(self, sent_ns: int) -> Exchange:
        """A query that leaves the host at a true instant."""
        chance = self._chance
        cookie = chance.hexadecimal(64)
        there_ns = sent_ns + self._out_ns + abs(chance.normal(200 * NS_PER_US))
        away_ns = there_ns + chance.between(15, 90) * NS_PER_US
        back_ns = away_ns + self._back_ns + abs(chance.normal(200 * NS_PER_US))
        seen_ns = back_ns + chance.between(20, 200) * NS_PER_US
        age_s = chance.between(1, 30)
        answer = Answer(self._index, self._count, there_ns, lost=chance.happens(_LOSS_PPT))
        if self._leap_at_s is not None:
            answer.leap = int(0 < self._leap_at_s * NS_PER_S - there_ns <= _LEAP_NOTICE_S * NS_PER_S)
        for attack in self._attacks:
            attack.answer(answer)
        if answer.lost:
            return Exchange(self.peer, cookie, sent_ns, sent_ns + TIMEOUT_NS, sent_ns + TIMEOUT_NS, None)
        receive_ns = self._clock_ns(there_ns) + answer.shift_ns
        transmit_ns = self._clock_ns(away_ns) + answer.shift_ns
        packet = NtpPacket(
            leap=answer.leap, version=4, mode=MODE_SERVER, stratum=self.stratum, poll=6, precision=_PRECISION,
            root_delay_ns=self._root_delay_ns,
            root_dispersion_ns=self._dispersion_ns + age_s * 15 * NS_PER_US,
            reference_id=self._ref_id, reference=from_posix_ns(receive_ns - age_s * NS_PER_S),
            origin=int(cookie, 16), receive=from_posix_ns(receive_ns), transmit=from_posix_ns(transmit_ns),
        )  # fmt: skip
        if answer.kiss:
            packet = _kiss(packet, answer.kiss)
        return Exchange(self.peer, cookie, sent_ns, back_ns, seen_ns, encode(packet))


def _kiss(packet: NtpPacket, code: bytes) -> NtpPacket:
    """A kiss-o'-death: leap 3, stratum 0, the code as reference (RFC 5905, section 7.4)."""
    return NtpPacket(
        3, 4, MODE_SERVER, 0, packet.poll, packet.precision, 0, 0, code, 0, packet.origin,
        packet.receive, packet.transmit,
    )  # fmt: skip


class Servers:
    """All servers of a host, asked in turn as the daemon would."""

    def __init__(
        self, count: int, seed: int, start_ns: int, attacks: Sequence[Attack], leap_at_s: int | None
    ) -> None:
        self.members = [Server(index, count, seed, attacks, leap_at_s) for index in range(count)]
        self._exchanges = self._ask_all(start_ns, Chance(seed, "ntp poll"))
        self._next = next(self._exchanges, None)

    def _ask_all(self, start_ns: int, chance: Chance) -> Iterator[Exchange]:
        number = 0
        while self.members:
            after_s = _BURST_S[number] if number < len(_BURST_S) else (number - len(_BURST_S) + 1) * POLL_S
            for index, server in enumerate(self.members):
                jitter_ns = chance.between(0, 3 * NS_PER_MS)
                yield server.ask(start_ns + after_s * NS_PER_S + index * 150 * NS_PER_MS + jitter_ns)
            number += 1

    def until(self, before_ns: int, emit: Callable[[Exchange], None]) -> None:
        """Hand over every exchange that began before a true instant, once."""
        while self._next is not None and self._next.sent_ns < before_ns:
            emit(self._next)
            self._next = next(self._exchanges, None)
