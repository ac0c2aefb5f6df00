"""Intervals: they age outward, never past the truth; and a majority is what brute force finds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refclock.core.seconds.interval import Interval, RawRate, agreed, majority, shared_by
from refclock.units import NS_PER_S, PPT_ONE

NS = st.integers(-(10**12), 10**12)


WIDTH, RATE = st.integers(0, 10**9), st.integers(0, 500 * 10**6)
Y = st.integers(-500 * 10**6, 500 * 10**6)


@given(
    st.tuples(NS, WIDTH, WIDTH),
    st.lists(NS, max_size=3),
    st.integers(-(5 * 10**8), 5 * 10**8),
    RATE,
    st.data(),
)
def test_an_interval_that_held_the_truth_holds_it_at_any_age(place, ages, y, unc, data):
    lo, below, above = place
    true_y = data.draw(st.integers(y - unc, y + unc))
    interval = Interval(lo, lo + below + above, 0)
    for at in ages:
        interval = interval.at(at, RawRate(y, unc))
        assert interval.as_of_ns == at
        true = (lo + below) * PPT_ONE + at * (PPT_ONE + true_y)
        assert interval.lo_ns * PPT_ONE <= true <= interval.hi_ns * PPT_ONE


def test_no_time_no_change():
    interval = Interval(1, 2, 3)
    assert interval.at(3, RawRate(5, 5)) is interval


def test_both_ends_move_with_the_counter_and_away_from_each_other_forward_and_back():
    rate = RawRate(10**9, 10**6)  # 1000 ppm fast, known to 1 ppm
    interval = Interval(100, 200, 0)
    later, earlier = 1_001_000_000, -1_001_000_000
    assert interval.at(NS_PER_S, rate) == Interval(100 + later - 1001, 200 + later + 1001, NS_PER_S)
    assert interval.at(-NS_PER_S, rate) == Interval(100 + earlier - 1001, 200 + earlier + 1001, -NS_PER_S)


def test_distances():
    interval = Interval(10, 21, 0)
    assert interval.half_ns == 6
    assert Interval(10, 20, 0).half_ns == 5
    assert [interval.outside_ns(at) for at in (5, 10, 15, 21, 30)] == [5, 0, 0, 0, 9]
    assert [interval.farthest_ns(at) for at in (5, 10, 16, 30)] == [16, 11, 6, 20]
    assert [interval.holds(at) for at in (9, 10, 21, 22)] == [False, True, True, False]
    assert interval.meets(Interval(21, 40, 0))
    assert interval.meets(Interval(0, 10, 0))
    assert not interval.meets(Interval(22, 40, 0))
    assert not interval.meets(Interval(0, 9, 0))


def test_an_enrolled_rate_advances():
    assert RawRate(50_000_000, 0).advance(NS_PER_S) == NS_PER_S + 50_000
    assert RawRate(-1, 0).advance(1) == 0  # rounded down
    assert not RawRate(0, 0).enrolled


def test_nobody_is_no_majority():
    assert majority([], 0) is None


SMALL = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6)), min_size=1, max_size=7)


@given(SMALL, st.integers(1, 7))
def test_the_majority_is_what_brute_force_finds(pairs, needed):
    intervals = [Interval(2 * lo, 2 * (lo + width), 9) for lo, width in pairs]
    depth = {at: sum(one.holds(at) for one in intervals) for at in range(-1, 40)}
    best = max(depth.values())
    found = majority(intervals, needed)
    if best < needed:
        assert found is None
        return
    assert found is not None
    where = [at for at, count in depth.items() if count == best]
    assert found == (Interval(min(where), max(where), 9), best)


@given(SMALL)
def test_a_majority_does_not_depend_on_the_order(pairs):
    intervals = [Interval(lo, lo + width, 9) for lo, width in pairs]
    assert majority(intervals, 1) == majority(intervals[::-1], 1)


def test_what_so_many_share_is_the_hull_of_all_points_that_they_do():
    intervals = [Interval(0, 9, 7), Interval(5, 20, 7), Interval(90, 99, 7)]
    assert shared_by(intervals, 2) == Interval(5, 9, 7)
    assert shared_by(intervals, 1) == Interval(0, 99, 7)
    assert shared_by(intervals[:2], 2) == Interval(5, 9, 7)
    # A liar who overlaps one end makes that end the deepest; the honest ones' other end still counts.
    assert shared_by([Interval(0, 9, 7), Interval(0, 9, 7), Interval(8, 30, 7)], 2) == Interval(0, 9, 7)


# Two who share 5 to 9, one who shares 20 with the second, and one far away.
A, B, C, FAR = Interval(0, 9, 7), Interval(5, 20, 7), Interval(20, 40, 7), Interval(90, 99, 7)


@pytest.mark.parametrize(
    ("told", "known", "least", "expected"),
    [
        ([A, B], 2, 1, (Interval(5, 9, 7), 2)),
        ([A, B], 3, 1, (Interval(0, 20, 7), 2)),  # one may lie: what either says
        ([A, B], 4, 1, None),  # no majority of all that are known, silent or not
        ([A, B], 2, 2, (Interval(5, 9, 7), 2)),
        ([A, B], 2, 3, None),  # too few speak at all
        ([A], 1, 1, (A, 1)),
        ([A, B, FAR], 3, 1, (Interval(5, 9, 7), 2)),
        # Three of four are needed, so one may lie: what three share.
        ([A, A, B, FAR], 4, 1, (Interval(5, 9, 7), 3)),
        # Of five two may lie, of those who speak too: what three, or two, of them share.
        ([A, A, A, B, C], 5, 1, (Interval(0, 9, 7), 4)),
        ([A, A, B, C], 5, 1, (Interval(0, 20, 7), 3)),
    ],
)
def test_a_majority_of_all_that_are_known_agrees_and_what_it_says_holds_the_truth(
    told, known, least, expected
):
    assert agreed(told, known, least) == expected
    assert agreed(told[::-1], known, least) == expected
