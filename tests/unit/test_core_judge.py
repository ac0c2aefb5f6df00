"""What a second must pass once a receiver is trusted, and the bound it earns, to the nanosecond."""

import pytest

from refclock.core.gate.company import MOST
from refclock.core.gate.gate import Mask
from refclock.core.gate.judge import Anchor, Judge, masks_for
from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.pairing import Edge, Refused, Second
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US

PPM = 10**6
HOUR = 3600
YEAR = 365 * 86_400
PPS = '[pps]\ndevice = "/dev/pps0"\n'
POLICY = parse_policy(PPS)  # kdc: 1 ms and 100 ppm; 50 ms and 5 ppm; G 1 h; holdover 5 ppm; 2 s a year
# A host whose counter is 10 ppm slow (UTC runs faster), known to 1 ppm.
RATE = RawRate(10 * PPM, PPM, enrolled=True)
RAW, UTC_S = 7 * 10**12, 1_800_000_000
UTC = UTC_S * NS_PER_S


def judge(rate: RawRate = RATE, error_ns: int = 1000) -> Judge:
    """A judge with an anchor that was accepted."""
    made = Judge(POLICY, Anchor(RAW, UTC, error_ns), rate)
    made.accept(second(0), UTC, None)
    return made


def second(at_s: int, off_ns: int = 0, unc_ns: int = 100) -> Second:
    """The second that begins ``at_s`` after the anchor's; the counter is slow by RATE, and its edge lies
    ``off_ns`` after its place (the receiver's time is behind then)."""
    raw_ns = RAW + at_s * NS_PER_S - at_s * 10_000 + off_ns
    return Second(Edge(raw_ns, unc_ns, 0), UTC_S + at_s, False, 0, 0)


def si(at_s: int, more_ns: int = 0) -> int:
    return UTC + at_s * NS_PER_S + more_ns


def refused(made: Judge, one: Second, si_ns: int, witnessed: bool = True) -> tuple[str, int, int] | None:
    found = made.judge(one, si_ns, witnessed)
    return None if found is None else (found.reason, found.value, found.limit)


# ---- the masks in force ----------------------------------------------------------------------------


def test_mask_2_needs_an_enrolled_rate():
    short, long = Mask(NS_PER_MS, 100 * PPM), Mask(50 * NS_PER_MS, 5 * PPM)
    assert masks_for(POLICY, True) == (short, long)
    assert masks_for(POLICY, False) == (short,)


def test_mask_2_of_kdc_cesium_is_not_the_gate_s_but_the_cesium_s():
    policy = parse_policy('profile = "kdc-cesium"\n' + PPS + '[cesium]\ndevice = "/dev/pps1"\n')
    assert masks_for(policy, True) == (Mask(200_000, 20 * PPM),)


def test_without_a_pulse_both_masks_are_wider_by_the_messages_jitter_both_ways():
    policy = parse_policy("[receiver]\nmessage_jitter_us = 3_000\n")
    assert masks_for(policy, True) == (Mask(7 * NS_PER_MS, 100 * PPM), Mask(56 * NS_PER_MS, 5 * PPM))


# ---- prediction ------------------------------------------------------------------------------------


def test_the_prediction_takes_the_counter_s_rate_out():
    made = judge()
    assert made.predicted_ns(RAW + 1000 * NS_PER_S) == UTC + 1000 * NS_PER_S + 10 * NS_PER_MS
    assert made.phase_ns(RAW + 1000 * NS_PER_S, UTC + 1000 * NS_PER_S) == -10 * NS_PER_MS


def test_what_moved_is_told_from_the_last_second_not_from_the_anchor():
    made = judge()
    made.accept(second(100), si(100, 400_000), None)
    at = second(101).edge.raw_ns
    drift = made.phase_ns(at, si(101))
    assert made.moved_ns(at, si(101, 400_000)) == drift - made.phase_ns(second(100).edge.raw_ns, si(100))


# ---- the bound -------------------------------------------------------------------------------------


def test_a_new_judge_has_the_anchor_s_bound():
    made = Judge(POLICY, Anchor(RAW, UTC, 1234), RATE)
    assert made.last_bound_ns == 1234
    assert made.bound_parts == {"raw": 1234}
    assert (made.last_raw_ns, made.last_si_ns) == (RAW, UTC)


def test_the_bound_by_the_counter_is_the_phase_the_anchor_s_error_what_the_rate_hides_and_the_stamp():
    made = judge(error_ns=1000)
    one = second(1000)
    phase = made.phase_ns(one.edge.raw_ns, si(1000, -5000))
    hidden = 1000 + 999_990  # 1 ppm of 999.99 s on the counter
    assert made.accept(one, si(1000, -5000), None) == abs(phase) + hidden + 100
    assert made.bound_parts == {"raw": made.last_bound_ns}


def test_the_quorum_bounds_by_e_q_as_long_as_the_counter_can_explain_it():
    made = judge(error_ns=10**9)
    one = second(1)
    predicted = made.predicted_ns(one.edge.raw_ns)
    hidden = 10**9 + 1000
    for off, counts in ((hidden, True), (hidden + 1, False), (-hidden, True), (-hidden - 1, False)):
        parts = made._bounds(one.edge.raw_ns, predicted, 100, _point(predicted + off, one))
        assert parts.get("quorum") == (100 * NS_PER_MS + 100 if counts else None)


def _point(utc_ns: int, one: Second) -> Interval:
    return Interval(utc_ns, utc_ns, one.edge.raw_ns)


def test_the_least_of_the_parts_is_the_bound_and_the_cesium_s_is_one():
    made = judge(error_ns=1000)
    one = second(1, unc_ns=70)
    assert made.accept(one, si(1), None, by_cesium_ns=200) == 1000 + 200 + 70
    assert set(made.bound_parts) == {"raw", "cesium"}


def test_in_holdover_the_bound_grows_by_both_rates_and_never_shrinks():
    made = judge()
    last = made.last_bound_ns
    assert made.holdover_ns(RAW) == last
    assert made.holdover_ns(RAW - NS_PER_S) == last
    assert made.holdover_ns(RAW + 1000 * NS_PER_S) == last + 6 * NS_PER_MS
    assert made.holdover_ns(RAW + 1) == last + 1  # outward


# ---- what is refused -------------------------------------------------------------------------------


def test_an_edge_not_later_than_the_last_is_no_second():
    made = judge()
    assert refused(made, second(0), si(0)) == ("edge-order", 0, 1)
    assert refused(made, second(0, -7), si(0)) == ("edge-order", -7, 1)
    assert refused(made, second(0, 1), si(1)) == ("label-continuity", 1, 0)
    assert refused(made, second(1), si(1)) is None


@pytest.mark.parametrize(
    ("off_s", "reason"),
    [
        (1, "label-continuity"),
        (-1, "label-continuity"),
        (86_399, "label-continuity"),
        (86_400, "date-jump"),
        (-86_400, "date-jump"),
    ],
)
def test_a_label_advances_by_the_elapsed_whole_seconds(off_s, reason):
    made = judge()
    found = made.judge(second(10), si(10 + off_s), True)
    assert isinstance(found, Refused)
    assert (found.reason, found.value, found.limit) == (reason, off_s, 0)
    assert found.moved_ns == off_s * NS_PER_S + made.phase_ns(second(10).edge.raw_ns, si(10))
    assert found.utc_s == UTC_S + 10


def test_numbering_ends_where_the_counter_cannot_tell_the_second_any_more():
    """400 ms of doubt, at 100 ppm after 4000 s: from there on the gate alone speaks."""
    made = judge(RawRate(0, 100 * PPM, enrolled=True))
    for raw_s, reason in ((3999, "label-continuity"), (4000, "reanchor")):
        one = Second(Edge(RAW + raw_s * NS_PER_S, 100, 0), UTC_S + raw_s + 1, False, 0, 0)
        found = made.judge(one, UTC + (raw_s + 1) * NS_PER_S, True)
        assert found is not None
        assert found.reason == reason


def test_the_time_never_stands_still_where_numbering_cannot_tell():
    made = judge(RawRate(0, 0, enrolled=True))
    early = Second(Edge(RAW + 400 * NS_PER_MS, 100, 0), UTC_S, False, 0, 0)
    found = made.judge(early, UTC, True)
    assert isinstance(found, Refused)
    assert (found.reason, found.value, found.limit) == ("not-monotone", 0, 1)
    assert found.moved_ns == -400 * NS_PER_MS
    late = made.judge(early, UTC - 50 * NS_PER_MS, True)
    assert isinstance(late, Refused)
    assert (late.reason, late.value) == ("not-monotone", -50 * NS_PER_MS)


def test_beyond_the_mask_the_second_is_refused_with_the_mask_and_what_moved():
    made = judge()
    one = second(10)
    phase = made.phase_ns(one.edge.raw_ns, si(10))
    found = made.judge(one, si(10, 2 * NS_PER_MS + 999_990), True)
    assert isinstance(found, Refused)
    assert (found.reason, found.limit, found.mask) == ("drift-mask", NS_PER_MS, 1)
    assert found.value == 2 * NS_PER_MS + phase
    assert found.moved_ns == 2 * NS_PER_MS + 999_990 + phase


def test_a_refusal_says_how_far_the_second_moved_from_the_last_one():
    made = judge()
    made.accept(second(1), si(1, 700_000), None)
    found = made.judge(second(2), si(2, 1_700_000), True)
    assert isinstance(found, Refused)
    assert found.moved_ns == NS_PER_MS


# ---- after a silence that outgrew the gate -------------------------------------------------------------


@pytest.mark.parametrize(("at_s", "reason"), [(HOUR, "drift-mask"), (HOUR + 1, "reanchor-waits")])
def test_only_a_silence_longer_than_the_gap_budget_outgrows_the_gate(at_s, reason):
    made = judge(RawRate(0, 0, enrolled=True), error_ns=10**9)
    one = Second(Edge(RAW + at_s * NS_PER_S, 100, 0), UTC_S + at_s, False, 0, 0)
    found = made.judge(one, UTC + at_s * NS_PER_S + 80 * NS_PER_MS, True)
    assert found is not None
    assert found.reason == reason


@pytest.mark.parametrize(("at_s", "reason"), [(600, "drift-mask"), (601, "reanchor-waits")])
def test_no_silence_of_less_than_ten_minutes_does_however_tight_the_budget(at_s, reason):
    policy = parse_policy(PPS + "[limits]\ngap_budget_s = 1\n")
    made = Judge(policy, Anchor(RAW, UTC, 10**9), RawRate(0, 0, enrolled=True))
    made.accept(Second(Edge(RAW, 100, 0), UTC_S, False, 0, 0), UTC, None)
    one = Second(Edge(RAW + at_s * NS_PER_S, 100, 0), UTC_S + at_s, False, 0, 0)
    found = made.judge(one, UTC + at_s * NS_PER_S + 80 * NS_PER_MS, True)
    assert found is not None
    assert found.reason == reason


def test_what_is_being_rejected_does_not_outgrow_the_gate_by_waiting():
    made = judge(RawRate(0, 0, enrolled=True), error_ns=10**9)
    made.gate.reject(RAW + NS_PER_S)
    one = Second(Edge(RAW + 5 * HOUR * NS_PER_S, 100, 0), UTC_S + 5 * HOUR, False, 0, 0)
    found = made.judge(one, UTC + 5 * HOUR * NS_PER_S + 80 * NS_PER_MS, True)
    assert found is not None
    assert found.reason == "drift-mask"


def returned(made: Judge, off_ns: int, witnessed: bool = True) -> Refused | None:
    """The judgement of a second after two silent hours, in company of others that lie where it does."""
    at_s = 2 * HOUR
    one = Second(Edge(RAW + at_s * NS_PER_S, 100, 0), UTC_S + at_s, False, 0, 0)
    return [made.judge(one, UTC + at_s * NS_PER_S + off_ns, witnessed) for _ in range(MOST)][-1]


def test_a_new_anchor_comes_in_company_and_a_pulse_astray_is_none():
    """Five seconds, and of the eight latest as many within half of mask 1's offset, which is 1 ms."""
    made = judge(RawRate(0, 0, enrolled=True), error_ns=10**9)

    def back(at_s: int, off_us: int) -> str:
        at_s += 2 * HOUR
        one = Second(Edge(RAW + at_s * NS_PER_S, 100, 0), UTC_S + at_s, False, 0, 0)
        found = made.judge(one, UTC + at_s * NS_PER_S + off_us * NS_PER_US, True)
        if found is None:
            made.accept(one, UTC + at_s * NS_PER_S + off_us * NS_PER_US, None)
        return "" if found is None else found.reason

    assert [back(at, 80_000) for at in range(4)] == ["reanchor-waits"] * 4
    assert back(4, 80_600) == "anchor-astray"
    assert back(5, 80_500) == ""
    assert made.anchor.si_ns == UTC + (2 * HOUR + 5) * NS_PER_S + 80_500 * NS_PER_US


def test_who_came_back_and_fell_silent_again_is_no_company():
    made = judge(RawRate(0, 0, enrolled=True), error_ns=10**9)
    found = []
    for at_s in (0, 1, 2, 3, 64, 65, 66, 67, 68):
        raw_ns = RAW + (2 * HOUR + at_s) * NS_PER_S
        one = Second(Edge(raw_ns, 100, 0), UTC_S + 2 * HOUR + at_s, False, 0, 0)
        found.append(made.judge(one, UTC + raw_ns - RAW + 80 * NS_PER_MS, True))
    assert [one is None for one in found] == [False] * 8 + [True]


def test_a_new_anchor_must_lie_inside_the_holdover_interval():
    made = judge(RawRate(0, 0, enrolled=True), error_ns=99 * NS_PER_MS)
    holdover = made.holdover_ns(RAW + 2 * HOUR * NS_PER_S)
    assert holdover == 99 * NS_PER_MS + 100 + 36 * NS_PER_MS
    assert returned(made, holdover) is None
    assert returned(made, -holdover) is None
    assert returned(made, -holdover - 1) is not None
    found = returned(made, holdover + 1)
    assert isinstance(found, Refused)
    assert (found.reason, found.value, found.limit) == ("reanchor", holdover + 1, holdover)
    assert found.utc_s == UTC_S + 2 * HOUR


def test_a_new_anchor_needs_a_witness_and_waits_for_one():
    made = judge(RawRate(0, 0, enrolled=True), error_ns=99 * NS_PER_MS)
    found = returned(made, 100 * NS_PER_MS, witnessed=False)
    assert isinstance(found, Refused)
    assert (found.reason, found.value) == ("reanchor-waits", 100 * NS_PER_MS)
    assert found.limit == made.holdover_ns(RAW + 2 * HOUR * NS_PER_S)
    assert found.utc_s == UTC_S + 2 * HOUR


def test_a_new_anchor_must_be_payable_from_the_year_s_ledger():
    """Mask 2 pays for 50 ms and 5 ppm of the hour that a silence earns: 68 ms."""
    made = judge(RawRate(0, 0, enrolled=True), error_ns=10**9)
    made.reanchored = [(RAW, 2 * NS_PER_S - 10 * NS_PER_MS)]
    assert returned(made, 78 * NS_PER_MS) is None
    found = returned(made, 78 * NS_PER_MS + 1)
    assert isinstance(found, Refused)
    assert (found.reason, found.limit) == ("reanchor", 10 * NS_PER_MS)
    made.reanchored = [(RAW, 3 * NS_PER_S)]
    found = returned(made, 78 * NS_PER_MS)
    assert isinstance(found, Refused)
    assert (found.reason, found.limit) == ("reanchor", 0)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_new_anchor_is_charged_with_its_excess_and_carries_the_holdover_s_error(sign):
    made = judge(RawRate(0, 0, enrolled=True), error_ns=99 * NS_PER_MS)
    at_s, off = 2 * HOUR, sign * 75 * NS_PER_MS
    one = Second(Edge(RAW + at_s * NS_PER_S, 100, 0), UTC_S + at_s, False, 0, 0)
    holdover = made.holdover_ns(one.edge.raw_ns)
    made.accept(one, UTC + at_s * NS_PER_S + off, None)
    assert made.reanchored == [(one.edge.raw_ns, 7 * NS_PER_MS)]
    assert made.anchor == Anchor(one.edge.raw_ns, UTC + at_s * NS_PER_S + off, holdover + 75 * NS_PER_MS)
    assert made.gate.budget_ns(one.edge.raw_ns) == 0
    assert made.last_bound_ns == holdover + 75 * NS_PER_MS + 100


def test_the_ledger_of_new_anchors_counts_a_year():
    made = judge()
    made.reanchored = [(RAW, 1), (RAW + NS_PER_S, 10)]
    assert made.reanchored_ns(RAW + YEAR * NS_PER_S) == 11
    assert made.reanchored_ns(RAW + YEAR * NS_PER_S + 1) == 10


# ---- through a file and back ---------------------------------------------------------------------------


def kept() -> tuple[Judge, dict[str, object]]:
    made = judge(RawRate(3, 5, enrolled=True), error_ns=1000)
    made.accept(second(50), si(50), None)
    made.reanchored = [(RAW, 70), (RAW + 1, 80)]
    return made, made.memory()


def test_a_judge_comes_back_as_it_was():
    made, memory = kept()
    again = Judge.from_memory(POLICY, memory)
    assert again is not None
    assert again.memory() == memory
    assert again.rate == made.rate
    assert again.anchor == made.anchor
    assert (again.last_raw_ns, again.last_si_ns) == (second(50).edge.raw_ns, si(50))
    assert again.last_bound_ns == made.last_bound_ns
    assert again.reanchored == [(RAW, 70), (RAW + 1, 80)]
    assert again.gate.memory() == made.gate.memory()


def test_a_judge_whose_rate_was_provisional_comes_back_with_one_mask():
    made = Judge(POLICY, Anchor(RAW, UTC, 1), RawRate(1, 2))
    made.accept(second(0), UTC, None)
    again = Judge.from_memory(POLICY, made.memory())
    assert again is not None
    assert not again.rate.enrolled
    assert len(again.gate.masks) == 1


@pytest.mark.parametrize("key", ["anchor", "rate", "last", "gate"])
@pytest.mark.parametrize("value", [None, [1, 2], [1, 2, "3"], {"masks": []}])
def test_a_memory_that_is_not_whole_makes_no_judge(key, value):
    _, memory = kept()
    assert Judge.from_memory(POLICY, {**memory, key: value}) is None


@pytest.mark.parametrize(
    ("ledger", "taken"),
    [(None, []), (7, []), ([7, [1, 2]], [(1, 2)]), ([[1, "2"], [3, 4], [5, 6, 7]], [(3, 4)])],
)
def test_of_a_damaged_ledger_what_is_whole_is_taken(ledger, taken):
    _, memory = kept()
    again = Judge.from_memory(POLICY, {**memory, "reanchored": ledger})
    assert again is not None
    assert again.reanchored == taken
