"""Motorola Oncore: which second a message names, and which pulse its sawtooth is of."""

from functools import reduce
from operator import xor
from struct import pack

import pytest

from refclock.wire.report import Health, Label, LeapInfo, Report
from refclock.wire.scanner import Scanner

NOON_S = 1_709_640_000  # 2024-03-05T12:00:00Z
MONTH_S = 1_483_228_800  # 2017-01-01T00:00:00Z, right after a leap second


def message(kind: str, data: bytes) -> bytes:
    body = kind.encode() + data
    return b"@@" + body + bytes((reduce(xor, body),)) + b"\r\n"


def time(second: int, nano: int = 0) -> bytes:
    """A time of 2024-03-05, ``second`` after noon."""
    return pack(">BBHBBBI", 3, 5, 2024, 12, second // 60, second % 60, nano)


def ha(when: bytes, status: int = 0x84, further: int = 1, utc: int = 0xD2) -> bytes:
    place = pack(">ii", 173_549_880, 58_943_160)
    return message(
        "Ha", when + place + bytes(106) + bytes((status, further)) + bytes(10) + bytes((utc,)) + bytes(9)
    )


def ea(when: bytes, status: int = 0x20, antenna: int = 0) -> bytes:
    return message("Ea", when + bytes(22) + bytes((antenna,)) + bytes(34) + bytes((status,)))


def hn(sawtooth: int, judged: int = 0) -> bytes:
    return message("Hn", bytes((1, 0, judged)) + bytes(7) + pack(">b", sawtooth) + bytes(60))


def en(sawtooth: int, judged: int = 0) -> bytes:
    return message("En", bytes(17) + bytes((judged,)) + bytes(3) + pack(">b", sawtooth) + bytes(40))


AW_UTC, AW_GPS, BO = message("Aw", b"\x01"), message("Aw", b"\x00"), message("Bo", b"\x12")


def scan(data: bytes) -> list[Report]:
    scanner = Scanner("oncore")
    return scanner.feed(data) + scanner.finish()


def labels(data: bytes) -> list[Label]:
    return [one for one in scan(data) if isinstance(one, Label)]


def test_twelve_channels():
    packet = ha(time(7, 653_233))
    assert len(packet) == 154
    label, health = scan(packet)
    assert label == Label(
        "oncore", "@@Ha", 0, 154, NOON_S + 7, 653_233, valid=True, utc_valid=True, leap_s=18
    )
    assert health == Health("oncore", "@@Ha", 0, 154, fix=True, antenna="ok")


@pytest.mark.parametrize(
    ("utc", "utc_s", "timescale", "utc_valid", "leap_s"),
    [
        (0xD2, NOON_S, "utc", True, 18),
        (0x52, NOON_S - 18, "utc", True, 18),  # GPS time, and the offset
        (0x92, NOON_S, "gps", False, None),  # asked for, not decoded yet
        (0x12, NOON_S, "gps", False, None),
        (0xC0, NOON_S, "gps", False, None),
        (0xFF, NOON_S, "gps", False, None),  # -1
    ],
)
def test_time_scales_of_twelve_channels(utc, utc_s, timescale, utc_valid, leap_s):
    (label,) = labels(ha(time(0), utc=utc))
    assert (label.utc_s, label.timescale, label.utc_valid, label.leap_s) == (
        utc_s,
        timescale,
        utc_valid,
        leap_s,
    )


def test_in_gps_time_the_second_that_may_be_the_leap_second_has_no_name():
    def gps(second: int, offset: int) -> bytes:
        return ha(pack(">BBHBBBI", 1, 1, 2017, 0, 0, second, 0), utc=0x40 | offset)

    data = gps(16, 17) + gps(17, 17) + gps(18, 18)
    assert [(one.utc_s - MONTH_S, one.second60, one.timescale) for one in labels(data)] == [
        (-1, False, "utc"), (17, False, "gps"), (0, False, "utc"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "further", "fix", "antenna", "moving"),
    [
        (0x80, 0x00, True, "ok", False),
        (0xC0, 0x02, True, "short", False),
        (0xE0, 0x04, True, "open", True),
        (0xE0, 0x06, True, "short", True),
        (0xA0, 0x00, False, "ok", False),  # propagated
        (0x60, 0x00, False, "ok", False),  # searching
        (0x40, 0x00, False, "ok", False),  # bad geometry
        (0xE0, 0x08, False, "ok", False),  # too few satellites
        (0xE0, 0x80, False, "ok", False),  # no almanac
    ],
)
def test_health_of_twelve_channels(status, further, fix, antenna, moving):
    label, health = scan(ha(time(0), status, further))
    assert isinstance(label, Label)
    assert label.valid is fix
    position = (482_083_000, 163_731_000) if moving else None
    assert health == Health("oncore", "@@Ha", 0, 154, fix=fix, antenna=antenna, position=position)


@pytest.mark.parametrize(
    ("before", "utc_s", "timescale", "utc_valid"),
    [
        (b"", NOON_S, "unstated", None),
        (AW_UTC, NOON_S, "unstated", None),
        (BO, NOON_S, "unstated", True),
        (AW_UTC + BO, NOON_S, "utc", True),
        (AW_GPS + BO, NOON_S - 18, "utc", True),
        (AW_UTC + message("Bo", b"\x00"), NOON_S, "gps", False),
        (AW_GPS + message("Bo", b"\x00"), NOON_S, "gps", False),
        (AW_UTC + message("Bo", b"\xff"), NOON_S, "gps", False),
    ],
)
def test_eight_channels_say_their_time_scale_elsewhere(before, utc_s, timescale, utc_valid):
    (label,) = labels(before + ea(time(0)))
    assert (label.utc_s, label.timescale, label.utc_valid) == (utc_s, timescale, utc_valid)


@pytest.mark.parametrize(
    ("status", "fix"),
    [
        (0x20, True),
        (0x10, None),
        (0x08, None),
        (0x00, False),
        (0x60, False),
        (0x22, False),
        (0x29, False),
        (0xA0, False),
    ],
)
def test_health_of_eight_channels(status, fix):
    label, health = scan(ea(time(0), status, antenna=0x80))
    assert isinstance(label, Label)
    assert label.valid is fix
    assert health == Health("oncore", "@@Ea", 0, 76, fix=fix, antenna="open")
    assert scan(ea(time(0)))[1] == Health("oncore", "@@Ea", 0, 76, fix=True)


@pytest.mark.parametrize(("held", "fix"), [(0, None), (1, True), (2, None)])
def test_a_held_position_is_a_fix_where_the_receiver_says_that_it_holds_it(held, fix):
    label, _ = scan(message("At", bytes((held,))) + ea(time(0), 0x08))
    assert isinstance(label, Label)
    assert label.valid is fix
    bad, _ = scan(message("At", bytes((held,))) + ea(time(0), 0x0A))
    assert isinstance(bad, Label)
    assert bad.valid is False


def test_six_channels():
    packet = message("Ba", time(0) + bytes(49) + b"\x20")
    assert len(packet) == 68
    label, health = scan(packet)
    assert isinstance(label, Label)
    assert isinstance(health, Health)
    assert (label.message, label.utc_s, health.fix) == ("@@Ba", NOON_S, True)


def test_the_sawtooth_is_of_the_next_pulse():
    data = ha(time(0)) + hn(-25) + ha(time(1)) + hn(7) + ha(time(2)) + ha(time(3))
    assert [one.q_err_ps for one in labels(data)] == [None, 25_000, -7_000, None]
    # After a gap it is of a pulse that nobody named.
    assert [one.q_err_ps for one in labels(ha(time(0)) + hn(9) + ha(time(2)))] == [None, None]
    assert [one.q_err_ps for one in labels(hn(9) + ha(time(0)))] == [None]
    old = AW_UTC + BO + ea(time(0)) + en(100) + ea(time(1))
    assert [one.q_err_ps for one in labels(old)] == [None, -100_000]


@pytest.mark.parametrize(("judged", "locked"), [(0, [True]), (1, [False]), (2, [])])
def test_the_receiver_judges_its_pulse(judged, locked):
    data = ha(time(0)) + hn(5, judged) + ha(time(1))
    found = scan(data)
    assert [one.pulse_locked for one in found if isinstance(one, Health) and one.message == "@@Hn"] == locked
    assert labels(data)[1].q_err_ps == (-5000 if judged == 0 else None)


def gj(now: int, then: int, *when: int) -> bytes:
    year, month, day, hour, minute, second = when
    return message("Gj", pack(">bbHBB5xBBB", now, then, year, month, day, hour, minute, second))


@pytest.mark.parametrize(
    ("packet", "change", "at_s", "leap_s"),
    [
        (gj(17, 18, 2017, 1, 1, 0, 0, 0), 1, MONTH_S, 17),
        (gj(17, 18, 2016, 12, 31, 23, 59, 59), 1, MONTH_S, 17),
        (gj(17, 18, 2016, 12, 31, 23, 59, 60), 1, MONTH_S, 17),
        (gj(18, 17, 2017, 1, 1, 0, 0, 0), -1, MONTH_S, 18),
        (gj(18, 18, 2017, 1, 1, 0, 0, 0), 0, None, 18),
        (gj(17, 18, 2017, 1, 2, 0, 0, 0), 1, None, 17),
        (gj(17, 18, 2017, 1, 1, 12, 0, 0), 1, None, 17),
        (gj(17, 18, 2017, 13, 1, 0, 0, 0), 1, None, 17),
        (gj(17, 18, 2016, 12, 31, 24, 0, 0), 1, None, 17),
        (gj(17, 18, 2016, 12, 31, 23, 60, 0), 1, None, 17),
        (gj(17, 18, 2016, 12, 31, 23, 59, 61), 1, None, 17),
        (gj(0, 18, 0, 0, 0, 0, 0, 0), None, None, None),
    ],
)
def test_leap_seconds(packet, change, at_s, leap_s):
    assert len(packet) == 21
    assert scan(packet) == [LeapInfo("oncore", "@@Gj", 0, 21, leap_s is not None, leap_s, change, at_s)]


def test_a_flag_without_date_announces_nothing():
    assert scan(message("Bj", b"\x01")) == []


@pytest.mark.parametrize(
    ("packet", "frames", "damaged"),
    [
        (ha(pack(">BBHBBBI", 3, 5, 2024, 62, 28, 15, 0)), 1, 0),
        (ha(time(0, 1_000_000_000)), 1, 0),
        (message("Bb", bytes(85)), 1, 0),
        (message("Zz", b"\0"), 0, 0),
        (AW_UTC[:4] + b"\x03" + AW_UTC[5:], 0, 1),
        (AW_UTC[:-1] + b"\r", 0, 0),
        (b"@@A", 0, 0),
        (b"@", 0, 0),
    ],
)
def test_messages_without_time(packet, frames, damaged):
    scanner = Scanner("oncore")
    assert [one for one in scanner.feed(packet) + scanner.finish() if isinstance(one, Label)] == []
    assert (scanner.counters.frames["oncore"], scanner.counters.damaged["oncore"]) == (frames, damaged)
    if damaged or not frames:
        assert len(labels(packet[:5] + ha(time(0)))) == 1


def test_a_byte_at_a_time():
    data = ha(time(0)) + b"@" + hn(3)
    scanner = Scanner("oncore")
    found = [(one.message, at) for at in range(len(data)) for one in scanner.feed(data[at : at + 1])]
    assert found == [("@@Ha", 153), ("@@Ha", 153), ("@@Hn", len(data) - 1)]
