"""The record of the time file: there and back, nothing torn passes, and its interval holds the truth."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refclock.units import NS_PER_MS, NS_PER_S, PPT_ONE
from refclock.wire.timefile import LONGEST_CHAIN, NO_TIME, SIZE, TimeRecord, decode, encode

INT = st.integers(-(1 << 63), (1 << 63) - 1)
UNSIGNED = st.integers(0, (1 << 64) - 1)
WORD = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=12)
RECORDS = st.builds(
    TimeRecord, UNSIGNED, INT, INT, INT, INT, INT, INT, INT, UNSIGNED, st.binary(min_size=16, max_size=16),
    st.sampled_from(["vetted", "degraded", "holdover", NO_TIME]), st.integers(0, 2),
    st.lists(WORD, max_size=6).map(tuple),
)  # fmt: skip
MIDNIGHT = 20_454 * 86_400 * NS_PER_S
PLAIN = TimeRecord(
    1, 5 * NS_PER_S, MIDNIGHT - 10 * NS_PER_S, 1000, 0, 0, 60 * NS_PER_S, 0, 0, bytes(16), "vetted", 0, ()
)


@given(RECORDS)
def test_there_and_back(record):
    data = encode(record)
    assert len(data) == SIZE
    assert decode(data) == record


@given(RECORDS, RECORDS, st.integers(0, SIZE))
def test_what_is_torn_does_not_pass(old, new, place):
    """A reader sees the first bytes of one and the rest of the other, either way round."""
    first, second = encode(old), encode(new)
    for torn in (first[:place] + second[place:], second[:place] + first[place:]):
        assert decode(torn) in (None, old, new)


@given(st.binary(max_size=600))
def test_no_bytes_whatever_raise_anything(data):
    assert decode(data) is None
    assert decode(data.ljust(SIZE, b"\0")[:SIZE]) is None


def test_a_chain_that_is_too_long_loses_its_end():
    chain = tuple(f"witness:{number:04}" for number in range(100))
    told = decode(encode(replace(PLAIN, chain=chain)))
    assert told is not None
    assert 20 < len(told.chain) < 100
    assert told.chain == chain[: len(told.chain)]
    assert decode(encode(replace(PLAIN, chain=("x" * (LONGEST_CHAIN + 1),)))) == PLAIN


def test_the_record_ages():
    record = replace(PLAIN, rate_ppt=100_000_000, growth_ppt=PPT_ONE // 1000)  # 100 ppm; 1 ms a second
    earliest, utc, latest = record.at(record.raw_ns + 2 * NS_PER_S)
    assert utc == record.utc_ns + 2 * NS_PER_S + 200_000
    assert (utc - earliest, latest - utc) == (1000 + 2 * NS_PER_MS + 1,) * 2
    assert record.at(0) == record.at(record.raw_ns), "never narrower than when it was written"


@given(
    st.integers(0, 10**13), st.integers(-(10**8), 10**8), st.integers(0, 10**7), st.integers(-1000, 1000),
    st.integers(-1000, 1000),
)  # fmt: skip
def test_it_holds_the_truth(elapsed, rate, growth, off, strays):
    """UTC was within the bound, and its rate within the growth: then it lies inside ever after."""
    record = replace(PLAIN, rate_ppt=rate, growth_ppt=growth)
    true_rate = rate + growth * strays // 1000
    truth = record.utc_ns + off + elapsed + elapsed * true_rate // PPT_ONE
    earliest, _, latest = record.at(record.raw_ns + elapsed)
    assert earliest <= truth <= latest


@pytest.mark.parametrize("leap", [1, 2])
def test_a_leap_second_makes_both_of_its_sides_possible(leap):
    record = replace(PLAIN, leap=leap)
    plain, warned = PLAIN.at(record.raw_ns + 5 * NS_PER_S), record.at(record.raw_ns + 5 * NS_PER_S)
    assert warned == plain, "not yet"
    for later in (10 * NS_PER_S - 500, 11 * NS_PER_S):
        earliest, utc, latest = PLAIN.at(record.raw_ns + later)
        wide = (earliest - NS_PER_S, utc, latest) if leap == 1 else (earliest, utc, latest + NS_PER_S)
        assert record.at(record.raw_ns + later) == wide


def test_a_new_day_is_counted_from_its_beginning():
    """A record of midnight itself speaks of the day that begins."""
    record = replace(PLAIN, leap=1, utc_ns=MIDNIGHT)
    earliest, utc, _ = record.at(record.raw_ns + NS_PER_S)
    assert utc - earliest == 1001
