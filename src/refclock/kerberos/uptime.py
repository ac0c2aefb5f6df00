"""Time since boot, for all that is relative: nobody sets it, and nothing that synchronises moves it."""

from dataclasses import dataclass
from time import CLOCK_MONOTONIC_RAW, clock_gettime_ns

from refclock.bounded import suspended_ns, this_boot


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on one boot's uptime clock."""

    boot: bytes
    at_ns: int


class UptimeClock:
    """Time since boot that no synchronisation touches (clause 2; numbers as in docs/requirements.md).

    It is CLOCK_MONOTONIC_RAW, which is neither set nor slewed, and the time for which the machine was
    suspended, which that clock leaves out. CLOCK_MONOTONIC and CLOCK_BOOTTIME would not do: they are slewed
    with the system clock.

    What was counted on it means nothing after a reboot and must be discarded (clause 3): a Mark carries its
    boot, and the time since a Mark of another boot is None, never a number.
    """

    def __init__(self) -> None:
        self.boot = this_boot()

    def now_ns(self) -> int:
        """Time since boot, suspensions included."""
        return clock_gettime_ns(CLOCK_MONOTONIC_RAW) + suspended_ns()

    def mark(self) -> Mark:
        """Now."""
        return Mark(self.boot, self.now_ns())

    def since(self, mark: Mark) -> int | None:
        """Time since a mark, in ns; None for one of another boot."""
        return self.now_ns() - mark.at_ns if mark.boot == self.boot else None
