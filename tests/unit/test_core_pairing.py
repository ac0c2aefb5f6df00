"""Which pulse a message names, pulse by pulse."""

from dataclasses import replace
from typing import Any

import pytest

from refclock.core.rules.reasons import REASONS
from refclock.core.seconds.health import ReceiverHealth
from refclock.core.seconds.interval import RawRate
from refclock.core.seconds.pairing import Edge, Pairing, Refused, Second
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire.report import Health, Label

RATE = RawRate(0, 0)
UTC_S = 1_803_859_200
POLICY = parse_policy("[pps]\ndelay_ns = 40\n")
BARE = parse_policy("[receiver]\nmessage_delay_us = 100000\nmessage_jitter_us = 20000\n")
GOOD = Label("nmea", "RMC", 0, 1, UTC_S, valid=True)


MARKED = 7  # a byte of the label that comes on time with its pulse
# Where the raw counter stands at the benches' zero.
BASE = 3 * 10**12


class Bench:
    """A pairing whose receiver speaks RMC; times in ms."""

    def __init__(self, has_pps: bool = True) -> None:
        self.health = ReceiverHealth(500, 3600 * NS_PER_S)
        self.pairing = Pairing(POLICY if has_pps else BARE, has_pps, self.health)
        self.number = 0

    def edge(self, at_ms: int) -> list[Second | Refused]:
        """A pulse."""
        self.number += 1
        at = BASE + at_ms * NS_PER_MS
        return self.pairing.on_edge(Edge(at, 5, at + 7), self.number, RATE)

    def expect(self, at_ms: int) -> None:
        """The pulse at this time was good."""
        self.pairing.expect(BASE + at_ms * NS_PER_MS)

    def label(self, at_ms: int, second: int, **change: Any) -> list[Second | Refused]:
        """A label of ``UTC_S`` plus ``second``."""
        label = replace(GOOD, utc_s=UTC_S + second, **change)
        at = BASE + at_ms * NS_PER_MS
        self.health.hear(label, at)
        return self.pairing.on_label(label, at, at + 7, 3, RATE)


def told(found: list[Second | Refused]) -> list[tuple[str, int]]:
    """Reasons with their values; ("", label) for a second."""
    return [("", one.utc_s - UTC_S) if isinstance(one, Second) else (one.reason, one.value) for one in found]


def test_a_label_names_the_pulse_in_the_second_before_it():
    bench = Bench()
    assert bench.edge(0) == []
    found = bench.label(150, 0)
    assert len(found) == 1
    second = found[0]
    assert isinstance(second, Second)
    assert (second.edge.raw_ns, second.edge.at_ns, second.utc_s) == (BASE, BASE + 7, UTC_S)
    assert (second.late_ns, second.phase_ns, second.second60) == (40, 150 * NS_PER_MS, False)


def test_further_messages_of_the_burst_say_nothing_new():
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    assert bench.label(160, 0, message="ZDA", valid=None) == []


def test_two_stories_about_one_pulse_are_a_conflict_told_once():
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    assert told(bench.label(160, 1, message="ZDA")) == [("label-conflict", 1)]
    assert bench.label(170, 0) == []


def test_an_invalid_label_is_refused_once():
    bench = Bench()
    bench.edge(0)
    assert told(bench.label(150, 0, valid=False)) == [("receiver-invalid", 0)]
    assert bench.label(160, 0, valid=False) == []


def test_a_label_without_a_word_on_validity_waits_for_one_that_has_it():
    bench = Bench()
    bench.edge(0)
    assert told(bench.label(150, 0, message="ZDA", valid=None)) == [("validity-unknown", 0)]
    assert told(bench.label(160, 0)) == [("", 0)]


def test_a_label_beside_an_invalid_message_is_invalid():
    bench = Bench()
    bench.health.hear(replace(GOOD, message="GNS", valid=False), BASE + 140 * NS_PER_MS)
    bench.edge(0)
    assert told(bench.label(150, 0)) == [("receiver-invalid", 0)]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ({"antenna": "open"}, "antenna"),
        ({"jamming": "critical"}, "jamming"),
        ({"spoofing": "indicated"}, "spoofing"),
        ({"antenna": "ok", "jamming": "warning"}, "receiver-invalid"),
    ],
)
def test_a_receiver_without_time_that_says_why_is_refused_for_that(word, reason):
    bench = Bench()
    bench.health.hear(Health("ubx", "MON-HW", 0, 1, **word), BASE)
    bench.edge(0)
    assert told(bench.label(150, 0, valid=False)) == [(reason, 0)]
    bench.edge(1000)
    assert told(bench.label(1150, 1, valid=None)) == [(reason, 0)]
    bench.expect(1000)
    bench.edge(2020)
    assert told(bench.label(2150, 2, valid=False)) == [(reason, 0)]


def test_no_pulse_told_once_for_each_second():
    bench = Bench()
    assert told(bench.label(150, 0)) == [("no-edge", 0)]
    assert bench.label(160, 0) == []
    assert told(bench.label(1150, 1)) == [("no-edge", 0)]
    bench.edge(2000)
    assert told(bench.label(3500, 3)) == [("no-edge", 1500 * NS_PER_MS)]


def test_a_pulse_that_nobody_named():
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    assert bench.edge(1000) == []
    assert told(bench.edge(2000)) == [("no-label", NS_PER_S)]


def test_pulses_beside_the_grid_are_left_out_and_counted():
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    bench.expect(0)
    bench.edge(500)
    bench.edge(1000)
    found = bench.label(1150, 1)
    assert told(found) == [("edge-extra", 500 * NS_PER_MS), ("", 1)]
    assert bench.pairing.extra_edges == 1
    assert bench.label(1160, 1) == []


def test_two_pulses_within_the_window_are_ambiguous():
    bench = Bench()
    bench.expect(0)
    bench.edge(996)
    bench.edge(1003)
    assert told(bench.label(1150, 1)) == [("edge-ambiguous", 2)]
    assert bench.label(1160, 1) == []


def test_a_pulse_outside_its_window_is_refused_with_how_far_it_moved():
    bench = Bench()
    bench.expect(0)
    bench.edge(1020)
    found = bench.label(1150, 1)
    assert told(found) == [("edge-window", 20 * NS_PER_MS)]
    refused = found[0]
    assert isinstance(refused, Refused)
    assert refused.moved_ns == -20 * NS_PER_MS
    assert refused.limit == 10 * NS_PER_MS + 102_000


def test_a_pulse_astray_of_a_receiver_without_a_fix_is_no_lie():
    bench = Bench()
    bench.expect(0)
    bench.edge(1020)
    assert told(bench.label(1150, 1, valid=False)) == [("receiver-invalid", 0)]


def test_the_window_widens_with_the_silence_and_never_beyond_all_reason():
    pairing = Bench().pairing
    assert pairing.off_grid(77, RATE) == (0, 400 * NS_PER_MS)
    pairing.expect(BASE)
    assert pairing.off_grid(BASE + NS_PER_S + 5, RATE) == (5, 10 * NS_PER_MS + 100_001)
    assert pairing.off_grid(BASE - NS_PER_S - 5, RATE) == (-5, 10 * NS_PER_MS + 100_001)
    assert pairing.off_grid(BASE + 10**15 - 5, RATE) == (-5, 400 * NS_PER_MS)
    assert pairing.off_grid(BASE + NS_PER_S, RawRate(0, 300 * 10**6)) == (0, 10 * NS_PER_MS + 300_000)
    pairing.expect(None)
    assert pairing.off_grid(77, RATE) == (0, 400 * NS_PER_MS)


def test_pulses_out_of_order_and_missed_ones():
    bench = Bench()
    bench.edge(-2000)
    bench.edge(-1000)
    bench.edge(0)
    found = bench.edge(-5)
    assert told(found) == [("edge-order", -5 * NS_PER_MS)]
    assert isinstance(found[0], Refused)
    assert found[0].limit == 1
    assert told(bench.edge(0)) == [("edge-order", 0)]
    assert bench.pairing.missed_edges == 0
    at = Edge(BASE + NS_PER_S, 0, 0)
    bench.pairing.on_edge(at, 9, RATE)
    assert bench.pairing.missed_edges == 5
    bench.pairing.on_edge(Edge(BASE + 2 * NS_PER_S, 0, 0), 10, RATE)
    assert bench.pairing.missed_edges == 5
    bench.pairing.on_edge(Edge(BASE + 3 * NS_PER_S, 0, 0), 12, RATE)
    assert bench.pairing.missed_edges == 6
    bench.pairing.on_edge(Edge(BASE + 4 * NS_PER_S, 0, 0), 3, RATE)
    assert bench.pairing.missed_edges == 6  # a counter that began anew


def test_a_step_of_the_clock_forgets_the_pulses_before_it():
    bench = Bench()
    bench.edge(0)
    bench.pairing.forget_edges()
    assert told(bench.label(150, 0)) == [("no-edge", 0)]


@pytest.mark.parametrize(("frac_ms", "named"), [(0, 0), (90, 0), (950, 1), (500, None), (101, None)])
def test_epochs_near_a_second_name_it_and_others_nothing(frac_ms, named):
    bench = Bench()
    bench.edge(0)
    found = bench.label(150, 0, frac_ns=frac_ms * NS_PER_MS)
    assert told(found) == ([] if named is None else [("", named)])


def test_a_leap_second_is_another_name_than_the_second_before():
    bench = Bench()
    bench.edge(0)
    found = bench.label(150, 0, second60=True)
    assert isinstance(found[0], Second)
    assert found[0].second60
    assert bench.label(160, 0, second60=True) == []
    assert told(bench.label(170, 0)) == [("label-conflict", -1)]


def refusal(found: list[Second | Refused]) -> Refused:
    """The only thing found, which is a refusal."""
    (one,) = found
    assert isinstance(one, Refused)
    return one


def test_a_pulse_that_nobody_named_is_told_once_and_where_it_lay():
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    bench.edge(1000)
    assert bench.edge(1899) == []  # the second in which it could be named is not over
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    bench.edge(1000)
    assert refusal(bench.edge(1900)).raw_ns == BASE + NS_PER_S
    assert told(bench.edge(3000)) == [("no-label", 1100 * NS_PER_MS)]


def test_a_pulse_told_of_as_nameless_is_not_told_of_again_as_an_extra_one():
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    bench.edge(1000)
    assert told(bench.edge(1900)) == [("no-label", 900 * NS_PER_MS)]
    bench.expect(900)
    assert told(bench.label(1950, 1)) == [("", 1)]


def test_two_stories_are_a_conflict_though_the_first_was_refused_for_another_reason():
    """A pulse with two names is no second, whoever vouches for the second name afterwards."""
    bench = Bench()
    bench.edge(0)
    assert told(bench.label(150, 0, message="ZDA", valid=None)) == [("validity-unknown", 0)]
    assert told(bench.label(160, 1)) == [("label-conflict", 1)]
    assert bench.label(170, 1, message="GNS") == []
    assert bench.label(180, 0, message="GGA") == []


def test_a_pulse_that_a_label_beforehand_named_or_that_was_refused_is_not_nameless():
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    bench.label(800, 1, label_edge="next", message="TIM-TP")
    bench.edge(1000)
    assert bench.edge(2000) == []
    bench = Bench()
    bench.edge(0)
    assert told(bench.label(150, 0, valid=False)) == [("receiver-invalid", 0)]
    assert bench.edge(1000) == []


def test_pulses_far_apart_are_each_met_by_their_own_second():
    """The second after a pulse belongs to it: its very end belongs to the next one."""
    bench = Bench()
    bench.edge(0)
    assert told(bench.label(1000, 1)) == [("no-edge", NS_PER_S)]
    assert told(bench.label(999, 0)) == [("", 0)]
    bench = Bench()
    bench.edge(0)
    assert told(bench.pairing.on_label(GOOD, BASE - 1, 0, 0, RATE)) == [("no-edge", -1)]
    assert told(bench.label(0, 1)) == [("", 1)]


@pytest.mark.parametrize(("off_ns", "said"), [(10_101_011, ""), (10_101_012, "edge-window")])
def test_a_pulse_at_the_very_end_of_its_window_is_inside(off_ns, said):
    """10 ms and 100 ppm of the time since the last good one."""
    bench = Bench()
    bench.expect(0)
    at = BASE + NS_PER_S + off_ns
    bench.pairing.on_edge(Edge(at, 5, at), 1, RATE)
    assert told(bench.label(1150, 1))[0][0] == said


def test_an_extra_pulse_is_counted_once_and_does_not_make_its_second_twice():
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    bench.expect(0)
    bench.edge(500)
    assert told(bench.label(600, 0, message="ZDA")) == [("edge-extra", 500 * NS_PER_MS)]
    assert bench.label(610, 0, message="GNS") == []
    assert bench.pairing.extra_edges == 1
    bench.edge(1000)
    bench.edge(1400)
    assert told(bench.label(1450, 1)) == [("edge-extra", 400 * NS_PER_MS), ("", 1)]
    assert bench.pairing.extra_edges == 2


def test_an_extra_pulse_before_the_right_one_is_told_from_it():
    bench = Bench()
    bench.expect(0)
    bench.edge(300)
    bench.edge(1000)
    found = bench.label(1100, 1)
    assert told(found) == [("edge-extra", 300 * NS_PER_MS), ("", 1)]
    assert isinstance(found[1], Second)
    assert found[1].edge.raw_ns == BASE + NS_PER_S


def test_an_ambiguous_pulse_is_told_of_the_last_of_them():
    bench = Bench()
    bench.expect(0)
    for at_ms in (996, 1001, 1003):
        bench.edge(at_ms)
    found = refusal(bench.label(1150, 1))
    assert (found.raw_ns, found.reason, found.value, found.limit) == (
        BASE + 1003 * NS_PER_MS, "edge-ambiguous", 3, 1,
    )  # fmt: skip
    assert bench.edge(2100) == []  # they were told of


def test_a_new_pulse_outside_the_window_is_told_though_an_older_one_was_decided():
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    bench.expect(500)
    bench.edge(800)
    assert told(bench.label(900, 1)) == [("edge-window", 300 * NS_PER_MS)]


def test_of_several_pulses_outside_the_window_the_nearest_is_told():
    """Early is not near: the distance counts, whichever way it goes."""
    bench = Bench()
    bench.expect(0)
    bench.edge(700)
    bench.edge(1100)
    bench.edge(1400)
    found = refusal(bench.label(1450, 1))
    assert (found.raw_ns, found.value) == (BASE + 1100 * NS_PER_MS, 100 * NS_PER_MS)
    assert found.moved_ns == -100 * NS_PER_MS
    bench = Bench()
    bench.expect(0)
    bench.edge(980)
    bench.edge(1300)
    found = refusal(bench.label(1450, 1))
    assert (found.value, found.moved_ns) == (20 * NS_PER_MS, 20 * NS_PER_MS)


def test_pulses_astray_of_a_receiver_without_a_fix_are_one_absence():
    bench = Bench()
    bench.expect(0)
    bench.edge(1020)
    bench.edge(1300)
    found = refusal(bench.label(1450, 1, valid=False))
    assert (found.reason, found.limit, found.raw_ns) == ("receiver-invalid", 1, BASE + 1300 * NS_PER_MS)
    bench = Bench()
    bench.expect(0)
    bench.edge(1020)
    bench.health.hear(replace(GOOD, message="GNS", valid=False), BASE + 1100 * NS_PER_MS)
    assert told(bench.label(1150, 1)) == [("receiver-invalid", 0)]


def test_a_label_that_denies_itself_contradicts_nobody():
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    assert bench.label(160, 5, message="ZDA", valid=False) == []


def test_a_conflict_is_told_of_its_second_and_refused_ones_are_of_a_limit():
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    assert refusal(bench.label(160, 1, message="ZDA")).limit == 0
    bench = Bench()
    bench.edge(0)
    assert refusal(bench.label(150, 0, valid=False)).limit == 1


def test_memory_is_bounded_where_pulses_come_and_no_message():
    bench = Bench()
    for second in range(100):
        bench.edge(second * 1000)
    assert len(bench.pairing._edges) <= 16


def test_a_pulse_that_the_configuration_does_not_know_has_no_cable():
    """A capture may have a pulse where its policy names none."""
    pairing = Pairing(BARE, True, health := ReceiverHealth(500, 3600 * NS_PER_S))
    pairing.on_edge(Edge(BASE, 5, 0), 1, RATE)
    health.hear(GOOD, BASE + 1)
    (found,) = pairing.on_label(GOOD, BASE + 1, 0, 0, RATE)
    assert isinstance(found, Second)
    assert found.late_ns == 0


# ---- labels of the next pulse (TIM-TP) -------------------------------------------------------------


def test_alone_a_label_of_the_next_pulse_names_it_at_once_with_its_quantisation_error():
    bench = Bench()
    bench.label(800, 1, label_edge="next", q_err_ps=-2_500)
    found = bench.edge(1000)
    assert told(found) == [("", 1)]
    assert isinstance(found[0], Second)
    assert found[0].late_ns == 40 + 2


@pytest.mark.parametrize(("second", "expected"), [(1, [("", 1)]), (2, [("label-conflict", 1)])])
def test_beside_labels_of_the_previous_pulse_it_must_agree(second, expected):
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    bench.label(800, 1, label_edge="next", message="TIM-TP", q_err_ps=1_000)
    assert bench.edge(1000) == []
    assert told(bench.label(1150, second)) == expected


def test_a_label_of_the_next_pulse_is_void_after_a_second_or_off_the_grid():
    bench = Bench()
    bench.label(800, 1, label_edge="next")
    assert bench.edge(1900) == []
    bench.expect(1900)
    bench.label(2800, 3, label_edge="next")
    assert bench.edge(3200) == []
    assert bench.label(2801, 0, label_edge="next", frac_ns=NS_PER_S // 2) == []


@pytest.mark.parametrize(("after_ms", "names"), [(0, True), (1000, True), (1001, False)])
def test_a_label_of_the_next_pulse_names_one_within_a_second(after_ms, names):
    bench = Bench()
    bench.label(800, 1, label_edge="next")
    assert told(bench.edge(800 + after_ms)) == ([("", 1)] if names else [])


def test_a_pulse_before_the_label_of_the_next_one_is_not_it():
    bench = Bench()
    bench.label(800, 1, label_edge="next")
    at = BASE + 800 * NS_PER_MS - 1
    assert bench.pairing.on_edge(Edge(at, 5, at), 1, RATE) == []


@pytest.mark.parametrize(("off_ms", "names"), [(-20, False), (-10, True), (10, True), (20, False)])
def test_a_label_of_the_next_pulse_names_none_beside_the_grid(off_ms, names):
    bench = Bench()
    bench.expect(0)
    bench.label(800, 1, label_edge="next")
    assert told(bench.edge(1000 + off_ms)) == ([("", 1)] if names else [])


def test_the_window_s_very_end_names_a_pulse_too():
    bench = Bench()
    bench.expect(0)
    bench.label(800, 1, label_edge="next")
    at = BASE + NS_PER_S + 10_101_011  # 10 ms and 100 ppm of 1.010101011 s
    assert bench.pairing.off_grid(at, RATE) == (10_101_011, 10_101_011)
    assert told(bench.pairing.on_edge(Edge(at, 5, at), 1, RATE)) == [("", 1)]


def test_one_label_of_the_next_pulse_names_one_pulse():
    bench = Bench()
    bench.label(800, 1, label_edge="next")
    assert told(bench.edge(1000)) == [("", 1)]
    assert bench.edge(1700) == []


@pytest.mark.parametrize(("at_ms", "alone"), [(3150, False), (3151, True)])
def test_after_three_seconds_without_the_other_kind_it_speaks_alone(at_ms, alone):
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    bench.label(3100, 3, label_edge="next", message="TIM-TP")
    found = bench.edge(at_ms)
    assert told(found) == ([("", 3)] if alone else [])


def test_a_leap_second_announced_for_the_next_pulse_is_that_name_and_no_other():
    bench = Bench()
    bench.edge(0)
    bench.label(150, -1)
    bench.label(800, 0, label_edge="next", message="TIM-TP", second60=True)
    bench.edge(1000)
    assert told(bench.label(1150, 0, second60=True)) == [("", 0)]
    assert told(bench.label(1160, 0, message="ZDA")) == [("label-conflict", -1)]


def test_a_conflict_with_a_label_beforehand_is_told_once():
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    bench.label(800, 1, label_edge="next", message="TIM-TP")
    bench.edge(1000)
    assert told(bench.label(1150, 2)) == [("label-conflict", 1)]
    assert bench.label(1160, 2, message="ZDA") == []


@pytest.mark.parametrize(("q_err_ps", "ns"), [(499, 0), (500, 1), (1499, 1), (-500, 0), (-501, -1)])
def test_the_quantisation_error_is_rounded_to_the_nearest_and_is_the_pulse_s_own(q_err_ps, ns):
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    bench.label(800, 1, label_edge="next", message="TIM-TP", q_err_ps=q_err_ps)
    bench.edge(1000)
    (found,) = bench.label(1150, 1)
    assert isinstance(found, Second)
    assert found.late_ns == 40 - ns


# ---- without PPS -----------------------------------------------------------------------------------


def test_without_a_pulse_the_first_message_of_a_burst_stands_for_it():
    bench = Bench(has_pps=False)
    found = bench.label(150, 0)
    assert told(found) == [("", 0)]
    second = found[0]
    assert isinstance(second, Second)
    assert second.late_ns == 100 * NS_PER_MS
    assert second.edge.unc_ns == 3 + 20 * NS_PER_MS
    assert second.edge.at_ns == BASE + 150 * NS_PER_MS + 7
    assert bench.label(200, 0, message="ZDA", valid=None) == []


def test_without_a_pulse_it_is_always_the_same_message():
    bench = Bench(has_pps=False)
    bench.label(150, 0)
    assert told(bench.label(1100, 1, message="ZDA", valid=None)) == [("no-edge", 950 * NS_PER_MS)]
    assert told(bench.label(6100, 6, message="ZDA", valid=None)) in ([("", 6)], [("validity-unknown", 0)])


def test_without_a_pulse_an_epoch_just_before_its_second_counts_from_there():
    bench = Bench(has_pps=False)
    found = bench.label(150, 0, frac_ns=950 * NS_PER_MS)
    assert isinstance(found[0], Second)
    assert found[0].utc_s == UTC_S + 1
    assert found[0].late_ns == 50 * NS_PER_MS
    bench.expect(150)
    assert bench.pairing.off_grid(BASE + 1150 * NS_PER_MS, RATE)[1] == 40 * NS_PER_MS + 100_000


def test_without_a_pulse_a_burst_lasts_half_a_second():
    bench = Bench(has_pps=False)
    bench.label(0, 0)
    assert bench.label(499, 0) == []
    assert told(bench.label(1000, 1)) == [("", 1)]
    assert told(bench.label(1500, 2)) == [("", 2)]


def test_without_a_pulse_a_message_of_the_burst_is_no_pulse_of_its_own():
    bench = Bench(has_pps=False)
    assert told(bench.label(0, 0, valid=None)) == [("validity-unknown", 0)]
    found = bench.label(300, 0)
    assert told(found) == [("", 0)]
    assert isinstance(found[0], Second)
    assert found[0].edge.raw_ns == BASE


@pytest.mark.parametrize(("silent_ms", "takes_over"), [(3000, False), (3001, True)])
def test_without_a_pulse_another_message_takes_over_after_three_silent_seconds(silent_ms, takes_over):
    bench = Bench(has_pps=False)
    bench.label(0, 0)
    found = bench.label(silent_ms, 3, message="ZDA")
    assert told(found) == ([("", 3)] if takes_over else [("no-edge", silent_ms * NS_PER_MS)])


def test_without_a_pulse_it_is_the_last_one_s_silence_that_counts():
    bench = Bench(has_pps=False)
    for second in range(5):
        bench.label(second * 1000, second)
    assert told(bench.label(4900, 5, message="ZDA")) == [("no-edge", 900 * NS_PER_MS)]


def test_without_a_pulse_there_is_no_quantisation_error():
    bench = Bench(has_pps=False)
    (found,) = bench.label(0, 0, q_err_ps=50_000)
    assert isinstance(found, Second)
    assert found.late_ns == 100 * NS_PER_MS


@pytest.mark.parametrize(("frac_ns", "late"), [(100_000_000, 100), (900_000_000, -100)])
def test_the_ends_of_what_an_epoch_may_lie_off_still_name_a_second(frac_ns, late):
    bench = Bench(has_pps=False)
    (found,) = bench.label(0, 0, frac_ns=frac_ns)
    assert isinstance(found, Second)
    assert found.late_ns == (100 + late) * NS_PER_MS
    assert found.utc_s == UTC_S + (late < 0)


@pytest.mark.parametrize("timescale", ["gps", "local", "unstated"])
@pytest.mark.parametrize("label_edge", ["previous", "next"])
def test_another_time_scale_names_no_pulse_and_is_refused_once_a_second(timescale, label_edge):
    bench = Bench()
    for second in range(3):
        assert bench.edge(1000 * second) == []
        kind = {"timescale": timescale, "label_edge": label_edge}
        assert told(bench.label(1000 * second + 150, second, **kind)) == [(f"{timescale}-time", 0)]
        assert bench.label(1000 * second + 160, second, message="ZDA", **kind) == []
    assert f"{timescale}-time" in REASONS


def test_another_time_scale_beside_utc_is_passed_over():
    bench = Bench()
    bench.edge(0)
    assert told(bench.label(150, 0)) == [("", 0)]
    assert bench.label(160, 18, timescale="gps") == []
    assert told(bench.label(4000, 21, timescale="gps")) == [("gps-time", 0)]


# ---- labels whose last byte comes with the pulse ----------------------------------------------------------


@pytest.mark.parametrize(
    ("label_ms", "pulse_ms", "phase_ms"),
    [(1000, 1000, 0), (995, 1000, 0), (980, 1000, 0), (1007, 1000, 7), (1020, 1000, 20)],
)
def test_a_label_on_time_waits_for_its_pulse_to_be_fetched(label_ms, pulse_ms, phase_ms):
    """It may come some milliseconds before the pulse's own event, or before the pulse itself was due."""
    bench = Bench()
    bench.edge(0)
    bench.label(10, 0)
    assert bench.label(label_ms, 1, mark=MARKED) == []
    found = bench.edge(pulse_ms)
    assert told(found) == [("", 1)]
    assert isinstance(found[0], Second)
    assert found[0].edge.raw_ns == BASE + pulse_ms * NS_PER_MS
    assert found[0].phase_ns == phase_ms * NS_PER_MS
    assert bench.edge(2000) == []  # and waits no more


@pytest.mark.parametrize("label_ms", [979, 1021])
def test_a_pulse_farther_away_is_not_the_one_that_it_came_with(label_ms):
    bench = Bench()
    bench.edge(0)
    bench.label(10, 0)
    bench.label(label_ms, 1, mark=MARKED)
    found = bench.edge(1000)
    assert told(found) == [("no-edge", label_ms * NS_PER_MS)]
    assert isinstance(found[0], Refused)
    assert (found[0].raw_ns, found[0].utc_s) == (BASE + label_ms * NS_PER_MS, UTC_S + 1)


def test_the_first_pulse_of_all_may_be_waited_for_too():
    bench = Bench()
    assert bench.label(-3, 0, mark=MARKED) == []
    assert told(bench.edge(0)) == [("", 0)]


@pytest.mark.parametrize(("at_ms", "expected"), [(499, [("", 0)]), (500, [])])
def test_within_half_a_second_of_a_pulse_a_label_on_time_is_that_pulse_s(at_ms, expected):
    bench = Bench()
    bench.edge(0)
    assert told(bench.label(at_ms, 0, mark=MARKED)) == expected


def test_a_label_without_such_a_byte_waits_for_nothing():
    bench = Bench()
    bench.edge(0)
    bench.label(10, 0)
    assert told(bench.label(995, 1)) == [("label-conflict", 1)]


def test_a_label_on_time_that_waits_in_vain_is_told_when_the_next_one_comes():
    bench = Bench()
    bench.edge(0)
    bench.label(10, 0)
    assert bench.label(1000, 1, mark=MARKED) == []
    found = bench.label(2000, 2, mark=MARKED)
    assert told(found) == [("no-edge", 1000 * NS_PER_MS)]
    assert isinstance(found[0], Refused)
    assert (found[0].raw_ns, found[0].utc_s) == (BASE + 1000 * NS_PER_MS, UTC_S + 1)


def test_a_step_of_the_clock_forgets_a_label_that_waits():
    bench = Bench()
    bench.label(1000, 1, mark=MARKED)
    bench.pairing.forget_edges()
    assert bench.edge(1001) == []


# ---- where a decided pulse's time ends --------------------------------------------------------------------


@pytest.mark.parametrize(("at_ms", "expected"), [(0, []), (999, []), (1000, [("no-edge", NS_PER_S)])])
def test_a_further_message_of_a_named_pulse_s_second_says_nothing_new(at_ms, expected):
    bench = Bench()
    bench.edge(0)
    bench.label(0, 0)
    assert told(bench.label(at_ms, 0)) == expected


def test_a_message_from_just_before_a_named_pulse_is_not_of_its_burst():
    bench = Bench()
    for at_ms, second in ((0, 0), (1000, 1)):
        bench.edge(at_ms)
        bench.label(at_ms + 100, second)
    late = replace(GOOD, utc_s=UTC_S + 1)
    at_ns = BASE + 1000 * NS_PER_MS - 1
    assert told(bench.pairing.on_label(late, at_ns, at_ns, 3, RATE)) == [("label-conflict", 1)]


def test_what_is_not_read_for_time_is_told_once_a_second():
    pairing = Bench().pairing
    assert pairing.on_foreign(BASE) == [Refused(BASE, "not-read", 0, 1)]
    assert pairing.on_foreign(BASE + NS_PER_S - 1) == []
    assert pairing.on_foreign(BASE + NS_PER_S) == [Refused(BASE + NS_PER_S, "not-read", 0, 1)]
    assert pairing.on_foreign(BASE + 2 * NS_PER_S - 1) == []


def test_what_is_not_read_for_time_is_passed_over_beside_labels():
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    assert bench.pairing.on_foreign(BASE + 3150 * NS_PER_MS - 1) == []
    assert len(bench.pairing.on_foreign(BASE + 3150 * NS_PER_MS)) == 1


@pytest.mark.parametrize("second60", [False, True])
def test_a_message_on_time_with_nothing_waits_for_no_pulse_where_its_own_was_named(second60):
    bench = Bench()
    bench.edge(0)
    assert len(bench.label(10, 0, mark=MARKED, second60=second60)) == 1
    assert bench.label(600, 0, mark=MARKED, second60=second60) == []
    assert bench.edge(1000) == []


@pytest.mark.parametrize("timescale", ["utc", "unstated"])
def test_where_the_operator_vouches_for_it_what_states_no_scale_is_utc_too(timescale):
    bench = Bench()
    vouched = parse_policy('[receiver]\ntimescale = "utc"\n[pps]\n')
    bench.pairing = Pairing(vouched, True, bench.health)
    bench.edge(0)
    assert told(bench.label(100, 0, timescale=timescale)) == [("", 0)]


@pytest.mark.parametrize(("at_ms", "alone"), [(3150, False), (3151, True)])
def test_another_time_scale_speaks_alone_after_three_seconds(at_ms, alone):
    bench = Bench()
    bench.edge(0)
    bench.label(150, 0)
    refused = [Refused(BASE + at_ms * NS_PER_MS, "gps-time", 0, 1)]
    assert bench.label(at_ms, 3, timescale="gps") == (refused if alone else [])
