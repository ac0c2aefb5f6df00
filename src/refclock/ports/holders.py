"""Who else has a device open: /proc/PID/fd (proc(5)), as far as we may look."""

import os
from dataclasses import dataclass

# ldattach(8) keeps the line open to carry the PPS line discipline; it reads no bytes and must stay, or
# the pulse on the DCD pin of the very same line goes away.
_HARMLESS = frozenset({"ldattach"})


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a device open."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def holders(device: str) -> list[Holder]:
    """The other processes that have ``device`` open, by pid; ldattach and ourselves do not count.

    Without privilege only our own user's processes can be looked into; the others are passed over, so an
    empty list is no proof. Links are read, not followed: a stat of some other process's file could hang
    on a dead network mount. Only a link of the right name is followed, to tell two /dev apart.
    """
    target = os.path.realpath(device)
    try:
        wanted = os.stat(target).st_rdev
    except OSError:
        return []
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid() and _holds(f"/proc/{entry}/fd", target, wanted):
            holder = Holder(int(entry), _name(entry))
            if holder.name not in _HARMLESS:
                found.append(holder)
    return sorted(found, key=lambda holder: holder.pid)


def _holds(directory: str, target: str, wanted: int) -> bool:
    try:
        numbers = os.listdir(directory)
    except OSError:  # not ours to see, or gone by now
        return False
    for number in numbers:
        link = f"{directory}/{number}"
        try:
            if os.readlink(link) == target and os.stat(link).st_rdev == wanted:
                return True
        except OSError:  # closed by now
            continue
    return False


def _name(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "a process that just ended"
