"""One engine for receivers that answer in lines of text: a pattern for each kind of line.

A line counts from a byte with which one may begin to its CR or LF (or another end of the family's), and
only as a whole. Prompts, echoes and whatever else stands around are skipped.
"""

import re
from collections.abc import Callable, Sequence

from refclock.wire.framing import DAMAGED, REFUSED, WAIT
from refclock.wire.report import Reply, Report

# What a pattern's line says, from its match and its place in the stream; None for a wrong checksum.
Decode = Callable[[re.Match[bytes], int, int], Sequence[Report] | None]
_CONTROL = re.compile(rb"[^ -~]")


def xor(data: bytes) -> int:
    """The exclusive or of all bytes."""
    found = 0
    for byte in data:
        found ^= byte
    return found


class Answers:
    """A family's lines. ``begins``: the bytes with which a line may begin; ``ends``: those that end one."""

    longest = 160

    def __init__(
        self, name: str, begins: bytes, rules: Sequence[tuple[bytes, Decode]], ends: bytes = rb"\r\n"
    ) -> None:
        """Each rule is the pattern of a line without its end, and what it says."""
        self.name = name
        self.frames = 0
        self._begins = re.compile(b"[" + begins + b"]")
        self._rules = [(re.compile(b"(?:" + pattern + b")[" + ends + b"]"), say) for pattern, say in rules]
        self._ends = re.compile(b"[" + ends + b"]")

    def find(self, data: bytes, at: int) -> int:
        """See Framer."""
        found = self._begins.search(data, at)
        return found.start() if found else -1

    def take(self, data: bytes, at: int, _stop: int, origin: int, reports: list[Report]) -> int:
        """See Framer."""
        for pattern, say in self._rules:
            found = pattern.match(data, at)
            if found is not None:
                said = say(found, origin + at, origin + found.end())
                if said is None:
                    return DAMAGED
                reports += said
                self.frames += 1
                return found.end()
        line = data[at : at + self.longest]
        if len(line) == self.longest or self._ends.search(line) or _CONTROL.search(line):
            return REFUSED
        return WAIT

    def reply(self, message: str) -> Decode:
        """A rule's decoder that passes the line on, without its end, for the question to interpret."""

        def say(found: re.Match[bytes], start: int, end: int) -> Sequence[Report]:
            return (Reply(self.name, message, start, end, found[0][:-1].decode("ascii").strip()),)

        return say
