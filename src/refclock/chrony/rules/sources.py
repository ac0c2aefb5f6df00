"""Whom chrony listens to: refclock's own line, other reference clocks, servers, and who may add some."""

from collections.abc import Iterator

from refclock.chrony.effective import Effective, Wanted, arguments, number, way_of
from refclock.chrony.rule import Rule
from refclock.chrony.rules.wording import removal, replacement, shown
from refclock.chrony.shipped import DEFAULT_SOCKET, EXAMPLE_DOMAIN, authenticated, refclock_line
from refclock.finding import Finding
from refclock.wire.chronyconf import Directive

_INSECURE = "24 25"
_MAXUNREACH = (4, 8)
_ENOUGH, _LONGEST_POLL, _MOST_SAMPLES = 3, 6, 16
_DEFAULT_POLL = 10
_WORLD_WRITES = 0o022

REFCLOCK = Rule(
    "refclock", "24 27",
    "one line for each of refclock's daemons, without `offset`, `tai`, `local`, `noselect`, and a segment "
    "that others may not write",
    "the vetted seconds do not reach the clock as they were vetted",
)  # fmt: skip
OTHERS = Rule(
    "other refclocks", _INSECURE,
    "none but refclock's, or `noselect`",
    "a receiver that nobody vets moves the clock; one that is missing at boot ends chronyd",
)  # fmt: skip
AUTHSELECT = Rule(
    "authselectmode", _INSECURE,
    "`require`",
    "the default, `mix`, follows what is not authenticated, too",
    lenient=True,
)  # fmt: skip
NTS = Rule(
    "NTS", _INSECURE,
    "`nts` (or a symmetric `key`) on every server; a warning where `authselectmode require` passes the "
    "others over; no `nocerttimecheck`",
    "whoever is on the way to the server tells the time",
    lenient=True,
)  # fmt: skip
SERVERS = Rule(
    "servers", "24 34",
    "three or more, and no example's name",
    "no majority can outvote a wrong one",
    lenient=True,
)  # fmt: skip
MINSOURCES = Rule(
    "minsources", "24 34",
    "2 or more, and no more than there are sources",
    "one source alone moves the clock",
    lenient=True,
)  # fmt: skip
TRUST = Rule(
    "trust", "24",
    "on all sources or on none",
    "`trust` on some and `minsources` 2 together lock up: never an update",
)  # fmt: skip
STALE = Rule(
    "stale refclock", "24",
    "`maxunreach` on the refclock (from chrony 4.8 on), or `maxpoll 6 maxsamples 16` on the servers",
    "chrony goes on with a refclock that fell silent for an hour and more",
    advice=True,
)  # fmt: skip
ADDED = Rule(
    "added by others", _INSECURE,
    "no `confdir`, no `sourcedir` (Debian's file has both, one for DHCP)",
    "other packages, and whoever answers DHCP, add sources and directives",
    lenient=True,
)  # fmt: skip


def refclock(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """refclock's own lines."""
    lines = [one for one in conf.all("refclock") if wanted.ours(one)]
    ways = [way_of(one) for one in lines]
    if not lines and not wanted.ways:
        yield REFCLOCK.bad(
            wanted, "none of refclock's: vetted seconds do not reach the clock",
            f"add `{refclock_line(DEFAULT_SOCKET, conf.version)}`",
        )  # fmt: skip
    for place, way in enumerate(wanted.ways):
        if way not in ways:
            name = f"SHM {way}" if isinstance(way, int) else way
            yield REFCLOCK.bad(
                wanted, f"nothing reads {name}: vetted seconds do not reach the clock",
                f"add `{refclock_line(way, conf.version, place)}`",
            )  # fmt: skip
    for place, one in enumerate(lines):
        fault = _fault(one)
        if fault:
            its = way_of(one)
            assert its is not None  # else it would not be ours
            yield REFCLOCK.bad(
                wanted, f"{shown(one)}: {fault}", replacement(one, refclock_line(its, conf.version, place))
            )
        else:
            yield REFCLOCK.ok(shown(one))


def _fault(one: Directive) -> str:
    offset = one.option("offset")
    if offset is not None and number(offset) != 0:
        return "`offset` moves what was vetted"
    for option, told in (
        ("noselect", "it is not selected"),
        ("tai", "vetted seconds are UTC"),
        ("local", "it bypasses the selection of sources"),
    ):
        if one.has(option):
            return f"`{option}`: {told}"
    mode = one.words[1].lower().partition(":perm=")[2] if len(one.words) > 1 else ""
    if mode and (not set(mode) <= set("01234567") or int(mode, 8) & _WORLD_WRITES):
        return "anybody of its group or of this host may write the segment"
    return ""


def others(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """Reference clocks that are not refclock's."""
    found = [one for one in conf.all("refclock") if not wanted.ours(one) and not one.has("noselect")]
    for one in found:
        yield OTHERS.bad(
            wanted, f"{shown(one)}: nobody vets it", f"{removal(one)}; let refclock read that receiver"
        )
    if not found:
        yield OTHERS.ok("none")


def authselect(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """``authselectmode``."""
    one = conf.last("authselectmode")
    if one is not None and conf.requires_authentication:
        yield AUTHSELECT.ok(shown(one))
        return
    told = shown(one) if one else "absent, so mix"
    yield AUTHSELECT.bad(
        wanted,
        f"{told}: what is not authenticated is followed, too",
        replacement(one, "authselectmode require"),
    )


def nts(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """Authentication of each server."""
    servers = conf.servers()
    plain = [one for one in servers if not authenticated(one)]
    for one in plain:
        if conf.requires_authentication:
            yield NTS.warn(f"{shown(one)}: not authenticated, and so never followed", _with_nts(one))
        else:
            yield NTS.bad(wanted, f"{shown(one)}: not authenticated", _with_nts(one))
    unchecked = conf.last("nocerttimecheck")
    if unchecked is not None:
        yield NTS.bad(wanted, f"{shown(unchecked)}: expired certificates pass", removal(unchecked))
    if not plain and unchecked is None:
        yield NTS.ok(
            f"{len(servers)} of {len(servers)} servers are authenticated" if servers else "no servers"
        )


def _with_nts(one: Directive) -> str:
    if one.name == "peer":
        return f"{removal(one)}: a peer cannot have NTS; name a `server` that has"
    return f"name a server that offers NTS, and write `nts` behind it, or {removal(one)}"


def servers(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """How many, and whether they are real. A pool stands for as many as it may bring."""
    found = conf.servers()
    examples = [one for one in found if one.words and one.words[0].lower().endswith(EXAMPLE_DOMAIN)]
    if examples:
        names = ", ".join(one.words[0] for one in examples)
        yield SERVERS.warn(
            f"{names}: names of an example, which nobody answers to", "put your servers in their place"
        )
    count = sum(map(_worth, _selectable(conf)))
    if count < _ENOUGH:
        yield SERVERS.bad(
            wanted, f"{count}: no majority can outvote a wrong one",
            f"name at least {_ENOUGH} with NTS, of different owners, none of which follows this host",
        )  # fmt: skip
    elif not examples:
        yield SERVERS.ok(
            f"{count}" if all(one.name != "pool" for one in found) else f"up to {count}, with a pool"
        )


def _selectable(conf: Effective) -> list[Directive]:
    """The servers that chrony follows, authenticated where it requires that."""
    return [one for one in conf.servers() if authenticated(one) or not conf.requires_authentication]


def _worth(one: Directive) -> int:
    if one.name != "pool":
        return 1
    most = number(one.option("maxsources") or "4")
    return 4 if most is None else int(most)


def minsources(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """``minsources``."""
    one = conf.last("minsources")
    value = next(arguments(one), None) if one else None
    least = 1 if value is None else int(value)
    usable = sum(map(_worth, _selectable(conf)))
    usable += sum(1 for each in conf.all("refclock") if not each.has("noselect"))
    if least < 2:
        told = shown(one) if one else "absent, so 1"
        yield MINSOURCES.bad(
            wanted, f"{told}: one source alone moves the clock", replacement(one, "minsources 2")
        )
    elif usable < least:
        yield MINSOURCES.bad(
            wanted, f"{least}, but only {usable} can be selected: the clock is never corrected",
            "name more servers with NTS",
        )  # fmt: skip
    else:
        yield MINSOURCES.ok(f"{least} of up to {usable}")


def trust(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """``trust`` on some sources only."""
    found = [*conf.servers(), *(one for one in conf.all("refclock") if not one.has("noselect"))]
    trusted = [one for one in found if one.has("trust")]
    one = conf.last("minsources")
    least = next(arguments(one), None) if one else None
    if not trusted or len(trusted) == len(found):
        yield TRUST.ok("on all sources" if trusted else "on none")
    elif least is not None and least >= 2 and sum(map(_worth, trusted)) < least:
        yield TRUST.bad(
            wanted, f"on {len(trusted)} of {len(found)} sources, and minsources {least:f}: the clock is "
            "never corrected once they disagree", "write `trust` on all sources or on none",
        )  # fmt: skip
    else:
        yield TRUST.warn(
            f"on {len(trusted)} of {len(found)} sources: the others have no say",
            "write `trust` on all or on none",
        )


def stale(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """What makes chrony let go of a reference clock that fell silent."""
    clocks = [one for one in conf.all("refclock") if not one.has("noselect")]
    if not clocks or all(one.option("maxunreach") is not None for one in clocks):
        yield STALE.ok("maxunreach is set" if clocks else "no refclock")
        return
    slow = [one for one in conf.servers() if not _quick(one)]
    if not slow:
        yield STALE.ok(f"servers have maxpoll {_LONGEST_POLL} and maxsamples {_MOST_SAMPLES} at most")
        return
    one = slow[0]
    if conf.at_least(*_MAXUNREACH):
        mend = "write `maxunreach 8` on the refclock"
    else:
        mend = f"write `maxpoll {_LONGEST_POLL} maxsamples {_MOST_SAMPLES}` on each server"
    yield STALE.bad(
        wanted, f"{shown(one)}: its samples reach far back, so a refclock that fell silent stays "
        "selected for an hour and more", mend,
    )  # fmt: skip


def _quick(one: Directive) -> bool:
    poll, samples = (
        number(one.option("maxpoll") or str(_DEFAULT_POLL)),
        number(one.option("maxsamples") or "64"),
    )
    return poll is not None and samples is not None and poll <= _LONGEST_POLL and 0 < samples <= _MOST_SAMPLES


def added(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """Directories from which others add to the configuration."""
    found = [one for one in conf.written if one.name in ("confdir", "sourcedir")]
    if not found:
        yield ADDED.ok("nothing: no confdir, no sourcedir")
    for one in found:
        by_dhcp = any("dhcp" in word for word in one.words)
        whose = "whoever answers DHCP adds" if by_dhcp else "other packages add"
        what = "servers" if one.name == "sourcedir" else "directives"
        yield ADDED.bad(wanted, f"{shown(one)}: {whose} {what}", removal(one))
