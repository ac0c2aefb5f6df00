"""The cesium's pulse beside the receiver's, edge to edge."""

import pytest

from refclock.core.seconds.interval import RawRate
from refclock.core.seconds.pairing import Edge, Refused, Second
from refclock.core.seconds.timeline import Placed
from refclock.core.witness.cesium import Cesium
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S

# kdc-cesium: 10 us and 1e-11, G 600 s.
LIMITS = parse_policy('profile = "kdc-cesium"\n[cesium]\ndevice = "/dev/pps1"\n').limits
EXACT = RawRate(0, 0)
RAW = 5 * 10**12 + 123_456_789


def second(at_ns: int, late_ns: int = 0) -> Second:
    """The receiver's pulse so long after RAW."""
    return Second(Edge(RAW + at_ns, 100, 0), 1_800_000_000, False, late_ns, 0)


def heard(at_ns: int) -> Cesium:
    """A standard that gave one pulse."""
    cesium = Cesium(LIMITS)
    cesium.on_edge(Placed(RAW + at_ns, 50))
    return cesium


def test_before_its_first_pulse_it_is_silent():
    cesium = Cesium(LIMITS)
    assert cesium.age_ns(RAW) is None
    assert cesium.apart_ns(second(0), EXACT) is None
    assert cesium.since_ns == 0


def test_its_age_is_that_of_its_last_pulse():
    assert heard(0).age_ns(RAW + 7) == 7


@pytest.mark.parametrize("sign", [1, -1])
def test_a_pulse_is_compared_with_a_second_within_1600_ms(sign):
    cesium = heard(0)
    assert cesium.apart_ns(second(sign * 1600 * NS_PER_MS), EXACT) is not None
    assert cesium.apart_ns(second(sign * (1600 * NS_PER_MS + 1)), EXACT) is None


def test_where_in_the_second_it_lies_does_not_matter_only_how_far_it_moves():
    cesium = heard(300 * NS_PER_MS)
    assert cesium.apart_ns(second(0), EXACT) == 0
    assert cesium.since_ns == RAW
    cesium.on_edge(Placed(RAW + 1300 * NS_PER_MS, 50))
    assert cesium.apart_ns(second(NS_PER_S + 70), EXACT) == 70
    assert cesium.apart_ns(second(NS_PER_S - 70), EXACT) == -70
    assert cesium.since_ns == RAW  # of the first comparison


def test_how_far_its_own_pulse_has_wandered_on_the_counter_is_kept():
    cesium = heard(300 * NS_PER_MS)
    assert cesium.wandered_ns == 0
    for at_s, off_ns in ((0, 0), (1, 40), (5, -30), (9, 70)):
        cesium.on_edge(Placed(RAW + at_s * NS_PER_S + 300 * NS_PER_MS + off_ns, 50))
        assert cesium.apart_ns(second(at_s * NS_PER_S), EXACT) == -off_ns
        assert cesium.wandered_ns == off_ns
    cesium.apart_ns(second(9 * NS_PER_S), RawRate(10**8, 0))  # 100 ppm of nine seconds
    assert cesium.wandered_ns == 70 + 900_000
    cesium.reset()
    cesium.apart_ns(second(9 * NS_PER_S), EXACT)
    assert cesium.wandered_ns == 0


def test_cable_and_sawtooth_are_taken_out():
    cesium = heard(0)
    assert cesium.apart_ns(second(40, late_ns=40), EXACT) == 0
    assert cesium.since_ns == RAW
    assert cesium.apart_ns(second(40, late_ns=10), EXACT) == 30


def test_the_counter_s_rate_is_taken_out_of_the_way_between_the_two():
    cesium = heard(0)
    assert cesium.apart_ns(second(0), RawRate(10**8, 0)) == 0
    assert cesium.apart_ns(second(NS_PER_S), RawRate(10**8, 0)) == 100_000  # 100 ppm of a second


def test_a_distance_near_half_a_second_does_not_flip():
    cesium = heard(499_999_990)
    assert cesium.apart_ns(second(0), EXACT) == 0
    assert cesium.apart_ns(second(-20), EXACT) == -20
    assert cesium.apart_ns(second(20), EXACT) == 20


def test_its_mask_judges_and_its_refusal_says_so():
    cesium = heard(0)
    cesium.gate.accept(RAW, 0)
    assert cesium.judge(second(0), 10_000) is None
    assert cesium.judge(second(0), -10_000) is None
    # A late pulse means that the receiver's time is behind.
    assert cesium.judge(second(0), 10_001) == Refused(
        RAW, "drift-mask", 10_001, 10_000, 1_800_000_000, 2, -10_001
    )
    assert cesium.gate.budget_ns(RAW + 3600 * NS_PER_S) == 600 * NS_PER_S


def test_the_bound_by_it_is_the_distance_its_offset_and_its_drift_since_the_first_comparison():
    cesium = heard(0)
    cesium.apart_ns(second(0), EXACT)
    assert cesium.bound_ns(RAW, 70) == 70 + 10_000
    assert cesium.bound_ns(RAW, -70) == 70 + 10_000
    assert cesium.bound_ns(RAW + 10**12, 0) == 10_000 + 10
    assert cesium.bound_ns(RAW - 10**12, 0) == 10_000


def test_a_new_attempt_compares_from_its_own_first_second_on():
    cesium = heard(0)
    assert cesium.apart_ns(second(0), EXACT) == 0
    cesium.gate.accept(RAW, 0)
    cesium.reset()
    assert cesium.apart_ns(second(500), EXACT) == 0
    assert cesium.since_ns == RAW + 500
    assert cesium.judge(second(500), 10**6) is None


def at(cesium: Cesium, passed_ns: int, si_ns: int, apart_ns: int = 0, rate: RawRate = EXACT) -> None:
    """A second that was accepted: so long after RAW, and what it is called."""
    cesium.keep(RAW + passed_ns, si_ns, apart_ns, rate)


def test_pulses_tell_no_whole_seconds_and_so_the_counter_must():
    """A receiver that jumps by a second leaves the cesium's pulse where it was."""
    cesium = heard(0)
    cesium.apart_ns(second(0), EXACT)
    at(cesium, 0, 0)
    step = 999_999_999
    assert cesium.continuous(RAW + NS_PER_S, NS_PER_S + step, 0, EXACT)
    assert not cesium.continuous(RAW + NS_PER_S, 2 * NS_PER_S, 0, EXACT)
    assert not cesium.continuous(RAW + NS_PER_S, NS_PER_S + step, -1, EXACT), "as far as to the other side"
    at(cesium, NS_PER_S, NS_PER_S)
    assert cesium.since_ns == RAW
    at(cesium, 2 * NS_PER_S, 3 * NS_PER_S)
    assert cesium.since_ns == RAW + 2 * NS_PER_S, "it bounds nothing from before that any more"
    at(cesium, 3 * NS_PER_S, 4 * NS_PER_S)
    assert cesium.since_ns == RAW + 2 * NS_PER_S


def test_a_silence_in_which_the_counter_may_have_lost_a_second_is_no_continuity():
    cesium, known = heard(0), RawRate(10**6, 2 * 10**6)
    cesium.apart_ns(second(0), known)
    at(cesium, 0, 0, rate=known)
    days = 5 * 86_400 * NS_PER_S
    si_ns = days + days // 10**6
    assert cesium.continuous(RAW + days, si_ns, 0, known), "0.864 s"
    assert not cesium.continuous(RAW + days, si_ns, 0, RawRate(10**6, 25 * 10**5)), "1.08 s"


def test_a_second_less_is_as_many_as_a_second_more_and_it_is_how_far_the_distance_moved_that_counts():
    cesium = heard(0)
    cesium.apart_ns(second(0), EXACT)
    at(cesium, 0, 0, apart_ns=5)
    assert not cesium.continuous(RAW + NS_PER_S, 0, 5, EXACT)
    assert cesium.continuous(RAW + NS_PER_S, 1, 5, EXACT)
    assert cesium.continuous(RAW + NS_PER_S, 2 * NS_PER_S - 1, 5, EXACT)
    days = 5 * 86_400 * NS_PER_S
    for passed in (days, -days):
        assert not cesium.continuous(RAW + passed, passed, 5, RawRate(0, 25 * 10**5)), "1.08 s"


def test_a_new_beginning_is_continuous():
    cesium = heard(0)
    cesium.apart_ns(second(0), EXACT)
    at(cesium, 0, 0)
    cesium.reset()
    assert cesium.continuous(RAW + NS_PER_S, 9 * NS_PER_S, 0, EXACT)


def test_the_bound_counts_from_the_first_second_that_was_kept():
    """What was refused before it, 11 ms away, is not the receiver's distance."""
    cesium = heard(0)
    cesium.apart_ns(second(0), EXACT)
    at(cesium, 300 * NS_PER_S, 300 * NS_PER_S, 11 * NS_PER_MS)
    assert cesium.bound_ns(RAW + 300 * NS_PER_S, 11 * NS_PER_MS) == 10_000 + 3
    assert cesium.bound_ns(RAW + 300 * NS_PER_S, 11 * NS_PER_MS - 7) == 10_000 + 3 + 7


def test_the_distance_counts_from_the_first_second_that_was_kept_not_from_the_last():
    cesium = heard(0)
    cesium.apart_ns(second(0), EXACT)
    for at_s, apart_ns in ((0, 30), (1, 90)):
        at(cesium, at_s * NS_PER_S, at_s * NS_PER_S, apart_ns)
    assert cesium.bound_ns(RAW, 100) == 70 + 10_000
