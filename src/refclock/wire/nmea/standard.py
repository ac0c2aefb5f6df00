"""The standard's own sentences: RMC, ZDA, GGA, GLL and GNS."""

from refclock.wire.nmea.fields import (
    PROTOCOL,
    Fields,
    Where,
    label,
    number,
    position,
    short_date_s,
    split_date_s,
    time_of_day,
)
from refclock.wire.report import Health, Report


def _status(status: bytes, mode: bytes) -> bool | None:
    """Data status A or V, overruled by the FAA mode: N is no fix, S is a simulator."""
    if status == b"V" or mode in (b"N", b"S"):
        return False
    return True if status == b"A" else None


def rmc(fields: Fields, where: Where) -> list[Report]:
    """RMC: 1 time, 2 status, 3 to 6 position, 9 ddmmyy, 12 FAA mode (since NMEA 2.3)."""
    if len(fields) < 10:
        return []
    mode = fields[12] if len(fields) > 12 else b""
    midnight_s = short_date_s(fields[9])
    valid = _status(fields[2], mode)
    reports = label("RMC", where, fields[1], midnight_s, valid=valid)
    place = position(fields[3:7]) if valid else None
    if place is not None:
        reports.append(Health(PROTOCOL, "RMC", *where, fix=True, position=place))
    return reports


def zda(fields: Fields, where: Where) -> list[Report]:
    """ZDA: 1 time, 2 day, 3 month, 4 year; the local zone after them may be missing. It has no flag."""
    if len(fields) < 5:
        return []
    return label("ZDA", where, fields[1], split_date_s(fields[4], fields[3], fields[2]), valid=None)


def gga(fields: Fields, where: Where) -> list[Report]:
    """GGA: 1 time, 6 quality: 0 none, 1..5 satellites, 6 dead reckoning, 7 manual, 8 simulator.

    Some leave it empty (Jackson Labs' FireFly): that is unknown, not zero.
    """
    if len(fields) < 7:
        return []
    quality = number(fields[6], 1)
    return time_of_day("GGA", where, fields[1], None if quality < 0 else 1 <= quality <= 5)


def gga_lock_state(fields: Fields, where: Where) -> list[Report]:
    """GGA of a Jackson Labs clock, which may say its lock state for a quality (GPS:GGASTat; 6 is locked).

    Which of the two is not told, so only the 0 counts, which is bad in both: no fix, or warming up.
    """
    if len(fields) < 7:
        return []
    return time_of_day("GGA", where, fields[1], False if fields[6] == b"0" else None)


def gll(fields: Fields, where: Where) -> list[Report]:
    """GLL: 5 time, 6 status, 7 FAA mode."""
    if len(fields) < 7:
        return []
    mode = fields[7] if len(fields) > 7 else b""
    return time_of_day("GLL", where, fields[5], _status(fields[6], mode))


def gns(fields: Fields, where: Where) -> list[Report]:
    """GNS: 1 time, 6 one FAA mode letter for each constellation. One that has a fix is enough."""
    if len(fields) < 7:
        return []
    modes = fields[6]
    valid = None if not modes else b"S" not in modes and modes.strip(b"N") != b""
    return time_of_day("GNS", where, fields[1], valid)
