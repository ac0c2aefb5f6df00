"""chrony's own authenticated sources: they may veto, never set, and loosen nothing."""

import pytest

from refclock.core.seconds.interval import RawRate
from refclock.core.seconds.leap import LeapSecond, LeapSeconds
from refclock.core.witness.chronysources import ChronySources
from refclock.model import Mode, Publish, SourceReport
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S, PPT_PER_PPM
from tests.unit.test_core_host import Host, only, reasons

LIMITS = parse_policy("").limits
EXACT = RawRate(0, 0)
UTC = 1_803_859_200 * NS_PER_S


class Chrony:
    def __init__(self):
        self.sources, self.leap = ChronySources(LIMITS), LeapSeconds()
        self.real_off = 250 * NS_PER_MS  # what the system clock is off matters to nobody

    def say(self, second, off=0, *, peer="192.0.2.1", error=NS_PER_MS, age=0, auth=True, reach=255):
        raw = second * NS_PER_S
        real = UTC + raw + self.real_off
        event = SourceReport(raw, real, 100, "chrony0", peer, off - self.real_off, error, age, auth, 0, reach)
        refused = self.sources.take(event, EXACT, self.leap)
        return None if refused is None else refused.reason

    def at(self, second, rate=EXACT):
        return self.sources.at(second * NS_PER_S, rate)


def test_one_source_is_its_own_majority_and_ages_on_raw():
    chrony = Chrony()
    assert chrony.at(0) is None
    assert chrony.sources.age_ns(5) is None
    assert chrony.say(0) is None
    said = chrony.at(0)
    assert said is not None
    assert said.holds(UTC)
    # Its own error, the pair's, and what chrony's frequency may hide in a second.
    assert said.half_ns == NS_PER_MS + 100 + 500_000
    later = chrony.at(100, RawRate(0, PPT_PER_PPM))
    assert later is not None
    assert later.half_ns == said.half_ns + 100_000 + 1
    assert chrony.at(192) is not None
    assert chrony.at(193) is None
    assert chrony.sources.age_ns(5) == 5


def test_what_chrony_does_with_the_system_clock_afterwards_does_not_touch_it():
    chrony = Chrony()
    chrony.say(0)
    chrony.real_off = -NS_PER_S
    said = chrony.at(10)
    assert said is not None
    assert said.holds(UTC + 10 * NS_PER_S)


def test_the_narrowest_of_late_speaks():
    chrony = Chrony()
    chrony.say(0, age=10)
    chrony.say(64, age=1)
    chrony.say(128, age=40)
    said = chrony.at(128)
    assert said is not None
    assert said.half_ns <= NS_PER_MS + 100 + 1_000_000 + 2


@pytest.mark.parametrize(
    ("said", "reason"),
    [({"auth": False}, "chrony-unauthenticated"), ({"reach": 0}, "chrony-distance"),
     ({"error": -1}, "chrony-distance"), ({"age": -1}, "chrony-distance"), ({"age": 1000}, "chrony-distance"),
     ({"error": 251 * NS_PER_MS}, "chrony-distance")],
)  # fmt: skip
def test_what_is_not_used(said, reason):
    chrony = Chrony()
    assert chrony.say(0, **said) == reason
    assert chrony.at(0) is None


def test_a_majority_of_those_heard_within_a_day_must_agree():
    chrony = Chrony()
    chrony.say(0, peer="a")
    chrony.say(0, peer="b")
    chrony.say(0, peer="c", off=NS_PER_S)
    said = chrony.at(0)
    assert said is not None
    assert said.holds(UTC)
    assert chrony.sources.peers["c"].falseticker
    assert not chrony.sources.peers["a"].falseticker
    # Silence does not make the liar a majority.
    for second in range(64, 7200, 64):
        chrony.say(second, peer="c", off=NS_PER_S)
    assert chrony.at(7150) is None
    for second in range(86_400, 90_000, 64):
        chrony.say(second, peer="c", off=NS_PER_S)
    assert chrony.sources.agreeing == 1


def test_two_that_contradict_each_other_say_nothing():
    chrony = Chrony()
    chrony.say(0, peer="a")
    chrony.say(0, peer="b", off=NS_PER_S)
    assert chrony.at(0) is None
    assert chrony.sources.agreeing == 0


def test_one_too_wide_for_e_q_has_no_opinion():
    chrony = Chrony()
    chrony.say(0, error=60 * NS_PER_MS)
    assert chrony.at(0) is None


def test_what_was_answered_before_the_clock_was_stepped_is_not_used():
    chrony = Chrony()
    chrony.sources.stepped_ns = 100 * NS_PER_S
    assert chrony.say(110, age=9) is None
    assert chrony.at(110) is None
    chrony.say(110, age=8)
    assert chrony.at(110) is not None


def test_around_a_leap_second_it_says_nothing_and_afterwards_it_counts_it():
    chrony = Chrony()
    chrony.leap.confirmed.append(LeapSecond(UTC // NS_PER_S, 1))
    chrony.say(1)
    assert chrony.at(1) is None
    chrony.say(10)
    said = chrony.at(10)
    assert said is not None
    assert said.holds(UTC + 11 * NS_PER_S)


def test_no_flood_of_names():
    chrony = Chrony()
    for number in range(100):
        chrony.say(0, peer=str(number))
    assert len(chrony.sources.peers) == 64
    chrony.say(90_000, peer="new")
    assert set(chrony.sources.peers) == {"new"}
    chrony.sources.forget_raw()
    assert chrony.at(90_000) is None


# ---- in the bridge -------------------------------------------------------------------------------


def report(host, off_ns=0, error_ns=NS_PER_MS):
    """chrony's source says how far the host's system clock is from UTC."""
    raw, real, unc = host.stamp(host.now_s * NS_PER_S - 600_000_000)
    offset = off_ns - host.real_ns
    return host.step(SourceReport(raw, real, unc, "chrony0", "192.0.2.1", offset, error_ns, 1, True, 0, 255))


def live(host, seconds, off_ns=0):
    found = []
    for _ in range(seconds // 16):
        found += report(host, off_ns)
        found += host.second(16)
    return found


def rows(host):
    listed = host.bridge.view(host.stamp(host.now_s * NS_PER_S)[0])["witnesses"]
    return {one["name"]: one for one in listed if one["name"].startswith("chrony")}


def assessed(host):
    said = host.bridge.vetting.assessment
    assert said is not None
    return said


def test_it_vetoes_what_lies_farther_than_e_q():
    host = Host()
    live(host, 160)
    assert host.mode is Mode.VETTED
    assert rows(host)["chrony"]["state"] == "agrees"
    assert rows(host)["chrony:192.0.2.1"]["state"] == "agrees"
    host.bridge.vetting.witnesses.further.chrony.forget_raw()
    found = live(host, 32, 200 * NS_PER_MS)
    assert "chrony" in reasons(found)
    assert only(found, Publish) == []


def test_beside_a_quorum_it_is_no_further_witness():
    host = Host()
    live(host, 160)
    assert assessed(host).agreeing == 2
    host.ntp_silent = True
    host.rtc_silent = True
    live(host, 2000)
    assert assessed(host).quorum is None
    assert assessed(host).agreeing == 1
    assert assessed(host).before_trust == 0


def test_it_never_lets_a_receiver_in():
    host = Host()
    host.rtc_silent = True
    live(host, 3600)
    assert host.mode is Mode.ACQUIRING
    assert only(host.decisions, Publish) == []


def test_its_objection_holds_off_the_first_feed():
    host = Host()
    found = live(host, 320, 200 * NS_PER_MS)
    assert "chrony" in reasons(found)
    assert only(found, Publish) == []


# ---- to the last value that passes -------------------------------------------------------------------


def test_without_a_majority_nobody_agrees_from_the_start_and_after_a_new_beginning():
    chrony = Chrony()
    assert chrony.sources.agreeing == 0
    chrony.say(0)
    assert chrony.sources.agreeing == 1
    chrony.sources.forget_raw()
    assert chrony.sources.agreeing == 0
    assert chrony.sources.peers == {}


def test_a_refusal_says_what_was_found_and_what_was_wanted():
    sources, leap = ChronySources(LIMITS), LeapSeconds()
    event = SourceReport(5, UTC, 100, "chrony0", "a", 0, NS_PER_MS, 0, False, 0, 255)
    found = sources.take(event, EXACT, leap)
    assert found is not None
    assert (found.reason, found.value, found.limit) == ("chrony-unauthenticated", 0, 1)


@pytest.mark.parametrize(("error", "reason"), [(0, None), (-1, "chrony-distance")])
def test_a_source_may_be_exact(error, reason):
    assert Chrony().say(0, error=error) == reason


@pytest.mark.parametrize(("beyond", "reason"), [(0, None), (1, "chrony-distance")])
def test_the_limit_of_the_distance_is_the_last_that_passes(beyond, reason):
    error = LIMITS.ntp_distance_ns - 100 - 500_000 + beyond
    assert Chrony().say(0, error=error) == reason


def test_a_name_that_is_known_is_heard_though_all_places_are_taken():
    chrony = Chrony()
    for number in range(64):
        chrony.say(0, peer=str(number))
    chrony.say(64, peer="5", error=2 * NS_PER_MS)
    assert len(chrony.sources.peers["5"].answers) == 2
    chrony.say(64, peer="new")
    assert "new" not in chrony.sources.peers


def test_a_source_is_one_until_it_was_silent_for_more_than_a_day():
    chrony = Chrony()
    chrony.say(0, peer="a")
    chrony.say(10, peer="a")
    chrony.say(86_400 + 10, peer="b")
    assert set(chrony.sources.peers) == {"a", "b"}
    chrony.say(86_400 + 11, peer="b")
    assert set(chrony.sources.peers) == {"b"}


def test_one_that_is_silent_for_long_is_no_falseticker():
    chrony = Chrony()
    chrony.say(0, peer="a", off=NS_PER_S)
    for second in (7000, 7064):
        chrony.say(second, peer="b")
        chrony.say(second, peer="c")
    assert chrony.at(7064) is not None
    assert not chrony.sources.peers["a"].falseticker


def test_an_interval_of_just_e_q_has_an_opinion():
    """kdc: 100 ms wide; the report's own share is what the pair and chrony's frequency may hide."""
    for beyond, speaks in ((0, True), (1, False)):
        chrony = Chrony()
        chrony.say(0, error=50 * NS_PER_MS - 100 - 500_000 + beyond)
        assert (chrony.at(0) is not None) is speaks


def test_the_age_is_that_of_the_youngest_report():
    chrony = Chrony()
    chrony.say(0, peer="a")
    chrony.say(10, peer="a")
    chrony.say(4, peer="b")
    assert chrony.sources.age_ns(15 * NS_PER_S) == 5 * NS_PER_S
