"""UBX messages: what each says of time and health."""

import struct

import pytest

from refclock.wire.report import Health, Label, LeapInfo, Report
from refclock.wire.ubx import Decoder, checksum, possible_length

# 2024-02-29T12:34:56Z: GPS week 2303, second 390,914 of it with 18 leap seconds.
LEAP_DAY_S = 1_709_210_096
WEEK, TOW_MS, LEAP_S = 2303, 390_914_000, 18
BEFORE_LEAP_S = 1_483_228_799

PVT, TIMEUTC, TIMEGPS, TIMELS, TP = 0x0107, 0x0121, 0x0120, 0x0126, 0x0D01


def timeutc(*, nano=0, date=(2024, 2, 29), time=(12, 34, 56), valid=7, t_acc=25):
    return struct.pack("<IIiHBBBBBB", 0, t_acc, nano, *date, *time, valid)


def timegps(*, tow_ms=TOW_MS, f_tow=0, week=WEEK, leap=LEAP_S, valid=7, t_acc=25):
    return struct.pack("<IihbBI", tow_ms, f_tow, week, leap, valid, t_acc)


def timels(*, source=2, leap=18, change_source=2, change=0, to_event=0, week=0, day=0, valid=3):
    return struct.pack(
        "<IB3xBbBbiHH3xB", 0, 0, source, leap, change_source, change, to_event, week, day, valid
    )


def pvt(*, nano=0, date=(2024, 2, 29), time=(12, 34, 56), valid=7, fix=3, flags=1, size=92):
    start = struct.pack("<IHBBBBBBIiBB", 0, *date, *time, valid, 25, nano, fix, flags)
    return start.ljust(size, b"\0")


def tim_tp(*, tow_ms=TOW_MS - 18_000, sub=0, q_err=-4331, week=WEEK, flags=3, ref=0):
    return struct.pack("<IIiHBB", tow_ms, sub, q_err, week, flags, ref)


def only(reports: list[Report]) -> Label:
    (found,) = reports
    assert isinstance(found, Label)
    return found


def test_timeutc():
    found = only(Decoder().decode(TIMEUTC, timeutc(), 5, 33))
    assert found == Label(
        "ubx", "NAV-TIMEUTC", 5, 33, LEAP_DAY_S, valid=True, utc_valid=True, t_acc_ns=25
    )  # fmt: skip


@pytest.mark.parametrize(
    ("bits", "valid", "utc_valid"),
    [
        (7, True, True),
        (3, True, False),
        (0xF7, True, True),
        (1, False, False),
        (2, False, False),
        (0, False, False),
        (4, False, True),
    ],
)
def test_timeutc_is_as_valid_as_its_bits(bits, valid, utc_valid):
    found = only(Decoder().decode(TIMEUTC, timeutc(valid=bits)))
    assert (found.valid, found.utc_valid) == (valid, utc_valid)


@pytest.mark.parametrize(
    ("nano", "utc_s", "frac_ns"),
    [
        (0, LEAP_DAY_S, 0),
        (1, LEAP_DAY_S, 1),
        (-1, LEAP_DAY_S - 1, 999_999_999),
        (-300, LEAP_DAY_S - 1, 999_999_700),
        (999_999_999, LEAP_DAY_S, 999_999_999),
        (-1_000_000_000, LEAP_DAY_S - 1, 0),
    ],
)
def test_nano_is_signed(nano, utc_s, frac_ns):
    found = only(Decoder().decode(TIMEUTC, timeutc(nano=nano)))
    assert (found.utc_s, found.frac_ns) == (utc_s, frac_ns)


@pytest.mark.parametrize(("nano", "frac_ns"), [(0, 0), (250, 250), (-250, 0), (999_999_999, 999_999_999)])
def test_a_leap_second_stays_one(nano, frac_ns):
    found = only(Decoder().decode(TIMEUTC, timeutc(date=(2016, 12, 31), time=(23, 59, 60), nano=nano)))
    assert (found.utc_s, found.frac_ns, found.second60) == (BEFORE_LEAP_S, frac_ns, True)


@pytest.mark.parametrize(
    "fields",
    [
        {"date": (0, 2, 29)}, {"date": (2023, 2, 29)}, {"date": (2024, 0, 1)}, {"date": (2024, 13, 1)},
        {"date": (2024, 1, 0)}, {"date": (2024, 1, 32)}, {"date": (65535, 1, 1)}, {"date": (1969, 12, 31)},
        {"time": (24, 0, 0)}, {"time": (0, 60, 0)}, {"time": (0, 0, 61)}, {"time": (12, 34, 60)},
        {"nano": 1_000_000_001}, {"nano": -1_000_000_001},
        {"time": (23, 59, 60), "nano": 1_000_000_000},
    ],
)  # fmt: skip
def test_what_is_no_time_is_no_label(fields):
    assert Decoder().decode(TIMEUTC, timeutc(**fields)) == []
    assert [type(report) for report in Decoder().decode(PVT, pvt(**fields))] == [Health]


@pytest.mark.parametrize("size", [84, 92])
def test_pvt_labels_and_tells_of_the_fix(size):
    payload = bytearray(pvt(nano=-5, size=size))
    payload[24:32] = (163_731_000).to_bytes(4, "little") + (-482_083_000).to_bytes(4, "little", signed=True)
    found, health = Decoder().decode(PVT, bytes(payload), 1, 2)
    assert isinstance(found, Label)
    assert (found.utc_s, found.frac_ns, found.message) == (LEAP_DAY_S - 1, 999_999_995, "NAV-PVT")
    assert (found.valid, found.utc_valid, found.t_acc_ns, found.label_edge) == (True, None, 25, "previous")
    assert health == Health("ubx", "NAV-PVT", 1, 2, fix=True, position=(-482_083_000, 163_731_000))


@pytest.mark.parametrize(
    ("bits", "valid", "utc_valid"), [(7, True, None), (3, False, False), (4, False, None)]
)
def test_pvt_needs_date_time_and_no_uncertain_second(bits, valid, utc_valid):
    found, _ = Decoder().decode(PVT, pvt(valid=bits))
    assert isinstance(found, Label)
    assert (found.valid, found.utc_valid) == (valid, utc_valid)


FIXES = [
    (0, 1, False),
    (1, 1, False),
    (2, 1, True),
    (3, 1, True),
    (4, 1, True),
    (5, 1, True),
    (6, 1, False),
    (3, 0, False),
]


@pytest.mark.parametrize(("fix_type", "flags", "fix"), FIXES)
def test_a_fix_needs_its_flag(fix_type, flags, fix):
    *_, health = Decoder().decode(PVT, pvt(fix=fix_type, flags=flags))
    assert isinstance(health, Health)
    # A receiver that reckons time alone states the place it was told.
    assert health.position == ((0, 0) if fix and fix_type != 5 else None)
    assert isinstance(health, Health)
    assert health.fix is fix
    status = struct.pack("<IBBBBII", 0, fix_type, flags, 0, 0, 0, 0)
    assert Decoder().decode(0x0103, status) == [Health("ubx", "NAV-STATUS", 0, 0, fix=fix)]
    solution = struct.pack("<IihBB40x", 0, 0, 0, fix_type, flags)
    assert Decoder().decode(0x0106, solution) == [Health("ubx", "NAV-SOL", 0, 0, fix=fix)]


def test_timegps_takes_the_leap_seconds_off():
    found = only(Decoder().decode(TIMEGPS, timegps(f_tow=-300)))
    assert (found.utc_s, found.frac_ns) == (LEAP_DAY_S - 1, 999_999_700)
    assert (found.valid, found.utc_valid, found.leap_s, found.t_acc_ns) == (True, True, 18, 25)


@pytest.mark.parametrize(
    "fields",
    [{"valid": 3}, {"tow_ms": 604_800_000}, {"f_tow": 1_000_001}, {"f_tow": -1_000_001}, {"week": -1}],
)
def test_timegps_that_names_no_utc_second_is_no_label(fields):
    assert Decoder().decode(TIMEGPS, timegps(**fields)) == []


def test_timegps_without_a_valid_week_is_not_valid():
    assert only(Decoder().decode(TIMEGPS, timegps(valid=5))).valid is False


@pytest.mark.parametrize(
    ("source", "valid", "utc_valid", "leap_s"),
    [
        (0, 1, False, 18),
        (0, 0, False, None),
        (1, 1, True, 18),
        (2, 1, True, 18),
        (5, 1, True, 18),
        (2, 0, None, None),
        (6, 1, None, 18),  # aided by a host
        (7, 1, None, 18),  # configured by a host
        (255, 1, None, 18),
    ],
)
def test_timels_tells_where_the_count_is_from(source, valid, utc_valid, leap_s):
    assert Decoder().decode(TIMELS, timels(source=source, valid=valid), 1, 2) == [
        LeapInfo("ubx", "NAV-TIMELS", 1, 2, utc_valid, leap_s)
    ]


@pytest.mark.parametrize(
    ("fields", "change", "at_s"),
    [
        ({"change": 1, "week": 1929, "day": 7}, 1, BEFORE_LEAP_S + 1),
        ({"change": -1, "week": 1929, "day": 7}, -1, BEFORE_LEAP_S + 1),
        ({"change": 0, "week": 1929, "day": 7}, 0, None),
        ({"change": 1, "week": 1929, "day": 6}, 1, None),
        ({"change": 2, "week": 1929, "day": 7}, None, None),
        ({"change": 1, "week": 1929, "day": 7, "valid": 1}, None, None),
        ({"change": 1, "week": 1929, "day": 7, "change_source": 0}, None, None),
        ({"change": 1, "week": 1929, "day": 7, "change_source": 255}, None, None),
    ],
)
def test_timels_announces_an_event(fields, change, at_s):
    (found,) = Decoder().decode(TIMELS, timels(**fields))
    assert isinstance(found, LeapInfo)
    assert (found.change, found.at_s) == (change, at_s if fields.get("valid", 3) & 2 else None)


def test_tim_tp_labels_the_next_pulse():
    found = only(Decoder().decode(TP, tim_tp(), 1, 25))
    assert found == Label(
        "ubx", "TIM-TP", 1, 25, LEAP_DAY_S, label_edge="next", utc_valid=True, q_err_ps=-4331
    )


def test_tim_tp_without_utc_or_quantisation_error():
    found = only(Decoder().decode(TP, tim_tp(flags=0x11)))
    assert (found.utc_valid, found.q_err_ps) == (False, None)


def test_tim_tp_adds_the_parts_of_a_millisecond():
    found = only(Decoder().decode(TP, tim_tp(tow_ms=TOW_MS - 18_000 + 250, sub=1 << 31)))
    assert (found.utc_s, found.frac_ns) == (LEAP_DAY_S, 250_500_000)


def test_tim_tp_in_gps_time_waits_for_the_leap_seconds():
    decoder = Decoder()
    in_gps = tim_tp(tow_ms=TOW_MS, flags=0)
    assert decoder.decode(TP, in_gps) == []
    decoder.decode(TIMELS, timels(valid=0))
    assert decoder.decode(TP, in_gps) == []
    decoder.decode(TIMELS, timels())
    found = only(decoder.decode(TP, in_gps))
    assert (found.utc_s, found.leap_s, found.utc_valid) == (LEAP_DAY_S, 18, False)
    decoder.decode(TIMEGPS, timegps(leap=17))
    assert only(decoder.decode(TP, in_gps)).utc_s == LEAP_DAY_S + 1


@pytest.mark.parametrize("fields", [{"tow_ms": 604_800_000}, {"flags": 0, "ref": 1}, {"flags": 0, "ref": 15}])
def test_tim_tp_in_another_time_is_no_label(fields):
    decoder = Decoder()
    decoder.decode(TIMELS, timels())
    assert decoder.decode(TP, tim_tp(**fields)) == []


def test_tim_tp_is_trusted_to_be_locked_only_after_it_said_that_it_was_not():
    decoder = Decoder()
    assert only(decoder.decode(TP, tim_tp())).valid is None
    found, health = decoder.decode(TP, tim_tp(flags=0x23), 1, 2)
    assert isinstance(found, Label)
    assert found.valid is False
    assert health == Health("ubx", "TIM-TP", 1, 2, pulse_locked=False)
    found, health = decoder.decode(TP, tim_tp(), 1, 2)
    assert isinstance(found, Label)
    assert found.valid is True
    assert health == Health("ubx", "TIM-TP", 1, 2, pulse_locked=True)


@pytest.mark.parametrize(("state", "spoofing"), [(0, None), (1, "none"), (2, "indicated"), (3, "multiple")])
def test_nav_status_tells_of_spoofing(state, spoofing):
    (health,) = Decoder().decode(0x0103, struct.pack("<IBBBBII", 0, 3, 1, 0, state << 3 | 0xC7, 0, 0))
    assert isinstance(health, Health)
    assert health.spoofing == spoofing


ANTENNAS = [(0, None), (1, None), (2, "ok"), (3, "short"), (4, "open"), (9, None)]
JAMMINGS = [(0, None), (1, "ok"), (2, "warning"), (3, "critical")]


@pytest.mark.parametrize("size", [60, 68])
@pytest.mark.parametrize(("a_status", "antenna"), ANTENNAS)
@pytest.mark.parametrize(("state", "jamming"), JAMMINGS)
def test_mon_hw(size, a_status, antenna, state, jamming):
    payload = bytes(20) + bytes([a_status, 1, state << 2 | 0xF3]) + bytes(size - 23)
    assert Decoder().decode(0x0A09, payload) == [
        Health("ubx", "MON-HW", 0, 0, antenna=antenna, jamming=jamming)
    ]


@pytest.mark.parametrize(
    ("blocks", "antenna", "jamming"),
    [
        ([], None, None),
        ([(2, 1)], "ok", "ok"),
        ([(2, 1), (4, 2)], "open", "warning"),
        ([(3, 3), (4, 0)], "short", "critical"),
        ([(0, 0), (1, 0)], None, None),
        ([(0, 0), (2, 1)], "ok", "ok"),
    ],
)
def test_mon_rf_tells_of_its_worst_block(blocks, antenna, jamming):
    payload = bytes([0, len(blocks), 0, 0])
    for at, (a_status, state) in enumerate(blocks):
        payload += bytes([at, state, a_status]) + bytes(21)
    assert Decoder().decode(0x0A38, payload) == [
        Health("ubx", "MON-RF", 0, 0, antenna=antenna, jamming=jamming)
    ]


SIGNALS = [
    (0, 0, None, None),
    (0 << 1, 3 << 1, None, None),  # switched off, whatever it says
    (1 | 1 << 1, 1 | 1 << 1, "ok", "none"),
    (1 | 2 << 1, 1 | 2 << 1, "warning", "indicated"),
    (1 | 3 << 1, 1 | 3 << 1, "critical", "multiple"),
    (1, 1, None, None),
]


@pytest.mark.parametrize(("jam", "spoof", "jamming", "spoofing"), SIGNALS)
def test_sec_sig_of_both_versions(jam, spoof, jamming, spoofing):
    expected = [Health("ubx", "SEC-SIG", 0, 0, jamming=jamming, spoofing=spoofing)]
    assert Decoder().decode(0x2709, bytes([1, 0, 0, 0, jam, 0, 0, 0, spoof, 0, 0, 0])) == expected
    assert Decoder().decode(0x2709, bytes([2, jam | spoof << 3, 0, 0])) == expected
    assert Decoder().decode(0x2709, bytes([2, jam | spoof << 3, 0, 2]) + bytes(8)) == expected


@pytest.mark.parametrize("payload", [b"\x03\0\0\0", b"\x02\0\0\x01", b"\x01\0\0\0", bytes(12)])
def test_sec_sig_of_a_stranger_says_nothing(payload):
    assert Decoder().decode(0x2709, payload) == []


@pytest.mark.parametrize("key", [0x0103, 0x0106, PVT, TIMEGPS, TIMEUTC, TIMELS, 0x0A09, TP, 0x2709])
@pytest.mark.parametrize("size", [0, 1, 3, 300])
def test_a_wrong_length_says_nothing(key, size):
    assert Decoder().decode(key, bytes(size)) == []
    assert not possible_length(key, size) or key == 0x2709


def test_other_messages_say_nothing():
    assert Decoder().decode(0x0130, bytes(8)) == []
    assert Decoder().decode(0x0101, bytes(20)) == []


def test_lengths_worth_waiting_for():
    assert possible_length(0x0135, 8 + 12 * 184)
    assert not possible_length(0x0135, 8 + 12 * 185)
    assert not possible_length(0x0135, 9)
    assert possible_length(0x0101, 512)
    assert not possible_length(0x0101, 513)
    assert not possible_length(0x7F01, 4)


def test_checksum_is_the_8_bit_fletcher():
    first = second = 0
    data = bytes(range(256)) * 3
    for byte in data:
        first = (first + byte) & 0xFF
        second = (second + first) & 0xFF
    assert checksum(data) == (first, second)
    assert checksum(b"") == (0, 0)
