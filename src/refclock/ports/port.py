"""What the event loop asks of everything that it observes the world through."""

from typing import Protocol

from refclock.errors import PortError
from refclock.model import Event, PortChange
from refclock.ports import stamp
from refclock.units import NS_PER_S

RETRY_FIRST_NS = NS_PER_S
RETRY_LONGEST_NS = 10 * NS_PER_S


class Port(Protocol):
    """A source of events. No call blocks, none starts a thread.

    ``fd`` is what a selector waits on for reading, or None for a port that only its timer drives, that
    waits, or that is down. Between two different descriptors it is None after at least one call, so a
    loop that compares it after every call never mixes up two of the same number.
    """

    name: str
    fd: int | None

    def open(self) -> list[Event]:
        """Open for the first time. Raises PortError with one line for people; the port is then down and
        retries by its timer all the same, so a daemon may live on and a check may stop."""

    def try_open(self) -> list[Event]:
        """The same, with the failure told as PortChange(up=False) instead."""

    def on_ready(self) -> list[Event]:
        """``fd`` is readable: stamp, then read. A spurious call returns nothing."""

    def wake_at(self) -> int | None:
        """CLOCK_MONOTONIC_RAW (ns) at which ``on_timer`` is wanted; None for never."""

    def on_timer(self, raw_ns: int) -> list[Event]:
        """It is ``raw_ns``. Too early a call returns nothing."""

    def perform(self, data: bytes) -> list[Event]:
        """Send to the device. Raises PortError where there is nothing that could take bytes."""

    def close(self) -> None:
        """Release everything, for good. May be called twice."""


class DevicePort:
    """The life that all ports share: down, retry after 1 s, 2 s, 4 s, ... 10 s, up, lost, down.

    ``longest_retry_ns`` is for a subclass that cannot wait so long. A subclass provides ``_open`` and
    ``_shut``, and what it does while it is up: ``on_ready``, ``_timer`` and ``_wake_ns`` (its next timer,
    CLOCK_MONOTONIC_RAW ns, or None).
    """

    longest_retry_ns = RETRY_LONGEST_NS

    def __init__(self, name: str) -> None:
        self.name = name
        self.device = ""
        """The path of what it opens, where that is a device which udev might announce."""
        self.fd: int | None = None
        self._up = False
        self._wake_ns: int | None = None
        self._retry_at_ns: int | None = None
        self._retry_ns = RETRY_FIRST_NS
        self._reason = ""

    def _open(self) -> str:
        """Acquire the device; what was opened, for people. Raises PortError."""
        raise NotImplementedError

    def _shut(self) -> None:
        """Release what ``_open`` acquired, also after it failed half-way."""

    def _timer(self, raw_ns: int) -> list[Event]:
        """The timer ``_wake_ns`` ran out while the port is up; sets the next one."""
        self._wake_ns = None
        return []

    def open(self) -> list[Event]:
        """Raises PortError; see Port."""
        try:
            reason = self._open()
        except PortError as error:
            self._fail(str(error))
            raise
        self._up, self._reason = True, ""
        self._retry_at_ns, self._retry_ns = None, RETRY_FIRST_NS
        return [PortChange(*stamp.now(), port=self.name, up=True, reason=reason)]

    def try_open(self) -> list[Event]:
        """A failure is told once, and again when its reason changes: a capture must not fill with it."""
        before = self._reason
        try:
            return self.open()
        except PortError as error:
            if str(error) == before:
                return []
            return [PortChange(*stamp.now(), port=self.name, up=False, reason=str(error))]

    def on_ready(self) -> list[Event]:
        """Nothing to read unless a subclass has a descriptor."""
        return []

    def wake_at(self) -> int | None:
        """See Port."""
        return self._wake_ns if self._up else self._retry_at_ns

    def on_timer(self, raw_ns: int) -> list[Event]:
        """See Port."""
        due = self.wake_at()
        if due is None or raw_ns < due:
            return []
        return self._timer(raw_ns) if self._up else self.try_open()

    def nudge(self) -> None:
        """The device may be there again: look at the next turn, not when it is due."""
        if self._retry_at_ns is not None:
            self._retry_at_ns, self._retry_ns = stamp.raw(), RETRY_FIRST_NS

    def perform(self, data: bytes) -> list[Event]:
        """Raises PortError: most ports only listen."""
        raise PortError(f"{self.name}: cannot take the {len(data)} bytes meant for it: it only listens.")

    def close(self) -> None:
        """See Port."""
        self._up, self._wake_ns, self._retry_at_ns = False, None, None
        self._shut()

    def _lost(self, reason: str) -> list[Event]:
        """The device went away: release it, say so, and retry."""
        when = stamp.now()
        self._fail(reason)
        return [PortChange(*when, port=self.name, up=False, reason=reason)]

    def _fail(self, reason: str) -> None:
        self._up, self._wake_ns, self._reason = False, None, reason
        self._shut()
        self._retry_at_ns = stamp.raw() + self._retry_ns
        self._retry_ns = min(2 * self._retry_ns, self.longest_retry_ns)
