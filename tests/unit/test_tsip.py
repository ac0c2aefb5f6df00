"""Trimble TSIP, both versions: which second a packet names, and which packets are none."""

from functools import reduce
from operator import xor
from struct import pack

import pytest

from refclock.units import GPS_EPOCH_S, S_PER_WEEK
from refclock.wire.calendar import date_s
from refclock.wire.gpstime import GpsToUtc
from refclock.wire.report import Health, Label, LeapInfo, Report
from refclock.wire.scanner import Scanner

# As recorded: an RES SMT 360 in GPS time, and an RES 720 (its checksum is the last byte before the DLE).
SMT = bytes.fromhex("10 8fab 0003a925 081c 0012 00 1d2612160a07e3 1003")
RES720 = bytes.fromhex("10a1000020020008066e08fe020522021807e800000300123f72df38bfc93143c2015f77911003")
RECORDED_S = 1_571_769_491  # 2019-10-22T18:38:11Z
MONTH_S = 1_483_228_800  # 2017-01-01T00:00:00Z, right after a leap second
UTC, PPS_UTC, NOT_SET, NO_UTC, BY_HAND = 1, 2, 4, 8, 16


def packed(body: bytes) -> bytes:
    return b"\x10" + body.replace(b"\x10", b"\x10\x10") + b"\x10\x03"


def ab(gps_s: int, offset: int, flags: int, *civil: int, week: int | None = None) -> bytes:
    """8F-AB for a GPS second; ``civil`` is year to second."""
    whole, tow = divmod(gps_s - GPS_EPOCH_S, S_PER_WEEK)
    year, month, day, hour, minute, second = civil
    told = pack(">IHhB", tow, whole if week is None else week, offset, flags)
    return packed(b"\x8f\xab" + told + pack(">BBBBBH", second, minute, hour, day, month, year))


def ac(discipline: int = 0, critical: int = 0, minor: int = 0, status: int = 0, held: int = 0) -> bytes:
    state = pack(">BBBIHHB", 7, discipline, 100, held, critical, minor, status)
    return packed(b"\x8f\xac" + state + bytes(55))


def version1(key: int, body: bytes, mode: int = 2) -> bytes:
    data = pack(">HHB", key, len(body) + 2, mode) + body
    return packed(data + bytes((reduce(xor, data),)))


def a1(offset: int, base: int, flags: int, *civil: int) -> bytes:
    year, month, day, hour, minute, second = civil
    when = pack(">IHBBBBBHBBBh", 0, 0, hour, minute, second, month, day, year, base, 0, flags, offset)
    return version1(0xA100, when + bytes(12))


def a3(minor: int = 0, major: int = 0) -> bytes:
    return version1(0xA300, pack(">IIII", minor, 0, major, 0))


def scan(data: bytes, protocol: str = "tsip") -> list[Report]:
    scanner = Scanner(protocol)
    return scanner.feed(data) + scanner.finish()


def only(data: bytes, protocol: str = "tsip") -> Label:
    """The one label in the bytes."""
    (label,) = scan(data, protocol)
    assert isinstance(label, Label)
    return label


def told(data: bytes, protocol: str = "tsip") -> list[tuple[int, bool, str]]:
    labels = [one for one in scan(data, protocol) if isinstance(one, Label)]
    return [(label.utc_s - MONTH_S, label.second60, label.timescale) for label in labels]


# ---- version 0 ------------------------------------------------------------------------------------------


def test_a_recorded_packet_in_gps_time_names_a_utc_second():
    assert only(SMT) == Label(
        "tsip", "8F-AB", 0, len(SMT), RECORDED_S, label_edge="previous", valid=True, utc_valid=True, leap_s=18
    )


NOON = (2024, 3, 5, 12, 0, 0)
NOON_S = 1_709_640_000


@pytest.mark.parametrize(
    ("packet", "utc_s", "timescale", "valid", "utc_valid", "leap_s"),
    [
        (ab(NOON_S, 18, 0, *NOON), NOON_S - 18, "utc", True, True, 18),
        (ab(NOON_S + 18, 18, UTC | PPS_UTC, *NOON), NOON_S, "utc", True, True, 18),
        # Without the almanac's parameters it is GPS time, whatever was asked for.
        (ab(NOON_S, 0, NO_UTC, *NOON), NOON_S, "gps", True, False, None),
        (ab(NOON_S, 18, UTC | NO_UTC, *NOON), NOON_S, "gps", True, False, None),
        (ab(NOON_S, 0, UTC, *NOON), NOON_S, "gps", True, False, None),
        (ab(NOON_S, 18, BY_HAND, *NOON), NOON_S - 18, "utc", False, True, 18),
        # A time that is not set need not agree with itself; it is not valid.
        (ab(GPS_EPOCH_S + 99, 0, NOT_SET | NO_UTC, *NOON), NOON_S, "gps", False, False, None),
        # A calendar repaired by 1024 weeks beside the old week number.
        (ab(NOON_S, 18, 0, *NOON, week=(2304 - 1024)), NOON_S - 18, "utc", True, True, 18),
    ],
)
def test_what_a_time_packet_says(packet, utc_s, timescale, valid, utc_valid, leap_s):  # noqa: PLR0917
    label = only(packet)
    assert (label.utc_s, label.timescale, label.second60) == (utc_s, timescale, False)
    assert (label.valid, label.utc_valid, label.leap_s) == (valid, utc_valid, leap_s)


@pytest.mark.parametrize(
    "packet",
    [
        ab(NOON_S + 1, 18, 0, *NOON),  # the two disagree
        ab(NOON_S, 18, UTC, *NOON),
        ab(NOON_S + 17, 18, UTC, *NOON),
        ab(NOON_S, 18, 0, 2024, 3, 5, 12, 0, 60),
        ab(NOON_S, 18, 0, 2024, 13, 5, 12, 0, 0),
        ab(NOON_S, 18, 0, *NOON, week=2303),
        packed(b"\x8f\xab" + pack(">IHhB", S_PER_WEEK, 2303, 18, 0) + SMT[12:-2]),
        SMT[:-2] + b"\x00\x10\x03",  # a byte too long
        SMT[:-3] + b"\x10\x03",  # and one too short
        SMT[:-1] + b"\x04",
        packed(b"\x8f\xab" + bytes(16)),
        packed(b"\x8f\xa8" + bytes(16)),
        packed(b"\x47" + bytes(9)),
    ],
)
def test_what_is_no_time_packet(packet):
    scanner = Scanner("tsip")
    assert scanner.feed(packet) + scanner.finish() == []
    assert scanner.counters.frames["tsip"] == 0
    assert [one.message for one in scan(packet + SMT)] == ["8F-AB"]


def test_a_length_that_lies_costs_one_byte():
    # Its end never comes; the good one begins two bytes behind its start.
    assert [one.message for one in scan(SMT[:3] + SMT)] == ["8F-AB"]
    assert [one.message for one in scan(SMT[:-2] + SMT)] == ["8F-AB"]


def test_a_dle_within_is_doubled():
    # 16 minutes past: the reading holds a DLE, and so does the offset of 16 s.
    packet = ab(NOON_S + 16 * 60 + 16, 16, UTC, 2024, 3, 5, 12, 16, 0)
    assert packet.count(b"\x10\x10") == 2
    assert only(packet).utc_s == NOON_S + 960
    scanner = Scanner("tsip")
    assert [one.message for at in range(len(packet)) for one in scanner.feed(packet[at : at + 1])] == [
        "8F-AB"
    ]


LAST = (2016, 12, 31, 23, 59, 59)
FIRST = (2017, 1, 1, 0, 0, 0)


@pytest.mark.parametrize("grows_in", [0, 1])
def test_in_utc_the_leap_second_is_a_second_59(grows_in):
    before, now, after = (
        ab(MONTH_S - 1 + 17, 17, UTC, *LAST),
        ab(MONTH_S + 17, 17 + (grows_in == 0), UTC, *LAST),
        ab(MONTH_S + 18, 18, UTC, *FIRST),
    )
    assert told(before + now + after) == [(-1, False, "utc"), (-1, True, "utc"), (0, False, "utc")]
    # A second 59 that did not follow the first one contradicts its own week, unless the offset grew already.
    assert told(now) == ([] if grows_in else [(-1, False, "utc")])


def test_some_say_60():
    leap = (2016, 12, 31, 23, 59, 60)
    assert told(ab(MONTH_S + 17, 17, UTC, *leap)) == [(-1, True, "utc")]
    assert told(ab(MONTH_S + 17, 18, UTC, *leap)) == [(-1, True, "utc")]
    assert told(ab(MONTH_S + 17, 19, UTC, *leap)) == []


def test_in_gps_time_the_second_that_may_be_the_leap_second_has_no_name():
    def gps(second: int, offset: int) -> bytes:
        """``second`` counts from the first of January in GPS time."""
        return ab(MONTH_S + second, offset, 0, 2017, 1, 1, 0, 0, second)

    # The offset grows after it, or within it, or not at all.
    assert told(gps(16, 17) + gps(17, 17) + gps(18, 18)) == [
        (-1, False, "utc"),
        (17, False, "gps"),
        (0, False, "utc"),
    ]
    assert told(gps(16, 17) + gps(17, 18) + gps(18, 18)) == [
        (-1, False, "utc"),
        (-1, True, "utc"),
        (18, False, "gps"),
    ]
    assert told(gps(17, 18) + gps(18, 18) + gps(19, 18)) == [
        (-1, False, "utc"),
        (18, False, "gps"),
        (1, False, "utc"),
    ]


def test_gps_time_becomes_utc():
    to_utc = GpsToUtc()
    assert to_utc.name(NOON_S, 18) == (NOON_S - 18, False)
    # Another offset must be said twice, but at a month's end; and a month's first second must follow.
    assert to_utc.name(NOON_S + 1, 19) is None
    assert to_utc.name(NOON_S + 2, 19) == (NOON_S - 17, False)
    assert to_utc.name(NOON_S + 3, 18) is None
    assert to_utc.name(MONTH_S + 18, 18) is None
    assert to_utc.name(MONTH_S + 25, 18) == (MONTH_S + 7, False)


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (ac(), {"fix": True, "antenna": "ok", "pulse_locked": True, "holdover": False}),
        (ac(minor=0x02), {"fix": True, "antenna": "open", "pulse_locked": True, "holdover": False}),
        (ac(minor=0x06), {"fix": True, "antenna": "short", "pulse_locked": True, "holdover": False}),
        (ac(minor=0x10), {"fix": True, "antenna": "ok", "pulse_locked": False, "holdover": False}),
        (ac(critical=0x10), {"fix": True, "antenna": "ok", "pulse_locked": False, "holdover": False}),
        (ac(1, status=1), {"fix": False, "antenna": "ok", "pulse_locked": False, "holdover": False}),
        (ac(4, status=16), {"fix": False, "antenna": "ok", "pulse_locked": False, "holdover": False}),
        (ac(2, minor=0x18, status=8, held=77),
         {"fix": None, "antenna": "ok", "pulse_locked": True, "holdover": True, "holdover_s": 77}),
        (ac(3, critical=0x10, held=5),
         {"fix": None, "antenna": "ok", "pulse_locked": False, "holdover": True, "holdover_s": 5}),
    ],
)  # fmt: skip
def test_what_a_health_packet_says(packet, expected):
    assert scan(packet) == [Health("tsip", "8F-AC", 0, len(packet), **expected)]


@pytest.mark.parametrize(
    "packet",
    [ac(7), ac(status=4), packed(b"\x8f\xac\x08" + bytes(66)), packed(b"\x8f\xac\0\0\x65" + bytes(64))],
)
def test_what_is_no_health_packet(packet):
    scanner = Scanner("tsip")
    assert scanner.feed(packet) + scanner.finish() == []
    assert scanner.counters.skipped_bytes == len(packet)


@pytest.mark.parametrize(
    ("noon", "change", "at_s"),
    [
        ((2016, 12, 31), 1, MONTH_S),
        ((2016, 6, 1), 1, 1_467_331_200),
        ((2016, 3, 31), None, None),
        ((2016, 5, 31), None, None),
    ],
)
def test_a_pending_leap_second_is_taken_for_the_end_of_june_or_december(noon, change, at_s):
    midnight_s = date_s(*noon)
    assert midnight_s is not None
    time = ab(midnight_s + 43_200 + 17, 17, UTC, *noon, 12, 0, 0)
    *_, leap = scan(time + ac(minor=0x80))
    assert isinstance(leap, LeapInfo)
    assert (leap.change, leap.at_s) == (change, at_s)
    *_, none = scan(time + ac())
    assert isinstance(none, LeapInfo)
    assert (none.change, none.at_s) == (0, None)
    # Without knowing the month it announces nothing.
    unknown = scan(ab(midnight_s + 43_200, 0, NO_UTC, *noon, 12, 0, 0) + ac(minor=0x80))
    assert [type(one) for one in unknown] == [Label, Health]


# ---- version 1 ------------------------------------------------------------------------------------------


def test_a_recorded_packet_of_version_1():
    label = only(RES720, "tsip1")
    # 2024-02-24T02:05:34 in GPS time
    assert label == Label(
        "tsip1", "A1-00", 0, len(RES720), 1_708_740_316, valid=True, utc_valid=True, leap_s=18
    )


@pytest.mark.parametrize(
    ("packet", "utc_s", "timescale", "valid", "utc_valid", "leap_s"),
    [
        (a1(18, 0, 3, *NOON), NOON_S - 18, "utc", True, True, 18),
        (a1(18, 3, 3, *NOON), NOON_S - 18, "utc", True, True, 18),
        (a1(18, 4, 3, *NOON), NOON_S, "utc", True, True, 18),
        (a1(18, 7, 1, *NOON), NOON_S, "utc", False, True, 18),
        (a1(18, 0, 2, *NOON), NOON_S, "gps", True, False, None),
        (a1(18, 4, 2, *NOON), NOON_S, "gps", True, False, None),
        (a1(0, 0, 3, *NOON), NOON_S, "gps", True, False, None),
        (a1(18, 1, 3, *NOON), NOON_S, "local", True, True, 18),
        (a1(18, 2, 3, *NOON), NOON_S, "local", True, True, 18),
        (a1(18, 9, 3, *NOON), NOON_S, "local", True, True, 18),
    ],
)
def test_what_a_time_packet_of_version_1_says(packet, utc_s, timescale, valid, utc_valid, leap_s):  # noqa: PLR0917
    label = only(packet, "tsip1")
    assert (label.utc_s, label.timescale, label.second60) == (utc_s, timescale, False)
    assert (label.valid, label.utc_valid, label.leap_s) == (valid, utc_valid, leap_s)


QUIET = {"jamming": "ok", "spoofing": "none"}
LOUD = {"jamming": "critical", "spoofing": "indicated"}


def test_a_month_s_first_second_in_gps_time_has_no_name():
    data = (
        a1(17, 0, 3, 2017, 1, 1, 0, 0, 16)
        + a1(17, 0, 3, 2017, 1, 1, 0, 0, 17)
        + a1(18, 0, 3, 2017, 1, 1, 0, 0, 18)
    )
    assert told(data, "tsip1") == [(-1, False, "utc"), (17, False, "gps"), (0, False, "utc")]


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (a3(), {"fix": True, "antenna": "ok", "pulse_locked": True} | QUIET),
        (a3(1, 1), {"fix": False, "antenna": "open", "pulse_locked": True} | QUIET),
        (a3(2, 2), {"fix": True, "antenna": "short", "pulse_locked": False} | QUIET),
        (a3(0, 0x184),
         {"fix": True, "antenna": "ok", "pulse_locked": False} | LOUD),
    ],
)  # fmt: skip
def test_what_an_alarm_packet_says(packet, expected):
    assert scan(packet, "tsip1") == [Health("tsip1", "A3-00", 0, len(packet), **expected)]


def test_a_pending_leap_second_in_version_1():
    (_, _, leap) = scan(a1(18, 4, 3, 2024, 6, 5, 12, 0, 0) + a3(4), "tsip1")
    assert isinstance(leap, LeapInfo)
    assert (leap.change, leap.at_s) == (1, 1_719_792_000)


@pytest.mark.parametrize(
    ("packet", "frames", "damaged"),
    [
        (a1(18, 0, 3, 2024, 2, 30, 0, 0, 0), 1, 0),  # no such day
        (version1(0xA200, bytes(23)), 1, 0),
        (version1(0xA100, bytes(29)), 1, 0),  # another length than A1-00 has
        (RES720[:9] + b"\x05" + RES720[10:], 0, 1),
        (version1(0xA100, b"", mode=3), 0, 0),
        (version1(0xA100, bytes(255)), 0, 0),
        (packed(b"\xa1\x00\x00\x01\x02"), 0, 0),
        (b"\x10\xa1\x00\x00\x20\x02\x10\x05", 0, 0),
        (b"\x10\x10\xa1", 0, 0),
    ],
)
def test_packets_without_time(packet, frames, damaged):
    scanner = Scanner("tsip1")
    assert scanner.feed(packet) + scanner.finish() == []
    assert (scanner.counters.frames["tsip1"], scanner.counters.damaged["tsip1"]) == (frames, damaged)
    assert [one.message for one in scan(packet + RES720, "tsip1")] == ["A1-00"]


def test_a_lying_length_waits_for_no_more_than_it_may_promise():
    scanner = Scanner("tsip1")
    scanner.feed(b"\x10\xa1\x00\x01\x00\x02")
    assert scanner.feed(b"A" * 300) == []
    assert scanner.counters.skipped_bytes == 306


def test_auto_reads_version_1_only():
    assert [one.protocol for one in scan(SMT + RES720, "auto")] == ["tsip1"]
