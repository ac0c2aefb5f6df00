"""Programs that set or steer a system clock, by the names that they run under, and the units that start
them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from refclock.finding import FAIL, WARN

_QEMU_BLOCKS, _QEMU_ALLOWS = ("-b", "--block-rpcs", "--blacklist"), ("-a", "--allow-rpcs")
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
    """qemu-ga(8): a list of what is blocked (-b, --block-rpcs, before 8.1 --blacklist), or from 8.1 on of all
    that is allowed (-a, --allow-rpcs)."""
    words = [part for word in argv[1:] for part in word.split("=", 1)]
    for option, listed in pairwise(words):
        named = "guest-set-time" in listed.split(",")
        if (option in _QEMU_BLOCKS and named) or (option in _QEMU_ALLOWS and not named):
            return True
    return False


def _vbox_harmless(argv: tuple[str, ...]) -> bool:
    return "--disable-timesync" in argv


_OFF = "systemctl disable --now {}"
SETTERS = (
    Setter(
        names=("systemd-timesyncd",),
        units=("systemd-timesyncd.service",),
        does="an SNTP client, which steps the clock",
        mend=_OFF.format("systemd-timesyncd"),
    ),
    Setter(
        names=("ntpd", "ntpsec", "openntpd"),
        units=("ntp.service", "ntpd.service", "ntpsec.service", "openntpd.service", "ntpdate.service"),
        does="an NTP daemon, which steers and steps the clock",
        mend="remove its package, or systemctl disable --now its unit",
    ),
    Setter(
        names=("ntp-daemon", "ntpd-rs"),
        units=("ntpd-rs.service",),
        does="an NTP daemon, which steers and steps the clock",
        mend=_OFF.format("ntpd-rs"),
    ),
    Setter(
        names=("phc2sys",),
        units=("phc2sys.service", "phc2sys@.service"),
        does="makes the system clock follow a network card's",
        mend="stop it, or turn it round: -c the card's clock, -s CLOCK_REALTIME",
        harmless=_phc2sys_harmless,
    ),
    Setter(
        names=("ptp4l",),
        units=("ptp4l.service", "ptp4l@.service"),
        does="a PTP daemon that stamps in software, and so steers the system clock",
        mend="start it without -S, on a card that stamps itself",
        harmless=_ptp4l_harmless,
    ),
    Setter(
        names=("ts2phc",),
        units=("ts2phc.service", "ts2phc@.service"),
        does="steers network cards' clocks, not the system's",
        mend="do not name such a card under [phc]",
        verdict=WARN,
    ),
    Setter(
        names=("timemaster",),
        units=("timemaster.service",),
        does="starts phc2sys and a chronyd of its own",
        mend=_OFF.format("timemaster"),
    ),
    Setter(
        names=("sfptpd", "ptpd", "ptpd2"),
        units=("sfptpd.service", "ptpd.service"),
        does="a PTP daemon, which steers the clock",
        mend="stop it, and disable its unit",
    ),
    Setter(
        names=("htpdate", "tlsdated", "ntpclient", "clockspeed"),
        units=("htpdate.service", "tlsdated.service"),
        does="sets the clock from elsewhere",
        mend="stop it, and remove its package",
    ),
    Setter(
        names=("VBoxService",),
        units=("vboxadd-service.service", "virtualbox-guest-utils.service"),
        does="VirtualBox's agent, which sets the guest's clock to the host's",
        mend="start it with --disable-timesync",
        harmless=_vbox_harmless,
    ),
    Setter(
        names=("vmtoolsd",),
        units=("open-vm-tools.service", "vmtoolsd.service"),
        does="VMware's agent: it sets the clock when the host asks, after a pause at least",
        mend="vmware-toolbox-cmd timesync disable; tools.syncTime and time.synchronize.* = FALSE for it",
        verdict=WARN,
    ),
    Setter(
        names=("qemu-ga",),
        units=("qemu-guest-agent.service",),
        does="QEMU's agent: it sets the clock when the host asks",
        mend="start it with --block-rpcs=guest-set-time (--blacklist before QEMU 8.1)",
        verdict=WARN,
        harmless=_qemu_harmless,
    ),
    Setter(
        names=("prltoolsd",),
        units=("prltoolsd.service",),
        does="Parallels' agent, which sets the clock to the host's",
        mend="switch time synchronisation off for the machine",
    ),
    Setter(
        names=("waagent",),
        units=("walinuxagent.service", "waagent.service"),
        does="Azure's agent, with every privilege; the host's time itself comes through hv_utils",
        mend="see what is said of hv_utils",
        verdict=WARN,
    ),
)


def setter_of(process: str, argv: tuple[str, ...]) -> Setter | None:
    """What a process of this name and command line is known to do to clocks; None for what is not known, or
    harmless as it was started."""
    names = {process}
    if argv:
        names.add(os.path.basename(argv[0]))
        if os.path.basename(argv[0]).rstrip("0123456789.") in _INTERPRETERS:
            names |= {os.path.basename(word) for word in argv[1:4] if not word.startswith("-")}
    for setter in SETTERS:
        if any(name in names or name[:_NAME_LENGTH] in names for name in setter.names):
            return None if setter.harmless(argv) else setter
    return None
