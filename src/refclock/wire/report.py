"""What a receiver's message says, whatever its format.

"Unknown" is a value of its own (None) and never counts as good or as bad.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Report:
    """Where in the port's byte stream the frame lay, and what it was.

    ``start`` and ``end`` are absolute offsets since the scanner was made; ``end`` is exclusive.
    """

    protocol: str
    message: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Label(Report):
    """The name of a second: UTC ``utc_s`` (POSIX seconds) plus ``frac_ns`` in 0..999999999.

    ``second60`` is set for a label written :60; ``utc_s`` is then that of the :59 before it.
    ``label_edge`` is "previous" when the label names the pulse just passed and "next" when it names
    the pulse to come. ``valid`` is the receiver's own word on its time; ``utc_valid`` says whether its
    leap-second count came from the satellites (True), from a firmware default (False), or is unsaid.
    ``q_err_ps`` is the pulse's quantisation error (sawtooth) where the receiver states a valid one.
    ``timescale`` is "utc"; or "gps" or "local" (a zone, or another system), when the receiver said no
    offset that would make UTC of it: ``utc_s`` then counts that calendar's seconds, and must not be taken
    for UTC. "unstated" is a format that cannot say which: UTC only where the operator vouches that the
    receiver is set to it. With ``yearless`` the format names the day of the year and no year: ``utc_s``
    counts from 1 January. ``mark`` is the offset of the byte that comes on time, where that is not the
    first one.
    """

    utc_s: int
    frac_ns: int = 0
    second60: bool = False
    label_edge: str = "previous"
    valid: bool | None = None
    utc_valid: bool | None = None
    leap_s: int | None = None
    t_acc_ns: int | None = None
    q_err_ps: int | None = None
    timescale: str = "utc"
    yearless: bool = False
    mark: int | None = None


@dataclass(frozen=True, slots=True)
class TimeOfDay(Report):
    """A time without a date (GGA, GLL, GNS): seconds since UTC midnight, and whether there was a fix."""

    tod_s: int
    frac_ns: int = 0
    valid: bool | None = None


@dataclass(frozen=True, slots=True)
class LeapInfo(Report):
    """What the receiver knows of leap seconds.

    ``utc_valid`` as in Label. ``change`` is +1, -1 or 0 (none announced), None when unsaid; ``at_s`` is
    the POSIX second that begins right after the event.
    """

    utc_valid: bool | None = None
    leap_s: int | None = None
    change: int | None = None
    at_s: int | None = None


@dataclass(frozen=True, slots=True)
class Reply(Report):
    """An answer as it stands, where only the question tells what it means; ``text`` is printable ASCII."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Health(Report):
    """Anything that speaks for or against the receiver. None is unknown."""

    fix: bool | None = None
    antenna: str | None = None  # "ok", "open", "short"
    jamming: str | None = None  # "ok", "warning", "critical"
    spoofing: str | None = None  # "none", "indicated", "multiple"
    pulse_locked: bool | None = None
    position: tuple[int, int] | None = None  # latitude and longitude of the antenna, 1e-7 degrees
    holdover: bool | None = None  # going on without its reference, by its own oscillator
    holdover_s: int | None = None  # for how long, where it says so
    locked: bool | None = None  # a frequency standard's own word: it is locked to its atoms


def on_time(report: Report) -> int:
    """The offset of the byte whose arrival counts: that which comes on time, else the frame's first."""
    return report.mark if isinstance(report, Label) and report.mark is not None else report.start


@dataclass(frozen=True, slots=True)
class Foreign(Report):
    """A good frame of a family that is recognised, but not read (see `Family.advice`)."""
