"""The host's processes, as far as setting clocks goes: /proc/PID (proc(5)), below a root of the caller's."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

# linux/capability.h
CAP_SYS_ADMIN, CAP_SYS_TIME = 21, 25
_KTHREADD = 2
# Of cgroup paths, as container engines make them.
_CONTAINER = re.compile(
    r"(docker)[-/][0-9a-f]{12}|(kubepods)|(libpod)-|(crio)-|(cri-containerd)|(lxc)(?:\.payload|/)|(machine)\.slice"
)


@dataclass(frozen=True, slots=True)
class Process:
    """One process. ``name`` is the kernel's, of 15 letters at most; ``argv`` may be empty. ``capabilities``
    is the effective set. ``container`` names the engine whose cgroup it is in, or is empty. ``foreign``: in
    a user namespace of its own, where CAP_SYS_TIME sets no clock (user_namespaces(7)). ``started_s``: POSIX
    second."""

    pid: int
    name: str
    argv: tuple[str, ...]
    uid: int
    capabilities: int
    container: str = ""
    foreign: bool = False
    started_s: int = 0
    parent: int = 0

    @property
    def sets_clocks(self) -> bool:
        """Whether the kernel would let it."""
        return bool(self.capabilities >> CAP_SYS_TIME & 1) and not self.foreign

    @property
    def is_mighty(self) -> bool:
        """Root with everything, as many daemons are: it could grant itself any capability."""
        return bool(self.capabilities >> CAP_SYS_ADMIN & 1)

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def processes(root: Path) -> list[Process]:
    """Every process that can be seen, by pid; the kernel's own threads are left out."""
    proc, found = root / "proc", []
    try:
        names = os.listdir(proc)
    except OSError:
        return []
    boot_s, ours = _boot_s(proc), _namespace(proc / "1")
    for name in names:
        if name.isdigit():
            one = _read(proc / name, boot_s, ours)
            if one is not None:
                found.append(one)
    return sorted(found, key=lambda one: one.pid)


def sees_all(root: Path) -> bool:
    """Whether other users' processes can be seen (proc(5), hidepid; systemd, ProtectProc=)."""
    return os.access(root / "proc/1/status", os.R_OK)


def _read(place: Path, boot_s: int, ours: str) -> Process | None:
    try:
        status = (place / "status").read_text("utf-8", "replace")
        argv = (place / "cmdline").read_bytes()
    except OSError:  # it ended
        return None
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    parent = _number(fields.get("PPid"))
    if _KTHREADD in (int(place.name), parent):
        return None
    theirs = _namespace(place)
    return Process(
        int(place.name),
        fields.get("Name", "?").strip(),
        tuple(word.decode("utf-8", "replace") for word in argv.rstrip(b"\0").split(b"\0") if argv),
        _number((fields.get("Uid") or "0").split()[0]),
        int(fields.get("CapEff", "0"), 16),
        _container(place),
        bool(theirs and ours and theirs != ours),
        boot_s + _ticks(place) // os.sysconf("SC_CLK_TCK") if boot_s else 0,
        parent,
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.strip().isdigit() else 0


def _namespace(place: Path) -> str:
    """Empty where we may not look: it then counts as the host's."""
    try:
        return os.readlink(place / "ns/user")
    except OSError:
        return ""


def _container(place: Path) -> str:
    try:
        found = _CONTAINER.search((place / "cgroup").read_text("utf-8", "replace"))
    except OSError:
        return ""
    return next(filter(None, found.groups())) if found else ""


def _ticks(place: Path) -> int:
    """When it started, in clock ticks since the boot: field 22 of stat, behind the name in parentheses."""
    try:
        fields = (place / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return int(fields[19])
    except (OSError, ValueError, IndexError):
        return 0


def _boot_s(proc: Path) -> int:
    try:
        found = re.search(r"^btime (\d+)$", (proc / "stat").read_text("ascii", "replace"), re.M)
    except OSError:
        return 0
    return int(found[1]) if found else 0
