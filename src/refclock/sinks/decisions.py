"""The decision log: each decision as the line that ``refclock replay --decisions`` prints for it."""

import os
import sys
from collections.abc import Callable

from refclock.errors import PortError
from refclock.jsonform import decision_line
from refclock.model import Decision
from refclock.sinks.journal import WARNING
from refclock.sinks.lines import LineWriter


class DecisionLog:
    """Decisions, and nothing else, to a file or (``-``) standard output."""

    def __init__(self, path: str, log: Callable[[int, str], None]) -> None:
        """Raises PortError when the file cannot be written."""
        self.name = f"decision log {path}"
        self._log = log
        self._told = False
        if path == "-":
            self._out = LineWriter(sys.stdout.fileno())
            return
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK
            self._out = LineWriter(os.open(path, flags, 0o640), owned=True)
        except OSError as error:
            raise PortError(
                f"{self.name}: {error.strerror}; choose a file in a directory that exists and is writable."
            ) from None

    def take(self, decision: Decision) -> None:
        """Write its line."""
        self._out.line(decision_line(decision))
        self._tell()

    def tend(self, raw_ns: int) -> None:
        """Write on what waits for a slow reader."""
        self._out.flush()
        self._tell()

    def _tell(self) -> None:
        if not self._told and (self._out.broken or self._out.lost):
            self._told = True
            why = self._out.broken or "its reader stalls"
            self._log(WARNING, f"{self.name}: lines are lost from here on: {why}")

    def state(self) -> str:
        """How the log fares."""
        return f"broken: {self._out.broken}" if self._out.broken else f"{self._out.lost} lines lost"

    def close(self) -> None:
        """Write what waits and close the file."""
        self._out.close()
