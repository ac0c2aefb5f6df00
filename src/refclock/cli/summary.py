"""What a replay amounts to, for people; and whether a header's expectations were met."""

import textwrap
from collections.abc import Mapping

from refclock.capture import CaptureReader
from refclock.cli.truth import Truth
from refclock.core.blame.attribution import in_words
from refclock.core.bridge import Bridge
from refclock.core.rules.reasons import REASONS
from refclock.errors import CaptureError
from refclock.model import Accuse, Decision, ModeChange, Publish, Withhold
from refclock.units import NS_PER_S, printable, show, show_ns

_WIDTH = 80
_REBOOT_NS = 60 * NS_PER_S
# No honest capture has so long a story.
_LONGEST_STORY = 10_000
# What a header may expect, and of which type it is.
_EXPECTATIONS: Mapping[str, tuple[type, str]] = {
    "mode": (str, "a string"),
    "published": (bool, "true or false"),
    "accused": (str, "a string"),
    "withheld": (list, "a list of reasons"),
    "max_error_ns": (int, "an integer"),
    "within_bound": (bool, "true or false"),
}


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
        self.untold = 0
        self.accused: set[str] = set()
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
            self._tell(decision.raw_ns - self._first_ns, told)
        elif isinstance(decision, Accuse):
            self.accused.add(decision.source)
            self._tell(decision.raw_ns - self._first_ns, in_words(decision))

    def _tell(self, since_ns: int, text: str) -> None:
        if len(self.story) < _LONGEST_STORY:
            self.story.append((since_ns, text))
        else:
            self.untold += 1

    def finish(self, bridge: Bridge, reader: CaptureReader) -> None:
        """Note what only the end can tell."""
        if reader.footer is None:
            self.notes.append("truncated: no footer; replayed as far as it goes")
        for kind, count in sorted(reader.unknown_kinds.items()):
            self.notes.append(f"{count} events of a kind this version does not know, {kind!r}, left out")
        expect = reader.header.get("expect")
        for key in expect if isinstance(expect, dict) else ():
            if key not in _EXPECTATIONS:
                self.notes.append(f"an expectation that this version does not know, {key!r:.60}, left out")
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
            unit = REASONS[name].unit
            told = f"last value {show(last.value, unit)}, limit {show(last.limit, unit)}"
            rows.append(f"  {name:<19}{count:>8}   {told}")
        rows.append(f"{'mode':<12}{self.mode:>9}")
        rows += [_folded(f"  {self._at(raw)}  ", text) for raw, text in self.story]
        if self.untold:
            rows.append(f"  and {self.untold} more")
        return "\n".join(rows)


def _folded(head: str, text: str) -> str:
    """One entry of the story; what does not fit goes on below, indented."""
    return textwrap.fill(
        text, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def expectations(reader: CaptureReader) -> Mapping[str, object]:
    """A header's ``expect``; empty where it has none. Raises CaptureError for what cannot be understood: it
    would else be met by whatever comes."""
    expect = reader.header.get("expect", {})
    if not isinstance(expect, dict):
        raise CaptureError(f"{reader.path}:1: expect: expected an object, found {expect!r:.60}.")
    for key, (kind, named) in _EXPECTATIONS.items():
        if key in expect and type(expect[key]) is not kind:
            found = f"{expect[key]!r:.60}"
            raise CaptureError(f"{reader.path}:1: expect: {key}: expected {named}, found {found}.")
    return expect


def unmet(expect: Mapping[str, object], summary: Summary) -> list[str]:
    """Those of the ``expectations`` that a replay did not meet, in words.

    ``mode`` (the last), ``published`` (true or false), ``accused`` (a source among those named),
    ``withheld`` (reasons that must occur), ``max_error_ns`` and ``within_bound`` (against the truth).
    """
    failed = []
    if "mode" in expect and expect["mode"] != summary.mode:
        failed.append(f"mode {summary.mode}, expected {expect['mode']}")
    if "published" in expect and expect["published"] != (summary.published > 0):
        failed.append(
            f"{summary.published} seconds published, expected {'some' if expect['published'] else 'none'}"
        )
    if "accused" in expect and expect["accused"] not in summary.accused:
        named = ", ".join(sorted(summary.accused)) or "nobody"
        failed.append(f"accused {named}, expected {expect['accused']}")
    listed = expect.get("withheld")
    for reason in listed if isinstance(listed, list) else ():
        if str(reason) not in summary.withheld:
            failed.append(f"nothing withheld for {reason}")
    limit = expect.get("max_error_ns")
    if isinstance(limit, int) and summary.worst_ns is not None and summary.worst_ns > limit:
        failed.append(f"worst admitted error {summary.worst_ns} ns, expected at most {limit} ns")
    if expect.get("within_bound") is True and summary.outside_bound:
        failed.append(f"{summary.outside_bound} seconds outside their published bound")
    return [printable(one) for one in failed]
