"""A receiver's state in one true second, which attackers change before it turns into pulses and bytes."""

from dataclasses import dataclass, field
from typing import Protocol

from refclock.world.encoders import Civil

LEAP_S = 18  # GPS minus UTC since 2017-01-01


@dataclass(slots=True)
class Moment:
    """``second`` counts true SI seconds since the Unix epoch. ``shift_ns`` is how far the receiver's idea of
    time runs ahead of truth (pulse and label move together), ``label_s`` what is added to labels alone,
    ``edge_ns`` what delays the pulse alone, ``late_ns`` what delays the messages. ``extra_edges`` are
    further pulses (ns after the second), ``inject_s`` hostile messages, as seconds added to their label.
    ``reading`` is a date and time of day said in place of the label's; without ``says_60`` a leap second is
    called :59 once more; ``north_m`` is how far north of its true place the receiver claims to be. With
    ``gps_week`` a u-blox tells the time by NAV-TIMEGPS alone, so many weeks off.
    """

    second: int
    shift_ns: int = 0
    label_s: int = 0
    edge_ns: int = 0
    late_ns: int = 0
    fix: bool = True
    utc_known: bool = True
    leap_s: int = LEAP_S
    change: int = 0
    change_at_s: int | None = None
    pulse: bool = True
    silent: bool = False
    antenna: str = "ok"
    jamming: int = 1
    spoofing: int = 1
    extra_edges: list[int] = field(default_factory=list)
    inject_s: list[int] = field(default_factory=list)
    reading: Civil | None = None
    says_60: bool = True
    north_m: int = 0
    gps_week: int | None = None


# What one second's messages are: those that name the pulse just passed, those that name the next one.
Burst = tuple[bytes, bytes]


class Attacker(Protocol):
    """What the receiver asks of an attack; both are called for every second, active or not."""

    def receiver(self, moment: Moment) -> None: ...

    def burst(self, moment: Moment, burst: Burst) -> Burst: ...
