"""Rejection episodes: when one began, what it does to the mode, and how many there were."""

from refclock.core.rules.modes import Trigger
from refclock.policy import Limits
from refclock.units import NS_PER_S, S_PER_DAY

# One single pulse astray may be noise on a wire (an extra one where the right one was missed): it is refused,
# but only a second one makes it an episode of the day.
_NOISE = "edge-window"
# A rejection not repeated for this long is over, though its episode is not.
_LASTS_NS = 60 * NS_PER_S


class Episodes:
    """An episode lasts from a rejected second to the next accepted one.

    ``starts_s`` are the beginnings within the last day, by the host's own prediction of UTC (POSIX s): the
    raw counter begins anew at a reboot, and the rejected label is not to be believed.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.starts_s: list[int] = []
        self.began_ns: int | None = None
        self.accused = False
        self._violation_ns: int | None = None
        self._last_ns = 0
        self._doubtful = False

    def end(self) -> None:
        """A second was accepted, or the mode left the trusted ones."""
        self.began_ns = self._violation_ns = None
        self.accused = False

    def pardon(self) -> None:
        """It was not the receiver's doing: the episode does not count."""
        if self.began_ns is not None and not self._doubtful:
            self.starts_s = self.starts_s[:-1]

    def reject(self, raw_ns: int, predicted_s: int, violation: bool, what: str) -> tuple[Trigger, str] | None:
        """A second was rejected; returns what this triggers, and why."""
        self._last_ns = raw_ns
        if self.began_ns is None:
            self.began_ns = raw_ns
            self._doubtful = what == _NOISE
            counts = not self._doubtful
        else:
            counts, self._doubtful = self._doubtful, False
        if counts:
            self.starts_s = [at for at in self.starts_s if predicted_s - at < S_PER_DAY] + [predicted_s]
            if len(self.starts_s) >= self._limits.episodes_per_day:
                return Trigger.LATCHED, f"{len(self.starts_s)} rejections within 24 h"
        if not violation:
            self._violation_ns = None
        elif self._violation_ns is None:
            self._violation_ns = raw_ns
        elif raw_ns - self._violation_ns >= self._limits.violation_after_ns:
            return Trigger.VIOLATION, what
        return self.latch(raw_ns)

    def latches_ns(self) -> int | None:
        """When (raw ns) the episode latches by time alone; None while nothing is being rejected.

        A few rejected seconds and then silence are an antenna that came off, not a lie that lasts: the
        budget stays frozen, but only further rejections latch.
        """
        if self.began_ns is None:
            return None
        due = self.began_ns + self._limits.latch_after_ns
        return due if due - self._last_ns <= _LASTS_NS else None

    def latch(self, raw_ns: int) -> tuple[Trigger, str] | None:
        """What an episode that lasts too long triggers."""
        if self.began_ns is None or raw_ns - self.began_ns < self._limits.latch_after_ns:
            return None
        if raw_ns - self._last_ns > _LASTS_NS:
            return None
        return Trigger.LATCHED, f"rejected for {self._limits.latch_after_ns // NS_PER_S} s"
