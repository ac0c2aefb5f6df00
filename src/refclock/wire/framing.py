"""What every family of receivers offers the scanner: a way to find, verify and decode its frames."""

import re
from typing import Protocol

from refclock.wire.report import Report

# What `Framer.take` answers instead of an end: more bytes are needed; no frame begins here; a whole frame
# lies here and its checksum is wrong.
WAIT, REFUSED, DAMAGED = -1, -2, -3


class Framer(Protocol):
    """One family. It judges by the bytes from a frame's first one on, never by how they were cut into chunks.

    What it remembers from frame to frame (a leap-second count, say) it may take from good frames only.
    """

    name: str
    frames: int
    """How many good frames it has taken."""

    def find(self, data: bytes, at: int) -> int:
        """Where the next frame may begin, at ``at`` or after it; -1 for nowhere.

        A byte at the end of ``data`` that may turn out to be a beginning counts as one.
        """

    def take(self, data: bytes, at: int, stop: int, origin: int, reports: list[Report]) -> int:
        """Try the frame at ``data[at]``, which ``find`` gave. Its end, or WAIT, REFUSED or DAMAGED.

        It may go on to frames of its own that follow without a gap and begin before ``stop``, where another
        family's may begin, and answer the end of the last. ``origin`` is the stream's offset of ``data[0]``.
        What the good frames say is appended to ``reports``.
        A family must bound for how many bytes it answers WAIT: other families' frames stand behind it.
        """


class Seeker:
    """What framers share whose frames may begin wherever a pattern does (see `Framer`)."""

    beginning: re.Pattern[bytes]

    def __init__(self) -> None:
        self.frames = 0

    def find(self, data: bytes, at: int) -> int:
        """Where the next frame may begin, at ``at`` or after it; -1 for nowhere."""
        found = self.beginning.search(data, at)
        return -1 if found is None else found.start()
