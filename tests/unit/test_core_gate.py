"""The gate: exact arithmetic, the frozen budget, and the way through a file and back."""

import json

import pytest

from refclock.core.gate.gate import Breach, Gate, Mask
from refclock.units import NS_PER_MS, NS_PER_S

PPM = 10**6
MASK = Mask(1 * NS_PER_MS, 100 * PPM)
LONG = Mask(50 * NS_PER_MS, 5 * PPM)
HOUR = 3600 * NS_PER_S


def opened(*masks: Mask, budget_ns: int = HOUR) -> Gate:
    """A gate that accepted phase 0 at raw 0."""
    gate = Gate(masks or (MASK,), budget_ns)
    gate.accept(0, 0)
    return gate


def test_the_first_second_passes_whatever_its_phase():
    assert Gate((MASK,), HOUR).judge(5, 10**18) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_exactly_at_the_limit_passes_and_one_nanosecond_beyond_does_not(sign):
    gate = opened()
    limit = NS_PER_MS + 100_000  # 1 ms + 100 ppm of 1000 s
    at = 1_000 * NS_PER_S
    assert gate.judge(at, sign * (NS_PER_MS + 100_000_000)) is None
    assert gate.judge(at, sign * (NS_PER_MS + 100_000_001)) == Breach(1, NS_PER_MS + 1, NS_PER_MS)
    assert gate.judge(1 * NS_PER_S, sign * limit) is None
    assert gate.judge(1 * NS_PER_S, sign * (limit + 1)) is not None


def test_a_fraction_of_a_nanosecond_counts():
    gate = opened(Mask(0, 1))
    assert gate.judge(10**12 - 1, 1) is not None
    assert gate.judge(10**12, 1) is None


def test_the_breach_names_the_mask():
    gate = opened(MASK, Mask(500_000, 5 * PPM))
    breach = gate.judge(NS_PER_S, 700_000)
    assert breach is not None
    assert breach.mask == 2


def test_later_seconds_narrow_what_was_allowed_and_earn_their_own_way_both_up_and_down():
    """After an hour the first second's corridor is wider than a later one's, on either side."""
    gate = opened(Mask(1000, PPM))
    gate.accept(1000 * NS_PER_S, 0)
    for sign in (1, -1):
        assert gate.judge(1500 * NS_PER_S, sign * (1000 + 500_000)) is None
        assert gate.judge(1500 * NS_PER_S, sign * (1000 + 500_001)) is not None
    assert gate.rooms(1500 * NS_PER_S, 300) == [(500_700, 501_300)]
    assert gate.used_ns(1500 * NS_PER_S, 500_300) == 300
    assert gate.used_ns(1500 * NS_PER_S, -500_300) == 300


def test_rooms_and_use_are_reckoned_from_where_the_accepted_seconds_lie():
    """Up from the greatest, down from the least; use is that of the first mask."""
    gate = opened(Mask(1000, 0), Mask(9000, 0))
    gate.accept(NS_PER_S, 300)
    gate.accept(2 * NS_PER_S, -200)
    assert gate.rooms(3 * NS_PER_S, 10) == [(790, 710), (8790, 8710)]
    assert gate.used_ns(3 * NS_PER_S, 10) == 290
    assert gate.used_ns(3 * NS_PER_S, 700) == 900
    assert gate.used_ns(3 * NS_PER_S, -800) == 1100


def test_use_is_that_of_the_first_mask():
    gate = opened(Mask(1000, 1000 * PPM), Mask(9000, PPM))
    gate.accept(NS_PER_S, 0)
    assert gate.used_ns(2 * NS_PER_S, 1_000_500) == 500
    assert gate.used_ns(2 * NS_PER_S, -1_000_500) == 500


def test_before_the_first_acceptance_there_is_nothing_to_leave_room_or_to_use():
    gate = Gate((MASK,), HOUR)
    assert gate.rooms(5, 7) == []
    assert gate.used_ns(5, 7) == 0


def test_judging_changes_nothing():
    gate = opened()
    before = gate.memory()
    gate.judge(NS_PER_S, 10**9)
    assert gate.memory() == before


def test_every_accepted_second_counts_not_only_the_last():
    gate = opened()
    gate.accept(NS_PER_S, NS_PER_MS)
    assert gate.judge(2 * NS_PER_S, 2 * NS_PER_MS) is not None  # near the last, far from the first
    assert gate.judge(2 * NS_PER_S, -900_000) is not None


def test_a_silence_earns_no_more_than_its_budget():
    gate = opened(budget_ns=10 * NS_PER_S)
    assert gate.budget_ns(9 * NS_PER_S) == 9 * NS_PER_S
    assert gate.budget_ns(1000 * NS_PER_S) == 10 * NS_PER_S
    assert gate.budget_ns(-5) == 0


def test_the_budget_stands_still_from_the_first_rejection_to_the_next_acceptance():
    gate = opened()
    assert not gate.rejecting
    gate.reject(10 * NS_PER_S)
    assert gate.rejecting
    gate.reject(500 * NS_PER_S)
    assert gate.budget_ns(10_000 * NS_PER_S) == 10 * NS_PER_S
    gate.accept(600 * NS_PER_S, 0)
    assert not gate.rejecting
    assert gate.budget_ns(600 * NS_PER_S) == 10 * NS_PER_S
    assert gate.budget_ns(601 * NS_PER_S) == 11 * NS_PER_S


def test_nothing_to_freeze_before_the_first_acceptance():
    gate = Gate((MASK,), HOUR)
    gate.reject(5)
    assert not gate.rejecting
    assert gate.budget_ns(7) == 0


@pytest.mark.parametrize("rejecting", [False, True])
def test_through_a_file_and_back(rejecting):
    gate = opened(MASK, LONG)
    gate.accept(77 * NS_PER_S, -12_345)
    if rejecting:
        gate.reject(80 * NS_PER_S)
    stored = json.loads(json.dumps(gate.memory()))
    again = Gate((MASK, LONG), HOUR)
    assert again.restore(stored)
    assert again.memory() == gate.memory()
    assert again.rejecting is rejecting


@pytest.mark.parametrize(
    "change",
    [
        {"masks": [[1, 2]]},
        {"low": None},
        {"high": "1"},
        {"high": "12"},
        {"low": ["1"]},
        {"low": ["1"], "high": ["1"]},
        {"low": ["0", "0", "0"], "high": ["0", "0", "0"]},
        {"low": ["x", "1"]},
        {"low": [None, "1"]},
        {"earned_ns": "1"},
        {"frozen_ns": None},
        {"last_raw_ns": None},
    ],
)
def test_a_memory_that_does_not_fit_changes_nothing(change):
    gate = opened(MASK, LONG)
    before = gate.memory()
    assert not gate.restore({**before, **change})
    assert gate.memory() == before


@pytest.mark.parametrize("value", [float("inf"), "9" * 5000, "\u0663", "1.5", ""])
def test_a_hostile_memory_is_refused_and_does_not_raise(value):
    gate = opened()
    assert not gate.restore({**gate.memory(), "low": [value], "high": [value]})


@pytest.mark.parametrize("change", [{"earned_ns": -5}, {"low": ["5"], "high": ["3"]}])
def test_a_memory_that_no_gate_could_have_written_is_refused(change):
    """Least above greatest, or a negative budget: that was tampered with."""
    gate = opened()
    assert not gate.restore({**gate.memory(), **change})


def test_one_mask_s_tampered_memory_is_enough():
    gate = opened(MASK, LONG)
    assert not gate.restore({**gate.memory(), "low": ["0", "5"], "high": ["0", "3"]})
    assert gate.restore({**gate.memory(), "low": ["0", "3"], "high": ["0", "3"]})


@pytest.mark.parametrize("frozen", [0, 1])
def test_a_budget_that_froze_at_nothing_stays_frozen_through_a_file(frozen):
    """The very first second after the anchor was rejected: nothing was earned, and nothing will be."""
    gate = opened()
    gate.reject(frozen)
    again = Gate((MASK,), HOUR)
    assert again.restore(gate.memory())
    assert again.rejecting
    assert again.budget_ns(HOUR) == frozen


def test_a_negative_budget_is_refused_to_the_last_nanosecond():
    gate = opened()
    assert not gate.restore({**gate.memory(), "earned_ns": -1})
    assert gate.restore({**gate.memory(), "earned_ns": 0})
