"""HP and Symmetricom SmartClock receivers: 58503A, 59551A, Z3801A, Z3805A and their kin.

They answer ``:PTIME:TCODE?`` 980 to 20 ms before the pulse that the answer names:
``T2yyyymmddhhmmssMFLRVcc`` in the configured time zone, or ``T1#Hxxxxxxxx...`` in GPS seconds since 1980.
M, F: time and frequency figure of merit; L: leap second coming (+, 0, -); R: service wanted; V: 1 while the
time is not valid; cc: the sum of all before it, mod 256. The zone is asked for, and believed once it was
told the same twice running; a T2 without a zone is local time, a T1 without a leap-second count GPS time.
Neither is ever fed. What an answer without a name of its own belongs to, the echo of the question tells.

Source: HP 58503A/59551A operating and programming guide, command reference; the codes in
tests/unit/test_hp.py are two of live receivers.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from refclock.units import GPS_EPOCH_S, NS_PER_MS, S_PER_DAY
from refclock.wire.answers import Answers
from refclock.wire.calendar import civil_from_days, date_s, days_in_month
from refclock.wire.dialogue import Dialogue, Question
from refclock.wire.report import Health, Label, LeapInfo, Report

PROTOCOL = "hp"
_CODE, _ZONE, _LEAP, _HOLDOVER = b":PTIME:TCODE?", b":PTIME:TZONE?", b":PTIME:LEAP:ACC?", b":ROSC:HOLD:DUR?"
_SLOWLY_S = 16
_PHASE_NS, _LATER_NS = 150 * NS_PER_MS, 500 * NS_PER_MS
_SHORTLY_NS = 400 * NS_PER_MS


def _slowly(asked: bytes, answer: str, every_s: int = _SLOWLY_S) -> Question:
    return Question(asked + b"\r", (answer,), every_s, _LATER_NS, _SHORTLY_NS)


DIALOGUE = Dialogue(
    (
        Question(_CODE + b"\r", ("T2", "T1"), phase_ns=_PHASE_NS),
        _slowly(_ZONE, "TZONE", 4),
        _slowly(_LEAP, "LEAP"),
        _slowly(_HOLDOVER, "HOLDOVER"),
    ),
    proof=("T2", "T1"),
    resync=b"\r",
)
_LOCKED, _IN_HOLDOVER, _USELESS = 0, 2, 3
_CHANGES = {b"+": 1, b"0": 0, b"-": -1}
_FLAGS = rb"(\d)(\d)([+0\-])(\d)(\d)([0-9A-Fa-f]{2})"
# Z3801A and kin answer in either of two manners: 1.5E+02,1 and 150,1.
_DURATION = rb"([+\-]?\d{1,9})(?:\.(\d{1,9}))?(?:E([+\-]?\d{1,3}))?,([01])"
_LONGEST_HOLDOVER_S = 10**8


class Framer(Answers):
    """Time codes, and the answers to the slower questions."""

    def __init__(self) -> None:
        asked = b"|".join(re.escape(one) for one in (_CODE, _ZONE, _LEAP, _HOLDOVER))
        super().__init__(
            PROTOCOL,
            rb":T0-9+\-",
            (
                (rb"T2(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)" + _FLAGS, self._civil),
                (rb"T1#H([0-9A-Fa-f]{8})" + _FLAGS, self._gps),
                (asked, self._echo),
                (rb"([+\-]?\d{1,2}),([+\-]?\d{1,2})", self._pair),
                (_DURATION, self._duration),
                (rb"[+\-]?\d{1,3}", self._count),
            ),
        )
        self._asked, self._asked_end = b"", 0
        # Each as told last, and as believed: told twice running.
        self._zone: tuple[int | None, int | None] = (None, None)
        self._leap: tuple[int | None, int | None] = (None, None)

    def _echo(self, found: re.Match[bytes], _start: int, end: int) -> Sequence[Report]:
        self._asked, self._asked_end = found[0][:-1], end
        return ()

    def _question(self, start: int) -> bytes:
        """What was asked, for an answer that begins right behind its echo's CR and LF; the end of a damaged
        one must not pass for an answer."""
        asked, self._asked = self._asked, b""
        return asked if start - self._asked_end <= 1 else b""

    def _pair(self, found: re.Match[bytes], start: int, end: int) -> Sequence[Report] | None:
        """Hours and minutes of the zone; or whole seconds of a holdover, in two digits."""
        asked = self._question(start)
        if asked == _HOLDOVER and found[2] in (b"0", b"1"):
            return self._held(int(found[1]), found[2] == b"1", start, end)
        if asked != _ZONE:
            return ()
        hours, minutes = int(found[1]), int(found[2])
        told = hours * 3600 + (-abs(minutes) if hours < 0 else minutes) * 60
        self._zone = told, told if told == self._zone[0] else None
        return (Report(PROTOCOL, "TZONE", start, end),)

    def _duration(self, found: re.Match[bytes], start: int, end: int) -> Sequence[Report]:
        asked = self._question(start)
        if asked != _HOLDOVER:
            return ()
        whole, rest, power = found[1], found[2] or b"", int(found[3] or b"0")
        digits, power = int(whole + rest), power - len(rest)
        seconds = digits * 10 ** min(power, 9) if power >= 0 else digits // 10 ** min(-power, 99)
        return self._held(seconds, found[4] == b"1", start, end)

    def _held(self, seconds: int, held: bool, start: int, end: int) -> Sequence[Report]:
        seconds = min(max(0, seconds), _LONGEST_HOLDOVER_S)
        return (
            Health(PROTOCOL, "HOLDOVER", start, end, holdover=held, holdover_s=seconds if held else None),
        )

    def _count(self, found: re.Match[bytes], start: int, end: int) -> Sequence[Report]:
        asked = self._question(start)
        if asked != _LEAP:
            return ()
        told = int(found[0][:-1])
        self._leap = told, told if told == self._leap[0] else None
        return (Report(PROTOCOL, "LEAP", start, end),)

    def _civil(self, found: re.Match[bytes], start: int, end: int) -> Sequence[Report] | None:
        year, month, day, hour, minute, second = (int(found[group]) for group in range(1, 7))
        midnight_s = date_s(year, month, day)
        if not _sums(found[0]) or midnight_s is None or hour > 23 or minute > 59 or second > 60:
            return None
        second60, zone_s = second == 60, self._zone[1]
        local_s = midnight_s + hour * 3600 + minute * 60 + second - second60
        utc_s = local_s - (zone_s or 0)
        scale = "local" if zone_s is None else "utc"
        return self._said(
            "T2", found, 7, Label(PROTOCOL, "T2", start, end, utc_s, 0, second60, timescale=scale)
        )

    def _gps(self, found: re.Match[bytes], start: int, end: int) -> Sequence[Report] | None:
        if not _sums(found[0]):
            return None
        leap_s = self._leap[1]
        utc_s = GPS_EPOCH_S + int(found[1], 16) - (leap_s or 0)
        scale = "gps" if leap_s is None else "utc"
        label = Label(PROTOCOL, "T1", start, end, utc_s, leap_s=leap_s, timescale=scale)
        return self._said("T1", found, 2, label)

    def _said(self, message: str, found: re.Match[bytes], first: int, label: Label) -> Sequence[Report]:
        self._asked = b""
        merit, change = int(found[first + 1]), _CHANGES[found[first + 2]]
        t_acc_ns, valid = 10 ** int(found[first]), found[first + 4] == b"0"
        label = replace(label, label_edge="next", valid=valid, t_acc_ns=t_acc_ns)
        pulse_locked = True if merit == _LOCKED else False if merit >= _USELESS else None
        health = Health(
            PROTOCOL, message, label.start, label.end, pulse_locked=pulse_locked,
            holdover=merit == _IN_HOLDOVER,
        )  # fmt: skip
        if label.timescale != "utc":
            return label, health
        at_s = _next_month_s(label.utc_s) if change else None
        return label, health, LeapInfo(PROTOCOL, message, label.start, label.end, None, None, change, at_s)


def _sums(line: bytes) -> bool:
    """Whether a code's checksum, the two digits before its end, is right."""
    return sum(line[:-3]) & 0xFF == int(line[-3:-1], 16)


def _next_month_s(utc_s: int) -> int:
    """The first second of the month after this one's: a leap second is the last of its month."""
    year, month, day = civil_from_days(utc_s // S_PER_DAY)
    return (utc_s // S_PER_DAY + days_in_month(year, month) - day + 1) * S_PER_DAY
