"""What the running chronyd does, as chronyc tells it, against what its configuration says."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from refclock.chrony import program
from refclock.chrony.effective import SOURCES, Effective, Wanted
from refclock.chrony.processes import Process
from refclock.chrony.rule import Rule
from refclock.chrony.shipped import RATES
from refclock.errors import PortError
from refclock.finding import Finding
from refclock.units import NS_PER_S, show_ns
from refclock.wire import chronyc
from refclock.wire.chronyc import SourceState
from refclock.wire.chronyconf import Directive

# Eight missed polls empty the register.
_POLLS, _DEFAULT_POLL = 8, 4
_POLL = re.compile(r"[0-9]{1,2}")
_NOT_SYNCHRONISED = 3
_PPB_PER_PPM = 1000
_OTHERS, _GROUP = 0o007, 0o070
_COMMAND_SOCKET = "/run/chrony/chronyd.sock"

CHRONYD = Rule(
    "chronyd", "26 29",
    "runs, since its configuration was last changed",
    "nobody steers the clock, or by other rules than those that stand in the file",
    advice=True,
)  # fmt: skip
TRACKING = Rule(
    "tracking", "24 27",
    "synchronised, within 1 s, the oscillator within the profile's `maxdrift`",
    "the clock strays, or chrony cannot follow it",
    advice=True,
)  # fmt: skip
HEARD = Rule(
    "refclock heard", "24 27",
    "chrony has refclock's line, hears it, and has not kept a silent one selected",
    "the vetted seconds do not move the clock",
    advice=True,
)  # fmt: skip
LIVE_SOURCES = Rule(
    "live sources", "24 25",
    "those of the configuration, each authenticated",
    "`chronyc add` and DHCP bring servers that no file names",
    lenient=True,
)  # fmt: skip
COMMAND_SOCKET = Rule(
    "command socket", "6 26",
    "its directory is closed to all but root and chronyd's user",
    "who may write to it may step the clock (`chronyc makestep`, `settime`)",
)  # fmt: skip


def live(
    chronyc_command: Sequence[str],
    wanted: Wanted,
    conf: Effective | None,
    running: Sequence[Process],
    seen: bool,
) -> Iterator[Finding]:
    """Everything that chronyc tells. ``running`` are the chronyds that steer; ``seen``: all processes are."""
    yield from _running(running, conf, seen)
    try:
        text = _asked(chronyc_command, "-n", "tracking", "sources", "sourcestats")
    except PortError as error:
        yield TRACKING.unknown(
            f"{error}; so neither tracking nor sources are known",
            "start chronyd; `systemctl status chrony` tells why it does not answer",
        )
        return
    sources = chronyc.parse_sources(text)
    yield _tracking(text, wanted)
    if conf is not None:
        yield from _heard(text, sources, wanted, conf)
    yield from _sources(chronyc_command, sources, wanted, conf)


def _asked(command: Sequence[str], names: str, *words: str) -> str:
    answer = program.run([*command, "-c", names, "-m", *words])
    if not answer.well:
        told = next((line for line in (answer.text + answer.trouble).splitlines() if line.strip()), "nothing")
        raise PortError(f"chronyc says: {told[:100]}")
    return answer.text


def _running(running: Sequence[Process], conf: Effective | None, seen: bool) -> Iterator[Finding]:
    if not running and not seen:
        yield CHRONYD.unknown("other users' processes are hidden from this user", "run it as root")
    elif not running:
        yield CHRONYD.unknown(
            "none that steers the clock runs",
            "start chronyd, then ask again",
        )
    for one in running:
        later = [
            path
            for path in (conf.files if conf else ())
            if one.started_s and _changed_s(path) > one.started_s
        ]
        if later:
            yield CHRONYD.warn(
                f"{one} is older than {', '.join(later)}: it may go by other rules", "restart it"
            )
        else:
            yield CHRONYD.ok(f"{one} runs")


def _changed_s(path: str) -> int:
    try:
        return int(os.stat(path).st_mtime)
    except OSError:
        return 0


def _tracking(text: str, wanted: Wanted) -> Finding:
    now = chronyc.parse_tracking(text)
    if now is None:
        return TRACKING.unknown("chronyc's answer cannot be read", "see `chronyc tracking`")
    largest = RATES[wanted.profile].maxdrift
    told = f"follows {now.name or 'nothing'}, stratum {now.stratum}; the clock is {_way(now.slow_ns)}"
    if now.leap == _NOT_SYNCHRONISED:
        return TRACKING.warn(
            "not synchronised: chrony follows nobody", "see `chronyc sources`; refclock status"
        )
    if abs(now.slow_ns) > NS_PER_S:
        return TRACKING.warn(
            told, "wait until it is slewed; where it must go back, `refclock setback` leads through it"
        )
    if abs(now.fast_ppb) > largest * _PPB_PER_PPM:
        return TRACKING.warn(
            f"{told}; its oscillator is {abs(now.fast_ppb) // _PPB_PER_PPM} ppm off, and `maxdrift "
            f"{largest}` would not cover that", "see whether the machine's counter is right (refclock check)",
        )  # fmt: skip
    return TRACKING.ok(told)


def _way(slow_ns: int) -> str:
    if not slow_ns:
        return "where chrony wants it"
    return f"{show_ns(abs(slow_ns)).lstrip('+')} {'slow' if slow_ns > 0 else 'fast'}"


def refids(conf: Effective) -> list[tuple[Directive, str]]:
    """Each refclock with its reference id: as given, or the driver's first letters and a number
    (chrony.conf(5), refid)."""
    return [
        (one, one.option("refid") or f"{one.words[0][:3].upper() if one.words else ''}{number}")
        for number, one in enumerate(conf.all("refclock"))
    ]


def _heard(text: str, sources: Sequence[SourceState], wanted: Wanted, conf: Effective) -> Iterator[Finding]:
    spreads = chronyc.parse_deviations(text)
    states = {one.name: one for one in sources if one.mode == "#"}
    named = refids(conf)
    for directive, refid in named:
        if not wanted.ours(directive):
            continue
        if sum(other == refid for _, other in named) > 1:
            yield HEARD.warn(
                f"{refid}: several refclocks have this reference id, and cannot be told apart",
                f"give the one at {directive.place} a `refid` of its own",
            )
            continue
        state = states.get(refid)
        if state is None:
            yield HEARD.warn(f"the running chronyd has no refclock {refid}", "restart chronyd")
            continue
        poll = directive.option("poll") or ""
        longest_s = _POLLS << (int(poll) if _POLL.fullmatch(poll) else _DEFAULT_POLL)
        samples, spread_ns = spreads.get(refid, (0, 0))
        kept = f", {samples} samples within {show_ns(spread_ns).lstrip('+')}" if samples else ""
        age = "no sample yet" if state.age_s is None else f"last sample {state.age_s} s ago"
        told = f"{refid}: state {state.state}, reach {state.reach:o}, {age}{kept}"
        silent = state.reach == 0 or state.age_s is None or state.age_s > longest_s
        if silent and state.state in ("*", "+"):
            yield HEARD.warn(
                f"{told}: it fell silent, and chrony goes on with it", "refclock status says why it is "
                "withheld; the row `stale refclock` has what makes chrony let go",
            )  # fmt: skip
        elif silent:
            yield HEARD.warn(
                f"{told}: nothing comes",
                "refclock status says whether it publishes, refclock check whether it may write",
            )
        elif state.state == "x":
            yield HEARD.warn(
                f"{told}: the other sources outvote it",
                "find out who is right: refclock status, chronyc sources",
            )
        elif abs(state.ahead_ns) > NS_PER_S:
            yield HEARD.warn(
                f"{told}: it is {show_ns(-state.ahead_ns)} from the clock, which `maxchange 1 0 -1` "
                f"ignores for ever",
                "find out who is right; where the clock must go back, `refclock setback` leads through it",
            )
        else:
            yield HEARD.ok(told)


def _sources(
    command: Sequence[str], sources: Sequence[SourceState], wanted: Wanted, conf: Effective | None
) -> Iterator[Finding]:
    servers = [one for one in sources if one.mode != "#"]
    faults = []
    try:
        named = [one for one in chronyc.parse_sources(_asked(command, "-N", "sources")) if one.mode != "#"]
    except PortError:
        named = []  # before chrony 4.0 there is no -N
    known = {one.words[0].lower() for one in conf.all(*SOURCES) if one.words} if conf else set()
    for state, name in zip(servers, named, strict=False):
        if conf is not None and not {name.name.lower(), state.name.lower()} & known:
            faults.append(state.name)
            yield LIVE_SOURCES.bad(
                wanted,
                f"{name.name} was added while chronyd runs",
                f"`chronyc delete {state.name}`; find out who adds it",
            )
    if conf is not None and conf.requires_authentication:
        told = f"{len(servers)} servers; chrony selects none that is not authenticated"
    else:
        try:
            vouched = chronyc.parse_authdata(_asked(command, "-n", "authdata"))
        except PortError as error:
            yield LIVE_SOURCES.unknown(
                f"who is authenticated is told to root alone ({error})",
                "run it as root, or set `authselectmode require`",
            )
            return
        plain = [state.name for state in servers if not vouched.get(state.name, False) and state.selectable]
        if plain:
            faults += plain
            yield LIVE_SOURCES.bad(
                wanted,
                f"{', '.join(plain)}: not authenticated, and chrony may follow them",
                "`authselectmode require`",
            )
        told = f"{len(servers)} servers, all that can be selected authenticated"
    if not faults:
        yield LIVE_SOURCES.ok(told)


def command_socket(root: Path, wanted: Wanted, conf: Effective | None) -> Iterator[Finding]:
    """The directory of chronyd's command socket."""
    named = [one.words[0] for one in conf.all("bindcmdaddress") if one.words] if conf else []
    path = next((name for name in reversed(named) if name.startswith("/")), _COMMAND_SOCKET)
    directory = root / os.path.dirname(path).lstrip("/")
    try:
        found = directory.stat()
    except FileNotFoundError:
        yield COMMAND_SOCKET.ok(f"{directory} is not there")
        return
    except OSError as error:
        yield COMMAND_SOCKET.unknown(f"{directory}: {error.strerror}", "run it as root")
        return
    told = f"{directory}: uid {found.st_uid}, gid {found.st_gid}, mode {found.st_mode & 0o777:04o}"
    if found.st_mode & _OTHERS:
        yield COMMAND_SOCKET.bad(wanted, f"{told}: others may command chronyd", f"chmod 0700 {directory}")
    elif found.st_mode & _GROUP:
        yield COMMAND_SOCKET.warn(
            f"{told}: whoever is in that group may step the clock", f"chmod 0700 {directory}"
        )
    else:
        yield COMMAND_SOCKET.ok(told)
