"""What must hold of the NMEA and UBX codecs whatever the bytes; two independent decoders as witnesses."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pynmeagps
import pytest
import pyubx2
from hypothesis import assume, given
from hypothesis import strategies as st
from streams import seconds

from refclock.wire import calendar, nmea, ubx
from refclock.wire.families import CHECKED, FAMILIES, families_of
from refclock.wire.report import Health, Label, Report, TimeOfDay
from refclock.wire.scanner import Scanner
from refclock.world.voices.table import VOICES

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def sentence(body: bytes) -> bytes:
    return b"$%s*%02X\r\n" % (body, nmea.checksum(body))


def frame(key: int, payload: bytes) -> bytes:
    covered = key.to_bytes(2, "big") + len(payload).to_bytes(2, "little") + payload
    return b"\xb5\x62" + covered + bytes(ubx.checksum(covered))


def scan(chunks: list[bytes]) -> tuple[list[Report], Scanner]:
    scanner = Scanner()
    return [report for chunk in chunks for report in scanner.feed(chunk)] + scanner.finish(), scanner


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def without_place(reports: list[Report]) -> list[str]:
    """Reports as text, without where they lay."""
    return [repr(report).replace(f"start={report.start}, end={report.end}", "") for report in reports]


# Times from the origin of GPS to the last that a two-digit year can say.
instants = st.datetimes(datetime(1980, 1, 6), datetime(2079, 12, 31, 23, 59, 59), timezones=st.just(UTC))  # noqa: DTZ001
talkers = st.sampled_from(["GP", "GN", "GL", "GA", "GB", "BD", "GQ"])


@st.composite
def sentences(draw: st.DrawFn) -> bytes:
    when = draw(instants)
    clock = f"{when:%H%M%S}" + draw(st.sampled_from(["", ".00", ".000", ".5", ".123456789"]))
    status = draw(st.sampled_from("AV"))
    body = draw(
        st.sampled_from(
            [
                f"RMC,{clock},{status},4900.0,N,00800.0,E,0.1,0.2,{when:%d%m%y},,,A",
                f"ZDA,{clock},{when:%d,%m,%Y},00,00",
                f"GGA,{clock},4900.0,N,00800.0,E,1,08,1.0,499.6,M,48.0,M,,",
                f"GLL,4900.0,N,00800.0,E,{clock},{status},A",
                "GSV,1,1,01,23,38,230,44",
                "TXT,01,01,02,some text",
            ]
        )
    )
    return sentence((draw(talkers) + body).encode())


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    when = draw(instants)
    civil = bytes([when.month, when.day, when.hour, when.minute, when.second])
    nano = draw(st.integers(-500_000_000, 999_999_999)).to_bytes(4, "little", signed=True)
    valid = draw(st.binary(min_size=1, max_size=1))
    year = when.year.to_bytes(2, "little")
    key, payload = draw(
        st.sampled_from(
            [
                (0x0121, bytes(8) + nano + year + civil + valid),
                (0x0107, bytes(4) + year + civil + valid + bytes(4) + nano + bytes(72)),
                (0x0120, bytes(8) + year + b"\x12" + valid + bytes(4)),
                (0x0D01, bytes(12) + year + valid + b"\0"),
                (0x0126, bytes(8) + b"\x02\x12" + bytes(13) + valid),
                (0x0135, bytes(8) + bytes(12) * 7),
                (0x0402, b"$GPRMC,000000,A,,,,,,,010100*00"),
            ]
        )
    )
    return frame(key, payload)


# No "$" and no B5: bytes in which no frame can begin, and which end any sentence they fall into.
noise = st.binary(max_size=40).map(lambda data: data.replace(b"$", b"").replace(b"\xb5", b""))
hostile = st.sampled_from(
    [
        b"$",
        b"$$",
        b"$GPRMC,",
        b"*",
        b"\r\n",
        b"\xb5",
        b"\xb5\x62",
        b"\xb5\x62\x01\x21\xff\xff",
        b"\xb5\x62\x01\x35\x50\x00",
        b"\xb5\x62\x01\x01\x40\x00",
        b"$GPZDA,*00\r\n",
        b"\xb5\x62\x0d\x01\x10\x00",
    ]
)
streams = st.lists(st.one_of(sentences(), messages(), noise, hostile, st.binary(max_size=60)), max_size=12)
places = st.lists(st.integers(0, 5000), max_size=20)


@given(streams, places)
def test_chunks_change_nothing(parts, places):
    data = b"".join(parts)
    whole, first = scan([data])
    pieces, second = scan(cut(data, places))
    assert whole == pieces
    assert first.counters == second.counters
    bytewise, third = scan([data[at : at + 1] for at in range(len(data))])
    assert whole == bytewise
    assert first.counters == third.counters


@given(streams)
def test_every_byte_is_accounted_for(parts):
    data = b"".join(parts)
    reports, scanner = scan([data])
    assert scanner.offset == len(data)
    assert 0 <= scanner.counters.skipped_bytes <= len(data)
    previous = 0
    for report in reports:
        assert previous <= report.start < report.end <= len(data)
        previous = report.start
        if isinstance(report, Label | TimeOfDay):
            assert 0 <= report.frac_ns < 1_000_000_000


@given(st.lists(st.tuples(st.one_of(sentences(), messages()), noise), max_size=10))
def test_noise_between_frames_changes_no_frame(pairs):
    clean, _ = scan([good for good, _ in pairs])
    noisy, scanner = scan([b"".join(noise + b"\n" + good for good, noise in pairs)])
    assert without_place(clean) == without_place(noisy)
    assert sum(scanner.counters.frames.values()) == len(pairs)
    assert scanner.counters.skipped_bytes == sum(len(noise) + 1 for _, noise in pairs)


@given(st.lists(sentences(), min_size=1, max_size=8), st.lists(hostile, max_size=8))
def test_hostile_beginnings_cost_no_good_sentence(good, bad):
    clean, _ = scan(good)
    # A beginning that swallows the sentence behind it must be no more than a detour: a sentence's bytes
    # cannot make a lying UBX header true, and "$" begins anew.
    mixed = [part for pair in zip(bad, good, strict=False) for part in pair] + good[len(bad) :]
    found, _ = scan(mixed)
    assert without_place(found) == without_place(clean)


@given(st.one_of(sentences(), messages()), st.integers(0, 1000), st.integers(1, 255))
def test_no_single_damaged_byte_passes(good, place, flip):
    at = place % len(good)
    damaged = bytearray(good)
    damaged[at] ^= flip
    # The case of a hexadecimal digit and the CR, which may be absent, carry nothing.
    assume(good[:1] != b"$" or at < len(good) - 4)
    assert scan([bytes(damaged)])[0] == []


@given(st.one_of(sentences(), messages()), st.integers(0, 1000))
def test_a_truncated_frame_says_nothing(good, place):
    reports, scanner = scan([good[: place % len(good)]])
    assert [report for report in reports if report.protocol == "ubx" or good[:1] == b"$"] == []
    assert scanner.counters.frames["ubx"] == 0


@given(st.binary(max_size=300))
def test_any_sentence_can_be_decoded(body):
    assert isinstance(nmea.decode(body), list)


words = st.lists(st.one_of(st.text("0123456789.+-DAVN", max_size=15), st.text(max_size=3)), max_size=14)
addresses = st.sampled_from(
    [
        "GPRMC",
        "GPZDA",
        "GPGGA",
        "GPGLL",
        "GPGNS",
        "PUBX,04",
        "PGRMF",
        "PERDCRW,TPS1",
        "PTNTA",
        "PJLTS",
        "PJLTV",
        "PFEC,GPtps",
    ]
)


@given(addresses, words)
def test_any_fields_can_be_decoded(address, fields):
    for report in nmea.decode(",".join([address, *fields]).encode()):
        if isinstance(report, Label):
            assert 0 <= report.frac_ns < 1_000_000_000
            assert report.utc_s >= 0


keys = st.sampled_from([0x0103, 0x0106, 0x0107, 0x0120, 0x0121, 0x0126, 0x0A09, 0x0A38, 0x0D01, 0x2709])


@given(
    keys, st.one_of(st.binary(max_size=100), *(st.binary(min_size=n, max_size=n) for n in (12, 16, 20, 24)))
)
def test_any_payload_can_be_decoded(key, payload):
    for report in ubx.Decoder().decode(key, payload):
        if isinstance(report, Label):
            assert 0 <= report.frac_ns < 1_000_000_000


@given(st.integers(0, 2_932_896))
def test_the_calendar_is_the_standard_library_s(days):
    date = EPOCH + timedelta(days=days)
    assert calendar.civil_from_days(days) == (date.year, date.month, date.day)
    assert calendar.days_from_civil(date.year, date.month, date.day) == days
    assert calendar.date_s(date.year, date.month, date.day) == days * 86_400
    assert calendar.begins_a_month(days * 86_400) == (date.day == 1)
    assert not calendar.begins_a_month(days * 86_400 + 1)


@given(st.integers(-5, 12_000), st.integers(-2, 15), st.integers(-2, 35))
def test_dates_that_do_not_exist(year, month, day):
    try:
        expected = (datetime(year, month, day, tzinfo=UTC) - EPOCH).days * 86_400
    except ValueError:
        expected = -1
    found = calendar.date_s(year, month, day)
    assert found == (expected if expected >= 0 else None)


@given(st.integers(0, 253_402_300_799))
def test_instants_are_shown_as_the_standard_library_does(posix_s):
    expected = (EPOCH + timedelta(seconds=posix_s)).strftime("%Y-%m-%dT%H:%M:%S")
    assert calendar.show_utc(posix_s) == expected.rjust(19, "0")


@given(instants, talkers, st.sampled_from(["", ".00", ".5", ".123"]), st.sampled_from("AV"))
def test_pynmeagps_names_the_same_second(when, talker, fraction, status):
    clock = f"{when:%H%M%S}{fraction}"
    rmc = f"{talker}RMC,{clock},{status},4900.0,N,00800.0,E,0.1,0.2,{when:%d%m%y},,,A"
    zda = f"{talker}ZDA,{clock},{when:%d,%m,%Y},00,00"
    for body in (rmc, zda):
        data = sentence(body.encode())
        (label, *places), _ = scan([data])
        assert isinstance(label, Label)
        told = [place.position for place in places if isinstance(place, Health)]
        assert told == [(490_000_000, 80_000_000)] * (body is rmc and status == "A")
        witness = pynmeagps.NMEAReader.parse(data)
        if body is rmc:
            # It reads every two-digit year as 20xx.
            date = witness.date
            assert (date.month, date.day, date.year % 100) == (when.month, when.day, when.year % 100)
        else:
            assert (witness.month, witness.day, witness.year) == (when.month, when.day, when.year)
        time = witness.time
        seconds = time.hour * 3600 + time.minute * 60 + time.second
        assert label.utc_s % 86_400 == seconds
        assert label.frac_ns == time.microsecond * 1000
        assert label.utc_s == (when.replace(microsecond=0) - EPOCH) // timedelta(seconds=1)


nanos = st.integers(-500_000_000, 500_000_000)


@given(instants, nanos, st.integers(0, 2**32 - 1), st.integers(0, 7))
def test_pyubx2_names_the_same_second(when, nano, t_acc, bits):
    when = when.replace(microsecond=0)
    common = {"year": when.year, "month": when.month, "day": when.day, "hour": when.hour, "min": when.minute}
    common |= {"nano": nano, "tAcc": t_acc}
    flags = {"validTOW": bits & 1, "validWKN": bits >> 1 & 1, "validUTC": bits >> 2}
    timeutc = pyubx2.UBXMessage("NAV", "NAV-TIMEUTC", pyubx2.GET, **common, sec=when.second, **flags)
    flags = {"validDate": bits & 1, "validTime": bits >> 1 & 1, "fullyResolved": bits >> 2}
    pvt = pyubx2.UBXMessage("NAV", "NAV-PVT", pyubx2.GET, **common, second=when.second, **flags)
    reports, _ = scan([timeutc.serialize(), pvt.serialize()])
    instant = (when - EPOCH) // timedelta(seconds=1) * 1_000_000_000 + nano
    for label, name in zip(reports, ("NAV-TIMEUTC", "NAV-PVT"), strict=False):
        assert isinstance(label, Label)
        assert label.message == name
        assert label.utc_s * 1_000_000_000 + label.frac_ns == instant
        assert label.t_acc_ns == t_acc
    first, second = reports[:2]
    assert isinstance(first, Label)
    assert isinstance(second, Label)
    assert (first.valid, first.utc_valid) == (bits & 3 == 3, bool(bits & 4))
    assert second.valid is (bits == 7)


@given(
    st.integers(0, 604_799_999), st.integers(0, 5000), st.integers(-(2**31), 2**31 - 1), st.integers(0, 63)
)
def test_pyubx2_names_the_same_pulse(tow_ms, week, q_err, flags):
    message = pyubx2.UBXMessage(
        "TIM", "TIM-TP", pyubx2.GET, towMS=tow_ms, week=week, qErr=q_err, timeBase=1, utc=flags & 1,
        qErrInvalid=flags >> 1 & 1, TpNotLocked=flags >> 2 & 1,
    )  # fmt: skip
    reports, _ = scan([message.serialize()])
    label = reports[0]
    assert isinstance(label, Label)
    since_gps_epoch = week * 604_800_000 + tow_ms
    gps_epoch = (datetime(1980, 1, 6, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
    assert label.utc_s * 1000 + label.frac_ns // 1_000_000 == gps_epoch + since_gps_epoch
    assert label.label_edge == "next"
    assert label.q_err_ps == (None if flags & 2 else q_err)
    assert label.utc_valid is bool(flags & 1)
    assert label.valid is (False if flags & 4 else None)


@pytest.mark.parametrize("name", ["NAV-TIMELS", "NAV-TIMEGPS", "NAV-STATUS", "NAV-SOL", "NAV-TIMEUTC"])
def test_pyubx2_agrees_on_lengths(name):
    data = pyubx2.UBXMessage("NAV", name, pyubx2.GET, iTOW=0).serialize()
    assert ubx.possible_length(int.from_bytes(data[2:4], "big"), len(data) - 8)
    _, scanner = scan([data])
    assert scanner.counters.frames["ubx"] == 1


# ---- every family of the table, with the bytes of every voice that the simulated world has ---------------

SPOKEN = {name: list(seconds(name, 12)) for name in VOICES}
bursts = st.sampled_from([(name, data) for name, said in SPOKEN.items() for data in said if data])


def of(protocol: str, chunks: list[bytes]) -> tuple[list[Report], Scanner]:
    scanner = Scanner(protocol)
    return [report for chunk in chunks for report in scanner.feed(chunk)] + scanner.finish(), scanner


spoken = st.lists(st.one_of(bursts.map(lambda burst: burst[1]), noise, st.binary(max_size=40)), max_size=8)


@given(spoken, places)
def test_chunks_change_nothing_for_any_family(parts, places):
    data = b"".join(parts)
    for name in FAMILIES:
        whole, first = of(name, [data])
        pieces, second = of(name, cut(data, places))
        assert whole == pieces
        assert first.counters == second.counters
        assert 0 <= first.counters.skipped_bytes <= first.offset == len(data)


@given(bursts, st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_byte_adds_nothing_to_what_checksums_protect(burst, place, flip):
    name, good = burst
    protocol = VOICES[name].protocol
    assume(families_of(protocol) <= CHECKED)
    damaged = bytearray(good)
    damaged[place % len(good)] ^= flip

    def told(data: bytes) -> set[str]:
        # A sawtooth is told apart from its second, which may have been lost.
        return {one.partition("q_err_ps")[0] for one in without_place(of(protocol, [data])[0])}

    assert told(bytes(damaged)) <= told(good)


@given(bursts, st.integers(0, 10_000))
def test_a_truncated_frame_costs_no_other(burst, place):
    name, good = burst
    protocol = VOICES[name].protocol
    at = place % len(good)
    # What was cut off is followed by a whole burst: all of that is there.
    frames = of(protocol, [good])[1].counters.frames
    more = of(protocol, [good[:at] + b"\n" + good])[1].counters.frames
    assert all(more[family] >= count for family, count in frames.items())


@given(st.sampled_from(sorted(FAMILIES)), st.lists(st.binary(min_size=1, max_size=300), max_size=30))
def test_no_family_holds_more_than_its_longest_frame(name, parts):
    scanner = Scanner(name)
    for part in parts:
        scanner.feed(part)
        assert len(scanner._rest) <= 6000
