"""One attempt to trust a receiver, second by second: how long it lasts, what ends it, what it proves."""

from dataclasses import replace
from typing import Any

import pytest

from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.pairing import Refused, Second
from refclock.core.trust.acquire import Acquisition, Ready
from refclock.core.witness.assessment import Assessment
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S, PPT_PER_PPM
from tests.unit.test_core_acquire import ENROLLED, NOBODY, POLICY, UNKNOWN, second, si, told_by
from tests.unit.test_core_host import BEGIN_S, KDC

LIMITS = POLICY.limits
EXACT = RawRate(0, 0, enrolled=True)
# A dwell that is shorter than the edge proof.
SHORT = parse_policy(KDC + '[limits]\ndwell_warm_s = 10\n[loosened]\ndwell_warm_s = "a test"\n').limits


def said(
    at_s: int, half_ms: int | None = 5, rtc_ms: int | None = None, agreeing: int = 2, off_ns: int = 0
) -> Assessment:
    """The witnesses agree: a quorum and an RTC of so many ms to either side, where they speak."""
    return replace(
        NOBODY,
        quorum=None if half_ms is None else told_by(at_s, half_ms, off_ns),
        rtc=None if rtc_ms is None else told_by(at_s, rtc_ms, off_ns),
        agreeing=agreeing,
    )


def take(
    attempt: Acquisition,
    at_s: int,
    told: Assessment,
    *,
    rate: RawRate = ENROLLED,
    off_ns: int = 0,
    confirmed: bool = True,
) -> Refused | Ready:
    """One second into the dwell, whose label is ahead by ``off_ns``."""
    one = second(at_s)
    return attempt.consider(one, si(one) + off_ns, rate, told, confirmed)


def refused(found: Refused | Ready) -> tuple[str, int, int]:
    """Reason, value and limit; the edge and the label are those of the second."""
    assert isinstance(found, Refused)
    assert found.utc_s == BEGIN_S + found.raw_ns // NS_PER_S
    return found.reason, found.value, found.limit


# ---- how long -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "confirmed", "half_ms", "needed_s"),
    [
        (ENROLLED, True, 250, 120),
        (ENROLLED, True, 251, 1800),
        (ENROLLED, True, None, 1800),
        (ENROLLED, False, 5, 1800),
        (UNKNOWN, True, 5, 1800),
    ],
)
def test_a_warm_dwell_needs_the_enrolment_the_leap_count_and_a_sharp_quorum(
    rate, confirmed, half_ms, needed_s
):
    attempt = Acquisition(LIMITS, NS_PER_MS)
    assert attempt.needed_ns == 1800 * NS_PER_S
    found = take(attempt, 0, said(0, half_ms), rate=rate, confirmed=confirmed)
    assert refused(found) == ("dwell", 0, needed_s * NS_PER_S)
    assert attempt.needed_ns == needed_s * NS_PER_S


def test_the_dwell_ends_at_its_second():
    attempt = Acquisition(LIMITS, NS_PER_MS)
    assert attempt.elapsed_ns(77) == 0
    take(attempt, 3, said(3))
    assert attempt.elapsed_ns(5 * NS_PER_S) == 2 * NS_PER_S
    assert refused(take(attempt, 122, said(122))) == ("dwell", 119 * NS_PER_S, 120 * NS_PER_S)
    assert isinstance(take(attempt, 123, said(123)), Ready)


def test_an_attempt_that_begins_anew_knows_nothing_of_the_one_before():
    attempt = Acquisition(LIMITS, NS_PER_MS)
    take(attempt, 0, said(0), rate=UNKNOWN)
    attempt.reset()
    assert attempt.elapsed_ns(9 * NS_PER_S) == 0
    assert attempt.needed_ns == 1800 * NS_PER_S
    # Another label, at another phase, and a quorum that is heard for the second half only.
    other = second(10, 75, phase_ms=500)
    assert reason(attempt.consider(other, si(other), UNKNOWN, NOBODY, False)) == "dwell"
    found: Refused | Ready | None = None
    for at in (911, 1810):
        one = second(at, at + 65, phase_ms=500)
        told = replace(NOBODY, quorum=replace(told_by(at + 65), as_of_ns=at * NS_PER_S), agreeing=2)
        found = attempt.consider(one, si(one), UNKNOWN, told, False)
    assert isinstance(found, Ready)
    assert found.rate is UNKNOWN  # 899 s of a quorum teach no rate; those of before do not count


def reason(found: Refused | Ready) -> str:
    """The reason, or "" when the dwell is over."""
    return found.reason if isinstance(found, Refused) else ""


def test_the_edge_proof_lasts_for_its_own_time_however_short_the_dwell():
    attempt = Acquisition(SHORT, NS_PER_MS)
    take(attempt, 0, said(0))
    assert refused(take(attempt, 9, said(9)))[0] == "dwell"
    assert refused(take(attempt, 29, said(29)))[0] == "edge-proof-unproven"
    assert isinstance(take(attempt, 30, said(30)), Ready)


# ---- by which second all others are judged -----------------------------------------------------


def dwelt(off_ns: list[int], rate: RawRate = EXACT) -> list[str]:
    """The reasons of the seconds from the end of a dwell on, the last ones of which lie off by so much."""
    attempt = Acquisition(LIMITS, NS_PER_MS)
    take(attempt, 0, said(0), rate=rate)
    begin = 120 - len(off_ns) + 1
    found = [
        take(attempt, begin + at, said(begin + at), rate=rate, off_ns=off) for at, off in enumerate(off_ns)
    ]
    return [reason(one) for one in found]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("off_ns", "told"), [(500_000, ""), (500_001, "anchor-astray")])
def test_the_first_that_is_fed_lies_within_half_of_the_mask_of_most_just_before_it(sign, off_ns, told):
    assert dwelt([0] * 7 + [sign * off_ns])[-1] == told


def test_a_pulse_astray_is_not_fed_first_and_the_next_one_is():
    attempt = Acquisition(LIMITS, NS_PER_MS)
    for at in range(120):
        assert reason(take(attempt, at, said(at), rate=EXACT)) == "dwell"
    assert refused(take(attempt, 120, said(120), rate=EXACT, off_ns=4 * NS_PER_MS)) == (
        "anchor-astray",
        4 * NS_PER_MS,
        NS_PER_MS // 2,
    )
    assert isinstance(take(attempt, 121, said(121)), Ready)


@pytest.mark.parametrize(("astray", "told"), [(3, ""), (4, "anchor-astray")])
def test_most_are_five_of_eight_with_itself(astray, told):
    assert dwelt([4 * NS_PER_MS] * astray + [0] * (8 - astray))[-1] == told


def test_only_the_latest_eight_count():
    assert dwelt([4 * NS_PER_MS] * 20 + [0] * 4)[-1] == "anchor-astray"
    assert dwelt([4 * NS_PER_MS] * 20 + [0] * 5)[-1] == ""


def test_what_the_counter_s_rate_may_be_off_by_does_not_lead_astray():
    """Each second lies 200 us off the one before, which is what a rate may do that is known to 200 ppm."""
    blunt = RawRate(0, 200 * PPT_PER_PPM, enrolled=True)
    creeping = [at * 200_000 for at in range(8)]
    assert dwelt(creeping, EXACT)[-1] == "anchor-astray"
    assert dwelt(creeping, blunt)[-1] == ""


def test_an_attempt_that_begins_anew_knows_none_of_the_pulses_before():
    attempt = Acquisition(LIMITS, NS_PER_MS)
    for at in range(120):
        take(attempt, at, said(at), off_ns=4 * NS_PER_MS)
    attempt.reset()
    take(attempt, 120, said(120))
    assert isinstance(take(attempt, 240, said(240)), Ready)


# ---- what is proven -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("half_ms", "rtc_ms", "value_ms"),
    [(260, 400, 260), (400, 260, 260), (None, 251, 251), (251, None, 251), (None, None, 1800_000)],
)
def test_a_blunt_witness_proves_nothing_and_the_sharpest_is_told(half_ms, rtc_ms, value_ms):
    attempt = Acquisition(LIMITS, NS_PER_MS)
    take(attempt, 0, said(0))
    found = take(attempt, 1800, said(1800, half_ms, rtc_ms))
    assert refused(found) == ("edge-proof-unproven", value_ms * NS_PER_MS, 250 * NS_PER_MS)


@pytest.mark.parametrize(("half_ms", "rtc_ms"), [(250, None), (None, 250), (400, 250), (250, 400)])
def test_one_witness_as_sharp_as_it_must_be_is_enough(half_ms, rtc_ms):
    attempt = Acquisition(LIMITS, NS_PER_MS)
    take(attempt, 0, said(0))
    found = take(attempt, 1800, said(1800, half_ms, rtc_ms))
    assert isinstance(found, Ready)
    assert found.error_ns == 250 * NS_PER_MS + 100


def test_the_error_is_to_the_farthest_point_of_the_witness_that_binds_most():
    attempt = Acquisition(LIMITS, NS_PER_MS)
    take(attempt, 0, said(0))
    found = take(attempt, 1800, said(1800, 5, 3), off_ns=NS_PER_MS)
    assert isinstance(found, Ready)
    assert found.error_ns == (3 + 1) * NS_PER_MS + 100


@pytest.mark.parametrize(("agreeing", "further", "count"), [(1, 0, 1), (3, 2, 1), (3, 1, None)])
def test_too_few_witnesses_and_those_that_do_not_count_before_trust(agreeing, further, count):
    attempt = Acquisition(LIMITS, NS_PER_MS)
    take(attempt, 0, said(0))
    found = take(attempt, 1800, replace(said(1800, agreeing=agreeing), further=further))
    if count is None:
        assert isinstance(found, Ready)
    else:
        assert refused(found) == ("witnesses", count, 2)


@pytest.mark.parametrize(("label_s", "off_s"), [(4, -1), (6, 1), (3605, 3600)])
def test_a_label_continues_the_one_before(label_s, off_s):
    attempt = Acquisition(LIMITS, NS_PER_MS)
    take(attempt, 0, said(0))
    one = second(5, label_s)
    found = attempt.consider(one, si(one), ENROLLED, said(5), True)
    assert isinstance(found, Refused)
    assert (found.reason, found.value, found.limit) == ("label-continuity", off_s, 0)
    assert found.moved_ns == off_s * NS_PER_S


@pytest.mark.parametrize(
    ("phases", "value"), [((120, 420), None), ((120, 421), 301), ((-100, 200), None), ((150, -151), 301)]
)
def test_messages_that_come_at_any_time_prove_nothing(phases, value):
    attempt = Acquisition(LIMITS, NS_PER_MS)
    found: Refused | Ready = Refused(0, "", 0, 0)
    for at, phase in enumerate(phases):
        one = second(at, phase_ms=phase)
        found = attempt.consider(one, si(one), ENROLLED, said(at), True)
    expected = ("dwell", NS_PER_S, 120 * NS_PER_S)
    if value is not None:
        expected = ("edge-proof-spread", value * NS_PER_MS, 300 * NS_PER_MS)
    assert refused(found) == expected


@pytest.mark.parametrize(
    ("known_ms", "phase_ms", "value_ms"),
    [
        ((270, 300), 120, None),
        ((272, 300), 120, -166),
        ((-200, -30), 120, None),
        ((-200, -32), 120, 236),
        ((100, 110), 260, None),
    ],
)
def test_messages_come_when_they_came_at_the_enrolment(known_ms, phase_ms, value_ms):
    """Give or take half the spread; value and limit count from the middle of what was measured."""
    attempt = Acquisition(LIMITS, NS_PER_MS)
    low, high = known_ms
    attempt.enrolled_phases = low * NS_PER_MS, high * NS_PER_MS
    one = second(0, phase_ms=phase_ms)
    found = attempt.consider(one, si(one), ENROLLED, said(0), True)
    if value_ms is None:
        assert reason(found) == "dwell"
    else:
        limit = (high - low + 300) * NS_PER_MS // 2
        assert refused(found) == ("edge-proof-phase", value_ms * NS_PER_MS, limit)


# ---- objections ---------------------------------------------------------------------------------


def objection(one: Second, what: str) -> Refused:
    """What a witness says against a second."""
    return Refused(one.edge.raw_ns, what, 7, 5, one.utc_s)


@pytest.mark.parametrize("who", ["quorum", "rtc", "cesium", "further"])
@pytest.mark.parametrize("half_ms", [5, None])
def test_no_witness_may_object(who, half_ms):
    attempt = Acquisition(LIMITS, NS_PER_MS)
    against = objection(second(0), who)
    fields: dict[str, Any] = {f"{who}_objects": against}
    told = replace(said(0, half_ms, half_ms), **fields)
    assert take(attempt, 0, told) is against
    assert reason(take(attempt, 1, said(1))) == "dwell"


@pytest.mark.parametrize("who", ["quorum", "rtc"])
@pytest.mark.parametrize(
    ("ahead_s", "off_ns", "half_ms", "value"),
    [
        (1, 0, 250, 1),
        (-1, 0, 250, -1),
        (1, 0, 251, None),  # too blunt to tell the seconds apart
        (2, 0, 250, None),
        (1, 250 * NS_PER_MS + 100, 250, 1),  # the pulse itself is known to 100 ns only
        (1, 250 * NS_PER_MS + 101, 250, None),
    ],
)
def test_who_names_the_second_beside_says_which_pulse_the_label_named(who, ahead_s, off_ns, half_ms, value):
    """Of two witnesses it is the one that objects; the quorum where both do."""
    one = second(0)
    beside = told_by(0, half_ms, off_ns - ahead_s * NS_PER_S)
    against = objection(one, who)
    fields: dict[str, Any] = {who: beside, f"{who}_objects": against}
    told = replace(said(0, 5, 5), **fields)
    if who == "quorum":
        told = replace(told, rtc_objects=objection(one, "rtc"))
    found = Acquisition(LIMITS, NS_PER_MS).consider(one, si(one), ENROLLED, told, True)
    if value is None:
        assert found is against
    else:
        assert refused(found) == ("edge-proof", value, 0)


# ---- the rate of a host that was never enrolled -------------------------------------------------


def learnt(own_ns: int, span_s: int = 1800) -> Refused | Ready:
    """The end of a dwell of 2000 s in which the receiver gained ``own_ns`` on the counter; the quorum, heard
    for the last ``span_s`` only, gained 18 ms, give or take 9: 10 ppm of 1800 s, give or take 5."""
    half_ns = 4_500_000
    attempt = Acquisition(LIMITS, NS_PER_MS)
    found: Refused | Ready | None = None
    for at_s in (70, 2070 - span_s, 2070):
        gained = 18_000_000 * (at_s == 2070)
        middle = (BEGIN_S + at_s) * NS_PER_S + gained
        told = Interval(middle - half_ns, middle + half_ns, at_s * NS_PER_S)
        spoke = replace(NOBODY, quorum=told, agreeing=2) if at_s > 70 else NOBODY
        found = take(attempt, at_s, spoke, rate=UNKNOWN, off_ns=own_ns * (at_s == 2070))
    assert found is not None
    return found


@pytest.mark.parametrize("own_ns", [10_000_000, 20_000_000, 30_000_000])
def test_the_rate_is_the_quorum_s_if_the_receiver_s_own_lies_within_it(own_ns):
    found = learnt(own_ns)
    assert isinstance(found, Ready)
    assert found.rate == RawRate(10 * PPT_PER_PPM, 5 * PPT_PER_PPM + 1 + 2 * PPT_PER_PPM)


@pytest.mark.parametrize("own_ns", [9_999_000, 30_001_000])
def test_a_receiver_whose_own_rate_is_not_the_quorum_s_is_refused(own_ns):
    found = learnt(own_ns)
    assert refused(found) == ("rate-disagrees", 5 * PPT_PER_PPM + 500, 5 * PPT_PER_PPM + 1)


@pytest.mark.parametrize(("span_s", "learns"), [(1000, True), (900, True), (899, False)])
def test_a_quorum_must_be_heard_for_half_the_dwell_to_teach_a_rate(span_s, learns):
    found = learnt(20_000_000, span_s)
    assert isinstance(found, Ready)
    assert (found.rate is not UNKNOWN) is learns


def test_without_a_quorum_at_the_end_no_rate_is_learnt():
    attempt = Acquisition(LIMITS, NS_PER_MS)
    take(attempt, 0, said(0), rate=UNKNOWN)
    found = take(attempt, 1800, said(1800, None, 5), rate=UNKNOWN)
    assert isinstance(found, Ready)
    assert found.rate is UNKNOWN
