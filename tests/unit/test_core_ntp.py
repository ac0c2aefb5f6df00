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
    grown = Quorum((*quorum.peers, "z")).inherit(quorum)
    assert list(grown.peers) == ["a", "b", "c", "z"]
    assert grown.interval == quorum.interval
