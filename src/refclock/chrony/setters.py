"""Programs that set or steer a system clock, by the names that they run under, and the units that start
them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from refclock.chrony.processes import Process
from refclock.finding import FAIL, WARN

_INTERPRETERS = ("python", "perl", "sh", "bash", "busybox")
_NAME_LENGTH = 15  # TASK_COMM_LEN less the final NUL


@dataclass(frozen=True, slots=True)
class Setter:
    """``names`` of the program, ``units`` of systemd that start it, what it does, how bad that is beside
    chronyd, and how to be rid of it. ``harmless`` tells from its words when it does nothing to the system
    clock."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    does: str
    mend: str
    verdict: str = FAIL
    harmless: Callable[[tuple[str, ...]], bool] = lambda _argv: False


def _phc2sys_harmless(argv: tuple[str, ...]) -> bool:
    """phc2sys(8): -c names the clock that follows, the system's by default; -a takes it only with -r."""
    if "-a" in argv:
        return not any(word.startswith("-r") for word in argv)
    for word, value in pairwise(argv):
        if word == "-c":
            return value != "CLOCK_REALTIME"
    return False


def _ptp4l_harmless(argv: tuple[str, ...]) -> bool:
    """ptp4l(8) disciplines the card's clock, and the system's where it stamps in software."""
    return "-S" not in argv


def _qemu_harmless(argv: tuple[str, ...]) -> bool:
    return any("guest-set-time" in word for word in argv)


def _vbox_harmless(argv: tuple[str, ...]) -> bool:
    return "--disable-timesync" in argv


_OFF = "systemctl disable --now {}"
SETTERS = (
    Setter(
        ("systemd-timesyncd",), ("systemd-timesyncd.service",), "an SNTP client, which steps the clock",
        _OFF.format("systemd-timesyncd"),
    ),
    Setter(
        ("ntpd", "ntpsec", "openntpd"),
        ("ntp.service", "ntpd.service", "ntpsec.service", "openntpd.service", "ntpdate.service"),
        "an NTP daemon, which steers and steps the clock", "remove its package, or systemctl disable "
        "--now its unit",
    ),
    Setter(("ntp-daemon", "ntpd-rs"), ("ntpd-rs.service",), "an NTP daemon, which steers and steps the clock",
           _OFF.format("ntpd-rs")),
    Setter(("phc2sys",), ("phc2sys.service", "phc2sys@.service"), "makes the system clock follow a "
    "network card's",
           "stop it, or turn it round: -c the card's clock, -s CLOCK_REALTIME", FAIL, _phc2sys_harmless),
    Setter(("ptp4l",), ("ptp4l.service", "ptp4l@.service"), "a PTP daemon that stamps in software, and "
    "so steers the system clock", "start it without -S, on a card that stamps itself", FAIL, _ptp4l_harmless),
    Setter(("ts2phc",), ("ts2phc.service", "ts2phc@.service"), "steers network cards' clocks, not the "
    "system's",
           "do not name such a card under [phc]", WARN),
    Setter(("timemaster",), ("timemaster.service",), "starts phc2sys and a chronyd of its "
    "own", _OFF.format("timemaster")),
    Setter(("sfptpd", "ptpd", "ptpd2"), ("sfptpd.service", "ptpd.service"), "a PTP daemon, which steers "
    "the clock",
           "stop it, and disable its unit"),
    Setter(("htpdate", "tlsdated", "ntpclient", "clockspeed"), ("htpdate.service", "tlsdated.service"),
           "sets the clock from elsewhere", "stop it, and remove its package"),
    Setter(("VBoxService",), ("vboxadd-service.service", "virtualbox-guest-utils.service"),
           "VirtualBox's agent, which sets the guest's clock to the host's",
           "start it with --disable-timesync", FAIL, _vbox_harmless),
    Setter(("vmtoolsd",), ("open-vm-tools.service", "vmtoolsd.service"),
           "VMware's agent: it sets the clock when the host asks, after a pause at least",
           "vmware-toolbox-cmd timesync disable, and tools.syncTime = FALSE with all time.synchronize.* "
           "= FALSE for the machine", WARN),
    Setter(("qemu-ga",), ("qemu-guest-agent.service",), "QEMU's agent: it sets the clock when the host asks",
           "start it with --block-rpcs=guest-set-time (--blacklist before QEMU 8.1)", WARN, _qemu_harmless),
    Setter(("prltoolsd",), ("prltoolsd.service",), "Parallels' agent, which sets the clock to the host's",
           "switch time synchronisation off for the machine", FAIL),
    Setter(("waagent",), ("walinuxagent.service", "waagent.service"), "Azure's agent, with every "
    "privilege; the host's "
           "time comes through hv_utils", "see the row of hv_utils", WARN),
)  # fmt: skip


def setter_of(one: Process) -> Setter | None:
    """What a process is known to do to clocks; None for what is not known, or harmless as it was started."""
    names = {one.name}
    if one.argv:
        names.add(os.path.basename(one.argv[0]))
        if os.path.basename(one.argv[0]).rstrip("0123456789.") in _INTERPRETERS:
            names |= {os.path.basename(word) for word in one.argv[1:4] if not word.startswith("-")}
    for setter in SETTERS:
        if any(name in names or name[:_NAME_LENGTH] in names for name in setter.names):
            return None if setter.harmless(one.argv) else setter
    return None
