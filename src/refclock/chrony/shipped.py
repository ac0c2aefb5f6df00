"""The chrony.conf that refclock ships for each profile, and what it prints as a whole one for a host.

The three shipped files under install/files/chrony are what ``complete`` gives without a host to look at
(tools/gen_docs.py writes them, a test compares), so that what is installed, what is printed and what is
judged cannot drift apart."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from refclock.chrony.program import Version
from refclock.wire.chronyconf import Directive

DEFAULT_SOCKET = "/run/chrony.refclock.receiver.sock"
# RFC 2606's name, which resolves nowhere: to be replaced.
EXAMPLE_DOMAIN = ".example.net"
_EXAMPLES = tuple(f"ntp{number}{EXAMPLE_DOMAIN}" for number in (1, 2, 3))
_SERVER = "nts iburst minpoll 6 maxpoll 6 maxsamples 16"
_RIGHT, _LIST = "leapsectz right/UTC", "leapseclist /usr/share/zoneinfo/leap-seconds.list"
_MAXUNREACH = (4, 8)
_REFID = "RCLK"
_NUMBER = re.compile(r"-?[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Rates:
    """What the shipped configuration says of the clock's rate: ppm, ppm, and the ratio of corrections."""

    maxdrift: int
    maxslewrate: int
    corrtimeratio: int


RATES = {"appserver": Rates(500, 50_000, 3), "kdc": Rates(500, 5_000, 10), "kdc-cesium": Rates(50, 50, 10)}


def refclock_line(way: str | int, version: Version | None, place: int = 0) -> str:
    """The ``refclock`` directive for a socket's path or a segment's unit. ``place`` counts those of a host
    from 0, as chrony tells them apart by their reference ids."""
    refid = f"RCL{place + 1}" if place else _REFID
    driver = f"SHM {way}" if isinstance(way, int) else f"SOCK {way}"
    # A segment holds one second at a time: chrony has to look more often than once a second.
    dpoll = " dpoll -1" if isinstance(way, int) else ""
    unreach = " maxunreach 8" if version is not None and version >= _MAXUNREACH else ""
    return (
        f"refclock {driver} refid {refid} poll 4{dpoll} filter 16 delay 2e-4 precision 1e-6 "
        f"maxdispersion 1e-3 maxsamples 32{unreach}"
    )


def leap_line(leap_list: bool) -> str:
    """Where chrony learns of leap seconds: the list, or the time zone that has them."""
    return _LIST if leap_list else _RIGHT


@dataclass(frozen=True, slots=True)
class Present:
    """What a host has already: the version of its chrony, the ways by which refclock feeds it, its sources,
    and further directives to keep. ``leap_list``: the host has no time zone right/UTC, but has the list."""

    version: Version | None = None
    ways: tuple[str | int, ...] = (DEFAULT_SOCKET,)
    sources: tuple[Directive, ...] = ()
    kept: tuple[Directive, ...] = ()
    leap_list: bool = False


def complete(profile: str, present: Present) -> str:
    """A whole chrony.conf for a profile. Sources without authentication are kept as comments."""
    rates = RATES[profile]
    total = rates.maxdrift + rates.maxslewrate + 10
    lines = [
        f"# chrony.conf for refclock's profile {profile}; `refclock doctor` judges it, and docs/guide.md,",
        "# section 8, says what decides each line. It takes the place of the distribution's file.",
        "",
        "# The vetted seconds.",
        *(refclock_line(way, present.version, place) for place, way in enumerate(present.ways)),
        "",
        *_source_lines(present.sources),
        "# Nothing on the network is followed that is not authenticated, and nobody alone.",
        "authselectmode require",
        "minsources 2",
        "maxdistance 0.5",
        "maxjitter 0.1",
        "",
        f"# The clock runs within {total} ppm of the free oscillator, and is never stepped.",
        f"maxdrift {rates.maxdrift}",
        f"maxslewrate {rates.maxslewrate}",
        f"corrtimeratio {rates.corrtimeratio}",
        "maxupdateskew 100",
        "maxclockerror 10",
        "fallbackdrift 15 18",
        "# An offset above 1 s is ignored, for ever: the clock is set by hand before services start.",
        "maxchange 1 0 -1",
        "",
        "# A leap second is slewed, and announced by a list, not by whoever answers.",
        "leapsecmode slew",
        leap_line(present.leap_list),
        "",
        *_kept_lines(present.kept),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _source_lines(sources: Sequence[Directive]) -> list[str]:
    fit = [one for one in sources if authenticated(one)]
    unfit = [one for one in sources if not authenticated(one)]
    lines = ["# Three or more servers with NTS, of different owners, none of which follows this host."]
    lines += [_tightened(one) for one in fit]
    missing = len(_EXAMPLES) - len(fit)
    if missing > 0:
        lines += ["# Examples, to be replaced:"] if fit or unfit else []
        lines += [f"server {name} {_SERVER}" for name in _EXAMPLES[:missing]]
    if unfit:
        lines += ["# Without NTS, and so not followed:", *(f"#{one.text}" for one in unfit)]
    return [*lines, ""]


def authenticated(source: Directive) -> bool:
    """Whether a server's answers are: by NTS, or by a symmetric key."""
    return source.has("nts") or source.option("key") is not None


def _tightened(source: Directive) -> str:
    """A source as it is, with what lets a silent reference clock go soon."""
    text = source.text
    for option, most in (("maxpoll", 6), ("maxsamples", 16)):
        value = source.option(option)
        if value is None:
            text += f" {option} {most}"
        elif not _NUMBER.fullmatch(value) or int(value) > most:
            words = text.split()
            places = [at for at, word in enumerate(words) if word.lower() == option]
            for at in places:
                words[at + 1] = str(most)
            text = " ".join(words)
    return text


def _kept_lines(kept: Sequence[Directive]) -> list[str]:
    if not kept:
        return ["driftfile /var/lib/chrony/chrony.drift", "ntsdumpdir /var/lib/chrony"]
    lines = ["# Kept from the present configuration."]
    for one in kept:
        lines += [f"# refclock doctor: {one.reason}"] if one.reason else []
        lines.append(one.text)
    have = {one.name for one in kept}
    if "driftfile" not in have:
        lines.append("driftfile /var/lib/chrony/chrony.drift")
    return lines
