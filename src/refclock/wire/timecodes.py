"""The table of fixed ASCII time codes: what each looks like on the line, and what its flags mean.

A layout is the frame byte by byte: text stands for itself, and ``{name}`` for a field of FIELDS. None of
these formats has a checksum, so a frame counts only at its exact length, with nothing but legal characters
in every place, and with fields that agree with each other (`timecode`).

Sources: Meinberg's time string descriptions (GPS and DCF77/PZF manuals); Spectracom NetClock and SecureSync
manuals, appendix on serial formats; TrueTime XL-DC manual 3-116 and Symmetricom XL-GPS F8/F11; Arbiter
1084/1093 manuals, broadcast mode B5; ntpd's driver documentation for the same clocks (4, 5, 11, 42).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

# How much a message's own flags let its time count: synchronised; on its own oscillator since it lost its
# reference; or no time at all, as far as it can say.
VALID, HOLDOVER, UNSYNCHRONISED = "valid", "holdover", "unsynchronised"

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
# ISO 8601: Monday is 1, Sunday 7.
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")

_DIGIT = "0123456789"
_SYNC, _DST, _LEAP = " ?*", "SIDO", " L"
# The legal characters in each place of a field.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "year": (_DIGIT,) * 4,
    "yy": (_DIGIT,) * 2,
    "month": ("01", _DIGIT),
    "monthname": ("ADFJMNOS", "ACEOPU", "BCGLNPRTVY"),
    "day": ("0123", _DIGIT),
    "spaced_day": (" 0123", _DIGIT),
    "yearday": ("0123", _DIGIT, _DIGIT),
    "weekday": ("1234567",),
    "dayname": ("FMSTW", "AEHORU", "DEINTU"),
    "hour": ("012", _DIGIT),
    "minute": ("012345", _DIGIT),
    "second": ("0123456", _DIGIT),
    "milli": (_DIGIT,) * 3,
    "sync": (_SYNC,),
    "quality": (" ABCD",),
    "dst": (_DST,),
    "leap": (_LEAP,),
    "tz": (_DIGIT,) * 2,
    "offset": ("+-", _DIGIT, _DIGIT, _DIGIT, _DIGIT),
    "colon_offset": ("+-", _DIGIT, _DIGIT, ":", _DIGIT, _DIGIT),
    "threshold": (" .*#?",),
    "free": (" #",),
    "unchecked": (" *",),
    "zone": (" US",),
    "summer": (" S",),
    "change": (" !",),
    "announce": (" !A",),
    "announced": (" A",),
    "inserting": (" L",),
    "degrees": (" 01", " " + _DIGIT, _DIGIT, ".", *(_DIGIT,) * 4),
    "north": ("NS",),
    "east": ("EW",),
    "height": (" -" + _DIGIT,) * 3 + (_DIGIT,),
    "locked": (" ?",),
    "mode": ("12345",),
    "tfom": ("456789",),
    "operation": ("01234",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Code:
    """One format.

    ``mark`` is the place of the byte that begins on time. ``flags`` are the fields whose characters,
    joined, are looked up in ``states`` (UNSYNCHRONISED for what is not there). So it is with the time scale:
    ``zone`` and ``scales`` ("local" for what is not there). ``leaps`` are the values of ``leap`` that
    announce an inserted second, which is due at the end of the month if that is at most ``leap_within_s``
    away. ``accuracy_ns``, by the value of ``accuracy``, bounds its error.
    """

    name: str
    layout: str
    flags: tuple[str, ...]
    states: Mapping[str, str]
    zone: tuple[str, ...] = ()
    scales: Mapping[str, str] = field(default_factory=lambda: {"": "unstated"})
    mark: int = 0
    leap: str = ""
    leaps: str = ""
    leap_within_s: int = 31 * 86_400
    accuracy: str = ""
    accuracy_ns: Mapping[str, int] = field(default_factory=dict)


_SYNCED = {" ": VALID}
_UTC = {"": "utc"}

_MEINBERG = (
    # The string's first byte starts with the second to within one bit. "#": a GPS clock runs free, a radio
    # clock has not synchronised since it was reset. "*": a radio clock runs on its crystal, a GPS clock has
    # not checked its position: which of the two cannot be told, so it counts as holdover. A blank zone is
    # Central European Time.
    Code(
        "Standard", "\x02D:{day}.{month}.{yy};T:{weekday};U:{hour}.{minute}.{second};"
        "{free}{unchecked}{zone}{announce}\x03",
        ("free", "unchecked"), {"  ": VALID, " *": HOLDOVER}, ("zone",), {"U": "utc"},
        leap="announce", leaps="A", leap_within_s=3600,
    ),
    Code(
        "Uni Erlangen", "\x02{day}.{month}.{yy}; {weekday}; {hour}:{minute}:{second}; {colon_offset}; "
        "{free}{unchecked}{summer}{change}{announced} {inserting};"
        "{degrees}{north} {degrees}{east} {height}m\x03",
        ("free", "unchecked"), {"  ": VALID, " *": HOLDOVER},
        ("colon_offset", "summer"), {"+00:00 ": "utc", "-00:00 ": "utc"},
        leap="announced", leaps="A", leap_within_s=3600,
    ),
)  # fmt: skip

_SPECTRACOM = (
    # "?": no satellites, "*": by the battery-backed clock, or set by hand. The zone of format 0 is hours west
    # of Greenwich, without daylight saving, which D says is in force (and I, O that it will begin or end).
    Code(
        "Format 0", "\r\n{sync}  {yearday} {hour}:{minute}:{second} {dst}TZ={tz}\r\n",
        ("sync",), _SYNCED, ("dst", "tz"), {"S00": "utc"},
    ),
    Code(
        "Format 1", "\r\n{sync} {dayname} {spaced_day}{monthname}{yy} {hour}:{minute}:{second}\r\n",
        ("sync",), _SYNCED,
    ),
    # Always UTC: the clock refuses to combine it with a zone. A quality letter says for how long no satellite
    # was tracked, as an error: A below 10 ms, B below 100 ms, C below 500 ms. It has no line end.
    Code(
        "Format 2", "\r\n{sync}{quality}{yy} {yearday} {hour}:{minute}:{second}.{milli} {leap}{dst}",
        ("sync", "quality"), {"  ": VALID, " A": HOLDOVER}, (), _UTC,
        leap="leap", leaps="L", accuracy="quality",
        accuracy_ns={"A": 10_000_000, "B": 100_000_000, "C": 500_000_000},
    ),
    # The time is local; the offset tells the zone, D daylight saving beside it. "#" is on time.
    Code(
        "Format 3", "0003{sync} {year}{month}{day} {hour}{minute}{second}{offset}{dst}{leap}#\r\n",
        ("sync",), _SYNCED, ("offset", "dst"), {"+0000S": "utc", "-0000S": "utc"},
        mark=28, leap="leap", leaps="L",
    ),
)  # fmt: skip

_TRUETIME = (
    # XL-DC, XL-GPS and their like, and Spectracom's format 9. "?" is an error beyond the last threshold, or
    # no reference; the other marks are thresholds that the operator may have moved. CR is on time.
    Code(
        "XL-DC", "\x01{yearday}:{hour}:{minute}:{second}{threshold}\r\n",
        ("threshold",), {" ": VALID, ".": HOLDOVER, "*": HOLDOVER, "#": HOLDOVER}, mark=14,
    ),
)  # fmt: skip

_ARBITER = (
    # Filled up with three spaces, as ntpd's driver expects it; no line end.
    Code("B5", "\r\n{locked} {yy} {yearday} {hour}:{minute}:{second}.000   ", ("locked",), _SYNCED),
)

_ZYFER = (
    # Mode 1 is GPS time, 2 UTC, 3 and 4 local, 5 was set by hand. Operation 1 is locked, 2 coasting; 0 warms
    # up, 3 recovers, 4 is manual. It has no line end.
    Code(
        "TIME", "!TIME,{year},{yearday},{hour},{minute},{second},{mode},{tfom},{operation}",
        ("operation",), {"1": VALID, "2": HOLDOVER}, ("mode",), {"1": "gps", "2": "utc"},
        accuracy="tfom", accuracy_ns={"4": 1000, "5": 10_000, "6": 100_000, "7": 1_000_000, "8": 10_000_000},
    ),
)  # fmt: skip

# By the name of the family that sends them.
CODES: Mapping[str, tuple[Code, ...]] = {
    "meinberg": _MEINBERG,
    "spectracom": _SPECTRACOM,
    "truetime": _TRUETIME,
    "arbiter": _ARBITER,
    "zyfer": _ZYFER,
}
