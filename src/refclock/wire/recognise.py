"""Which families does a line speak? The rule of detection, as a pure function of the bytes heard.

Three good frames with checksums prove a family that has them. A family without checksums is proven by five
labels of legal frames whose seconds advance by exactly one each: noise, or another family's bytes, do not do
that. Until then nothing of what it says is passed on.
"""

from refclock.wire.families import AUTO, CHECKED, FAMILIES
from refclock.wire.report import Label, Report
from refclock.wire.scanner import Counters, Scanner

CHECKED_FRAMES = 3
UNCHECKED_LABELS = 5
# A run of five labels and what stands between them; a stream with more than that is no such receiver.
_HELD_MAX = 256


class _Candidate:
    """A family without checksums, until its labels have advanced second by second."""

    def __init__(self, name: str) -> None:
        self.scanner = Scanner(name)
        self.proven = False
        self._held: list[Report] = []
        self._run = 0
        self._latest: Label | None = None

    def hear(self, reports: list[Report]) -> list[Report]:
        """Take reports in; those that may be passed on now come back."""
        if self.proven:
            return reports
        for place, report in enumerate(reports):
            self._held.append(report)
            if isinstance(report, Label):
                self._count(report)
            if self._run == UNCHECKED_LABELS:
                self.proven = True
                held, self._held = self._held, []
                return held + reports[place + 1 :]
        del self._held[:-_HELD_MAX]
        return []

    @property
    def hopeful(self) -> bool:
        """A legal frame was heard, but too few."""
        return not self.proven and self._run > 0

    def _count(self, label: Label) -> None:
        before, self._latest = self._latest, label
        if before is not None and (label.utc_s, label.message) != (before.utc_s, before.message):
            if label.utc_s == before.utc_s:
                return  # another message of the same second
            if label.utc_s == before.utc_s + 1:
                self._run += 1
                return
        self._run = 1
        self._held = [label]


class Recogniser:
    """Listens to one line for all families at once; like a Scanner, and it never raises either."""

    def __init__(self) -> None:
        self._checked = Scanner(AUTO)
        self._candidates = {name: _Candidate(name) for name in FAMILIES if name not in CHECKED}

    @property
    def offset(self) -> int:
        """How many bytes have been fed."""
        return self._checked.offset

    @property
    def counters(self) -> Counters:
        """Frames and damage of every family with a checksum, and of the others that are proven."""
        found = self._checked.counters
        proven = [(name, one.scanner.counters) for name, one in self._candidates.items() if one.proven]
        frames = found.frames | {name: counters.frames[name] for name, counters in proven}
        damaged = found.damaged | {name: counters.damaged[name] for name, counters in proven}
        skipped = min(found.skipped_bytes, *(counters.skipped_bytes for _, counters in proven), 1 << 62)
        return Counters(frames, damaged, skipped)

    def feed(self, data: bytes) -> list[Report]:
        """The reports that ``data`` completes: of families with checksums at once, of others when proven."""
        reports = self._checked.feed(data)
        for name, one in tuple(self._candidates.items()):
            if not one.proven and self._spoken():
                del self._candidates[name]  # the line is some other family's
            else:
                reports += one.hear(one.scanner.feed(data))
        return reports

    def finish(self) -> list[Report]:
        """No more bytes will come."""
        reports = self._checked.finish()
        for one in self._candidates.values():
            reports += one.hear(one.scanner.finish())
        return reports

    @property
    def hopeful(self) -> bool:
        """Frames were heard that prove nothing yet: more of them might."""
        counts = self._checked.counters.frames.values()
        heard = any(0 < count < CHECKED_FRAMES for count in counts)
        return heard or any(one.hopeful for one in self._candidates.values())

    def names(self) -> tuple[str, ...]:
        """The families proven so far, those first that a configuration should name first."""
        frames = self._checked.counters.frames
        proven = {name for name, count in frames.items() if count >= CHECKED_FRAMES}
        proven |= {name for name, one in self._candidates.items() if one.proven}
        return tuple(name for name in FAMILIES if name in proven)

    def _spoken(self) -> bool:
        return any(count >= CHECKED_FRAMES for count in self._checked.counters.frames.values())


def recognise(data: bytes) -> tuple[str, ...]:
    """The families that these bytes prove, best first; empty when none is."""
    recogniser = Recogniser()
    recogniser.feed(data)
    recogniser.finish()
    return recogniser.names()
