"""The ledger of probes: every time that a receiver used up more than half of the short mask's offset.

Somebody who feels for the gate's limits stays within them most of the time; nothing is refused, and only
the count, the amplitude and the way travelled show that it happens (docs/vetting.md, "Modes"). The ledger
is shown to people. It decides nothing.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refclock.core.gate.judge import Judge
    from refclock.core.seconds.pairing import Refused

# An excursion is over when no more than a quarter is in use: noise about the half must count once.
_OVER = 2


class Probes:
    """Counts excursions and sums their way.

    ``count`` excursions; ``refused`` of them left the mask; ``worst_ns`` is the most of the offset that was
    ever used; ``variation_ns`` the sum of the phase's steps during all of them; ``last_utc_s`` when the
    last one began, by the receiver's label (POSIX s; None: never).
    """

    def __init__(self) -> None:
        self.count = self.refused = self.worst_ns = self.variation_ns = 0
        self.last_utc_s: int | None = None
        self._within = self._over = False
        self._phase_ns: int | None = None

    def watch(self, judge: "Judge", raw_ns: int, phase_ns: int, utc_s: int | None) -> None:
        """Take in one second that was judged, before it is accepted."""
        self.take(judge.gate.used_ns(raw_ns, phase_ns), judge.gate.masks[0].offset_ns, phase_ns, utc_s)

    def stray(self, judge: "Judge", refused: "Refused") -> None:
        """Take in a second that was refused for where it lay, by the gate or before it came so far."""
        if refused.moved_ns is not None:
            phase_ns = judge.phase_ns(judge.last_raw_ns, judge.last_si_ns) + refused.moved_ns
            self.watch(judge, refused.raw_ns, phase_ns, refused.utc_s)

    def take(self, used_ns: int, offset_ns: int, phase_ns: int, utc_s: int | None) -> None:
        """Take in one second, which uses ``used_ns`` of the mask's ``offset_ns`` and has this phase."""
        before, self._phase_ns = self._phase_ns, phase_ns
        if 2 * used_ns <= offset_ns and not (self._within and 2 * _OVER * used_ns > offset_ns):
            self._within = self._over = False
            return
        if not self._within:
            self._within = True
            self.count += 1
            self.last_utc_s = utc_s
        if used_ns > offset_ns and not self._over:
            self._over = True
            self.refused += 1
        self.worst_ns = max(self.worst_ns, used_ns)
        self.variation_ns += 0 if before is None else abs(phase_ns - before)

    def fields(self) -> dict[str, object]:
        """The ledger as JSON-able values, for the memory and for people."""
        return {
            "count": self.count,
            "refused": self.refused,
            "worst_ns": self.worst_ns,
            "variation_ns": self.variation_ns,
            "last_utc_s": self.last_utc_s,
        }

    def restore(self, kept: Mapping[str, object]) -> None:
        """Take up what was kept; what is missing or no count stays at nothing."""
        self.count, self.refused, self.worst_ns, self.variation_ns = (
            max(0, value) if type(value := kept.get(key)) is int else 0
            for key in ("count", "refused", "worst_ns", "variation_ns")
        )
        last = kept.get("last_utc_s")
        self.last_utc_s = last if type(last) is int else None
