"""gpsd's JSON: what a line says of a second, and what is no line at all."""

import pytest

from refclock.wire import gpsdjson
from refclock.wire.framing import DAMAGED, REFUSED, WAIT
from refclock.wire.gpsdjson import LINE_MAX, Framer, parse_line, segments
from refclock.wire.report import Health, Label, Report
from refclock.wire.scanner import Scanner

# 2016-12-31T23:59:59Z, the second before the last leap second so far.
LEAP_DAY_END_S = 1_483_228_799
PATH = "/dev/ttyACM0"
WATCH = f'{{"class":"WATCH","enable":true,"device":"{PATH}"}}'
VERSION = '{"class":"VERSION","release":"3.22","proto_major":3,"proto_minor":14}'


def tpv(
    time: str | None = "2016-12-31T23:59:59.000Z", mode: int = 3, path: str = PATH, more: str = ""
) -> str:
    named = "" if time is None else f',"time":"{time}"'
    return f'{{"class":"TPV","device":"{path}","mode":{mode}{named}{more}}}'


def scan(*lines: str) -> list[Report]:
    scanner = Scanner("gpsd")
    return scanner.feed("".join(f"{line}\r\n" for line in lines).encode()) + scanner.finish()


def only(line: str) -> Report:
    (report,) = scan(line)
    return report


def test_a_tpv_names_the_second_of_the_pulse_just_passed():
    line = tpv(more=',"leapseconds":17,"ept":0.0050001')
    assert only(line) == Label(
        "gpsd", "TPV", 0, len(line) + 2, LEAP_DAY_END_S, valid=True, leap_s=17, t_acc_ns=5_000_100
    )


def test_a_count_of_leap_seconds_confirms_nothing():
    """gpsd sets it from a receiver's firmware default as well, and for all its devices at once."""
    for more in ("", ',"leapseconds":18'):
        label = only(tpv(more=more))
        assert isinstance(label, Label)
        assert label.utc_valid is None


@pytest.mark.parametrize(
    ("time", "second", "frac_ns", "second60"),
    [
        ("2016-12-31T23:59:59Z", LEAP_DAY_END_S, 0, False),
        ("2016-12-31T23:59:59.25Z", LEAP_DAY_END_S, 250_000_000, False),
        ("2016-12-31T23:59:59.123456789Z", LEAP_DAY_END_S, 123_456_789, False),
        ("2016-12-31T23:59:60.000Z", LEAP_DAY_END_S, 0, True),
        ("2016-12-31T23:59:60Z", LEAP_DAY_END_S, 0, True),
    ],
)
def test_times(time, second, frac_ns, second60):
    label = only(tpv(time))
    assert isinstance(label, Label)
    assert (label.utc_s, label.frac_ns, label.second60) == (second, frac_ns, second60)


@pytest.mark.parametrize(
    "time",
    [
        "2016-12-31T23:58:60.000Z",
        "2016-12-31T12:00:60Z",
        "2016-02-30T00:00:00Z",
        "2016-12-31T24:00:00Z",
        "2016-12-31T00:60:00Z",
        "2016-12-31T00:00:61Z",
        "1969-12-31T23:59:59Z",
        "2016-12-31T00:00:00.Z",
        "2016-12-31T00:00:00.1234567891Z",
        "2016-12-31T00:00:00",
        "2016-12-31 00:00:00Z",
        "٢٠١٦-12-31T00:00:00Z",
        "",
    ],
)
def test_what_is_no_time_names_no_second(time):
    assert only(tpv(time)) == Health("gpsd", "TPV", 0, len(tpv(time).encode()) + 2, fix=True)


@pytest.mark.parametrize(
    ("mode", "more", "valid"),
    [
        (0, "", None),
        (1, "", False),
        (2, "", True),
        (3, ',"status":2', True),
        (3, ',"status":7', True),
        (3, ',"status":5', False),  # dead reckoning: no satellite says so
        (3, ',"status":8', False),  # a simulator
        (3, ',"status":[8]', True),
    ],
)
def test_the_fix_decides_validity(mode, more, valid):
    for time in ("2016-12-31T23:59:59Z", None):
        report = only(tpv(time, mode, more=more))
        assert (report.valid if isinstance(report, Label) else report.fix) is valid  # type: ignore[attr-defined]


def test_a_mode_that_is_no_number_is_unknown():
    for text in ("true", '"3"', "3.0", "null", "9" * 30):
        (report,) = scan(f'{{"class":"TPV","device":"{PATH}","mode":{text}}}')
        assert report == Health("gpsd", "TPV", 0, report.end, fix=None)


@pytest.mark.parametrize(("ant", "word"), [(0, None), (1, "ok"), (2, "short"), (3, "open"), ('"3"', None)])
def test_the_antenna(ant, word):
    reports = scan(tpv(more=f',"ant":{ant}'))
    told = [one.antenna for one in reports if isinstance(one, Health)]
    assert told == ([] if word is None else [word])


@pytest.mark.parametrize(
    ("ept", "error_ns"),
    [("0.005", 5_000_000), ("1", 10**9), ("0.0000000001", 1), ("true", None), ("-1", None), ("1e3", None)],
)
def test_the_error_is_rounded_up(ept, error_ns):
    label = only(tpv(more=f',"ept":{ept}'))
    assert isinstance(label, Label)
    assert label.t_acc_ns == error_ns


@pytest.mark.parametrize(
    ("more", "place"),
    [
        (',"lat":48.117300000,"lon":-11.516666667', (481_173_000, -115_166_666)),
        (',"lat":-0.0000001,"lon":0.0000000', (-1, 0)),
        (',"lat":48.117300000', None),
        (',"lat":48.1,"lon":11', None),
        (',"lat":"x","lon":{}', None),
    ],
)
def test_the_place_of_the_antenna(more, place):
    health = [one for one in scan(tpv(more=more)) if isinstance(one, Health)]
    assert [one.position for one in health] == ([] if place is None else [place])
    assert not any(one.position for one in scan(tpv(mode=1, more=more)) if isinstance(one, Health))


def test_the_first_second_of_a_month_may_be_a_leap_second_and_names_nothing():
    for time in ("2017-01-01T00:00:00.000Z", "2026-12-01T00:00:00Z"):
        assert only(tpv(time)) == Health("gpsd", "TPV", 0, len(tpv(time)) + 2, fix=True)
    assert len(scan(tpv("2017-01-01T00:00:01Z"), tpv("2017-01-02T00:00:00Z"))) == 2
    toff = f'{{"class":"TOFF","device":"{PATH}","real_sec":{LEAP_DAY_END_S + 1},"real_nsec":0}}'
    assert scan(toff) == []


def test_a_toff_names_the_same_second_to_the_nanosecond():
    # gpsd 3.22 puts that blank there.
    line = f'{{"class":"TOFF","device":"{PATH}","real_sec":{LEAP_DAY_END_S}, "real_nsec":7,"clock_sec":1}}'
    assert only(line) == Label("gpsd", "TOFF", 0, len(line) + 2, LEAP_DAY_END_S, 7)


@pytest.mark.parametrize(
    ("second", "rest"),
    [(0, 0), (-1, 0), (253_402_300_800, 0), (1, 10**9), (1, -1), ("true", 0), (1, '"0"'), ("1.5", 0)],
)
def test_a_toff_that_names_none(second, rest):
    assert scan(f'{{"class":"TOFF","device":"{PATH}","real_sec":{second},"real_nsec":{rest}}}') == []


def test_a_pps_object_is_gpsds_inference_and_no_label():
    line = f'{{"class":"PPS","device":"{PATH}","real_sec":{LEAP_DAY_END_S},"real_nsec":0,"shm":"NTP3"}}'
    assert scan(line) == []
    fields = parse_line(line.encode())
    assert fields is not None
    assert segments(fields) == 3


@pytest.mark.parametrize("shm", ['"NTP-1"', '"NTP"', "3", "null", '"xNTP3"', '"NTP1234"'])
def test_no_segment(shm):
    fields = parse_line(f'{{"class":"TOFF","shm":{shm}}}'.encode())
    assert fields is not None
    assert segments(fields) is None


def test_the_device_that_is_watched_is_the_only_one_heard():
    other = tpv(path="/dev/ttyUSB7")
    assert [one.message for one in scan(WATCH, other, tpv(), other)] == ["TPV"]
    # A new greeting, and another device is asked for.
    again = WATCH.replace(PATH, "/dev/ttyUSB7")
    assert len(scan(WATCH, tpv(), VERSION, again, other, tpv())) == 2


def test_without_a_word_on_the_device_the_first_that_speaks_is_followed():
    assert [one.start for one in scan(tpv(), tpv(path="/dev/ttyUSB7"))] == [0]
    assert len(scan(WATCH.replace(f',"device":"{PATH}"', ""), tpv(path="/dev/x"), tpv())) == 1


def test_frames_that_say_nothing_of_time_are_good_frames():
    scanner = Scanner("gpsd")
    assert scanner.feed(f"{VERSION}\r\n{WATCH}\n".encode() + b'{"class":"SKY","hdop":0.9}\r\n') == []
    assert scanner.counters.frames == {"gpsd": 3}
    assert scanner.counters.skipped_bytes == 0


@pytest.mark.parametrize(
    "line",
    [
        b'{"class":"TPV"',
        b'{"class":7}',
        b'{"class":"TPV"}x',
        b'{"class":"\xff"}',
        b'["class"]',
        b"",
        b'{"class":' + b"[" * 10_000,
        b'{"class":"TPV","x":"' + b"y" * LINE_MAX + b'"}',
    ],
)
def test_what_is_no_object_of_gpsds(line):
    assert parse_line(line) is None


def test_numbers_that_json_does_not_know_are_unknown():
    assert parse_line(b'{"class":"TPV","a":NaN,"b":-Infinity,"c":1.50,"d":' + b"1" * 5000 + b"}") == {
        "class": "TPV", "a": None, "b": None, "c": "1.50", "d": None,
    }  # fmt: skip


def test_a_line_in_pieces_and_half_lines():
    line = f"{tpv()}\r\n".encode()
    scanner = Scanner("gpsd")
    assert [len(scanner.feed(line[at : at + 1])) for at in range(len(line))] == [0] * (len(line) - 1) + [1]
    # A connection that broke in the midst of a line, and its successor.
    reports = Scanner("gpsd").feed(line[:40] + f"{VERSION}\r\n".encode() + line)
    assert [one.start for one in reports] == [40 + len(VERSION) + 2]


def test_a_tpv_inside_another_object_is_none_of_its_own():
    poll = f'{{"class":"POLL","active":1,"tpv":[{tpv()}],"sky":[]}}'
    assert scan(poll) == []
    assert scan("x" + poll[3:], poll + "}") == []


def test_an_endless_line_costs_no_more_than_its_bound():
    framer = Framer()
    start = b'{"class":"TPV",'
    assert framer.take(start + b" " * 100, 0, 0, 0, []) == WAIT
    assert framer.take(start + b" " * LINE_MAX, 0, 0, 0, []) == REFUSED
    assert framer.take(start + b"\n", 0, 0, 0, []) == DAMAGED
    scanner = Scanner("gpsd")
    for _ in range(8):
        assert scanner.feed(start * 1000) == []
    assert len(scanner.feed(b"\r\n" + f"{tpv()}\r\n".encode())) == 1


def test_a_beginning_may_be_cut_anywhere():
    framer = Framer()
    beginning = gpsdjson._BEGINNING
    for size in range(1, len(beginning) + 1):
        assert framer.find(b"noise" + beginning[:size], 0) == 5
        assert framer.find(b"noise" + beginning[:size], 6) == -1
    assert framer.find(b"noise", 0) == -1
    assert framer.find(b"", 0) == -1
