"""What ``chronyc -c -n`` prints of chronyd's own sources (chronyc(1); as chrony 4.3 prints it).

Signs, tried with a server whose clock was 0.25 s ahead: ``tracking`` gives by how much the system clock is
slow of chronyd's own idea of the time; ``sources`` by how much that idea is ahead of the source. So UTC by a
source less the system clock is the first less the second.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

# S.sssssssss
_SECONDS = re.compile(r"(-?)([0-9]{1,10})\.([0-9]{9})")
_PPM = re.compile(r"(-?)([0-9]{1,10})\.([0-9]{3})")
_COUNT = re.compile(r"[0-9]{1,10}")
_OCTAL = re.compile(r"[0-7]{1,3}")
_LEAPS: Mapping[str, int] = {"Normal": 0, "Insert second": 1, "Delete second": 2}
_LEAP_UNKNOWN = 3
_TRACKING, _ROW, _STATS = 14, 10, 8
# A server or a peer; "#" is a reference clock, such as refclock's own.
_MODES = ("^", "=")
_SELECTABLE = ("*", "+", "-", "x", "~")
_AUTHENTICATED = ("NTS", "SK")
_NEVER_S = 1 << 24


@dataclass(frozen=True, slots=True)
class ChronySource:
    """A source that answers: UTC by it less the system clock (ns), its root distance, seconds since its last
    answer, and the register of its last eight polls."""

    peer: str
    offset_ns: int
    error_ns: int
    age_s: int
    reach: int


@dataclass(frozen=True, slots=True)
class ChronyReport:
    """The authenticated sources, and chronyd's leap status as in RFC 5905, figure 9."""

    sources: tuple[ChronySource, ...]
    leap: int


def parse(text: str, required: bool) -> ChronyReport | None:
    """The output of ``tracking``, ``sources`` and ``authdata``, or without the last where chrony.conf
    requires authentication (``required``). None where it is not whole; what is no row is passed over."""
    tracking = parse_tracking(text)
    if tracking is None:
        return None
    vouched = parse_authdata(text)
    sources = []
    for one in parse_sources(text):
        trusted = one.selectable if required else vouched.get(one.name, False)
        if one.mode in _MODES and trusted and one.reach and one.age_s is not None and one.error_ns >= 0:
            # Its offset carried to now.
            offset_ns = tracking.slow_ns - one.ahead_ns
            sources.append(ChronySource(one.name, offset_ns, one.error_ns, one.age_s, one.reach))
    return ChronyReport(tuple(sources), tracking.leap)


@dataclass(frozen=True, slots=True)
class Tracking:
    """``tracking``: the selected source's reference id in hexadecimal and its name, the stratum, by how
    much the system clock is slow of chronyd's idea of the time (ns), by how much the clock would run fast
    if nobody corrected it (ppb), and the leap status as in RFC 5905, figure 9."""

    refid: str
    name: str
    stratum: int
    slow_ns: int
    fast_ppb: int
    leap: int


@dataclass(frozen=True, slots=True)
class SourceState:
    """A row of ``sources``: "#" for a reference clock, "^" for a server, "=" for a peer; its state ("*"
    selected, "+" combined, "-" not combined, "x" false, "~" unsteady, "?" not selectable); its register of
    the last eight polls; seconds since its last sample, None before the first; by how much chronyd's idea
    of the time is ahead of the source, and the error of that (ns)."""

    mode: str
    state: str
    name: str
    stratum: int
    reach: int
    age_s: int | None
    ahead_ns: int
    error_ns: int

    @property
    def selectable(self) -> bool:
        """Whether chrony may select it; under ``authselectmode require`` that is what is authenticated."""
        return self.state in _SELECTABLE


def parse_tracking(text: str) -> Tracking | None:
    """The row of ``tracking`` in what chronyc printed; None where there is none, or two."""
    rows = [row for row in _rows(text) if len(row) == _TRACKING]
    if len(rows) != 1:
        return None
    row = rows[0]
    slow_ns, fast_ppb = _nanoseconds(row[4]), _thousandths(row[7])
    if slow_ns is None or fast_ppb is None or not _COUNT.fullmatch(row[2]):
        return None
    return Tracking(row[0], row[1], int(row[2]), slow_ns, fast_ppb, _LEAPS.get(row[13], _LEAP_UNKNOWN))


def parse_sources(text: str) -> tuple[SourceState, ...]:
    """Every row of ``sources``."""
    found = []
    for row in _rows(text):
        if len(row) != _ROW or row[0] not in ("#", *_MODES):
            continue
        ahead_ns, error_ns = _nanoseconds(row[7]), _nanoseconds(row[9])
        counts = _COUNT.fullmatch(row[3]) and _OCTAL.fullmatch(row[5]) and _COUNT.fullmatch(row[6])
        if counts and ahead_ns is not None and error_ns is not None:
            age_s = int(row[6]) if int(row[6]) < _NEVER_S else None
            mode, state, name = row[:3]
            reach = int(row[5], 8)
            found.append(SourceState(mode, state, name, int(row[3]), reach, age_s, ahead_ns, error_ns))
    return tuple(found)


def parse_deviations(text: str) -> Mapping[str, tuple[int, int]]:
    """The rows of ``sourcestats``: of each source the number of samples that are kept, and their spread
    (ns)."""
    found = {}
    for row in _rows(text):
        if len(row) == _STATS and _COUNT.fullmatch(row[1]):
            spread_ns = _nanoseconds(row[7])
            if spread_ns is not None:
                found[row[0]] = (int(row[1]), spread_ns)
    return found


def parse_authdata(text: str) -> Mapping[str, bool]:
    """The rows of ``authdata``: of each server and peer whether it is authenticated."""
    return {
        row[0]: row[1] in _AUTHENTICATED
        for row in _rows(text)
        if len(row) == _ROW and row[1] in (*_AUTHENTICATED, "-") and row[0] not in ("#", *_MODES)
    }


def _nanoseconds(text: str) -> int | None:
    found = _SECONDS.fullmatch(text)
    if found is None:
        return None
    size = int(found[2] + found[3])
    return -size if found[1] else size


def _rows(text: str) -> list[list[str]]:
    return [line.split(",") for line in text.splitlines()]


def _thousandths(text: str) -> int | None:
    """A number with three digits behind the point."""
    found = _PPM.fullmatch(text)
    if found is None:
        return None
    size = int(found[2] + found[3])
    return -size if found[1] else size
