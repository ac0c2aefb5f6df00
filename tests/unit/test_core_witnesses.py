"""Those who were asked beside the receiver: what they say of one second, and who of them is named."""

from dataclasses import replace

import pytest

from refclock.core.rules.episodes import Episodes
from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.leap import LeapSecond
from refclock.core.seconds.pairing import Edge, Refused, Second
from refclock.core.seconds.timeline import Placed
from refclock.core.witness.assessment import Assessment
from refclock.core.witness.ntp import Answer, Peer
from refclock.core.witness.witnesses import Witnesses
from refclock.model import Accuse, KdcReply, NtpReply, PhcReading, RtcTick, SourceReport, SystemClock
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S
from tests.unit.test_core_host import BEGIN_S, ntp_packet

# kdc: E_q is 100 ms, an answer speaks for 1024 s.
POLICY = parse_policy('[pps]\ndevice = "/dev/pps0"\n[ntp]\nservers = ["a", "b", "c"]\n')
CESIUM = parse_policy('profile = "kdc-cesium"\n[pps]\ndevice = "/dev/pps0"\n[cesium]\ndevice = "/dev/pps1"\n')
EXACT = RawRate(0, 0)
RAW = 5 * 10**14
UTC = BEGIN_S * NS_PER_S
BUILD_S = BEGIN_S - 86_400


def witnesses(policy=POLICY) -> Witnesses:
    """Witnesses on an exact counter."""
    made = Witnesses(policy, BUILD_S, Episodes(policy.limits))
    made.rate = EXACT
    return made


def told(made: Witnesses, name: str, lo_ns: int, hi_ns: int, at_ns: int = 0) -> None:
    """A server said this, relative to UTC, so long after RAW."""
    interval = Interval(UTC + at_ns + lo_ns, UTC + at_ns + hi_ns, RAW + at_ns)
    made.quorum.peers[f"{name}:123"].answers = [Answer(interval, 0)]


def agreed(made: Witnesses, half_ns: int = 5 * NS_PER_MS, at_ns: int = 0) -> None:
    """All three servers agree."""
    for name in "abc":
        told(made, name, -half_ns, half_ns, at_ns)
    assert made._refresh(RAW + at_ns) == []


def second(at_ns: int = 0, unc_ns: int = 100) -> Second:
    return Second(Edge(RAW + at_ns, unc_ns, 0), BEGIN_S, False, 0, 0)


def reply(peer: str, off_ns: int = 0, lost: bool = False, cookie: str = "0000000000000001") -> NtpReply:
    """An answer without any delay, by a server that is off."""
    data = None if lost else ntp_packet(UTC + off_ns, cookie)
    return NtpReply(RAW, UTC, 100, "ntp0", peer, cookie, RAW, RAW, data)


# ---- answers ----------------------------------------------------------------------------------------------


def test_an_unenrolled_counter_is_as_exact_as_configured():
    made = Witnesses(POLICY, BUILD_S, Episodes(POLICY.limits))
    assert made.rate == RawRate(0, POLICY.limits.raw_rate_ppt)


def test_a_lost_answer_is_told_and_a_good_one_is_not():
    made = witnesses()
    assert made.on_ntp(reply("a:123", lost=True)) == [Refused(RAW, "ntp-lost", 1, 0)]
    assert made.on_ntp(reply("a:123")) == []
    said = made.quorum.peers["a:123"].answers[0].interval
    assert said.holds(UTC)
    assert said.as_of_ns == RAW


def test_a_server_that_the_policy_does_not_know_is_one_of_the_known_from_then_on():
    made = witnesses()
    agreed(made)
    made.on_ntp(reply("z:123"))
    assert list(made.quorum.peers) == ["a:123", "b:123", "c:123", "z:123"]
    assert made.quorum.peers["z:123"].answers
    assert made.quorum.agreeing == 4


def test_of_ever_new_servers_some_are_heard_and_the_rest_passed_over():
    made = witnesses()
    for number in range(70):
        made.on_ntp(reply(f"{number}:123"))
    assert len(made.quorum.peers) == 64
    assert made.on_ntp(reply("one more:123", lost=True)) == []


def test_an_answer_near_a_leap_second_is_no_opinion_and_after_it_is_counted_in_si_seconds():
    made = witnesses()
    made.leap.confirmed.append(LeapSecond(BEGIN_S + 1, 1))
    assert made.on_ntp(reply("a:123", lost=True)) != []
    assert made.on_ntp(reply("a:123")) == []
    assert made.quorum.peers["a:123"].answers == []
    made.leap.confirmed = [LeapSecond(BEGIN_S - 10, 1)]
    made.on_ntp(reply("a:123", cookie="0000000000000002"))
    assert made.quorum.peers["a:123"].answers[0].interval.holds(UTC + NS_PER_S)


def test_a_majority_that_announces_a_leap_second_confirms_the_receiver_s():
    month_s = 1_804_550_400  # 2027-03-09 is not a month's end: the table's own day is used
    made = witnesses()
    made.leap.load_table(month_s + 86_400 * 60, [(1_483_228_800, 37), (1_806_537_600, 38)])
    agreed(made)
    assert made.leap.confirmed == [LeapSecond(1_806_537_600, 1)]


@pytest.mark.parametrize(("change", "leap"), [(1, 1), (-1, 2)])
@pytest.mark.parametrize(("votes", "confirms"), [(2, False), (3, True)])
def test_three_of_four_servers_that_announce_it_confirm_the_receiver_s_leap_second(
    change, leap, votes, confirms
):
    """The leap indicator is 1 where the last minute has 61 s, 2 where it has 59 (RFC 5905, figure 9)."""
    made = witnesses(parse_policy('[ntp]\nservers = ["a", "b", "c", "d"]\n'))
    made.leap.announce(change, 1_806_537_600)  # 2027-04-01
    for number, name in enumerate("abcd"):
        said = Interval(UTC - 5, UTC + 5, RAW)
        made.quorum.peers[f"{name}:123"].answers = [Answer(said, leap if number < votes else 0)]
    made._refresh(RAW)
    assert made.leap.confirmed == ([LeapSecond(1_806_537_600, change)] if confirms else [])


def test_a_cesium_that_is_itself_the_receiver_is_no_witness():
    text = 'profile = "kdc-cesium"\n[receiver]\nprotocol = "none"\n[cesium]\ndevice = "/dev/pps1"\n'
    assert witnesses(CESIUM).cesium is not None
    made = witnesses(parse_policy(text))
    assert made.cesium is None
    made.forget_raw(rate_too=False)
    assert made.cesium is None


# ---- who is named ---------------------------------------------------------------------------------------


def strayed(made: Witnesses, off_ns: int = NS_PER_S, at_ns: int = 0) -> list[Refused | Accuse]:
    """Server c has left the others."""
    for name, off in (("a", 0), ("b", 0), ("c", off_ns)):
        told(made, name, off - 5, off + 5, at_ns)
    return made._refresh(RAW + at_ns)


def test_a_server_is_named_once_when_it_has_been_wrong_for_twenty_seconds():
    made = witnesses()
    assert strayed(made) == []
    assert strayed(made, at_ns=20 * NS_PER_S - 1) == []
    assert strayed(made, at_ns=20 * NS_PER_S) == [
        Accuse(RAW + 20 * NS_PER_S, "ntp:c:123", {"off_ns": NS_PER_S - 10, "agreeing": 2, "known": 3})
    ]
    assert strayed(made, at_ns=60 * NS_PER_S) == []


def test_a_server_behind_the_others_is_off_the_other_way():
    made = witnesses()
    strayed(made, -NS_PER_S)
    (found,) = strayed(made, -NS_PER_S, 20 * NS_PER_S)
    assert isinstance(found, Accuse)
    assert found.evidence["off_ns"] == -NS_PER_S + 10


def test_one_that_came_back_in_between_is_not_named():
    made = witnesses()
    strayed(made)
    strayed(made, 0, 10 * NS_PER_S)
    assert strayed(made, at_ns=20 * NS_PER_S) == []
    assert strayed(made, at_ns=40 * NS_PER_S) != []


def test_one_that_fell_silent_is_not_named():
    made = witnesses()
    made.quorum.peers["d:123"] = Peer("d:123")
    told(made, "d", -5, 5)
    strayed(made)
    made.quorum.peers["c:123"].answers = []
    for name in "abd":
        told(made, name, -5, 5, 10 * NS_PER_S)
    assert made._refresh(RAW + 10 * NS_PER_S) == []
    told(made, "d", -5, 5, 20 * NS_PER_S)
    assert strayed(made, at_ns=20 * NS_PER_S) == []  # it has just begun to be wrong again


def test_one_that_was_found_out_before_the_majority_fell_silent_is_not_named_by_nobody():
    made = witnesses()
    strayed(made)
    for name in "ab":
        made.quorum.peers[f"{name}:123"].answers = []
    assert made._refresh(RAW + 30 * NS_PER_S) == []
    assert made.quorum.interval is None


def test_while_the_receiver_is_being_rejected_nobody_is_named():
    made = witnesses()
    strayed(made)
    made._episodes.began_ns = RAW
    assert strayed(made, at_ns=30 * NS_PER_S) == []
    made._episodes.began_ns = None
    assert strayed(made, at_ns=31 * NS_PER_S) != []


@pytest.mark.parametrize(("off_ns", "named"), [(0, False), (105, False), (106, True), (-106, True)])
def test_one_that_holds_with_the_accepted_receiver_is_not_named(off_ns, named):
    """1e-10 of the counter hides 100 ns in a thousand seconds, beside the answer's own 5."""
    made = witnesses()
    made.rate = RawRate(0, 100)
    at_ns = 1000 * NS_PER_S
    strayed(made, at_ns=at_ns)
    made.accepted = RAW + at_ns, UTC + at_ns + NS_PER_S
    later = at_ns + 1000 * NS_PER_S
    for name, off in (("a", 0), ("b", 0), ("c", NS_PER_S + off_ns)):
        told(made, name, off - 5, off + 5, later)
    assert (made._refresh(RAW + later) != []) is named


def test_an_answer_from_just_before_the_accepted_second_is_held_against_it_as_widely():
    made = witnesses()
    made.rate = RawRate(0, 10**8)
    for at_ns in (0, 40 * NS_PER_S):
        made.accepted = RAW + at_ns + NS_PER_S, UTC + at_ns + 2 * NS_PER_S
        assert strayed(made, NS_PER_S - 50_000, at_ns) == []  # 100 ppm of a second are 100 us


def test_a_quorum_is_formed_anew_when_nothing_was_heard_for_a_minute():
    """Silence does not keep yesterday's majority alive, nor a falseticker unnamed."""
    made = witnesses()
    strayed(made)
    assert made.news() == []
    made.assess(second(64 * NS_PER_S), UTC + 64 * NS_PER_S)
    assert made.news() == []
    made.assess(second(64 * NS_PER_S + 1), UTC + 64 * NS_PER_S)
    (found,) = made.news()
    assert isinstance(found, Accuse)
    assert made.news() == []


# ---- the RTC --------------------------------------------------------------------------------------------


def ticked(made: Witnesses, at_s: int, moved_ns: int = 0) -> None:
    made.on_rtc(RtcTick(RAW + at_s * NS_PER_S - moved_ns, UTC, 1000, "rtc0", BEGIN_S + at_s))


def jumped(moved_ns: int) -> Witnesses:
    """An RTC that jumped against the counter."""
    made = witnesses()
    made.rtc.enroll(0, 0)
    ticked(made, 0)
    ticked(made, 1, moved_ns)
    assert made.rtc_jump is not None
    assert made.rtc_jump[1] == moved_ns
    return made


def test_a_jump_is_kept_once_with_its_tick():
    made = jumped(200 * NS_PER_MS)
    jump = made.rtc_jump
    assert jump is not None
    assert jump[0].rtc_s == BEGIN_S + 1
    ticked(made, 2, 200 * NS_PER_MS)
    assert made.rtc_jump is jump


def test_a_tick_that_came_when_it_should_is_no_jump():
    made = witnesses()
    for at_s in range(3):
        ticked(made, at_s)
        assert made.rtc_jump is None


def test_leap_seconds_so_far_are_the_rtc_s_offset():
    made = witnesses()
    made.leap.confirmed.append(LeapSecond(BEGIN_S - 100, 1))
    ticked(made, 0)
    said = made.rtc.interval(RAW, EXACT)
    assert said is not None
    assert (said.lo_ns + said.hi_ns) // 2 == UTC + NS_PER_S


@pytest.mark.parametrize(
    ("moved_ms", "jump_ms", "alike"),
    [
        (200, 200, True),
        (227, 200, True),  # 25 ms, and a hundredth
        (173, 200, True),
        (228, 200, False),
        (172, 200, False),
        (-200, 200, False),
        (-227, -200, True),
        (-228, -200, False),
        (100, 100, True),
        (99, 99, False),  # too little for a pause
    ],
)
def test_receiver_and_rtc_that_jumped_alike_find_the_counter_out(moved_ms, jump_ms, alike):
    made = jumped(jump_ms * NS_PER_MS)
    assert made.raw_jumped(RAW, 10**12, moved_ms * NS_PER_MS) is alike
    assert made.rtc_jump is not None
    assert witnesses().raw_jumped(RAW, 0, moved_ms * NS_PER_MS) is False


@pytest.mark.parametrize(("phase_ms", "pardoned"), [(75, True), (76, False), (25, True), (24, False)])
def test_a_small_jump_that_the_receiver_walked_too_is_the_counter_s_drift(phase_ms, pardoned):
    made = jumped(50 * NS_PER_MS)
    assert made.raw_jumped(RAW + NS_PER_S, phase_ms * NS_PER_MS, 0) is False
    assert (made.rtc_jump is None) is pardoned
    assert (made.rtc.stepped_ns == 0) is pardoned


@pytest.mark.parametrize(("beyond_ns", "pardoned"), [(0, True), (1, False)])
def test_what_crept_may_differ_by_what_the_rtc_drifts_and_a_pause_does_not_creep(beyond_ns, pardoned):
    """2 ppm of a thousand seconds, beside 25 ms."""
    made = jumped(200 * NS_PER_MS)
    made.rtc.crept = True
    raw_ns = RAW + 1000 * NS_PER_S
    assert made.raw_jumped(raw_ns, 227 * NS_PER_MS + beyond_ns, 200 * NS_PER_MS) is False
    assert (made.rtc_jump is None) is pardoned


@pytest.mark.parametrize(("beyond_ns", "pardoned"), [(0, True), (1, False)])
def test_what_jumped_at_once_may_not_differ_by_what_the_rtc_drifts(beyond_ns, pardoned):
    made = jumped(50 * NS_PER_MS)
    made.raw_jumped(RAW + 1000 * NS_PER_S, 75 * NS_PER_MS + beyond_ns, 0)
    assert (made.rtc_jump is None) is pardoned


def test_what_is_found_out_in_one_second_is_all_told():
    made = jumped(200 * NS_PER_MS)
    strayed(made)
    made.assess(second(64 * NS_PER_S + 1), UTC + 64 * NS_PER_S)
    made.receiver_kept(RAW + 64 * NS_PER_S + 1, UTC + 64 * NS_PER_S + 1, 0)
    assert [one.source for one in made.news() if isinstance(one, Accuse)] == ["ntp:c:123", "rtc"]
    made = jumped(200 * NS_PER_MS)
    strayed(made)
    made.receiver_kept(RAW + NS_PER_S, UTC + NS_PER_S, 0)
    made.accepted = None
    made.assess(second(64 * NS_PER_S + 1), UTC + 64 * NS_PER_S)
    assert [one.source for one in made.news() if isinstance(one, Accuse)] == ["rtc", "ntp:c:123"]


def test_where_the_receiver_is_accepted_the_jump_was_the_rtc_s_own():
    made = jumped(200 * NS_PER_MS)
    made.receiver_kept(RAW + NS_PER_S, UTC + NS_PER_S, 0)
    at = RAW + NS_PER_S - 200 * NS_PER_MS
    evidence = {"moved_ns": 200 * NS_PER_MS, "witnesses": ["raw", "receiver"]}
    assert made.news() == [Refused(at, "rtc-step", 200 * NS_PER_MS, 0), Accuse(at, "rtc", evidence)]
    assert made.rtc_jump is None
    assert made.accepted == (RAW + NS_PER_S, UTC + NS_PER_S)
    made.receiver_kept(RAW + 2 * NS_PER_S, UTC + 2 * NS_PER_S, 0)
    assert made.news() == []


def test_a_jump_backwards_is_told_by_its_size():
    made = jumped(-200 * NS_PER_MS)
    made.receiver_kept(RAW + NS_PER_S, UTC, 0)
    refused, _ = made.news()
    assert isinstance(refused, Refused)
    assert refused.value == 200 * NS_PER_MS


def test_where_the_receiver_walked_as_far_nobody_is_named():
    made = jumped(50 * NS_PER_MS)
    made.receiver_kept(RAW + NS_PER_S, UTC, 50 * NS_PER_MS)
    assert made.news() == []
    assert made.rtc.stepped_ns == 0


def test_an_rtc_that_follows_the_system_is_told_when_it_begins_to():
    made = witnesses()

    def look(status: int) -> list[Refused | Accuse]:
        return made.on_system(SystemClock(RAW, UTC, 100, 0, 10_000, status, 0, 37, "tsc", "boot"))

    assert look(0) == []  # no RTC
    ticked(made, 0)
    assert look(0x40) == []
    assert not made.rtc.follows_system
    assert look(1) == [Refused(RAW, "rtc-follows-system", 1, 0x40)]
    assert made.rtc.follows_system
    assert look(1) == []
    assert look(0x40) == []
    assert look(1) != []


# ---- what they say of a second --------------------------------------------------------------------------


def test_nobody_heard_nobody_says_anything():
    made = Witnesses(parse_policy(""), BUILD_S, Episodes(POLICY.limits))
    assert made.assess(second(), UTC) == Assessment(None, None, 0, None, None, False)
    assert witnesses().assess(second(), UTC).networked


@pytest.mark.parametrize(("wide_ns", "speaks"), [(100 * NS_PER_MS, True), (100 * NS_PER_MS + 2, False)])
def test_a_quorum_wider_than_e_q_has_no_opinion(wide_ns, speaks):
    made = witnesses()
    agreed(made, wide_ns // 2)
    assert (made.quorum_at(RAW) is not None) is speaks


def test_a_quorum_that_is_too_old_has_no_opinion():
    made = witnesses()
    agreed(made)
    assert made.quorum_at(RAW + POLICY.limits.ntp_max_age_ns) is not None
    assert made.quorum_at(RAW + POLICY.limits.ntp_max_age_ns + 1) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_the_quorum_objects_beyond_e_q_and_the_stamp_s_uncertainty(sign):
    made = witnesses()
    agreed(made)
    limit = 100 * NS_PER_MS + 100
    said = made.assess(second(), UTC + sign * (limit - 5 * NS_PER_MS))
    assert (said.agreeing, said.quorum_objects) == (1, None)
    said = made.assess(second(), UTC + sign * (limit - 5 * NS_PER_MS + 1))
    assert (said.agreeing, said.quorum_objects) == (0, Refused(RAW, "quorum", limit + 1, limit, BEGIN_S))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_rtc_objects_outside_of_its_interval_and_the_stamp_s_uncertainty(sign):
    made = witnesses()
    ticked(made, 0)
    half = POLICY.limits.rtc_error_ns + 1000
    said = made.assess(second(), UTC + sign * (half + 100))
    assert (said.agreeing, said.rtc_objects) == (1, None)
    moved = sign * (half + 101)
    said = made.assess(second(), UTC + moved)
    objects = Refused(RAW, "rtc", half + 101, half + 100, BEGIN_S, moved_ns=moved)
    assert (said.agreeing, said.rtc_objects) == (0, objects)


def test_both_of_them_are_two_and_each_is_told():
    made = witnesses()
    agreed(made)
    ticked(made, 0)
    said = made.assess(second(), UTC)
    assert said.agreeing == 2
    assert said.quorum == made.quorum_at(RAW)
    assert said.rtc == made.rtc.interval(RAW, EXACT)


class Second2:
    """A second receiver that says one thing."""

    def __init__(self, off_ns: int) -> None:
        self._said = Interval(UTC + off_ns, UTC + off_ns, RAW)

    def interval(self, raw_ns: int, rate: RawRate) -> Interval:
        return self._said


@pytest.mark.parametrize(("off_ns", "agrees"), [(0, True), (100, True), (101, False), (-101, False)])
def test_a_second_receiver_agrees_within_the_stamp_s_uncertainty(off_ns, agrees):
    made = witnesses()
    made.companion = Second2(off_ns)  # type: ignore[assignment]
    said = made.assess(second(), UTC)
    assert said.agreeing == (1 if agrees else 0)
    assert said.companion_disagrees is not agrees


# ---- the cesium -------------------------------------------------------------------------------------------


def beside(at_ns: int = 0) -> Witnesses:
    made = witnesses(CESIUM)
    assert made.cesium is not None
    made.cesium.on_edge(Placed(RAW + at_ns, 50))
    return made


def test_only_kdc_cesium_has_one():
    assert witnesses().cesium is None
    assert witnesses().assess(second(), UTC).cesium_silent is False


def test_a_cesium_that_is_silent_is_said_to_be():
    made = witnesses(CESIUM)
    assert made.assess(second(), UTC).cesium_silent is True
    assert made.apart is None


def test_a_cesium_agrees_or_objects_and_its_distance_is_told():
    made = beside()
    said = made.assess(second(), UTC)
    assert (said.agreeing, said.apart_ns, said.cesium_objects) == (1, 0, None)
    assert made.by_cesium_ns(second(), UTC, said, RAW) == 10_000
    assert made.cesium is not None
    said = made.assess(second(20_000), UTC)
    assert (said.agreeing, said.apart_ns) == (0, 20_000)
    assert said.cesium_objects is not None
    assert made.apart == (RAW + 20_000, 20_000)
    assert said.cesium_silent is False


def test_the_cesium_bounds_from_its_first_comparison_on():
    made = beside()
    said = made.assess(second(), UTC)
    assert made.by_cesium_ns(second(), UTC, said, RAW) == 10_000
    assert made.by_cesium_ns(second(), UTC, said, RAW - 1) is None
    assert made.by_cesium_ns(second(), UTC, replace(said, apart_ns=None), RAW) is None
    assert witnesses().by_cesium_ns(second(), UTC, said, RAW) is None
    assert made.cesium is not None
    assert made.cesium.gate.budget_ns(RAW + NS_PER_S) == NS_PER_S  # it was taken in


# ---- since an instant, and anew ---------------------------------------------------------------------------


def test_only_what_was_said_since_then_counts_and_all_must_have_spoken():
    made = witnesses()
    agreed(made)
    ticked(made, 0)
    quorum, rtc, complete = made.since(RAW, RAW, 0)
    assert quorum is not None
    assert rtc is not None
    assert complete
    assert made.since(RAW + 1, RAW + 1, 0) == (None, None, False)
    ticked(made, 1)
    assert made.since(RAW + 1, RAW + NS_PER_S, 0)[2] is False  # the servers have not
    agreed(made, at_ns=2 * NS_PER_S)
    assert made.since(RAW + 1, RAW + 2 * NS_PER_S, 0)[2] is True
    assert made.since(RAW + 2 * NS_PER_S, RAW + 2 * NS_PER_S, 0)[2] is False  # the RTC has not
    assert witnesses().since(RAW, RAW, 0) == (None, None, True)  # nobody to wait for


def test_the_counter_is_a_suspect_itself_and_makes_them_wider():
    made = witnesses()
    made.rate = RawRate(7, 1000)
    agreed(made, 5 * NS_PER_MS)
    for suspect_ppt, half in ((0, 5 * NS_PER_MS + 1001), (1_000_000, 5 * NS_PER_MS + 1_001_001)):
        quorum = made.since(RAW, RAW + 1000 * NS_PER_S, suspect_ppt)[0]
        assert quorum is not None
        assert abs(quorum.half_ns - half) <= 1000


def full() -> Witnesses:
    made = beside()
    for name in "abc":
        made.on_ntp(reply(f"{name}:123"))
    ticked(made, 0)
    made.accepted = RAW, UTC
    made.rtc_jump = (RtcTick(0, 0, 0, "rtc0", 0), 5)
    made._unnamed["a:123"] = RAW
    made.assess(second(), UTC)
    return made


def test_a_counter_that_began_anew_voids_all_that_was_told_against_it():
    made = full()
    cesium = made.cesium
    made.rate = RawRate(5, 7)
    forgotten = []
    made.further.forget_raw = lambda: forgotten.append("further")  # type: ignore[method-assign]
    made.companion.forget_raw = lambda: forgotten.append("companion")  # type: ignore[method-assign]
    made.forget_raw(rate_too=False)
    assert forgotten == ["further", "companion"]
    assert list(made.quorum.peers) == ["a:123", "b:123", "c:123"]
    assert made.quorum.interval is None
    assert not made.rtc.present
    assert (made.accepted, made.rtc_jump, made.apart) == (None, None, None)
    assert made.cesium is not None
    assert made.cesium is not cesium
    assert made._unnamed == {}
    assert made.rate == RawRate(0, CESIUM.limits.raw_rate_ppt)  # it was provisional


@pytest.mark.parametrize("rate_too", [True, False])
def test_an_enrolled_rate_stays_unless_it_is_what_was_wrong(rate_too):
    made = witnesses()
    made.rate = RawRate(5, 7, enrolled=True)
    made.forget_raw(rate_too)
    assert made.rate == (RawRate(0, POLICY.limits.raw_rate_ppt) if rate_too else RawRate(5, 7, enrolled=True))


# ---- the further ones are asked through the same door ---------------------------------------------------


def test_what_a_further_witness_complains_of_is_told():
    made = witnesses()
    reading = PhcReading(RAW, UTC, 100, "phc0", UTC)
    assert made.on_phc(reading) == []
    (frozen,) = made.on_phc(replace(reading, raw_ns=RAW + NS_PER_S, real_ns=UTC + NS_PER_S))
    assert frozen.reason == "phc-frozen"
    report = SourceReport(RAW, UTC, 100, "chrony0", "s", 0, 100, 1, True, 0, 255)
    assert made.on_source(report) == []
    (refused,) = made.on_source(replace(report, auth=False))
    assert refused.reason == "chrony-unauthenticated"
    (lost,) = made.on_kdc(KdcReply(RAW, UTC, 100, "kdc0", "k:88", "0" * 16, "udp", RAW, RAW, None))
    assert isinstance(lost, Refused)
    assert lost.reason == "kdc-lost"
