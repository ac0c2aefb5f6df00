"""Whether what chrony learns of leap seconds from is there, and still good."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from refclock.chrony.effective import Effective, Wanted
from refclock.chrony.rule import Rule
from refclock.finding import WARN, Finding
from refclock.ports import stamp
from refclock.units import NS_PER_S, S_PER_DAY
from refclock.wire.leaplist import parse_leap_list

ZONES = "usr/share/zoneinfo"
LIST = f"{ZONES}/leap-seconds.list"
_MAX_SIZE = 1 << 20

LEAP_FILE = Rule(
    "leap file", "24 26",
    "the zone or list that chrony.conf names exists, and has not expired",
    "chronyd passes over a zone that is missing, and of an expired list nobody knows what it lacks",
    lenient=True,
)  # fmt: skip


def _days_left(path: str | Path) -> int:
    """For how many days a leap-second list is still good; negative once it has expired. Raises OSError and
    ValueError."""
    with open(path, encoding="ascii", errors="replace") as file:
        expires = parse_leap_list(file.read(_MAX_SIZE))["expires_s"]
    return (int(str(expires)) - stamp.now()[1] // NS_PER_S) // S_PER_DAY


def leap_file(root: Path, wanted: Wanted, conf: Effective) -> Iterator[Finding]:
    """The file behind ``leapseclist`` or ``leapsectz``; nothing where neither is set, for that is told
    already."""
    listed, zone = conf.last("leapseclist"), conf.last("leapsectz")
    if listed is not None and listed.words:
        yield _judged(root / listed.words[0].lstrip("/"), wanted)
    elif zone is not None and zone.words:
        path = root / ZONES / zone.words[0]
        if not path.is_file():
            yield LEAP_FILE.bad(
                wanted, f"/{ZONES}/{zone.words[0]} is not there, so chronyd passes over `{zone.text}`",
                "install it (Debian 13: tzdata-legacy), or use `leapseclist` (from chrony 4.6 on)",
            )  # fmt: skip
        elif (root / LIST).is_file():
            # The zone itself does not tell how long it is good; the list of the same package does.
            yield _judged(root / LIST, wanted)
        else:
            yield LEAP_FILE.ok(f"/{ZONES}/{zone.words[0]} is there; how long it is good it does not say")


def _judged(path: Path, wanted: Wanted) -> Finding:
    """A list, as the rule has it for the profile."""
    return replace(leap_list(path, LEAP_FILE.verdict(wanted.profile)), clause=LEAP_FILE.clause)


def leap_list(path: str | Path, worst: str) -> Finding:
    """Whether a leap-second list is there, and still good; ``worst`` is the verdict on one that is not there
    or cannot be read."""
    try:
        days = _days_left(path)
    except (OSError, ValueError) as error:
        mend = "install tzdata, or fetch the list from IERS"
        return Finding(LEAP_FILE.name, f"{path}: {error}", worst, mend)
    if days < 0:
        return Finding(LEAP_FILE.name, f"{path}: expired {-days} days ago", WARN, "update tzdata")
    return Finding(LEAP_FILE.name, f"{path}: good for {days} more days")


def has_list(root: Path) -> bool:
    """Whether the host has the list."""
    return (root / LIST).is_file()
