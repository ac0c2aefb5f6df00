"""By how much the system clock is ahead, and who says so.

The daemon's word counts: its time file, or its status, both of which rest on seconds that were vetted. An
amount that a person gives is carried on with the uptime clock, and called what it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from refclock.bounded import now, only_file
from refclock.errors import NotVettedError, TimeUnavailableError
from refclock.kerberos.uptime import Mark, UptimeClock
from refclock.ports import stamp
from refclock.units import NS_PER_S, show_ns

# Less is nothing to set back for: chrony slews it away in minutes, and its `maxchange 1` of docs/guide.md
# lets it. The alarm speaks from here on, too (cli/fast.py).
WORTH_NS = NS_PER_S
# So close the clock must be afterwards: half of what that `maxchange` bears, the bound being the other half.
RIGHT_NS = NS_PER_S // 2
# An uptime clock that nobody has measured strays by no more (docs/threat-model.md).
_STRAY = 10_000
_TELLING = ("vetted", "degraded", "holdover")


@dataclass(frozen=True, slots=True)
class Opinion:
    """The system clock showed ``real_ns`` (POSIX ns) and was ahead of UTC by ``off_ns``, give or take
    ``bound_ns``; ``source`` says who knows."""

    off_ns: int
    bound_ns: int
    real_ns: int
    source: str

    @property
    def ahead(self) -> bool:
        """Certainly ahead, by what is worth the procedure."""
        return self.off_ns - self.bound_ns >= WORTH_NS

    @property
    def behind(self) -> bool:
        """Certainly behind, by as much."""
        return self.off_ns + self.bound_ns <= -WORTH_NS

    @property
    def right(self) -> bool:
        """Close enough to go on."""
        return abs(self.off_ns) <= RIGHT_NS

    def __str__(self) -> str:
        known = f"known to {show_ns(self.bound_ns).lstrip('+')} by {self.source}"
        if self.right:
            return f"right: {show_ns(self.off_ns)}, {known}"
        side = "AHEAD" if self.off_ns > 0 else "BEHIND"
        return f"{side} by {show_ns(abs(self.off_ns)).lstrip('+')}, {known}"

    def fields(self) -> dict[str, object]:
        """For the record."""
        return {"off_ns": self.off_ns, "bound_ns": self.bound_ns, "source": self.source}


def by_time_file(path: str) -> Opinion:
    """From the daemon's time file, or the host's only one (""). Raises TimeUnavailableError where it vouches
    for no time, or not closely enough."""
    path = path or only_file("time", "time file", NotVettedError)
    began_ns = stamp.raw()
    told = now(RIGHT_NS / NS_PER_S, path=path)
    raw_ns, real_ns, unc_ns = stamp.now()
    bound_ns = told.bound_ns + raw_ns - began_ns + unc_ns
    return _closely(Opinion(real_ns - told.utc_ns, bound_ns, real_ns, f"{path} ({told.state})"))


def by_status(document: Mapping[str, object], path: str) -> Opinion:
    """From the daemon's status document, which was asked for just now. Raises TimeUnavailableError where it
    vouches for no time."""
    off_ns, bound_ns, mode = document.get("system_off_ns"), document.get("bound_ns"), document.get("mode")
    if mode not in _TELLING or not isinstance(off_ns, int) or not isinstance(bound_ns, int):
        raise TimeUnavailableError(
            f"{path}: the daemon vouches for no time now (mode {mode}); see `refclock status`. A clock is "
            "not set back on less: wait until it does, or see --by."
        )
    return _closely(Opinion(off_ns, bound_ns, stamp.now()[1], f"{path} ({mode})"))


@dataclass(frozen=True, slots=True)
class Anchor:
    """A person's word: at an instant of the uptime clock the system clock showed ``real_ns``, which was
    ``by_ns`` ahead."""

    mark: Mark
    real_ns: int
    by_ns: int

    @classmethod
    def now(cls, by_ns: int, uptime: UptimeClock) -> "Anchor":
        """As of this moment."""
        return cls(uptime.mark(), stamp.now()[1], by_ns)

    def opinion(self, uptime: UptimeClock) -> Opinion:
        """By how much the clock is ahead by now. Raises TimeUnavailableError after a reboot, or when the
        uptime clock alone does not know it closely enough any more."""
        since_ns = uptime.since(self.mark)
        if since_ns is None:
            raise TimeUnavailableError(
                "the machine was booted since --by was given, and nobody has measured the clock. "
                "Compare it anew: refclock setback --resume --by AMOUNT --reason ... (0s: it is right)."
            )
        real_ns = stamp.now()[1]
        off_ns = real_ns - (self.real_ns - self.by_ns + since_ns)
        return _closely(Opinion(off_ns, since_ns // _STRAY, real_ns, "the operator's word (--by)"))

    def fields(self) -> dict[str, object]:
        """For the record."""
        return {
            "boot": self.mark.boot.hex(), "uptime_ns": self.mark.at_ns, "real_ns": self.real_ns,
            "by_ns": self.by_ns,
        }  # fmt: skip

    @classmethod
    def of(cls, fields: Mapping[str, object]) -> "Anchor":
        """One that was recorded. Raises ValueError, TypeError or KeyError for what is none."""
        at_ns, real_ns, by_ns = (int(str(fields[key])) for key in ("uptime_ns", "real_ns", "by_ns"))
        return cls(Mark(bytes.fromhex(str(fields["boot"])), at_ns), real_ns, by_ns)


def _closely(opinion: Opinion) -> Opinion:
    if opinion.bound_ns > RIGHT_NS:
        raise TimeUnavailableError(
            f"{opinion.source}: UTC is known to {show_ns(opinion.bound_ns).lstrip('+')} only, and "
            f"{show_ns(RIGHT_NS).lstrip('+')} is wanted; wait until it is, or see --by."
        )
    return opinion
