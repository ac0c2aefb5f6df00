"""What the receiver says of itself, remembered for as long as it holds. Unknown is neither good nor bad."""

from typing import NamedTuple

from refclock.core.seconds.place import Place
from refclock.units import NS_PER_S
from refclock.wire.report import Health, Label, LeapInfo, Report, TimeOfDay

# Messages come once a second; what was not repeated for two is no longer a statement about now.
_VALID_FOR_NS = 2_500_000_000
# Slower messages (leap seconds, antenna, jamming) come every few seconds to minutes.
_STATUS_FOR_NS = 120 * NS_PER_S
# A standard is asked each second or two; a slow line takes its time.
_LOCKED_FOR_NS = 16 * NS_PER_S

_FAULTS = {
    "antenna": ("open", "short"),
    "jamming": ("critical",),
    "spoofing": ("indicated", "multiple"),
}


class Fault(NamedTuple):
    """Why the receiver disqualifies itself (see core.rules.reasons), with the value and its limit."""

    reason: str
    value: int = 1
    limit: int = 0


class ReceiverHealth:
    """The latest word of each message on each subject."""

    def __init__(self, position_m: int, holdover_ns: int) -> None:
        """``position_m``: how far a fixed antenna may seem to move, in metres. ``holdover_ns``: for how long
        the receiver may go on without its reference."""
        self._position_m, self._holdover_ns = position_m, holdover_ns
        self.place = Place()
        # By message: since when (None: it has its reference), and when that was heard.
        self._holdover: dict[str, tuple[int | None, int]] = {}
        self._validity: dict[str, tuple[bool, int]] = {}
        self._utc: dict[str, tuple[bool, int]] = {}
        self._status: dict[str, tuple[str, int]] = {}
        self._pulse_unlocked_ns: int | None = None
        self._locked: dict[str, tuple[bool, int]] = {}

    def hear(self, report: Report, raw_ns: int) -> None:
        """Take in a report that arrived at ``raw_ns``."""
        valid: bool | None = None
        utc_valid: bool | None = None
        if isinstance(report, Label):
            valid, utc_valid = report.valid, report.utc_valid
        elif isinstance(report, TimeOfDay):
            valid = report.valid
        elif isinstance(report, LeapInfo):
            utc_valid = report.utc_valid
        elif isinstance(report, Health):
            valid = report.fix
            self._hear_health(report, raw_ns)
        if valid is not None:
            self._validity[report.message] = (valid, raw_ns)
        if utc_valid is not None:
            self._utc[report.message] = (utc_valid, raw_ns)
        elif isinstance(report, Label):
            self._utc.pop(report.message, None)  # it takes back what it said of its leap count

    def _hear_health(self, report: Health, raw_ns: int) -> None:
        for subject in _FAULTS:
            word = getattr(report, subject)
            if word is not None:
                self._status[subject] = (word, raw_ns)
        if report.position is not None and report.fix:
            self.place.hear(report.position, raw_ns)
        if report.holdover is not None:
            since, _ = self._holdover.get(report.message, (None, 0))
            told = raw_ns - (report.holdover_s or 0) * NS_PER_S
            since = None if not report.holdover else told if since is None else min(since, told)
            self._holdover[report.message] = since, raw_ns
        if report.locked is not None:
            self._locked[report.message] = report.locked, raw_ns
        if report.pulse_locked is not None:
            self._pulse_unlocked_ns = None if report.pulse_locked else raw_ns

    def valid(self, raw_ns: int) -> bool | None:
        """False when any message of the last seconds denies validity, True when one affirms it."""
        words = [word for word, at in self._validity.values() if raw_ns - at <= _VALID_FOR_NS]
        return None if not words else all(words)

    def utc_confirmed(self, raw_ns: int) -> bool | None:
        """Whether the leap-second count comes from the satellites."""
        words = [word for word, at in self._utc.values() if raw_ns - at <= _STATUS_FOR_NS]
        return None if not words else all(words)

    def locked(self, raw_ns: int) -> bool | None:
        """A standard's own word on its lock; None when it has not been heard of late."""
        words = [word for word, at in self._locked.values() if raw_ns - at <= _LOCKED_FOR_NS]
        return None if not words else all(words)

    def cause(self, raw_ns: int) -> str | None:
        """What the receiver says is wrong around it: "antenna", "jamming" or "spoofing"."""
        for subject, bad in _FAULTS.items():
            said = self._status.get(subject)
            if said is not None and said[0] in bad and raw_ns - said[1] <= _STATUS_FOR_NS:
                return subject
        return None

    def fault(self, raw_ns: int) -> Fault | None:
        """For what the receiver disqualifies itself now."""
        cause = self.cause(raw_ns)
        if cause is not None:
            return Fault(cause)
        if self._pulse_unlocked_ns is not None and raw_ns - self._pulse_unlocked_ns <= _STATUS_FOR_NS:
            return Fault("pulse-unlocked")
        if self.locked(raw_ns) is False:
            return Fault("standard-unlocked")
        age_ns = self._holdover_age_ns(raw_ns)
        if age_ns > self._holdover_ns:
            return Fault("receiver-holdover", age_ns, self._holdover_ns)
        if self.utc_confirmed(raw_ns) is False:
            return Fault("utc-unconfirmed")
        astray_m = self.place.astray_m(raw_ns)
        if astray_m > self._position_m:
            return Fault("position", astray_m, self._position_m)
        return None

    def _holdover_age_ns(self, raw_ns: int) -> int:
        """For how long the receiver has been without its reference, as far as it says; 0 while it has it."""
        words = [(since, at) for since, at in self._holdover.values() if since is not None]
        return max((raw_ns - since for since, at in words if raw_ns - at <= _STATUS_FOR_NS), default=0)
