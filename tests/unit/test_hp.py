"""HP SmartClock time codes. The two codes with V = 0 are live answers of real receivers."""

import pytest

from refclock.units import GPS_EPOCH_S, S_PER_DAY
from refclock.wire.calendar import date_s
from refclock.wire.report import Health, Label, LeapInfo, Report
from refclock.wire.scanner import Scanner

ZONE = b":PTIME:TZONE?\r\n+0,+0\r\nscpi > "
LIVE = b"T2199505112055233000049"
ROLLED_OVER = b"T220060105075143300003B"
AT_S = (date_s(1995, 5, 11) or 0) + 20 * 3600 + 55 * 60 + 23


def code(body: str) -> bytes:
    """A code with its checksum, as the receiver ends it."""
    return f"{body}{sum(body.encode()) & 255:02X}\r\n".encode()


def said(data: bytes) -> list[Report]:
    """All that a stream says."""
    return Scanner("hp").feed(data)


def label(data: bytes) -> Label:
    """The last label."""
    return [one for one in said(data) if isinstance(one, Label)][-1]


def test_a_code_names_the_coming_pulse():
    found = said(ZONE + ZONE + b":PTIME:TCODE?\r\n" + LIVE + b"\r\nscpi > ")
    assert [type(one) for one in found] == [Report, Report, Label, Health, LeapInfo]
    told = label(ZONE + ZONE + LIVE + b"\r\n")
    assert (told.utc_s, told.label_edge, told.valid, told.timescale) == (AT_S, "next", True, "utc")
    assert (told.message, told.t_acc_ns, told.second60) == ("T2", 1000, False)
    assert label(ROLLED_OVER + b"\r").utc_s == (date_s(2006, 1, 5) or 0) + 7 * 3600 + 51 * 60 + 43


def test_a_prompt_with_an_old_error_is_no_answer_and_hurts_none():
    assert label(b"E-113> " + ZONE + b"E-230> " + ZONE + LIVE + b"\r\nE-230> ").timescale == "utc"
    assert said(b"E-113> scpi > \r\n") == []


@pytest.mark.parametrize("damage", [b"T2199505112055233000048", b"T2199505112055243000049", LIVE[:-1] + b"G"])
def test_a_wrong_checksum_says_nothing(damage):
    assert said(damage + b"\r\n") == []


@pytest.mark.parametrize("body", ["T22027133120000030000", "T22027022924000030000", "T22027022923600030000"])
def test_a_date_that_does_not_exist_says_nothing(body):
    assert said(code(body)) == []


def test_the_leap_second_is_sixty():
    told = label(ZONE + ZONE + code("T22016123123596030+00"))
    assert told.second60
    assert told.utc_s == (date_s(2017, 1, 1) or 0) - 1


def test_without_a_zone_told_twice_alike_it_is_local_time():
    east = b":PTIME:TZONE?\r\n+1,+0\r\n"
    assert label(LIVE + b"\r").timescale == "local"
    assert label(ZONE + LIVE + b"\r").timescale == "local"
    assert label(ZONE + east + LIVE + b"\r").timescale == "local"
    assert label(ZONE + east + east + LIVE + b"\r").timescale == "utc"


@pytest.mark.parametrize(
    ("answer", "zone_s"),
    [
        ("+1,+0", 3600),
        ("-5,+0", -18_000),
        ("+5,+30", 19_800),
        ("-3,-30", -12_600),
        ("-3,+30", -12_600),
        ("0,0", 0),
    ],
)
def test_a_zone_that_is_known_is_taken_off(answer, zone_s):
    told = f":PTIME:TZONE?\r\n{answer}\r\n".encode()
    assert label(told + told + LIVE + b"\r").utc_s == AT_S - zone_s


def test_an_answer_without_its_question_is_nobody_s():
    assert said(b"+0,+0\r\n+0,+0\r\n12,1\r\n1.5E+02,1\r\n+18\r\n") == []
    assert said(b":PTIME:TZONE?\r\nx+1,+0\r\n:ROSC:HOLD:DUR?\r\n1.5E+0002,1\r\n") == []
    stale = b":PTIME:TZONE?\r\n" + LIVE + b"\r\n+0,+0\r\n"
    assert label(stale + stale + LIVE + b"\r").timescale == "local"


def test_gps_seconds_are_gps_time_until_the_leap_count_is_known():
    body = f"T1#H{AT_S - GPS_EPOCH_S:08X}30000"
    assert label(code(body)).timescale == "gps"
    leap = b":PTIME:LEAP:ACC?\r\n+10\r\n"
    assert label(leap + code(body)).timescale == "gps"
    told = label(leap + leap + code(body))
    assert (told.timescale, told.utc_s, told.leap_s, told.message) == ("utc", AT_S - 10, 10, "T1")
    assert said(b"T1#H12345678300000000\r\n") == []
    assert said(b"T1#H123456783000000\r\n") == []


@pytest.mark.parametrize(
    ("flags", "valid", "locked", "holdover"),
    [("30000", True, True, False), ("31000", True, None, False), ("62000", True, None, True),
     ("93001", False, False, False)],
)  # fmt: skip
def test_figures_of_merit(flags, valid, locked, holdover):
    found = said(code("T220270301000000" + flags))
    health = next(one for one in found if isinstance(one, Health))
    assert label(code("T220270301000000" + flags)).valid is valid
    assert (health.pulse_locked, health.holdover) == (locked, holdover)


@pytest.mark.parametrize(
    ("day", "sign", "change", "at"),
    [("20270615", "+", 1, (2027, 7, 1)), ("20271231", "-", -1, (2028, 1, 1)), ("20270301", "0", 0, None)],
)
def test_a_coming_leap_second_is_the_last_of_its_month(day, sign, change, at):
    found = said(ZONE + ZONE + code(f"T2{day}00000030{sign}00"))
    info = next(one for one in found if isinstance(one, LeapInfo))
    assert (info.change, info.at_s) == (change, None if at is None else date_s(*at))
    assert not [one for one in said(code(f"T2{day}00000030{sign}00")) if isinstance(one, LeapInfo)]


@pytest.mark.parametrize(
    ("answer", "held_s"),
    [("1.5E+02,1", 150), ("1.5E+002,1", 150), ("150,1", 150), ("12,1", 12), ("+2.345E+0,1", 2), ("0,0", None),
     ("1.0E-99,1", 0), ("9E99,1", 10**8), ("-5,1", 0), ("12.5,0", None)],
)  # fmt: skip
def test_how_long_it_has_held_over(answer, held_s):
    found = said(b":ROSC:HOLD:DUR?\r\n" + answer.encode() + b"\r\n")
    assert [(one.holdover, one.holdover_s) for one in found if isinstance(one, Health)] == [
        (held_s is not None, held_s)
    ]


def test_the_day_s_last_second_and_the_first():
    zone = ZONE + ZONE
    late, early = code("T22027022823595930000"), code("T22027030100000030000")
    assert label(zone + early).utc_s - label(zone + late).utc_s == 1
    assert label(zone + early).utc_s % S_PER_DAY == 0
