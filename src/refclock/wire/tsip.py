"""Trimble TSIP, version 0: packets 8F-AB (time) and 8F-AC (health) of the Thunderbolt and its relatives.

A packet is DLE, id, data, DLE ETX, a DLE within it doubled, and **no checksum** (Thunderbolt User Guide,
appendix A). So a packet counts only with the exact length and with fields that agree with each other: the
week and time of week of 8F-AB must name the very second that its calendar does. Numbers are big-endian;
offsets below count from the subcode. 8F-AB labels the pulse just **passed**.

The factory default is GPS time. Where the packet says how far UTC is from it, its label is UTC; else it is
GPS time and says so. In UTC a leap second is a second 23:59:59, which the time of week tells from the
first.
"""

import re
from struct import Struct

from refclock.units import GPS_EPOCH_S, S_PER_WEEK
from refclock.wire import dle
from refclock.wire.calendar import begins_a_month, civil_utc
from refclock.wire.framing import REFUSED, Seeker
from refclock.wire.gpstime import GpsToUtc, announcement
from refclock.wire.report import Health, Label, Report

PROTOCOL = "tsip"
_START = re.compile(rb"\x10(?:\x8f(?:[\xab\xac]|\Z)|\Z)")
_SIZES = {0xAB: 18, 0xAC: 69}
# A receiver whose firmware is too old for its week counts 1024 weeks short; it does so in both fields, but
# a repaired calendar beside an old week number is seen as well, and is no contradiction.
_ROLLOVER_S = 1024 * S_PER_WEEK

_TIME = Struct(">IHhBBBBBBH")
_IN_UTC, _NOT_SET, _NO_UTC, _BY_HAND = 1, 4, 8, 16

_HEALTH = Struct(">BBBIHHB")
_RECEIVER_MODES, _DISCIPLINE_MODES = 8, 7
_DISCIPLINED, _HOLDOVER = 0, (2, 3)
_STATUSES = frozenset((0, 1, 2, 3, 8, 9, 10, 11, 12, 16))
_DAC_AT_RAIL = 0x10
_OPEN, _SHORT, _UNDISCIPLINED, _LEAP_PENDING = 0x02, 0x04, 0x10, 0x80


class Framer(Seeker):
    """Finds and decodes the two packets. It remembers the last second, to tell 23:59:59 from its
    repetition."""

    name = PROTOCOL
    beginning = _START

    def __init__(self) -> None:
        super().__init__()
        self._last = (0, 0)
        self._to_utc = GpsToUtc()
        self._utc_s: int | None = None

    def take(self, data: bytes, at: int, stop: int, origin: int, reports: list[Report]) -> int:
        """See `framing.Framer`. One whose fields contradict each other is REFUSED, like one of a wrong
        length."""
        code = data[at + 2 : at + 3]
        frame = dle.frame(data, at, _SIZES[code[0]] if code else 2)
        if isinstance(frame, int):
            return frame
        packet, end = frame
        place = (PROTOCOL, f"8F-{packet[1]:02X}", origin + at, origin + end)
        found = self._time(packet, place) if packet[1] == 0xAB else self._health(packet, place)
        if not found:
            return REFUSED
        self.frames += 1
        reports += found
        return end

    def _time(self, packet: bytes, place: tuple[str, str, int, int]) -> list[Report]:
        """8F-AB; nothing for a contradiction.

        1 time of week, 5 week, 7 UTC offset, 9 flags (0 in UTC, 2 time not set, 3 no UTC parameters yet, 4
        time set by hand), 10 second, minute, hour, day, month, 15 year. Without the parameters even a
        receiver that is set to UTC shows GPS time.
        """
        tow_s, week, offset_s, flags, second, minute, hour, day, month, year = _TIME.unpack_from(packet, 2)
        reading = civil_utc((year, month, day, hour, minute, second))
        if reading is None or tow_s >= S_PER_WEEK:
            return []
        reading_s, _, second60 = reading
        known = not flags & _NO_UTC and offset_s > 0
        in_utc = bool(flags & _IN_UTC) and known
        gps_s = GPS_EPOCH_S + week * S_PER_WEEK + tow_s
        if in_utc and not second60:
            second60 = self._last == (gps_s - 1, reading_s) and begins_a_month(reading_s + 1)
        ahead_s = (gps_s - (offset_s if in_utc else 0) - reading_s) % _ROLLOVER_S
        # In the leap second the offset may be the old one still.
        if not flags & _NOT_SET and ahead_s not in ((0, 1) if second60 else (0,)):
            return []
        self._last = (gps_s, reading_s)
        timescale = "utc" if known else "gps"
        if known and not in_utc:
            named = self._to_utc.name(reading_s, offset_s)
            timescale = "gps" if named is None else "utc"
            reading_s, second60 = named or (reading_s, False)
        if timescale == "utc":
            self._utc_s = reading_s
        return [
            Label(
                *place, reading_s, second60=second60, valid=not flags & (_NOT_SET | _BY_HAND),
                utc_valid=known, leap_s=offset_s if known else None, timescale=timescale,
            )
        ]  # fmt: skip

    def _health(self, packet: bytes, place: tuple[str, str, int, int]) -> list[Report]:
        """8F-AC; nothing for values that the manual does not know.

        1 receiver mode, 2 disciplining mode, 3 survey's progress in percent, 4 seconds in holdover, 8
        critical and 10 minor alarms, 12 decoding status (0: doing fixes).
        """
        mode, discipline, progress, holdover_s, critical, minor, status = _HEALTH.unpack_from(packet, 2)
        legal = mode < _RECEIVER_MODES and discipline < _DISCIPLINE_MODES and progress <= 100
        if not legal or status not in _STATUSES:
            return []
        antenna = "short" if minor & _SHORT else "open" if minor & _OPEN else "ok"
        # In holdover it goes on by its oscillator, for as long as the core allows.
        held = discipline in _HOLDOVER
        steady = held or (discipline == _DISCIPLINED and not minor & _UNDISCIPLINED)
        health = Health(
            *place, fix=None if held else status == 0, antenna=antenna,
            pulse_locked=steady and not critical & _DAC_AT_RAIL,
            holdover=held, holdover_s=holdover_s if held else None,
        )  # fmt: skip
        if self._utc_s is None:
            return [health]
        return [health, announcement(place, bool(minor & _LEAP_PENDING), self._utc_s)]
