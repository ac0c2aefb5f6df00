"""The battery clock: a crystal of its own, set long ago, seen every 16 s."""

from collections.abc import Sequence

from refclock.units import NS_PER_S, NS_PER_US, PPT_ONE, scale_down
from refclock.world.attack import Attack
from refclock.world.chance import Chance
from refclock.world.oscillator import CLASSES, RateNoise

STEP_S = 16


class BatteryClock:
    """The RTC against truth; it counts UTC seconds and knows nothing of leap seconds."""

    def __init__(self, seed: int, start_ns: int, attacks: Sequence[Attack], set_well: bool = False) -> None:
        """``set_well``: set to UTC by hand just before, within 100 ms; else within half a second."""
        self._chance = Chance(seed, "rtc")
        self._noise = RateNoise(CLASSES["rtc-crystal"], Chance(seed, "rtc rate"), STEP_S)
        self._attacks = attacks
        self.rate_ppt = self._noise.constant_ppt
        # Its offset in 10**-6 ns, so that small rates add up exactly.
        self._fine = self._chance.between(-500_000_000, 500_000_000) * 10**6 // (5 if set_well else 1)
        self.next_ns = start_ns + self._chance.between(NS_PER_S, 3 * NS_PER_S)

    def tick(self) -> tuple[int, int, int]:
        """The next tick that the daemon sees: (true instant it is stamped with, RTC second, half-width)."""
        offset_ns = self._fine // 10**6 + sum(attack.rtc_ns(self.next_ns) for attack in self._attacks)
        rtc_s = (self.next_ns + offset_ns) // NS_PER_S + 1
        tick_ns = rtc_s * NS_PER_S - offset_ns
        unc_ns = self._chance.between(200 * NS_PER_US, 1000 * NS_PER_US)
        seen_ns = tick_ns + self._chance.between(-unc_ns, unc_ns) * 9 // 10
        # Its rate is how far it gains in a true second.
        self._fine += scale_down(STEP_S * NS_PER_S * 10**6, self._noise.next())
        self.next_ns += STEP_S * NS_PER_S
        return seen_ns, rtc_s, unc_ns


def measured_ppt(true_ppt: int, unc_ppt: int, chance: Chance) -> int:
    """A rate as an enrolment would have measured it: off by a third of its uncertainty, typically."""
    error = chance.normal(max(1, unc_ppt // 3))
    limit = unc_ppt * 9 // 10
    return min(max(true_ppt + min(max(error, -limit), limit), -PPT_ONE), PPT_ONE)
