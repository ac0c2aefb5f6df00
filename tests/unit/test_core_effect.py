"""What becomes of the system clock: seen within two seconds, named, and said again while it lasts."""

from typing import Any

import pytest

from refclock.core.effect.alarms import Alarms
from refclock.core.effect.watch import SystemWatch
from refclock.core.rules.reasons import REASONS
from refclock.core.seconds.interval import RawRate
from refclock.model import PortChange, SystemClock, Tick, Withhold
from refclock.policy import PROFILES, parse_policy
from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US, PPT_PER_PPM, scale_down
from tests.unit.test_core_host import Host, only, reasons

UNENROLLED = RawRate(0, 100 * PPT_PER_PPM)
HOUR = 3600


class Clock:
    """A watch over a system clock that runs at ``rate_ppt`` against the raw counter."""

    def __init__(self, profile="kdc", rate=UNENROLLED):
        self.watch = SystemWatch(parse_policy(f'profile = "{profile}"').limits)
        self.rate = rate
        self.raw_ns, self.real_ns, self.unc_ns = 10**12, 10**18, 100
        self.rate_ppt = 0
        self.off_ns = None

    def wait(self, passed_ns=NS_PER_S, stepped_ns=0, kind=Tick, **fields):
        """Time passes, an event comes; the (reason, value) of what is said."""
        self.raw_ns += passed_ns
        self.real_ns += passed_ns + scale_down(passed_ns, self.rate_ppt) + stepped_ns
        event = kind(self.raw_ns, self.real_ns, self.unc_ns, **fields)
        stepped = self.watch.set_ns(event)
        return [
            (one.reason, one.value)
            for one in self.watch.observe(event, stepped, self.rate, lambda: self.off_ns)
        ]

    def look(self, passed_ns=NS_PER_S, freq_ppm=0, tick_us=10_000, sets=None, stepped_ns=0):
        """A look at the kernel's clock."""
        fields = {
            "freq_ppb": freq_ppm * 1000,
            "tick_us": tick_us,
            "status": 64,
            "maxerror_us": 1,
            "tai_s": 37,
        }
        fields |= {"clocksource": "tsc", "boot_id": "boot", "clock_sets": sets}
        return self.wait(passed_ns, stepped_ns, SystemClock, **fields)

    def told(self):
        return self.watch.fields(self.raw_ns)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_rate_beyond_the_profiles_is_said_within_two_seconds(profile):
    clock = Clock(profile)
    limit = parse_policy(f'profile = "{profile}"').limits.system_rate_ppt
    clock.wait()
    assert clock.wait() == []
    for sign in (1, -1):
        clock.rate_ppt = sign * (limit + 101 * PPT_PER_PPM)
        found = clock.wait() + clock.wait()
        assert [reason for reason, _ in found] == ["clock-rate"]
        assert found[0][1] == pytest.approx(clock.rate_ppt, rel=0.01)
        clock.rate_ppt = 0
        assert clock.wait() == []
    clock.rate_ppt = limit
    assert clock.wait(60 * NS_PER_S) == [], "what the profile allows"


def test_the_counters_own_rate_is_no_fault_of_the_clocks():
    """An enrolled counter runs 80 ppm slow, the clock that chrony steers runs right: 80 ppm against it."""
    clock = Clock("kdc-cesium", RawRate(80 * PPT_PER_PPM, PPT_PER_PPM))
    clock.rate_ppt = 270 * PPT_PER_PPM
    clock.wait()
    assert clock.wait() == []
    clock.rate_ppt = 290 * PPT_PER_PPM
    assert [reason for reason, _ in clock.wait()] == ["clock-rate"]


def test_an_alarm_is_said_again_each_five_minutes_and_shown_while_it_lasts():
    clock = Clock()
    clock.wait()
    clock.rate_ppt = 20_000 * PPT_PER_PPM
    said = [second for second in range(900) if clock.wait()]
    assert said == [0, 300, 600]
    (alarm,) = clock.told()["alarms"]
    assert alarm["reason"] == "clock-rate"
    assert alarm["for_ns"] == 899 * NS_PER_S
    assert alarm["worst_value"] == pytest.approx(clock.rate_ppt, rel=0.01)
    assert clock.told()["rate_ppt"] == pytest.approx(clock.rate_ppt, rel=0.01)
    clock.rate_ppt = 0
    clock.wait()
    assert clock.told()["alarms"] == []


def test_wide_stamps_tell_no_rate_and_are_waited_out_for_sixteen_seconds():
    clock = Clock()
    clock.unc_ns = 50 * NS_PER_MS
    clock.wait()
    clock.rate_ppt = 100_000 * PPT_PER_PPM
    assert [clock.wait() for _ in range(15)] == [[]] * 15
    assert [reason for reason, _ in clock.wait()] == ["clock-rate"], "6250 ppm give or take"


@pytest.mark.parametrize("step_ns", [-5 * NS_PER_S, -3 * NS_PER_MS, NS_PER_MS])
def test_a_step_too_small_to_be_told_from_a_slew_is_told_by_the_kernels_count(step_ns):
    clock = Clock()
    clock.rate_ppt = 500 * PPT_PER_PPM
    clock.look(sets=0)
    clock.look(sets=0)
    clock.look(NS_PER_S // 3, sets=1, stepped_ns=step_ns)
    told = clock.told()
    assert told["steps"] == 1
    assert told["last_step_ns"] == pytest.approx(step_ns, abs=10 * NS_PER_US)
    assert told["last_step_age_ns"] == 0
    assert clock.look(sets=1) == []
    assert clock.told()["steps"] == 1


def test_a_clock_that_was_set_to_what_it_showed_has_not_been_stepped():
    clock = Clock()
    for sets in (0, 0, 1):
        clock.look(sets=sets, stepped_ns=50 * NS_PER_US)
    assert clock.told()["steps"] == 0
    assert clock.told()["last_step_ns"] is None


def test_the_first_count_and_a_port_that_was_opened_anew_say_nothing():
    clock = Clock()
    clock.look(sets=7)
    clock.look(sets=None)
    clock.look(sets=7)
    assert clock.told()["steps"] == 0


@pytest.mark.parametrize(("freq_ppm", "tick_us"), [(0, 10_500), (-130, 10_000), (12, 9_999)])
def test_a_slew_that_a_killed_chronyd_left_is_said_at_once(freq_ppm, tick_us):
    clock = Clock(rate=RawRate(0, 2 * PPT_PER_PPM))
    clock.watch.on_chronyd(True)
    assert clock.look(freq_ppm=freq_ppm, tick_us=tick_us) == [], "chronyd is there, and slews"
    clock.watch.on_chronyd(False)
    left = (freq_ppm + (tick_us - 10_000) * 100) * PPT_PER_PPM
    assert clock.wait() == [("slew-left", left)]
    clock.watch.on_chronyd(True)
    clock.wait()
    assert clock.told()["alarms"] == []


def test_the_frequency_that_a_chronyd_leaves_when_it_ends_is_right():
    clock = Clock(rate=RawRate(30 * PPT_PER_PPM, 2 * PPT_PER_PPM))
    clock.watch.on_chronyd(False)
    clock.rate_ppt = 51 * PPT_PER_PPM
    assert clock.look(freq_ppm=51) == [], "20 ppm more than was enrolled, and that is known to 2"
    assert clock.look(freq_ppm=53) == [("slew-left", 23 * PPT_PER_PPM)]


def test_where_nobody_looks_for_a_chronyd_none_is_missed():
    clock = Clock()
    assert clock.look(tick_us=11_000) == []


def test_a_clock_ahead_is_another_alarm_than_one_behind():
    clock = Clock()
    clock.off_ns = NS_PER_S
    assert clock.wait() == [], "the limit is gate_tolerance_ms"
    clock.off_ns += 1
    assert clock.wait() == [("clock-ahead", NS_PER_S + 1)]
    clock.off_ns = -clock.off_ns
    assert clock.wait() == [("clock-behind", -NS_PER_S - 1)]
    assert [one["reason"] for one in clock.told()["alarms"]] == ["clock-behind"]
    clock.off_ns = None
    clock.wait()
    assert clock.told()["alarms"] == []


def test_it_asks_to_be_woken_each_second_where_nothing_else_happens():
    clock = Clock()
    assert clock.watch.wake_at() is None
    clock.wait()
    assert clock.watch.wake_at() == clock.raw_ns + NS_PER_S
    clock.unc_ns = 50 * NS_PER_MS
    for _ in range(3):
        clock.wait()
        assert clock.watch.wake_at() == clock.raw_ns + NS_PER_S, "too wide to tell: not at once again"
    clock.wait(NS_PER_S // 2)
    assert clock.watch.wake_at() == clock.raw_ns + NS_PER_S


# ---- to the last unit -------------------------------------------------------------------------------


def test_an_alarm_shows_the_worst_by_size_and_the_limit_of_now():
    alarms = Alarms()
    assert [one.value for one in alarms.judge(0, "clock-rate", 50, 40)] == [50]
    assert alarms.judge(1, "clock-rate", -70, 45) == []
    assert alarms.judge(2, "clock-rate", 60, 41) == []
    known = REASONS["clock-rate"]
    assert alarms.rows(7) == [
        {
            "reason": "clock-rate", "for_ns": 7, "worst_value": -70, "limit": 41, "unit": "ppt",
            "words": known.words, "mend": known.mend,
        }
    ]  # fmt: skip


def test_what_is_shown_of_a_clock_of_which_nothing_is_known():
    assert Clock().told() == {
        "rate_ppt": None, "rate_limit_ppt": 6_000 * PPT_PER_PPM, "kernel_ppt": None, "chronyd": None,
        "steps": 0, "last_step_ns": None, "last_step_age_ns": None, "alarms": [],
    }  # fmt: skip


def test_a_rate_is_beyond_the_limit_by_a_ppt():
    """Over 1000 s a nanosecond is a ppt; the stamps' 200 ns are 200 ppt, rounded up."""
    within = 6_000 * PPT_PER_PPM + 100 * PPT_PER_PPM + 201
    for rate_ppt, reasons_said in ((within, []), (within + 1, ["clock-rate"])):
        clock = Clock()
        clock.wait()
        clock.rate_ppt = rate_ppt
        assert [reason for reason, _ in clock.wait(1000 * NS_PER_S)] == reasons_said


def test_stamps_that_hide_half_the_limit_are_still_good_for_a_rate():
    clock = Clock()
    clock.unc_ns = 4_500_000
    clock.wait()
    clock.wait(3 * NS_PER_S + 1)  # 9 ms of it are half of 6000 ppm to the ppt
    assert clock.told()["rate_ppt"] == 0
    clock = Clock()
    clock.unc_ns = 2_000_000
    clock.wait()
    clock.wait()  # 4000 ppm
    assert clock.told()["rate_ppt"] is None


def test_a_frequency_is_a_slew_from_20_ppm_on():
    clock = Clock(rate=RawRate(0, 0))
    clock.watch.on_chronyd(False)
    assert clock.wait() == [], "nobody has looked yet"
    assert clock.look(freq_ppm=20) == []
    assert clock.look(freq_ppm=-20) == []
    assert clock.look(freq_ppm=21) == [("slew-left", 21 * PPT_PER_PPM)]


def _set(clock, unc_ns, moved_ns, passed_ns=NS_PER_S):
    """What a look says that counts one more setting; its own stamp is ``unc_ns`` wide."""
    clock.raw_ns += passed_ns
    event = SystemClock(
        clock.raw_ns, clock.real_ns + passed_ns + moved_ns, unc_ns, 0, 10_000, 64, 1, 37, "tsc", "boot",
        clock_sets=1,
    )  # fmt: skip
    return clock.watch.set_ns(event)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_step_is_told_where_stamps_and_100_ppm_do_not_explain_it(sign):
    unsure = 100 + 300 + 100_000
    for moved, told in ((unsure, 0), (unsure + 1, unsure + 1)):
        clock = Clock()
        clock.look(sets=0)
        assert _set(clock, 300, sign * moved) == sign * told


def test_a_look_that_was_overtaken_tells_no_step_of_its_own():
    """The counter may seem to go back by less than a second, as events of two ports overtake each other."""
    clock = Clock()
    clock.look(sets=0)
    assert _set(clock, 100, 50_000, -NS_PER_S // 2) == 0


def test_without_a_count_or_a_first_look_nobody_knows_that_the_clock_was_set():
    clock = Clock()
    clock.wait()
    for sets, stepped_ms in ((7, 5), (None, -20), (7, 60)):
        clock.look(sets=sets, stepped_ns=stepped_ms * NS_PER_MS)
        assert clock.told()["steps"] == 0
    clock.watch.begin_anew()
    clock.look(sets=8, stepped_ns=5 * NS_PER_MS)
    assert clock.told()["steps"] == 0, "nothing to hold it against"


def test_right_after_a_step_the_kernels_own_rate_stands_for_the_measured_one():
    clock = Clock()
    clock.rate_ppt = 50_000 * PPT_PER_PPM
    clock.look(sets=0, tick_us=10_500)
    clock.look(sets=1, tick_us=10_500, stepped_ns=NS_PER_S)
    assert clock.told()["steps"] == 1
    clock.look(NS_PER_S // 3, sets=2, tick_us=10_500)
    assert clock.told()["steps"] == 1, "it was set to what it showed"
    clock.look(NS_PER_S // 3, sets=3, tick_us=10_500, stepped_ns=-NS_PER_S)
    assert clock.told()["steps"] == 2


# ---- in the bridge -----------------------------------------------------------------------------------


def test_what_happens_to_the_system_clock_has_no_say_in_what_is_fed():
    quiet, loud = Host().feed(), Host().feed()
    for second in range(120):
        quiet.second()
        loud.real_ns += 20 * NS_PER_MS  # 2 % fast
        loud.second()
        if second == 2:
            assert "clock-rate" in reasons(loud.decisions)
    assert [one.utc_ns for one in loud.published()] == [one.utc_ns for one in quiet.published()]
    (ahead,) = [one for one in only(loud.decisions, Withhold) if one.reason == "clock-ahead"]
    assert ahead.value > NS_PER_S
    told: dict[str, Any] = loud.bridge.view(loud.events[-1].raw_ns)
    assert [one["reason"] for one in told["system"]["alarms"]] == ["clock-rate", "clock-ahead"]
    assert "refclock setback" in told["system"]["alarms"][1]["mend"]
    assert told["last_withhold"]["reason"] == "dwell", "an alarm refuses no second"
    assert told["counters"]["clock-ahead"] == 1


def test_before_the_first_feed_the_servers_tell_that_the_clock_is_ahead():
    host = Host()
    host.silent = True
    host.real_ns = 3 * NS_PER_S
    host.second(20)
    (ahead,) = [one for one in only(host.decisions, Withhold) if one.reason == "clock-ahead"]
    assert ahead.value == pytest.approx(3 * NS_PER_S, abs=50 * NS_PER_MS)


def test_a_step_says_which_way():
    for step in (-7 * NS_PER_S, 7 * NS_PER_S):
        host = Host().feed()
        host.real_ns = step
        found = [one for one in only(host.second(), Withhold) if one.reason == "clock-step"]
        assert [one.value for one in found] == [pytest.approx(step, abs=NS_PER_MS)]


def test_a_chronyd_that_goes_is_heard_of_by_its_port():
    host = Host().feed()
    stamp = host.stamp(host.now_s * NS_PER_S)
    for up in (False, True):
        host.step(PortChange(*stamp, "chronyd0", up, "whoever listens"))
        told: dict[str, Any] = host.bridge.view(stamp[0])
        assert told["system"]["chronyd"] is up
