"""u-blox UBX: what NAV, TIM, MON and SEC messages say of time and of the receiver's health.

A frame is B5 62, class, id, length (u16), payload, and two bytes of Fletcher's checksum over class to
payload (u-blox M8 protocol specification, "UBX Frame Structure"). Numbers are little-endian. NAV messages
label the epoch, that is the pulse just **passed**; TIM-TP labels the **next** one. Field names below are
the specification's. Nothing here raises, whatever the payload.
"""

from itertools import accumulate
from struct import Struct

from refclock.units import GPS_EPOCH_S, NS_PER_MS, NS_PER_S, S_PER_DAY, S_PER_WEEK
from refclock.wire.calendar import begins_a_month, civil_utc
from refclock.wire.framing import DAMAGED, REFUSED, WAIT
from refclock.wire.report import Health, Label, LeapInfo, Report

PROTOCOL = "ubx"
_SYNC = b"\xb5\x62"
_OVERHEAD = 8

# How long a payload may be: least, step, most. A length that is not
# possible refuses the frame at once, so that a header damaged on the line, or made by an enemy, does not
# hold good frames back while its alleged payload arrives. The long ones are lists with one entry for each
# satellite or signal; u-blox F9 tracks up to 184.
_LENGTHS: dict[int, tuple[int, int, int]] = {
    0x0103: (16, 0, 16),  # NAV-STATUS
    0x0106: (52, 0, 52),  # NAV-SOL
    0x0107: (84, 8, 92),  # NAV-PVT: 84 before protocol 15
    0x0120: (16, 0, 16),  # NAV-TIMEGPS
    0x0121: (20, 0, 20),  # NAV-TIMEUTC
    0x0126: (24, 0, 24),  # NAV-TIMELS
    0x0130: (8, 12, 8 + 12 * 184),  # NAV-SVINFO
    0x0135: (8, 12, 8 + 12 * 184),  # NAV-SAT
    0x0143: (8, 16, 8 + 16 * 184),  # NAV-SIG
    0x0210: (8, 24, 8 + 24 * 72),  # RXM-RAW
    0x0215: (16, 32, 16 + 32 * 184),  # RXM-RAWX
    0x0272: (20, 1, 528),  # RXM-PMP
    0x0A09: (60, 8, 68),  # MON-HW: 68 before protocol 14
    0x0A31: (4, 272, 4 + 272 * 4),  # MON-SPAN
    0x0A38: (4, 24, 4 + 24 * 8),  # MON-RF
    0x0D01: (16, 0, 16),  # TIM-TP
    0x2709: (4, 4, 4 + 4 * 64),  # SEC-SIG: 12 in version 1, 4 + 4n in version 2
}
# Of the others only the length matters, to step over them; 512 covers what the manuals list. At 9600 baud
# that holds a good frame back for half a second at worst. One that is longer still does no harm: its bytes
# are then looked through like any noise.
_OTHER_MAX = 512
# NAV RXM TRK INF ACK CFG UPD MON AID TIM ESF MGA LOG SEC HNR NAV2
_CLASSES = frozenset(b"\x01\x02\x03\x04\x05\x06\x09\x0a\x0b\x0d\x10\x13\x21\x27\x28\x29")

_TIMEUTC = Struct("<4xIiHBBBBBB")
_TIMEGPS = Struct("<IihbBI")
_TIMELS = Struct("<8xBbBbiHH3xB")
_PVT = Struct("<4xHBBBBBBIiBBxxii")
_TP = Struct("<IIiHBB")

_TIME_ONLY = 5  # the fix type of a receiver that knows its place and reckons time alone
_ANTENNA = {2: "ok", 3: "short", 4: "open"}
_JAMMING = {1: "ok", 2: "warning", 3: "critical"}
_SPOOFING = {1: "none", 2: "indicated", 3: "multiple"}
_WORST_FIRST = ("critical", "warning", "short", "open", "ok")
_SATELLITE_SOURCES = frozenset((1, 2, 3, 4, 5, 8))  # GPS-GLONASS, GPS, SBAS, BeiDou, Galileo, NavIC


def _worst(states: list[str | None]) -> str | None:
    return next((state for state in _WORST_FIRST if state in states), None)


class Decoder:
    """Decodes payloads. It remembers the leap-second count, which a TIM-TP in GPS time needs, and whether
    the receiver is new enough to say that its pulse is not locked."""

    def __init__(self) -> None:
        self._leap_s: int | None = None
        self._tells_lock = False

    def decode(self, key: int, payload: bytes, start: int = 0, end: int = 0) -> list[Report]:
        """What the message ``key`` (class << 8 | id) says, if it is one of ours and of a legal length."""
        if key not in _LENGTHS or not possible_length(key, len(payload)):
            return []
        match key:
            case 0x0107:
                return self._pvt(payload, start, end)
            case 0x0121:
                return self._timeutc(payload, start, end)
            case 0x0120:
                return self._timegps(payload, start, end)
            case 0x0126:
                return self._timels(payload, start, end)
            case 0x0D01:
                return self._tp(payload, start, end)
            case 0x0103:
                fix = bool(payload[5] & 1) and payload[4] in range(2, 6)
                spoofing = _SPOOFING.get(payload[7] >> 3 & 3)
                return [Health(PROTOCOL, "NAV-STATUS", start, end, fix=fix, spoofing=spoofing)]
            case 0x0106:
                fix = bool(payload[11] & 1) and payload[10] in range(2, 6)
                return [Health(PROTOCOL, "NAV-SOL", start, end, fix=fix)]
            case 0x0A09:
                antenna, jamming = _ANTENNA.get(payload[20]), _JAMMING.get(payload[22] >> 2 & 3)
                return [Health(PROTOCOL, "MON-HW", start, end, antenna=antenna, jamming=jamming)]
            case 0x0A38:
                return self._rf(payload, start, end)
            case 0x2709:
                return self._sig(payload, start, end)
        return []

    def _pvt(self, payload: bytes, start: int, end: int) -> list[Report]:
        """NAV-PVT. ``valid`` needs date, time and fullyResolved: without the last the second is uncertain."""
        *civil, valid, t_acc, nano, fix_type, flags, longitude, latitude = _PVT.unpack_from(payload)
        reports: list[Report] = []
        time = civil_utc(civil, nano)
        if time is not None:
            resolved = bool(valid & 4)
            reports.append(
                Label(
                    PROTOCOL, "NAV-PVT", start, end, *time,
                    valid=valid & 7 == 7, utc_valid=None if resolved else False, t_acc_ns=t_acc,
                )
            )  # fmt: skip
        fix = bool(flags & 1) and fix_type in range(2, 6)
        position = (latitude, longitude) if fix and fix_type != _TIME_ONLY else None
        reports.append(Health(PROTOCOL, "NAV-PVT", start, end, fix=fix, position=position))
        return reports

    def _timeutc(self, payload: bytes, start: int, end: int) -> list[Report]:
        """NAV-TIMEUTC. validUTC is set once the leap seconds are known and no longer the default."""
        t_acc, nano, *civil, valid = _TIMEUTC.unpack_from(payload)
        time = civil_utc(civil, nano)
        if time is None:
            return []
        return [
            Label(
                PROTOCOL, "NAV-TIMEUTC", start, end, *time,
                valid=valid & 3 == 3, utc_valid=bool(valid & 4), t_acc_ns=t_acc,
            )
        ]  # fmt: skip

    def _timegps(self, payload: bytes, start: int, end: int) -> list[Report]:
        """NAV-TIMEGPS: GPS time, which names a UTC second only with valid leap seconds."""
        i_tow_ms, f_tow_ns, week, leap_s, valid, t_acc = _TIMEGPS.unpack_from(payload)
        if not valid & 4:
            return []
        self._leap_s = leap_s
        if week < 0 or i_tow_ms >= S_PER_WEEK * 1000 or abs(f_tow_ns) > NS_PER_MS:
            return []
        carry_s, frac_ns = divmod(i_tow_ms * NS_PER_MS + f_tow_ns, NS_PER_S)
        utc_s = GPS_EPOCH_S + week * S_PER_WEEK + carry_s - leap_s
        return [
            Label(
                PROTOCOL, "NAV-TIMEGPS", start, end, utc_s, frac_ns,
                valid=valid & 3 == 3, utc_valid=True, leap_s=leap_s, t_acc_ns=t_acc,
            )
        ]  # fmt: skip

    def _timels(self, payload: bytes, start: int, end: int) -> list[Report]:
        """NAV-TIMELS. dateOfLsGpsDn is 1..7; the event is at the end of that day of dateOfLsGpsWn."""
        source, current_s, change_source, change, _to_event_s, week, day, valid = _TIMELS.unpack_from(payload)
        leap_s = current_s if valid & 1 else None
        if leap_s is not None:
            self._leap_s = leap_s
        utc_valid = None
        if source == 0:
            utc_valid = False
        elif source in _SATELLITE_SOURCES and leap_s is not None:
            utc_valid = True
        if not valid & 2 or change_source in (0, 255) or change not in (-1, 0, 1):
            return [LeapInfo(PROTOCOL, "NAV-TIMELS", start, end, utc_valid, leap_s)]
        # POSIX seconds do not count leap seconds, so weeks and days since the GPS epoch are weeks and days.
        at_s = GPS_EPOCH_S + week * S_PER_WEEK + day * S_PER_DAY
        known = change != 0 and begins_a_month(at_s)
        return [
            LeapInfo(PROTOCOL, "NAV-TIMELS", start, end, utc_valid, leap_s, change, at_s if known else None)
        ]

    def _tp(self, payload: bytes, start: int, end: int) -> list[Report]:
        """TIM-TP: the next pulse, in UTC (leap seconds already taken off) or in GNSS time.

        Only GPS time (timeRefGnss 0) can be turned into UTC, and only once the leap seconds are known.
        TpNotLocked was a reserved bit, always 0, before protocol 16: until it has been seen set, a 0
        proves nothing, and ``valid`` is unknown.
        """
        tow_ms, tow_sub, q_err_ps, week, flags, ref_info = _TP.unpack_from(payload)
        unlocked = bool(flags & 0x20)
        self._tells_lock |= unlocked
        locked = not unlocked if self._tells_lock else None
        reports: list[Report] = []
        if locked is not None:
            reports.append(Health(PROTOCOL, "TIM-TP", start, end, pulse_locked=locked))
        in_utc = bool(flags & 1)
        leap_s = 0 if in_utc else self._leap_s
        if tow_ms >= S_PER_WEEK * 1000 or leap_s is None or not (in_utc or ref_info & 15 == 0):
            return reports
        carry_s, rest_ms = divmod(tow_ms, 1000)
        frac_ns = rest_ms * NS_PER_MS + (tow_sub * NS_PER_MS >> 32)
        utc_s = GPS_EPOCH_S + week * S_PER_WEEK + carry_s - leap_s
        label = Label(
            PROTOCOL, "TIM-TP", start, end, utc_s, frac_ns, label_edge="next",
            valid=locked, utc_valid=bool(flags & 2), leap_s=None if in_utc else leap_s,
            q_err_ps=None if flags & 0x10 else q_err_ps,
        )  # fmt: skip
        return [label, *reports]

    def _rf(self, payload: bytes, start: int, end: int) -> list[Report]:
        """MON-RF: the worst of its blocks, one of which stands for each RF path."""
        blocks = [payload[at : at + 24] for at in range(4, len(payload), 24)]
        antenna = _worst([_ANTENNA.get(block[2]) for block in blocks])
        jamming = _worst([_JAMMING.get(block[1] & 3) for block in blocks])
        return [Health(PROTOCOL, "MON-RF", start, end, antenna=antenna, jamming=jamming)]

    def _sig(self, payload: bytes, start: int, end: int) -> list[Report]:
        """SEC-SIG: version 1 has one byte of flags each for jamming and spoofing, version 2 one for both.

        Both say 0 when the detector is switched off, which is unknown.
        """
        version = payload[0]
        if version == 1 and len(payload) == 12:
            jam, spoof = payload[4], payload[8]
        elif version == 2 and len(payload) == 4 + 4 * payload[3]:
            jam, spoof = payload[1] & 7, payload[1] >> 3
        else:
            return []
        jamming = _JAMMING.get(jam >> 1 & 3) if jam & 1 else None
        spoofing = _SPOOFING.get(spoof >> 1 & 7) if spoof & 1 else None
        return [Health(PROTOCOL, "SEC-SIG", start, end, jamming=jamming, spoofing=spoofing)]


def possible_length(key: int, size: int) -> bool:
    """Whether a payload of ``size`` bytes is worth waiting for."""
    bounds = _LENGTHS.get(key)
    if bounds is None:
        return size <= _OTHER_MAX and key >> 8 in _CLASSES
    least, step, most = bounds
    return size == least or (least < size <= most and (size - least) % step == 0)


def checksum(data: bytes) -> tuple[int, int]:
    """CK_A and CK_B (8-bit Fletcher, RFC 1145) of class to payload."""
    return sum(data) & 0xFF, sum(accumulate(data)) & 0xFF


class Framer:
    """Finds and decodes UBX frames."""

    name = PROTOCOL

    def __init__(self) -> None:
        self._decoder = Decoder()
        self.frames = 0

    def find(self, data: bytes, at: int) -> int:
        """Where the next frame may begin; a B5 at the very end may be followed by its 62."""
        found = data.find(_SYNC, at)
        if found < 0 and data.endswith(b"\xb5") and at < len(data):
            return len(data) - 1
        return found

    def take(self, data: bytes, at: int, stop: int, origin: int, reports: list[Report]) -> int:
        """See `framing.Framer`. It waits for the header, and then for a possible length only."""
        if len(data) - at < 6:
            return WAIT
        key = data[at + 2] << 8 | data[at + 3]
        size = data[at + 4] | data[at + 5] << 8
        if not possible_length(key, size):
            return REFUSED
        end = at + _OVERHEAD + size
        if len(data) < end:
            return WAIT
        covered = data[at + 2 : end - 2]
        # CK_A alone turns most false starts down, at a fifth of the price.
        if sum(covered) & 0xFF != data[end - 2] or sum(accumulate(covered)) & 0xFF != data[end - 1]:
            return DAMAGED
        self.frames += 1
        if key in _LENGTHS:
            reports += self._decoder.decode(key, covered[4:], origin + at, origin + end)
        return end
