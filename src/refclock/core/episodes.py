"""Rejection episodes: when one began, what it does to the mode, and how many there were."""

from refclock.core.modes import Trigger
from refclock.policy import Limits
from refclock.units import NS_PER_S, S_PER_DAY


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

    def end(self) -> None:
        """A second was accepted, or the mode left the trusted ones."""
        self.began_ns = self._violation_ns = None
        self.accused = False

    def reject(self, raw_ns: int, predicted_s: int, violation: bool, what: str) -> tuple[Trigger, str] | None:
        """A second was rejected; returns what this triggers, and why."""
        if self.began_ns is None:
            self.began_ns = raw_ns
            self.starts_s = [at for at in self.starts_s if predicted_s - at < S_PER_DAY] + [predicted_s]
            if len(self.starts_s) >= self._limits.episodes_per_day:
                return Trigger.LATCHED, f"{len(self.starts_s)} rejections within 24 h"
        if not violation:
            self._violation_ns = None
        elif self._violation_ns is None:
            self._violation_ns = raw_ns
        elif raw_ns - self._violation_ns >= self._limits.violation_after_ns:
            return Trigger.VIOLATION, what
        return None

    def latches_ns(self) -> int | None:
        """When (raw ns) the episode latches."""
        return None if self.began_ns is None else self.began_ns + self._limits.latch_after_ns

    def latch(self, raw_ns: int) -> tuple[Trigger, str] | None:
        """What time alone triggers."""
        due = self.latches_ns()
        if due is None or raw_ns < due:
            return None
        return Trigger.LATCHED, f"rejected for {self._limits.latch_after_ns // NS_PER_S} s"
