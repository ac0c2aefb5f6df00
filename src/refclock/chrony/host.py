"""What else of this host sets clocks or feeds chrony: processes, units, jobs, the RTC's writers, segments."""

import os
import pwd
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from refclock.chrony import commandline, jobs, unit
from refclock.chrony.effective import Effective, Wanted, way_of
from refclock.chrony.processes import Process, sees_all
from refclock.chrony.rule import Rule
from refclock.chrony.segments import segments
from refclock.chrony.setters import SETTERS, setter_of
from refclock.finding import FAIL, Finding
from refclock.wire.shm import key_of

_NO_STEP = "26 29"
_RIVALS_SHOWN = 6
_HV_UTILS = "hv_utils"
_ROOT_UID = 0
# Options with which chronyd touches no clock.
_PASSIVE = frozenset("xQp")

OTHER_SETTERS = Rule(
    "other clock setters", _NO_STEP,
    "chronyd alone: no timesyncd, ntpd, phc2sys, no agent of the virtual machine's host, no second chronyd",
    "two that steer fight; most of them step",
)  # fmt: skip
GRANTED = Rule(
    "CAP_SYS_TIME", _NO_STEP,
    "chronyd alone, besides what has every privilege",
    "who holds it can set the clock",
    advice=True,
)  # fmt: skip
ENABLED = Rule(
    "enabled units", _NO_STEP,
    "no unit that starts another clock setter",
    "it runs after the next boot",
    advice=True,
)  # fmt: skip
JOBS = Rule(
    "jobs", "6 26",
    "none that runs ntpdate, `hwclock --hctosys`, `date -s`, `chronyc makestep` and the like, from cron, a "
    "timer, at the start or with the network",
    "it sets the clock beside chrony",
)  # fmt: skip
RTC_WRITERS = Rule(
    "RTC's writers", "34",
    "no `hwclock --systohc` from cron or a unit",
    "the RTC then repeats the system clock, and is no witness",
    advice=True,
)  # fmt: skip
SEGMENTS = Rule(
    "SHM segments", "24 25",
    "chrony's units belong to refclock's user or root, mode 0600; none of gpsd's (0 to 11)",
    "any local user may feed chrony",
)  # fmt: skip
UNIT = Rule(
    "chrony's unit", _NO_STEP,
    "`Restart=` is on",
    "killed in mid-slew, chronyd leaves its slew in the kernel: at the default rate 2 h a day, until "
    "somebody starts it again",
    advice=True,
)  # fmt: skip


def host(
    root: Path, wanted: Wanted, conf: Effective | None, running: Sequence[Process], users: frozenset[int]
) -> Iterator[Finding]:
    """Everything of the host itself. ``users`` are the uids that may own chrony's segments."""
    yield from _setters(root, wanted, running)
    yield from _enabled(root, running)
    yield from _jobs(root, wanted)
    yield from _segments(root, wanted, conf, users)
    yield from _unit(root, wanted)


def chronyds(running: Sequence[Process]) -> list[Process]:
    """The chronyds that steer a clock, or would: those with -x, -Q or -p do not, nor does a chronyd's own
    child, which looks names up where system calls are filtered (-F)."""
    found = [one for one in running if one.name == "chronyd" and one.sets_clocks and not _passive(one.argv)]
    pids = {one.pid for one in found}
    return [one for one in found if one.parent not in pids]


def _passive(argv: tuple[str, ...]) -> bool:
    return bool(commandline.parse(argv, "").flags & _PASSIVE)


def _setters(root: Path, wanted: Wanted, running: Sequence[Process]) -> Iterator[Finding]:
    able = [one for one in running if one.sets_clocks and one.name != "chronyd"]
    known = [(one, setter) for one in able if (setter := setter_of(one.name, one.argv)) is not None]
    for one, setter in known:
        told = f"{one}: {setter.does}"
        if setter.verdict == FAIL:
            yield OTHER_SETTERS.bad(wanted, told, setter.mend)
        else:
            yield OTHER_SETTERS.warn(told, setter.mend)
    steering = chronyds(running)
    if len(steering) > 1:
        names = ", ".join(map(str, steering))
        yield OTHER_SETTERS.bad(
            wanted, f"{len(steering)} chronyds: {names}", "keep one; start others with -x"
        )
    if os.path.isdir(root / "sys/module" / _HV_UTILS):
        yield OTHER_SETTERS.warn(
            "hv_utils is loaded: Hyper-V and Azure set the guest's clock after a pause and at boot",
            "switch the machine's time synchronisation service off",
        )
    if not sees_all(root):
        yield OTHER_SETTERS.unknown("other users' processes are hidden from this user", "run it as root")
    elif not known and len(steering) <= 1:
        yield OTHER_SETTERS.ok("none of those that are known")
    yield from _granted([one for one in able if not any(one is each for each, _ in known)])


def _granted(able: Sequence[Process]) -> Iterator[Finding]:
    mighty = [one for one in able if one.is_mighty]
    for one in able:
        if one.container and one.is_mighty:
            told = f"{one}, in a container ({one.container}) that is privileged: it can set the host's clock"
            yield GRANTED.warn(told, "run the container without --privileged and without SYS_TIME")
        elif not one.is_mighty:
            where = f", in a container ({one.container})" if one.container else ""
            yield GRANTED.warn(
                f"{one}{where} was given CAP_SYS_TIME, uid {one.uid}",
                "take it away (setcap, AmbientCapabilities=), unless it must set the clock",
            )
    names = sorted({one.name for one in mighty if not one.container})
    if names:
        shown = ", ".join(names[:_RIVALS_SHOWN]) + (" ..." if len(names) > _RIVALS_SHOWN else "")
        yield GRANTED.ok(f"{len(names)} programs have it with every other privilege: {shown}")
    elif not able:
        yield GRANTED.ok("nobody but chronyd")


def _enabled(root: Path, running: Sequence[Process]) -> Iterator[Finding]:
    """Units that are enabled; what runs was told above."""
    told = {id(setter) for one in running if (setter := setter_of(one.name, one.argv)) is not None}
    names = unit.enabled(root)
    found = [
        (name, setter)
        for setter in SETTERS
        if setter.verdict == FAIL and id(setter) not in told
        for pattern in setter.units
        for name in sorted(names)
        if fnmatchcase(name, pattern.replace("@.", "@*."))
    ]
    for name, setter in found:
        yield ENABLED.warn(f"{name} is enabled: {setter.does}", f"systemctl disable {name}")
    if not found:
        yield ENABLED.ok("none of those that are known")


def _jobs(root: Path, wanted: Wanted) -> Iterator[Finding]:
    found, closed = jobs.jobs(root)
    for one in found:
        told = f"{one.place}: `{one.line[:60]}` {one.does}"
        if one.does == jobs.SETS:
            yield JOBS.bad(wanted, told, f"remove {one.place}, or what it belongs to")
        elif one.does == jobs.RESTORES:
            yield JOBS.warn(told, "remove it where the host has a battery clock")
        else:
            yield RTC_WRITERS.bad(
                wanted, told, f"remove {one.place}; refclock reads the RTC, and nobody writes it"
            )
    if closed:
        yield JOBS.unknown(f"{', '.join(closed)}: may not be read by this user", "run it as root")
    elif not any(one.does != jobs.WRITES_RTC for one in found):
        yield JOBS.ok("none")
    if not any(one.does == jobs.WRITES_RTC for one in found):
        yield RTC_WRITERS.ok("no job writes it")


def _segments(root: Path, wanted: Wanted, conf: Effective | None, users: frozenset[int]) -> Iterator[Finding]:
    lines = conf.all("refclock") if conf else ()
    read = {way for one in lines if isinstance(way := way_of(one), int)}
    units = tuple(sorted(read | set(wanted.units)))
    found = segments(root, units)
    if found is None:
        yield SEGMENTS.unknown(
            "/proc/sysvipc/shm cannot be read", "see with `ipcs -m` as root whose they are"
        )
        return
    good = []
    for one in found:
        if one.unit not in units:
            if one.is_open:
                yield SEGMENTS.ok(f"unit {one.unit}: {one}; gpsd's, and chrony does not read it")
            continue
        if one.is_open or one.uid not in users or one.cuid not in users:
            yield SEGMENTS.bad(
                wanted, f"unit {one.unit}, which chrony reads: {one}: others may feed chrony",
                f"stop process {one.maker} or what it belonged to, `ipcrm -M 0x{key_of(one.unit):08x}`, and "
                "start refclock-shm.service before chronyd",
            )  # fmt: skip
        else:
            good.append(one)
    for one in good:
        yield SEGMENTS.ok(f"unit {one.unit}: {one}")
    if not found:
        yield SEGMENTS.ok("none" if not units else f"unit {', '.join(map(str, units))}: not there yet")


def _unit(root: Path, wanted: Wanted) -> Iterator[Finding]:
    found = unit.chrony_unit(root)
    if found is None:
        yield UNIT.unknown(
            "no unit of systemd's starts chronyd here", "see that whatever starts it restarts it"
        )
        return
    restart = found.last("Restart") or "no"
    if restart in ("always", "on-failure", "on-abnormal", "on-abort"):
        yield UNIT.ok(f"{found.name}: Restart={restart}")
    else:
        yield UNIT.bad(
            wanted, f"{found.name}: Restart={restart}: killed in mid-slew, chronyd leaves its slew in the "
            "kernel until somebody starts it again",
            f"`systemctl edit {found.name}`: [Service] Restart=on-failure; `refclock install` does so",
        )  # fmt: skip
    if found.yes("PrivateIPC"):
        yield UNIT.warn(
            f"{found.name}: PrivateIPC=yes hides refclock's segment from chronyd", "PrivateIPC=no, or SOCK"
        )


def owners(names: Sequence[str]) -> frozenset[int]:
    """The uids of root and of these users, as far as the host has them."""
    found = {_ROOT_UID}
    for name in names:
        try:
            found.add(pwd.getpwnam(name).pw_uid)
        except KeyError:
            continue
    return frozenset(found)
