"""The realm's other KDCs: a majority may veto, none sets anything, and one that strays is named."""

from dataclasses import replace

import pytest

from refclock.core.rules.episodes import Episodes
from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.leap import LeapSecond, LeapSeconds
from refclock.core.seconds.pairing import Refused
from refclock.core.telling.rows import witness_rows
from refclock.core.witness.realm import Realm
from refclock.core.witness.witnesses import Witnesses
from refclock.model import Accuse, KdcReply, Mode, Publish, Withhold
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S, PPT_PER_PPM
from refclock.wire import der
from refclock.wire.calendar import show_utc
from refclock.wire.krb5 import KdcQuestion
from tests.unit.test_core_host import BEGIN_S, KDC, RAW_0, Host, only
from tests.unit.test_krb5 import error, name, stamp

POLICY = parse_policy('[realm]\nrealm = "EXAMPLE.TEST"\nkdcs = ["a:88", "b:88", "c:88"]\n')
EXACT = RawRate(0, 0)
UTC_S = 1_803_859_200
COOKIE = 0


def refusal(utc_ns: int, cookie: str, *, matched: bool = True) -> bytes:
    """What a KDC answers whose clock shows this."""
    text = show_utc(utc_ns // NS_PER_S).translate({ord(one): None for one in "-:T"}) + "Z"
    fields = {4: stamp(text.encode()), 5: der.integer(utc_ns % NS_PER_S // 1000)}
    data: bytes = error({**fields, 8: name(KdcQuestion("EXAMPLE.TEST", cookie).client) if matched else None})
    return data


def reply(raw_ns: int, peer: str, utc_ns: int, waited_ns: int = 2 * NS_PER_MS, **how: bool) -> KdcReply:
    """An answer that arrived at ``raw_ns`` from a clock that showed ``utc_ns`` half way."""
    global COOKIE  # noqa: PLW0603  # each question has its own
    COOKIE += 1
    cookie = f"{COOKIE:016x}"
    data = refusal(utc_ns, cookie, **how)
    return KdcReply(raw_ns, raw_ns, 100, "kdc0", peer, cookie, "udp", raw_ns - waited_ns, raw_ns, data)


class Kdcs:
    def __init__(self):
        self.realm, self.leap = Realm(POLICY), LeapSeconds()

    def say(self, second, peer, off_ns=0, **how):
        raw = second * NS_PER_S
        event = reply(raw, peer, UTC_S * NS_PER_S + raw - NS_PER_MS + off_ns, **how)
        refused = self.realm.take(event, EXACT, self.leap)
        return None if refused is None else refused.reason

    def all(self, second, **off_ns):
        for peer in "abc":
            assert self.say(second, f"{peer}:88", off_ns.get(peer, 0)) is None

    def at(self, second, rate=EXACT):
        return self.realm.at(second * NS_PER_S, rate)

    def stray(self, second, peer):
        utc = UTC_S * NS_PER_S + second * NS_PER_S
        return self.realm.stray(peer, second * NS_PER_S, EXACT, Interval(utc, utc, second * NS_PER_S))


def test_a_majority_shares_a_second_either_way():
    kdcs = Kdcs()
    assert kdcs.at(0) is None
    assert kdcs.realm.age_ns(7) is None
    assert kdcs.say(0, "a:88") is None
    assert kdcs.at(0) is None  # one alone is no majority
    assert kdcs.say(0, "b:88") is None
    said = kdcs.at(0)
    utc = UTC_S * NS_PER_S
    # The clock showed this, or later in the same second, somewhere within the round trip of 2 ms.
    assert (said.lo_ns, said.hi_ns) == (utc - NS_PER_MS - NS_PER_S, utc + 2 * NS_PER_MS + NS_PER_S)
    assert kdcs.realm.agreeing == 2
    assert kdcs.realm.age_ns(7) == 7
    later = kdcs.at(1000, RawRate(0, PPT_PER_PPM))
    assert later.half_ns == said.half_ns + NS_PER_MS + 1
    assert kdcs.at(1024) is not None
    assert kdcs.at(1025) is None


def test_a_time_that_was_the_first_of_its_second_accuses_nobody():
    """MIT's KDC says the microseconds of a second's first message for a whole second."""
    kdcs = Kdcs()
    raw = 1_990 * NS_PER_MS
    for peer in "abc":
        event = reply(raw, f"{peer}:88", UTC_S * NS_PER_S + NS_PER_S + 1000)
        assert kdcs.realm.take(event, EXACT, kdcs.leap) is None
    said = kdcs.realm.at(raw, EXACT)
    assert said is not None
    assert said.holds(UTC_S * NS_PER_S + raw - NS_PER_S + 5 * NS_PER_MS)
    assert said.holds(UTC_S * NS_PER_S + raw + NS_PER_S - 5 * NS_PER_MS)


def test_a_minority_is_outvoted_and_no_majority_is_no_opinion():
    kdcs = Kdcs()
    kdcs.all(0, c=9 * NS_PER_S)
    assert kdcs.at(0).holds(UTC_S * NS_PER_S)
    assert kdcs.realm.agreeing == 2
    kdcs.say(1, "b:88", -9 * NS_PER_S)
    assert kdcs.at(1) is None
    assert kdcs.realm.agreeing == 0


def test_a_liar_at_the_edge_does_not_move_what_the_honest_share():
    """As in the NTP quorum: the hull of what all but a possible liar share holds the truth."""
    kdcs = Kdcs()
    kdcs.all(0, c=1_900 * NS_PER_MS)
    assert kdcs.at(0).lo_ns <= UTC_S * NS_PER_S - 900 * NS_PER_MS


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"data": None}, "kdc-lost"),
        ({"data": b"x"}, "kdc-malformed"),
        ({"cookie": "f" * 16}, "kdc-echo"),
        ({"t1_raw_ns": NS_PER_S + 1}, "kdc-delay"),
        ({"t1_raw_ns": -19 * NS_PER_S - 1}, "kdc-delay"),
    ],
)
def test_what_is_not_used(change, reason):
    kdcs = Kdcs()
    event = reply(NS_PER_S, "a:88", UTC_S * NS_PER_S)
    refused = kdcs.realm.take(replace(event, **change), EXACT, kdcs.leap)
    assert refused is not None
    assert refused.reason == reason
    assert kdcs.realm.age_ns(0) is None


def test_an_answer_counts_once_and_must_repeat_the_question():
    kdcs = Kdcs()
    assert kdcs.say(0, "a:88", matched=False) == "kdc-unmatched"
    event = reply(0, "a:88", UTC_S * NS_PER_S)
    assert kdcs.realm.take(event, EXACT, kdcs.leap) is None
    refused = kdcs.realm.take(event, EXACT, kdcs.leap)
    assert refused is not None
    assert refused.reason == "kdc-duplicate"


def test_around_a_leap_second_kdcs_have_no_opinion():
    kdcs = Kdcs()
    kdcs.leap.confirmed.append(LeapSecond(UTC_S, 1))
    assert kdcs.say(0, "a:88") is None
    assert kdcs.realm.age_ns(0) is None
    assert kdcs.say(9, "a:88") is None
    assert kdcs.say(9, "b:88") is None
    assert kdcs.at(9).holds((UTC_S + 10) * NS_PER_S)  # SI seconds: one more than POSIX


def test_it_holds_as_many_kdcs_as_a_realm_may_have():
    kdcs = Kdcs()
    for number in range(100):
        kdcs.say(0, f"k{number}:88")
    assert len(kdcs.realm.kdcs) == 64


def test_a_kdc_is_named_at_its_second_answer_in_a_row_and_once():
    kdcs = Kdcs()
    assert kdcs.stray(0, "a:88") is None
    assert kdcs.stray(0, "nobody:88") is None
    named = []
    for second, off_ns in ((1, 0), (2, 3), (3, 0), (4, 3), (5, 3), (6, 3), (7, 0), (8, -3), (9, -3)):
        kdcs.say(second, "a:88", off_ns * NS_PER_S)
        named.append(kdcs.stray(second, "a:88"))
    assert [one.raw_ns // NS_PER_S for one in named if one is not None] == [5, 9]
    assert named[4].source == "kdc:a:88"
    assert abs(named[4].evidence["off_ns"] - 3 * NS_PER_S) < NS_PER_MS
    assert named[4].evidence["within_ns"] == NS_PER_S + 3 * NS_PER_MS // 2
    assert kdcs.realm.kdcs["a:88"].heard.falseticker


def test_a_new_beginning_forgets_what_was_heard():
    kdcs = Kdcs()
    kdcs.all(0)
    kdcs.realm.forget_raw()
    assert kdcs.at(0) is None
    assert kdcs.realm.agreeing == 0
    assert list(kdcs.realm.kdcs) == ["a:88", "b:88", "c:88"]


def test_a_refusal_says_what_was_found_and_what_was_wanted():
    kdcs = Kdcs()
    event = reply(100 * NS_PER_S, "a:88", UTC_S * NS_PER_S)

    def told(**change):
        refused = kdcs.realm.take(replace(event, **change), EXACT, kdcs.leap)
        return None if refused is None else (refused.reason, refused.value, refused.limit)

    assert told(data=None) == ("kdc-lost", 0, 0)
    assert told(t1_raw_ns=event.t4_raw_ns + 1) == ("kdc-delay", -1, 20 * NS_PER_S)
    assert told(t1_raw_ns=event.t4_raw_ns - 20 * NS_PER_S - 1) [:2] == (
        "kdc-delay", 20 * NS_PER_S + 1,
    )  # fmt: skip
    assert told() is None
    assert told() == ("kdc-duplicate", 1, 0)
    unmatched = reply(0, "a:88", UTC_S * NS_PER_S, matched=False)
    assert told(data=unmatched.data, cookie=unmatched.cookie) == ("kdc-unmatched", 0, 1)


@pytest.mark.parametrize("waited_ns", [0, 20 * NS_PER_S])
def test_an_answer_may_come_at_once_and_after_twenty_seconds(waited_ns):
    assert Kdcs().say(0, "a:88", waited_ns=waited_ns) is None


def test_a_kdc_that_was_not_heard_yet_has_no_question_behind_it():
    kdcs = Kdcs()
    assert {kdc.cookie for kdc in kdcs.realm.kdcs.values()} == {""}
    assert kdcs.realm.agreeing == 0


def test_what_the_counter_may_hide_of_the_round_trip_makes_an_answer_wider():
    kdcs, rate = Kdcs(), RawRate(0, 100 * PPT_PER_PPM)
    for peer in ("a:88", "b:88"):
        event = reply(0, peer, UTC_S * NS_PER_S, waited_ns=NS_PER_S)
        assert kdcs.realm.take(event, rate, kdcs.leap) is None
    said = kdcs.realm.at(0, rate)
    assert said is not None
    assert (
        said.hi_ns - said.lo_ns == 2 * NS_PER_S + NS_PER_S + 100_000 + NS_PER_S
    )  # it counts in seconds here


def test_a_single_kdc_is_no_majority_even_where_it_is_the_only_one():
    kdcs = Kdcs()
    kdcs.realm.kdcs = {name: kdc for name, kdc in kdcs.realm.kdcs.items() if name == "a:88"}
    assert kdcs.say(0, "a:88") is None
    assert kdcs.at(0) is None
    assert kdcs.realm.agreeing == 0


def test_half_of_them_are_no_majority():
    kdcs = Kdcs()
    for peer, off_ns in (("a:88", 0), ("b:88", 0), ("c:88", 9), ("d:88", 18)):
        kdcs.say(0, peer, off_ns * NS_PER_S)
    assert kdcs.at(0) is None


def test_the_age_is_that_of_the_youngest_answer():
    kdcs = Kdcs()
    kdcs.say(1, "a:88")
    kdcs.say(9, "a:88")
    kdcs.say(4, "b:88")
    assert kdcs.realm.age_ns(15 * NS_PER_S) == 6 * NS_PER_S


def test_a_new_beginning_forgets_every_answer():
    kdcs = Kdcs()
    kdcs.all(0)
    kdcs.realm.forget_raw()
    assert kdcs.realm.age_ns(0) is None


def test_a_kdc_is_compared_with_the_last_accepted_second_and_with_nobody_where_there_is_none():
    made = Witnesses(POLICY, UTC_S - 86_400, Episodes(POLICY.limits))
    made.rate = EXACT

    def say(second: int) -> list[Refused | Accuse]:
        raw = second * NS_PER_S
        return made.on_kdc(reply(raw, "a:88", UTC_S * NS_PER_S + raw + 5 * NS_PER_S))

    assert [say(second) for second in (1, 2, 3)] == [[], [], []]
    made.accepted = 3 * NS_PER_S, (UTC_S + 3) * NS_PER_S
    assert say(4) == []
    (named,) = say(5)
    assert isinstance(named, Accuse)
    assert named.source == "kdc:a:88"


# ---- in the whole core ----------------------------------------------------------------------------


def host_in_a_realm() -> Host:
    """A host that is feeding, in a realm of three further KDCs."""
    host = Host(text=KDC + '[realm]\nrealm = "EXAMPLE.TEST"\nkdcs = ["a:88", "b:88", "c:88"]\n')
    return host.feed()


def ask(host: Host, **off_ns: int):
    """Every KDC answers now; returns what was decided."""
    found = []
    for peer in "abc":
        at_ns = host.now_s * NS_PER_S - 300 * NS_PER_MS
        raw, real, _ = host.stamp(at_ns)
        answer = reply(raw, f"{peer}:88", BEGIN_S * NS_PER_S + at_ns + off_ns.get(peer, 0))
        found += host.bridge.step(replace(answer, real_ns=real))
    return found


def rows(host: Host) -> list[dict[str, object]]:
    """The witnesses' rows of the status."""
    return witness_rows(host.bridge.vetting, RAW_0 + host.now_s * NS_PER_S)


def test_kdcs_that_agree_change_nothing():
    host = host_in_a_realm()
    before = host.bridge.vetting.assessment
    assert ask(host) == []
    assert len(only(host.second(10), Publish)) == 10
    after = host.bridge.vetting.assessment
    assert before is not None
    assert after is not None
    assert before.agreeing == after.agreeing  # they are too coarse to count as a witness
    told = {row["name"]: (row["state"], row["detail"]) for row in rows(host)}
    assert told["realm"] == ("agrees", "3 of 3 agree")
    assert told["kdc:a:88"] == ("agrees", "")


def test_a_majority_of_kdcs_vetoes():
    host = host_in_a_realm()
    ask(host, a=3 * NS_PER_S, b=3 * NS_PER_S)
    found = host.second(20)
    assert {one.reason for one in only(found, Withhold)} == {"realm"}
    assert only(found, Publish) == []
    assert host.mode is Mode.HOLDOVER


def test_one_kdc_that_strays_is_named_and_vetoes_nothing():
    host = host_in_a_realm()
    assert ask(host, c=-3 * NS_PER_S) == []
    host.second(10)
    named = only(ask(host, c=-3 * NS_PER_S), Accuse)
    assert [one.source for one in named] == ["kdc:c:88"]
    assert len(only(host.second(10), Publish)) == 10
    assert {row["name"]: row["state"] for row in rows(host)}["kdc:c:88"] == "falseticker"


def test_no_kdc_is_named_while_the_receiver_is_being_rejected():
    host = host_in_a_realm()
    ask(host, c=-3 * NS_PER_S)
    host.shift_ns = 3 * NS_PER_MS
    host.second(3)
    assert ask(host, c=-3 * NS_PER_S) == []


def test_before_trust_kdcs_are_compared_with_the_quorum():
    host = Host(text=KDC + '[realm]\nrealm = "EXAMPLE.TEST"\nkdcs = ["a:88"]\n')
    host.second(40)
    assert host.mode is Mode.ACQUIRING
    assert ask(host, a=5 * NS_PER_S) == []
    host.second(10)
    assert [one.source for one in only(ask(host, a=5 * NS_PER_S), Accuse)] == ["kdc:a:88"]
