"""Finds the frames of several protocols, mixed on one line, and decodes those that tell the time.

A pure function of the bytes: however they are cut into chunks, the same reports come out. So a candidate
is judged only by the bytes from its first one on, and a frame is reported as soon as its last byte is
there. Whatever fails gives up **one** byte, so a lying length or a lost byte never costs a good frame;
at worst it delays one by the longest frame its family waits for. How late that was is no secret:
``Report.start`` is where the frame lay, so its time of arrival can still be told.
"""

from dataclasses import dataclass, field

from refclock.wire.families import AUTO, FAMILIES, families_of
from refclock.wire.framing import DAMAGED, WAIT, Framer
from refclock.wire.report import Report


@dataclass(slots=True)
class Counters:
    """For diagnosis: good frames and damaged ones (whole, but with a wrong checksum) of each protocol, and
    the bytes that belonged to no good frame."""

    frames: dict[str, int] = field(default_factory=dict)
    damaged: dict[str, int] = field(default_factory=dict)
    skipped_bytes: int = 0


class Scanner:
    """Streaming framer and decoder for the protocols of one serial line.

    ``protocols`` is "auto" for all that have checksums, the name of one, or a set of names; ValueError for
    a stranger.
    It holds at most the longest frame that a family waits for, besides the chunk being fed.
    """

    def __init__(self, protocols: frozenset[str] | str = AUTO) -> None:
        if isinstance(protocols, str):
            protocols = families_of(protocols)
        strangers = protocols - FAMILIES.keys()
        if strangers or not protocols:
            raise ValueError(f"no such protocol: {sorted(strangers)}; known are {sorted(FAMILIES)}")
        self._framers = [family.make() for name, family in FAMILIES.items() if name in protocols]
        self._rest = b""
        self._origin = 0
        self.counters = Counters({f.name: 0 for f in self._framers}, {f.name: 0 for f in self._framers})

    @property
    def offset(self) -> int:
        """How many bytes have been fed."""
        return self._origin + len(self._rest)

    def feed(self, data: bytes) -> list[Report]:
        """The reports of the frames that ``data`` completes, in the order in which the frames lie."""
        return self._scan(self._rest + data if self._rest else data, final=False)

    def finish(self) -> list[Report]:
        """No more bytes will come: whatever still waited has failed, and frames behind it are reported."""
        return self._scan(self._rest, final=True)

    def _scan(self, data: bytes, final: bool) -> list[Report]:
        reports: list[Report] = []
        framers, origin, size = self._framers, self._origin, len(data)
        framed_bytes = 0
        starts = [_start(framer, data, 0) for framer in framers]
        while (at := min(starts)) < size:
            index = starts.index(at)
            framer = framers[index]
            starts[index] = size  # what is now the least is where another family may begin
            end = framer.take(data, at, min(starts), origin, reports)
            if end > 0:
                framed_bytes += end - at
                starts[index] = at
                for other, start in enumerate(starts):
                    if start < end:
                        starts[other] = _start(framers[other], data, end)
                continue
            if end == WAIT and not final:
                break
            if end == DAMAGED:
                self.counters.damaged[framer.name] += 1
            starts[index] = _start(framer, data, at + 1)
        if framed_bytes:
            for framer in framers:
                self.counters.frames[framer.name] = framer.frames
        self.counters.skipped_bytes += at - framed_bytes
        self._rest = data[at:]
        self._origin = origin + at
        return reports


def _start(framer: Framer, data: bytes, at: int) -> int:
    found = framer.find(data, at)
    return len(data) if found < 0 else found
