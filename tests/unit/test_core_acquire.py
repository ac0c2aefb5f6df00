"""The dwell and its proofs, the judge, and the corners of the bridge that no honest world visits."""

from dataclasses import replace

import pytest

from refclock.core.gate.judge import Anchor, Judge
from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.pairing import Edge, Refused, Second
from refclock.core.trust.acquire import Acquisition, Ready
from refclock.core.trust.vetting import Vetting
from refclock.model import Command, Mode, ModeChange, PpsEdge, Publish, SerialBytes
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S
from tests.unit.test_core_host import BEGIN_S, BUILD_S, ENROLMENT, KDC, Host, burst, modes, only, reasons

POLICY = parse_policy(KDC)
ENROLLED = RawRate(0, 2 * 10**6, enrolled=True)
UNKNOWN = RawRate(0, 100 * 10**6)


def second(at_s: int, label_s: int | None = None, phase_ms: int = 120, off_ns: int = 0) -> Second:
    """The pulse ``at_s`` (raw seconds) with its label."""
    edge = Edge(at_s * NS_PER_S + off_ns, 100, 0)
    return Second(edge, BEGIN_S + (at_s if label_s is None else label_s), False, 0, phase_ms * NS_PER_MS)


def si(one: Second) -> int:
    """Its label in ns."""
    return one.utc_s * NS_PER_S


# What no witness at all says.
NOBODY = Vetting(POLICY, BUILD_S).witnesses.assess(second(0), si(second(0)))


def told_by(at_s: int, half_ms: int = 5, off_ns: int = 0) -> Interval:
    """What a quorum says at a second, whose pulse came ``off_ns`` late."""
    middle, half = (BEGIN_S + at_s) * NS_PER_S + off_ns, half_ms * NS_PER_MS
    return Interval(middle - half, middle + half, at_s * NS_PER_S + off_ns)


def quorum(at_s: int, half_ms: int = 5):
    """A quorum that agrees, and somebody else."""
    return replace(NOBODY, quorum=told_by(at_s, half_ms), agreeing=2)


def reason(found: Refused | Ready) -> str:
    """The reason, or "" when the dwell is over."""
    return found.reason if isinstance(found, Refused) else ""


def test_a_dwell_without_a_sharp_witness_proves_nothing():
    attempt = Acquisition(POLICY.limits, NS_PER_MS)
    found: Refused | Ready = Refused(0, "", 0, 0)
    for at in range(0, 1801, 5):
        found = attempt.consider(second(at), si(second(at)), ENROLLED, NOBODY, True)
    assert reason(found) == "edge-proof-unproven"
    assert isinstance(found, Refused)
    assert found.limit == 250 * NS_PER_MS
    blunt = quorum(1800, half_ms=260)
    assert (
        reason(attempt.consider(second(1800), si(second(1800)), ENROLLED, blunt, True))
        == "edge-proof-unproven"
    )


def test_messages_that_come_at_any_time_prove_nothing():
    attempt = Acquisition(POLICY.limits, NS_PER_MS)
    found: Refused | Ready = Refused(0, "", 0, 0)
    for at, phase in enumerate((120, 300, 421)):
        found = attempt.consider(second(at, phase_ms=phase), si(second(at)), ENROLLED, quorum(at), True)
    assert reason(found) == "edge-proof-spread"
    assert isinstance(found, Refused)
    assert (found.value, found.limit) == (301 * NS_PER_MS, 300 * NS_PER_MS)


def test_a_label_that_does_not_advance_ends_the_attempt():
    attempt = Acquisition(POLICY.limits, NS_PER_MS)
    attempt.consider(second(0), si(second(0)), ENROLLED, quorum(0), True)
    found = attempt.consider(second(1, 0), si(second(1, 0)), ENROLLED, quorum(1), True)
    assert reason(found) == "label-continuity"
    assert isinstance(found, Refused)
    assert (found.value, found.moved_ns) == (-1, -NS_PER_S)


def dwelt(rate: RawRate, creep_ppm: int = 0, sharp_ms: int = 5, from_s: int = 0) -> Refused | Ready:
    """A whole cold dwell; the receiver creeps against a quorum that speaks from ``from_s`` on."""
    attempt = Acquisition(POLICY.limits, NS_PER_MS)
    found: Refused | Ready | None = None
    for at in range(1803):
        one = second(at, off_ns=-at * creep_ppm * 1000)
        told = told_by(at, sharp_ms, -at * creep_ppm * 1000)
        said = replace(NOBODY, quorum=told, agreeing=2) if at >= from_s else NOBODY
        found = attempt.consider(one, si(one), rate, said, False)
    assert found is not None
    return found


def test_the_rate_is_learnt_from_the_quorum_and_stays_provisional():
    found = dwelt(UNKNOWN)
    assert isinstance(found, Ready)
    assert not found.rate.enrolled
    assert abs(found.rate.y_ppt) <= 1
    assert found.rate.unc_ppt == pytest.approx(10**10 // 1800 + 2 * 10**6, rel=1e-2)
    assert found.error_ns == 5 * NS_PER_MS + 100


def test_an_enrolled_rate_is_not_learnt_again():
    found = dwelt(ENROLLED)
    assert isinstance(found, Ready)
    assert found.rate is ENROLLED


def test_a_quorum_that_came_too_late_teaches_no_rate():
    found = dwelt(UNKNOWN, from_s=1000)
    assert isinstance(found, Ready)
    assert found.rate is UNKNOWN


def test_a_receiver_that_creeps_against_the_quorum_is_refused():
    assert reason(dwelt(UNKNOWN, creep_ppm=20)) == "rate-disagrees"
    assert reason(dwelt(UNKNOWN, creep_ppm=2)) == ""


# ---- the judge -----------------------------------------------------------------------------------


def judge() -> Judge:
    """A judge that accepted second 0."""
    made = Judge(POLICY, Anchor(0, BEGIN_S * NS_PER_S, 1000), ENROLLED)
    made.accept(second(0), si(second(0)), None)
    return made


def refusal(made: Judge, one: Second, si_ns: int | None = None) -> str:
    """Why a second is refused."""
    found = made.judge(one, si(one) if si_ns is None else si_ns, True)
    return "" if found is None else found.reason


def test_order_numbering_and_dates():
    made = judge()
    assert refusal(made, second(1)) == ""
    assert refusal(made, second(0)) == "edge-order"
    assert refusal(made, second(1, 2)) == "label-continuity"
    assert refusal(made, second(1, 1 - 86_400)) == "date-jump"
    assert refusal(made, second(0, off_ns=3), BEGIN_S * NS_PER_S) == "not-monotone"
    assert refusal(made, second(1), si(second(1)) + 2 * NS_PER_MS) == "drift-mask"


def test_the_bound_is_the_least_of_what_suffices():
    made = judge()
    at = 1000
    assert made.accept(second(at), si(second(at)), None) == 1000 + 100 + 2 * 1000 * at
    one = second(at + 1)
    made.accept(one, si(one), told_by(at + 1))
    assert set(made.bound_parts) == {"raw", "quorum"}
    far = Interval(si(one) + 5 * NS_PER_S, si(one) + 6 * NS_PER_S, 0)
    one = second(at + 2)
    made.accept(one, si(one), far)  # a quorum that left the counter's prediction counts for nothing
    assert set(made.bound_parts) == {"raw"}


def test_beside_a_judge_s_memory_nothing_of_another_shape_is_taken():
    kept = judge().memory()
    assert Judge.from_memory(POLICY, kept) is not None
    for change in ({"anchor": None}, {"last": [1]}, {"rate": "x"}, {"gate": None}):
        assert Judge.from_memory(POLICY, {**kept, **change}) is None
    ledger = Judge.from_memory(POLICY, {**kept, "reanchored": [[1, 2], [1], "x", [1, True]]})
    assert ledger is not None
    assert ledger.reanchored == [(1, 2)]


# ---- corners of the bridge -------------------------------------------------------------------------


def test_the_other_edge_of_the_pulse_is_not_heard():
    host = Host().feed()
    stamp = host.stamp(host.now_s * NS_PER_S)
    assert host.step(PpsEdge(*stamp, "pps0", "clear", 1, stamp[1])) == []


@pytest.mark.parametrize(
    ("unc_ns", "age_ns", "expected"),
    [(20_001, 0, "stamp-uncertain"), (100, -1, "edge-stale"), (100, 2 * NS_PER_S + 1, "edge-stale")],
)
def test_stamps_that_place_nothing(unc_ns, age_ns, expected):
    host = Host().feed()
    raw, real, _ = host.stamp(host.now_s * NS_PER_S)
    found = host.step(PpsEdge(raw, real, unc_ns, "pps0", "assert", 1, real - age_ns))
    assert reasons(found) == {expected}


def test_a_repeated_violation_locks_after_a_minute_where_nobody_else_can_tell():
    host = Host().feed()
    host.rtc_silent = True
    host.second(200)
    host.ntp_silent = True
    host.label_s = -1
    found = host.second(70)
    assert modes(found)[-1] is Mode.LOCKED
    assert only(found, ModeChange)[-1].reason == "label-continuity"


def test_a_memory_whose_boot_is_not_known_yet_holds_the_first_feed_back():
    host = Host().feed()
    host.identify = False
    new = host.restarted()
    new.second(130)
    assert new.published() == []
    assert "identity" in reasons(new.decisions)
    new.now_s = -(-new.now_s // 64) * 64
    new.identify = True
    new.second(150)
    assert new.mode is Mode.VETTED


def test_a_frame_older_than_all_chunks_kept_arrives_with_the_oldest():
    host = Host().feed()
    begin = host.now_s * NS_PER_S
    host.edge(begin)
    data = burst(BEGIN_S + host.now_s)
    found = []
    for index, byte in enumerate(data):
        found += host.step(SerialBytes(*host.stamp(begin + (100 + index) * NS_PER_MS), "gps0", bytes([byte])))
    assert len(only(found, Publish)) == 1


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"expires_s": "1", "steps": []},
        {"expires_s": 1 << 40, "steps": 5},
        {"expires_s": 1 << 40, "steps": [5, [1], [1, "x"], [True, 2], [1, 2, 3]]},
    ],
)
def test_a_leap_table_of_anything_is_no_leap_second(args):
    host = Host().feed()
    host.step(Command(*host.stamp(host.now_s * NS_PER_S - 600_000_000), "leap-table", args))
    host.second(40)
    assert host.mode is Mode.VETTED
    assert host.bridge.vetting.witnesses.leap.confirmed == []


PHASES = {"phase_low_ns": 110 * NS_PER_MS, "phase_high_ns": 130 * NS_PER_MS}


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (PHASES, None),
        # 120 ms, where half the spread of the edge proof is allowed beside what was measured.
        ({"phase_low_ns": 270 * NS_PER_MS, "phase_high_ns": 300 * NS_PER_MS}, None),
        ({"phase_low_ns": 271 * NS_PER_MS, "phase_high_ns": 300 * NS_PER_MS}, "edge-proof-phase"),
        ({"phase_low_ns": -200 * NS_PER_MS, "phase_high_ns": -30 * NS_PER_MS}, None),
        ({"phase_low_ns": -200 * NS_PER_MS, "phase_high_ns": -31 * NS_PER_MS}, "edge-proof-phase"),
        # What is no range is none.
        ({"phase_low_ns": 700 * NS_PER_MS}, None),
        ({"phase_low_ns": 800 * NS_PER_MS, "phase_high_ns": 700 * NS_PER_MS}, None),
        ({"phase_low_ns": 3 * NS_PER_S, "phase_high_ns": 4 * NS_PER_S}, None),
    ],
)
def test_messages_at_another_time_than_when_enrolled_prove_nothing(told, reason):
    host = Host(enrolled=False)
    host.command("restore", **ENROLMENT, **told)
    host.second(20)
    assert ("edge-proof-phase" in reasons(host.decisions)) is (reason is not None)


def test_an_enrolled_phase_is_remembered():
    host = Host(enrolled=False)
    host.command("enroll", **ENROLMENT, **PHASES, phc_rate_ppt=5, phc_rate_unc_ppt=6)
    kept = host.bridge.memory()
    assert {key: kept[key] for key in PHASES} == PHASES
    new = Host(enrolled=False)
    new.restore(kept)
    assert new.bridge.vetting.acquisition.enrolled_phases == (110 * NS_PER_MS, 130 * NS_PER_MS)
    assert new.bridge.vetting.witnesses.further.phc.enrolled == (5, 6)
