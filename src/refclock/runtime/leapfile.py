"""The leap-second list (wire.leaplist), read at the start and each day."""

from collections.abc import Callable

from refclock.sinks.journal import NOTICE, WARNING
from refclock.units import NS_PER_S, S_PER_DAY
from refclock.wire.leaplist import Table, parse_leap_list

_MAX_SIZE = 1 << 20
_EVERY_NS = S_PER_DAY * NS_PER_S


class LeapFile:
    """A leap-second list that is looked at once a day."""

    def __init__(self, path: str, log: Callable[[int, str], None]) -> None:
        self.path = path
        self._log = log
        self._due_raw_ns: int | None = None
        self._last: Table | None = None
        self._trouble = ""

    def tend(self, raw_ns: int, real_s: int) -> Table | None:
        """The table when it is due to be read and says something new; else None.

        ``real_s`` (POSIX s) serves a warning only: whether it expired is the core's to judge.
        """
        if self._due_raw_ns is not None and raw_ns < self._due_raw_ns:
            return None
        self._due_raw_ns = raw_ns + _EVERY_NS
        try:
            with open(self.path, encoding="ascii", errors="replace") as file:
                table = parse_leap_list(file.read(_MAX_SIZE))
        except (OSError, ValueError) as error:
            problem = error.strerror if isinstance(error, OSError) else str(error)
            if problem != self._trouble:
                self._log(
                    WARNING,
                    f"leap file {self.path}: {problem}; going on without it. Expected the list that IERS "
                    "publishes (Debian: /usr/share/zoneinfo/leap-seconds.list).",
                )
            self._trouble = problem or ""
            return None
        self._trouble = ""
        if table == self._last:
            return None
        self._last = table
        expires = table["expires_s"]
        if isinstance(expires, int) and expires <= real_s:
            self._log(WARNING, f"leap file {self.path}: has expired; get a new one (package tzdata)")
        else:
            self._log(NOTICE, f"leap file {self.path}: read")
        return table
