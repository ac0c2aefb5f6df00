"""The battery clock, leap seconds' source, and whom this host gives the time to."""

from collections.abc import Iterator

from refclock.chrony.effective import Effective, Wanted
from refclock.chrony.rule import Rule
from refclock.chrony.rules.wording import removal, replacement, shown, unless_explained
from refclock.finding import FAIL, WARN, Finding

RTCSYNC = Rule(
    "rtcsync", "34",
    "absent, also `rtcautotrim`",
    "the kernel then copies the system clock into the RTC each 11 minutes, which therefore is no witness; "
    "a failure where the RTC is configured as one",
)  # fmt: skip
RTCFILE = Rule(
    "rtcfile", "34",
    "absent; likewise a refclock with the driver RTC",
    "chronyd holds /dev/rtc for itself; refclock reads the RTC through sysfs, hwclock cannot",
    advice=True,
)  # fmt: skip
LEAPS = Rule(
    "leap seconds", "24 26",
    "`leapsectz right/UTC`, or `leapseclist` from chrony 4.6 on",
    "whoever answers announces one otherwise",
    lenient=True,
)  # fmt: skip
LOCAL = Rule(
    "local", "23 24",
    "absent unless explained",
    "chronyd then gives out its own free-running clock as the time",
    lenient=True,
)  # fmt: skip
SMOOTHTIME = Rule(
    "smoothtime", "23",
    "absent unless explained",
    "clients get another time than this host has",
    lenient=True,
)  # fmt: skip
ALLOW = Rule(
    "allow", "23",
    "absent unless explained",
    "the host serves time to others, on UDP port 123",
    lenient=True,
)  # fmt: skip


def rtcsync(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """``rtcsync`` and ``rtcautotrim``."""
    found = conf.all("rtcsync", "rtcautotrim")
    if not found:
        yield RTCSYNC.ok("absent")
        return
    told = f"{shown(found[0])}: the system clock is written into the RTC"
    if wanted.rtc:
        yield Finding(
            RTCSYNC.name, f"{told}, which is configured as a witness", FAIL, removal(*found), RTCSYNC.clause
        )
    else:
        yield Finding(RTCSYNC.name, f"{told}, which is no witness", WARN, removal(*found), RTCSYNC.clause)


def rtcfile(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """What holds /dev/rtc."""
    found = [*conf.all("rtcfile")]
    found += [one for one in conf.all("refclock") if one.words and one.words[0].upper() == "RTC"]
    if not found:
        yield RTCFILE.ok("absent")
        return
    yield RTCFILE.bad(wanted, f"{shown(found[0])}: chronyd holds the RTC for itself", removal(*found))


def leaps(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """Where leap seconds are announced."""
    zone, listed = conf.last("leapsectz"), conf.last("leapseclist")
    if listed is not None:
        yield LEAPS.ok(shown(listed))
    elif zone is not None and zone.words and zone.words[0].startswith("right/"):
        yield LEAPS.ok(shown(zone))
    else:
        told = (
            "absent: whoever answers announces them" if zone is None else f"{shown(zone)} has no leap seconds"
        )
        yield LEAPS.bad(wanted, told, replacement(zone, "leapsectz right/UTC"))


def local(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """``local``."""
    told = "a clock that nobody vouches for is given out as the time"
    yield from unless_explained(LOCAL, "local", told, conf, wanted)


def smoothtime(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """``smoothtime``."""
    told = "clients get another time than this host has"
    yield from unless_explained(SMOOTHTIME, "smoothtime", told, conf, wanted)


def allow(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """``allow``."""
    yield from unless_explained(ALLOW, "allow", "this host serves time to others", conf, wanted)
