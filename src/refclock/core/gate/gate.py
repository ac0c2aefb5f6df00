"""The gate: drift masks over every pair of accepted seconds, in O(1) (docs/vetting.md, "The gate").

A mask is an offset B and a rate D. For every accepted i before j the gate keeps
``|Xj - Xi| <= B + D * (vj - vi)``, where X is the phase of the label against the host's raw counter and v
the earned budget clock. It suffices to remember the least ``Xi - D*vi`` and the greatest ``Xi + D*vi``.

v advances on acceptance by the time since the last accepted second, but by no more than G, and stands
still from the first rejection to the next acceptance: a persistent lie does not heal by waiting.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from refclock.units import PPT_ONE

# Digits of the largest sum that 64-bit phases and rates can make, with room.
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Mask:
    """One drift mask: ``offset_ns`` is B, ``rate_ppt`` is D in parts in 10**12."""

    offset_ns: int
    rate_ppt: int


@dataclass(frozen=True, slots=True)
class Breach:
    """How far a phase lies outside a mask: ``value_ns`` exceeds ``limit_ns``; ``mask`` counts from 1."""

    mask: int
    value_ns: int
    limit_ns: int


class Gate:
    """The masks with what they remember. Phases and budget in ns; the sums are exact, scaled by 10**12."""

    def __init__(self, masks: tuple[Mask, ...], gap_budget_ns: int) -> None:
        self.masks = masks
        self._gap_budget_ns = gap_budget_ns
        self._earned_ns = 0
        self._frozen_ns: int | None = None
        self._last_raw_ns: int | None = None
        self._low: list[int] = []
        self._high: list[int] = []

    @property
    def rejecting(self) -> bool:
        """True from a rejection to the next acceptance."""
        return self._frozen_ns is not None

    def budget_ns(self, raw_ns: int) -> int:
        """The budget clock v that a second at ``raw_ns`` would have."""
        if self._frozen_ns is not None:
            return self._frozen_ns
        if self._last_raw_ns is None:
            return self._earned_ns
        return self._earned_ns + max(0, min(raw_ns - self._last_raw_ns, self._gap_budget_ns))

    def judge(self, raw_ns: int, phase_ns: int) -> Breach | None:
        """None when every mask admits the phase, else the first breach. Changes nothing."""
        if not self._low:
            return None
        budget = self.budget_ns(raw_ns)
        phase = phase_ns * PPT_ONE
        for index, mask in enumerate(self.masks):
            earned = mask.rate_ppt * budget
            allowed = mask.offset_ns * PPT_ONE
            excess = max(phase - self._low[index] - earned, self._high[index] - earned - phase)
            if excess > allowed:
                return Breach(index + 1, -(-excess // PPT_ONE), mask.offset_ns)
        return None

    def rooms(self, raw_ns: int, phase_ns: int) -> list[tuple[int, int]]:
        """How far up and down from a phase each mask still admits (ns, rounded inward; negative outside)."""
        budget, phase = self.budget_ns(raw_ns), phase_ns * PPT_ONE
        rooms = []
        for mask, low, high in zip(self.masks, self._low, self._high, strict=False):
            reach = mask.offset_ns * PPT_ONE + mask.rate_ppt * budget
            rooms.append(((low + reach - phase) // PPT_ONE, (phase - high + reach) // PPT_ONE))
        return rooms

    def used_ns(self, raw_ns: int, phase_ns: int) -> int:
        """How much of the first mask's offset B a phase uses up (ns); more than B is a breach."""
        if not self._low:
            return 0
        earned, phase = self.masks[0].rate_ppt * self.budget_ns(raw_ns), phase_ns * PPT_ONE
        return -((earned - max(phase - self._low[0], self._high[0] - phase)) // PPT_ONE)

    def accept(self, raw_ns: int, phase_ns: int) -> None:
        """Take an admitted second into memory."""
        self._earned_ns = self.budget_ns(raw_ns)
        self._frozen_ns = None
        self._last_raw_ns = raw_ns
        phase = phase_ns * PPT_ONE
        lows = [phase - mask.rate_ppt * self._earned_ns for mask in self.masks]
        highs = [phase + mask.rate_ppt * self._earned_ns for mask in self.masks]
        if self._low:
            lows = list(map(min, self._low, lows))
            highs = list(map(max, self._high, highs))
        self._low, self._high = lows, highs

    def reject(self, raw_ns: int) -> None:
        """Freeze the budget clock where this second found it; where it is frozen, it stays as it is."""
        if self._low:
            self._frozen_ns = self.budget_ns(raw_ns)

    def memory(self) -> dict[str, object]:
        """What must survive a restart within the same boot."""
        return {
            "earned_ns": self._earned_ns,
            "frozen_ns": -1 if self._frozen_ns is None else self._frozen_ns,
            "last_raw_ns": self._last_raw_ns,
            "masks": [[mask.offset_ns, mask.rate_ppt] for mask in self.masks],
            "low": [str(value) for value in self._low],
            "high": [str(value) for value in self._high],
        }

    def restore(self, memory: Mapping[str, object]) -> bool:
        """Take up an earlier gate's memory; False (and nothing changed) when it does not fit these masks."""
        wanted = [[mask.offset_ns, mask.rate_ppt] for mask in self.masks]
        low, high = memory.get("low"), memory.get("high")
        earned, frozen, last = (memory.get(key) for key in ("earned_ns", "frozen_ns", "last_raw_ns"))
        if memory.get("masks") != wanted or not isinstance(low, list) or not isinstance(high, list):
            return False
        if not (isinstance(earned, int) and isinstance(frozen, int) and isinstance(last, int)):
            return False
        if not len(low) == len(high) == len(self.masks):
            return False
        if not all(_is_number(one) for one in (*low, *high)) or earned < 0:
            return False
        if any(int(least) > int(greatest) for least, greatest in zip(low, high, strict=True)):
            return False
        self._low, self._high = [int(value) for value in low], [int(value) for value in high]
        self._earned_ns, self._last_raw_ns = earned, last
        self._frozen_ns = None if frozen < 0 else frozen
        return True


def _is_number(text: object) -> bool:
    """Whether a memory's text is a whole number of a length that a phase can have."""
    if not isinstance(text, str) or len(text) > _LONGEST:
        return False
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdecimal()
