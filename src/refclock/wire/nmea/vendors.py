"""Vendors' own sentences: u-blox, Garmin, Furuno; the disciplined clocks of Jackson Labs, Spectratime and HP.

What Furuno's TPS4 says of the oscillator is left alone: its numbers mean different things in the GT-87 and
the GF-88, and no field tells which of them speaks.
"""

from refclock.units import GPS_EPOCH_S, S_PER_WEEK
from refclock.wire.calendar import begins_a_month
from refclock.wire.nmea.fields import (
    PROTOCOL,
    Fields,
    Where,
    count,
    label,
    long_date_s,
    short_date_s,
    signed,
)
from refclock.wire.report import Health, Label, LeapInfo, Report

# The ten bits of the week that the satellites send.
_WEEKS = 1024
# Jackson Labs, SYNC:HEALTH?: the pulse was moved minutes ago; strong jamming while in holdover.
_PHASE_RESET, _JAMMED = 0x200, 0x800


def _agrees(one: Report, week: bytes, second: bytes, leap_s: int | None, behind_s: int = 0) -> bool:
    """Whether a label is what GPS week (at least its ten bits), second of the week and leap count make of
    it, or at most ``behind_s`` later; a sentence that says both guards itself. True where one of them is
    missing."""
    weeks, seconds = count(week, 4), count(second, 6)
    if not isinstance(one, Label) or weeks is None or seconds is None or leap_s is None:
        return True
    gps_s = one.utc_s + one.second60 + leap_s - GPS_EPOCH_S
    return (gps_s - weeks * S_PER_WEEK - seconds) % (_WEEKS * S_PER_WEEK) <= behind_s


def pubx(fields: Fields, where: Where) -> list[Report]:
    """PUBX,04 (u-blox M8 protocol specification, "Time of day and clock information").

    2 hhmmss.ss, 3 ddmmyy, 4 UTC time of week, 5 UTC week, 6 leap seconds; a D behind these says that they
    are the firmware's default. It has no flag of validity: without time its fields are empty.
    """
    if len(fields) < 7 or fields[1] != b"04":
        return []
    leap = fields[6]
    default = leap.endswith(b"D")
    leap_s = signed(leap[:-1] if default else leap)
    utc_valid = None if leap_s is None else not default
    midnight_s = short_date_s(fields[3])
    return label("PUBX,04", where, fields[2], midnight_s, valid=None, utc_valid=utc_valid, leap_s=leap_s)


def pgrmf(fields: Fields, where: Where) -> list[Report]:
    """PGRMF (Garmin): 1 week mod 1024, 2 second of week, 3 ddmmyy, 4 hhmmss, 5 leap seconds, 11 fix 0..2.

    The first two are GPS time and must agree with the others.
    """
    if len(fields) < 12:
        return []
    valid = {b"0": False, b"1": True, b"2": True}.get(fields[11])
    midnight_s, leap_s = short_date_s(fields[3]), signed(fields[5])
    found = label("PGRMF", where, fields[4], midnight_s, valid=valid, leap_s=leap_s)
    return [one for one in found if _agrees(one, fields[1], fields[2], leap_s)]


def perdcrw(fields: Fields, where: Where) -> list[Report]:
    """PERDCRW,TPS1 (Furuno eSIP): 2 YYYYMMDDhhmmss, 3 source of time, 4 date of the leap second, 5 present
    and 6 future leap seconds, 7 what the pulse follows. Source 0 is the clock chip, 1 the satellites with the
    firmware's default leap count, 2 confirmed UTC; the pulse follows 0 the clock chip, 1 GPS, 2..5 UTC."""
    if len(fields) < 7 or fields[1] != b"TPS1" or len(fields[2]) != 14:
        return []
    status = fields[3]
    utc_valid = {b"0": False, b"1": False, b"2": True}.get(status)
    valid = {b"0": False, b"1": True, b"2": True}.get(status)
    leap_s, future_s = signed(fields[5]), signed(fields[6])
    change = future_s - leap_s if leap_s is not None and future_s is not None else None
    if change not in (-1, 0, 1):
        change = None
    event_s = long_date_s(fields[4]) if fields[4][8:] == b"000000" else None
    at_s = event_s if change and event_s is not None and begins_a_month(event_s) else None
    name = "PERDCRW,TPS1"
    midnight_s = long_date_s(fields[2])
    found = label(name, where, fields[2][8:], midnight_s, valid=valid, utc_valid=utc_valid, leap_s=leap_s)
    found.append(LeapInfo(PROTOCOL, name, *where, utc_valid, leap_s, change, at_s))
    follows = count(fields[7], 1) if len(fields) > 7 else None
    if follows is not None:
        found.append(Health(PROTOCOL, name, *where, pulse_locked=follows > 0))
    return found


def pjlt(fields: Fields, where: Where) -> list[Report]:
    """PJLTS and PJLTV (Jackson Labs), which tell no time.

    PJLTS: 4 lock status, 8 seconds in holdover, 10 health as 0x… . Status 0 warms up, 1 is holdover, 2 locks
    on, 5 is holdover within its first 100 s, 6 is locked. PJLTV: 5 second of the week, 6 week, 7 leap count.
    """
    if fields[0] == b"PJLTV" and len(fields) == 8:
        return [LeapInfo(PROTOCOL, "PJLTV", *where, leap_s=signed(fields[7]))]
    if fields[0] != b"PJLTS" or len(fields) != 11:
        return []
    status, flags = fields[4], _hexadecimal(fields[10])
    holdover = {b"1": True, b"5": True, b"6": False}.get(status)
    locked = {b"0": False, b"2": False, b"6": True}.get(status)
    if flags is not None and flags & _PHASE_RESET:
        locked = False
    return [
        Health(
            PROTOCOL, "PJLTS", *where,
            jamming="critical" if flags is not None and flags & _JAMMED else None,
            pulse_locked=locked, holdover=holdover, holdover_s=count(fields[8]) if holdover else None,
        )
    ]  # fmt: skip


def _hexadecimal(text: bytes) -> int | None:
    """``0x`` and one to eight hexadecimal digits, else None."""
    digits = text[2:]
    if text[:2] != b"0x" or not 1 <= len(digits) <= 8 or digits.strip(b"0123456789abcdefABCDEF"):
        return None
    return int(digits, 16)


def ptnta(fields: Fields, where: Where) -> list[Report]:
    """PTNTA (Spectratime iSync, GRClok): 1 YYYYMMDDhhmmss **in GPS time**, 2 oscillator.

    The oscillator 0 warms up, 1 runs free, 2 is disciplined. The time names no second of UTC.
    """
    if len(fields) < 9 or len(fields[1]) != 14:
        return []
    found = label("PTNTA", where, fields[1][8:], long_date_s(fields[1]), valid=None, timescale="gps")
    oscillator = fields[2]
    locked = {b"0": False, b"2": True}.get(oscillator)
    holdover = {b"1": True, b"2": False}.get(oscillator)
    return [*found, Health(PROTOCOL, "PTNTA", *where, pulse_locked=locked, holdover=holdover)]


def pfec(fields: Fields, where: Where) -> list[Report]:
    """PFEC,GPtps (Furuno's engine in the HP 58534A): 2 yymmddhhmmss, 8 leap seconds, 10 GPS week, 11 second
    of the week. Read off a recording, in which GPS time is equal or a second behind: so it counts only where
    that is so, which also makes up for the checksum that this receiver does not send. It has no flag that is
    known."""
    if len(fields) != 12 or fields[1] != b"GPtps" or len(fields[2]) != 12:
        return []
    date, leap_s = fields[2], signed(fields[8])
    if leap_s is None or count(fields[10], 4) is None or count(fields[11], 6) is None:
        return []
    midnight_s = short_date_s(date[4:6] + date[2:4] + date[:2])
    found = label("PFEC,GPtps", where, date[6:], midnight_s, valid=None, leap_s=leap_s)
    return [one for one in found if _agrees(one, fields[10], fields[11], leap_s, behind_s=1)]
