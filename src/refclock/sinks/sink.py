"""What the event loop asks of a place that decisions go to."""

from typing import Protocol

from refclock.model import Decision


class Sink(Protocol):
    """Takes decisions. No method blocks, and none raises for what the outside world does: a sink that
    cannot deliver says so in the journal once, and lets the loop go on."""

    @property
    def name(self) -> str:
        """What people call it."""

    def take(self, decision: Decision) -> None:
        """Act on one decision."""

    def tend(self, raw_ns: int) -> None:
        """Called at the end of each turn of the loop, at least once a second: retry, check, write on."""

    def state(self) -> str:
        """One line for people: how the sink fares."""

    def close(self) -> None:
        """Leave nothing behind that could mislead a reader."""
