"""Every rule on chrony's configuration, in the order in which they are told."""

from collections.abc import Callable, Iterator

from refclock.chrony.effective import SOURCES, Effective, Wanted
from refclock.chrony.rule import Rule
from refclock.chrony.rules import access, clocks, rates, sources, steps
from refclock.finding import Finding

RULES: tuple[tuple[Rule, Callable[[Effective, Wanted], Iterator[Finding]]], ...] = (
    (steps.COMMAND, steps.command),
    (steps.MAKESTEP, steps.makestep),
    (steps.INITSTEPSLEW, steps.initstepslew),
    (steps.LEAPSECMODE, steps.leapsecmode),
    (rates.RATE, rates.rate),
    (rates.MAXCHANGE, rates.maxchange),
    (sources.REFCLOCK, sources.refclock),
    (sources.OTHERS, sources.others),
    (sources.AUTHSELECT, sources.authselect),
    (sources.NTS, sources.nts),
    (sources.SERVERS, sources.servers),
    (sources.MINSOURCES, sources.minsources),
    (sources.TRUST, sources.trust),
    (sources.STALE, sources.stale),
    (sources.ADDED, sources.added),
    (clocks.LEAPS, clocks.leaps),
    (clocks.RTCSYNC, clocks.rtcsync),
    (clocks.RTCFILE, clocks.rtcfile),
    (clocks.LOCAL, clocks.local),
    (steps.MANUAL, steps.manual),
    (clocks.SMOOTHTIME, clocks.smoothtime),
    (clocks.ALLOW, clocks.allow),
    (access.COMMANDS, access.commands),
    (access.USER, access.user),
)

# The directives that rules look at, or that the shipped configuration sets: none of them is kept as it is.
JUDGED = frozenset(SOURCES) | {
    "allow", "authselectmode", "bindcmdaddress", "cmdallow", "confdir", "corrtimeratio", "fallbackdrift",
    "include",
    "initstepslew", "leapseclist", "leapsecmode", "leapsectz", "local", "makestep", "manual", "maxchange",
    "maxclockerror", "maxdistance", "maxdrift", "maxjitter", "maxslewrate", "maxupdateskew", "minsources",
    "nocerttimecheck", "refclock", "rtcautotrim", "rtcfile", "rtcsync", "smoothtime", "sourcedir", "user",
}  # fmt: skip


def judge(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """Every row."""
    for _, rows in RULES:
        yield from rows(conf, wanted)
