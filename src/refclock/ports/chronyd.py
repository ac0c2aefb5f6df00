"""Whether a chronyd takes what it is given: one that was killed in mid-slew leaves the slew behind."""

from collections.abc import Callable, Sequence

from refclock.errors import PortError
from refclock.model import Event
from refclock.policy import CHRONYD_PORT
from refclock.ports import stamp
from refclock.ports.port import DevicePort
from refclock.units import NS_PER_S

_LOOK_NS = NS_PER_S


class ChronydPort(DevicePort):
    """Up while any of the ways to chrony is listened to. Each of ``ways`` says why it is not, "" when it is.

    /proc and chronyd's own files are hidden from the daemon's sandbox; who is attached to a segment, or bound
    to a socket, the kernel tells everybody who may use it.
    """

    # A chronyd that came unnoticed would seem to have left a slew behind; one killed soon after, none.
    longest_retry_ns = _LOOK_NS

    def __init__(self, ways: Sequence[Callable[[], str]], name: str = CHRONYD_PORT) -> None:
        super().__init__(name)
        self._ways = ways

    def _open(self) -> str:
        self._listened()
        self._wake_ns = stamp.raw() + _LOOK_NS
        return "chronyd takes what it is given"

    def _timer(self, raw_ns: int) -> list[Event]:
        self._wake_ns = raw_ns + _LOOK_NS
        try:
            self._listened()
        except PortError as error:
            return self._lost(str(error))
        return []

    def _listened(self) -> None:
        """Raises PortError where nobody listens."""
        shut = [way() for way in self._ways]
        if all(shut):
            raise PortError("; ".join(shut))
