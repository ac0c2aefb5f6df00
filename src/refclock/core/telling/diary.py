"""What was decided last, how often, and why: the bridge's diary, kept for those who ask."""

from collections.abc import Callable

from refclock.core.rules.reasons import REASONS
from refclock.core.telling.refusals import Refusals
from refclock.model import Accuse, Decision, ModeChange, Publish, Withhold


class Diary:
    """Counts and the latest of each kind of decision; small, however long the daemon runs."""

    def __init__(self) -> None:
        self.last_publish: Publish | None = None
        self.last_withhold: Withhold | None = None
        self.last_accusation: Accuse | None = None
        self.refusals = Refusals()
        self.mode_reason = "started"
        self.mode_since_ns: int | None = None
        self.counters: dict[str, int] = {"published": 0, "withheld": 0, "accused": 0}

    def note(self, one: Decision, system_ns: int, rows: Callable[[], list[dict[str, object]]]) -> None:
        """Take a decision in; ``rows`` tells what the witnesses said then, where that is worth keeping."""
        if isinstance(one, Publish):
            self.counters["published"] += 1
            self.last_publish = one
            self.refusals.accepted()
        elif isinstance(one, Withhold):
            self.counters[one.reason] = self.counters.get(one.reason, 0) + 1
            if REASONS[one.reason].kind != "alarm":
                self.counters["withheld"] += 1
                self.last_withhold = one
            self.refusals.note(one, system_ns, rows)
        elif isinstance(one, Accuse):
            self.counters["accused"] += 1
            self.last_accusation = one
            self.refusals.accuse(one)
        elif isinstance(one, ModeChange):
            self.mode_reason, self.mode_since_ns = one.reason, one.raw_ns
