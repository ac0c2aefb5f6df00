"""The leap-second list that IERS and NIST publish (leap-seconds.list), read at the start and each day."""

from collections.abc import Callable

from refclock.sinks.journal import NOTICE, WARNING
from refclock.units import NS_PER_S, S_PER_DAY
from refclock.wire.sntp import NTP_TO_POSIX_S

_MAX_SIZE = 1 << 20
_EVERY_NS = S_PER_DAY * NS_PER_S

Table = dict[str, object]


def parse_leap_list(text: str) -> Table:
    """The arguments of a ``leap-table`` command: ``expires_s`` (POSIX seconds) and ``steps``, pairs of
    POSIX second and TAI - UTC (s) from then on.

    Format: ``#@ S`` holds the expiry and each other line ``S OFFSET``, S in NTP seconds since 1900 and
    without era (the file's own comments; RFC 5905's epoch). Raises ValueError naming the line.
    """
    expires_s: int | None = None
    steps: list[list[int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        fields, is_expiry = line.split("#", 1)[0].split(), line.startswith("#@")
        if is_expiry:
            fields = line[2:].split()[:1]
        if not fields:
            continue
        if not all(field.isascii() and field.isdigit() for field in fields[:2]):
            raise ValueError(f"line {number}: expected numbers, found {line[:40]!r}")
        second = int(fields[0]) - NTP_TO_POSIX_S
        if is_expiry:
            expires_s = second
            continue
        if len(fields) != 2:
            raise ValueError(f"line {number}: expected a second and TAI-UTC, found {line[:40]!r}")
        offset = int(fields[1])
        if steps and (second <= steps[-1][0] or abs(offset - steps[-1][1]) != 1):
            raise ValueError(f"line {number}: expected a later second and a change by 1, found {line[:40]!r}")
        steps.append([second, offset])
    if expires_s is None:
        raise ValueError("no line '#@ SECOND' that says when it expires")
    if not steps:
        raise ValueError("no leap seconds in it")
    return {"expires_s": expires_s, "steps": steps}


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
