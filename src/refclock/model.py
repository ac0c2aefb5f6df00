"""Events in, decisions out: the two vocabularies on either side of the waist.

Every event carries the stamp of when it was observed: ``raw_ns`` on CLOCK_MONOTONIC_RAW, ``real_ns`` on
CLOCK_REALTIME at the same instant, and ``unc_ns``, the half-width of the RAW-REALTIME-RAW bracket that
tied the two together. All times are integer nanoseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was observed, and when."""

    raw_ns: int
    real_ns: int
    unc_ns: int


@dataclass(frozen=True, slots=True)
class SerialBytes(Event):
    """A chunk of bytes read from a receiver, as it came."""

    port: str
    data: bytes


@dataclass(frozen=True, slots=True)
class SerialSent(Event):
    """Bytes that a port wrote to a receiver."""

    port: str
    data: bytes


@dataclass(frozen=True, slots=True)
class PpsEdge(Event):
    """One pulse. ``at_ns`` is the kernel's CLOCK_REALTIME stamp of the edge, ``seq`` its sequence number.

    RFC 2783, section 3.1: assert and clear edges are numbered separately.
    """

    port: str
    edge: str  # "assert" or "clear"
    seq: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class RtcTick(Event):
    """The battery clock began second ``rtc_s``; ``unc_ns`` is the half-width of where the tick was seen."""

    port: str
    rtc_s: int


@dataclass(frozen=True, slots=True)
class NtpReply(Event):
    """An answer from an NTP server, or the news that none came (``data`` is None).

    ``t1_raw_ns`` and ``t4_raw_ns`` are CLOCK_MONOTONIC_RAW at transmission and arrival, ``cookie`` the
    64 random bits (hex) that were sent as the transmit time stamp.
    """

    port: str
    peer: str
    cookie: str
    t1_raw_ns: int
    t4_raw_ns: int
    data: bytes | None


@dataclass(frozen=True, slots=True)
class KdcReply(Event):
    """An answer from a Kerberos KDC, or the news that none came (``data`` is None).

    ``cookie`` (64 random bits, hex) tells the question together with the realm: wire.krb5.KdcQuestion.
    ``over`` is "udp" or "tcp"; ``data`` is the message without TCP's frame. ``t1_raw_ns`` and
    ``t4_raw_ns`` are CLOCK_MONOTONIC_RAW right before the question was sent and at the answer's arrival;
    a TCP connection was made before.
    """

    port: str
    peer: str
    cookie: str
    over: str
    t1_raw_ns: int
    t4_raw_ns: int
    data: bytes | None


@dataclass(frozen=True, slots=True)
class PhcReading(Event):
    """A network card's clock read at the stamp; ``unc_ns`` covers the reading."""

    port: str
    phc_ns: int


@dataclass(frozen=True, slots=True)
class SourceReport(Event):
    """What chronyd knows of one of its own sources, as chronyc told it.

    UTC by that source less CLOCK_REALTIME at the stamp is ``offset_ns``, give or take ``error_ns`` (root
    distance, and what the asking took), from an answer that came ``age_s`` seconds before. ``auth``: NTS or a
    symmetric key vouches for the source. ``leap`` is chronyd's own leap status (0 to 3), ``reach`` the
    register of the last eight polls.
    """

    port: str
    peer: str
    offset_ns: int
    error_ns: int
    age_s: int
    auth: bool
    leap: int
    reach: int


# Of SystemClock.status (linux/timex.h): set while the kernel's clock is not synchronised. Cleared, the kernel
# copies the clock to the RTC every 11 minutes.
STA_UNSYNC = 0x40


@dataclass(frozen=True, slots=True)
class SystemClock(Event):
    """A look at the kernel's clock discipline (adjtimex(2) with modes = 0) and at what counts time.

    ``suspended_ms`` is how long this boot has been suspended in all (CLOCK_BOOTTIME less CLOCK_MONOTONIC),
    None where it was not recorded: the raw counter stands still meanwhile. ``clock_sets`` is how often
    somebody set CLOCK_REALTIME since the port was opened (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET), None
    where the kernel was not asked.
    """

    freq_ppb: int
    tick_us: int
    status: int
    maxerror_us: int
    tai_s: int
    clocksource: str
    boot_id: str
    suspended_ms: int | None = None
    clock_sets: int | None = None


@dataclass(frozen=True, slots=True)
class PortChange(Event):
    """A port came up or went away."""

    port: str
    up: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Command(Event):
    """Something a person, or the daemon's own memory, tells the core; ``args`` holds integers, strings
    and lists of them only."""

    verb: str
    args: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Tick(Event):
    """Time passed: the wake-up that ``Bridge.wake_at`` asked for."""


@dataclass(frozen=True, slots=True)
class Mark(Event):
    """A note for people; the core ignores it."""

    text: str


class Mode(Enum):
    """How far the daemon trusts what it hears."""

    COLD = "cold"
    ACQUIRING = "acquiring"
    VETTED = "vetted"
    DEGRADED = "degraded"
    HOLDOVER = "holdover"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class Publish:
    """At system-clock instant ``sys_ns`` UTC was ``utc_ns``, give or take ``bound_ns``.

    ``raw_ns`` is the edge on CLOCK_MONOTONIC_RAW; ``leap`` is 0, 1 (a second will be inserted at the end
    of the UTC day) or 2 (deleted), as in RFC 5905, figure 9.
    """

    raw_ns: int
    utc_ns: int
    sys_ns: int
    leap: int
    bound_ns: int


@dataclass(frozen=True, slots=True)
class Withhold:
    """A second, or an answer, that was refused: why, the value found, and the limit it broke."""

    raw_ns: int
    reason: str
    value: int
    limit: int
    utc_ns: int | None = None
    mask: int | None = None


@dataclass(frozen=True, slots=True)
class ModeChange:
    """The mode changed."""

    raw_ns: int
    before: Mode
    after: Mode
    reason: str


@dataclass(frozen=True, slots=True)
class Accuse:
    """One source is held to be wrong; ``evidence`` carries the numbers."""

    raw_ns: int
    source: str
    evidence: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Request:
    """Ask a port to send something."""

    raw_ns: int
    port: str
    data: bytes


Decision = Publish | Withhold | ModeChange | Accuse | Request


def decision_fields(decision: Decision) -> dict[str, object]:
    """A decision as the fields of its line in the published form (docs/capture-format.md), in order."""
    if isinstance(decision, Publish):
        fields: dict[str, object] = {"d": "publish", "raw": decision.raw_ns, "utc": decision.utc_ns}
        fields |= {"sys": decision.sys_ns, "leap": decision.leap, "bound": decision.bound_ns}
    elif isinstance(decision, Withhold):
        fields = {"d": "withhold", "raw": decision.raw_ns, "reason": decision.reason}
        fields |= {"value": decision.value, "limit": decision.limit}
        if decision.utc_ns is not None:
            fields["utc"] = decision.utc_ns
        if decision.mask is not None:
            fields["mask"] = decision.mask
    elif isinstance(decision, ModeChange):
        fields = {"d": "mode", "raw": decision.raw_ns, "from": decision.before.value}
        fields |= {"to": decision.after.value, "reason": decision.reason}
    elif isinstance(decision, Accuse):
        fields = {"d": "accuse", "raw": decision.raw_ns, "source": decision.source}
        fields["evidence"] = dict(decision.evidence)
    else:
        fields = {"d": "request", "raw": decision.raw_ns, "port": decision.port}
        fields["data"] = decision.data.decode("latin-1")
    return fields
