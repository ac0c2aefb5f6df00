"""The log for people, one line a fact, on standard error.

A refusal repeats each second, for hours if the sky wills it; its first occurrence is logged, then a
summary each ten minutes for as long as it lasts.
"""

import os
import sys
from dataclasses import dataclass

from refclock.core.rules.reasons import REASONS
from refclock.model import Accuse, Decision, ModeChange, Publish, Withhold
from refclock.sinks.lines import LineWriter
from refclock.units import NS_PER_S, show, show_ns

# sd-daemon(3): a line on standard error may begin with its priority in angle brackets.
ERR, WARNING, NOTICE, INFO = 3, 4, 5, 6
_SUMMARY_NS = 600 * NS_PER_S
# The core knows far fewer reasons; the limit keeps a defect there from filling the memory.
_MAX_EPISODES = 64


@dataclass(slots=True)
class _Episode:
    """Refusals for one reason: since when, and how many since the last line about them."""

    logged_raw_ns: int
    seen_raw_ns: int
    count: int


class Journal:
    """Logs mode changes, accusations, and refusals by episode. Also a Sink."""

    name = "journal"

    def __init__(self, fd: int | None = None, prefixed: bool | None = None) -> None:
        chosen = sys.stderr.fileno() if fd is None else fd
        self._out = LineWriter(chosen)
        self._prefixed = _is_journal(chosen) if prefixed is None else prefixed
        self._episodes: dict[str, _Episode] = {}
        self._publishing = False

    def log(self, priority: int, text: str) -> None:
        """One line. Line breaks in ``text`` (a device may have put them there) are shown, not obeyed."""
        clean = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
        self._out.line(f"<{priority}>{clean}" if self._prefixed else f"refclock: {clean}")

    def take(self, decision: Decision) -> None:
        """Log what a person wants to know of a decision."""
        if isinstance(decision, Publish):
            if not self._publishing:
                self._publishing = True
                offset = show_ns(decision.utc_ns - decision.sys_ns)
                self.log(
                    NOTICE,
                    f"publishing: UTC minus the system clock is {offset}, known to {_bound(decision)}",
                )
        elif isinstance(decision, ModeChange):
            self._episodes.clear()
            self._publishing = False
            worse = decision.after.value in ("holdover", "locked")
            self.log(
                WARNING if worse else NOTICE,
                f"mode {decision.before.value} -> {decision.after.value}: {decision.reason}",
            )
        elif isinstance(decision, Withhold):
            known = REASONS.get(decision.reason)
            loud = known is not None and known.kind == "alarm"
            priority = ERR if loud else WARNING
            self.repeating(decision.raw_ns, decision.reason, in_words(decision), priority)
        elif isinstance(decision, Accuse):
            evidence = ", ".join(f"{key} {value}" for key, value in decision.evidence.items())
            self.repeating(
                decision.raw_ns,
                f"accuse {decision.source}",
                f"{decision.source} is held to be wrong: {evidence}",
            )

    def repeating(self, raw_ns: int, key: str, text: str, priority: int = WARNING) -> None:
        """A line that may come again and again under one ``key``: now, then a summary each 10 min."""
        episode = self._episodes.get(key)
        if episode is None or raw_ns - episode.seen_raw_ns >= _SUMMARY_NS:
            if len(self._episodes) >= _MAX_EPISODES:
                self._episodes.pop(next(iter(self._episodes)))
            self._episodes[key] = _Episode(raw_ns, raw_ns, 0)
            self.log(priority, text)
            return
        episode.seen_raw_ns = raw_ns
        episode.count += 1
        if raw_ns - episode.logged_raw_ns >= _SUMMARY_NS:
            minutes = (raw_ns - episode.logged_raw_ns) // (60 * NS_PER_S)
            self.log(priority, f"{text}; {episode.count} times in the last {minutes} min")
            episode.logged_raw_ns, episode.count = raw_ns, 0

    def tend(self, raw_ns: int) -> None:
        """Try again to write what waits for a slow reader."""
        self._out.flush()

    def state(self) -> str:
        """How the log fares."""
        return f"{self._out.lost} lines lost: its reader stalls" if self._out.lost else "ok"

    def close(self) -> None:
        """Write what waits."""
        self._out.close()


def _is_journal(fd: int) -> bool:
    """systemd.exec(5): $JOURNAL_STREAM names the journal's descriptor by device and inode. The variable is
    inherited by whatever a service starts, a terminal included, and so its presence alone says nothing."""
    facts = os.fstat(fd)
    return os.environ.get("JOURNAL_STREAM") == f"{facts.st_dev}:{facts.st_ino}"


def in_words(withheld: Withhold) -> str:
    """A refusal for people: what, by how much, and what to do about it."""
    known = REASONS.get(withheld.reason)
    if known is None:
        return f"withheld, {withheld.reason}: found {withheld.value}, limit {withheld.limit}"
    numbers = ""
    if known.unit:
        found, limit = (show(value, known.unit) for value in (withheld.value, withheld.limit))
        numbers = f" (found {found}, limit {limit.lstrip('+')})"
    mend = f"; {known.mend}" if known.mend else ""
    deed = "ALARM" if known.kind == "alarm" else "withheld"
    return f"{deed}, {withheld.reason}: {known.words}{numbers}{mend}"


def _bound(decision: Publish) -> str:
    return show_ns(decision.bound_ns).lstrip("+")
