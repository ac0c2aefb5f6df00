"""What frequency standards and Jackson Labs' GPSDOs answer. The CSAC's checksums are its manual's."""

import pytest

from refclock.wire.answers import Answers, xor
from refclock.wire.report import Health, Label, Reply, Report
from refclock.wire.scanner import Scanner

STATUS = b"""MJD   49109  01:07:43\r
CBT ID: 3128A00101(H)\r
Status summary: %b\r
Power source: AC\r
Log status: Empty\r
\r
scpi > """
TELEMETRY = b"0,0x0000,1209CS00909,0x0000,4381,0.86,1.573,17.62,0.996,28.26,---,-1,---,1,126850,586969,1.10"


def said(family: str, data: bytes) -> list[Report]:
    """All that a stream says."""
    return Scanner(family).feed(data)


def health(family: str, data: bytes) -> Health:
    """Its one word on its health."""
    (found,) = said(family, data)
    assert isinstance(found, Health)
    return found


@pytest.mark.parametrize(("body", "sum_"), [(b"MA", 0x0C), (b"0x0041", 0x4D), (b"^", 0x5E), (b"6", 0x36)])
def test_the_csac_s_checksum_is_the_manual_s(body, sum_):
    assert xor(body) == sum_


@pytest.mark.parametrize(
    ("begins", "locked"),
    [(b"0,0x0000", True), (b"0,0x0010", False), (b"3,0x0000", False), (b"9,0x0000", False)],
)
def test_a_csac_is_locked_in_state_0_without_alarm(begins, locked):
    found = health("csac", begins + TELEMETRY[8:] + b"\r\n")
    assert found.locked is locked
    assert (found.pulse_locked, found.holdover) == (None, None)


@pytest.mark.parametrize(
    ("word", "pulse", "holdover"), [(b"0", False, False), (b"1", True, False), (b"2", True, True)]
)
def test_a_csac_that_is_disciplined_follows_another_pulse(word, pulse, holdover):
    line = TELEMETRY.replace(b"909,0x0000", b"909,0x0010").replace(b"---,1,126850", b"7," + word + b",126850")
    found = health("csac", line + b"\r\n")
    assert (found.pulse_locked, found.holdover) == (pulse, holdover)


def test_a_csac_in_checksum_mode_must_be_right():
    line = TELEMETRY.replace(b"909,0x0000", b"909,0x0040")
    assert health("csac", line + b"*%02X\r\n" % xor(line)).locked is True
    assert said("csac", line + b"*%02X\r\n" % (xor(line) ^ 1)) == []
    assert said("csac", line + b"\r\n") == []
    assert health("csac", TELEMETRY + b"*%02X\r\n" % xor(TELEMETRY)).locked is True


def test_a_header_says_which_column_is_which():
    header = b"Status,Alarm,SN,Mode,DiscOK,Temp,Phase,TOD"
    line = b"0,0x0000,2211CS00012,0x0010,2,28.1,-12,4711"
    found = said("csac", header + b"\r\n" + line + b"\r\n")
    assert [one.message for one in found] == ["6", "^"]
    assert isinstance(found[1], Health)
    assert found[1].holdover is True
    assert health("csac", line + b"\r\n").holdover is None
    damaged = header + b"*%02X\r\n" % (xor(header) ^ 1) + line + b"\r\n"
    assert [one.message for one in said("csac", damaged)] == ["^"]


def test_a_5071a_tells_its_summary_and_never_a_date():
    assert health("5071a", STATUS % b"Operating normally").locked is True
    assert health("5071a", STATUS % b"Warming up").locked is False
    (named,) = said("5071a", b"*IDN?\r\nHEWLETT-PACKARD,5071A,3128A00101,3.28\r\nscpi > ")
    assert isinstance(named, Reply)
    assert named.message == "IDN"
    asked = b"PTIM:MJD?\r\n61000\r\nPTIM:TIME?\r\n+12,+34,+56\r\n" + STATUS % b"Operating normally"
    assert not [one for one in said("5071a", asked) if isinstance(one, Label)]


@pytest.mark.parametrize("text", [b"HEWLETT-PACKARD,58503A,1,2", b"5071A", b"Agilent,E5071A,1"])
def test_another_instrument_is_no_5071a(text):
    assert said("5071a", text + b"\r\n") == []


@pytest.mark.parametrize(
    ("bits", "pulse", "holdover", "jamming"),
    [("0", True, False, "ok"), ("10", True, True, "ok"), ("4", True, False, "ok"), ("8", False, False, "ok"),
     ("54", False, True, "ok"), ("1000", True, False, "ok"), ("810", True, True, "critical")],
)  # fmt: skip
def test_jackson_labs_health(bits, pulse, holdover, jamming):
    for line in (f"0x{bits}", f"HEALTH STATUS : 0x{bits}"):
        found = health("jackson-labs", f"SYNC:HEALTH?\r\n{line}\r\nscpi > ".encode())
        assert (found.pulse_locked, found.holdover, found.jamming) == (pulse, holdover, jamming)


def test_jackson_labs_tells_the_time_by_nmea_on_the_same_line():
    rmc = b"$GPRMC,120000.00,A,4812.49,N,01622.38,E,0.0,,010327,,,A*"
    data = rmc + b"%02X\r\n" % xor(rmc[1:-1]) + b"Jackson Labs, Fury, 1, Firmware Rev 1.21\r\n0x0\r\n"
    found = said("jackson-labs", data)
    assert [one.message for one in found if not isinstance(one, Health)][-1] == "IDN"
    assert [one.protocol for one in found if isinstance(one, Label)] == ["nmea"]
    assert [one.message for one in found if isinstance(one, Health) and one.protocol != "nmea"] == ["HEALTH"]


def test_an_sa5x_answers_in_brackets_with_a_checksum():
    (device,) = said("sa5x", b"[=sa5x|62]\r\n")
    assert isinstance(device, Reply)
    assert (device.message, device.text) == ("value", "sa5x")
    (error,) = said("sa5x", b"[!3|12]")
    assert isinstance(error, Reply)
    assert (error.message, error.text) == ("error", "3")
    assert said("sa5x", b"[=sa5x|63]\r\n[=1]\r\n[1|31]") == []


def test_a_prs10_says_who_it_is_and_how():
    found = said("prs10", b"PRS10_3.24_SN_12345\r1\r0\r0,0,0,0,4,0\r0,0,0,1,4,0\r0,0,0,0,4,256\r")
    assert [one.text for one in found if isinstance(one, Reply)] == ["PRS10_3.24_SN_12345", "1", "0"]
    assert [one.locked for one in found if isinstance(one, Health)] == [True, False]


def test_a_line_counts_as_a_whole_only():
    framer = Answers("x", b"a", ((b"a+", lambda found, start, end: (Reply("x", "a", start, end),)),))
    framer.longest = 8
    reports: list[Report] = []
    assert framer.find(b"..ab", 0) == 2
    assert framer.find(b"..", 0) == -1
    assert framer.take(b"aaa", 0, 9, 0, reports) == -1
    assert framer.take(b"aaaaaaaa", 0, 9, 0, reports) == -2
    assert framer.take(b"aab\r", 0, 9, 0, reports) == -2
    assert framer.take(b"a\0", 0, 9, 0, reports) == -2
    assert reports == []
    assert framer.take(b"xaa\r", 1, 9, 100, reports) == 4
    assert reports == [Reply("x", "a", 101, 104)]
    assert framer.frames == 1
