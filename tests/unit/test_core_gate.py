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
        {"low": ["1"]},
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


@pytest.mark.parametrize("value", [float("inf"), "9" * 5000])
def test_a_hostile_memory_is_refused_and_does_not_raise(value):
    gate = opened()
    assert not gate.restore({**gate.memory(), "low": [value]})


@pytest.mark.parametrize("change", [{"earned_ns": -5}, {"low": ["5"], "high": ["3"]}])
def test_a_memory_that_no_gate_could_have_written_is_refused(change):
    """Least above greatest, or a negative budget: that was tampered with."""
    gate = opened()
    assert not gate.restore({**gate.memory(), **change})
