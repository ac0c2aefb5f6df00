"""The scanner: frames of two protocols on one line, noise between them, and liars."""

import pytest

from refclock.wire import nmea, ubx
from refclock.wire.report import Health, Label, Report, TimeOfDay
from refclock.wire.scanner import Scanner

# Both name 2024-02-29T12:34:56Z.
RMC = b"GPRMC,123456.00,A,,,,,,,290224,,,A"
TIMEUTC = bytes.fromhex("00000000 19000000 00000000 e807 02 1d 0c 22 38 07")
LEAP_DAY_S = 1_709_210_096


def sentence(body: bytes, end: bytes = b"\r\n") -> bytes:
    return b"$%s*%02X%s" % (body, nmea.checksum(body), end)


def frame(key: int, payload: bytes) -> bytes:
    covered = key.to_bytes(2, "big") + len(payload).to_bytes(2, "little") + payload
    return b"\xb5\x62" + covered + bytes(ubx.checksum(covered))


def scan(data: bytes, protocols: str = "auto") -> list[Report]:
    scanner = Scanner(protocols)
    return scanner.feed(data) + scanner.finish()


def names(reports: list[Report]) -> list[str]:
    return [report.message for report in reports]


GOOD_NMEA, GOOD_UBX = sentence(RMC), frame(0x0121, TIMEUTC)


def test_both_protocols_on_one_line():
    data = GOOD_NMEA + GOOD_UBX + b"noise" + GOOD_NMEA + GOOD_UBX
    scanner = Scanner()
    reports = scanner.feed(data)
    assert names(reports) == ["RMC", "NAV-TIMEUTC"] * 2
    assert all(isinstance(report, Label) and report.utc_s == LEAP_DAY_S for report in reports)
    assert [data[report.start : report.end] for report in reports] == [GOOD_NMEA, GOOD_UBX] * 2
    assert {name: count for name, count in scanner.counters.frames.items() if count} == {"nmea": 2, "ubx": 2}
    assert scanner.counters.skipped_bytes == len(b"noise")
    assert scanner.offset == len(data)


def test_a_byte_at_a_time():
    data = b"\xb5" + GOOD_UBX + b"$" + GOOD_NMEA + GOOD_UBX
    scanner = Scanner()
    found = [(report, at) for at in range(len(data)) for report in scanner.feed(data[at : at + 1])]
    # Each is there with its last byte, not later.
    assert [report.end - 1 for report, _ in found] == [at for _, at in found]
    assert names([report for report, _ in found]) == ["NAV-TIMEUTC", "RMC", "NAV-TIMEUTC"]


def test_one_protocol_only():
    data = GOOD_NMEA + GOOD_UBX
    assert names(scan(data, "nmea")) == ["RMC"]
    assert names(scan(data, "ubx")) == ["NAV-TIMEUTC"]
    assert names(Scanner(frozenset({"nmea", "ubx"})).feed(data)) == ["RMC", "NAV-TIMEUTC"]


@pytest.mark.parametrize("protocols", ["loran", "", frozenset(), frozenset({"nmea", "loran"})])
def test_a_stranger_is_refused(protocols):
    with pytest.raises(ValueError, match="no such protocol"):
        Scanner(protocols)


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("lower", [False, True])
def test_line_ends_and_digits_as_receivers_send_them(end, lower):
    whole = sentence(RMC, end)
    assert names(scan(whole[:-4] + (whole[-4:].lower() if lower else whole[-4:]))) == ["RMC"]


@pytest.mark.parametrize(
    "data",
    [
        sentence(RMC)[:-2],  # cut off before its end
        sentence(RMC, b"\r"),
        sentence(RMC, b" \r\n"),
        b"$" + RMC + b"\r\n",  # no checksum
        b"$" + RMC + b"*\r\n",
        b"$" + RMC + b"*4\r\n",
        b"$" + RMC + b"*4G\r\n",
        b"!" + sentence(RMC)[1:],
        sentence(RMC.replace(b"A", b"\x01", 1)),
        sentence(RMC.replace(b"A", b"\xc1", 1)),
        sentence(RMC + b"," * nmea.BODY_MAX),
        b"$*00\r\n",
    ],
)
def test_what_is_no_sentence(data):
    scanner = Scanner()
    assert scanner.feed(data) + scanner.finish() == []
    assert scanner.counters.frames["nmea"] == 0
    assert scanner.counters.skipped_bytes == len(data)
    assert names(scan(data + GOOD_NMEA)) == ["RMC"]


def test_a_flipped_bit_is_seen():
    whole = bytearray(sentence(RMC))
    whole[12] ^= 1
    scanner = Scanner()
    assert names(scanner.feed(bytes(whole) + GOOD_NMEA)) == ["RMC"]
    assert (scanner.counters.damaged["nmea"], sum(scanner.counters.damaged.values())) == (1, 1)
    whole = bytearray(GOOD_UBX)
    whole[10] ^= 1
    assert names(scanner.feed(bytes(whole) + GOOD_UBX)) == ["NAV-TIMEUTC"]
    assert (scanner.counters.damaged["ubx"], sum(scanner.counters.damaged.values())) == (1, 2)


def test_a_damaged_sentence_within_a_burst_is_counted():
    scanner = Scanner()
    bad = sentence(RMC).replace(b"123456", b"123457")
    assert names(scanner.feed(GOOD_NMEA + bad + GOOD_NMEA + bad)) == ["RMC", "RMC"]
    assert scanner.counters.damaged["nmea"] == 2
    assert scanner.counters.frames["nmea"] == 2


def test_a_dollar_begins_anew():
    assert names(scan(b"$GPRMC,1234" + GOOD_NMEA)) == ["RMC"]
    assert names(scan(b"$$$" + GOOD_NMEA)) == ["RMC"]


def test_a_long_sentence_is_framed():
    scanner = Scanner()
    body = b"PUBX,03," + b"1" * (nmea.BODY_MAX - 8)
    assert scanner.feed(sentence(body) * 5 + GOOD_NMEA) != []
    assert scanner.counters.frames["nmea"] == 6


@pytest.mark.parametrize("length", [0, 1, 19, 21, 513, 4000, 65535])
def test_a_lying_length_costs_no_good_frame(length):
    liar = b"\xb5\x62\x01\x21" + length.to_bytes(2, "little")
    scanner = Scanner()
    # TIMEUTC has 20 bytes: any other length is refused at once, so that nothing waits.
    assert names(scanner.feed(liar + GOOD_NMEA)) == ["RMC"]


def test_a_possible_length_delays_good_frames_at_most_by_itself():
    liar = b"\xb5\x62\x01\x01" + (512).to_bytes(2, "little")
    scanner = Scanner()
    assert scanner.feed(liar + GOOD_NMEA) == []
    reports = scanner.feed(GOOD_NMEA * 12)
    assert names(reports) == ["RMC"] * 13
    assert scanner.counters.damaged["ubx"] == 1
    # The delay can be told: the first one lay right behind the liar.
    assert reports[0].start == len(liar)


def test_what_waits_at_the_end_gives_way():
    scanner = Scanner()
    assert scanner.feed(b"\xb5\x62\x01\x01\x00\x02" + GOOD_NMEA + b"$GPR") == []
    assert names(scanner.finish()) == ["RMC"]
    assert scanner.finish() == []
    assert scanner.counters.skipped_bytes == 10


def test_a_sentence_within_a_message_is_its_text_only():
    text = frame(0x0402, GOOD_NMEA)
    assert scan(text) == []
    assert names(scan(text, "nmea")) == ["RMC"]


def test_memory_is_bounded():
    scanner = Scanner()
    scanner.feed(b"$" + b"A" * 100_000)
    scanner.feed(b"\xb5\x62" * 50_000)
    scanner.feed(b"\xb5\x62\x02\x15\x10\x10" * 20_000)
    held = scanner.offset - scanner.counters.skipped_bytes
    assert held <= 6000


def test_a_burst_longer_than_a_block():
    scanner = Scanner()
    burst = sentence(b"GPGGA,123456,,,,,1,08") * 500
    reports = scanner.feed(burst)
    assert len(reports) == 500
    assert all(isinstance(report, TimeOfDay) for report in reports)
    assert scanner.counters.skipped_bytes == 0


def test_health_comes_along():
    (health,) = scan(frame(0x0103, bytes(4) + b"\x03\x01\x00\x10" + bytes(8)))
    assert health == Health("ubx", "NAV-STATUS", 0, 24, fix=True, spoofing="indicated")
