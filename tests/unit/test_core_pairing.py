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
from refclock.wire.report import Label

RATE = RawRate(0, 0)
UTC_S = 1_803_859_200
POLICY = parse_policy("[pps]\ndelay_ns = 40\n")
BARE = parse_policy("[receiver]\nmessage_delay_us = 100000\nmessage_jitter_us = 20000\n")
GOOD = Label("nmea", "RMC", 0, 1, UTC_S, valid=True)


class Bench:
    """A pairing whose receiver speaks RMC; times in ms."""

    def __init__(self, has_pps: bool = True) -> None:
        self.health = ReceiverHealth(500, 3600 * NS_PER_S)
        self.pairing = Pairing(POLICY if has_pps else BARE, has_pps, self.health)
        self.number = 0

    def edge(self, at_ms: int) -> list[Second | Refused]:
        """A pulse."""
        self.number += 1
        at = at_ms * NS_PER_MS
        return self.pairing.on_edge(Edge(at, 5, at + 7), self.number, RATE)

    def label(self, at_ms: int, second: int, **change: Any) -> list[Second | Refused]:
        """A label of ``UTC_S`` plus ``second``."""
        label = replace(GOOD, utc_s=UTC_S + second, **change)
        at = at_ms * NS_PER_MS
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
    assert (second.edge.raw_ns, second.edge.at_ns, second.utc_s) == (0, 7, UTC_S)
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
    bench.health.hear(replace(GOOD, message="GNS", valid=False), 140 * NS_PER_MS)
    bench.edge(0)
    assert told(bench.label(150, 0)) == [("receiver-invalid", 0)]


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
    bench.pairing.expect(0)
    bench.edge(500)
    bench.edge(1000)
    found = bench.label(1150, 1)
    assert told(found) == [("edge-extra", 500 * NS_PER_MS), ("", 1)]
    assert bench.pairing.extra_edges == 1
    assert bench.label(1160, 1) == []


def test_two_pulses_within_the_window_are_ambiguous():
    bench = Bench()
    bench.pairing.expect(0)
    bench.edge(996)
    bench.edge(1003)
    assert told(bench.label(1150, 1)) == [("edge-ambiguous", 2)]
    assert bench.label(1160, 1) == []


def test_a_pulse_outside_its_window_is_refused_with_how_far_it_moved():
    bench = Bench()
    bench.pairing.expect(0)
    bench.edge(1020)
    found = bench.label(1150, 1)
    assert told(found) == [("edge-window", 20 * NS_PER_MS)]
    refused = found[0]
    assert isinstance(refused, Refused)
    assert refused.moved_ns == -20 * NS_PER_MS
    assert refused.limit == 10 * NS_PER_MS + 102_000


def test_a_pulse_astray_of_a_receiver_without_a_fix_is_no_lie():
    bench = Bench()
    bench.pairing.expect(0)
    bench.edge(1020)
    assert told(bench.label(1150, 1, valid=False)) == [("receiver-invalid", 0)]


def test_the_window_widens_with_the_silence_and_never_beyond_all_reason():
    pairing = Bench().pairing
    assert pairing.off_grid(77, RATE) == (0, 400 * NS_PER_MS)
    pairing.expect(0)
    assert pairing.off_grid(NS_PER_S + 5, RATE) == (5, 10 * NS_PER_MS + 100_001)
    assert pairing.off_grid(10**15 - 5, RATE) == (-5, 400 * NS_PER_MS)
    pairing.expect(None)
    assert pairing.off_grid(77, RATE) == (0, 400 * NS_PER_MS)


def test_pulses_out_of_order_and_missed_ones():
    bench = Bench()
    bench.edge(0)
    assert told(bench.edge(-5)) == [("edge-order", -5 * NS_PER_MS)]
    at = Edge(NS_PER_S, 0, 0)
    bench.pairing.on_edge(at, 9, RATE)
    assert bench.pairing.missed_edges == 7


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
    bench.pairing.expect(1900 * NS_PER_MS)
    bench.label(2800, 3, label_edge="next")
    assert bench.edge(3200) == []
    assert bench.label(2801, 0, label_edge="next", frac_ns=NS_PER_S // 2) == []


# ---- without PPS -----------------------------------------------------------------------------------


def test_without_a_pulse_the_first_message_of_a_burst_stands_for_it():
    bench = Bench(has_pps=False)
    found = bench.label(150, 0)
    assert told(found) == [("", 0)]
    second = found[0]
    assert isinstance(second, Second)
    assert second.late_ns == 100 * NS_PER_MS
    assert second.edge.unc_ns == 3 + 20 * NS_PER_MS
    assert second.edge.at_ns == 150 * NS_PER_MS + 7
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
    bench.pairing.expect(150 * NS_PER_MS)
    assert bench.pairing.off_grid(1150 * NS_PER_MS, RATE)[1] >= 40 * NS_PER_MS


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
