"""What each arrangement makes of the same receiver: undisturbed, and lied to. It is measured, not asserted,
what a peer does; its clock is judged from outside as refclock's is.
"""

import csv
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from refclock.units import NS_PER_MS, NS_PER_S
from tests.vm.bench import TOLERANCE_NS, Bench, Status
from tests.vm.machine import GuestError
from tests.vm.peers import REFCLOCK, Arrangement
from tests.vm.record import Error, Figures, errors, judge

# The same for everybody: how long the lie lasts, and how long it is looked whether the clock comes back.
ATTACKED_S, AFTER_S = 45, 30
UNDISTURBED_S = 60
_LOOK_S = 3
_REST_S = 5
# chronyd slews at up to 10 %; what goes faster was set.
_FASTEST = 10
_STEP_NS = 20 * NS_PER_MS
ATTACKS = {
    "receiver +1 s": "step:+1s",
    "receiver +100 ms": "step:+100ms",
    "receiver ramps by 2 %": "ramp:2%",
    "week rollover": "week:-1024",
    "pulse late by 25 ms": "pps-late:+25ms",
    "further pulses": "pps-extra:30%",
    "most servers by +200 ms": "ntp-majority:+200ms",
    "receiver and all servers by +300 ms": "collude:+300ms",
}
# What is tried on who hears no servers: the receiver alone lies.
ALONE = ("receiver +1 s", "receiver +100 ms", "receiver ramps by 2 %", "pulse late by 25 ms")
_STATES = {"*": "selected", "+": "combined", "-": "left out", "x": "falseticker", "~": "too variable"}
_NOISE = re.compile(r"Selected source|Source .* (on|off)line|^(Started|Stopp|Deactivated|Starting)")


@dataclass(frozen=True, slots=True)
class Steadiness:
    """What chrony says of the receiver (s) and of the clock, and what was seen of the clock from outside."""

    offset_s: float
    deviation_s: float
    rms_s: float
    seen: Figures

    def __str__(self) -> str:
        return (
            f"chrony: offset {self.offset_s * 1e6:+.0f} us, std dev {self.deviation_s * 1e6:.0f} us, "
            f"RMS offset {self.rms_s * 1e6:.0f} us; seen from outside: off by at most "
            f"{length(self.seen.worst_ns)} (known to {self.seen.known_ns / NS_PER_MS:.1f} ms)"
        )


@dataclass(slots=True)
class Outcome:
    """What became of the clock under an attack. ``followed_s``: after how long it was more than the tolerance
    off, ``back_s``: how long after the attack's end it was within it again (None: not)."""

    worst_ns: int = 0
    known_ns: int = 0
    rate_ppm: float = 0.0
    step_ns: int = 0
    followed_s: float | None = None
    back_s: float | None = None
    said: list[str] = field(default_factory=list)
    readings: int = 0

    def __str__(self) -> str:
        said = "; ".join(self.said) or "nobody said anything"
        worst = f"{length(self.worst_ns)} (known to {self.known_ns / NS_PER_MS:.1f} ms)"
        if self.followed_s is None:
            return f"stayed, worst {worst}; {said}"
        how = f"stepped by {length(self.step_ns)}" if self.step_ns else f"slewed, {self.rate_ppm:.0f} ppm"
        back = f"back {self.back_s:.0f} s after" if self.back_s is not None else f"not back {AFTER_S} s after"
        return f"FOLLOWED after {self.followed_s:.0f} s, up to {worst}, {how}, {back}; {said}"


def followed(told: object) -> bool:
    """Whether the clock went astray."""
    return isinstance(told, Outcome) and told.followed_s is not None


def length(ns: int) -> str:
    """A length of time for people."""
    return f"{ns / NS_PER_S:+.2f} s" if abs(ns) >= NS_PER_S else f"{ns / NS_PER_MS:+.1f} ms"


def undisturbed(bench: Bench, *sources: str) -> dict[str, Steadiness]:
    """A minute without a lie: what chronyd then says of the sources and of the clock."""
    mark = bench.recorder.mark()
    bench.rest(UNDISTURBED_S)
    seen = judge(*bench.recorder.since(mark))
    rows = _rows(bench, "sourcestats")
    rms_s = float(next(csv.reader([bench.run("chronyc -c -n tracking")]))[6])
    return {one: Steadiness(float(rows[one][6]), float(rows[one][7]), rms_s, seen) for one in sources}


def attacked(bench: Bench, one: Arrangement, text: str) -> Outcome:
    """One attack, and what it came to. Raises GuestError where the clock was astray before it."""
    cursor = bench.run("journalctl -n 0 --show-cursor").partition("cursor: ")[2]
    told = Outcome()
    marks: dict[str, list[str]] = {}
    before = bench.status() if one is REFCLOCK else {}
    mark = bench.recorder.mark()
    with bench.attack(text) as attack:
        end = time.monotonic() + 2 + ATTACKED_S
        while time.monotonic() < end:
            bench.rest(_LOOK_S)
            for name, row in _rows(bench, "sources").items():
                seen = marks.setdefault("servers" if row[0] == "^" else name, [])
                if row[1] not in seen:
                    seen.append(row[1])
        ended_ns = bench.stage.truth.now_ns()
        if one is REFCLOCK:
            told.said.append(_refclock_said(before, bench.status()))
    _come_back(bench)
    course = errors(*bench.recorder.since(mark))
    _judge(told, judge(*bench.recorder.since(mark)), course, attack.start_ns, ended_ns)
    told.said += _marked(one, marks) + _logged(bench, one, cursor)
    return told


def _off(course: Sequence[Error]) -> list[int]:
    """The true instants at which the clock was provably more than the tolerance off."""
    return [one.true_ns for one in course if abs(one.error_ns) > TOLERANCE_NS + one.known_ns]


def _come_back(bench: Bench) -> None:
    """The attack is over: until the clock has been right for some seconds, or for as long as is looked."""
    end = time.monotonic() + AFTER_S
    while time.monotonic() < end:
        mark = bench.recorder.mark()
        bench.rest(_REST_S)
        if not _off(errors(*bench.recorder.since(mark))):
            return


def _judge(told: Outcome, figures: Figures, course: Sequence[Error], began_ns: int, ended_ns: int) -> None:
    told.readings = figures.readings
    told.worst_ns, told.known_ns, told.rate_ppm = figures.worst_ns, figures.known_ns, figures.rate_ppm
    off = _off(course)
    for before, after in pairwise(course):
        jump_ns = after.error_ns - before.error_ns
        allowed_ns = (after.true_ns - before.true_ns) // _FASTEST + before.known_ns + after.known_ns
        if abs(jump_ns) > max(abs(told.step_ns), _STEP_NS + allowed_ns):
            told.step_ns = jump_ns
    if off and off[0] < began_ns:
        raise GuestError("the clock was astray before the attack")
    if off:
        told.followed_s = (off[0] - began_ns) / NS_PER_S
        if off[-1] < course[-1].true_ns - NS_PER_S:
            told.back_s = max(0.0, (off[-1] - ended_ns) / NS_PER_S)


def _rows(bench: Bench, report: str) -> dict[str, list[str]]:
    """chronyc's report by source."""
    rows = csv.reader(bench.run(f"chronyc -c -n {report}").splitlines())
    at = 2 if report == "sources" else 0
    return {row[at] + (f":{number}" if row[0] == "^" else ""): row for number, row in enumerate(rows) if row}


def _marked(one: Arrangement, marks: dict[str, list[str]]) -> list[str]:
    """What chronyc showed of the receiver and of the servers meanwhile."""
    told = []
    for name in (one.source, "servers"):
        if name in marks:
            states = [_STATES.get(state, "unusable") for state in marks[name]]
            told.append(f"{name} {', '.join(states)}")
    return told


def _logged(bench: Bench, one: Arrangement, cursor: str) -> list[str]:
    """What chronyd and gpsd wrote into the journal, each kind of line once."""
    units = "-u chrony" if one is REFCLOCK else "-u chrony -u gpsd"
    lines = bench.run(f"journalctl {units} -o cat --after-cursor='{cursor}' --no-pager").splitlines()
    kinds = {re.sub(r"[0-9.]+", "", line): line for line in reversed(lines) if not _NOISE.search(line)}
    return [f"«{line}»" for line in reversed(kinds.values())]


def _refclock_said(before: Status, after: Status) -> str:
    """Its mode, whom it accused meanwhile, and why it withheld most."""
    accused = after.get("last_accusation")
    counters: dict[str, int] = after["counters"]
    new = {
        key: value - before["counters"].get(key, 0)
        for key, value in counters.items()
        if key not in ("published", "withheld")
    }
    said = [accused] if accused and accused != before.get("last_accusation") else []
    said += [f"{key} {value}" for key, value in new.items() if value > 0]
    return f"refclock {after['mode']}: {', '.join(said) or 'nothing withheld'}"


def table(columns: Sequence[str], told: Mapping[tuple[str, str], object]) -> str:
    """All attacks at a glance: by how much each arrangement's clock was off at worst."""
    rows = [["", *columns]]
    for name in ATTACKS:
        cells = [told.get((column, name)) for column in columns]
        rows.append([name, *("" if cell is None else _cell(cell) for cell in cells)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cell(cell: object) -> str:
    if not isinstance(cell, Outcome):
        return "failed"
    if cell.followed_s is None:
        return f"stayed ({length(cell.worst_ns)})"
    return f"{length(cell.worst_ns)}{', a step' if cell.step_ns else ''}"
