"""SysV shared memory as /proc/sysvipc/shm tells it (proc(5)): of everybody's segments, without attaching."""

from dataclasses import dataclass
from pathlib import Path

from refclock.policy import GPSD_UNITS
from refclock.wire.shm import key_of

_COLUMNS = ("key", "shmid", "perms", "size", "cpid", "nattch", "uid", "cuid")
_PERMISSIONS, _WRITE_BY_OTHERS = 0o777, 0o022


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment under one of NTP's keys: its unit, owner's and creator's uids, permissions, who made it,
    how many are attached."""

    unit: int
    uid: int
    cuid: int
    mode: int
    maker: int
    attached: int

    @property
    def is_open(self) -> bool:
        """Whether its group or anybody may write it."""
        return bool(self.mode & _WRITE_BY_OTHERS)

    def __str__(self) -> str:
        return (
            f"owner uid {self.uid}, creator uid {self.cuid}, mode {self.mode:04o}, {self.attached} attached"
        )


def segments(root: Path, units: tuple[int, ...]) -> list[Segment] | None:
    """Those of gpsd's units and of ``units`` that exist, by unit; None where the list cannot be read."""
    try:
        lines = (root / "proc/sysvipc/shm").read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    if not lines:
        return None
    keys = {key_of(unit): unit for unit in sorted({*GPSD_UNITS, *units})}
    head = lines[0].split()
    if not set(_COLUMNS) <= set(head):
        return None
    found = []
    for line in lines[1:]:
        row = dict(zip(head, line.split(), strict=False))
        # The key is printed as a signed number.
        key = int(row.get("key", "0")) & 0xFFFFFFFF
        if key in keys and set(_COLUMNS) <= set(row):
            mode = int(row["perms"], 8) & _PERMISSIONS
            uid, cuid, maker, attached = (int(row[name]) for name in ("uid", "cuid", "cpid", "nattch"))
            found.append(Segment(keys[key], uid, cuid, mode, maker, attached))
    return sorted(found, key=lambda one: one.unit)
