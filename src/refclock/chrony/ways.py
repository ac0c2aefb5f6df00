"""The ways to chrony, as `refclock check` and `doctor` judge them: its socket, its segment, and which of
the two suits the chronyd that is installed."""

import os
import pwd
import stat
from collections.abc import Iterator

from refclock.chrony.effective import Wanted
from refclock.chrony.program import find, version, written
from refclock.chrony.rule import Rule
from refclock.errors import PortError
from refclock.finding import FAIL, WARN, Finding
from refclock.policy import GPSD_UNITS, Policy
from refclock.sinks import chrony_sock, segment

# Since this version chrony's manual calls its SHM driver deprecated.
_SOCK_PREFERRED = (4, 4)

SOCKET = Rule(
    "chrony SOCK", "24 27",
    "chronyd's own, for refclock's user to write to, and for nobody else",
    "no second reaches chrony, or anybody's do",
)  # fmt: skip


def chrony(policy: Policy) -> Iterator[Finding]:
    """Everything, in the order in which a person would look."""
    if policy.sock_path is not None:
        yield _socket(policy.sock_path)
    if policy.shm_unit is not None:
        yield _segment(policy.shm_unit)
        if policy.sock_path is not None:
            yield Finding(
                "chrony", "gets each second twice, by [sock] and [shm]", WARN,
                "keep one of them: chrony takes two for two reference clocks that agree",
            )  # fmt: skip
    if policy.sock_path is None and policy.shm_unit is None:
        yield Finding(
            "chrony", "neither socket nor unit configured: it is told nothing", WARN,
            'set [sock] path = "/run/chrony.refclock.sock" or [shm] unit = 20',
        )  # fmt: skip
    yield _chronyd(policy)


def _socket(path: str) -> Finding:
    try:
        problem = chrony_sock.judge(path)
    except PortError as error:
        # chronyd may be started later; a daemon waits for it.
        return Finding("chrony SOCK", str(error), WARN)
    if problem is not None:
        return Finding("chrony SOCK", f"{path}: {problem}", FAIL)
    if not os.access(path, os.W_OK):
        return Finding("chrony SOCK", str(chrony_sock.absent(path, 13)), FAIL)
    return Finding("chrony SOCK", f"{path}: chronyd's, and ours to write to")


def socket_for(path: str, wanted: Wanted, user: str) -> Finding:
    """Whether a socket is there, chronyd's, and to be written to by that user and root alone."""
    try:
        problem = chrony_sock.judge(path)
    except PortError as error:
        return SOCKET.unknown(str(error), "start chronyd, then ask again")
    found = os.stat(path)
    told = f"{path}: uid {found.st_uid}, gid {found.st_gid}, mode {found.st_mode & 0o777:04o}"
    if problem is not None:
        return SOCKET.bad(
            wanted, f"{told}: {problem}", "let chronyd make it, and refclock's drop-in give it away"
        )
    if not _may_write(user, found):
        return SOCKET.bad(
            wanted, f"{told}: {user} may not write to it, so no second reaches chrony",
            "`refclock install` writes a drop-in for chrony's unit that gives it away; restart chronyd",
        )  # fmt: skip
    return SOCKET.ok(told)


def _may_write(user: str, found: os.stat_result) -> bool:
    """By owner or group. A user that there is not may write nothing."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return False
    groups = os.getgrouplist(user, entry.pw_gid)
    return bool(
        (found.st_uid == entry.pw_uid and found.st_mode & stat.S_IWUSR)
        or (found.st_gid in groups and found.st_mode & stat.S_IWGRP)
    )


def _segment(unit: int) -> Finding:
    what = f"chrony SHM {unit}"
    try:
        found = segment.find(unit)
    except PortError as error:
        return Finding(what, str(error), FAIL)
    if found is not None:
        found[0].detach()
        problem = segment.judge(found[1], os.geteuid())
        if problem is not None:
            return Finding(
                what, str(segment.refusal(unit, f"found a segment with {found[1]}", problem)), FAIL
            )
    told = "free; the daemon will create it" if found is None else f"fit: {found[1]}"
    if unit in GPSD_UNITS:
        return Finding(what, f"{told}; gpsd uses units 0 to 11 too", WARN, "choose another, such as 20")
    return Finding(what, told)


def _chronyd(policy: Policy) -> Finding:
    """Which chronyd is installed. It attaches to whatever segment exists under a unit's key, so any local
    user who creates it first feeds chrony; the socket is made by chronyd itself, and by nobody else."""
    path = find("chronyd")
    if path is None:
        return Finding("chronyd", "not found", WARN, "install chrony; refclock steers no clock itself")
    try:
        numbers = version(path)
    except PortError as error:
        return Finding("chronyd", str(error), WARN)
    if numbers is None:
        return Finding("chronyd", f"{path}: does not say its version", WARN)
    told = f"{path}, version {written(numbers)}"
    if policy.shm_unit is None or policy.sock_path is not None or numbers < _SOCK_PREFERRED:
        return Finding("chronyd", told)
    return Finding(
        "chronyd", f"{told}, which calls its SHM driver deprecated: any local user who makes the segment "
        "first could feed chrony, while the socket is chronyd's own", WARN,
        'use SOCK: [sock] path = "/run/chrony.refclock.sock" here, the same path as `refclock SOCK` in '
        "chrony.conf",
    )  # fmt: skip
