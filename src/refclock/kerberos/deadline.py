"""When a ticket ends, by the clock of this host alone."""

from dataclasses import dataclass

from refclock.kerberos.uptime import Mark, UptimeClock


@dataclass(frozen=True, slots=True)
class Deadline:
    """An end on the uptime clock. After a reboot it has passed (clause 3)."""

    begun: Mark
    length_ns: int

    def left_ns(self, uptime: UptimeClock) -> int:
        """What is left, 0 or more."""
        since = uptime.since(self.begun)
        return 0 if since is None else max(0, self.length_ns - since)

    def passed(self, uptime: UptimeClock) -> bool:
        """Whether the session is to be ended."""
        return self.left_ns(uptime) == 0


def local_deadline(issued_ns: int, ends_ns: int, uptime: UptimeClock) -> Deadline:
    """The end of a ticket that was just shown to be unexpired by a nonce (clause 20).

    ``issued_ns`` and ``ends_ns`` are the ticket's own, by the KDC's clock (POSIX ns): its start time, or its
    authentication time where it has none, and its end time. Only their difference counts. It is added to
    this moment on the uptime clock, so the system clock plays no part, however wrong it is. A ticket that
    ends before it begins has ended.
    """
    return Deadline(uptime.mark(), max(0, ends_ns - issued_ns))
