"""A second in company: how far the last one lies from most of the latest."""

import pytest

from refclock.core.gate.company import MOST, Company
from refclock.core.seconds.interval import RawRate
from refclock.units import NS_PER_MS, NS_PER_S, PPT_PER_PPM

EXACT = RawRate(0, 0)
FAR = 4 * NS_PER_MS


def company(*off_ns: int) -> Company:
    """Seconds one after the other that lie off by so much."""
    made = Company(NS_PER_MS)
    for at_s, off in enumerate(off_ns):
        assert made.join(at_s * NS_PER_S, at_s * NS_PER_S + off) == min(at_s + 1, 8)
    return made


def test_half_of_the_offset_is_near():
    assert Company(NS_PER_MS).near_ns == NS_PER_MS // 2
    assert MOST == 5


@pytest.mark.parametrize(
    ("off_ns", "away_ns"),
    [
        ([FAR], 0),
        ([0, FAR], FAR),
        ([0, FAR, FAR], 0),
        ([0, 0, FAR], FAR),
        ([0, 0, FAR, FAR], FAR),
        ([FAR, FAR, FAR, 0, 0, 0, 0, 0], 0),
        ([FAR, FAR, FAR, FAR, 0, 0, 0, 0], FAR),
        ([7, 6, 5, 4, 3, 2, 1, 0], 4),
        ([-7, -6, -5, -4, -3, -2, -1, 0], 4),
        ([FAR] * 20 + [0] * 5, 0),
        ([FAR] * 20 + [0] * 4, FAR),
    ],
)
def test_more_than_half_of_the_latest_eight_are_most(off_ns, away_ns):
    assert company(*off_ns).astray_ns(EXACT) == away_ns


def test_it_is_counted_by_the_raw_counter_s_rate_and_what_that_may_be_off_by_does_not_count():
    slow = [at * 10_000 for at in range(8)]  # 10 ppm
    assert company(*slow).astray_ns(EXACT) == 40_000
    assert company(*slow).astray_ns(RawRate(10 * PPT_PER_PPM, 0)) == 0
    assert company(*slow).astray_ns(RawRate(0, 9 * PPT_PER_PPM)) == 4_000
    assert company(*slow).astray_ns(RawRate(0, 11 * PPT_PER_PPM)) == 0


@pytest.mark.parametrize(("later_ns", "together"), [(60 * NS_PER_S, 3), (60 * NS_PER_S + 1, 2), (-1, 1)])
def test_what_came_more_than_a_minute_ago_or_later_is_no_company(later_ns, together):
    made = Company(NS_PER_MS)
    made.join(0, 0)
    made.join(1, 0)
    assert made.join(later_ns, 0) == together
