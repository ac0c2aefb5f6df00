"""The truth that a simulated capture carries in its header, and how far a published second was from it."""

from bisect import bisect_right
from collections.abc import Mapping
from itertools import pairwise

from refclock.model import Publish
from refclock.units import NS_PER_S


class Truth:
    """True UTC as a function of the raw counter: linear between the header's knots.

    Where the header has several runs of the counter (a reboot), the knots' order tells them apart: the
    last run that reaches a reading counts.
    """

    def __init__(self, knots: list[tuple[int, int]], leaps: list[tuple[int, int]]) -> None:
        self._knots = knots
        self._raws = [raw for raw, _ in knots]
        self._leaps = leaps

    @classmethod
    def of(cls, header: Mapping[str, object]) -> "Truth | None":
        """The truth of a header; None where it carries none that can be used."""
        told = header.get("truth")
        if not isinstance(told, dict) or not isinstance(told.get("utc_at_raw"), list):
            return None
        knots = [tuple(one) for one in told["utc_at_raw"] if isinstance(one, list)]
        pairs = [one for one in knots if [type(part) for part in one] == [int, int]]
        if len(pairs) < 2 or any(a[0] >= b[0] for a, b in pairwise(pairs)):
            return None
        listed = told.get("leap")
        leaps = [one for one in listed if isinstance(one, list)] if isinstance(listed, list) else []
        known = [(one[0], one[1]) for one in leaps if [type(part) for part in one] == [int, int]]
        return cls([(a, b) for a, b in pairs], known)

    @property
    def begins_s(self) -> int:
        """The earliest true UTC, in POSIX seconds."""
        return min(utc for _, utc in self._knots) // NS_PER_S

    def utc_ns(self, raw_ns: int) -> int:
        """True UTC in POSIX ns (leap seconds taken out) at a reading of the counter."""
        index = min(max(bisect_right(self._raws, raw_ns), 1), len(self._knots) - 1)
        (raw0, utc0), (raw1, utc1) = self._knots[index - 1], self._knots[index]
        continuous = utc0 + (raw_ns - raw0) * (utc1 - utc0) // (raw1 - raw0)
        return (
            continuous
            - sum(change for at_s, change in self._leaps if continuous >= at_s * NS_PER_S) * NS_PER_S
        )

    def error_ns(self, published: Publish) -> int:
        """Published less true UTC."""
        return published.utc_ns - self.utc_ns(published.raw_ns)
