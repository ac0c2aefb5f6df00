"""What an attack is: a row of the table at work, and the things it may change."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from refclock.units import NS_PER_S
from refclock.world.chance import Chance
from refclock.world.moment import Burst, Moment
from refclock.world.oscillator import Outage, RateChange
from refclock.world.quantities import Kind, Quantity


@dataclass(slots=True)
class Answer:
    """What NTP server ``server`` of ``count`` is about to say at the true instant ``at_ns``.

    ``shift_ns`` is added to its clock; ``leap`` is its leap indicator, ``kiss`` a kiss code instead of time.
    """

    server: int
    count: int
    at_ns: int
    shift_ns: int = 0
    leap: int = 0
    lost: bool = False
    kiss: bytes = b""


@dataclass(slots=True)
class HostPlan:
    """What happens to the host, by true time: rates and outages of its counter, steps of its clock
    (instant, ns), slews of it (from, until, ppt), changes of what counts time (instant, name)."""

    rates: list[RateChange] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    steps: list[tuple[int, int]] = field(default_factory=list)
    slews: list[tuple[int, int, int]] = field(default_factory=list)
    clocksources: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Deed:
    """One row: what an attacker is called, what amounts it takes, and what it changes.

    ``forms`` are the kinds that each amount may have; ``default`` is taken where none is written
    ("" for an attack without amounts).
    """

    name: str
    forms: tuple[tuple[Kind, ...], ...]
    default: str
    meaning: str
    receiver: Callable[["Attack", Moment], None] | None = None
    burst: Callable[["Attack", Burst, bool], Burst] | None = None
    answer: Callable[["Attack", Answer], None] | None = None
    rtc: Callable[["Attack", int], int] | None = None
    host: Callable[["Attack", HostPlan], None] | None = None


@dataclass(slots=True)
class Attack:
    """One attacker at work from ``start_ns`` until ``end_ns`` (truth); ``amounts`` follow the deed's forms.

    ``memory`` and ``walk_ns`` are what some of them remember.
    """

    deed: Deed
    text: str
    amounts: tuple[Quantity, ...]
    start_ns: int
    end_ns: int
    chance: Chance
    memory: deque[Burst] = field(default_factory=deque)
    walk_ns: int = 0

    def active(self, at_ns: int) -> bool:
        """Whether it is at work at a true instant."""
        return self.start_ns <= at_ns < self.end_ns

    def receiver(self, moment: Moment) -> None:
        """Change the receiver's state."""
        if self.deed.receiver is not None and self.active(moment.second * NS_PER_S):
            self.deed.receiver(self, moment)

    def burst(self, moment: Moment, burst: Burst) -> Burst:
        """Change the bytes themselves; called before the start as well, for those who record first."""
        if self.deed.burst is None:
            return burst
        return self.deed.burst(self, burst, self.active(moment.second * NS_PER_S))

    def answer(self, answer: Answer) -> None:
        """Change what an NTP server answers."""
        if self.deed.answer is not None and self.active(answer.at_ns):
            self.deed.answer(self, answer)

    def rtc_ns(self, at_ns: int) -> int:
        """How far the RTC has been moved."""
        return self.deed.rtc(self, at_ns) if self.deed.rtc is not None and self.active(at_ns) else 0

    def host(self, plan: HostPlan) -> None:
        """Enter what happens to the host itself."""
        if self.deed.host is not None:
            self.deed.host(self, plan)
