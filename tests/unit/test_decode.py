"""The decode verb: its lines, its files, and its complaints."""

import gzip
import io
import json
import lzma
import sys

import pytest

from refclock.cli import main
from refclock.cli.decode import line
from refclock.wire.nmea import checksum
from refclock.wire.report import Label

LEAP_DAY_S = 1_709_210_096


def sentence(body: str) -> bytes:
    return b"$%s*%02X\r\n" % (body.encode(), checksum(body.encode()))


RMC = sentence("GPRMC,123456.00,A,,,,,,,290224,,,A")
GGA = sentence("GPGGA,123456.00,,,,,1,08,1.0")


@pytest.fixture
def decode(tmp_path, capsys):
    def run(data: bytes | None, name: str = "some.log", *options: str):
        path = tmp_path / name
        if data is not None:
            path.write_bytes(data)
        status = main(["decode", *options, str(path)])
        captured = capsys.readouterr()
        return status, [json.loads(text) for text in captured.out.splitlines()], captured.err

    return run


def test_a_line_has_its_keys_in_order():
    label = Label("ubx", "TIM-TP", 7, 31, LEAP_DAY_S, label_edge="next", utc_valid=True, q_err_ps=-4331)
    assert line(label, 18) == (
        '{"utc":"2024-02-29T12:34:56Z","protocol":"ubx","message":"TIM-TP","valid":null,"label_edge":"next",'
        '"leap":18,"utc_valid":true,"second60":false,"frac_ns":0,"t_acc_ns":null,"q_err_ps":-4331,"start":7}'
    )
    assert json.loads(line(label, None, 'a"b'))["port"] == 'a"b'


@pytest.mark.parametrize(
    ("frac_ns", "utc", "shown_ns"),
    [
        (0, "56Z", 0),
        (10_000_000, "56Z", 10_000_000),
        (10_000_001, "56.010Z", 10_000_001),
        (600_000_000, "56.600Z", 600_000_000),
        (799_899_687, "56.800Z", 799_899_687),
        (989_999_999, "56.990Z", 989_999_999),
        (990_000_000, "57Z", -10_000_000),
        (999_999_700, "57Z", -300),
    ],
)
def test_the_nearest_second_is_named(frac_ns, utc, shown_ns):
    shown = json.loads(line(Label("ubx", "NAV-PVT", 0, 0, LEAP_DAY_S, frac_ns), None))
    assert (shown["utc"], shown["frac_ns"]) == ("2024-02-29T12:34:" + utc, shown_ns)


@pytest.mark.parametrize(
    ("frac_ns", "utc", "second60"),
    [
        (0, "2016-12-31T23:59:60Z", True),
        (500_000_000, "2016-12-31T23:59:60.500Z", True),
        (999_999_999, "2017-01-01T00:00:00Z", False),
    ],
)
def test_a_leap_second_is_shown_as_60(frac_ns, utc, second60):
    shown = json.loads(line(Label("nmea", "RMC", 0, 0, 1_483_228_799, frac_ns, True), None))
    assert (shown["utc"], shown["second60"]) == (utc, second60)


def test_another_time_scale_is_not_called_utc():
    shown = json.loads(
        line(Label("nmea", "PTNTA", 0, 0, LEAP_DAY_S, 600_000_000, timescale="gps"), None, "a")
    )
    assert shown["utc"] is None
    assert list(shown)[-3:] == ["timescale", "time", "port"]
    assert (shown["timescale"], shown["time"]) == ("gps", "2024-02-29T12:34:56.600")


XL_DC = b"".join(b"\x01%03d:23:59:%02d \r\n" % (365, second) for second in range(55, 60))


def test_a_second_without_year_is_shown_without(decode, tmp_path, capsys):
    status, lines, errors = decode(XL_DC)
    assert (status, errors) == (0, "")
    assert [found["utc"] for found in lines] == [None] * 5
    assert {found["timescale"] for found in lines} == {"unstated"}
    assert [found["time"] for found in lines][-1] == "365T23:59:59"


def test_the_year_may_be_told(tmp_path, capsys):
    path = tmp_path / "spectracom"
    path.write_bytes(b"".join(b"\r\n   001 00:00:%02d STZ=00\r\n" % second for second in range(5)))
    assert main(["decode", "--protocol", "spectracom", "--not-before", "2027-01-02", str(path)]) == 0
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert lines[0]["utc"] == "2028-01-01T00:00:00Z"
    assert "time" not in lines[0]
    assert main(["decode", "--not-before", "2027", str(path)]) == 2
    assert "--not-before '2027': expected a date as in 2027-01-31" in capsys.readouterr().err


def test_labelled_seconds_only(decode):
    status, lines, errors = decode(GGA + RMC)
    assert (status, errors) == (0, "")
    assert [(found["utc"], found["start"]) for found in lines] == [("2024-02-29T12:34:56Z", len(GGA))]


def test_the_leap_count_is_remembered(decode):
    tps1 = sentence("PERDCRW,TPS1,20240229123457,1,00000000000000,+18,+18,4")
    _, lines, _ = decode(RMC + tps1 + RMC)
    assert [(found["leap"], found["utc_valid"]) for found in lines] == [(None, None), (18, False), (18, None)]


def test_comments_at_the_top_are_for_people(decode):
    comment = b"# " + RMC + b"#\n#" + RMC
    status, lines, _ = decode(comment + RMC)
    assert [found["start"] for found in lines] == [len(comment)]
    status, lines, errors = decode(comment)
    assert (status, lines) == (2, [])
    assert "not a stream I know" in errors


def test_a_comment_longer_than_a_read(decode):
    comment = b"#" + RMC.strip() * 20_000 + b"\n"
    assert [found["start"] for found in decode(comment + RMC)[1]] == [len(comment)]


def test_a_number_sign_later_is_noise(decode):
    assert len(decode(RMC + b"# " + RMC)[1]) == 2


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_compressed_files(decode, suffix, pack):
    assert len(decode(pack(RMC * 5), "some.log" + suffix)[1]) == 5


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_damaged_archive_is_said_to_be_one(decode, suffix, pack):
    for broken in (RMC, pack(RMC)[:-6]):
        status, _, errors = decode(broken, "some.log" + suffix)
        assert status == 2
        assert errors.count("\n") == 1
        assert "some.log" in errors


def test_a_missing_file_is_one_clear_line(decode):
    status, lines, errors = decode(None, "nowhere.log")
    assert (status, lines) == (2, [])
    assert errors.count("\n") == 1
    assert "nowhere.log" in errors


def test_a_directory_is_one_clear_line(tmp_path, capsys):
    assert main(["decode", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("data", [b"", b"\n", b"$GPRMC,123456.00,A,,,,,,,290224\r\n", bytes(range(256)) * 9])
def test_a_stranger_is_refused(decode, data):
    status, lines, errors = decode(data)
    assert (status, lines) == (2, [])
    assert f"in {len(data)} bytes" in errors


def test_frames_without_a_second_are_counted(decode):
    status, lines, errors = decode(GGA * 3 + GGA.replace(b"08", b"09"))
    assert (status, lines) == (0, [])
    assert "3 nmea; 1 damaged" in errors


def test_one_protocol_only(decode):
    assert decode(RMC, "some.log", "--protocol", "ubx")[0] == 2
    assert decode(RMC, "some.log", "--protocol", "nmea")[0] == 0


def test_standard_input(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(RMC)))
    assert main(["decode", "-"]) == 0
    assert capsys.readouterr().out.count("\n") == 1


HEADER = b'{"refclock_capture":1,"ports":{}}\n'


def rx(port: str, data: bytes) -> bytes:
    fields = {"k": "rx", "raw": 1, "real": 2, "unc": 3, "port": port, "data": data.decode("latin-1")}
    return json.dumps(fields).encode() + b"\n"


TICK = b'{"k":"tick","raw":1,"real":2,"unc":3}\n'


def test_a_capture_is_decoded_port_by_port(decode):
    data = HEADER + rx("a", RMC[:9]) + rx("b", RMC[:20]) + TICK + rx("a", RMC[9:]) + rx("b", RMC[20:])
    status, lines, _ = decode(data + rx("a", b"\xb5\xff") + b'{"k":"rx","port":"a","da')
    assert status == 0
    assert [(found["port"], found["start"]) for found in lines] == [("a", 0), ("b", 0)]


def test_a_long_capture(decode):
    assert len(decode(HEADER + rx("a", RMC) * 4000)[1]) == 4000


def test_a_capture_without_bytes_of_a_receiver(decode):
    status, _, errors = decode(HEADER + TICK)
    assert status == 2
    assert "in 0 bytes" in errors


@pytest.mark.parametrize(
    "text",
    [
        b"what",
        b"[]",
        b'{"k":"rx"}',
        b'{"k":"rx","raw":NaN,"real":2,"unc":3,"port":"a","data":""}',
        b'{"k":"rx","raw":1,"real":2,"unc":3,"port":"a","data":"\xe2\x82\xac"}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_capture_names_the_line(decode, text):
    status, _, errors = decode(HEADER + rx("a", RMC) + text + b"\n")
    assert status == 2
    assert "some.log:3:" in errors


def test_an_endless_line_is_refused(decode):
    status, _, errors = decode(HEADER + b"1" * 1_300_000)
    assert status == 2
    assert "some.log:2:" in errors


@pytest.mark.parametrize("version", [b"2", b"1.0", b"true", b"1" + b"0" * 400])
def test_another_format_of_captures_is_refused(decode, version):
    status, lines, errors = decode(b'{"refclock_capture":' + version + b"}\n" + rx("a", RMC))
    assert (status, lines) == (2, [])
    assert "some.log:1: capture format" in errors
    assert len(errors) < 300


def test_a_capture_cut_within_its_header_says_so(decode):
    status, _, errors = decode(HEADER[:-3])
    assert status == 2
    assert "the header is cut off" in errors


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_capture_whose_archive_stops_is_read_as_far_as_it_goes(decode, suffix, pack):
    data = pack(HEADER + rx("a", RMC) * 1000)
    status, lines, errors = decode(data[:-9], f"a{suffix}")
    assert (status, errors) == (0, "")
    assert lines


def test_a_capture_that_was_changed_is_said_to_be(decode):
    footer = b'{"k":"end","events":1,"sha256":"00"}\n'
    status, lines, errors = decode(HEADER + rx("a", RMC) + footer)
    assert (status, len(lines)) == (2, 1)
    assert "changed after it was written" in errors


def test_a_capture_of_ever_new_ports_does_not_fill_the_memory(decode):
    status, _, errors = decode(HEADER + b"".join(rx(f"p{number}", b"") for number in range(70)))
    assert status == 2
    assert "some.log:66: more than 64 ports" in errors
