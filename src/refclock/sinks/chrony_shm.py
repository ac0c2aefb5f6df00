"""Hands vetted seconds to chronyd through System V shared memory (chrony.conf(5), refclock SHM)."""

import os
import threading
from collections.abc import Callable

import sysv_ipc

from refclock.model import Decision, Mode, ModeChange, Publish
from refclock.sinks.journal import NOTICE, WARNING
from refclock.sinks.retrying import Retrying
from refclock.sinks.segment import SegmentFacts, facts_of, judge, open_segment, refusal
from refclock.wire import shm

# chronyd ignores the field (its own `precision` option counts); ntpd reads it as log2 seconds: 1 us.
_PRECISION = -20
_FENCE = threading.Lock()
_FENCE.acquire()
_FEEDING = (Mode.VETTED, Mode.DEGRADED)


class ChronyShm(Retrying):
    """Writes each Publish into the unit's segment at once, and nothing else.

    The segment outlives the daemon on purpose: chronyd stays attached to it over our restarts, and a key
    that is taken cannot be squatted. ``valid`` is cleared whenever we stop vouching.
    """

    def __init__(self, unit: int, log: Callable[[int, str], None]) -> None:
        super().__init__(f"chrony SHM {unit}", log, "Trying again each 16 s.")
        self._unit = unit
        self._segment: sysv_ipc.SharedMemory | None = None
        # A segment that was removed from under us, and to which a chronyd may still be attached.
        self._orphan: sysv_ipc.SharedMemory | None = None

    def open(self) -> None:
        """Attach, creating the segment if there is none. Raises PortError for a segment not to be trusted."""
        segment, created = open_segment(self._unit)
        facts = facts_of(segment)
        # A sample that a predecessor left is no longer vouched for by anybody.
        segment.write(shm.int_field(0), shm.VALID_AT)
        self._segment, self._trouble = segment, ""
        deed = "created" if created else "attached to"
        others = facts.attached - 1
        self._log(NOTICE, f"{self.name}: {deed} its segment ({others} other{'s' * (others != 1)} attached)")

    def take(self, decision: Decision) -> None:
        """Publish a second; stop vouching when the mode ends that feeds."""
        if isinstance(decision, Publish):
            for segment in self._usable():
                _write(segment, decision)
        elif isinstance(decision, ModeChange) and decision.after not in _FEEDING:
            self._withdraw()

    def tend(self, raw_ns: int) -> None:
        """Each 16 s: attach if not yet done, else look after the segment even when nothing is published."""
        if not self._due(raw_ns):
            return
        if self._segment is None:
            self._retry()
        else:
            self._usable()
        if self._orphan is not None and _facts(self._orphan, alone=1) is None:
            self._orphan.detach()
            self._orphan = None

    def state(self) -> str:
        """How chrony's segment fares, for people."""
        if self._segment is None:
            return self._trouble
        facts = _facts(self._segment)
        return f"attached, {facts.attached - 1} reading" if facts else "removed; to be made again"

    def unheard(self) -> str:
        """Why no chronyd takes what is written; "" when one is attached."""
        ours = [one for one in (self._segment, self._orphan) if one is not None]
        if any(_facts(one, removed=True, alone=1) is not None for one in ours):
            return ""
        return (
            f"{self.name}: nobody else is attached to its segment; is chronyd running, with `refclock SHM`?"
        )

    def close(self) -> None:
        """Clear ``valid`` and detach; the segment stays."""
        self._withdraw()
        for segment in (self._segment, self._orphan):
            if segment is not None:
                segment.detach()
        self._segment = self._orphan = None
        self._trouble = "closed"

    def _usable(self) -> list[sysv_ipc.SharedMemory]:
        """The segments to write: ours if it still is as it was judged, and an orphan that is being read.

        IPC_STAT costs a microsecond, and so it is asked before every sample. That the key still names our
        segment need not be asked: only a removal frees a key, and it leaves SHM_DEST on what we hold.
        """
        if self._segment is not None:
            facts = _facts(self._segment)
            if facts is None:
                self._removed()
            elif (problem := judge(facts, os.geteuid())) is not None:
                self._segment.detach()
                self._segment = None
                self._complain(str(refusal(self._unit, f"the segment changed to {facts}", problem)))
        return [segment for segment in (self._segment, self._orphan) if segment is not None]

    def _removed(self) -> None:
        """Somebody removed our segment. A new one takes the key at once, before a squatter does; the old
        one is still fed as long as it is read: chronyd looks the key up only when it starts."""
        segment, self._segment = self._segment, None
        if segment is not None and _facts(segment, removed=True, alone=1) is not None:
            if self._orphan is not None:
                self._orphan.detach()
            self._orphan = segment
            self._log(
                WARNING, f"{self.name}: its segment was removed; chronyd is fed on, but restart it soon"
            )
        elif segment is not None:
            segment.detach()
            self._log(WARNING, f"{self.name}: its segment was removed")
        self._retry()

    def _withdraw(self) -> None:
        for segment in (self._segment, self._orphan):
            if segment is not None:
                segment.write(shm.int_field(0), shm.VALID_AT)


def _facts(segment: sysv_ipc.SharedMemory, removed: bool = False, alone: int = 0) -> SegmentFacts | None:
    """IPC_STAT of an attached segment; None when it is gone, or removed (unless ``removed``), or when no
    more than ``alone`` are attached."""
    try:
        facts = facts_of(segment)
    except (sysv_ipc.Error, OSError):
        return None
    return None if (facts.removed and not removed) or facts.attached <= alone else facts


def _barrier() -> None:
    """No store before it becomes visible after one behind it.

    Each write below is a call into C through a pointer, which no compiler merges or reorders, and an x86
    shows stores in their order. A CPU of weaker order (ARM) needs fences, and Python has none; but freeing
    a lock is a store-release and taking the same lock again a load-acquire of what was just stored, and
    nothing passes the two in that order. (Taken and then freed, the pair would let both sides in.)
    """
    _FENCE.release()
    _FENCE.acquire()


def _write(segment: sysv_ipc.SharedMemory, sample: Publish) -> None:
    """One sample in mode 1: a reader that meets us in the midst sees ``valid`` 0 or two unequal counts."""
    count = shm.read_int(segment.read(4, shm.COUNT_AT))
    segment.write(shm.int_field(shm.MODE_COUNTED), shm.MODE_AT)
    segment.write(shm.int_field(0), shm.VALID_AT)
    segment.write(shm.int_field(count + 1), shm.COUNT_AT)
    _barrier()
    # `valid` lies among these fields and stays 0.
    segment.write(shm.pack_fields(sample.utc_ns, sample.sys_ns, sample.leap, _PRECISION), shm.FIELDS_AT)
    _barrier()
    segment.write(shm.int_field(count + 2), shm.COUNT_AT)
    _barrier()
    segment.write(shm.int_field(1), shm.VALID_AT)
