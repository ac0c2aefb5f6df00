"""chrony's shared-memory segment: who owns it, and whether it may be trusted with our seconds.

chronyd attaches to whatever segment exists under the key, so a local user who creates it first could
feed chrony. Each attachment of ours is therefore preceded by IPC_STAT (shmctl(2)). The segment is looked
at by its id: an id carries a sequence number and is not used again for another segment, so what was
judged is what gets attached.
"""

import os
import struct
from dataclasses import dataclass

import sysv_ipc

from refclock.errors import PortError
from refclock.wire import shm

# shmctl(2): set in the mode once somebody removed the segment while it was attached.
SHM_DEST = 0o1000
_PERMISSIONS = 0o777
_WRITE_BY_OTHERS = 0o022
_OURS = 0o600
_ROOT = 0


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """What IPC_STAT says: owner and creator (uids), permissions, size in bytes, how many are attached."""

    id: int
    uid: int
    cuid: int
    mode: int
    size: int
    attached: int
    removed: bool

    def __str__(self) -> str:
        return (
            f"owner uid {self.uid}, creator uid {self.cuid}, mode {self.mode:04o}, {self.size} bytes, "
            f"{self.attached} attached"
        )


def facts_of(segment: sysv_ipc.SharedMemory) -> SegmentFacts:
    """IPC_STAT. Raises sysv_ipc.ExistentialError when the segment is gone."""
    mode = segment.mode
    return SegmentFacts(
        id=segment.id,
        uid=segment.uid,
        cuid=segment.cuid,
        mode=mode & _PERMISSIONS,
        size=segment.size,
        attached=segment.number_attached,
        removed=bool(mode & SHM_DEST),
    )


def judge(facts: SegmentFacts, euid: int) -> str | None:
    """What is wrong with a segment for a writer running as ``euid``; None when it is fit.

    Root may create a segment and give it away with IPC_SET, so the creator may be root or we.
    """
    if facts.removed:
        return "it was removed"
    if facts.uid != euid or facts.cuid not in (_ROOT, euid):
        return f"expected it to be owned by uid {euid} and created by root or uid {euid}"
    if facts.mode & _WRITE_BY_OTHERS:
        return "anybody of its group or of this host may write it; expected mode 0600"
    if facts.size < shm.SIZE:
        return f"expected at least {shm.SIZE} bytes"
    return None


def refusal(unit: int, found: str, problem: str) -> PortError:
    """The error for a segment that is not fit: unit, key, what was found, what was expected, the way out."""
    key = shm.key_of(unit)
    return PortError(
        f"SHM unit {unit} (key 0x{key:08x}): {found}: {problem}. Stop what created it (gpsd as root takes "
        f"units 0 to 11; chronyd started first makes it root's) and remove it with `ipcrm -M 0x{key:08x}`, "
        f"or choose another unit under [shm] and in chrony.conf."
    )


def give(unit: int, uid: int) -> str:
    """As root: make the unit's segment, and give it to a user; what was done, for people.

    Exclusively (shmget(2), IPC_EXCL), so that it is nobody else's, and before chronyd looks for one. Raises
    PortError for a segment that is there and would not be fit for that user.
    """
    try:
        segment = sysv_ipc.SharedMemory(
            shm.key_of(unit), sysv_ipc.IPC_CREX, mode=_OURS, size=shm.SIZE, init_character=b"\0"
        )
    except sysv_ipc.ExistentialError:
        found = find(unit)
        problem = "it went away" if found is None else judge(found[1], uid)
        if found is not None:
            found[0].detach()
        if found is None or problem is not None:
            raise refusal(
                unit, f"found a segment with {found[1] if found else 'no owner'}", str(problem)
            ) from None
        return "is there, and fit"
    except (sysv_ipc.Error, OSError) as error:
        raise PortError(f"SHM unit {unit}: cannot create the segment: {error}.") from None
    try:
        segment.uid = uid
    except (sysv_ipc.Error, OSError) as error:
        segment.remove()
        raise PortError(f"SHM unit {unit}: cannot give the segment to uid {uid}: {error}.") from None
    finally:
        segment.detach()
    return f"made, and given to uid {uid}"


def _denied(error: Exception) -> bool:
    return isinstance(error, sysv_ipc.PermissionsError | PermissionError)


def find(unit: int) -> tuple[sysv_ipc.SharedMemory, SegmentFacts] | None:
    """The unit's segment, attached read-only, and its facts; None when there is none.

    Raises PortError when it may not even be looked at: it is then another user's.
    """
    try:
        # The constructor attaches at once; without write permission in `mode` it does so read-only.
        segment = sysv_ipc.SharedMemory(shm.key_of(unit), mode=0o400)
    except sysv_ipc.ExistentialError:
        return None
    except (sysv_ipc.PermissionsError, OSError) as error:
        # sysv_ipc's own words for EACCES hold an unfilled place for the mode.
        found = "a segment that may not even be looked at" if _denied(error) else str(error)
        raise refusal(unit, found, f"it is not uid {os.geteuid()}'s") from None
    return segment, facts_of(segment)


def open_segment(unit: int) -> tuple[sysv_ipc.SharedMemory, bool]:
    """Attach to the unit's segment for writing, creating it if need be; the second value: created.

    Raises PortError for a segment that is another's, writable by others, or too small.
    """
    if struct.calcsize("@l") != 8:
        raise PortError(
            f"SHM unit {unit}: this host's C `long` is {struct.calcsize('@l')} bytes; the sample's layout is "
            "known for 8 only. Use a 64-bit system."
        )
    for _ in range(3):  # somebody may create or remove it between our two questions
        try:
            made = sysv_ipc.SharedMemory(
                shm.key_of(unit),
                sysv_ipc.IPC_CREX,
                mode=_OURS,
                size=shm.SIZE,
                # The default fills with blanks, and a blank is a non-zero `valid`.
                init_character=b"\0",
            )
            return made, True
        except sysv_ipc.ExistentialError:
            pass
        except (sysv_ipc.Error, OSError) as error:
            raise PortError(f"SHM unit {unit}: cannot create the segment: {error}.") from None
        found = find(unit)
        if found is None:
            continue
        segment, facts = found
        segment.detach()
        problem = judge(facts, os.geteuid())
        if problem is not None:
            raise refusal(unit, f"found a segment with {facts}", problem)
        try:
            segment.attach()
        except (sysv_ipc.Error, OSError):
            continue
        return segment, False
    raise PortError(f"SHM unit {unit}: the segment comes and goes; find out who removes it (`ipcs -m -p`).")
