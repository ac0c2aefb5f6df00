"""The guest's clocks, recorded from outside against the host's, and judged.

The host asks five times a second; what the guest read lies between question and answer. So each answer ties
the guest's raw counter to true time, as closely as it was quick, and the readings that the guest took every
50 ms in between are placed by the closest of them.
"""

import base64
import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from refclock.units import NS_PER_MS, NS_PER_S, PPT_PER_PPM, scale_up
from refclock.wire import timefile
from tests.vm.machine import GuestError, Line

_EACH_S = 0.2
_PATIENCE_S = 1200.0
# How far the guest's counter may be off the host's; it is calibrated anew at each boot.
_RATE_PPT = 200 * PPT_PER_PPM
# A tie is used for readings so near to it.
_NEAR_NS = 10 * NS_PER_S
_RATE_SPAN_NS = NS_PER_S


@dataclass(frozen=True, slots=True)
class Tie:
    """When the guest's counter said ``raw_ns``, true time lay from ``early_ns`` to ``late_ns``."""

    boot: str
    raw_ns: int
    real_ns: int
    early_ns: int
    late_ns: int
    record: timefile.TimeRecord | None


@dataclass(frozen=True, slots=True)
class Reading:
    """Both clocks of the guest, and the half-width of the pair."""

    boot: str
    raw_ns: int
    real_ns: int
    unc_ns: int


@dataclass(frozen=True, slots=True)
class Error:
    """By how much the guest's clock was ahead at a true instant, known to ``known_ns``."""

    true_ns: int
    error_ns: int
    known_ns: int


@dataclass(slots=True)
class Figures:
    """What a stretch of readings shows. ``worst_ns`` is the greatest error of the guest's clock (signed),
    known to ``known_ns``; ``beyond_ns`` how far the error provably left the published bound; ``outside`` how
    many times true time provably lay outside the interval that every program of the guest was told, the last
    time ``outside_ns`` after the stretch began."""

    readings: int = 0
    seconds: int = 0
    back_ns: int = 0
    rate_ppm: float = 0.0
    worst_ns: int = 0
    last_ns: int = 0
    known_ns: int = 0
    told: int = 0
    outside: int = 0
    outside_ns: int = 0
    beyond_ns: int = 0
    widest_ns: int = 0

    def __str__(self) -> str:
        worst, known, widest = (one / NS_PER_MS for one in (self.worst_ns, self.known_ns, self.widest_ns))
        return (
            f"clock off by at most {worst:+.1f} ms (known to {known:.1f}), "
            f"rate within {self.rate_ppm:.0f} ppm, bound up to {widest:.0f} ms"
        )


class Recorder:
    """A thread that asks for the guest's clocks for as long as the context lasts."""

    def __init__(self, line: Line, now_ns: Callable[[], int]) -> None:
        self._line, self._now_ns = line, now_ns
        self.ties: list[Tie] = []
        self.readings: list[Reading] = []
        self.error: BaseException | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._record, name="recorder", daemon=True)

    def __enter__(self) -> "Recorder":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(5)

    def mark(self) -> tuple[int, int]:
        """A place in the record, for ``since``."""
        return len(self.ties), len(self.readings)

    def since(self, mark: tuple[int, int]) -> tuple[list[Tie], list[Reading]]:
        """All that was recorded after a mark."""
        return self.ties[mark[0] :], self.readings[mark[1] :]

    def held_ns(self, mark: tuple[int, int]) -> int:
        """The longest that the guest owed an answer since a mark."""
        return max((tie.late_ns - tie.early_ns for tie in self.ties[mark[0] :]), default=0)

    def _record(self) -> None:
        number = 0
        try:
            while not self._ending.wait(_EACH_S):
                number += 1
                early_ns = self._now_ns()
                self._line.send({"id": number})
                while (told := self._line.receive(_PATIENCE_S)).get("id") != number:
                    if "hello" in told:  # the guest was rebooted; what was asked is lost
                        early_ns = self._now_ns()
                        self._line.send({"id": number})
                late_ns = self._now_ns()
                boot = str(told["boot"])
                record = timefile.decode(base64.b64decode(told["time"]))
                self.readings += [Reading(boot, *one) for one in told["readings"]]
                if late_ns - early_ns < _PATIENCE_S * NS_PER_S:  # else the world was moved meanwhile
                    self.ties.append(Tie(boot, told["raw"], told["real"], early_ns, late_ns, record))
        except (OSError, GuestError, TimeoutError) as error:
            if not self._ending.is_set():
                self.error = error


def judge(ties: Sequence[Tie], readings: Sequence[Reading]) -> Figures:
    """Figures of a stretch without a pause of the machine in it; several boots are kept apart."""
    told = Figures()
    for boot in dict.fromkeys(one.boot for one in readings):
        _judge_boot(
            [one for one in ties if one.boot == boot], [one for one in readings if one.boot == boot], told
        )
    return told


def errors(ties: Sequence[Tie], readings: Sequence[Reading]) -> list[Error]:
    """The error at each reading of one boot."""
    raws = [one.raw_ns for one in ties]
    placed = [(one, *_place(ties, raws, one.raw_ns)) for one in readings]
    return [Error(true_ns, one.real_ns - true_ns, known_ns) for one, true_ns, known_ns in placed]


def _judge_boot(ties: Sequence[Tie], readings: Sequence[Reading], told: Figures) -> None:
    if not ties or not readings:
        return
    _rates(readings, told)
    told.readings += len(readings)
    told.seconds += (readings[-1].raw_ns - readings[0].raw_ns) // NS_PER_S
    raws = [one.raw_ns for one in ties]
    for one, seen in zip(readings, errors(ties, readings), strict=True):
        told.last_ns = seen.error_ns
        if abs(seen.error_ns) > abs(told.worst_ns):
            told.worst_ns = seen.error_ns
        told.known_ns = max(told.known_ns, seen.known_ns)
        latest = ties[min(bisect_left(raws, one.raw_ns), len(ties) - 1)]
        bound_ns = _bound_ns(latest)
        if bound_ns is not None:
            told.beyond_ns = max(told.beyond_ns, abs(seen.error_ns) - seen.known_ns - bound_ns)
            told.widest_ns = max(told.widest_ns, bound_ns)
    for tie in ties:
        if _bound_ns(tie) is not None and tie.record is not None:
            earliest_ns, _, latest_ns = tie.record.at(tie.raw_ns)
            told.told += 1
            if not (earliest_ns <= tie.late_ns and tie.early_ns <= latest_ns):
                told.outside += 1
                told.outside_ns = max(told.outside_ns, tie.raw_ns - ties[0].raw_ns)


def _bound_ns(tie: Tie) -> int | None:
    """What was published then, None where nobody vouched for a time."""
    record = tie.record
    if record is None or not record.state or record.boot.hex() != tie.boot.replace("-", ""):
        return None
    if not record.raw_ns <= tie.raw_ns <= record.void_after_ns:
        return None
    earliest_ns, utc_ns, latest_ns = record.at(tie.raw_ns)
    return max(latest_ns - utc_ns, utc_ns - earliest_ns)


def _place(ties: Sequence[Tie], raws: Sequence[int], raw_ns: int) -> tuple[int, int]:
    """True time at a reading of the guest's counter, and to what it is known: by the best tie around it."""
    low, high = bisect_left(raws, raw_ns - _NEAR_NS), bisect_left(raws, raw_ns + _NEAR_NS)
    near = ties[low:high] or [ties[min(low, len(ties) - 1)]]

    def known(tie: Tie) -> int:
        return (tie.late_ns - tie.early_ns) // 2 + scale_up(abs(raw_ns - tie.raw_ns), _RATE_PPT)

    best = min(near, key=known)
    return (best.early_ns + best.late_ns) // 2 + raw_ns - best.raw_ns, known(best)


def _rates(readings: Sequence[Reading], told: Figures) -> None:
    """Steps back, and the greatest rate over a second, against the raw counter."""
    begin = readings[0]
    for before, after in pairwise(readings):
        if after.real_ns < before.real_ns:
            told.back_ns = max(told.back_ns, before.real_ns - after.real_ns)
        passed_ns = after.raw_ns - begin.raw_ns
        if passed_ns >= _RATE_SPAN_NS:
            gained_ns = abs(after.real_ns - begin.real_ns - passed_ns) - after.unc_ns - begin.unc_ns
            told.rate_ppm = max(told.rate_ppm, gained_ns * 1e6 / passed_ns)
            begin = after
