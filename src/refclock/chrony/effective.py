"""chrony's configuration as it takes effect, and what this host wants of it: plain values, nothing is
read."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from refclock.chrony.commandline import CommandLine
from refclock.chrony.program import Version
from refclock.policy import GPSD_UNITS, HARD_CAPS_PPT, PROFILES, Policy
from refclock.units import PPT_PER_PPM
from refclock.wire.chronyconf import Directive

# What adds or removes sources; the others may be given again, and the last one counts.
SOURCES = ("server", "pool", "peer")
_HUGE = 10**12


@dataclass(frozen=True, slots=True)
class Effective:
    """What chronyd reads. ``directives`` are in its order, those of included files in their places, and
    behind them those of ``*.sources`` files; ``written`` are the lines of the files themselves, with the
    directives that include others.

    ``origin`` names where it comes from, for people. ``version`` is None where no chronyd is installed.
    ``trouble`` says what could not be read.
    """

    origin: str
    directives: tuple[Directive, ...]
    written: tuple[Directive, ...] = ()
    command: CommandLine = field(default_factory=CommandLine)
    version: Version | None = None
    files: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()

    def all(self, *names: str) -> tuple[Directive, ...]:
        """Every directive of these names."""
        return tuple(one for one in self.directives if one.name in names)

    def last(self, name: str) -> Directive | None:
        """The one that counts, of a directive of which the last one does."""
        found = self.all(name)
        return found[-1] if found else None

    def at_least(self, *version: int) -> bool:
        """Whether chronyd is known to be so new."""
        return self.version is not None and self.version >= version

    @property
    def requires_authentication(self) -> bool:
        """Whether chrony follows no server that is not authenticated."""
        one = self.last("authselectmode")
        return one is not None and one.words[:1] != () and one.words[0].lower() == "require"

    def servers(self) -> tuple[Directive, ...]:
        """The NTP sources that chrony may select."""
        return tuple(one for one in self.all(*SOURCES) if not one.has("noselect"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the host's profile asks for. ``sockets`` and ``units`` are the ways by which refclock's daemons
    feed chrony; both are empty where no configuration names them. ``rtc`` says that the RTC is a
    witness."""

    profile: str
    sockets: tuple[str, ...] = ()
    units: tuple[int, ...] = ()
    rtc: bool = True

    @property
    def cap_ppm(self) -> int:
        """The draft's limit on the rate of the system clock, ppm."""
        return HARD_CAPS_PPT[self.profile] // PPT_PER_PPM

    @property
    def is_kdc(self) -> bool:
        """Whether the host issues tickets."""
        return self.profile != "appserver"

    def ours(self, refclock: Directive) -> bool:
        """Whether a ``refclock`` directive is one by which refclock feeds chrony."""
        way = way_of(refclock)
        if self.sockets or self.units:
            return way in self.ways
        if isinstance(way, int):
            return way not in GPSD_UNITS
        return way is not None and "refclock" in way

    @property
    def ways(self) -> tuple[str | int, ...]:
        """Sockets' paths and segments' units."""
        return (*self.sockets, *self.units)


def wanted_by(policies: tuple[Policy, ...]) -> Wanted:
    """What the configurations of this host's daemons ask for together: the strictest profile, every way."""
    return Wanted(
        max((one.profile for one in policies), key=PROFILES.index),
        tuple(one.sock_path for one in policies if one.sock_path is not None),
        tuple(one.shm_unit for one in policies if one.shm_unit is not None),
        any(one.rtc is not None for one in policies),
    )


def way_of(refclock: Directive) -> str | int | None:
    """A refclock's socket path or SHM unit; None for other drivers and what cannot be read."""
    driver, parameter = (*refclock.words, "", "")[:2]
    parameter = parameter.partition(":")[0]
    if driver.upper() == "SOCK":
        return parameter
    if driver.upper() == "SHM" and parameter.isascii() and parameter.isdigit():
        return int(parameter)
    return None


def number(text: str) -> Decimal | None:
    """A directive's number; None for what is none, is infinite or huge, or is written as only C reads it."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value) < _HUGE else None


def arguments(one: Directive) -> Iterator[Decimal | None]:
    """A directive's words as numbers."""
    return (number(word) for word in one.words)
