"""The clocks of a fast world: the host's raw counter with its noise, honest and lying NTP servers."""

import random
from dataclasses import dataclass

from refclock.model import NtpReply
from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US, PPT_ONE
from refclock.wire import sntp

# Integer steps of the counter round by up to 1 ns: this much is kept clear of the stated stability.
_ROUNDING_PPT = 4_000
_STRETCH_S = 32
# The kinds of noise: white, flicker (three relaxations) and random walk frequency noise as shares of the
# stated stability; or the worst that the stability allows.
KINDS = ("quiet", "noisy", "warm", "fast", "slow", "flip")
# Path delay each way (ns): least, spread.
PATHS = {"lan": (300_000, 200_000), "wan": (12_000_000, 3_000_000), "far": (25_000_000, 6_000_000)}


def reach_ppt(stability_ppt: int, *, enrolled: bool) -> int:
    """How far from its mean a counter of that stability strays. A host that is not enrolled learns its rate
    in a dwell: what it strays by afterwards is counted from there, so twice the reach must fit into it."""
    return stability_ppt if enrolled else stability_ppt // 2


class Counter:
    """CLOCK_MONOTONIC_RAW beside true UTC (SI ns). UTC outruns it by ``y_ppt``, which stays within
    ``reach_ppt`` of ``base_ppt``."""

    def __init__(self, kind: str, base_ppt: int, reach_ppt: int, chance: random.Random, true_ns: int) -> None:
        self.true_ns = true_ns
        self.raw_ns = 10**15
        self.kind = kind
        self._base = base_ppt
        self.steady(reach_ppt)
        self._chance = chance
        self._walk = 0.0
        self._flicker = [0.0, 0.0, 0.0]
        self._step = 0.0
        self._seconds = _STRETCH_S
        self.y_ppt = base_ppt

    def drift(self, passing: int) -> None:
        """Choose the rate of the next stretch, which lasts about so many seconds; short ones are summed."""
        self._seconds += passing
        seconds = self._seconds
        if seconds < _STRETCH_S:
            return
        self._seconds = 0
        gauss, reach = self._chance.gauss, self._reach
        if self.kind == "fast":
            off = float(reach)
        elif self.kind == "slow":
            off = -float(reach)
        elif self.kind == "flip":
            off = float(reach) if self._chance.random() < 0.5 else -float(reach)
        else:
            size = reach * (0.05 if self.kind == "quiet" else 0.25)
            self._walk += gauss(0, size) * (seconds / 86_400) ** 0.5
            for index, relax_s in enumerate((1_000, 8_000, 64_000)):
                keep = 0.5 ** (seconds / relax_s)
                kick = (1 - keep * keep) ** 0.5
                self._flicker[index] = self._flicker[index] * keep + gauss(0, size * 0.3) * kick
            if self.kind == "warm" and self._chance.random() < 0.02:
                self._step = self._chance.uniform(-0.6, 0.6) * reach  # the air conditioning failed
            off = self._walk + sum(self._flicker) + self._step + gauss(0, size * 0.5 / max(seconds, 1) ** 0.5)
        self.y_ppt = self._base + round(min(max(off, -reach), reach))

    def steady(self, reach_ppt: int) -> None:
        """From now on its rate stays within ``reach_ppt`` of the one that it is built for."""
        self._reach = max(0, reach_ppt - _ROUNDING_PPT)

    def change_rate(self, by_ppt: int) -> None:
        """From now on it is off by so much more, whatever its stability says."""
        self._base += by_ppt
        self.y_ppt += by_ppt

    def raw_at(self, true_ns: int) -> int:
        """The counter at a true instant, at the present rate."""
        return self.raw_ns + (true_ns - self.true_ns) * PPT_ONE // (PPT_ONE + self.y_ppt)

    def advance(self, true_ns: int) -> None:
        """Go to a true instant; never back."""
        if true_ns > self.true_ns:
            self.raw_ns, self.true_ns = self.raw_at(true_ns), true_ns

    def reboot(self) -> None:
        """The counter begins anew."""
        self.raw_ns = 9 * NS_PER_S


@dataclass
class Liar:
    """What the lying servers say: ``off_ns`` from truth; "edge": at the end of what the honest ones share,
    where a lie still overlaps; "follow": the receiver's own error."""

    how: str = "honest"
    off_ns: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What all servers say of leap seconds: how far POSIX time is from SI time, and what is announced."""

    off_ns: int
    leap: int


class Server:
    """One server. An honest one errs by less than it admits."""

    def __init__(self, name: str, path: str, lying: bool, chance: random.Random) -> None:
        self.name, self.lying = name, lying
        self._chance = chance
        least, spread = PATHS[path]
        self._least_ns, self._spread_ns = least * chance.randint(5, 15) // 10, spread
        self._reach_ns = chance.choice((200 * NS_PER_US, 2 * NS_PER_MS, 8 * NS_PER_MS))
        self._error_ns = chance.randint(-self._reach_ns, self._reach_ns)

    def delays(self, slow_ns: int) -> tuple[int, int]:
        """Way there and way back; ``slow_ns`` is what somebody on the path adds, to the one or the other."""
        there, back = (self._least_ns + self._chance.randrange(self._spread_ns) for _ in range(2))
        return (there + slow_ns, back) if slow_ns > 0 else (there, back - slow_ns)

    def answer(
        self, counter: Counter, number: int, slow_ns: int, lie_ns: int | None, told: Told
    ) -> tuple[NtpReply, tuple[int, int]]:
        """Its reply to a query sent now, and the interval (from truth, ns) that an honest one admits.

        ``slow_ns`` is what the path adds, ``lie_ns`` how far off a liar wants to be.
        """
        there, back = self.delays(slow_ns)
        sent_ns, own = counter.true_ns, self._reach_ns
        server_ns = sent_ns + there
        back_ns = server_ns + back
        t1, t4 = counter.raw_ns, counter.raw_at(back_ns)
        lies = self.lying and lie_ns is not None
        own_ns = 10 * NS_PER_US if lies else own + 100 * NS_PER_US
        # A liar claims to have held the answer for the whole round trip: no delay, a narrow interval.
        held = t4 - t1 if lies else 0
        receive = (
            server_ns + self._error_ns if lie_ns is None or not lies else back_ns + lie_ns - held
        ) + told.off_ns
        packet = sntp.NtpPacket(
            told.leap, 4, sntp.MODE_SERVER, 1, 6, -20, 0, own_ns, b"GPS\0",
            sntp.from_posix_ns(receive - 5 * NS_PER_S), number, sntp.from_posix_ns(receive),
            sntp.from_posix_ns(receive + held),
        )  # fmt: skip
        reply = NtpReply(t4, t4, 0, "ntp0", self.name, f"{number:016x}", t1, t4, sntp.encode(packet))
        low = self._error_ns - back - own_ns - NS_PER_US
        return reply, (low, low + there + back + 2 * own_ns + 2 * NS_PER_US)
