"""The one engine for the fixed ASCII time codes whose table is in `timecodes`.

A frame is taken at its exact length, with legal characters in every place; then its fields must be a date
and a time that exist, and the weekday, where there is one, must be that date's. What fails gives no report.
No checksum guards the digits, so a damaged one may still make a legal, wrong second: it takes the core,
which believes no second that does not follow the one before, to stop that.
"""

import re
from dataclasses import dataclass

from refclock.units import NS_PER_MS, S_PER_DAY
from refclock.wire.calendar import begins_a_month, date_s, is_leap_year
from refclock.wire.framing import DAMAGED, REFUSED, WAIT
from refclock.wire.report import Health, Label, LeapInfo, Report
from refclock.wire.timecodes import CODES, FIELDS, HOLDOVER, MONTHS, UNSYNCHRONISED, WEEKDAYS, Code

# A two-digit year at or above the pivot is 19xx, as in `nmea`.
YEAR_PIVOT = 80
_PART = re.compile(r"\{(\w+)\}|([^{}])")
# A year of which only the day is known: a leap year, so that day 366 exists.
_NO_YEAR_DAYS = 366

_Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class _Layout:
    """A code made ready: the pattern of a whole frame, and the legal bytes in each place of one."""

    code: Code
    pattern: re.Pattern[bytes]
    places: tuple[frozenset[int], ...]
    prefix: bytes

    def may_become(self, data: bytes, at: int) -> bool:
        """Whether ``data[at:]``, which is too short, may be the beginning of a frame."""
        have = data[at : at + len(self.places)]
        return len(have) < len(self.places) and all(
            byte in legal for byte, legal in zip(have, self.places, strict=False)
        )


def _prepare(code: Code) -> _Layout:
    pattern, prefix = "", ""
    places: list[str] = []
    seen: set[str] = set()
    for name, literal in _PART.findall(code.layout):
        if not name:
            if not seen:
                prefix += literal
            pattern += re.escape(literal)
            places.append(literal)
            continue
        legal = FIELDS[name]
        text = "".join(f"[{re.escape(one)}]" for one in legal)
        pattern += text if name in seen else f"(?P<{name}>{text})"
        seen.add(name)
        places += legal
    compiled = re.compile(pattern.encode("ascii"))
    return _Layout(code, compiled, tuple(frozenset(one.encode("ascii")) for one in places), prefix.encode())


def _finder(layouts: tuple[_Layout, ...]) -> re.Pattern[bytes]:
    """Where a frame may begin: at what all its frames begin with, or at the start of that where data ends."""
    prefixes = sorted({layout.prefix for layout in layouts})
    whole = [re.escape(prefix) for prefix in prefixes]
    cut = [re.escape(prefix[:size]) + rb"\Z" for prefix in prefixes for size in range(1, len(prefix))]
    return re.compile(b"|".join(whole + cut))


_LAYOUTS = {family: tuple(_prepare(code) for code in codes) for family, codes in CODES.items()}
_FINDERS = {family: _finder(layouts) for family, layouts in _LAYOUTS.items()}


def _midnight(fields: _Fields) -> tuple[int, bool] | None:
    """POSIX seconds of the date's midnight, and whether its year is missing; None for a date that does not
    exist, or is not the weekday it is said to be."""
    if "year" in fields or "yy" in fields:
        year = int(fields["year"]) if "year" in fields else _full_year(int(fields["yy"]))
    else:
        day = int(fields["yearday"])
        return ((day - 1) * S_PER_DAY, True) if 1 <= day <= _NO_YEAR_DAYS else None
    if "yearday" in fields:
        first_s, day = date_s(year, 1, 1), int(fields["yearday"])
        if first_s is None or not 1 <= day <= 365 + is_leap_year(year):
            return None
        return first_s + (day - 1) * S_PER_DAY, False
    midnight_s = date_s(year, _month(fields), int(fields.get("day") or fields["spaced_day"]))
    if midnight_s is None:
        return None
    # 1 January 1970 was a Thursday.
    weekday = (midnight_s // S_PER_DAY + 3) % 7
    if fields.get("weekday", str(weekday + 1)) != str(weekday + 1):
        return None
    return (midnight_s, False) if fields.get("dayname", WEEKDAYS[weekday]) == WEEKDAYS[weekday] else None


def _full_year(year: int) -> int:
    return year + (1900 if year >= YEAR_PIVOT else 2000)


def _month(fields: _Fields) -> int:
    """1..12, or 0 for a name that is no month's."""
    if "month" in fields:
        return int(fields["month"])
    name = fields["monthname"]
    return MONTHS.index(name) + 1 if name in MONTHS else 0


def _time(fields: _Fields) -> tuple[int, bool] | None:
    """Second of the day, and whether it was 23:59:60 (the second is then that of :59)."""
    hour, minute, second = (int(fields[name]) for name in ("hour", "minute", "second"))
    if hour > 23 or second > 60:
        return None
    tod_s = hour * 3600 + minute * 60 + second
    if second < 60:
        return tod_s, False
    return (tod_s - 1, True) if tod_s == S_PER_DAY else None


def _month_end_s(posix_s: int) -> int:
    """The POSIX second at which the next UTC month begins."""
    days = posix_s // S_PER_DAY + 1
    while not begins_a_month(days * S_PER_DAY):
        days += 1
    return days * S_PER_DAY


def decode(code: Code, fields: _Fields, protocol: str, start: int, end: int) -> list[Report] | None:
    """The reports of one frame by its fields; None where they contradict each other."""
    date, time = _midnight(fields), _time(fields)
    if date is None or time is None:
        return None
    (midnight_s, yearless), (tod_s, second60) = date, time
    utc_s, scale = midnight_s + tod_s, code.scales.get(_joined(fields, code.zone), "local")
    state = code.states.get(_joined(fields, code.flags), UNSYNCHRONISED)
    health = Health(
        protocol, code.name, start, end,
        fix=state != UNSYNCHRONISED, holdover=None if state == UNSYNCHRONISED else state == HOLDOVER,
    )  # fmt: skip
    label = Label(
        protocol, code.name, start, end, utc_s, int(fields.get("milli", "0")) * NS_PER_MS, second60,
        valid=state != UNSYNCHRONISED,
        t_acc_ns=code.accuracy_ns.get(fields[code.accuracy]) if code.accuracy else None,
        timescale=scale, yearless=yearless, mark=start + code.mark if code.mark else None,
    )  # fmt: skip
    if not code.leap or scale != "utc" or yearless:
        return [label, health]
    change, at_s = 0, None
    if fields[code.leap] in code.leaps:
        at_s = _month_end_s(utc_s)
        # An announcement is of the end of a month, or it is not to be believed.
        change = 1 if at_s - utc_s <= code.leap_within_s else 0
    return [
        label,
        health,
        LeapInfo(protocol, code.name, start, end, change=change, at_s=at_s if change else None),
    ]


def _joined(fields: _Fields, names: tuple[str, ...]) -> str:
    return "".join(fields[name] for name in names)


class Framer:
    """Finds and decodes the time codes of one family. It keeps no state between them."""

    def __init__(self, family: str) -> None:
        """``family`` is one of CODES."""
        self.name = family
        self.frames = 0
        self._layouts, self._finder = _LAYOUTS[family], _FINDERS[family]

    def find(self, data: bytes, at: int) -> int:
        """Where the next frame may begin, at ``at`` or after it; -1 for nowhere."""
        found = self._finder.search(data, at)
        return -1 if found is None else found.start()

    def take(self, data: bytes, at: int, stop: int, origin: int, reports: list[Report]) -> int:
        """See `framing.Framer`. It waits for as long as the longest layout of the family at most."""
        for layout in self._layouts:
            match = layout.pattern.match(data, at)
            if match is None:
                continue
            fields = {name: text.decode("ascii") for name, text in match.groupdict().items()}
            found = decode(layout.code, fields, self.name, origin + at, origin + match.end())
            if found is None:
                return DAMAGED
            self.frames += 1
            reports += found
            return match.end()
        return WAIT if any(layout.may_become(data, at) for layout in self._layouts) else REFUSED
