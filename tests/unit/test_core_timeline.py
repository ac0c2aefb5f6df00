"""Where a CLOCK_REALTIME stamp lies on the raw counter, and steps of CLOCK_REALTIME."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refclock.core.seconds.timeline import Timeline
from refclock.model import Tick
from refclock.units import NS_PER_MS, NS_PER_S


def walk(timeline: Timeline, slew_ppm: int, seconds: int = 5, begin: int = 0) -> Tick:
    """Seconds pass on a slewed clock; returns the last event."""
    event = Tick(begin, begin, 100)
    for second in range(seconds):
        raw = begin + second * NS_PER_S
        event = Tick(raw, raw + (raw - begin) * slew_ppm // 10**6, 100)
        assert timeline.observe(event) == 0
    return event


@pytest.mark.parametrize("slew_ppm", [0, 500, -500, 100_000, -100_000])
def test_a_steady_slew_is_taken_out(slew_ppm):
    timeline = Timeline()
    event = walk(timeline, slew_ppm)
    placed = timeline.place(event, event.real_ns - 2 * NS_PER_MS)
    true = event.raw_ns - 2 * NS_PER_MS * 10**6 // (10**6 + slew_ppm)
    assert abs(placed.raw_ns - true) <= 2
    assert placed.unc_ns >= 100


def test_before_a_slew_is_known_a_tenth_of_the_distance_is_uncertain():
    timeline = Timeline()
    event = Tick(NS_PER_S, 0, 100)
    assert timeline.observe(event) == 0
    placed = timeline.place(event, -NS_PER_MS)
    assert placed.raw_ns == NS_PER_S - NS_PER_MS
    assert placed.unc_ns == 100 + 113_001


@pytest.mark.parametrize("step", [NS_PER_S, -NS_PER_S, 102 * NS_PER_MS])
def test_a_step_is_told_once_and_the_slew_is_measured_anew(step):
    timeline = Timeline()
    event = walk(timeline, 0)
    after = Tick(event.raw_ns + NS_PER_S, event.real_ns + NS_PER_S + step, 100)
    assert timeline.observe(after) == step
    assert timeline.place(after, after.real_ns - NS_PER_MS).unc_ns > 100_000
    assert timeline.observe(Tick(after.raw_ns + NS_PER_S, after.real_ns + NS_PER_S, 100)) == 0


def test_a_wide_bracket_does_not_hide_a_step():
    timeline = Timeline()
    walk(timeline, 0, 2)
    assert timeline.observe(Tick(NS_PER_S, NS_PER_S + 3 * NS_PER_MS, 10**12)) == 3 * NS_PER_MS


def test_a_slew_over_a_long_silence_is_not_trusted():
    timeline = Timeline()
    walk(timeline, 0)
    event = Tick(100 * NS_PER_S, 100 * NS_PER_S, 100)
    assert timeline.observe(event) == 0
    assert timeline.place(event, event.real_ns - NS_PER_MS).unc_ns == 100 + 113_001


STAMPS = st.integers(-(1 << 63), (1 << 63) - 1)


@given(st.lists(st.tuples(STAMPS, STAMPS, st.integers(0, 1 << 63), STAMPS), max_size=12))
def test_no_stamps_whatever_raise(events):
    timeline = Timeline()
    for raw, real, unc, at in events:
        event = Tick(raw, real, unc)
        timeline.observe(event)
        assert timeline.place(event, at).unc_ns >= unc


@given(
    st.lists(st.integers(1, 3 * 10**9), min_size=2, max_size=9),
    st.integers(-100_000, 100_000),
    st.integers(0, 500 * NS_PER_MS),
)
def test_a_placed_stamp_is_as_near_as_it_says(spans, ppm, back):
    timeline, raw, real = Timeline(), 0, 0
    history = [(0, 0)]
    timeline.observe(Tick(0, 0, 0))
    event = Tick(0, 0, 0)
    for span in spans:
        raw, real = raw + span, real + span + span * ppm // 10**6
        history.append((raw, real))
        event = Tick(raw, real, 0)
        assert timeline.observe(event) == 0
    at = real - min(back, real - history[-2][1])
    (raw0, real0), (raw1, real1) = history[-2:]
    true = raw0 + (at - real0) * (raw1 - raw0) // max(1, real1 - real0)
    placed = timeline.place(event, at)
    assert abs(placed.raw_ns - true) <= placed.unc_ns + 2 + 4 * back // 500_000_000
