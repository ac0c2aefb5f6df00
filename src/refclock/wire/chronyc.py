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
_COUNT = re.compile(r"[0-9]{1,10}")
_OCTAL = re.compile(r"[0-7]{1,3}")
_LEAPS: Mapping[str, int] = {"Normal": 0, "Insert second": 1, "Delete second": 2}
_LEAP_UNKNOWN = 3
_TRACKING, _ROW = 14, 10
# A server or a peer; "#" is a reference clock, such as refclock's own.
_MODES = ("^", "=")
# "?" is what cannot be selected; under authselectmode require that is all that is not authenticated.
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
    rows = [line.split(",") for line in text.splitlines()]
    tracking = [row for row in rows if len(row) == _TRACKING]
    slow_ns = _nanoseconds(tracking[0][4]) if len(tracking) == 1 else None
    if slow_ns is None:
        return None
    vouched = {row[0] for row in rows if len(row) == _ROW and row[1] in _AUTHENTICATED}
    sources = []
    for row in rows:
        if len(row) == _ROW and row[0] in _MODES:
            source = _source(row, slow_ns)
            trusted = row[1] in _SELECTABLE if required else row[2] in vouched
            if source is not None and trusted:
                sources.append(source)
    return ChronyReport(tuple(sources), _LEAPS.get(tracking[0][13], _LEAP_UNKNOWN))


def _source(row: list[str], slow_ns: int) -> ChronySource | None:
    """A row of ``sources``: mode, state, name, stratum, poll, reach, last answer, its offset carried to now,
    as it was measured, and the error."""
    ahead_ns, error_ns = _nanoseconds(row[7]), _nanoseconds(row[9])
    if ahead_ns is None or error_ns is None or not _OCTAL.fullmatch(row[5]) or not _COUNT.fullmatch(row[6]):
        return None
    reach, age_s = int(row[5], 8), int(row[6])
    if reach == 0 or age_s >= _NEVER_S or error_ns < 0:
        return None
    return ChronySource(row[2], slow_ns - ahead_ns, error_ns, age_s, reach)


def _nanoseconds(text: str) -> int | None:
    found = _SECONDS.fullmatch(text)
    if found is None:
        return None
    size = int(found[2] + found[3])
    return -size if found[1] else size
