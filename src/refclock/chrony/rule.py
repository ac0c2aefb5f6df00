"""The form of a rule: what must hold, the point of the draft that asks for it, and how a breach is judged."""

from dataclasses import dataclass

from refclock.chrony.effective import Wanted
from refclock.finding import FAIL, OK, WARN, Finding


@dataclass(frozen=True, slots=True)
class Rule:
    """``name`` is the row's, ``clause`` the numbers of docs/requirements.md, ``must`` what has to hold, and
    ``why`` what happens otherwise. ``advice``: a breach is a warning even on a KDC; ``lenient``: on an
    application server."""

    name: str
    clause: str
    must: str
    why: str
    lenient: bool = False
    advice: bool = False

    def ok(self, found: str) -> Finding:
        """It holds."""
        return Finding(self.name, found, OK, "", self.clause)

    def warn(self, found: str, mend: str) -> Finding:
        """It holds as far as the draft asks, and could be better."""
        return Finding(self.name, found, WARN, mend, self.clause)

    def bad(self, wanted: Wanted, found: str, mend: str) -> Finding:
        """It does not hold."""
        return Finding(self.name, found, self.verdict(wanted.profile), mend, self.clause)

    def unknown(self, found: str, mend: str) -> Finding:
        """It cannot be told."""
        return Finding(self.name, found, WARN, mend, self.clause, known=False)

    def verdict(self, profile: str) -> str:
        """How a breach is judged on a host of that profile."""
        return WARN if self.advice or (self.lenient and profile == "appserver") else FAIL
