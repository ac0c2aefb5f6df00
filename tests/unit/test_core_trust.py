"""The state of trust alone, without wires: what seconds, refusals and the time that passes do to it."""

from typing import Any

import pytest

from refclock.core.gate.judge import Anchor, Judge
from refclock.core.rules.reasons import REASONS
from refclock.core.seconds.health import Fault
from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.leap import LeapSecond
from refclock.core.seconds.pairing import Edge, Refused, Second
from refclock.core.seconds.timeline import Placed
from refclock.core.trust.memory import restore
from refclock.core.trust.vetting import Vetting
from refclock.model import Accuse, Mode, ModeChange, PhcReading, Publish, RtcTick
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S
from tests.unit.test_core_host import BEGIN_S, BUILD_S, ENROLMENT, KDC

AT = 10**14
MISSING_NS = 8 * NS_PER_S
LATCH_NS = 900 * NS_PER_S


def ns(at_s: int) -> int:
    """Where on the counter a second of the test lies."""
    return AT + at_s * NS_PER_S


class Trust:
    """A receiver on a host that knows its counter exactly; its witnesses are right, where they speak."""

    def __init__(self, text: str = KDC) -> None:
        self.vetting = Vetting(parse_policy(text), BUILD_S)
        restore(self.vetting, AT, ENROLMENT)
        self.vetting.witnesses.rate = RawRate(0, 0, enrolled=True)
        self.quorum = self.rtc = True
        self.quorum_ns = 0

    def hear(
        self, at_s: int, off_ns: int = 0, label_s: int | None = None, fault: Fault | None = None
    ) -> list[Any]:
        """A second whose pulse came ``off_ns`` before its place; what was found, without the seconds fed."""
        witnesses, true_ns = self.vetting.witnesses, (BEGIN_S + at_s) * NS_PER_S
        if self.quorum:
            told = true_ns + self.quorum_ns
            witnesses.quorum.interval = Interval(told - 5 * NS_PER_MS, told + 5 * NS_PER_MS, ns(at_s))
        else:
            witnesses.quorum.interval = None
        if self.rtc:
            witnesses.on_rtc(RtcTick(ns(at_s), 0, 0, "rtc0", BEGIN_S + at_s))
        edge = Edge(ns(at_s) - off_ns, 100, true_ns + 5)
        second = Second(edge, BEGIN_S + (at_s if label_s is None else label_s), False, 0, 0)
        return self.vetting.on_second(second, fault, True)

    def fed(self) -> "Trust":
        """A warm dwell, to its end: the first second is 120."""
        self.hear(0)
        assert isinstance(self.hear(120)[-1], Publish)
        return self

    def rejects(self, at_s: int) -> list[Any]:
        """The pairing found no pulse in its window."""
        return self.vetting.on_refused(Refused(ns(at_s), "edge-window", 1, 0))

    @property
    def judge(self) -> Judge:
        """The judge, which every trusted mode has."""
        assert self.vetting.judge is not None
        return self.vetting.judge


def moves(found: list[Any]) -> list[tuple[int, Mode, Mode, str]]:
    """When, from, to and why."""
    return [(one.raw_ns, one.before, one.after, one.reason) for one in found if isinstance(one, ModeChange)]


def refusals(found: list[Any]) -> list[str]:
    """The reasons of what was refused."""
    return [one.reason for one in found if isinstance(one, Refused)]


# ---- the first word, the dwell, the first feed --------------------------------------------------------


def test_the_first_second_begins_the_dwell_and_its_end_the_feed():
    trust = Trust()
    found = trust.hear(0)
    assert moves(found) == [(ns(0), Mode.COLD, Mode.ACQUIRING, "receiver heard")]
    assert refusals(found) == ["dwell"]
    assert trust.vetting.grid_ns == ns(0)
    assert refusals(trust.hear(119)) == ["dwell"]
    change, published = trust.hear(120)
    assert moves([change]) == [(ns(120), Mode.ACQUIRING, Mode.VETTED, "dwell complete")]
    bound_ns = 5 * NS_PER_MS + 100 + 100
    assert published == Publish(
        ns(120), (BEGIN_S + 120) * NS_PER_S, (BEGIN_S + 120) * NS_PER_S + 5, 0, bound_ns
    )
    assert trust.judge.anchor == Anchor(ns(120), (BEGIN_S + 120) * NS_PER_S, 5 * NS_PER_MS + 100)
    assert trust.vetting.grid_ns == ns(120)
    assert trust.vetting.dates.fed_s == BEGIN_S + 120


def test_what_was_learnt_in_the_dwell_is_what_the_witnesses_are_anchored_with():
    trust = Trust().fed()
    rtc = trust.vetting.witnesses.rtc
    assert rtc.calibrated == (BEGIN_S + 120, 0, 5 * NS_PER_MS + 100 + 20 * NS_PER_MS)
    assert trust.vetting.witnesses.accepted == (ns(120), (BEGIN_S + 120) * NS_PER_S)
    assert trust.vetting.blame is not None
    trust = Trust()
    phc = trust.vetting.witnesses.further.phc
    phc.enroll(0, 0)
    phc.take(PhcReading(ns(119), 0, 0, "phc0", 0), trust.vetting.witnesses.rate)
    trust.fed()
    assert phc.anchored


def test_a_rate_that_was_learnt_in_the_dwell_is_what_is_known_of_the_counter_from_then_on():
    trust = Trust()
    trust.vetting.witnesses.rate = RawRate(0, 10**8)
    trust.hear(0)
    trust.hear(1800)
    assert trust.vetting.mode is Mode.VETTED
    # Two quorums of 5 ms to either side, half an hour apart, and the counter's own stability.
    half_ppt = 10 * NS_PER_MS * 10**12 // (1800 * NS_PER_S) + 1
    learnt = trust.vetting.witnesses.rate
    assert abs(learnt.y_ppt) <= 1
    assert learnt.unc_ppt == pytest.approx(half_ppt + 2 * 10**6, abs=2)
    assert trust.judge.rate is learnt


def test_a_start_without_a_memory_waits_for_no_identity_and_one_with_a_gate_does():
    trust = Trust()
    assert not Vetting(parse_policy(KDC), BUILD_S).unidentified
    trust.vetting.unidentified = True
    trust.hear(0)
    found = trust.hear(120)
    assert found == [Refused(ns(120), "identity", 1, 0, BEGIN_S + 120)]
    assert trust.vetting.mode is Mode.ACQUIRING
    trust.vetting.unidentified = False
    assert [one[2] for one in moves(trust.hear(121))] == [Mode.VETTED]


def test_a_rejection_begins_the_dwell_anew_and_a_wait_does_not():
    trust = Trust()
    trust.hear(0)
    assert refusals(trust.hear(100, label_s=101)) == ["label-continuity"]
    assert trust.vetting.grid_ns is None
    assert refusals(trust.hear(121)) == ["dwell"]
    assert trust.vetting.acquisition.elapsed_ns(ns(121)) == 0
    for reason in ("edge-extra", "no-edge"):
        refused = Refused(ns(200), reason, 1, 0)
        assert trust.vetting.on_refused(refused) == [refused]
    assert trust.vetting.acquisition.elapsed_ns(ns(200)) == 79 * NS_PER_S
    assert trust.vetting.grid_ns == ns(121)


def test_the_gate_of_before_a_restart_judges_during_the_dwell_and_a_rejection_freezes_it():
    trust = Trust()
    trust.vetting.judge = Judge(
        trust.vetting.policy, Anchor(ns(0), BEGIN_S * NS_PER_S, 7), trust.vetting.witnesses.rate
    )
    trust.judge.gate.accept(ns(0), 0)
    assert refusals(trust.hear(1)) == ["dwell"]
    assert not trust.judge.gate.rejecting
    assert refusals(trust.hear(2, 3 * NS_PER_MS)) == ["drift-mask"]
    assert trust.judge.gate.rejecting
    assert trust.vetting.acquisition.elapsed_ns(ns(3)) == 0
    assert trust.vetting.mode is Mode.ACQUIRING
    assert trust.vetting.episodes.began_ns is None  # what is not trusted yet has no episodes
    kept = trust.judge
    trust.hear(3)
    trust.hear(123)
    assert trust.vetting.mode is Mode.VETTED
    assert trust.judge is kept


def test_before_the_first_label_nothing_is_counted_against_a_gate_of_before_a_restart():
    trust = Trust()
    trust.vetting.judge = Judge(
        trust.vetting.policy, Anchor(ns(0), BEGIN_S * NS_PER_S, 7), trust.vetting.witnesses.rate
    )
    trust.judge.gate.accept(ns(0), 0)
    assert len(trust.rejects(1)) == 1
    assert not trust.judge.gate.rejecting
    assert trust.vetting.episodes.starts_s == []


# ---- time alone --------------------------------------------------------------------------------------


def test_silence_of_a_trusted_receiver_is_holdover_after_eight_seconds():
    trust = Trust()
    assert trust.vetting.deadline_ns() is None
    trust.fed()
    assert trust.vetting.deadline_ns() == ns(120) + MISSING_NS
    assert trust.vetting.on_time(ns(128) - 1) == []
    found = trust.vetting.on_time(ns(128))
    assert moves(found) == [(ns(128), Mode.VETTED, Mode.HOLDOVER, "silence")]
    assert trust.vetting.deadline_ns() is None
    assert trust.vetting.on_time(ns(1000)) == []
    assert trust.vetting.grid_ns == ns(120)  # its pulses are still expected where they were


def test_seconds_that_are_refused_are_heard_but_do_not_count():
    trust = Trust().fed()
    assert refusals(trust.hear(125, fault=Fault("antenna"))) == ["antenna"]
    assert trust.vetting.deadline_ns() == ns(128)
    assert moves(trust.vetting.on_time(ns(128))) == [(ns(128), Mode.VETTED, Mode.HOLDOVER, "antenna")]


def test_what_was_refused_before_the_last_accepted_second_is_not_why_it_is_missing():
    trust = Trust().fed()
    trust.hear(121, fault=Fault("antenna"))
    trust.hear(122)
    trust.vetting.on_refused(Refused(ns(123), "edge-extra", 1, 0))  # a note about one edge
    assert moves(trust.vetting.on_time(ns(130))) == [(ns(130), Mode.VETTED, Mode.HOLDOVER, "silence")]
    trust = Trust().fed()
    trust.rejects(120)  # not after it either
    assert moves(trust.vetting.on_time(ns(128))) == [(ns(128), Mode.VETTED, Mode.HOLDOVER, "silence")]


def test_silence_during_the_dwell_ends_the_attempt():
    trust = Trust()
    trust.hear(0)
    assert trust.vetting.deadline_ns() == ns(8)
    trust.hear(5)
    assert trust.vetting.deadline_ns() == ns(13)
    assert trust.vetting.on_time(ns(13) - 1) == []
    found = trust.vetting.on_time(ns(13))
    assert moves(found) == [(ns(13), Mode.ACQUIRING, Mode.COLD, "silence")]
    assert trust.vetting.deadline_ns() is None
    assert trust.vetting.acquisition.started_ns is None
    assert trust.vetting.grid_ns is None
    assert trust.vetting.on_time(ns(100)) == []
    assert moves(trust.hear(101)) == [(ns(101), Mode.COLD, Mode.ACQUIRING, "receiver heard")]


def test_a_degraded_receiver_falls_silent_like_any_other():
    trust = Trust().fed()
    trust.rtc = trust.quorum = False
    trust.hear(125)
    assert trust.vetting.mode is Mode.DEGRADED
    assert trust.vetting.deadline_ns() == ns(133)
    assert moves(trust.vetting.on_time(ns(133))) == [(ns(133), Mode.DEGRADED, Mode.HOLDOVER, "silence")]


def test_a_rejection_that_lasts_is_waited_for_and_latches():
    trust = Trust().fed()
    for at_s in range(121, 1021):
        trust.rejects(at_s)
        trust.vetting.on_time(ns(at_s))
        assert trust.vetting.mode is not Mode.LOCKED
    assert trust.vetting.mode is Mode.HOLDOVER
    assert trust.vetting.deadline_ns() == ns(121) + LATCH_NS
    found = trust.vetting.on_time(ns(1021))
    assert moves(found)[-1] == (ns(1021), Mode.HOLDOVER, Mode.LOCKED, "rejected for 900 s")
    assert trust.vetting.deadline_ns() is None
    assert trust.vetting.grid_ns is None
    assert trust.vetting.episodes.began_ns is None


# ---- witnesses lost and back ------------------------------------------------------------------------------


def test_a_lost_witness_degrades_at_once_and_one_that_is_back_must_stay_for_64_s():
    trust = Trust().fed()
    trust.rtc = False
    found = trust.hear(310)
    words = "1 of 2 witnesses needed agree: rtc has no opinion"
    assert moves(found) == [(ns(310), Mode.VETTED, Mode.DEGRADED, words)]
    assert isinstance(found[-1], Publish)
    assert moves(trust.hear(311)) == []
    trust.rtc = True
    assert moves(trust.hear(312)) == []
    assert moves(trust.hear(375)) == []
    assert moves(trust.hear(376)) == [(ns(376), Mode.DEGRADED, Mode.VETTED, "2 of 2 witnesses needed agree")]


def test_a_witness_that_goes_again_meanwhile_begins_its_64_s_anew():
    trust = Trust().fed()
    trust.quorum = False
    trust.hear(125)
    trust.quorum = True
    trust.hear(126)
    trust.quorum = False
    trust.hear(180)
    trust.quorum = True
    trust.hear(181)
    assert moves(trust.hear(244)) == []
    assert [one[2] for one in moves(trust.hear(245))] == [Mode.VETTED]


# ---- refusals in a trusted mode ------------------------------------------------------------------------


def test_a_rejected_second_freezes_the_budget_counts_an_episode_and_is_a_probe():
    trust = Trust().fed()
    found = trust.hear(121, 3 * NS_PER_MS)
    assert refusals(found) == ["drift-mask"]
    assert trust.judge.gate.rejecting
    assert trust.vetting.episodes.starts_s == [BEGIN_S + 120]
    assert trust.vetting.episodes.began_ns == ns(121) - 3 * NS_PER_MS
    assert trust.vetting.probes.refused == 1
    trust.hear(122)
    assert not trust.judge.gate.rejecting
    assert trust.vetting.episodes.began_ns is None


@pytest.mark.parametrize("reason", ["antenna", "dwell", "edge-extra"])
def test_what_is_no_rejection_freezes_nothing(reason):
    trust = Trust().fed()
    trust.vetting.on_refused(Refused(ns(121), reason, 1, 0))
    assert REASONS[reason].kind not in {"reject", "violation"}
    assert not trust.judge.gate.rejecting
    assert trust.vetting.episodes.starts_s == []


def test_a_violation_that_is_repeated_for_a_minute_locks_and_another_rejection_does_not():
    trust = Trust().fed()
    for at_s in (121, 180):
        assert refusals(trust.hear(at_s, label_s=at_s + 1)) == ["label-continuity"]
    found = trust.hear(181, label_s=182)
    assert moves(found)[-1] == (ns(181), Mode.VETTED, Mode.LOCKED, "label-continuity")
    trust = Trust().fed()
    for at_s in (121, 181, 182):
        assert refusals(trust.hear(at_s, 3 * NS_PER_MS)) == ["drift-mask"]
    assert trust.vetting.mode is Mode.VETTED


def test_a_locked_receiver_is_told_so_and_only_its_own_fault_before_it():
    trust = Trust().fed()
    trust.vetting.lock(ns(121), "tampered")
    assert trust.hear(122) == [Refused(ns(122), "locked", 0, 1, BEGIN_S + 122)]
    assert refusals(trust.hear(123, fault=Fault("antenna"))) == ["antenna"]
    assert refusals(trust.hear(124, label_s=BUILD_S - BEGIN_S - 1)) == ["date-floor"]
    assert not trust.judge.gate.rejecting


def test_a_fault_says_its_own_numbers_and_goes_before_a_date():
    trust = Trust().fed()
    found = trust.hear(121, label_s=BUILD_S - BEGIN_S - 1, fault=Fault("position", 700, 100))
    assert found == [Refused(ns(121), "position", 700, 100, BUILD_S - 1)]


def test_a_refused_date_says_how_far_it_moved():
    trust = Trust().fed()
    (found,) = trust.hear(121, label_s=BUILD_S - BEGIN_S - 1)
    assert found.reason == "date-floor"
    assert found.moved_ns == (BUILD_S - BEGIN_S - 1 - 121) * NS_PER_S


def test_a_60_says_how_far_it_moved_as_the_second_after_the_59():
    trust = Trust().fed()
    before = Second(Edge(ns(121), 100, 0), BUILD_S - 1, True, 0, 0)
    (found,) = trust.vetting.on_second(before, None, True)
    assert isinstance(found, Refused)
    assert found.moved_ns == (BUILD_S - BEGIN_S - 121) * NS_PER_S


@pytest.mark.parametrize("off_ms", [60, 72, 90])
def test_an_objection_of_the_quorum_says_more_than_a_return_that_waits(off_ms):
    """After four hours the masks admit 68 ms and the holdover 76: what is admitted, what would wait for a
    witness, what is refused; the quorum's number is the one to look at in each case."""
    trust = Trust().fed()
    trust.quorum_ns = -200 * NS_PER_MS
    found = trust.hear(4 * 3600, off_ms * NS_PER_MS)
    assert refusals(found) == ["quorum"]
    assert (found[0].value, found[0].moved_ns) == ((205 + off_ms) * NS_PER_MS + 1, off_ms * NS_PER_MS)
    trust = Trust().fed()
    trust.quorum = False
    expected = {60: [], 72: ["reanchor-waits"], 90: ["reanchor"]}
    assert refusals(trust.hear(4 * 3600, off_ms * NS_PER_MS)) == expected[off_ms]


def test_a_rejection_of_the_gate_is_not_hidden_by_the_quorum():
    trust = Trust().fed()
    trust.quorum_ns = -200 * NS_PER_MS
    assert refusals(trust.hear(121, 3 * NS_PER_MS)) == ["drift-mask"]


def test_a_second_after_holdover_comes_back_through_the_gate():
    trust = Trust().fed()
    trust.vetting.on_time(ns(128))
    found = trust.hear(200)
    assert moves(found) == [
        (ns(200), Mode.HOLDOVER, Mode.VETTED, "receiver returned within the gate"),
    ]
    assert isinstance(found[-1], Publish)


def test_chrony_s_sources_and_the_realm_s_kdcs_may_refuse_a_second():
    for name in ("chrony", "realm"):
        trust = Trust().fed()
        witness: Any = getattr(trust.vetting.witnesses.further, name)
        far = (BEGIN_S + 122) * NS_PER_S
        witness._interval = Interval(far, far, ns(121))
        found = trust.hear(121)
        assert refusals(found) == [name]
        assert trust.judge.gate.rejecting


def test_an_accepted_second_near_the_mask_s_end_is_a_probe():
    trust = Trust().fed()
    assert isinstance(trust.hear(121, 600_000)[-1], Publish)
    assert trust.vetting.probes.fields() == {
        "count": 1, "refused": 0, "worst_ns": 500_060, "variation_ns": 600_000, "last_utc_s": BEGIN_S + 121
    }  # fmt: skip


def test_only_a_new_anchor_lets_the_battery_clock_s_walk_be_counted_anew():
    trust = Trust().fed()
    rtc = trust.vetting.witnesses.rtc
    rtc.walked_ns = 9
    trust.rtc = False
    trust.hear(121)
    assert rtc.walked_ns == 9
    anchor = trust.judge.anchor
    told = [refusals(trust.hear(4 * 3600 + at, 72 * NS_PER_MS)) for at in range(5)]
    assert told == [["reanchor-waits"]] * 4 + [[]]
    assert trust.judge.anchor is not anchor
    assert rtc.walked_ns == 0


# ---- beside a cesium -----------------------------------------------------------------------------------

CESIUM = """
profile = "kdc-cesium"
[pps]
[cesium]
[rtc]
[ntp]
servers = ["a", "b", "c", "d"]
"""


def beside(trust: Trust, at_s: int, off_ns: int = 0) -> list[Any]:
    """A second that comes ``off_ns`` before its place beside the standard's pulse, which keeps to its own."""
    cesium = trust.vetting.witnesses.cesium
    assert cesium is not None
    cesium.on_edge(Placed(ns(at_s), 50))
    return trust.hear(at_s, off_ns)


def test_the_cesium_s_mask_is_in_force_from_the_first_second_of_the_dwell():
    trust = Trust(CESIUM)
    assert refusals(beside(trust, 0)) == ["dwell"]
    cesium = trust.vetting.witnesses.cesium
    assert cesium is not None
    assert cesium.gate.memory()["last_raw_ns"] == ns(0)
    assert refusals(beside(trust, 1, 20_000)) == ["drift-mask"]
    # A rejection begins the dwell anew, and what the pulses are compared with.
    assert cesium.gate.memory()["last_raw_ns"] is None
    assert refusals(beside(trust, 2, 20_000)) == ["dwell"]


def test_the_cesium_s_mask_is_in_force_for_each_second_that_is_fed():
    trust = Trust(CESIUM)
    assert [beside(trust, at_s)[-1].raw_ns for at_s in (0, 119)] == [ns(0), ns(119)]
    assert isinstance(beside(trust, 120)[-1], Publish)
    (refused,) = beside(trust, 121, 20_000)
    assert (refused.reason, refused.mask, refused.moved_ns) == ("drift-mask", 2, 20_000)
    assert isinstance(beside(trust, 122)[-1], Publish)


# ---- who is wrong ---------------------------------------------------------------------------------------


class Says:
    """A blame that accuses whom it is told to, and keeps what it was asked."""

    def __init__(self, source: str | None, evidence: dict[str, object] | None = None) -> None:
        self.said = None if source is None else Accuse(7, source, evidence or {"moved_ns": 5})
        self.asked: list[tuple[int, str, int, bool]] = []
        self.kept: list[tuple[int, int, int]] = []

    def rejected(self, raw_ns: int, refused: Refused, began_ns: int, last_word: bool) -> Accuse | None:
        self.asked.append((raw_ns, refused.reason, began_ns, last_word))
        return self.said

    def accepted(self, raw_ns: int, si_ns: int, unc_ns: int) -> Accuse | None:
        self.kept.append((raw_ns, si_ns, unc_ns))
        return self.said


def blamed(source: str | None) -> tuple[Trust, Says]:
    """A receiver that is rejected in holdover, and whom the blame names for it."""
    trust, says = Trust().fed(), Says(source)
    trust.hear(121, 3 * NS_PER_MS)
    trust.hear(124, 3 * NS_PER_MS)
    trust.vetting.on_time(ns(128))
    trust.vetting.blame = says  # type: ignore[assignment]
    return trust, says


BEGAN_NS = ns(121) - 3 * NS_PER_MS


def test_nobody_is_accused_while_it_may_be_over_in_a_moment():
    trust, says = Trust().fed(), Says("receiver")
    trust.vetting.blame = says  # type: ignore[assignment]
    assert refusals(trust.rejects(121)) == ["edge-window"]
    assert says.asked == []


def test_in_holdover_each_rejection_asks_and_an_answer_is_given_once_in_an_episode():
    trust, says = blamed(None)
    assert len(trust.rejects(129)) == 1
    says.said = Accuse(7, "ambiguous", {})
    assert trust.rejects(130)[1:] == [says.said]
    assert trust.rejects(131)[1:] == []
    asked = [(ns(at_s), "edge-window", BEGAN_NS, False) for at_s in (129, 130)]
    assert says.asked == asked
    trust.vetting.blame = None
    trust.hear(132)
    trust.vetting.blame = says  # type: ignore[assignment]
    trust.vetting.mode = Mode.HOLDOVER
    assert trust.rejects(133)[1:] == [says.said]


@pytest.mark.parametrize("source", ["receiver", "receiver+ntp"])
def test_a_receiver_that_is_found_wrong_is_locked(source):
    trust, says = blamed(source)
    refused, accused, change = trust.rejects(129)
    assert (refused.reason, accused) == ("edge-window", says.said)
    assert moves([change]) == [(ns(129), Mode.HOLDOVER, Mode.LOCKED, f"{source} moved +5 ns")]


def test_a_counter_that_is_found_wrong_begins_trust_anew_and_its_rate_is_void():
    trust, says = blamed("raw")
    _, accused, change = trust.rejects(129)
    assert accused == says.said
    assert moves([change]) == [(ns(129), Mode.HOLDOVER, Mode.ACQUIRING, "raw moved +5 ns")]
    assert not trust.vetting.witnesses.rate.enrolled
    assert trust.vetting.judge is None


@pytest.mark.parametrize(("source", "counts"), [("ntp", False), ("rtc", True), ("ambiguous", True)])
def test_others_that_are_found_wrong_are_named_and_only_the_servers_excuse_the_receiver(source, counts):
    trust, says = blamed(source)
    assert trust.rejects(129)[1:] == [says.said]
    assert trust.vetting.mode is Mode.HOLDOVER
    assert bool(trust.vetting.episodes.starts_s) is counts


def test_before_it_latches_there_is_a_last_word():
    trust, says = blamed("ambiguous")
    says.said, word = None, says.said
    for at_s in range(129, 1021, 50):
        trust.rejects(at_s)
    trust.rejects(1020)
    says.said = word
    found = trust.vetting.on_time(ns(1021))
    assert says.asked[-1] == (ns(1021), "edge-window", BEGAN_NS, True)
    assert found[0] == word
    assert moves(found[1:]) == [(ns(1021), Mode.HOLDOVER, Mode.LOCKED, "rejected for 900 s")]
    assert len([one for one in says.asked if one[3]]) == 1


def test_a_last_word_may_find_that_it_was_the_counter():
    trust, _ = blamed(None)
    for at_s in range(129, 1021, 50):
        trust.rejects(at_s)
    trust.rejects(1020)
    trust.vetting.blame = Says("raw")  # type: ignore[assignment]
    assert [one[2] for one in moves(trust.vetting.on_time(ns(1021)))] == [Mode.ACQUIRING]


def test_each_accepted_second_is_looked_at_and_who_drifts_is_told():
    trust, says = Trust().fed(), Says(None)
    trust.vetting.blame = says  # type: ignore[assignment]
    assert isinstance(trust.hear(121)[-1], Publish)
    says.said = Accuse(7, "rtc", {})
    assert trust.hear(122)[-1] == says.said
    assert says.kept == [(ns(at), (BEGIN_S + at) * NS_PER_S, 100) for at in (121, 122)]
    says.said = Accuse(7, "receiver", {"moved_ns": 5})
    found = trust.hear(123)
    assert isinstance(found[0], Publish)
    assert [one[2] for one in moves(found)] == [Mode.LOCKED]


def test_receiver_and_battery_clock_that_jump_alike_accuse_the_counter():
    """A paused machine: both are ahead of the counter by 20 s, and nothing counted on it holds."""
    trust = Trust().fed()
    trust.quorum = trust.rtc = False
    trust.vetting.witnesses.on_rtc(RtcTick(ns(121), 0, 0, "rtc0", BEGIN_S + 141))
    refused, accused, change = trust.hear(122, label_s=142)
    assert (refused.reason, refused.moved_ns) == ("label-continuity", 20 * NS_PER_S)
    evidence = {"moved_ns": -20 * NS_PER_S, "witnesses": ["receiver", "rtc"]}
    assert accused == Accuse(ns(122), "raw", evidence)
    told = "the raw counter jumped: receiver and rtc moved +20.0 s against it"
    assert moves([change]) == [(ns(122), Mode.VETTED, Mode.ACQUIRING, told)]
    assert trust.vetting.judge is None
    assert trust.vetting.witnesses.rate.enrolled


def test_the_counter_is_not_accused_of_what_the_receiver_had_walked_before():
    """The phase of before counts with the jump: 0.9 ms within the gate, then as far as the RTC."""
    trust = Trust().fed()
    trust.hear(121, 900_000)
    trust.quorum = trust.rtc = False
    trust.vetting.witnesses.on_rtc(RtcTick(ns(121) - 50 * NS_PER_MS, 0, 0, "rtc0", BEGIN_S + 121))
    assert trust.vetting.witnesses.rtc_jump is not None
    trust.hear(122, 26 * NS_PER_MS)
    assert trust.vetting.witnesses.rtc_jump is None


# ---- the end of trust -----------------------------------------------------------------------------------


def test_a_disruption_voids_all_that_was_counted_and_keeps_that_time_was_at_least_this_late():
    trust = Trust().fed()
    found = trust.vetting.disrupt(ns(125), "went backwards")
    assert moves(found) == [(ns(125), Mode.VETTED, Mode.ACQUIRING, "went backwards")]
    assert trust.vetting.judge is None
    assert trust.vetting.blame is None
    assert trust.vetting.grid_ns is None
    assert trust.vetting.dates.floor_s == BEGIN_S + 121
    assert trust.vetting.witnesses.rtc.age_ns(ns(125)) is None
    assert trust.vetting.witnesses.rate.enrolled
    assert trust.vetting.deadline_ns() == ns(125) + MISSING_NS
    assert not trust.vetting.disrupt(ns(126), "again", rate_too=True)
    assert not trust.vetting.witnesses.rate.enrolled


def test_a_disruption_ends_an_episode_and_a_lock_stays():
    trust = Trust().fed()
    trust.rejects(121)
    trust.vetting.disrupt(ns(122), "went backwards")
    assert trust.vetting.episodes.began_ns is None
    trust.vetting.lock(ns(123), "tampered")
    assert trust.vetting.disrupt(ns(124), "went backwards") == []
    assert trust.vetting.mode is Mode.LOCKED


def test_a_rearm_ends_a_lock_and_forgets_the_episodes():
    trust = Trust().fed()
    assert trust.vetting.rearm(ns(121), "idle hands") == []
    assert trust.vetting.judge is not None
    trust.hear(121, 3 * NS_PER_MS)
    found = trust.vetting.lock(ns(122), "tampered")
    assert moves(found) == [(ns(122), Mode.VETTED, Mode.LOCKED, "tampered")]
    found = trust.vetting.rearm(ns(123), "looked into")
    assert moves(found) == [(ns(123), Mode.LOCKED, Mode.ACQUIRING, "rearmed: looked into")]
    assert trust.vetting.episodes.starts_s == []
    assert trust.vetting.judge is None
    assert trust.vetting.dates.floor_s == BEGIN_S + 121


def test_a_leap_second_moves_no_phase_and_the_published_name_is_posix():
    trust = Trust().fed()
    leap = trust.vetting.witnesses.leap
    leap.confirmed.append(LeapSecond(BEGIN_S + 125, 1))
    trust.quorum = trust.rtc = False
    assert trust.hear(124)[-1] == Publish(
        ns(124), (BEGIN_S + 124) * NS_PER_S, (BEGIN_S + 124) * NS_PER_S + 5, 1, 5 * NS_PER_MS + 200
    )
    found = trust.hear(127, label_s=126)
    assert isinstance(found[-1], Publish)
    assert found[-1].utc_ns == (BEGIN_S + 126) * NS_PER_S
    assert trust.judge.last_si_ns == (BEGIN_S + 127) * NS_PER_S


def test_a_second_later_than_its_stamp_is_published_as_late_as_it_is():
    """The cable's delay and the sawtooth: the label's time plus how late the stamp is."""
    trust = Trust().fed()
    edge = Edge(ns(121) + 40, 100, 9)
    (found,) = trust.vetting.on_second(Second(edge, BEGIN_S + 121, False, 40, 0), None, True)
    assert isinstance(found, Publish)
    assert (found.utc_ns, found.sys_ns) == ((BEGIN_S + 121) * NS_PER_S + 40, 9)
    assert trust.judge.phase_ns(trust.judge.last_raw_ns, trust.judge.last_si_ns) == 0
