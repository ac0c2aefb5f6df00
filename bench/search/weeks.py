"""What an honest host meets in some weeks, and what became of it."""

from dataclasses import dataclass, field

from refclock.units import S_PER_DAY, show_ns

_LISTED = 12


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that an honest host meets, from ``at_s`` on for ``lasts_s`` (since the world's start).

    ``attack`` is how the simulator is told of it ("" for what is done here: restart, delay).
    """

    what: str
    at_s: int
    lasts_s: int
    attack: str = ""


def honest_weeks(days: int) -> tuple[Happening, ...]:
    """The timetable of a run of so many days; of a shorter run only its beginning."""
    day, hour = S_PER_DAY, 3600
    rows = [
        ("gap", day // 2, 1800),
        ("restart", day, 0),
        ("gap", day + 6 * hour, 4 * hour),
        ("ntp-silence", 2 * day, hour),
        ("ntp-liar", 2 * day + 12 * hour, 3 * hour),
        ("delay", 3 * day, 1800),
        ("gap", 4 * day, 2 * day),
        ("restart", 8 * day, 0),
        ("reboot", 9 * day, 90),
        ("no-fix", 10 * day, 600),
        ("delay", 11 * day, 6 * hour),
        ("gap", 12 * day, 300),
        ("ntp-liar", 14 * day, 2 * day),
        ("restart", 30 * day + 5 * hour, 0),
        ("ntp-silence", 33 * day, hour),
        ("gap", 36 * day, 10 * day),
        ("restart", 50 * day, 0),
        ("gap", 52 * day, 4 * hour),
        ("delay", 55 * day, 3 * hour),
    ]
    return tuple(happening(*row) for row in rows if row[1] + row[2] < days * day)


def happening(what: str, at_s: int, lasts_s: int) -> Happening:
    """One row of a timetable."""
    span = f"@{at_s}s+{max(1, lasts_s)}s"
    attacks = {
        "gap": f"gap:{lasts_s}s{span}",
        "ntp-silence": f"ntp-silence{span}",
        "ntp-liar": f"ntp-liar:+150ms{span}",
        "reboot": f"reboot:{lasts_s}s@{at_s}s",
        "no-fix": f"no-fix{span}",
    }
    return Happening(what, at_s, lasts_s, attacks.get(what, ""))


@dataclass
class Weeks:
    """What became of one run."""

    profile: str
    receiver: str
    days: float = 0
    published: int = 0
    worst_ns: int = 0
    worst_share: float = 0
    widest_bound_ns: int = 0
    outside: int = 0
    holdovers: list[str] = field(default_factory=list)
    degraded_s: float = 0
    degraded: dict[str, int] = field(default_factory=dict)
    reanchored: int = 0
    accused: list[str] = field(default_factory=list)
    withheld: dict[str, int] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    took_s: float = 0


def table_of(all_weeks: list[Weeks]) -> str:
    """For people."""
    lines = []
    for weeks in all_weeks:
        share = f"{100 * weeks.worst_share:.1f} % of its bound at most"
        degraded = f"degraded {weeks.degraded_s / 3600:.2f} h in all: {weeks.degraded or 'never'}"
        head = f"{weeks.profile} ({weeks.receiver}), {weeks.days:g} days in {weeks.took_s:.0f} s"
        widest = show_ns(weeks.widest_bound_ns)
        lines += [
            f"{head}: {weeks.published} seconds published, {len(weeks.alarms)} false alarms",
            f"  worst error {show_ns(weeks.worst_ns)}, {share}, widest {widest}, {weeks.outside} outside",
            f"  holdovers {len(weeks.holdovers)}: {', '.join(weeks.holdovers) or 'none'}",
            f"  re-anchored {weeks.reanchored} times; {degraded}",
            f"  withheld {dict(sorted(weeks.withheld.items()))}",
            f"  accused {sorted(set(weeks.accused)) or 'nobody'} ({len(weeks.accused)} times)",
        ]
        lines += [f"  FALSE ALARM {alarm}" for alarm in weeks.alarms[:_LISTED]]
    return "\n".join(lines)
