"""What the daemon decided in an emulated world, held against the truth that it could not know."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from refclock.core.blame.attribution import in_words
from refclock.core.rules.reasons import REASONS
from refclock.model import Accuse
from refclock.stage.chronyd import Heard
from refclock.stage.play import TrueTime
from refclock.units import NS_PER_MS
from refclock.world.attack import Attack

Fields = Mapping[str, object]
FULL_REACH = 0o377
_NEVER_NS = 1 << 62


@dataclass(slots=True)
class Ledger:
    """Counts decisions. ``attacks`` are those of the run, if any.

    ``worst_ns`` is the greatest error of a published second, ``outside`` how many exceeded their own
    bound; ``passed`` and ``refused`` count from the attack's start, ``worst_after_ns`` likewise.
    ``story`` are (true instant, line) for people. ``chrony_ns`` is how far a measurement of chrony's ever
    was from the truth.
    """

    truth: TrueTime
    attacks: Sequence[Attack] = ()
    decisions: int = 0
    published: int = 0
    worst_ns: int = 0
    worst_after_ns: int = 0
    widest_ns: int = 0
    outside: int = 0
    passed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    refused_seconds: int = 0
    accused: list[str] = field(default_factory=list)
    story: list[tuple[int, str]] = field(default_factory=list)
    latest: Fields = field(default_factory=dict)
    mode: str = "cold"
    best_reach: int = 0
    measured_ns: int | None = None
    injected_ns: int = 0
    chrony_ns: int = 0
    _noted: set[str] = field(default_factory=set)
    _told: set[str] = field(default_factory=set)
    _refused_ns: int = 0

    @property
    def attack_ns(self) -> int:
        """The true instant at which the first attack begins."""
        return min((attack.start_ns for attack in self.attacks), default=_NEVER_NS)

    def take(self, decision: Fields) -> None:
        """One decision, as its line says it."""
        self.decisions += 1
        raw_ns = _integer(decision, "raw")
        at_ns = self.truth.at(raw_ns)
        kind = decision.get("d")
        if kind == "publish":
            self._publish(decision, at_ns)
        elif kind == "withhold":
            self._withhold(decision, at_ns)
        elif kind == "mode":
            self.mode = str(decision.get("to"))
            reason = str(decision.get("reason"))
            if self.mode in ("vetted", "degraded"):
                self._told.clear()  # what is refused from now on is news again
            known = bool(self.story) and self.story[-1][1].endswith(reason)
            self._tell(at_ns, self.mode if known else f"{self.mode}: {reason}")
        elif kind == "accuse":
            evidence = decision.get("evidence")
            told = Accuse(raw_ns, str(decision.get("source")), evidence if isinstance(evidence, dict) else {})
            self.accused.append(in_words(told))
            self._tell(at_ns, f"accused: {in_words(told)}")

    def _publish(self, decision: Fields, at_ns: int) -> None:
        # As chrony reads it: at this reading of the system clock it was UTC. The raw counter stays out.
        lead_ns = _integer(decision, "utc") - _integer(decision, "sys")
        error_ns, bound_ns = abs(lead_ns - self.truth.lead_ns()), _integer(decision, "bound")
        if at_ns >= self.attack_ns:
            self.passed += 1
            self.worst_after_ns = max(self.worst_after_ns, error_ns)
        if self._first("publish"):
            self._tell(at_ns, f"publishing: UTC is {milliseconds(lead_ns)} from this host's clock")
        self.published += 1
        self.worst_ns = max(self.worst_ns, error_ns)
        self.widest_ns = max(self.widest_ns, bound_ns)
        self.outside += error_ns > bound_ns
        self.latest = decision

    def _withhold(self, decision: Fields, at_ns: int) -> None:
        reason = str(decision.get("reason"))
        known = REASONS.get(reason)
        kind, words = (known.kind, known.words) if known is not None else ("", "")
        note = kind == "note"
        if at_ns >= self.attack_ns:
            self.refused[reason] += 1
            # Two complaints about one second are one second refused.
            self.refused_seconds += not note and at_ns != self._refused_ns
        if note and reason not in self._noted:
            self._noted.add(reason)
            self._tell(at_ns, f"{reason}: {words}")
        if note:
            return
        self._refused_ns = at_ns
        if kind != "wait" and self._first(reason):
            self._tell(at_ns, f"refused, {reason}: {words}")
        self.latest = decision

    def _first(self, what: str) -> bool:
        """Whether this happens for the first time since the feed began: what repeats is no news."""
        if what in self._told:
            return False
        self._told.add(what)
        return True

    def _tell(self, at_ns: int, text: str) -> None:
        """In the order of the decisions: a decision may be about a second that lies behind."""
        latest = self.story[-1][0] if self.story else at_ns
        self.story.append((max(at_ns, latest), text))

    def hear(self, heard: Heard | None) -> None:
        """What chronyc says now."""
        if heard is None:
            return
        self.best_reach = max(self.best_reach, heard.reach)
        if heard.reach:
            self.injected_ns = self.truth.lead_ns()
            self.measured_ns = heard.last_ns
            self.chrony_ns = max(self.chrony_ns, abs(heard.last_ns - self.injected_ns))


class Tail:
    """The decisions that a daemon appends to its log, as they come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[Fields]:
        """The whole lines that are new."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset, os.SEEK_SET)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [json.loads(line) for line in whole.splitlines()]


def milliseconds(value_ns: int) -> str:
    """An offset with its microseconds: ``+3.000 ms``."""
    return f"{value_ns / NS_PER_MS:+.3f} ms"


def _integer(fields: Fields, key: str) -> int:
    value = fields.get(key)
    return value if isinstance(value, int) else 0
