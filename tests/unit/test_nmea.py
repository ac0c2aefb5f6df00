"""NMEA sentences: what each says of time, and everything that is no time."""

from functools import reduce
from operator import xor

import pytest

from refclock.wire.nmea import checksum, decode
from refclock.wire.report import Label, LeapInfo, TimeOfDay

# 2024-02-29T12:34:56Z
LEAP_DAY_S = 1_709_210_096
# 2016-12-31T23:59:59Z, the last second before a leap second.
BEFORE_LEAP_S = 1_483_228_799


def label(body: str) -> Label:
    reports = [report for report in decode(body.encode()) if isinstance(report, Label)]
    assert len(reports) == 1
    return reports[0]


def rmc(time: str = "123456", status: str = "A", date: str = "290224", tail: str = ",,,A") -> str:
    return f"GNRMC,{time},{status},,,,,,,{date}{tail}"


def test_rmc_labels_the_previous_pulse():
    found = label(rmc())
    assert (found.utc_s, found.frac_ns, found.second60) == (LEAP_DAY_S, 0, False)
    assert (found.protocol, found.message, found.label_edge) == ("nmea", "RMC", "previous")
    assert found.valid is True
    assert found.utc_valid is None
    assert found.leap_s is None


@pytest.mark.parametrize(
    ("status", "tail", "valid"),
    [
        ("A", "", True),
        ("A", ",,,A", True),
        ("A", ",,,D,V", True),
        ("A", ",,,E", True),
        ("V", ",,,A", False),
        ("V", "", False),
        ("A", ",,,N", False),
        ("A", ",,,S", False),
        ("", "", None),
        ("X", ",,,A", None),
    ],
)
def test_rmc_is_as_valid_as_its_status_and_mode(status, tail, valid):
    found = label(rmc(status=status, tail=tail))
    assert found.valid is valid
    assert found.utc_s == LEAP_DAY_S


@pytest.mark.parametrize(
    ("fraction", "frac_ns"),
    [
        (".", 0),
        (".0", 0),
        (".5", 500_000_000),
        (".02", 20_000_000),
        (".123456789", 123_456_789),
        (".1234567899", 123_456_789),
        (".9999999999", 999_999_999),
    ],
)
def test_a_fraction_may_have_any_number_of_digits(fraction, frac_ns):
    assert label(rmc("123456" + fraction)).frac_ns == frac_ns


@pytest.mark.parametrize(("year", "full"), [("79", 2079), ("80", 1980), ("99", 1999), ("00", 2000)])
def test_a_two_digit_year_turns_at_80(year, full):
    zda = label(f"GPZDA,000000,01,01,{full},,")
    assert label(rmc("000000", date=f"0101{year}")).utc_s == zda.utc_s


def test_second_60_is_told_from_59():
    found = label(rmc("235960.25", date="311216"))
    assert (found.utc_s, found.frac_ns, found.second60) == (BEFORE_LEAP_S, 250_000_000, True)
    assert label(rmc("235959.25", date="311216")).second60 is False


@pytest.mark.parametrize(
    "time",
    [
        "",
        "12345",
        "1234567",
        "240000",
        "126000",
        "123461",
        "123460",
        "225960",
        "235961",
        "-12345",
        "+12345",
        "12 456",
        "1234.6",
        "123456.x",
        "123456.-1",
        "123456.1.2",
        "１２３４５６",
        "12345٦",
        "123456,",
    ],
)
def test_no_time_no_label(time):
    assert decode(rmc(time).encode()) == []


@pytest.mark.parametrize(
    "date",
    [
        "",
        "29022",
        "2902240",
        "000124",
        "320124",
        "010024",
        "011324",
        "310224",
        "290223",
        "2208-1",
        "+10124",
        "0101 4",
        "٠١٠١٢٤",
    ],
)
def test_no_date_no_label(date):
    assert decode(rmc(date=date).encode()) == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "G",
        "GPRMC",
        "GPRMC,",
        "GPRMC,123456,A",
        "GPRMCX,123456,A,,,,,,,290224",
        "PGRMC,123456,A,,,,,,,290224",
        "GpRMC,123456,A,,,,,,,290224",
        "1PRMC,123456,A,,,,,,,290224",
        "GPZDA",
        "GPZDA,123456,29,02",
        "GPGGA,123456",
        "GPGLL,,,,,123456",
        "GPGNS,123456",
        "PUBX,00,123456",
        "PUBX,04,123456,290224",
        "PGRMF,1",
        "PERDCRW,TPS1",
        "PERDCRW,TPS4,20240229123456,2,,,,",
        "PERDCRW,TPS1,2024022912345,2,,,,",
        "XUBX,04,123456,290224,1,2,18",
        "PERDCRX,TPS1,20240229123456,2,,,,",
        "GPGSV,1,1,00",
    ],
)
def test_what_is_no_time_sentence_says_nothing(body):
    assert decode(body.encode()) == []


def test_gps_time_is_not_taken_for_utc():
    assert decode(b"PTNTA,20240229123514,1,T4,0000000,+00,+0,1,001") == []


@pytest.mark.parametrize("tail", ["", ",", ",,", ",00,00", ",+00,+00", ",-05,30"])
def test_zda_has_a_four_digit_year_and_no_flag(tail):
    found = label(f"GPZDA,123456.00,29,02,2024{tail}")
    assert (found.utc_s, found.valid, found.message) == (LEAP_DAY_S, None, "ZDA")


@pytest.mark.parametrize(
    "date", ["29,02,24", "29,2,2024", "9,02,2024", "30,02,2024", ",,", "01,01,1969", "01,01,0000"]
)
def test_zda_without_a_date_is_no_label(date):
    assert decode(f"GPZDA,123456.00,{date},,".encode()) == []


@pytest.mark.parametrize(
    ("quality", "valid"),
    [
        ("", None),
        ("0", False),
        ("1", True),
        ("2", True),
        ("5", True),
        ("6", False),
        ("8", False),
        ("10", None),
        ("x", None),
    ],
)
def test_gga_quality(quality, valid):
    assert decode(f"GPGGA,123456.5,,,,,{quality},08,1.0".encode(), (3, 9)) == [
        TimeOfDay("nmea", "GGA", 3, 9, 45_296, 500_000_000, valid)
    ]


@pytest.mark.parametrize(
    ("tail", "valid"), [("A", True), ("A,A", True), ("A,N", False), ("V,A", False), ("V", False), (",", None)]
)
def test_gll_status(tail, valid):
    assert decode(f"GNGLL,,,,,123456,{tail}".encode()) == [TimeOfDay("nmea", "GLL", 0, 0, 45_296, 0, valid)]


@pytest.mark.parametrize(
    ("modes", "valid"), [("", None), ("N", False), ("NN", False), ("AN", True), ("NDN", True), ("AS", False)]
)
def test_gns_needs_a_fix_of_one_constellation(modes, valid):
    assert decode(f"GNGNS,123456,,,,,{modes},08".encode()) == [
        TimeOfDay("nmea", "GNS", 0, 0, 45_296, 0, valid)
    ]


def test_second_60_without_a_date_is_nothing():
    assert decode(b"GPGGA,235960,,,,,1,08,1.0") == []


@pytest.mark.parametrize(
    ("leap", "leap_s", "utc_valid"),
    [
        ("18", 18, True),
        ("15D", 15, False),
        ("", None, None),
        ("D", None, None),
        ("1e1", None, None),
        ("9999", None, None),
    ],
)
def test_pubx_04_marks_a_default_leap_count(leap, leap_s, utc_valid):
    found = label(f"PUBX,04,123456.00,290224,390896.00,2303,{leap},1000,-1.5,21,")
    assert (found.utc_s, found.leap_s, found.utc_valid) == (LEAP_DAY_S, leap_s, utc_valid)
    assert (found.message, found.valid) == ("PUBX,04", None)


@pytest.mark.parametrize(("fix", "valid"), [("0", False), ("1", True), ("2", True), ("", None), ("7", None)])
def test_pgrmf(fix, valid):
    found = label(f"PGRMF,255,390914,290224,123456,18,,,,,A,{fix},0,0,1,1")
    assert (found.utc_s, found.leap_s, found.valid, found.message) == (LEAP_DAY_S, 18, valid, "PGRMF")


@pytest.mark.parametrize(
    ("status", "valid", "utc_valid"),
    [("0", False, False), ("1", True, False), ("2", True, True), ("", None, None), ("3", None, None)],
)
def test_furuno_tells_where_its_leap_count_is_from(status, valid, utc_valid):
    found, leap = decode(f"PERDCRW,TPS1,20240229123456,{status},00000000000000,+18,+18,4".encode(), (1, 2))
    assert isinstance(found, Label)
    assert (found.utc_s, found.valid, found.utc_valid, found.leap_s) == (LEAP_DAY_S, valid, utc_valid, 18)
    assert leap == LeapInfo("nmea", "PERDCRW,TPS1", 1, 2, utc_valid, 18, 0, None)


@pytest.mark.parametrize(
    ("date", "present", "future", "change", "at_s"),
    [
        ("20170101000000", "+17", "+18", 1, BEFORE_LEAP_S + 1),
        ("20170101000000", "+18", "+17", -1, BEFORE_LEAP_S + 1),
        # Not the first second of a month: it announces something, but not when.
        ("20170102000000", "+17", "+18", 1, None),
        ("20170101000001", "+17", "+18", 1, None),
        ("00000000000000", "+17", "+18", 1, None),
        ("20170101", "+17", "+18", 1, None),
        ("20170101000000", "+17", "+19", None, None),
        ("20170101000000", "", "+18", None, None),
        ("20170101000000", "+17", "x", None, None),
    ],
)
def test_furuno_announces_a_leap_second(date, present, future, change, at_s):
    *_, leap = decode(f"PERDCRW,TPS1,20161130000000,2,{date},{present},{future},4".encode())
    assert isinstance(leap, LeapInfo)
    assert (leap.change, leap.at_s) == (change, at_s)


def test_a_furuno_without_a_legal_time_still_tells_its_leap_seconds():
    (leap,) = decode(b"PERDCRW,TPS1,20240230123456,2,00000000000000,+18,+18,4")
    assert isinstance(leap, LeapInfo)


@pytest.mark.parametrize("size", [*range(20), 63, 64, 65, 127, 128, 129, 255, 256, 1019, 1020, 3000])
def test_the_checksum_is_the_exclusive_or(size):
    body = bytes((17 * at + at // 7) % 251 for at in range(size))
    assert checksum(body) == reduce(xor, body, 0)
