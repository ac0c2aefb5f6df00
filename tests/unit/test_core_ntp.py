"""The safe NTP query: each check, its place in the order, and the quorum of several servers."""

from dataclasses import replace

import pytest

from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.witness.ntp import Answer, Peer, Quorum, Refusal, judge_reply
from refclock.model import NtpReply
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire import sntp

LIMITS = parse_policy("").limits
RATE = RawRate(0, 100 * 10**6)
UTC_S = 1_803_859_200
COOKIE = "00000000deadbeef"
STAMP = sntp.from_posix_ns(UTC_S * NS_PER_S)
GOOD = sntp.NtpPacket(
    0, 4, 4, 1, 6, -23, 0, NS_PER_MS, b"GPS\0",
    sntp.from_posix_ns((UTC_S - 10) * NS_PER_S), int(COOKIE, 16), STAMP, STAMP,
)  # fmt: skip


WAITED_NS = 20 * NS_PER_MS


def reply(packet: sntp.NtpPacket | None = GOOD, cookie: str = COOKIE, waited_ns: int = WAITED_NS) -> NtpReply:
    """The arrival of a packet."""
    data = None if packet is None else sntp.encode(packet)
    return NtpReply(waited_ns, 0, 0, "ntp0", "a", cookie, 0, waited_ns, data)


def judged(one: NtpReply) -> Answer | Refusal:
    """What becomes of it."""
    return judge_reply(one, LIMITS, RATE, UTC_S)


def test_a_good_answer_is_an_interval_that_ends_a_delay_after_it_was_sent():
    found = judged(reply())
    assert isinstance(found, Answer)
    own = NS_PER_MS + (NS_PER_S >> 23) + 1
    delay = 20 * NS_PER_MS + 2_000  # 100 ppm of what the raw counter may hide
    slack = 1 << 10  # the short format's resolution
    assert abs(found.interval.lo_ns - (UTC_S * NS_PER_S - own)) <= 16_000 + slack
    assert abs(found.interval.hi_ns - (UTC_S * NS_PER_S + delay + own)) <= 16_000 + slack
    assert found.interval.as_of_ns == 20 * NS_PER_MS
    assert found.interval.holds(UTC_S * NS_PER_S)
    assert found.interval.holds(UTC_S * NS_PER_S + 20 * NS_PER_MS)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"origin": 5}, "ntp-origin"),
        ({"stratum": 0, "reference_id": b"DENY"}, "ntp-kiss-of-death"),
        ({"stratum": 16}, "ntp-stratum"),
        ({"mode": 3}, "ntp-mode"),
        ({"version": 2}, "ntp-version"),
        ({"version": 5}, "ntp-version"),
        ({"leap": 3}, "ntp-unsynchronised"),
        ({"receive": 0}, "ntp-zero-stamp"),
        ({"transmit": 0}, "ntp-zero-stamp"),
        ({"transmit": STAMP - 1}, None),
        ({"transmit": STAMP - (1 << 32)}, "ntp-order"),
        ({"reference": 0}, "ntp-reference-age"),
        ({"reference": STAMP - (7201 << 32)}, "ntp-reference-age"),
        ({"reference": STAMP + (2 << 32)}, "ntp-reference-age"),
        ({"transmit": STAMP + (1 << 32)}, "ntp-delay"),
        ({"root_dispersion_ns": 300 * NS_PER_MS}, "ntp-distance"),
        ({"root_delay_ns": 600 * NS_PER_MS}, "ntp-distance"),
        ({"precision": 0}, "ntp-distance"),
        ({"precision": 5}, "ntp-distance"),
        ({"precision": -128}, None),
    ],
)
def test_each_check(change, reason):
    found = judged(reply(replace(GOOD, **change)))
    if reason is None:
        assert isinstance(found, Answer) or change == {"transmit": STAMP - 1}
    else:
        assert isinstance(found, Refusal)
        assert found.reason == reason


def test_lost_short_and_late():
    lost, late = judged(reply(None)), judged(reply(waited_ns=501 * NS_PER_MS))
    short = judged(replace(reply(), data=b"x" * 47))
    early = judged(reply(waited_ns=-NS_PER_MS))
    kinds = [one.reason for one in (lost, short, late, early) if isinstance(one, Refusal)]
    assert kinds == ["ntp-lost", "ntp-short", "ntp-delay", "ntp-delay"]


def test_an_origin_of_zero_is_an_answer_to_nothing_even_if_that_was_asked():
    found = judged(reply(replace(GOOD, origin=0), cookie="0" * 16))
    assert found == Refusal("ntp-origin", 1, 0)


def test_a_forged_kiss_of_death_has_no_effect():
    found = judged(reply(replace(GOOD, origin=1, stratum=0)))
    assert isinstance(found, Refusal)
    assert found.reason == "ntp-origin"


@pytest.mark.parametrize("era", [0, 1])
def test_the_era_is_the_pivot_s(era):
    utc_s = UTC_S + era * (1 << 32)
    stamp = sntp.from_posix_ns(utc_s * NS_PER_S)
    packet = replace(GOOD, receive=stamp, transmit=stamp, reference=stamp)
    found = judge_reply(reply(packet), LIMITS, RATE, utc_s - 86_400)
    assert isinstance(found, Answer)
    assert found.interval.holds(utc_s * NS_PER_S)


def answer(lo: int, hi: int, at: int = 0, leap: int = 0) -> Answer:
    """An answer as an interval."""
    return Answer(Interval(lo, hi, at), leap)


def test_a_cookie_counts_once():
    peer = Peer("a")
    assert peer.take(reply(), answer(0, 9), RATE) is None
    again = peer.take(reply(), answer(0, 1), RATE)
    assert again is not None
    assert again.reason == "ntp-duplicate"
    assert len(peer.answers) == 1
    assert peer.refusal is again


def test_a_peer_remembers_eight_and_says_the_narrowest():
    peer = Peer("a")
    assert peer.leap == 0
    assert peer.interval(0, RATE, 0) is None
    for index in range(10):
        peer.take(reply(cookie=str(index)), answer(0, 100 - index, index, leap=1), RATE)
    assert len(peer.answers) == 8
    assert peer.leap == 1
    said = peer.interval(9, RawRate(0, 0), 0)
    assert said is not None
    assert said.hi_ns - said.lo_ns == 91
    assert peer.interval(9, RATE, 10) is None


def test_an_old_narrow_answer_gives_way_to_a_new_one():
    peer = Peer("a")
    peer.take(reply(cookie="1"), answer(0, 10, 0), RATE)
    peer.take(reply(cookie="2"), answer(10**9, 10**9 + 1_000, 10**9), RATE)
    said = peer.interval(10**9, RATE, 0)
    assert said == Interval(10**9, 10**9 + 1_000, 10**9)


def quorum_of(**said: tuple[int, int] | None) -> Quorum:
    """A quorum whose servers answered so (None: silent)."""
    quorum = Quorum(tuple(said))
    for name, span in said.items():
        if span is not None:
            quorum.peers[name].take(reply(), answer(*span), RATE)
    return quorum


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"a": (0, 9), "b": (5, 20)}, None),  # two are no quorum
        ({"a": (0, 9), "b": (5, 20), "c": (6, 30)}, (5, 20)),  # one of the three may lie
        ({"a": (0, 9), "b": (5, 20), "c": (90, 99)}, (5, 9)),
        ({"a": (0, 9), "b": (50, 60), "c": (90, 99)}, None),
        ({"a": (0, 9), "b": (5, 20), "c": (6, 30), "d": None, "e": None}, (0, 30)),  # two may lie
        ({"a": (0, 9), "b": (5, 20), "c": (90, 99), "d": None}, None),  # silence makes no majority
        ({"a": (0, 9), "b": (5, 20), "c": (90, 99), "d": (91, 95)}, None),
    ],
)
def test_the_quorum_is_a_majority_of_all_that_are_known(said, expected):
    quorum = quorum_of(**said)
    quorum.refresh(0, RATE, 10)
    found = quorum.at(0, RATE, 10)
    assert (None if found is None else (found.lo_ns, found.hi_ns)) == expected


def test_a_falseticker_is_new_once_and_its_leap_vote_does_not_count():
    quorum = quorum_of(a=(0, 9), b=(0, 9), c=(0, 9), d=(900, 999))
    quorum.peers["d"].answers = [answer(900, 999, leap=1)]
    quorum.peers["a"].answers = [answer(0, 9, leap=1)]
    assert [peer.name for peer in quorum.refresh(0, RATE, 10)] == ["d"]
    assert quorum.refresh(0, RATE, 10) == []
    assert quorum.leap_votes(1) == 1


def test_an_old_quorum_has_no_opinion():
    quorum = quorum_of(a=(0, 9), b=(0, 9), c=(0, 9))
    assert quorum.at(0, RATE, 10) is None
    quorum.refresh(0, RATE, 10)
    assert quorum.at(10, RATE, 10) is not None
    assert quorum.at(11, RATE, 10) is None


def test_a_quorum_is_as_old_as_its_latest_answer():
    assert Quorum(("a", "b")).age_ns(5) is None
    quorum = quorum_of(a=(0, 9), b=None, c=(0, 9))
    quorum.peers["c"].keep(answer(10, 19, 10), RATE)
    assert quorum.age_ns(17) == 7


def test_a_leap_vote_grows_old_like_the_answer_that_carried_it():
    quorum = quorum_of(a=(0, 9), b=(0, 9), c=(0, 9))
    for peer in quorum.peers.values():
        peer.answers = [answer(0, 9, 0, leap=1)]
    quorum.refresh(10**6, RATE, 10)
    assert quorum.interval is None
    assert quorum.leap_votes(1) == 0


def test_a_stranger_joins_those_who_are_known():
    quorum = quorum_of(a=(0, 9), b=(0, 9), c=(0, 9))
    quorum.refresh(0, RATE, 10)
    known = quorum.peers["a"]
    assert quorum.peer("a") is known
    assert quorum.peer("z") is quorum.peers["z"]
    assert list(quorum.peers) == ["a", "b", "c", "z"]
    assert quorum.interval is not None


def test_there_is_no_room_for_any_number_of_strangers():
    quorum = Quorum(tuple(f"configured {number}" for number in range(62)))
    assert [quorum.peer(name) is None for name in ("x", "y", "z")] == [False, False, True]
    assert len(quorum.peers) == 64
    assert len(Quorum(tuple(map(str, range(70)))).peers) == 70


# ---- to the nanosecond, and to the last value that passes -------------------------------------------------


def packet(**change: object) -> NtpReply:
    return reply(replace(GOOD, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (reply(None), Refusal("ntp-lost", 1, 0)),
        (replace(reply(), data=b"x" * 47), Refusal("ntp-short", 47, 48)),
        (packet(stratum=0, reference_id=b"RATE"), Refusal("ntp-kiss-of-death", 0x52415445, 0)),
        (packet(mode=3), Refusal("ntp-mode", 3, 4)),
        (packet(version=2), Refusal("ntp-version", 2, 4)),
        (packet(leap=3), Refusal("ntp-unsynchronised", 3, 2)),
        (packet(stratum=16), Refusal("ntp-stratum", 16, 15)),
        (packet(receive=0), Refusal("ntp-zero-stamp", 0, 1)),
        (packet(transmit=STAMP - (1 << 32)), Refusal("ntp-order", NS_PER_S, 0)),
        (
            packet(reference=STAMP - (7201 << 32)),
            Refusal("ntp-reference-age", 7201 * NS_PER_S, 7200 * NS_PER_S),
        ),
    ],
)
def test_a_refusal_says_what_was_found_and_what_was_wanted(one, expected):
    assert judged(one) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"stratum": 15},
        {"version": 3},
        {"leap": 1},
        {"leap": 2},
        {"reference": STAMP - (7200 << 32)},
        {"reference": STAMP + (1 << 32)},
        {"transmit": STAMP},
    ],
)
def test_the_last_value_that_passes(change):
    assert isinstance(judged(packet(**change)), Answer)


def test_no_reference_time_at_all_is_none_however_young_it_would_be():
    """A stamp of zero is "never", even in the second in which it names the present."""
    zero_s = (1 << 32) - 2_208_988_800
    stamp = sntp.from_posix_ns((zero_s + 5) * NS_PER_S)
    one = packet(receive=stamp, transmit=stamp, reference=0)
    found = judge_reply(one, LIMITS, RATE, zero_s - 86_400)
    assert isinstance(found, Refusal)
    assert found.reason == "ntp-reference-age"


def spread(**change: object) -> tuple[int, int]:
    """How far an answer's interval reaches down and up from when it was sent; the counter is exact."""
    waited = change.pop("waited", 0)
    assert isinstance(waited, int)
    found = judge_reply(
        reply(replace(GOOD, **change), waited_ns=waited),  # type: ignore[arg-type]
        LIMITS, RawRate(0, 0), UTC_S,
    )  # fmt: skip
    assert isinstance(found, Answer)
    sent = UTC_S * NS_PER_S
    return sent - found.interval.lo_ns, found.interval.hi_ns - sent


@pytest.mark.parametrize(("precision", "ns"), [(-23, 119), (-1, 500_000_000), (-30, 0), (-128, 0), (-29, 1)])
def test_an_answer_is_as_sharp_as_the_server_s_own_clock(precision, ns):
    limits = replace(LIMITS, ntp_distance_ns=10**10)
    one = packet(precision=precision, root_dispersion_ns=0)
    found = judge_reply(replace(one, t4_raw_ns=0), limits, RawRate(0, 0), UTC_S)
    assert isinstance(found, Answer)
    assert found.interval.hi_ns - UTC_S * NS_PER_S == ns + 1


@pytest.mark.parametrize("precision", [0, 1, 127])
def test_a_server_whose_clock_counts_seconds_is_that_unsharp(precision):
    limits = replace(LIMITS, ntp_distance_ns=10**10)
    one = packet(precision=precision, root_dispersion_ns=0)
    found = judge_reply(replace(one, t4_raw_ns=0), limits, RawRate(0, 0), UTC_S)
    assert isinstance(found, Answer)
    assert found.interval.hi_ns - UTC_S * NS_PER_S == NS_PER_S + 1


def test_half_the_root_delay_the_dispersion_and_the_whole_round_trip_count():
    """In the short format: 2^-6 s and 2^-5 s, which it holds exactly."""
    quiet = {"precision": -128, "root_dispersion_ns": 0}
    assert spread(**quiet) == (1, 1)
    assert spread(**quiet, waited=7) == (1, 8)
    assert spread(precision=-128, root_dispersion_ns=15_625_000) == (15_625_001, 15_625_001)
    assert spread(**quiet, root_delay_ns=31_250_000) == (15_625_001, 15_625_001)


def test_time_that_the_server_held_the_question_is_no_delay():
    later = sntp.from_posix_ns(UTC_S * NS_PER_S + 10 * NS_PER_MS)
    one = reply(replace(GOOD, transmit=later, root_dispersion_ns=0, precision=-128), waited_ns=15 * NS_PER_MS)
    found = judge_reply(one, LIMITS, RawRate(0, 0), UTC_S)
    assert isinstance(found, Answer)
    assert abs(found.interval.hi_ns - found.interval.lo_ns - 5 * NS_PER_MS) <= 3


@pytest.mark.parametrize(
    ("waited_ns", "passes"), [(0, True), (500 * NS_PER_MS, True), (500 * NS_PER_MS + 1, False), (-1, False)]
)
def test_a_round_trip_takes_between_nothing_and_the_limit(waited_ns, passes):
    limits = replace(LIMITS, ntp_delay_ns=500 * NS_PER_MS, ntp_distance_ns=10**10)
    found = judge_reply(reply(waited_ns=waited_ns), limits, RawRate(0, 0), UTC_S)
    if passes:
        assert isinstance(found, Answer)
    else:
        assert found == Refusal("ntp-delay", waited_ns, 500 * NS_PER_MS)


def test_what_the_counter_may_hide_counts_as_delay_whichever_way_it_ran():
    limits = replace(LIMITS, ntp_delay_ns=0)
    for waited in (10**6, -(10**6)):
        found = judge_reply(reply(waited_ns=waited), limits, RawRate(0, 100 * 10**6), UTC_S)
        assert found == Refusal("ntp-delay", waited + 100, 0)


def test_the_distance_is_the_server_s_own_and_half_the_round_trip():
    for limit, passes in ((5 * NS_PER_MS + 1, True), (5 * NS_PER_MS, False)):
        limits = replace(LIMITS, ntp_distance_ns=limit)
        one = reply(replace(GOOD, root_dispersion_ns=0, precision=-128), waited_ns=10 * NS_PER_MS)
        found = judge_reply(one, limits, RawRate(0, 0), UTC_S)
        assert isinstance(found, Answer) is passes
        if not passes:
            assert found == Refusal("ntp-distance", 5 * NS_PER_MS + 1, limit)


def test_a_good_answer_ends_an_earlier_refusal_and_a_late_refusal_is_its_own():
    peer = Peer("a")
    lost = Refusal("ntp-lost", 1, 0)
    peer.take(reply(cookie="1"), lost, RATE)
    assert peer.refusal is lost
    peer.take(reply(cookie="2"), answer(0, 9), RATE)
    assert peer.refusal is None
    assert peer.take(reply(cookie="2"), lost, RATE) is lost  # not a duplicate: there is no answer in it
    assert peer.take(reply(cookie="2"), answer(0, 9), RATE) == Refusal("ntp-duplicate", 1, 0)


def test_an_answer_that_contradicts_the_earlier_ones_silences_them():
    peer = Peer("a")
    exact = RawRate(0, 0)
    peer.take(reply(cookie="1"), answer(0, 10, 0), exact)
    peer.take(reply(cookie="2"), answer(500, 900, 5), exact)
    assert peer.interval(5, exact, 0) == Interval(500, 900, 5)


def test_the_narrowest_is_reckoned_with_what_its_age_costs_at_both_ends():
    """100 ppm: a second costs 100 us at either end."""
    peer = Peer("a")
    old, new = answer(0, 1_000_000, 0), answer(0, 1_200_000, NS_PER_S)
    peer.answers = [old, new]
    for at_ns, since_ns, told in ((NS_PER_S, 0, old), (NS_PER_S, 1, new)):
        assert peer.interval(at_ns, RATE, since_ns) == told.interval.at(at_ns, RATE)
    peer.answers = [old, answer(0, 1_199_998, NS_PER_S)]
    assert peer.interval(NS_PER_S, RATE, 0) == Interval(0, 1_199_998, NS_PER_S)
    # asked about earlier: age counts backwards too
    peer.answers = [answer(0, 1_200_000, 0), answer(0, 1_000_001, NS_PER_S)]
    assert peer.interval(0, RATE, 0) == Interval(0, 1_200_000, 0)
    # equally narrow: the earlier one stays
    peer.answers = [answer(0, 1_000_000, 5), answer(7, 1_000_007, 5)]
    assert peer.interval(5, RATE, 0) == Interval(0, 1_000_000, 5)


def test_a_peer_s_leap_is_its_latest_word():
    peer = Peer("a")
    peer.answers = [answer(0, 9, leap=2), answer(0, 9, leap=1)]
    assert peer.leap == 1
    assert not Peer("a").live


def test_how_many_agree_is_told_with_the_quorum_and_nobody_without():
    quorum = quorum_of(a=(0, 9), b=(5, 20), c=(6, 30), d=(900, 999))
    assert quorum.agreeing == 0
    assert quorum.refresh(0, RATE, 10)
    assert quorum.agreeing == 3
    assert [peer.live for peer in quorum.peers.values()] == [True] * 4
    quorum.refresh(10**9, RATE, 10)
    assert quorum.agreeing == 0
    assert not any(peer.live for peer in quorum.peers.values())


def test_a_falseticker_s_vote_is_not_counted_whatever_the_others_say():
    quorum = quorum_of(a=(0, 9), b=(0, 9), c=(0, 9), d=(900, 999))
    quorum.peers["d"].answers = [answer(900, 999, leap=1)]
    quorum.refresh(0, RATE, 10)
    assert quorum.leap_votes(1) == 0
    assert quorum.leap_votes(0) == 3
