"""The last refusals, grouped by episode, with what the witnesses said then: the matter of ``explain``."""

from collections.abc import Callable
from dataclasses import dataclass

from refclock.core.blame.attribution import in_words
from refclock.core.rules.reasons import REASONS, is_rejection
from refclock.model import Accuse, Withhold
from refclock.units import NS_PER_S

MOST = 32
# Refusals for one reason that are farther apart belong to two groups.
_APART_NS = 600 * NS_PER_S

Fields = dict[str, object]


@dataclass(slots=True)
class _Group:
    """Refusals for one reason. Stamps in ns: on the raw counter, and by the system clock."""

    worst: Withhold
    first_raw_ns: int
    first_real_ns: int
    last_raw_ns: int
    last_real_ns: int
    witnesses: list[Fields]
    count: int = 1
    accused: str | None = None
    open: bool = True


class Refusals:
    """At most 32 groups; what merely waits or concerns one answer makes room first."""

    def __init__(self) -> None:
        self._groups: list[_Group] = []

    def note(self, withheld: Withhold, real_ns: int, witnesses: Callable[[], list[Fields]]) -> None:
        """Take in a refusal. ``witnesses`` is asked where a group begins."""
        for group in reversed(self._groups):
            if group.worst.reason == withheld.reason and group.open:
                if withheld.raw_ns - group.last_raw_ns > _APART_NS:
                    break
                group.count += 1
                group.last_raw_ns, group.last_real_ns = withheld.raw_ns, real_ns
                if abs(withheld.value) > abs(group.worst.value):
                    group.worst = withheld
                return
        if len(self._groups) >= MOST:
            lesser = (one for one in self._groups if not is_rejection(one.worst.reason))
            self._groups.remove(next(lesser, self._groups[0]))
        raw_ns = withheld.raw_ns
        self._groups.append(_Group(withheld, raw_ns, real_ns, raw_ns, real_ns, witnesses()))

    def accepted(self) -> None:
        """A second was accepted: the next refusal of a second begins a group of its own."""
        for group in self._groups:
            group.open = group.open and REASONS[group.worst.reason].kind in ("note", "alarm")

    def accuse(self, accusation: Accuse) -> None:
        """Somebody was named: that belongs to the latest group that speaks against a source."""
        for group in reversed(self._groups):
            if is_rejection(group.worst.reason) or group.worst.reason == "rtc-step":
                group.accused = in_words(accusation)
                return

    def fields(self) -> list[Fields]:
        """The groups, the oldest first, as JSON-able values."""
        return [
            {
                "reason": group.worst.reason,
                "count": group.count,
                "first_raw_ns": group.first_raw_ns,
                "first_real_ns": group.first_real_ns,
                "last_raw_ns": group.last_raw_ns,
                "last_real_ns": group.last_real_ns,
                "worst_value": group.worst.value,
                "limit": group.worst.limit,
                "mask": group.worst.mask,
                "utc_ns": group.worst.utc_ns,
                "words": REASONS[group.worst.reason].words,
                "unit": REASONS[group.worst.reason].unit,
                "mend": REASONS[group.worst.reason].mend,
                "kind": REASONS[group.worst.reason].kind,
                "witnesses": group.witnesses,
                "accused": group.accused,
            }
            for group in self._groups
        ]
