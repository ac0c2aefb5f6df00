"""Integer arithmetic: which way it rounds, and how it is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refclock.units import (
    NS_PER_S,
    PPT_ONE,
    nearest_second,
    printable,
    rate_ppt,
    scale_down,
    scale_up,
    show_length,
    show_ns,
)

LARGE = st.integers(-(1 << 70), 1 << 70)


@given(LARGE, LARGE)
def test_scaling_brackets_the_exact_product(duration, rate):
    low, high = scale_down(duration, rate), scale_up(duration, rate)
    assert low * PPT_ONE <= duration * rate <= high * PPT_ONE
    assert high - low == (duration * rate % PPT_ONE != 0)


@given(LARGE, st.integers(1, 1 << 70))
def test_a_rate_is_the_nearest_one(numerator, denominator):
    rate = rate_ppt(numerator, denominator)
    assert 2 * abs(rate * denominator - numerator * PPT_ONE) <= denominator


def test_a_rate_rounds_half_up():
    assert rate_ppt(1, 2 * PPT_ONE) == 1
    assert rate_ppt(-1, 2 * PPT_ONE) == 0


def test_no_rate_over_nothing():
    with pytest.raises(ZeroDivisionError):
        rate_ppt(1, 0)


@given(LARGE)
def test_the_nearest_second_is_within_half_a_second(instant):
    assert -NS_PER_S // 2 <= instant - nearest_second(instant) * NS_PER_S < NS_PER_S // 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 ns"),
        (1, "+1 ns"),
        (-999, "-999 ns"),
        (1_000, "+1.00 us"),
        (-17_000, "-17.0 us"),
        (999_999, "+999 us"),
        (3_200_000, "+3.20 ms"),
        (123_456_789, "+123 ms"),
        (1_500_000_000, "+1.50 s"),
        (-378_691_200_312_000_000, "-378691200 s"),
    ],
)
def test_durations_for_people(value, shown):
    assert show_ns(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d 0 h"),
        (10**7, "115 d 17 h"),
    ],
)
def test_a_length_of_time_for_people(seconds, shown):
    assert show_length(seconds) == shown


@pytest.mark.parametrize(("text", "shown"), [("a\x1b[2J\n", "a?[2J?"), ("é", "é"), (None, "None")])
def test_what_others_say_cannot_drive_a_terminal(text, shown):
    assert printable(text) == shown
