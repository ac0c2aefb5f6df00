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


def test_a_slew_needs_half_a_second_to_be_measured_and_no_more():
    for base, known in ((NS_PER_S // 2 - 1, False), (NS_PER_S // 2, True)):
        timeline = Timeline()
        timeline.observe(Tick(0, 0, 100))
        event = Tick(base, base, 100)
        timeline.observe(event)
        assert timeline.place(event, event.real_ns - NS_PER_MS).unc_ns == (101 if known else 113_101)


def test_a_slew_is_measured_over_thirty_seconds_at_most():
    for base, known in ((30 * NS_PER_S, True), (30 * NS_PER_S + 1, False)):
        timeline = Timeline()
        timeline.observe(Tick(0, 0, 100))
        event = Tick(base, base, 100)
        timeline.observe(event)
        assert timeline.place(event, event.real_ns - NS_PER_MS).unc_ns == (101 if known else 113_101)


def test_two_brackets_explain_as_much_as_they_are_wide_but_a_millisecond_at_most():
    """At one instant of the counter nothing is slewed: only the brackets can explain a difference."""
    for unc, off, step in ((300, 600, 0), (300, 601, 601), (300, -601, -601), (10**9, NS_PER_MS, 0)):
        timeline = Timeline()
        timeline.observe(Tick(0, 0, unc))
        assert timeline.observe(Tick(0, off, unc)) == step
    timeline = Timeline()
    timeline.observe(Tick(0, 0, 10**9))
    assert timeline.observe(Tick(0, NS_PER_MS + 1, 10**9)) == NS_PER_MS + 1


@pytest.mark.parametrize("sign", [1, -1])
def test_what_a_slew_can_do_is_no_step_to_the_last_nanosecond(sign):
    """10.1 % of a second, and two brackets of 100 ns."""
    for beyond, told in ((0, False), (1, True)):
        timeline = Timeline()
        timeline.observe(Tick(0, 0, 100))
        off = sign * (101 * NS_PER_MS + 200 + beyond)
        assert timeline.observe(Tick(NS_PER_S, NS_PER_S + off, 100)) == (off if told else 0)


def test_events_out_of_order_are_measured_by_their_distance():
    timeline = Timeline()
    timeline.observe(Tick(NS_PER_S, NS_PER_S, 100))
    assert timeline.observe(Tick(0, 50 * NS_PER_MS, 100)) == 0


@pytest.mark.parametrize(("advance", "known"), [(-1, False), (0, False), (1, True)])
def test_a_clock_that_stands_still_or_goes_back_has_no_rate(advance, known):
    """Brackets of a millisecond hide it: the next pulse must not be placed by a division through it."""
    timeline = Timeline()
    for part in range(500):
        assert timeline.observe(Tick(part * NS_PER_MS, 0, NS_PER_MS)) == 0
    event = Tick(500 * NS_PER_MS, advance, NS_PER_MS)
    assert timeline.observe(event) == 0
    placed = timeline.place(event, event.real_ns - 10)
    assert (placed.raw_ns == event.raw_ns - 10) is not known


def test_the_system_clock_is_told_from_the_last_event_s_two_clocks():
    timeline = Timeline()
    assert timeline.system_ns(5) is None
    timeline.observe(Tick(1000, 70_000, 100))
    assert timeline.system_ns(1300) == 70_300
    timeline.observe(Tick(2000, 71_000, 100))
    assert timeline.system_ns(1900) == 70_900


def test_a_placed_stamp_is_rounded_to_the_nearest_and_as_sure_as_the_slew_is_steady():
    """On a clock that runs 10 % fast 11 ns are 10: of 6 ns are 5.45, of 5 ns 4.55."""
    timeline = Timeline()
    timeline.observe(Tick(0, 0, 100))
    event = Tick(NS_PER_S, NS_PER_S * 11 // 10, 100)
    assert timeline.observe(event) == 0
    for back, raw_back in ((11, 10), (6, 5), (5, 5)):
        assert timeline.place(event, event.real_ns - back).raw_ns == NS_PER_S - raw_back
    assert timeline.place(event, event.real_ns).unc_ns == 101
    for sign in (1, -1):  # a tenth of the distance: by so much the slew differs from none
        assert timeline.place(event, event.real_ns - sign * 1000).unc_ns == 201
