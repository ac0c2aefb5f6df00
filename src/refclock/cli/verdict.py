"""What a replayed exhibit came to, in one word, and how long that took."""

from collections.abc import Mapping

from refclock.cli.truth import Truth
from refclock.core.rules.reasons import REASONS
from refclock.model import Accuse, Decision, Mode, ModeChange, Publish, Withhold
from refclock.units import NS_PER_S

VERDICTS = ("lock", "rejected", "holdover", "named", "accepted")
# Two published seconds farther apart than this have one between them that was not fed.
_GAP_NS = 3 * NS_PER_S // 2


class Verdict:
    """Follows the decisions of one exhibit from the instant on at which the incident begins."""

    def __init__(self, header: Mapping[str, object], begins_utc_ns: int | None) -> None:
        self._truth = Truth.of(header)
        self._begins_ns = begins_utc_ns
        self._fed_ns: int | None = None
        self._leap = False
        self.mode = Mode.COLD
        self._last_utc_ns = 0
        self.backwards = 0
        # When each thing came, in ns since the incident began.
        self._moved: dict[Mode, int] = {}
        self._refused: int | None = None
        self._named: int | None = None

    def _since(self, raw_ns: int) -> int:
        """Time since the incident began, by the truth; from the start on where no beginning is known."""
        if self._truth is None or self._begins_ns is None:
            return 0
        return self._truth.utc_ns(raw_ns) - self._begins_ns

    def add(self, decision: Decision) -> None:
        """Take one decision."""
        since = self._since(decision.raw_ns)
        if isinstance(decision, ModeChange):
            self.mode = decision.after
            self._moved[decision.after] = since
        if isinstance(decision, Publish):
            self.backwards += decision.utc_ns <= self._last_utc_ns
            self._last_utc_ns = decision.utc_ns
            if self._fed_ns is not None and decision.raw_ns - self._fed_ns > _GAP_NS and not self._leap:
                self._refuse(self._since(self._fed_ns) + NS_PER_S)
            self._fed_ns, self._leap = decision.raw_ns, False
        elif isinstance(decision, Withhold):
            self._leap |= decision.reason == "leap-second"
            if REASONS[decision.reason].kind not in ("wait", "note"):
                self._refuse(since)
        elif isinstance(decision, Accuse) and since >= 0 and decision.source.startswith("ntp"):
            self._named = since if self._named is None else self._named

    def _refuse(self, since: int) -> None:
        if since >= 0 and self._refused is None:
            self._refused = since

    @property
    def word(self) -> str:
        """One of VERDICTS."""
        if self.mode is Mode.LOCKED:
            return "lock"
        if self.mode is Mode.HOLDOVER:
            return "holdover"
        if self.mode in (Mode.COLD, Mode.ACQUIRING):
            return "rejected"
        return "named" if self._named is not None else "rejected" if self._refused is not None else "accepted"

    @property
    def after_ns(self) -> int | None:
        """How long after the beginning the verdict fell; None where nothing happened."""
        if self.mode in (Mode.LOCKED, Mode.HOLDOVER):
            return max(0, self._moved[self.mode])
        return self._named if self.word == "named" else self._refused
