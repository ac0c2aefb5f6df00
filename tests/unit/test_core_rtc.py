"""The battery clock: its interval, its jumps, and when it has nothing to say."""

import pytest

from refclock.core.seconds.interval import Interval, RawRate
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


# ---- to the nanosecond -----------------------------------------------------------------------------

BASE_S = 5000  # where the counter stands at the first tick
PPM = 10**6


def fed(rtc: RtcWitness, at_s: int, moved_ns: int = 0, unc_ns: int = 1_000, rate: RawRate = EXACT) -> int:
    """A tick ``at_s`` after the first; a clock that gained comes early."""
    raw_ns = (BASE_S + at_s) * NS_PER_S - moved_ns
    return rtc.tick(RtcTick(raw_ns, 0, unc_ns, "rtc0", UTC_S + at_s), rate, 0)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("beyond_ns", "jumped"), [(0, False), (1, True)])
def test_a_jump_is_more_than_both_uncertainties_the_polling_and_the_drift(sign, beyond_ns, jumped):
    rtc = RtcWitness(LIMITS)
    rtc.enroll(0, 8 * PPM)  # and 2 ppm of the crystal's own: 10 in all
    assert rtc.drift_ppt == 10 * PPM
    fed(rtc, 0, unc_ns=3_000)
    moved = sign * (20 * NS_PER_MS + 3_000 + 1_000 + beyond_ns)
    elapsed = 100 * NS_PER_S - moved
    moved += sign * -(-elapsed * 11 * PPM // 10**12)  # and 1 ppm of the counter's
    while True:  # what it gained shortens the time in which it may drift
        allowed = 20 * NS_PER_MS + 4_000 - (-(100 * NS_PER_S - moved) * 11 * PPM // 10**12)
        if moved == sign * (allowed + beyond_ns):
            break
        moved = sign * (allowed + beyond_ns)
    told = fed(rtc, 100, moved, rate=RawRate(0, PPM))
    assert told == (moved if jumped else 0)
    assert rtc.stepped_ns == told
    assert fed(rtc, 110, moved, rate=RawRate(0, PPM)) == told  # and it stays so
    if jumped:
        assert fed(rtc, 120, 0, rate=RawRate(0, PPM)) == told  # even if it jumps back


def test_many_small_steps_are_found_out_by_the_way_they_went():
    """Each 15 ms, of which 20 and the drift of its time pass for polling."""
    for sign in (1, -1):
        rtc = RtcWitness(LIMITS)
        rtc.enroll(0, 8 * PPM)
        fed(rtc, 0)
        told = [fed(rtc, number, sign * number * 15 * NS_PER_MS) for number in (1, 2)]
        assert told == [0, sign * 30 * NS_PER_MS]


def test_what_it_walked_may_be_what_it_drifts_since_the_first_contact():
    """10 ppm and the counter's 1: within 1000 s 11 ms more, to the nanosecond."""
    rate = RawRate(0, PPM)
    for beyond in (0, 1):
        rtc = RtcWitness(LIMITS)
        rtc.enroll(0, 8 * PPM)
        fed(rtc, 0, rate=rate)
        fed(rtc, 1000, rate=rate)
        fed(rtc, 1001, 15 * NS_PER_MS, rate=rate)
        walked = 31_000_000  # about: settled below
        while True:
            raw = 1002 * NS_PER_S - walked
            slack = 2_000 + 20 * NS_PER_MS - (-(raw - 1001 * NS_PER_S + 15 * NS_PER_MS) * 11 * PPM // 10**12)
            allowed = slack - (-raw * 11 * PPM // 10**12)
            if walked == allowed + beyond:
                break
            walked = allowed + beyond
        assert fed(rtc, 1002, walked, rate=rate) == (walked if beyond else 0)


def test_a_pardon_begins_the_way_anew_and_a_new_anchor_too():
    rtc = RtcWitness(LIMITS)
    rtc.enroll(0, 0)
    fed(rtc, 0)
    assert fed(rtc, 10, 50 * NS_PER_MS) == 50 * NS_PER_MS
    rtc.pardon()
    assert rtc.stepped_ns == 0
    assert rtc.walked_ns == 50 * NS_PER_MS
    assert fed(rtc, 20, 65 * NS_PER_MS) == 0  # 15 ms since the pardon
    assert fed(rtc, 30, 80 * NS_PER_MS) != 0  # 30 ms
    rtc.rebase()
    assert rtc.walked_ns == 0


def test_a_new_anchor_forgets_what_was_walked_before_it():
    rtc = RtcWitness(LIMITS)
    rtc.enroll(0, 0)
    fed(rtc, 0)
    assert fed(rtc, 10, 15 * NS_PER_MS) == 0
    rtc.rebase()
    assert fed(rtc, 20, 30 * NS_PER_MS) == 0
    assert rtc.walked_ns == 15 * NS_PER_MS


def test_calibrated_against_a_second_long_ago_or_to_come_it_tells_that_time():
    for apart_s in (3, -3):
        rtc = RtcWitness(LIMITS)
        fed(rtc, 0)
        fed(rtc, 10, 15 * NS_PER_MS)
        raw_ns = (BASE_S + 10 + apart_s) * NS_PER_S - 15 * NS_PER_MS
        rtc.calibrate(raw_ns, 777 * NS_PER_S + apart_s * NS_PER_S, 3_000, EXACT)
        assert rtc.walked_ns == 0
        said = rtc.interval(raw_ns - apart_s * NS_PER_S, EXACT)
        assert said is not None
        assert (said.lo_ns + said.hi_ns) // 2 == 777 * NS_PER_S
        assert said.half_ns == 3_000 + 1_000 + 20 * NS_PER_MS + 1_000


def test_leap_seconds_of_before_the_calibration_are_in_it():
    rtc = RtcWitness(LIMITS)
    rtc.tick(tick(0), EXACT, 1)
    rtc.calibrate(0, 777 * NS_PER_S, 0, EXACT)
    said = rtc.interval(0, EXACT)
    assert said is not None
    assert (said.lo_ns + said.hi_ns) // 2 == 777 * NS_PER_S


def test_a_clock_that_jumped_is_not_calibrated():
    rtc = RtcWitness(LIMITS)
    fed(rtc, 0)
    fed(rtc, 10, NS_PER_S)
    rtc.calibrate((BASE_S + 10) * NS_PER_S, 777 * NS_PER_S, 0, EXACT)
    rtc.pardon()
    said = rtc.interval((BASE_S + 10) * NS_PER_S, EXACT)
    assert said is not None
    assert said.half_ns > LIMITS.rtc_error_ns


def test_its_interval_widens_by_its_drift_since_the_calibration_not_since_the_first_tick():
    rtc = RtcWitness(LIMITS)
    rtc.enroll(0, 0)  # 2 ppm are the crystal's own
    fed(rtc, 0)
    fed(rtc, 100)
    rtc.calibrate((BASE_S + 100) * NS_PER_S, UTC_S * NS_PER_S, 0, EXACT)
    fed(rtc, 200)
    said = rtc.interval((BASE_S + 200) * NS_PER_S, EXACT)
    assert said is not None
    assert said.half_ns == 20 * NS_PER_MS + 2_000 + 200_000


@pytest.mark.parametrize(("later_s", "speaks"), [(180, True), (181, False)])
def test_a_tick_speaks_for_three_minutes(later_s, speaks):
    rtc = RtcWitness(LIMITS)
    fed(rtc, 0)
    assert (rtc.interval((BASE_S + later_s) * NS_PER_S, EXACT) is not None) is speaks
    assert rtc.age_ns((BASE_S + later_s) * NS_PER_S) == later_s * NS_PER_S


def test_it_is_present_from_its_first_tick_on_and_as_sharp_as_that():
    rtc = RtcWitness(LIMITS)
    assert rtc.present is False
    assert rtc.tick_unc_ns == 0
    fed(rtc, 0, unc_ns=777)
    assert rtc.present is True
    assert rtc.tick_unc_ns == 777


def test_a_counter_that_began_anew_forgets_offset_leap_seconds_and_the_way():
    rtc = RtcWitness(LIMITS)
    rtc.enroll(0, 0)
    rtc.tick(tick(0), EXACT, 1)
    rtc.tick(tick(10, off_ns=-15 * NS_PER_MS), EXACT, 1)
    rtc.calibrate(0, 777 * NS_PER_S, 0, EXACT)
    rtc.tick(tick(20, off_ns=-30 * NS_PER_MS), EXACT, 1)
    rtc.forget_raw()
    assert rtc.walked_ns == 0
    fed(rtc, 0)
    said = rtc.interval(BASE_S * NS_PER_S, EXACT)
    assert said is not None
    assert (said.lo_ns + said.hi_ns) // 2 == UTC_S * NS_PER_S
    rtc.stepped_ns = 5
    rtc.forget_raw()
    assert rtc.stepped_ns == 0


def test_a_clock_that_was_never_enrolled_is_taken_to_keep_the_nominal_rate_within_its_drift():
    rtc = RtcWitness(LIMITS)
    assert rtc.rate_unc_ppt == LIMITS.rtc_rate_ppt
    rtc.tick(tick(0), EXACT, 0)
    rtc.calibrate(0, UTC_S * NS_PER_S, 0, EXACT)
    rtc.tick(tick(5000), EXACT, 0)
    said = rtc.interval(5000 * NS_PER_S, EXACT)
    assert said is not None
    assert (said.lo_ns + said.hi_ns) // 2 == (UTC_S + 5000) * NS_PER_S


def test_how_well_its_rate_is_known_is_how_well_it_was_measured():
    """The blame weighs it by that: what it may stray is another matter (drift_ppt)."""
    rtc = RtcWitness(LIMITS)
    rtc.enroll(5, 700)
    assert (rtc.rate_unc_ppt, rtc.drift_ppt) == (700, 2_000_700)


def test_what_it_walked_is_known_no_better_than_the_tick_it_is_counted_from():
    """On a host that boots, the first look may take a tenth of a second; every later one is sharp."""
    rtc = RtcWitness(LIMITS)
    rtc.enroll(0, 0)
    fed(rtc, 0, -77 * NS_PER_MS, unc_ns=92 * NS_PER_MS)
    assert [fed(rtc, at_s) for at_s in (1, 2, 4, 8, 16)] == [0] * 5
    assert fed(rtc, 32, 19 * NS_PER_MS) == 0
    assert fed(rtc, 48, 38 * NS_PER_MS) == 115 * NS_PER_MS  # of which 92 may have been the first look's
    rtc.pardon()
    assert fed(rtc, 64, 38 * NS_PER_MS) == 0
    assert fed(rtc, 80, 57 * NS_PER_MS) == 0
    assert fed(rtc, 96, 76 * NS_PER_MS) == 38 * NS_PER_MS  # counted from a sharp one


def test_from_a_new_anchor_it_is_counted_as_sharply_as_the_tick_of_then_was_seen():
    for wide in (False, True):
        rtc = RtcWitness(LIMITS)
        rtc.enroll(0, 0)
        fed(rtc, 0, unc_ns=92 * NS_PER_MS)
        fed(rtc, 10, unc_ns=92 * NS_PER_MS if wide else 1_000)
        rtc.rebase()
        told = [fed(rtc, 26, 19 * NS_PER_MS), fed(rtc, 42, 38 * NS_PER_MS)]
        assert told == ([0, 0] if wide else [0, 38 * NS_PER_MS])


# ---- met again -----------------------------------------------------------------------------------

RATE_PPT, WITHIN_PPT = 10 * 10**6, 3 * 10**6  # enrolled to 1 ppm, and 2 more for the room's temperature
FIRST_NS = LIMITS.rtc_error_ns


def met_again(sign: int, age_s: int, leaps: int = 0, offset_ns: int = 300 * NS_PER_MS) -> Interval | None:
    """What a clock says at its first tick, so long after a calibration that a memory recalls; of a clock that
    runs as fast as another runs slow."""
    rtc = RtcWitness(LIMITS)
    rtc.enroll(sign * RATE_PPT, 10**6)
    rtc.recall(UTC_S, sign * offset_ns, 25_000_001)
    assert rtc.calibrated == (UTC_S, sign * offset_ns, 25_000_001)
    rtc.tick(tick(0, rtc_s=UTC_S + age_s), EXACT, leaps)
    return rtc.interval(0, EXACT)


@pytest.mark.parametrize("leaps", [0, 1])
def test_met_again_after_days_it_kept_its_rate_or_was_set_meanwhile(leaps):
    """A million seconds at 10 ppm, give or take 3, from 300 ms on; or, if it was set, as a stranger's. Half
    of an odd width is rounded up, of a middle down."""
    farthest = (13_300 + 1000 * leaps) * NS_PER_MS + 25_000_001 + 1_000
    said = met_again(1, 10**6, leaps)
    shown = (UTC_S + 10**6 + leaps) * NS_PER_S
    assert said is not None
    assert (said.lo_ns - shown, said.hi_ns - shown) == (-farthest, FIRST_NS + 1_000 + 1)
    if not leaps:
        said = met_again(-1, 10**6)
        assert said is not None
        assert (said.lo_ns - shown, said.hi_ns - shown) == (-FIRST_NS - 1_000, farthest + 1)


@pytest.mark.parametrize(("age_s", "off_ms"), [(0, 3000), (-1, 2000), (1, 3000)])
def test_a_clock_that_shows_less_than_when_it_was_calibrated_was_set(age_s, off_ms):
    said = met_again(1, age_s, offset_ns=3 * NS_PER_S)
    assert said is not None
    shown = (UTC_S + age_s) * NS_PER_S
    assert (shown - said.lo_ns) // NS_PER_MS == off_ms + (25 if age_s >= 0 else 0)
    assert (said.hi_ns - shown) // NS_PER_MS == 2000


def calibrated() -> RtcWitness:
    """One that was 700 ns ahead at a feed."""
    rtc = RtcWitness(LIMITS)
    rtc.enroll(0, 10**6)
    rtc.tick(tick(0), EXACT, 0)
    rtc.calibrate(0, UTC_S * NS_PER_S - 700, 3_000, EXACT)
    assert rtc.calibrated == (UTC_S, 700, 3_000 + 1_000 + 20 * NS_PER_MS)
    return rtc


def test_a_counter_that_begins_anew_leaves_it_its_calibration_if_it_kept_to_that():
    rtc = calibrated()
    rtc.forget_raw()
    assert rtc.calibrated == (UTC_S, 700, 3_000 + 1_000 + 20 * NS_PER_MS)
    for change in ({"stepped_ns": 5}, {"follows_system": True}):
        rtc = calibrated()
        for name, value in change.items():
            setattr(rtc, name, value)
        rtc.forget_raw()
        assert rtc.calibrated is None
        rtc.follows_system = False
        rtc.tick(tick(9), EXACT, 0)
        said = rtc.interval(9 * NS_PER_S, EXACT)
        assert said is not None
        assert said.half_ns == FIRST_NS + 1_000


def test_what_it_may_have_drifted_counts_from_its_calibration_either_way():
    assert RtcWitness(LIMITS).drifted_ns(10**15) == 0
    rtc = calibrated()
    for at_s in (1000, -1000):
        assert rtc.drifted_ns(at_s * NS_PER_S) == 3_000_000
        assert rtc.drifted_ns(at_s * NS_PER_S, 10**6) == 4_000_000
    # A tick from before the last one is not a jump for it, and tells no more than a later one would.
    for at_s in (10_000, -10_000):
        rtc = calibrated()
        assert rtc.tick(tick(at_s, off_ns=45 * NS_PER_MS), EXACT, 0) == 0
        said = rtc.interval(at_s * NS_PER_S + 45 * NS_PER_MS, EXACT)
        assert said is not None
        assert said.half_ns >= 3_000 + 1_000 + 20 * NS_PER_MS + 1_000 + 29 * NS_PER_MS
