"""Scenarios: a simulated world into a Bridge, in process; numbered, one sentence each.

Every one of them also holds that each published second is within its published bound (but for collusion,
where no honest majority is left and the counter alone bounds it) and that publications only go forward.
"""

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import pytest

from refclock.cli.replay import bridge_for
from refclock.cli.truth import Truth
from refclock.core.bridge import Bridge
from refclock.model import Accuse, Decision, Publish, Withhold
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS as MS
from refclock.units import NS_PER_S
from refclock.units import NS_PER_US as US
from refclock.world import World, WorldArguments

JUNE = 1_814_399_400  # 2027-06-30T23:50:00Z


@dataclass(frozen=True)
class Course:
    """How a world went: decisions with the true second since its begin."""

    bridge: Bridge
    decisions: list[tuple[int, Decision]]
    errors: list[tuple[int, int, Publish]]  # second, error, publication


def course(minutes: int = 12, **arguments: Any) -> Course:
    """Run a world through the core."""
    world = World(WorldArguments(duration_ns=minutes * 60 * NS_PER_S, **arguments))
    bridge: Bridge | None = None
    found: list[Decision] = []
    for event in world.events():
        if bridge is None:
            header = world.header()
            bridge = bridge_for(header, parse_policy(str(header["policy"])))
        found += bridge.step(event)
    assert bridge is not None
    truth = Truth.of(world.header())
    assert truth is not None
    begin = world.start_ns
    timed: list[tuple[int, Decision]] = []
    errors: list[tuple[int, int, Publish]] = []
    for one in found:
        at_s = (truth.utc_ns(one.raw_ns) - begin) // NS_PER_S
        timed.append((at_s, one))
        if isinstance(one, Publish):
            errors.append((at_s, truth.error_ns(one), one))
    return Course(bridge, timed, errors)


def check(
    went: Course,
    *,
    mode: str | None = None,
    worst: int | None = None,
    fed: int | None = None,
    most: int | None = None,
    accused: list[str] | None = None,
    innocent: Set[str] = frozenset(),
    reasons: Set[str] = frozenset(),
    before_s: int | None = None,
    again_s: int | None = None,
    quiet_s: int | None = None,
    leap: int | None = None,
) -> None:
    """What was expected of a course.

    ``worst`` admitted error; at least ``fed`` and at ``most`` so many publications; ``accused``: each of
    these is named (a prefix will do), and an empty list means nobody; ``innocent``: never named; nothing
    published from ``before_s`` on (until ``again_s``), nor before ``quiet_s``; ``leap``: the greatest flag.
    """
    for _, error, one in went.errors:
        assert abs(error) <= one.bound_ns
        assert worst is None or abs(error) <= worst
    utc = [one.utc_ns for _, _, one in went.errors]
    assert utc == sorted(set(utc))
    named = [one.source for _, one in went.decisions if isinstance(one, Accuse)]
    assert not innocent & set(named)
    if accused is not None:
        assert bool(named) is bool(accused)
        assert all(any(name.startswith(wanted) for name in named) for wanted in accused)
    assert reasons <= {one.reason for _, one in went.decisions if isinstance(one, Withhold)}
    assert fed is None or len(went.errors) >= fed
    assert most is None or len(went.errors) <= most
    times = [at_s for at_s, _, _ in went.errors]
    if before_s is not None:
        assert not [at_s for at_s in times if before_s + 1 <= at_s < (again_s or 1 << 62)]
    assert quiet_s is None or not times or min(times) >= quiet_s
    assert leap is None or max(one.leap for _, _, one in went.errors) == leap
    assert mode is None or went.bridge.vetting.mode.value == mode


def test_001_an_honest_nmea_receiver():
    """An honest NMEA receiver with PPS is fed after two minutes and to a few microseconds."""
    check(course(), mode="vetted", fed=590, worst=10 * US)


def test_002_an_honest_ubx_receiver():
    """An honest UBX receiver is fed likewise."""
    check(course(receiver="ubx", seed=2), mode="vetted", fed=590, worst=10 * US)


def test_003_an_honest_receiver_that_speaks_both():
    """A receiver that speaks NMEA and UBX on one line is fed likewise."""
    check(course(receiver="mixed", seed=3), mode="vetted", fed=590, worst=10 * US)


def test_004_no_pulse_nmea():
    """Without a pulse an NMEA receiver is fed with a bound that owns up to its jitter."""
    check(course(pps=False, minutes=10), mode="vetted", fed=470, worst=60 * MS)


def test_005_no_pulse_ubx():
    """Without a pulse a UBX receiver is fed likewise."""
    check(course(pps=False, receiver="ubx", minutes=10), mode="vetted", fed=470, worst=60 * MS)


def test_006_a_host_never_enrolled():
    """A host that was never enrolled waits for the cold dwell of 30 minutes."""
    check(course(enrolled=False, minutes=32), mode="vetted", fed=110, most=125, worst=10 * US)


def test_007_an_application_server():
    """An application server is content with less and just as right."""
    check(course(profile="appserver"), mode="vetted", fed=590, worst=10 * US)


def test_008_an_application_server_never_enrolled():
    """An application server that was never enrolled waits 25 minutes."""
    check(
        course(profile="appserver", enrolled=False, minutes=27),
        mode="vetted",
        fed=110,
        most=125,
        worst=10 * US,
    )


def test_009_an_application_server_without_an_rtc():
    """An application server needs one witness only."""
    check(course(profile="appserver", rtc=False, minutes=5), mode="vetted", fed=170, worst=10 * US)


def test_010_a_kdc_without_an_rtc():
    """A KDC needs two witnesses, and the servers together are one."""
    check(course(rtc=False, minutes=5), mode="acquiring", most=0, reasons={"witnesses"})


def test_011_a_kdc_without_servers():
    """A KDC whose only witness is a vague RTC is never fed."""
    check(course(servers=0, minutes=35), mode="acquiring", most=0, reasons={"edge-proof-unproven"})


def test_012_three_servers_are_enough():
    """Three servers are a quorum."""
    check(course(servers=3, minutes=5), mode="vetted", fed=170, worst=10 * US)


def test_013_two_servers_are_no_quorum():
    """Two servers are none."""
    check(course(servers=2, minutes=35), mode="acquiring", most=0)


def test_014_a_cold_receiver():
    """A receiver started cold is not fed before its satellites have told it the leap seconds."""
    check(course(cold_s=60, minutes=20), worst=10 * US, reasons={"utc-unconfirmed"}, quiet_s=700)


def test_015_a_cold_ubx_receiver():
    """Nor is one that speaks UBX."""
    check(
        course(cold_s=60, minutes=20, receiver="ubx"), worst=10 * US, reasons={"utc-unconfirmed"}, quiet_s=700
    )


def test_016_a_leap_second_ubx():
    """A real leap second that receiver and servers announce is followed, and its own second is not fed."""
    check(
        course(receiver="ubx", leap_second=True, start_s=JUNE, minutes=20),
        mode="vetted",
        fed=1070,
        worst=10 * US,
        reasons={"leap-second"},
        leap=1,
    )


def test_017_a_leap_second_nmea():
    """So is one that an NMEA receiver announces."""
    check(
        course(leap_second=True, start_s=JUNE, minutes=20),
        mode="vetted",
        fed=1070,
        worst=10 * US,
        reasons={"leap-second"},
        leap=1,
    )


def test_018_a_step():
    """A receiver that steps by 100 ms is named and locked, and nothing of it is admitted."""
    check(
        course(attacks=("step:+100ms@5m",)), mode="locked", accused=["receiver"], worst=10 * US, before_s=300
    )


def test_019_a_small_step():
    """A step of 2 ms, which no witness can see, locks because the counter does."""
    check(
        course(attacks=("step:+2ms@3m",), minutes=20),
        mode="locked",
        worst=10 * US,
        before_s=180,
        reasons={"drift-mask"},
    )


def test_020_a_fast_ramp():
    """A ramp of 300 ppm is stopped within seconds and the receiver is named."""
    check(course(attacks=("ramp:300ppm@5m",)), mode="locked", accused=["receiver"], worst=2 * MS)


def test_021_a_slow_ramp():
    """A ramp of 20 ppm is within the masks for a while: the error stays within the published bound."""
    check(course(attacks=("ramp:20ppm@5m",), minutes=15), mode="vetted", worst=13 * MS)


def test_022_a_probe():
    """A probe that swings by 800 us passes, and its amplitude is all that it gains."""
    check(course(attacks=("saw:800us,300s@5m",), minutes=15), mode="vetted", worst=900 * US)


def test_023_a_steep_probe():
    """A probe steeper than the masks is refused."""
    check(course(attacks=("saw:20ms,60s@5m",)), mode="locked", worst=3 * MS)


def test_024_a_meacon():
    """A signal re-broadcast 5 ms late is refused."""
    check(course(attacks=("meacon:5ms@3m",), minutes=20), mode="locked", worst=10 * US, before_s=180)


def test_025_a_week_rollover():
    """A date 1024 weeks back is locked out: 1999, 2019 and 2021 again."""
    check(
        course(attacks=("week:-1024@5m",)),
        mode="locked",
        accused=["receiver"],
        worst=10 * US,
        before_s=300,
        reasons={"date-floor"},
    )


def test_026_a_rollover_forward():
    """A date 1024 weeks ahead likewise."""
    check(course(attacks=("week:1024@5m",)), mode="locked", accused=["receiver"], worst=10 * US, before_s=300)


def test_027_years_forward():
    """An aircraft's clock set years forward in 2024: a date 3 years ahead is a jump, and locked out."""
    check(
        course(attacks=("date:1095d@5m",)),
        mode="locked",
        accused=["receiver"],
        worst=10 * US,
        before_s=300,
        reasons={"date-jump"},
    )


def test_028_a_rollover_at_the_start():
    """A receiver that comes up with a date of the past is never fed."""
    check(course(attacks=("week:-1024@0s",), minutes=5), most=0, reasons={"date-floor"})


def test_029_one_flipped_week():
    """One second with a flipped week number is rejected, and only that one."""
    check(course(attacks=("flip-week:-1@5m",)), mode="vetted", fed=588, worst=10 * US, reasons={"date-floor"})


def test_030_labels_a_second_off():
    """Labels that are one second off lock."""
    check(course(attacks=("label:-1s@5m",)), mode="locked", accused=["receiver"], worst=10 * US, before_s=300)


def test_031_labels_a_second_off_at_the_start():
    """Labels that name the pulse beside are caught by the edge proof and never fed."""
    check(course(attacks=("label:+1s@0s",), minutes=5), most=0, reasons={"edge-proof"})


def test_032_an_early_leap():
    """The early leap second of 2015-01-21: one family of receivers a second off, at no month's end."""
    check(course(attacks=("leap:-1@5m",)), mode="locked", accused=["receiver"], worst=10 * US, before_s=300)


def test_033_a_false_announcement():
    """A receiver alone that announces a leap second is not believed."""
    check(
        course(attacks=("false-leap:+1@5m",), receiver="ubx", start_s=JUNE, minutes=20),
        mode="vetted",
        fed=1070,
        worst=10 * US,
        leap=0,
    )


def test_034_false_leap_indicators():
    """The false leap indicators of 2021-11-27: servers alone are not believed."""
    check(
        course(attacks=("ntp-leap:+1@5m",), start_s=JUNE, minutes=20),
        mode="vetted",
        fed=1070,
        worst=10 * US,
        leap=0,
    )


def test_035_an_unconfirmed_leap_count():
    """A receiver that falls back to its firmware's leap count is not fed."""
    check(
        course(attacks=("utc-invalid@5m",), receiver="ubx"),
        mode="holdover",
        worst=10 * US,
        before_s=303,
        reasons={"utc-unconfirmed"},
    )


def test_036_labels_that_freeze():
    """Labels that repeat while pulses go on are locked out."""
    check(course(attacks=("freeze@5m",)), mode="locked", accused=["receiver"], worst=10 * US, before_s=300)


def test_037_a_replay():
    """Bytes of a minute ago are locked out."""
    check(
        course(attacks=("replay:60s@5m",)), mode="locked", accused=["receiver"], worst=10 * US, before_s=300
    )


def test_038_an_injection():
    """Hostile messages between the good ones are refused, and whoever hears two stories locks."""
    check(course(attacks=("inject:+1h@5m",)), mode="locked", worst=10 * US, reasons={"label-conflict"})


def test_039_late_messages():
    """Messages 600 ms late still name their own pulse."""
    check(course(attacks=("nmea-late:600ms@5m",)), mode="vetted", fed=590, worst=10 * US)


def test_040_messages_later_than_a_second():
    """Messages more than a second late name the wrong pulse, and lock."""
    check(
        course(attacks=("nmea-late:1100ms@5m",)),
        mode="locked",
        accused=["receiver"],
        worst=10 * US,
        before_s=301,
    )


def test_041_messages_late_from_the_start():
    """A cable that delivers messages a second late is caught by the edge proof."""
    check(course(attacks=("nmea-late:1s@0s",), minutes=5), most=0, reasons={"edge-proof"})


def test_042_missing_pulses():
    """Lost pulses cost their seconds and nothing else."""
    check(
        course(attacks=("pps-miss:30%@5m",)),
        mode="vetted",
        fed=380,
        worst=10 * US,
        reasons={"no-edge"},
        accused=[],
    )


def test_043_extra_pulses():
    """Extra pulses are left out and counted."""
    check(
        course(attacks=("pps-extra:30%@5m",)),
        mode="vetted",
        fed=585,
        worst=10 * US,
        reasons={"edge-extra"},
        accused=[],
    )


def test_044_wandering_pulses():
    """Pulses that wander by 200 us are within the gate and within the bound."""
    check(course(attacks=("pps-width:200us@5m",)), mode="vetted", fed=590, worst=250 * US)


def test_045_pulses_that_wander_far():
    """Pulses that wander by 20 ms lock."""
    check(course(attacks=("pps-width:20ms@5m",)), mode="locked", worst=2 * MS)


def test_046_a_gap():
    """A silence of five minutes ends through the unchanged gate."""
    check(course(attacks=("gap:5m@5m",)), mode="vetted", fed=280, worst=10 * US, accused=[])


def test_047_a_gap_and_a_jump():
    """A silence and then 50 ms is refused, and the receiver is named."""
    check(
        course(attacks=("gap-jump:5m,+50ms@5m",), minutes=20),
        mode="locked",
        accused=["receiver"],
        worst=10 * US,
        before_s=300,
    )


def test_048_an_antenna_unplugged():
    """An unplugged antenna: the pulse coasts until the receiver owns up, then holdover."""
    check(course(attacks=("antenna@5m",), receiver="ubx"), mode="holdover", worst=100 * US, accused=[])


def test_049_a_jammer():
    """Jamming is a fault and no lie: holdover."""
    check(course(attacks=("jam@5m",), receiver="ubx"), mode="holdover", worst=10 * US, accused=[])


def test_050_a_spoofing_flag():
    """A receiver that itself sees spoofing is not fed."""
    check(
        course(attacks=("spoof-flag@5m",), receiver="ubx"),
        mode="holdover",
        worst=10 * US,
        reasons={"spoofing"},
    )


def test_051_a_stepped_rtc():
    """An RTC that is stepped is named, and the receiver is fed on with a witness less."""
    check(
        course(attacks=("rtc:+5s@5m",)),
        mode="degraded",
        fed=590,
        worst=10 * US,
        accused=["rtc"],
        reasons={"rtc-step"},
    )


def test_052_a_small_rtc_step_excuses_nobody():
    """A step of the RTC by 30 ms does not excuse the receiver's of 80 ms."""
    check(course(attacks=("rtc:+30ms@4m", "step:+80ms@5m")), mode="locked", worst=10 * US, before_s=300)


def test_053_one_lying_server():
    """USNO 2012: a server years in the past is named and outvoted."""
    check(
        course(attacks=("ntp-liar:-378691200s@5m",)), mode="vetted", fed=590, worst=10 * US, accused=["ntp:"]
    )


def test_054_most_servers_lie():
    """A majority of lying servers may veto but never set, and the servers are named."""
    check(course(attacks=("ntp-majority:+200ms@5m",)), worst=10 * US, accused=["ntp"], reasons={"quorum"})


def test_055_silent_servers():
    """Silent servers loosen nothing: fed on, degraded, as right as before."""
    check(
        course(attacks=("ntp-silence@2m",), minutes=22), mode="degraded", fed=1190, worst=10 * US, accused=[]
    )


def test_056_silent_servers_at_the_start():
    """Servers that never answer leave the KDC without its second witness."""
    check(course(attacks=("ntp-silence@0s",), minutes=35), mode="acquiring", most=0)


def test_057_a_kiss_of_death():
    """Servers that ask to be left alone loosen nothing either."""
    check(
        course(attacks=("ntp-kod@2m",), minutes=22),
        mode="degraded",
        fed=1190,
        worst=10 * US,
        reasons={"ntp-kiss-of-death"},
    )


def test_058_collusion_at_once():
    """Receiver and servers that step together by 200 ms are locked out by counter and RTC."""
    check(
        course(attacks=("collude:200ms@5m",)),
        mode="locked",
        worst=10 * US,
        before_s=300,
        accused=["receiver+ntp"],
    )


def test_059_collusion_by_creeping():
    """Receiver and servers that creep together at 5 ppm stay within the published bound."""
    check(course(attacks=("collude:5ppm@5m",), minutes=15), worst=4 * MS)


def test_060_somebody_steps_the_clock_forward():
    """Windows Secure Time Seeding: another setter's step of the system clock is seen and costs a second."""
    check(
        course(attacks=("foreign-step:+2s@5m",)),
        mode="vetted",
        fed=585,
        worst=10 * US,
        reasons={"clock-step", "clock-ahead"},
        accused=[],
    )


def test_061_somebody_steps_the_clock_back():
    """Likewise backwards."""
    check(
        course(attacks=("foreign-step:-2s@5m",), receiver="ubx"),
        mode="vetted",
        fed=585,
        worst=10 * US,
        reasons={"clock-step", "clock-behind"},
        accused=[],
    )


def test_062_another_clocksource():
    """Another clocksource voids all that was counted on the old one."""
    check(course(attacks=("clocksource@5m",)), before_s=302, again_s=420, worst=10 * US)


def test_063_a_counter_that_runs_away():
    """The host's own counter changes its rate by 400 ppm: not the receiver's fault."""
    check(course(attacks=("raw:400ppm@5m",), minutes=15), worst=10 * US, innocent={"receiver"})


def test_064_a_paused_machine():
    """A paused virtual machine is found out, and trust begins anew."""
    check(
        course(attacks=("vm-pause:20s@5m",), minutes=15),
        mode="vetted",
        worst=10 * US,
        accused=["raw"],
        innocent={"receiver", "rtc"},
    )


def test_065_a_reboot():
    """A reboot begins anew and feeds again."""
    check(course(attacks=("reboot:45s@5m",), minutes=15), mode="vetted", worst=10 * US, accused=[])


def test_066_a_reboot_into_a_wrong_date():
    """A reboot forgives nothing: labels a second off are caught after it."""
    check(
        course(attacks=("reboot:45s@5m", "label:-1s@5m")),
        mode="acquiring",
        worst=10 * US,
        before_s=300,
        reasons={"edge-proof"},
    )


def test_067_a_step_on_an_application_server():
    """An application server's mask lets 40 ms pass, within the bound."""
    check(course(profile="appserver", attacks=("step:+40ms@5m",)), mode="vetted", worst=41 * MS)


def test_068_a_large_step_on_an_application_server():
    """And 400 ms not."""
    check(
        course(profile="appserver", attacks=("step:+400ms@5m",)),
        mode="locked",
        accused=["receiver"],
        worst=10 * US,
        before_s=301,
    )


def test_069_a_cesium_honest():
    """With a cesium beside, what is fed is right to microseconds."""
    check(course(profile="kdc-cesium", minutes=8), worst=10 * US, accused=[])


def test_070_a_cesium_and_a_small_step():
    """SVN23 in 2016: next to a cesium, 13.7 us are no longer small."""
    check(course(profile="kdc-cesium", attacks=("step:+13700ns@5m",)), worst=12 * US)


def test_071_small_errors_pass():
    """SVN23 in 2016 for a KDC: 13.7 us pass, and are all that is admitted."""
    check(course(attacks=("step:-13700ns@5m",)), mode="vetted", fed=590, worst=18 * US)


def test_072_a_standard_without_labels():
    """A rubidium's bare pulse is numbered by servers and battery clock, and fed after the cold dwell."""
    check(course(receiver="pps-only", minutes=33), mode="vetted", fed=170, worst=10 * US, accused=[])


def test_073_a_cesium_is_the_receiver_itself():
    """A cesium's own pulse is what is vetted, and its hour of dwell is kept."""
    went = course(receiver="pps-only", profile="kdc-cesium", minutes=63)
    check(went, mode="vetted", fed=170, worst=10 * US, accused=[])


def test_074_a_lying_majority_numbers_no_pulse():
    """More than half of the servers lie by a second from the start: the battery clock says otherwise."""
    went = course(receiver="pps-only", minutes=35, attacks=("ntp-majority:+1s@0",))
    check(went, fed=0, most=0, reasons={"numbering-conflict"})


def test_075_one_liar_among_those_who_number():
    """One lying server is outvoted while the pulse is being numbered."""
    went = course(receiver="pps-only", minutes=33, attacks=("ntp-liar:+1s@0",))
    check(went, mode="vetted", fed=170, worst=10 * US, innocent={"receiver"})


def test_076_a_lying_majority_after_the_numbering():
    """A majority that begins to lie once the pulse is numbered can stop it, and not renumber it."""
    went = course(receiver="pps-only", minutes=35, attacks=("ntp-majority:+1s@32m",))
    check(went, fed=100, worst=10 * US, before_s=32 * 60 + 64, innocent={"receiver"})


def test_077_a_standard_that_steps():
    """A standard whose pulse is set anew by half a second is refused and locked."""
    went = course(receiver="pps-only", minutes=50, attacks=("step:+500ms@32m",))
    check(went, mode="locked", worst=10 * US, before_s=1921)


def test_078_a_standard_with_a_ringing_wire():
    """Further pulses beside the standard's own are left out, or cast doubt on it; nothing wrong is fed."""
    check(course(receiver="pps-only", minutes=35, attacks=("pps-extra:30%@31m",)), worst=10 * US)


def test_079_an_rtc_that_nobody_set():
    """A battery clock a second off does not agree with the servers, and nothing is numbered."""
    went = course(receiver="pps-only", minutes=35, attacks=("rtc:+1s@0",))
    check(went, fed=0, most=0, reasons={"numbering-conflict"})


def test_080_an_hp_that_is_asked():
    """A Z3801A, asked for the name of each coming pulse, is fed after the cold dwell."""
    check(course(receiver="hp", minutes=33), mode="vetted", fed=170, worst=10 * US, accused=[])


def test_081_a_jackson_labs():
    """A Fury tells the time by NMEA and its health on the same line when asked."""
    check(course(receiver="jackson-labs", minutes=33), mode="vetted", fed=170, worst=10 * US, accused=[])


def test_082_a_csac_that_loses_its_atoms():
    """A chip-scale cesium is numbered and fed until it says that it has lost its lock."""
    went = course(receiver="csac", minutes=34, attacks=("no-fix@32m",))
    check(went, mode="holdover", fed=110, worst=10 * US, before_s=1925, reasons={"standard-unlocked"})


def test_083_a_cesium_clock_that_tells_how_it_is():
    """A 5071A is numbered by others; what its own clock shows is never looked at."""
    went = course(receiver="5071a", profile="kdc-cesium", minutes=62)
    check(went, mode="vetted", fed=100, worst=10 * US, accused=[])


def test_084_a_rubidium_whose_line_falls_silent():
    """A PRS10 that no longer says whether it is locked is no longer fed, though its pulse goes on."""
    went = course(receiver="prs10", minutes=34, attacks=("gap:10m@32m",))
    check(went, mode="holdover", fed=110, worst=10 * US, before_s=1940)


def test_085_an_sa5x():
    """An SA5X's answers are read in the light of its questions."""
    check(course(receiver="sa5x", minutes=32), mode="vetted", fed=110, worst=10 * US, accused=[])


def test_086_an_hp_whose_antenna_came_off():
    """A Z3801A in holdover says so, and goes on being judged; nothing wrong is fed."""
    went = course(receiver="hp", minutes=40, attacks=("no-fix@32m",))
    check(went, worst=20 * US, accused=[])


def test_087_somebody_slews_the_system_clock():
    """A system clock that runs away at 2 % is named within two seconds, and what is fed goes on."""
    went = course(attacks=("foreign-slew:2%@5m+2m",))
    check(went, mode="vetted", fed=585, worst=30 * US, accused=[], reasons={"clock-ahead"})
    at = {reason: at_s for at_s, reason in _alarms(went)}
    assert at["clock-rate"] in (300, 301, 302)
    assert at["clock-ahead"] == pytest.approx(351, abs=2), "50 s later it is a second ahead"


def _alarms(went: Course) -> list[tuple[int, str]]:
    """Second and reason of each alarm, the last ones first."""
    said = [(at_s, one) for at_s, one in went.decisions if isinstance(one, Withhold)]
    return [(at_s, one.reason) for at_s, one in reversed(said) if one.reason.startswith("clock-")]
