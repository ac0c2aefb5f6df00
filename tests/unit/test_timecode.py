"""The fixed ASCII time codes: what each frame says, which byte is on time, and what is refused."""

import re

import pytest

from refclock.wire import timecode
from refclock.wire.framing import DAMAGED, REFUSED, WAIT
from refclock.wire.report import Health, Label, LeapInfo, Report
from refclock.wire.timecodes import CODES, FIELDS

# 2024-02-29T12:34:56Z, a Thursday and the 60th day of its year.
LEAP_DAY_S = 1_709_210_096
# 2016-12-31T23:59:59Z, a Saturday, the 366th day; a leap second follows.
BEFORE_LEAP_S = 1_483_228_799

STANDARD = b"\x02D:29.02.24;T:4;U:12.34.56;  U \x03"
ERLANGEN = b"\x0229.02.24; 4; 12:34:56; +00:00;        ; 49.5736N  11.0280E  371m\x03"
FORMAT_0 = b"\r\n   060 12:34:56 STZ=00\r\n"
FORMAT_1 = b"\r\n  THU 29FEB24 12:34:56\r\n"
FORMAT_2 = b"\r\n  24 060 12:34:56.000  S"
FORMAT_3 = b"0003  20240229 123456+0000S #\r\n"
XL_DC = b"\x01060:12:34:56 \r\n"
B5 = b"\r\n  24 060 12:34:56.000   "
ZYFER = b"!TIME,2024,060,12,34,56,2,4,1"

FRAMES = {
    ("meinberg", "Standard"): STANDARD,
    ("meinberg", "Uni Erlangen"): ERLANGEN,
    ("spectracom", "Format 0"): FORMAT_0,
    ("spectracom", "Format 1"): FORMAT_1,
    ("spectracom", "Format 2"): FORMAT_2,
    ("spectracom", "Format 3"): FORMAT_3,
    ("truetime", "XL-DC"): XL_DC,
    ("arbiter", "B5"): B5,
    ("zyfer", "TIME"): ZYFER,
}
YEARLESS = {"Format 0", "XL-DC"}
UNSTATED = {"Format 1", "XL-DC", "B5"}
# Seconds from 1 January to the 60th day, 12:34:56.
SINCE_NEW_YEAR_S = 59 * 86_400 + 45_296

every_frame = pytest.mark.parametrize(
    ("family", "message", "frame"),
    [(*key, frame) for key, frame in FRAMES.items()],
    ids=lambda one: str(one)[:20],
)


def take(family: str, frame: bytes, at: int = 0) -> tuple[int, list[Report]]:
    reports: list[Report] = []
    framer = timecode.Framer(family)
    return framer.take(frame, at, len(frame), 1000, reports), reports


def label(family: str, frame: bytes) -> Label:
    end, reports = take(family, frame)
    assert end == len(frame)
    found = [report for report in reports if isinstance(report, Label)]
    assert len(found) == 1
    return found[0]


def health(family: str, frame: bytes) -> Health:
    found = [report for report in take(family, frame)[1] if isinstance(report, Health)]
    assert len(found) == 1
    return found[0]


def leap(family: str, frame: bytes) -> LeapInfo:
    found = [report for report in take(family, frame)[1] if isinstance(report, LeapInfo)]
    assert len(found) == 1
    return found[0]


def test_every_format_is_tried():
    assert set(FRAMES) == {(family, code.name) for family, codes in CODES.items() for code in codes}


@every_frame
def test_a_good_frame_names_its_second(family, message, frame):
    found = label(family, frame)
    assert (found.protocol, found.message) == (family, message)
    assert (found.start, found.end) == (1000, 1000 + len(frame))
    assert found.utc_s == (SINCE_NEW_YEAR_S if message in YEARLESS else LEAP_DAY_S)
    assert (found.frac_ns, found.second60, found.label_edge) == (0, False, "previous")
    assert found.valid is True
    assert found.yearless is (message in YEARLESS)
    assert found.timescale == ("unstated" if message in UNSTATED else "utc")
    assert (health(family, frame).fix, health(family, frame).holdover) == (True, False)


@every_frame
def test_the_byte_on_time(family, message, frame):
    found = label(family, frame)
    on_time = {"Standard": b"\x02", "Uni Erlangen": b"\x02", "Format 3": b"#", "TIME": b"!"}
    at = 0 if found.mark is None else found.mark - 1000
    assert frame[at : at + 1] == on_time.get(message, b"\r")
    # The trailing CR of an XL-DC, the leading one of the others.
    assert (at > 0) is (message in ("Format 3", "XL-DC"))


@every_frame
def test_every_length_but_the_right_one_waits_or_is_refused(family, message, frame):
    for size in range(1, len(frame)):
        assert take(family, frame[:size])[0] == WAIT
        assert take(family, frame[:size] + b"~")[0] == REFUSED
    for at in range(1, len(frame)):
        assert take(family, frame[at:])[0] < 0


@every_frame
def test_no_byte_may_be_foreign(family, message, frame):
    for at in range(len(frame)):
        for byte in b"~\x00\xff":
            assert take(family, frame[:at] + bytes([byte]) + frame[at + 1 :])[0] == REFUSED


@every_frame
def test_a_frame_is_found_behind_noise_and_at_the_end_of_the_data(family, message, frame):
    framer = timecode.Framer(family)
    assert framer.find(b"~~~" + frame, 0) == 3
    assert framer.find(b"~~~" + frame, 4) != 3
    assert framer.find(b"~~~", 0) == -1
    assert framer.find(b"~~" + frame[:1], 0) == 2
    assert framer.frames == 0
    framer.take(frame, 0, len(frame), 0, [])
    assert framer.frames == 1


@pytest.mark.parametrize(
    ("family", "frame", "old", "new"),
    [
        ("meinberg", STANDARD, b"29.02.24", b"30.02.24"),
        ("meinberg", STANDARD, b"29.02.24", b"29.02.23"),
        ("meinberg", STANDARD, b"29.02.24", b"29.00.24"),
        ("meinberg", STANDARD, b"29.02.24", b"29.13.24"),
        ("meinberg", STANDARD, b"29.02.24", b"00.02.24"),
        ("meinberg", STANDARD, b"T:4", b"T:5"),
        ("meinberg", STANDARD, b"12.34.56", b"24.00.00"),
        ("meinberg", STANDARD, b"12.34.56", b"12.34.60"),
        ("meinberg", STANDARD, b"12.34.56", b"12.34.61"),
        ("meinberg", ERLANGEN, b"; 4;", b"; 7;"),
        ("spectracom", FORMAT_0, b" 060 ", b" 000 "),
        ("spectracom", FORMAT_0, b" 060 ", b" 367 "),
        ("spectracom", FORMAT_1, b"THU", b"FRI"),
        ("spectracom", FORMAT_1, b"THU", b"FAD"),
        ("spectracom", FORMAT_1, b"FEB", b"JEB"),
        ("spectracom", FORMAT_2, b"24 060", b"23 366"),
        ("spectracom", FORMAT_2, b"24 060", b"24 000"),
        ("spectracom", FORMAT_3, b"20240229", b"20230229"),
        ("spectracom", FORMAT_3, b"20240229", b"19690228"),
        ("truetime", XL_DC, b"12:34:56", b"29:34:56"),
        ("arbiter", B5, b"24 060", b"21 366"),
        ("zyfer", ZYFER, b"2024,060", b"1960,060"),
        ("zyfer", ZYFER, b"2024,060", b"2023,366"),
    ],
)
def test_fields_that_contradict_each_other_are_damage(family, frame, old, new):
    assert old in frame
    assert take(family, frame.replace(old, new)) == (DAMAGED, [])


@pytest.mark.parametrize(
    ("family", "frame", "old", "new", "scale"),
    [
        ("meinberg", STANDARD, b"  U ", b"    ", "local"),
        ("meinberg", STANDARD, b"  U ", b"  S ", "local"),
        ("meinberg", ERLANGEN, b"+00:00", b"+01:00", "local"),
        ("meinberg", ERLANGEN, b"+00:00", b"-00:00", "utc"),
        ("meinberg", ERLANGEN, b"+00:00;        ", b"+00:00;   S    ", "local"),
        ("spectracom", FORMAT_0, b"STZ=00", b"STZ=05", "local"),
        ("spectracom", FORMAT_0, b"STZ=00", b"DTZ=00", "local"),
        ("spectracom", FORMAT_0, b"STZ=00", b"ITZ=00", "local"),
        ("spectracom", FORMAT_0, b"STZ=00", b"OTZ=00", "local"),
        ("spectracom", FORMAT_2, b"  S", b"  D", "utc"),
        ("spectracom", FORMAT_3, b"+0000S", b"+0000D", "local"),
        ("spectracom", FORMAT_3, b"+0000S", b"-0500S", "local"),
        ("spectracom", FORMAT_3, b"+0000S", b"-0000S", "utc"),
        ("zyfer", ZYFER, b",2,4,1", b",1,4,1", "gps"),
        ("zyfer", ZYFER, b",2,4,1", b",3,4,1", "local"),
        ("zyfer", ZYFER, b",2,4,1", b",4,4,1", "local"),
        ("zyfer", ZYFER, b",2,4,1", b",5,4,1", "local"),
    ],
)
def test_only_what_says_utc_is_utc(family, frame, old, new, scale):
    assert frame.count(old) == 1
    changed = frame.replace(old, new)
    assert label(family, changed).timescale == scale
    if scale != "utc":
        assert not [one for one in take(family, changed)[1] if isinstance(one, LeapInfo)]


@pytest.mark.parametrize(
    ("family", "frame", "old", "new", "state"),
    [
        ("meinberg", STANDARD, b"  U ", b"# U ", "unsynchronised"),
        ("meinberg", STANDARD, b"  U ", b"#*U ", "unsynchronised"),
        ("meinberg", STANDARD, b"  U ", b" *U ", "holdover"),
        ("meinberg", ERLANGEN, b";        ;", b";  *     ;", "holdover"),
        ("meinberg", ERLANGEN, b";        ;", b"; #      ;", "unsynchronised"),
        ("spectracom", FORMAT_0, b"\r\n   060", b"\r\n?  060", "unsynchronised"),
        ("spectracom", FORMAT_1, b"\r\n  THU", b"\r\n* THU", "unsynchronised"),
        ("spectracom", FORMAT_2, b"\r\n  24", b"\r\n A24", "holdover"),
        ("spectracom", FORMAT_2, b"\r\n  24", b"\r\n B24", "unsynchronised"),
        ("spectracom", FORMAT_2, b"\r\n  24", b"\r\n?A24", "unsynchronised"),
        ("spectracom", FORMAT_3, b"0003 ", b"0003?", "unsynchronised"),
        ("truetime", XL_DC, b"56 ", b"56.", "holdover"),
        ("truetime", XL_DC, b"56 ", b"56*", "holdover"),
        ("truetime", XL_DC, b"56 ", b"56#", "holdover"),
        ("truetime", XL_DC, b"56 ", b"56?", "unsynchronised"),
        ("arbiter", B5, b"\r\n  24", b"\r\n? 24", "unsynchronised"),
        ("zyfer", ZYFER, b",2,4,1", b",2,4,0", "unsynchronised"),
        ("zyfer", ZYFER, b",2,4,1", b",2,5,2", "holdover"),
        ("zyfer", ZYFER, b",2,4,1", b",2,9,3", "unsynchronised"),
        ("zyfer", ZYFER, b",2,4,1", b",2,9,4", "unsynchronised"),
    ],
)
def test_valid_holdover_and_unsynchronised(family, frame, old, new, state):
    assert frame.count(old) == 1
    changed = frame.replace(old, new)
    valid, holdover = (True, True) if state == "holdover" else (False, None)
    assert label(family, changed).valid is valid
    assert (health(family, changed).fix, health(family, changed).holdover) == (valid, holdover)


@pytest.mark.parametrize(
    ("family", "frame", "t_acc_ns"),
    [
        ("spectracom", FORMAT_2, None),
        ("spectracom", FORMAT_2.replace(b"\r\n  24", b"\r\n A24"), 10_000_000),
        ("spectracom", FORMAT_2.replace(b"\r\n  24", b"\r\n C24"), 500_000_000),
        ("spectracom", FORMAT_2.replace(b"\r\n  24", b"\r\n D24"), None),
        ("zyfer", ZYFER, 1000),
        ("zyfer", ZYFER.replace(b",2,4,1", b",2,8,2"), 10_000_000),
        ("zyfer", ZYFER.replace(b",2,4,1", b",2,9,2"), None),
    ],
)
def test_the_accuracy_that_a_flag_bounds(family, frame, t_acc_ns):
    assert label(family, frame).t_acc_ns == t_acc_ns


def test_milliseconds_are_the_fraction():
    assert label("spectracom", FORMAT_2.replace(b".000", b".123")).frac_ns == 123_000_000


def test_a_single_digit_day_may_have_a_space():
    assert label("spectracom", b"\r\n  MON  1JAN24 00:00:00\r\n").utc_s == 1_704_067_200


@pytest.mark.parametrize(("yy", "year"), [("80", 1980), ("99", 1999), ("00", 2000), ("79", 2079)])
def test_a_two_digit_year_turns_at_80(yy, year):
    four = label("zyfer", f"!TIME,{year},001,00,00,00,2,4,1".encode())
    assert label("arbiter", f"\r\n  {yy} 001 00:00:00.000   ".encode()).utc_s == four.utc_s


@pytest.mark.parametrize(
    ("family", "frame"),
    [
        ("meinberg", b"\x02D:31.12.16;T:6;U:23.59.60;  UA\x03"),
        ("meinberg", b"\x0231.12.16; 6; 23:59:60; +00:00;     A L; 49.5736N  11.0280E  371m\x03"),
        ("spectracom", b"\r\n  16 366 23:59:60.000 LS"),
        ("spectracom", b"0003  20161231 235960+0000SL#\r\n"),
    ],
)
def test_second_60_is_told_from_59_and_was_announced(family, frame):
    assert (label(family, frame).utc_s, label(family, frame).second60) == (BEFORE_LEAP_S, True)
    assert (leap(family, frame).change, leap(family, frame).at_s) == (1, BEFORE_LEAP_S + 1)


def test_second_60_of_a_year_that_is_not_named():
    found = label("truetime", b"\x01366:23:59:60 \r\n")
    assert (found.utc_s, found.second60, found.yearless) == (366 * 86_400 - 1, True, True)


@pytest.mark.parametrize(
    ("family", "frame", "change", "at_s"),
    [
        # Announced within the last hour, or it is no announcement of a month's end.
        ("meinberg", b"\x02D:31.12.16;T:6;U:23.00.00;  UA\x03", 1, BEFORE_LEAP_S + 1),
        ("meinberg", b"\x02D:31.12.16;T:6;U:22.59.59;  UA\x03", 0, None),
        ("meinberg", b"\x02D:31.12.16;T:6;U:23.59.58;  U!\x03", 0, None),
        ("meinberg", STANDARD, 0, None),
        ("meinberg", ERLANGEN, 0, None),
        # Announced for the end of the month.
        ("spectracom", b"\r\n  16 336 00:00:00.000 LS", 1, BEFORE_LEAP_S + 1),
        ("spectracom", b"0003  20161201 000000+0000SL#\r\n", 1, BEFORE_LEAP_S + 1),
        ("spectracom", FORMAT_2, 0, None),
    ],
)
def test_an_announced_leap_second_is_due_at_the_end_of_the_month(family, frame, change, at_s):
    found = leap(family, frame)
    assert (found.change, found.at_s, found.utc_valid, found.leap_s) == (change, at_s, None, None)


@pytest.mark.parametrize("family", ["truetime", "arbiter", "zyfer"])
def test_formats_without_an_announcement_say_nothing_of_leap_seconds(family):
    for (name, _), frame in FRAMES.items():
        if name == family:
            assert not [one for one in take(family, frame)[1] if isinstance(one, LeapInfo)]


@pytest.mark.parametrize(
    "code", [code for codes in CODES.values() for code in codes], ids=lambda code: code.name
)
def test_the_table_is_consistent(code):
    names = re.findall(r"\{(\w+)\}", code.layout)
    assert set(names) <= set(FIELDS)
    assert {*code.flags, *code.zone, *filter(None, (code.leap, code.accuracy))} <= set(names)
    for legal in FIELDS.values():
        assert all(legal)
    assert set(code.leaps) <= set(FIELDS[code.leap][0]) if code.leap else not code.leaps
    for key in code.states:
        assert all(char in FIELDS[name][0] for char, name in zip(key, code.flags, strict=True))
