"""Leap seconds: who may confirm one, and the count of seconds that neither repeats nor skips."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refclock.core.seconds.leap import LeapSecond, LeapSeconds
from refclock.units import NS_PER_S, S_PER_DAY

MONTH = 1_830_297_600  # 2028-01-01T00:00:00Z
SOON = MONTH - 5 * S_PER_DAY
STEPS = [(1_483_228_800, 37)]


def confirmed(change: int, at_s: int = MONTH) -> LeapSeconds:
    """One leap second, confirmed."""
    leaps = LeapSeconds()
    leaps.confirmed.append(LeapSecond(at_s, change))
    return leaps


def test_nobody_announces_none():
    leaps = LeapSeconds()
    leaps.confirm(SOON, 3, 0, 3)
    assert leaps.confirmed == []


@pytest.mark.parametrize(("change", "inserts", "deletes"), [(1, 3, 0), (-1, 0, 3)])
def test_the_receiver_and_a_majority_confirm(change, inserts, deletes):
    leaps = LeapSeconds()
    leaps.announce(change, MONTH)
    leaps.confirm(SOON, inserts, deletes, 3)
    leaps.confirm(SOON, inserts, deletes, 3)
    assert leaps.confirmed == [LeapSecond(MONTH, change)]


@pytest.mark.parametrize(
    ("change", "at_s", "inserts", "deletes", "majority"),
    [
        (1, MONTH, 2, 0, 3),  # too few
        (1, MONTH, 0, 3, 3),  # the servers say the other way
        (1, MONTH, 0, 0, 0),  # nobody is no majority
        (2, MONTH, 3, 0, 3),  # no such leap second
        (1, MONTH - S_PER_DAY, 3, 0, 3),  # not at a month's end
        (1, MONTH + 1, 3, 0, 3),
        (1, SOON, 3, 0, 3),  # in the past already
        (1, MONTH + 31 * S_PER_DAY, 3, 0, 3),  # too far ahead: the servers speak of the month before
        (0, MONTH, 3, 0, 3),
        (1, None, 3, 0, 3),
    ],
)
def test_what_does_not_confirm(change, at_s, inserts, deletes, majority):
    leaps = LeapSeconds()
    leaps.announce(change, at_s)
    leaps.confirm(SOON, inserts, deletes, majority)
    assert leaps.confirmed == []


def test_unsaid_is_not_taken_back_but_none_is():
    leaps = LeapSeconds()
    leaps.announce(1, MONTH)
    leaps.announce(None, None)
    assert leaps.announced == LeapSecond(MONTH, 1)
    leaps.announce(0, MONTH)
    assert leaps.announced is None


def test_an_unexpired_file_decides_alone():
    leaps = LeapSeconds()
    leaps.load_table(MONTH + S_PER_DAY, [*STEPS, (MONTH, 38)])
    leaps.confirm(SOON, 0, 0, 3)
    assert leaps.confirmed == [LeapSecond(MONTH, 1)]


def test_where_an_unexpired_file_knows_of_none_none_is_confirmed():
    leaps = LeapSeconds()
    leaps.load_table(MONTH + S_PER_DAY, STEPS)
    leaps.announce(1, MONTH)
    leaps.confirm(SOON, 4, 0, 3)
    assert leaps.confirmed == []


def test_an_expired_file_has_no_say():
    leaps = LeapSeconds()
    leaps.load_table(SOON, [*STEPS, (MONTH, 38)])
    leaps.confirm(SOON, 0, 0, 3)
    assert leaps.confirmed == []
    leaps.announce(1, MONTH)
    leaps.confirm(SOON, 3, 0, 3)
    assert leaps.confirmed == [LeapSecond(MONTH, 1)]


def test_a_file_s_step_by_more_than_one_is_none():
    leaps = LeapSeconds()
    leaps.load_table(MONTH + S_PER_DAY, [*STEPS, (MONTH, 39)])
    leaps.confirm(SOON, 0, 0, 3)
    assert leaps.confirmed == []


@given(st.integers(-3, 3), st.sampled_from([1, -1]))
def test_to_si_and_back(offset_s, change):
    """Every POSIX second that exists comes back as itself, around an inserted and a deleted second."""
    leaps = confirmed(change)
    posix_s = MONTH + offset_s
    if change < 0 and posix_s == MONTH - 1:
        return  # the deleted one
    assert leaps.utc_ns(leaps.si_ns(posix_s * NS_PER_S)) == posix_s * NS_PER_S


def test_si_time_neither_repeats_nor_skips():
    inserted = confirmed(1)
    assert inserted.si_ns(MONTH * NS_PER_S) - inserted.si_ns((MONTH - 1) * NS_PER_S) == 2 * NS_PER_S
    deleted = confirmed(-1)
    assert deleted.si_ns(MONTH * NS_PER_S) - deleted.si_ns((MONTH - 2) * NS_PER_S) == NS_PER_S
    assert LeapSeconds().si_ns(7) == 7


@pytest.mark.parametrize(("change", "flag"), [(1, 1), (-1, 2)])
def test_the_flag_is_set_on_the_last_day_only(change, flag):
    leaps = confirmed(change)
    assert leaps.indicator(MONTH - S_PER_DAY - 1) == 0
    assert leaps.indicator(MONTH - S_PER_DAY) == flag
    assert leaps.indicator(MONTH - 1) == flag
    assert leaps.indicator(MONTH) == 0


def test_around_a_leap_second_ntp_time_is_ambiguous():
    leaps = confirmed(1)
    assert [leaps.near_boundary(MONTH + offset) for offset in (-3, -2, 2, 3)] == [False, True, True, False]
    assert leaps.inserted_after(MONTH - 1)
    assert not leaps.inserted_after(MONTH)
    assert not confirmed(-1).inserted_after(MONTH - 1)


def test_one_server_that_is_the_majority_suffices():
    leaps = LeapSeconds()
    leaps.announce(1, MONTH)
    leaps.confirm(SOON, 1, 0, 1)
    assert leaps.confirmed == [LeapSecond(MONTH, 1)]


@pytest.mark.parametrize(
    ("before_s", "confirms"), [(32 * S_PER_DAY + 1, False), (32 * S_PER_DAY, True), (1, True), (0, False)]
)
def test_a_leap_second_is_confirmed_within_the_month_before_it(before_s, confirms):
    leaps = LeapSeconds()
    leaps.load_table(MONTH + S_PER_DAY, [*STEPS, (MONTH, 38)])
    leaps.confirm(MONTH - before_s, 0, 0, 3)
    assert leaps.confirmed == ([LeapSecond(MONTH, 1)] if confirms else [])


def test_a_table_s_first_row_is_where_its_counting_begins_not_a_leap_second():
    leaps = LeapSeconds()
    leaps.load_table(MONTH + S_PER_DAY, [(MONTH, 38)])
    leaps.confirm(SOON, 0, 0, 3)
    assert leaps.confirmed == []


@pytest.mark.parametrize(("before_s", "kept"), [(3601, False), (3600, True), (0, True), (-S_PER_DAY, True)])
def test_what_nobody_announces_any_more_is_withdrawn_but_not_in_its_last_hour(before_s, kept):
    leaps = confirmed(1)
    leaps.confirm(MONTH - before_s, 0, 0, 3)
    assert leaps.confirmed == ([LeapSecond(MONTH, 1)] if kept else [])


def test_what_is_announced_in_its_last_hour_too_is_there_once():
    leaps = LeapSeconds()
    leaps.announce(1, MONTH)
    for before_s in (3700, 3600, 1800, 1):
        leaps.confirm(MONTH - before_s, 3, 0, 3)
        assert leaps.confirmed == [LeapSecond(MONTH, 1)]


def test_what_is_still_announced_stays():
    leaps = confirmed(1)
    leaps.announce(1, MONTH)
    leaps.confirm(SOON, 3, 0, 3)
    assert leaps.confirmed == [LeapSecond(MONTH, 1)]


def test_one_of_several_leap_seconds_is_enough_for_a_60():
    leaps = confirmed(1)
    leaps.confirmed.append(LeapSecond(MONTH + 182 * S_PER_DAY, 1))
    assert leaps.inserted_after(MONTH - 1)
    assert leaps.inserted_after(MONTH + 182 * S_PER_DAY - 1)
    assert leaps.count(MONTH - 1) == 0
    assert leaps.count(MONTH) == 1
    assert leaps.count(MONTH + 182 * S_PER_DAY) == 2
    assert leaps.near_boundary(MONTH)
    assert leaps.indicator(MONTH + 182 * S_PER_DAY - 1) == 1


def test_two_sources_cannot_confirm_two_contrary_leap_seconds_at_one_place():
    leaps = LeapSeconds()
    for change, inserts, deletes in ((1, 3, 0), (-1, 0, 3)):
        leaps.announce(change, MONTH)
        leaps.confirm(SOON, inserts, deletes, 3)
    assert len(leaps.confirmed) <= 1
