"""What must hold of the ASCII time codes whatever the bytes; strftime is an independent witness."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refclock.wire.report import Label, LeapInfo, Report
from refclock.wire.scanner import Scanner
from refclock.wire.timecodes import CODES

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# By family and message: how strftime writes a second in UTC, without any flag raised.
WRITTEN = {
    ("meinberg", "Standard"): "\x02D:%d.%m.%y;T:%u;U:%H.%M.%S;  U \x03",
    ("meinberg", "Uni Erlangen"): "\x02%d.%m.%y; %u; %H:%M:%S; +00:00;        ; 49.5736N  11.0280E  371m\x03",
    ("spectracom", "Format 0"): "\r\n   %j %H:%M:%S STZ=00\r\n",
    ("spectracom", "Format 2"): "\r\n  %y %j %H:%M:%S.000  S",
    ("spectracom", "Format 3"): "0003  %Y%m%d %H%M%S+0000S #\r\n",
    ("truetime", "XL-DC"): "\x01%j:%H:%M:%S \r\n",
    ("arbiter", "B5"): "\r\n  %y %j %H:%M:%S.000   ",
    ("zyfer", "TIME"): "!TIME,%Y,%j,%H,%M,%S,2,4,1",
}
FIRST, LAST = datetime(1980, 1, 6), datetime(2079, 12, 31, 23, 59, 59)  # noqa: DTZ001
instants = st.datetimes(FIRST, LAST, timezones=st.just(UTC))
kinds = st.sampled_from(sorted(WRITTEN))


def written(kind: tuple[str, str], when: datetime) -> bytes:
    return when.strftime(WRITTEN[kind]).encode("ascii")


def scan(family: str, chunks: list[bytes]) -> tuple[list[Report], Scanner]:
    scanner = Scanner(family)
    return [report for chunk in chunks for report in scanner.feed(chunk)] + scanner.finish(), scanner


def labels(family: str, data: bytes) -> list[Label]:
    return [report for report in scan(family, [data])[0] if isinstance(report, Label)]


@given(kinds, instants)
def test_a_second_is_what_strftime_wrote(kind, when):
    (found,) = labels(kind[0], written(kind, when))
    base = datetime(when.year, 1, 1, tzinfo=UTC) if found.yearless else EPOCH
    assert found.message == kind[1]
    assert found.utc_s == (when.replace(microsecond=0) - base) // timedelta(seconds=1)


@given(kinds, instants, st.integers(0, 100), st.integers(1, 255))
def test_a_damaged_byte_makes_one_other_legal_second_at_the_worst(kind, when, place, flip):
    good = written(kind, when)
    damaged = bytearray(good)
    damaged[place % len(good)] ^= flip
    before, after = labels(kind[0], good), labels(kind[0], bytes(damaged))
    assert len(after) <= 1
    # Nothing but another digit, or another flag, can be legal in its place.
    assert len(damaged) == len(good)
    if after and after[0].utc_s == before[0].utc_s:
        assert (after[0].start, after[0].end) == (before[0].start, before[0].end)


@given(st.lists(st.tuples(kinds, instants, st.binary(max_size=8)), max_size=8), st.lists(st.integers(0, 600)))
def test_chunks_change_nothing(parts, places):
    for family in CODES:
        data = b"".join(written(kind, when) + noise for kind, when, noise in parts)
        edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
        whole, first = scan(family, [data])
        pieces, second = scan(family, [data[start:end] for start, end in pairwise(edges)])
        assert whole == pieces
        assert first.counters == second.counters
        assert first.offset == len(data)


@given(kinds, st.lists(instants, min_size=2, max_size=6), st.binary(max_size=20))
def test_noise_costs_no_frame(kind, whens, noise):
    family = kind[0]
    noise = bytes(byte for byte in noise if byte not in b"\x01\x02!0123\r\n")
    data = noise + noise.join(written(kind, when) for when in whens)
    assert len(labels(family, data)) == len(whens)


@given(st.sampled_from(sorted(CODES)), st.lists(st.binary(min_size=1, max_size=90), max_size=30))
def test_no_more_than_the_longest_frame_is_held(family, parts):
    scanner = Scanner(family)
    for part in parts:
        scanner.feed(part)
        assert len(scanner._rest) <= 66


@given(instants)
def test_an_announced_leap_second_ends_a_month(when):
    for kind in (("meinberg", "Standard"), ("spectracom", "Format 2"), ("spectracom", "Format 3")):
        text = written(kind, when)
        told = text.replace(b"U \x03", b"UA\x03").replace(b"  S", b" LS").replace(b"S #", b"SL#")
        (found,) = [one for one in scan(kind[0], [told])[0] if isinstance(one, LeapInfo)]
        if found.change:
            assert found.at_s is not None
            end = EPOCH + timedelta(seconds=found.at_s)
            assert (end.day, end.hour, end.minute, end.second) == (1, 0, 0, 0)
            assert when < end <= when + timedelta(days=31, seconds=1)


def test_every_format_but_the_one_with_names_is_written():
    assert set(WRITTEN) | {("spectracom", "Format 1")} == {
        (family, code.name) for family, codes in CODES.items() for code in codes
    }


@pytest.mark.parametrize("day", range(1, 366, 13))
def test_format_1_names_weekday_and_month(day):
    when = datetime(2026, 1, 1, 12, 34, 56, tzinfo=UTC) + timedelta(days=day)
    text = when.strftime("\r\n  %a %d%b%y %H:%M:%S\r\n").upper().encode("ascii")
    (found,) = labels("spectracom", text)
    assert found.utc_s == (when - EPOCH) // timedelta(seconds=1)
