"""NMEA sentences: what each says of time, and everything that is no time."""

from functools import reduce
from operator import xor

import pytest

from refclock.wire import nmea
from refclock.wire.framing import DAMAGED, REFUSED, WAIT
from refclock.wire.nmea import bare, checksum, decode
from refclock.wire.report import Health, Label, LeapInfo, Report, TimeOfDay

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
    found, _ = decode(b"PTNTA,20240229123514,2,T4,0000000,+00,3,1,3")
    assert isinstance(found, Label)
    # As its own calendar reads, 18 s ahead of UTC.
    assert (found.utc_s, found.timescale, found.valid) == (LEAP_DAY_S + 18, "gps", None)


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
    found, leap, _ = decode(f"PERDCRW,TPS1,20240229123456,{status},00000000000000,+18,+18,4".encode(), (1, 2))
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
    *_, leap, _ = decode(f"PERDCRW,TPS1,20161130000000,2,{date},{present},{future},4".encode())
    assert isinstance(leap, LeapInfo)
    assert (leap.change, leap.at_s) == (change, at_s)


def test_a_furuno_without_a_legal_time_still_tells_its_leap_seconds():
    leap, _ = decode(b"PERDCRW,TPS1,20240230123456,2,00000000000000,+18,+18,4")
    assert isinstance(leap, LeapInfo)


@pytest.mark.parametrize(
    ("tail", "locked"), [(",0", False), (",1", True), (",5", True), (",", None), (",x", None), ("", None)]
)
def test_furuno_tells_what_its_pulse_follows(tail, locked):
    found = decode(f"PERDCRW,TPS1,20240229123456,2,00000000000000,+18,+18{tail}".encode())
    told = [report.pulse_locked for report in found if isinstance(report, Health)]
    assert told == ([] if locked is None else [locked])


@pytest.mark.parametrize(
    ("week", "second", "leap", "agrees"),
    [
        ("255", "390914", "18", True),
        ("2303", "390914", "18", True),
        ("254", "390914", "18", False),
        ("255", "390913", "18", False),
        ("255", "390914", "17", False),
        ("", "390914", "18", True),
        ("255", "", "18", True),
        ("255", "390914", "", True),
    ],
)
def test_garmin_s_gps_time_and_utc_must_agree(week, second, leap, agrees):
    found = decode(f"PGRMF,{week},{second},290224,123456,{leap},,,,,A,1,0,0,1,1".encode())
    assert bool(found) is agrees


def test_garmin_agrees_in_a_leap_second():
    found = label("PGRMF,1930,17,311216,235960,17,,,,,A,1,0,0,1,1")
    assert (found.utc_s, found.second60) == (BEFORE_LEAP_S, True)
    assert decode(b"PGRMF,1930,16,311216,235960,17,,,,,A,1,0,0,1,1") == []


def pjlts(status: str, flags: str = "0x0", held: str = "0") -> Health:
    (found,) = decode(f"PJLTS,-0.39,-2.74,157848,{status},2.58,86.0,-1.0E-12,{held},17,{flags}".encode())
    assert isinstance(found, Health)
    assert found.message == "PJLTS"
    return found


@pytest.mark.parametrize(
    ("status", "locked", "holdover"),
    [
        ("0", False, None),
        ("1", None, True),
        ("2", False, None),
        ("4", None, None),
        ("5", None, True),
        ("6", True, False),
        ("", None, None),
        ("7", None, None),
    ],
)
def test_a_jackson_labs_clock_tells_its_lock(status, locked, holdover):
    found = pjlts(status)
    assert (found.pulse_locked, found.holdover, found.jamming, found.fix) == (locked, holdover, None, None)


@pytest.mark.parametrize(
    ("flags", "locked", "jamming"),
    [
        ("0x4", True, None),
        ("0x200", False, None),
        ("0x230", False, None),
        ("0x810", True, "critical"),
        ("0XA00", True, None),
        ("0x", True, None),
        ("0x123456789", True, None),
        ("0xg", True, None),
        ("200", True, None),
        ("", True, None),
    ],
)
def test_a_jackson_labs_clock_tells_its_health(flags, locked, jamming):
    assert (pjlts("6", flags).pulse_locked, pjlts("6", flags).jamming) == (locked, jamming)


@pytest.mark.parametrize(
    ("status", "held", "seconds"),
    [("1", "655", 655), ("5", "99", 99), ("1", "", None), ("1", "-5", None), ("6", "655", None)],
)
def test_a_jackson_labs_clock_tells_its_time_in_holdover(status, held, seconds):
    assert pjlts(status, held=held).holdover_s == seconds


@pytest.mark.parametrize(("leap", "leap_s"), [("18", 18), ("", None), ("x", None)])
def test_pjltv_tells_the_leap_count(leap, leap_s):
    assert decode(f"PJLTV,-1,-3,3,26,515247,1986,{leap}".encode()) == [
        LeapInfo("nmea", "PJLTV", 0, 0, leap_s=leap_s)
    ]


@pytest.mark.parametrize(
    "body",
    ["PJLTS,1,2", "PJLTV,1", "PJLTV,-1,-3,3,26,515247,1986,18,9", "PTNTA,1", "PTNTA,2024,2,T4,,,6,1,0"],
)
def test_a_disciplined_clock_s_sentence_of_another_length_says_nothing(body):
    assert decode(body.encode()) == []


@pytest.mark.parametrize(
    ("oscillator", "locked", "holdover"),
    [("0", False, None), ("1", None, True), ("2", True, False), ("", None, None), ("3", None, None)],
)
def test_ptnta_tells_whether_its_oscillator_is_disciplined(oscillator, locked, holdover):
    *_, found = decode(f"PTNTA,20240229123514,{oscillator},T4,,,6,1,0".encode())
    assert isinstance(found, Health)
    assert (found.pulse_locked, found.holdover) == (locked, holdover)


PFEC = "PFEC,GPtps,240229123456,3,1,1,170101000000,00,18,240229101010,2303,390914"


def test_pfec_guards_itself_by_its_gps_time():
    found = label(PFEC)
    assert (found.utc_s, found.leap_s, found.valid, found.message) == (LEAP_DAY_S, 18, None, "PFEC,GPtps")
    assert label(PFEC.replace("390914", "390913")).utc_s == LEAP_DAY_S


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("123456", "123455"),
        ("240229123", "240228123"),
        ("240229123", "240230123"),
        ("240229123", "250229123"),
        (",18,", ",17,"),
        (",18,", ",,"),
        (",2303,", ",2304,"),
        (",2303,", ",,"),
        ("390914", "390915"),
        ("390914", "390912"),
        ("390914", ""),
        ("390914", "390914,"),
        ("123456", "12345"),
        ("123456", "12345x"),
        ("GPtps", "GPxxx"),
    ],
)
def test_pfec_that_contradicts_itself_is_nothing(old, new):
    assert PFEC.count(old) == 1
    assert decode(PFEC.replace(old, new).encode()) == []


def test_after_pjlts_the_quality_of_gga_may_be_a_lock_state():
    framer = nmea.Framer()
    qualities = "01236"

    def heard(data: bytes) -> list[bool | None]:
        reports: list[Report] = []
        at = 0
        while at < len(data):
            at = framer.take(data, at, len(data), 0, reports)
        return [report.valid for report in reports if isinstance(report, TimeOfDay)]

    burst = b"".join(sentence(f"GPGGA,123456,,,,,{quality},08,1.0") for quality in qualities)
    assert heard(burst) == [False, True, True, True, False]
    heard(sentence("PJLTS,-0.39,-2.74,157848,6,2.58,86.0,-1.0E-12,0,17,0x0"))
    assert heard(burst) == [False, None, None, None, None]
    assert heard(sentence("GPGGA,123456,1")) == []


def sentence(body: str) -> bytes:
    return b"$%s*%02X\r\n" % (body.encode(), checksum(body.encode()))


def take(data: bytes) -> tuple[int, list[str]]:
    reports: list[Report] = []
    framer = bare.Framer()
    end = framer.take(data, 0, len(data), 0, reports)
    assert framer.frames == (end > 0)
    return end, [f"{report.protocol} {report.message}" for report in reports]


ZDA = b"$GPZDA,123456,29,02,2024,+00,00"


def test_a_bare_sentence_is_taken_where_it_was_asked_for():
    for tail in (b"\r\n", b"\n"):
        assert take(ZDA + tail) == (len(ZDA + tail), ["nmea-unchecked ZDA"])
    assert take(b"$GPVTG,318.0,T\r\n") == (16, [])
    assert nmea.Framer().take(ZDA + b"\r\n", 0, 40, 0, []) == REFUSED


def test_a_bare_sentence_has_an_end_and_a_length():
    for size in range(1, len(ZDA) + 1):
        assert take(ZDA[:size]) == (WAIT, [])
    assert take(ZDA + b"\r") == (WAIT, [])
    assert take(ZDA + b"\rx") == (REFUSED, [])
    assert take(ZDA + b"\0\n") == (REFUSED, [])
    assert take(ZDA + b"," * (80 - len(ZDA)) + b"\n") == (81, ["nmea-unchecked ZDA"])
    assert take(ZDA + b"," * (81 - len(ZDA)) + b"\n") == (REFUSED, [])


def test_a_sentence_that_has_a_checksum_must_be_right_all_the_same():
    good = sentence("GPZDA,123456,29,02,2024,+00,00")
    assert take(good) == (len(good), ["nmea-unchecked ZDA"])
    assert take(good.replace(b"2024", b"2025")) == (DAMAGED, [])
    assert take(ZDA + b"*\r\n") == (REFUSED, [])


@pytest.mark.parametrize("size", [*range(20), 63, 64, 65, 127, 128, 129, 255, 256, 1019, 1020, 3000])
def test_the_checksum_is_the_exclusive_or(size):
    body = bytes((17 * at + at // 7) % 251 for at in range(size))
    assert checksum(body) == reduce(xor, body, 0)


@pytest.mark.parametrize(
    ("place", "position"),
    [
        ("4812.49000,N,01622.38600,E", (482_081_666, 163_731_000)),
        ("4812.49,S,01622.386,W", (-482_081_666, -163_731_000)),
        ("9000.0,N,18000.0,E", (900_000_000, 1_800_000_000)),
        ("0000,N,00000,E", (0, 0)),
        ("9000.1,N,00000.0,E", None),
        ("4812.4,N,18000.1,E", None),
        ("4860.0,N,01622.3,E", None),
        ("4812.4,E,01622.3,E", None),
        ("4812.4,N,01622.3,N", None),
        ("48,N,016,E", None),
        ("4a12.4,N,01622.3,E", None),
        (",,,", None),
    ],
)
def test_rmc_tells_where_the_antenna_is(place, position):
    told = [
        one for one in decode(f"GPRMC,123456,A,{place},0,0,290224,,,A".encode()) if isinstance(one, Health)
    ]
    assert [one.position for one in told] == ([] if position is None else [position])
    assert decode(f"GPRMC,123456,V,{place},0,0,290224,,,N".encode())[1:] == []
