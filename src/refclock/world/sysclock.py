"""CLOCK_REALTIME of the simulated host: roughly right, stepped by others, slewed after a leap second."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from refclock.units import NS_PER_MS, NS_PER_S, PPT_ONE, PPT_PER_PPM, scale_down
from refclock.world.chance import Chance
from refclock.world.oscillator import Outage, RawCounter

# chrony's `leapsecmode slew` with a moderate maxslewrate: a second takes 1000 s. With the one that is advised
# beside a cesium it takes 20,000 s.
_SLEW_PPT, _CAREFUL_PPT = 1_000 * PPT_PER_PPM, 50 * PPT_PER_PPM
_BOOT_ERROR_MS = 200


@dataclass(frozen=True, slots=True)
class _Stretch:
    """From ``start_ns`` (truth) on, REALTIME is ``real_ns`` plus RAW since ``raw_ns`` times (1 + rate)."""

    start_ns: int
    raw_ns: int
    real_ns: int
    rate_ppt: int

    def real_at_raw(self, raw_ns: int) -> int:
        passed_ns = raw_ns - self.raw_ns
        return self.real_ns + passed_ns + scale_down(passed_ns, self.rate_ppt)


class SystemTime:
    """CLOCK_REALTIME as a function of truth; free-running against RAW but for what disturbs it."""

    def __init__(
        self,
        counter: RawCounter,
        chance: Chance,
        *,
        start_ns: int,
        rate_ppt: int,
        steps: Sequence[tuple[int, int]],
        slews: Sequence[tuple[int, int, int]],
        outages: Sequence[Outage],
        leap_at_s: int | None,
        careful: bool,
    ) -> None:
        """``rate_ppt`` is what chrony holds: UTC against RAW, as well as it knows; ``careful``: slowly."""
        self.rate_ppt = rate_ppt + chance.between(-20_000, 20_000)
        first_ns = start_ns + chance.between(-4_000, 4_000) * NS_PER_MS // 1000
        changes: list[tuple[int, str, int]] = [(at_ns, "step", ns) for at_ns, ns in steps]
        changes += [(outage.end_ns, "boot", 0) for outage in outages if outage.raw_after_ns is not None]
        for from_ns, until_ns, slew_ppt in slews:
            changes += [(from_ns, "slew", slew_ppt), (until_ns, "slew", 0)]
        if leap_at_s is not None:
            leap_ns, slew_ppt = (leap_at_s + 1) * NS_PER_S, _CAREFUL_PPT if careful else _SLEW_PPT
            lasts_ns = NS_PER_S * PPT_ONE // slew_ppt
            changes += [(leap_ns, "slew", -slew_ppt), (leap_ns + lasts_ns, "slew", 0)]
        stretches = [_Stretch(start_ns, counter.raw_at(start_ns), first_ns, self.rate_ppt)]
        for at_ns, what, amount in sorted(changes):
            last, raw_ns = stretches[-1], counter.raw_at(at_ns)
            real_ns, rate = last.real_at_raw(raw_ns), last.rate_ppt
            if what == "step":
                real_ns += amount
            elif what == "slew":
                rate = self.rate_ppt + amount
            else:
                # A host that comes up sets its clock from the RTC, as well as whole seconds allow.
                leapt = leap_at_s is not None and at_ns >= leap_at_s * NS_PER_S
                real_ns = (
                    at_ns - leapt * NS_PER_S + chance.between(-_BOOT_ERROR_MS, _BOOT_ERROR_MS) * NS_PER_MS
                )
            stretches.append(_Stretch(at_ns, raw_ns, real_ns, rate))
        self._stretches = stretches
        self._starts = [stretch.start_ns for stretch in stretches]

    def real_at(self, utc_ns: int, raw_ns: int) -> int:
        """REALTIME at a true instant, whose RAW is ``raw_ns``."""
        at = bisect_right(self._starts, utc_ns) - 1 if len(self._starts) > 1 else 0
        return self._stretches[max(at, 0)].real_at_raw(raw_ns)
