"""The battery clock: its interval, its jumps, and when it has nothing to say."""

from refclock.core.seconds.interval import RawRate
from refclock.core.witness.rtc import RtcWitness
from refclock.model import RtcTick
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S

LIMITS = parse_policy("").limits
EXACT = RawRate(0, 0)
UTC_S = 1_803_859_200


def tick(second: int, off_ns: int = 0, unc_ns: int = 1_000, rtc_s: int | None = None) -> RtcTick:
    """The RTC begins second ``UTC_S + second`` when the counter says so, ``off_ns`` late."""
    return RtcTick(second * NS_PER_S + off_ns, 0, unc_ns, "rtc0", UTC_S + second if rtc_s is None else rtc_s)


def test_before_its_first_tick_it_has_no_opinion():
    rtc = RtcWitness(LIMITS)
    assert not rtc.present
    assert rtc.interval(0, EXACT) is None
    assert rtc.age_ns(5) is None
    assert not rtc.ticked_since(0)
    rtc.calibrate(0, 0, 0, EXACT)
    assert rtc.interval(0, EXACT) is None


def test_at_first_contact_it_is_as_good_as_configured():
    rtc = RtcWitness(LIMITS)
    assert rtc.tick(tick(0), EXACT, 0) == 0
    said = rtc.interval(10 * NS_PER_S, EXACT)
    assert said is not None
    assert said.holds((UTC_S + 10) * NS_PER_S)
    assert said.half_ns == LIMITS.rtc_error_ns + 1_000 + 1
    assert rtc.age_ns(7) == 7
    assert rtc.ticked_since(0)
    assert not rtc.ticked_since(1)


def test_calibrated_it_is_narrow_and_widens_with_its_drift():
    rtc = RtcWitness(LIMITS)
    rtc.tick(tick(0), EXACT, 0)
    rtc.calibrate(0, UTC_S * NS_PER_S - 700, 3_000, EXACT)
    at = 1000
    rtc.tick(tick(at), EXACT, 0)
    said = rtc.interval(at * NS_PER_S, EXACT)
    assert said is not None
    assert said.holds((UTC_S + at) * NS_PER_S - 700)
    assert said.half_ns == 3_000 + 1_000 + 20 * NS_PER_MS + 1_000 + 20 * NS_PER_MS


def test_an_enrolled_rate_is_taken_out():
    rtc = RtcWitness(LIMITS)
    rtc.enroll(10 * 10**6, 0)  # 10 ppm fast
    rtc.tick(tick(0), EXACT, 0)
    rtc.calibrate(0, UTC_S * NS_PER_S, 0, EXACT)
    assert rtc.tick(tick(10_000, off_ns=-100 * NS_PER_MS), EXACT, 0) == 0
    said = rtc.interval(10_000 * NS_PER_S, EXACT)
    assert said is not None
    assert abs((said.lo_ns + said.hi_ns) // 2 - (UTC_S + 10_000) * NS_PER_S) <= 2_000
    assert rtc.enrolled == (10 * 10**6, 0)


def test_a_jump_silences_it_for_good():
    rtc = RtcWitness(LIMITS)
    rtc.tick(tick(0), EXACT, 0)
    moved = rtc.tick(tick(10, rtc_s=UTC_S + 15), EXACT, 0)
    assert moved == 5 * NS_PER_S
    assert rtc.stepped_ns == moved
    assert rtc.interval(10 * NS_PER_S, EXACT) is None
    rtc.tick(tick(20, rtc_s=UTC_S + 25), EXACT, 0)
    assert rtc.interval(20 * NS_PER_S, EXACT) is None
    rtc.calibrate(20 * NS_PER_S, UTC_S * NS_PER_S, 0, EXACT)
    assert rtc.interval(20 * NS_PER_S, EXACT) is None


def test_jitter_of_polling_is_no_jump():
    rtc = RtcWitness(LIMITS)
    rtc.tick(tick(0), EXACT, 0)
    assert rtc.tick(tick(10, off_ns=20 * NS_PER_MS), EXACT, 0) == 0
    assert rtc.tick(tick(20, off_ns=-9 * NS_PER_MS), EXACT, 0) != 0


def test_slow_steps_do_not_walk_it_away_unnoticed():
    """A witness that is moved by a little less than a jump at every tick must not vouch for where it went."""
    rtc = RtcWitness(LIMITS)
    rtc.tick(tick(0), EXACT, 0)
    rtc.calibrate(0, UTC_S * NS_PER_S, 0, EXACT)
    for number in range(1, 61):
        rtc.tick(tick(number * 16, off_ns=-number * 19 * NS_PER_MS), EXACT, 0)
    said = rtc.interval(960 * NS_PER_S, EXACT)
    assert said is None or said.holds((UTC_S + 960) * NS_PER_S)


def test_a_jump_and_a_creep_are_told_apart():
    """What crept may have been the counter, which receiver and RTC left together (Witnesses.raw_jumped)."""
    jumped, crept = RtcWitness(LIMITS), RtcWitness(LIMITS)
    for rtc in (jumped, crept):
        rtc.tick(tick(0), EXACT, 0)
        rtc.calibrate(0, UTC_S * NS_PER_S, 0, EXACT)
    assert jumped.tick(tick(16, 300 * NS_PER_MS), EXACT, 0)
    assert not jumped.crept
    # 30 ppm more than the 20 ppm that it may drift, in steps that are no jumps.
    second = 0
    while not crept.tick(tick(second := second + 16, second * 50_000), EXACT, 0):
        assert second < 10_000
    assert crept.crept
    assert crept.drifted_ns(1000 * NS_PER_S) == 20 * NS_PER_MS


def test_one_that_follows_the_system_or_is_silent_has_no_opinion():
    rtc = RtcWitness(LIMITS)
    rtc.tick(tick(0), EXACT, 0)
    assert rtc.interval(181 * NS_PER_S, EXACT) is None
    rtc.follows_system = True
    assert rtc.interval(NS_PER_S, EXACT) is None


def test_leap_seconds_of_before_the_first_tick_are_added():
    rtc = RtcWitness(LIMITS)
    rtc.tick(tick(0), EXACT, 1)
    said = rtc.interval(0, EXACT)
    assert said is not None
    assert (said.lo_ns + said.hi_ns) // 2 == (UTC_S + 1) * NS_PER_S


def test_a_counter_that_lost_its_continuity_begins_a_new_acquaintance():
    rtc = RtcWitness(LIMITS)
    rtc.tick(tick(0), EXACT, 0)
    rtc.calibrate(0, UTC_S * NS_PER_S, 0, EXACT)
    rtc.forget_raw()
    assert not rtc.present
    rtc.tick(tick(0), EXACT, 0)
    said = rtc.interval(0, EXACT)
    assert said is not None
    assert said.half_ns == LIMITS.rtc_error_ns + 1_000
