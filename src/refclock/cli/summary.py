"""What a replay amounts to, for people; and whether a header's expectations were met."""

from collections.abc import Mapping

from refclock.capture import CaptureReader
from refclock.cli.truth import Truth
from refclock.core.blame.attribution import in_words
from refclock.core.bridge import Bridge
from refclock.core.rules.reasons import REASONS
from refclock.model import Accuse, Decision, ModeChange, Publish, Withhold
from refclock.units import NS_PER_S, show_ns

_WIDTH = 80
_REBOOT_NS = 60 * NS_PER_S


class Summary:
    """Counts what was decided; small, whatever the length of the capture."""

    def __init__(self, header: Mapping[str, object]) -> None:
        self._truth = Truth.of(header)
        self._first_ns: int | None = None
        self._last_ns = 0
        self.published = 0
        self.bounds_ns = (0, 0)
        self.worst_ns: int | None = None
        self.outside_bound = 0
        self.withheld: dict[str, tuple[int, Withhold]] = {}
        self.story: list[tuple[int, str]] = []
        self.accused: list[str] = []
        self.mode = "cold"
        self.notes: list[str] = []

    def add(self, decision: Decision) -> None:
        """Take one decision."""
        if self._first_ns is None:
            self._first_ns = decision.raw_ns
        elif decision.raw_ns < self._last_ns - _REBOOT_NS:
            # The counter began anew: go on from where the story was.
            self._first_ns -= self._last_ns - decision.raw_ns
        self._last_ns = decision.raw_ns
        if isinstance(decision, Publish):
            low, high = self.bounds_ns
            self.bounds_ns = (
                min(low or decision.bound_ns, decision.bound_ns), max(high, decision.bound_ns)
            )  # fmt: skip
            self.published += 1
            if self._truth is not None:
                error = abs(self._truth.error_ns(decision))
                self.worst_ns = max(self.worst_ns or 0, error)
                self.outside_bound += error > decision.bound_ns
        elif isinstance(decision, Withhold):
            count, _ = self.withheld.get(decision.reason, (0, decision))
            self.withheld[decision.reason] = count + 1, decision
        elif isinstance(decision, ModeChange):
            self.mode = decision.after.value
            told = f"{decision.before.value} -> {decision.after.value}: {decision.reason}"
            self.story.append((decision.raw_ns - self._first_ns, told))
        elif isinstance(decision, Accuse):
            self.accused.append(decision.source)
            self.story.append((decision.raw_ns - self._first_ns, in_words(decision)))

    def finish(self, bridge: Bridge, reader: CaptureReader) -> None:
        """Note what only the end can tell."""
        if reader.footer is None:
            self.notes.append("truncated: no footer; replayed as far as it goes")
        for kind, count in sorted(reader.unknown_kinds.items()):
            self.notes.append(f"{count} events of a kind this version does not know, {kind!r}, left out")
        if not self.published:
            self.notes.append(f"nothing was published (mode {bridge.vetting.mode.value})")

    @staticmethod
    def _at(since_ns: int) -> str:
        seconds = since_ns // NS_PER_S
        return f"{seconds // 3600:4d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"

    def table(self) -> str:
        """The table, at most 80 columns wide."""
        low, high = self.bounds_ns
        rows = [f"{'published':<12}{self.published:>9}"]
        if self.published:
            rows[0] += f"   bound {show_ns(low).lstrip('+')} to {show_ns(high).lstrip('+')}"
        if self.worst_ns is not None:
            rows.append(f"{'truth':<12}{'':>9}   worst error {show_ns(self.worst_ns).lstrip('+')}, "
                        f"{self.outside_bound} outside their bound")  # fmt: skip
        rows.append(f"{'withheld':<12}{sum(count for count, _ in self.withheld.values()):>9}")
        for name, (count, last) in sorted(self.withheld.items(), key=lambda item: -item[1][0]):
            told = f"last value {_shown(last, last.value)}, limit {_shown(last, last.limit)}"
            rows.append(f"  {name:<19}{count:>8}   {told}")
        rows.append(f"{'mode':<12}{self.mode:>9}")
        rows += [_folded(f"  {self._at(raw)}  ", text) for raw, text in self.story]
        return "\n".join(rows)


def _shown(withheld: Withhold, value: int) -> str:
    unit = REASONS[withheld.reason].unit
    return show_ns(value) if unit == "ns" else f"{value} {unit}".rstrip()


def _folded(head: str, text: str) -> str:
    """One entry of the story; what does not fit goes on below, indented."""
    lines, line = [], head
    for word in text.split():
        if len(line) + len(word) > _WIDTH:
            lines.append(line.rstrip())
            line = " " * len(head)
        line += word + " "
    return "\n".join([*lines, line.rstrip()])


def unmet(header: Mapping[str, object], summary: Summary) -> list[str]:
    """The expectations in a header's ``expect`` that a replay did not meet, in words.

    Known ones: ``mode`` (the last), ``published`` (true or false), ``accused`` (a source among those named),
    ``withheld`` (reasons that must occur), ``max_error_ns`` and ``within_bound`` (against the truth).
    """
    expect = header.get("expect")
    if not isinstance(expect, dict):
        return []
    failed = []
    if "mode" in expect and expect["mode"] != summary.mode:
        failed.append(f"mode {summary.mode}, expected {expect['mode']}")
    if "published" in expect and expect["published"] != (summary.published > 0):
        failed.append(
            f"{summary.published} seconds published, expected {'some' if expect['published'] else 'none'}"
        )
    if "accused" in expect and expect["accused"] not in summary.accused:
        failed.append(f"accused {summary.accused or 'nobody'}, expected {expect['accused']}")
    for reason in expect["withheld"] if isinstance(expect.get("withheld"), list) else ():
        if str(reason) not in summary.withheld:
            failed.append(f"nothing withheld for {reason}")
    limit = expect.get("max_error_ns")
    if isinstance(limit, int) and summary.worst_ns is not None and summary.worst_ns > limit:
        failed.append(f"worst admitted error {summary.worst_ns} ns, expected at most {limit} ns")
    if expect.get("within_bound") is True and summary.outside_bound:
        failed.append(f"{summary.outside_bound} seconds outside their published bound")
    return failed
