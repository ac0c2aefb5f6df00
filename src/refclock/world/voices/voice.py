"""What every voice offers the receiver."""

from dataclasses import dataclass

from refclock.world.chance import Chance
from refclock.world.labels import Label
from refclock.world.moment import Moment


@dataclass(frozen=True, slots=True)
class Now:
    """When a byte reached the receiver: ``since_ns`` after the pulse that ``label`` names; ``coming`` names
    the next one. ``moment`` is the state of the second that has begun."""

    label: Label
    coming: Label
    since_ns: int
    moment: Moment


class Voice:
    """One receiver's way to talk. A family's file overrides what its receivers do.

    ``chance`` is drawn from in the order of the calls, so that equal seeds give equal bytes; ``start_s`` is
    the true second in which the world began.
    """

    listens = False
    """It hears what a host writes though nobody need ask it anything."""

    polls: tuple[tuple[int, bytes], ...] = ()
    """What a host asks in each second: ns after the true second, and the bytes. A simulated world, in which
    no daemon runs, writes these itself; a live one leaves it to the daemon. Empty: it hears nothing."""
    on_time: int | None = None
    """Which byte of what it says begins with the second; None for a burst that comes some time after it."""

    def __init__(self, chance: Chance, start_s: int) -> None:
        self.chance = chance
        self.start_s = start_s

    def says(self, label: Label, moment: Moment) -> list[bytes]:
        """The messages sent unasked after the pulse that ``label`` names."""
        return []

    def announces(self, coming: Label, q_err_ps: int, moment: Moment) -> bytes:
        """What is sent of the next pulse, half a second later: its name, and how early it will come."""
        return b""

    def hears(self, data: bytes, now: Now) -> list[tuple[int, bytes]]:
        """The host wrote ``data``. The answers: how long after that (ns) each leaves, and its bytes.

        Called with whatever came together, which may be a part of a command, or several.
        """
        return []

    def satellites(self, moment: Moment) -> int:
        """How many are in view."""
        return self.chance.between(9, 12) if moment.fix else 0
