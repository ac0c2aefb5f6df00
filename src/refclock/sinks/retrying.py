"""A way to chronyd that may be shut, or lost: what is wrong is said once, and it is tried again each 16 s."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from refclock.errors import PortError
from refclock.sinks.journal import ERR
from refclock.units import NS_PER_S

_CHECK_NS: Final = 16 * NS_PER_S


class Retrying(ABC):
    """``again`` is what a complaint ends with: when it will be tried again."""

    def __init__(self, name: str, log: Callable[[int, str], None], again: str) -> None:
        self.name = name
        self._log = log
        self._again = again
        self._trouble = "not opened yet"
        self._check_at_raw_ns = 0

    @abstractmethod
    def open(self) -> None:
        """Open the way. Raises PortError where it is shut, or not to be trusted."""

    def _due(self, raw_ns: int) -> bool:
        """Whether it is time to look after the way, each 16 s."""
        if raw_ns < self._check_at_raw_ns:
            return False
        self._check_at_raw_ns = raw_ns + _CHECK_NS
        return True

    def _retry(self) -> None:
        try:
            self.open()
        except PortError as error:
            self._complain(str(error))

    def _complain(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._log(ERR, f"{trouble} {self._again}")
        self._trouble = trouble
