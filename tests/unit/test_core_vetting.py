"""What a second goes through, and every way that is known to have gone wrong."""

from dataclasses import replace

import pytest

from refclock.core.seconds.leap import LeapSecond
from refclock.core.seconds.pairing import Edge, Second
from refclock.core.trust.vetting import Vetting
from refclock.core.witness.rtc import RtcWitness
from refclock.model import (
    Accuse,
    Mode,
    ModeChange,
    NtpReply,
    Publish,
    RtcTick,
    SerialBytes,
    SystemClock,
    Withhold,
)
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US, scale_up
from tests.unit.test_core_host import (
    BEGIN_S,
    BUILD_S,
    KDC,
    RAW_0,
    Host,
    accused,
    burst,
    modes,
    ntp_packet,
    only,
    reasons,
)

HOUR = 3600
NO_RTC = KDC.replace("[rtc]\n", "")
NO_NTP = KDC.replace('servers = ["a", "b", "c", "d"]', "servers = []")


# ---- what must not be admitted -------------------------------------------------------------------


@pytest.mark.parametrize("shift_ms", [2, 9, 11, 90, 110, 400, -2, -400])
def test_a_held_step_is_never_admitted_and_locks_with_the_receiver_named(shift_ms):
    host = Host().feed()
    host.second(10)
    host.shift_ns = shift_ms * NS_PER_MS
    host.second(1000)
    assert host.mode is Mode.LOCKED
    assert host.worst_ns() == 0
    if abs(shift_ms) > 50:
        assert accused(host.decisions) == ["receiver"]


@pytest.mark.parametrize("label_s", [-1, 1, 3600, -619_315_200, 619_315_200])
def test_a_wrong_label_is_never_admitted_and_locks(label_s):
    host = Host().feed()
    host.label_s = label_s
    found = host.second(100)
    assert host.mode is Mode.LOCKED
    assert only(found, Publish) == []
    assert host.worst_ns() == 0


def test_a_single_wrong_second_costs_that_second_only():
    host = Host().feed()
    host.label_s = -7 * 86_400
    assert reasons(host.second()) == {"date-jump"}
    host.label_s = 0
    found = host.second(100)
    assert len(only(found, Publish)) == 100
    assert host.mode is Mode.VETTED


def test_a_label_before_the_floor_and_one_beyond_the_ceiling():
    host = Host().feed()
    host.label_s = BUILD_S - BEGIN_S - HOUR
    assert reasons(host.second()) == {"date-floor"}
    host.label_s = 30 * 365 * 86_400
    assert reasons(host.second()) == {"date-ceiling"}


def test_alternating_complaints_still_latch():
    host = Host().feed()
    for _ in range(500):
        host.label_s, host.shift_ns = 1, 0
        host.second()
        host.label_s, host.shift_ns = 0, 2 * NS_PER_MS
        host.second()
    assert host.mode is Mode.LOCKED
    assert host.worst_ns() == 0


def test_the_third_episode_within_a_day_locks():
    host = Host().feed()
    for _ in range(2):
        host.shift_ns = 3 * NS_PER_MS
        host.second(2)
        host.shift_ns = 0
        host.second(20)
        assert host.mode is Mode.VETTED
    host.shift_ns = 3 * NS_PER_MS
    found = host.second(1)
    assert [one.reason for one in only(found, ModeChange)] == ["3 rejections within 24 h"]


def test_locked_stays_locked_until_an_operator_rearms():
    host = Host().feed()
    host.label_s = -1
    host.second(100)
    host.label_s = 0
    assert reasons(host.second(200)) == {"locked"}
    found = host.command("rearm", reason="antenna replaced")
    assert [(one.after, one.reason) for one in only(found, ModeChange)] == [
        (Mode.ACQUIRING, "rearmed: antenna replaced")
    ]
    host.second(130)
    assert host.mode is Mode.VETTED
    assert host.worst_ns() == 0


def test_rearm_without_a_lock_changes_nothing():
    host = Host().feed()
    assert host.command("rearm", reason="idle hands") == []
    assert host.mode is Mode.VETTED


def test_a_rearm_must_not_feed_a_second_twice():
    host = Host().feed()
    host.label_s = -1
    host.second(100)
    host.command("rearm", reason="trust me")
    host.ntp_ns = -400 * NS_PER_S
    host.rtc_silent = True
    host.label_s = -400
    host.second(300)
    times = [one.utc_ns for one in host.published()]
    assert times == sorted(set(times))


# ---- silence, holdover, re-anchoring ---------------------------------------------------------------


def test_silence_leads_to_holdover_and_the_return_through_the_unchanged_gate():
    host = Host().feed()
    host.silent = True
    found = host.second(600)
    assert modes(found) == [Mode.HOLDOVER]
    assert only(found, ModeChange)[0].reason == "silence"
    host.silent = False
    found = host.second(5)
    assert modes(found) == [Mode.VETTED]
    assert len(only(found, Publish)) == 5


def far_away(shift_ms: int, text: str = KDC) -> Host:
    """A host whose receiver was silent for six hours (the masks pay for 68 ms, the holdover for 160) and
    comes back with an offset; its RTC is too vague to object."""
    host = Host(text)
    host.restore({"rtc_rate_ppt": 0, "rtc_rate_unc_ppt": 20 * 10**6})
    host.feed()
    host.silent = True
    host.second(6 * HOUR)
    host.silent, host.shift_ns = False, shift_ms * NS_PER_MS
    return host


def test_a_return_after_a_silence_beyond_the_gate_is_reanchored_once_and_charged():
    host = far_away(75)
    found = host.second(5)
    assert [one.reason for one in only(found, Withhold)] == ["reanchor-waits"] * 4
    assert len(only(found, Publish)) == 1
    judge = host.bridge.vetting.judge
    assert judge is not None
    assert [cost for _, cost in judge.reanchored] == [7 * NS_PER_MS]
    one = only(found, Publish)[0]
    assert abs(host.error_ns(one)) <= one.bound_ns


def test_the_ledger_of_reanchorings_is_finite():
    host = far_away(75, KDC + "[limits]\nreanchor_year_ms = 5\n")
    found = host.second(30)
    assert only(found, Publish) == []
    assert "reanchor" in reasons(found)


def test_the_ledger_of_reanchorings_survives_a_restart():
    host = far_away(75)
    host.second(5)
    judge = host.bridge.vetting.judge
    assert judge is not None
    new = host.restarted()
    new.second(64)
    kept = new.bridge.vetting.judge
    assert kept is not None
    assert kept.reanchored == judge.reanchored


def test_no_reanchoring_without_a_witness():
    host = far_away(75)
    host.ntp_silent = host.rtc_silent = True
    host.now_s += 1200
    found = host.second(30)
    assert only(found, Publish) == []
    assert "reanchor-waits" in reasons(found)


def test_silence_of_the_servers_does_not_let_the_rtc_alone_vouch_for_a_reanchoring():
    """docs/vetting.md: NTP quorum, or the RTC *where there is no network*; silence never loosens anything."""
    host = far_away(75)
    host.ntp_silent = host.silent = True
    host.second(1200)
    host.silent = False
    found = host.second(30)
    assert only(found, Publish) == []


def test_a_refused_return_leaves_the_gate_as_it_was():
    """The gate says yes by re-anchoring, the quorum says no: the old gate must not have been thrown away."""
    host = far_away(95)
    judge = host.bridge.vetting.judge
    assert judge is not None
    anchor, gate = judge.anchor, judge.gate.memory()
    found = host.second(1)
    assert reasons(found) == {"quorum"}
    judge = host.bridge.vetting.judge
    assert judge is not None
    assert judge.anchor == anchor
    assert judge.reanchored == []
    assert {**judge.gate.memory(), "frozen_ns": 0} == {**gate, "frozen_ns": 0}
    assert judge.gate.rejecting


def test_after_a_refused_return_nothing_else_is_admitted_but_through_the_old_gate():
    host = far_away(95)
    assert reasons(host.second(1)) == {"quorum"}
    host.shift_ns = 88 * NS_PER_MS  # within E_q now, but outside the masks of before the silence
    found = host.second(30)
    assert only(found, Publish) == []


def test_a_smaller_gap_budget_is_tighter_in_every_respect():
    """Lemma L1 holds with it too: a silence of 4 s is no reason to re-anchor."""
    host = Host(KDC + "[limits]\ngap_budget_s = 2\n").feed()
    host.second(30)
    host.silent = True
    host.second(3)
    before = host.published()[-1]
    host.silent, host.shift_ns = False, 9 * NS_PER_MS
    for _ in range(20):
        host.second(1)
        host.silent = True
        host.second(3)
        host.silent = False
        host.shift_ns += 9 * NS_PER_MS
    rate = host.policy.limits.mask1_rate_ppt
    worst = max(
        abs(host.error_ns(one) - host.error_ns(before)) - scale_up(abs(one.raw_ns - before.raw_ns), rate)
        for one in host.published()
    )
    assert worst <= host.policy.limits.mask1_offset_ns


# ---- restarts ------------------------------------------------------------------------------------


def test_a_restart_keeps_the_gate_and_feeds_again():
    host = Host().feed()
    host.second(100)
    new = host.restarted().feed()
    assert new.worst_ns() == 0
    assert new.bridge.vetting.judge is not None
    old = host.bridge.vetting.judge
    assert old is not None
    assert new.bridge.vetting.judge.anchor == old.anchor


def test_memory_survives_a_restart_that_ends_before_the_boot_was_identified():
    host = Host().feed()
    kept = host.bridge.memory()
    host.identify = False
    new = host.restarted()
    assert new.bridge.memory() == kept


def test_a_restart_within_the_first_seconds_forgives_nothing():
    host = Host().feed()
    host.shift_ns = 2 * NS_PER_MS
    host.second(5)
    host.identify = False
    new = host.restarted()
    new.second(2)
    newer = new.restarted()
    newer.identify = True
    newer.now_s = -(-newer.now_s // 64) * 64
    newer.second(200)
    assert only(newer.decisions, Publish) == []


def test_a_rejected_receiver_is_not_healed_by_restarting_and_waiting():
    """Lemma L4 across a restart: the budget does not grow while the kept gate refuses."""
    host = Host().feed()
    host.second(5)
    new = host.restarted()
    new.shift_ns = 45 * NS_PER_MS  # 100 ppm pay for 12 ms at the end of the dwell, and for this in 450 s
    new.second(400)
    assert new.published() == []
    new.second(1600)
    assert new.published() == []


def test_an_unenrolled_host_feeds_again_after_a_restart():
    host = Host(enrolled=False).feed()
    host.second(4 * HOUR)
    new = host.restarted()
    new.second(2000)
    assert new.mode is Mode.VETTED
    assert new.worst_ns() == 0


def test_a_host_feeds_again_after_the_daemon_was_down_for_a_day():
    host = Host().feed()
    new = host.restarted()
    new.now_s += 86_400
    new.second(300)
    assert new.mode is Mode.VETTED


@pytest.mark.parametrize(("known", "reason"), [(True, "leap-second"), (False, "label-continuity")])
def test_a_59_said_twice_is_the_leap_second_where_one_is_confirmed(known, reason):
    host = Host().feed()
    if known:
        leaps = host.bridge.vetting.witnesses.leap
        leaps.confirmed.append(LeapSecond(BEGIN_S + host.now_s + 10, 1))
    host.second(10)
    host.label_s = -1
    found = host.second(5)
    assert [one.reason for one in only(found, Withhold)][:1] == [reason]
    assert len(only(found, Publish)) == (4 if known else 0)


@pytest.mark.parametrize(("off_ms", "boot_id", "fed"), [
    (0, "boot", True), (2_300, "boot", True), (2_300, "other", True), (-2_300, "other", True),
    (5_000, "boot", False), (5_000, "other", False),
])  # fmt: skip
def test_a_battery_clock_that_drifted_on_for_days_vouches_after_a_restart(off_ms, boot_id, fed):
    """Ten days at 3 ppm, enrolment and wander, are 2.6 s: more than what a strange RTC may be off."""
    host = Host().feed()
    host.now_s += 10 * 86_400
    host.rtc_ns, host.boot_id = off_ms * NS_PER_MS, boot_id
    new = host.restarted()
    new.second(300)
    assert (new.mode is Mode.VETTED) is fed


def test_an_rtc_that_was_set_while_the_daemon_was_down_is_met_as_a_stranger():
    host = Host(rtc_ns=1_900 * NS_PER_MS).feed()
    host.rtc_ns = -1_900 * NS_PER_MS
    new = host.restarted()
    new.second(300)
    assert new.mode is Mode.VETTED


def test_a_restart_after_a_leap_second_feeds_again():
    host = Host().feed()
    leaps = host.bridge.vetting.witnesses.leap
    at_s = BEGIN_S + host.now_s + 10
    leaps.confirmed.append(LeapSecond(at_s, 1))
    host.second(9)
    host.silent = True
    host.second(4)
    host.silent, host.posix_s = False, 1
    assert len(only(host.second(20), Publish)) >= 19
    new = host.restarted()
    new.second(200)
    assert new.mode is Mode.VETTED


@pytest.mark.parametrize("change", [{"boot_id": "other"}, {"clocksource": "hpet"}])
def test_another_boot_or_clocksource_drops_the_gate_but_keeps_floor_and_lock(change):
    host = Host().feed()
    host.label_s = -1
    host.second(100)
    for name, value in change.items():
        setattr(host, name, value)
    new = host.restarted()
    assert new.mode is Mode.LOCKED
    new.label_s = 0
    new.second(70)
    assert new.mode is Mode.LOCKED
    assert new.bridge.vetting.judge is None
    assert new.bridge.vetting.dates.floor_s > BEGIN_S


@pytest.mark.parametrize(("before_ms", "slept_ms", "kept"), [
    (0, 49, True), (0, 50, False), (7_000, -50, False), (7_000, 3_600_000, False), (None, 3_600_000, True),
])  # fmt: skip
def test_a_suspension_while_the_daemon_was_down_drops_the_gate(before_ms, slept_ms, kept):
    """The raw counter stood still meanwhile, so nothing counted on it goes on (lemma L6)."""
    host = Host(suspended_ms=before_ms).feed()
    host.suspended_ms = (before_ms or 0) + slept_ms
    new = host.restarted()
    new.second(70)
    assert (new.bridge.vetting.judge is not None) is kept
    assert new.mode is Mode.ACQUIRING


def test_a_suspension_begins_trust_anew():
    host = Host(suspended_ms=0).feed()
    host.suspended_ms = 90_000
    told = only(host.second(70), ModeChange)
    assert [(one.after, one.reason) for one in told] == [
        (Mode.ACQUIRING, "the machine was suspended for 90000 ms")
    ]
    assert host.bridge.vetting.witnesses.rate.enrolled


def test_episodes_survive_a_reboot():
    host = Host().feed()
    for _ in range(2):
        host.shift_ns = 3 * NS_PER_MS
        host.second(2)
        host.shift_ns = 0
        host.second(20)
    host.boot_id = "other"
    new = host.restarted().feed()
    new.shift_ns = 3 * NS_PER_MS
    new.second(2)
    assert new.mode is Mode.LOCKED


def test_another_clocksource_voids_the_enrolled_rate():
    """A rate measured on one counter says nothing of another's; its bound would be a lie (lemma L5)."""
    host = Host().feed()
    host.clocksource = "hpet"
    host.second(130)
    assert not host.bridge.vetting.witnesses.rate.enrolled


def test_a_reboot_in_one_stream_of_events_begins_anew():
    host = Host().feed()
    earlier = [replace(one, raw_ns=one.raw_ns - 400 * NS_PER_S) for one in host.events[-30:]]
    found = []
    for one in earlier:
        found += host.bridge.step(one)
    assert Mode.ACQUIRING in modes(found)
    assert host.bridge.vetting.judge is None


@pytest.mark.parametrize(
    "memory",
    [
        {"judge": {"anchor": [1, 2]}},
        {"judge": {"anchor": [1, 2, True], "rate": [0, 0, 1], "last": [1, 2, 3]}},
        {"judge": {"anchor": [1, 2, 3], "rate": [0, 0, 1], "last": [1, 2, 3], "gate": {}}},
        {"judge": {"anchor": [1, 2, 3], "rate": [0, 0, 1], "last": [1, 2, 3], "gate": 7}},
        {"judge": "x"},
        {"floor_utc_ns": -5, "raw_rate_ppt": True, "episodes_s": [None, "x", 10**30], "locked": "yes"},
        {"raw_rate_ppt": 10**12, "raw_rate_unc_ppt": 1, "rtc_rate_ppt": "x", "rtc_rate_unc_ppt": 2},
    ],
)
def test_a_memory_that_is_not_whole_is_left_out(memory):
    host = Host(enrolled=False)
    host.restore({"boot_id": "boot", "clocksource": "tsc", **memory})
    host.second(5)
    assert host.bridge.vetting.judge is None
    assert host.mode is Mode.ACQUIRING


@pytest.mark.parametrize("value", ["9" * 4000, "nan", float("inf"), float("nan"), 1.5, True, None, [], {}])
def test_a_gate_s_memory_of_anything_never_raises(value):
    host = Host().feed()
    kept = host.bridge.memory()
    judge = kept["judge"]
    assert isinstance(judge, dict)
    judge["gate"] = {**judge["gate"], "low": [value, value]}
    new = Host(now_s=host.now_s, enrolled=False)
    new.step(type(host.events[0])(*host.stamp(host.now_s * NS_PER_S), "restore", kept))  # type: ignore[call-arg]
    new.second(130)
    new.bridge.memory()


# ---- witnesses -----------------------------------------------------------------------------------


def test_a_lost_witness_degrades_and_comes_back():
    host = Host().feed()
    host.ntp_silent = True
    found = host.second(1200)
    assert modes(found) == [Mode.DEGRADED]
    assert "NTP quorum has no opinion" in only(found, ModeChange)[0].reason
    assert len(only(found, Publish)) == 1200
    host.ntp_silent = False
    assert modes(host.second(600)) == [Mode.VETTED]


def test_a_quorum_that_objects_vetoes_and_the_servers_are_named():
    host = Host().feed()
    host.ntp_ns = 300 * NS_PER_MS
    host.second(300)
    assert host.worst_ns() == 0
    assert "quorum" in reasons(host.decisions)
    assert "ntp" in accused(host.decisions)


def test_one_server_that_lies_is_named_and_outvoted():
    host = Host().feed()
    host.ntp_one_ns = 300 * NS_PER_MS
    found = host.second(200)
    assert accused(found) == ["ntp:a:123"]
    assert len(only(found, Publish)) == 200


def test_a_server_that_becomes_a_falseticker_by_waiting_is_named_as_well():
    """The quorum is formed anew between answers too; whoever is found out then must be named then."""
    policy = parse_policy(KDC)
    vetting = Vetting(policy, BUILD_S)
    witnesses = vetting.witnesses

    def answer(name: str, at_ns: int, off_ns: int, number: int) -> list[object]:
        cookie = f"{number:016x}"
        utc = BEGIN_S * NS_PER_S + at_ns - RAW_0 + off_ns
        reply = NtpReply(at_ns, 0, 0, "ntp0", f"{name}:123", cookie, at_ns, at_ns, ntp_packet(utc, cookie))
        return list(witnesses.on_ntp(reply))

    found = answer("a", RAW_0, 0, 1) + answer("b", RAW_0, 0, 2) + answer("c", RAW_0, 0, 3)
    # Two camps of two: no majority, nobody is false. Then the old answers of one camp expire.
    for number, name in enumerate("abcd"):
        found += answer(name, RAW_0 + number, 200 * NS_PER_MS * (name == "d"), 10 + number)
    for at_s in (200, 300):  # found out, and still so when it is looked at again
        edge = Edge(RAW_0 + at_s * NS_PER_S, 0, 0)
        found += vetting.on_second(Second(edge, BEGIN_S + at_s, False, 0, 0), None, True)
    false = {name for name, peer in witnesses.quorum.peers.items() if peer.falseticker}
    named = {one.source.removeprefix("ntp:") for one in found if isinstance(one, Accuse)}
    assert false == named


def test_an_rtc_that_is_stepped_is_named_and_loses_its_voice():
    host = Host().feed()
    host.rtc_ns = 5 * NS_PER_S
    found = host.second(64)
    assert accused(found) == ["rtc"]
    assert {"rtc-step"} == reasons(found)
    assert host.mode is Mode.DEGRADED
    assert host.worst_ns() == 0


def test_an_rtc_that_the_kernel_writes_is_no_witness():
    host = Host(status=0)
    host.second(200)
    assert "rtc-follows-system" in reasons(host.decisions)
    assert host.mode is Mode.ACQUIRING
    assert host.published() == []


def test_receiver_and_rtc_that_jump_alike_say_that_the_counter_stood_still():
    host = Host().feed()
    host.shift_ns = host.rtc_ns = host.ntp_ns = 20 * NS_PER_S
    found = host.second(40)
    assert "raw" in accused(found)
    assert Mode.ACQUIRING in modes(found)


@pytest.mark.parametrize("shift_ms", [80, 400])
def test_a_small_jump_of_the_rtc_does_not_excuse_a_large_one_of_the_receiver(shift_ms):
    """They did not move alike: 25 ms is the RTC's, and the receiver must not be re-admitted for it."""
    host = Host().feed()
    host.second(30 - host.now_s % 16)
    host.rtc_ns = 25 * NS_PER_MS
    host.silent = True
    while host.bridge.vetting.witnesses.rtc_jump is None:
        host.second()
        assert host.now_s < 1000
    host.silent, host.shift_ns = False, shift_ms * NS_PER_MS
    host.second(300)
    assert "raw" not in accused(host.decisions)
    assert host.worst_ns() == 0
    assert host.mode is Mode.LOCKED


def test_without_network_the_rtc_must_be_sharp_to_prove_the_edge():
    host = Host(NO_NTP + '[limits]\nwitnesses = 1\n[loosened]\nwitnesses = "a site without network"\n')
    host.ntp_silent = True
    host.second(1900)
    assert "edge-proof-unproven" in reasons(host.decisions)
    assert host.published() == []


def test_too_few_witnesses_hold_the_first_feed_back():
    host = Host(NO_RTC)
    host.rtc_silent = True
    host.second(200)
    assert "witnesses" in reasons(host.decisions)
    assert host.published() == []


def test_the_edge_proof_finds_labels_that_name_the_pulse_beside():
    host = Host()
    host.label_s = 1
    found = host.second(40)
    assert "edge-proof" in reasons(found)
    proofs = [one.value for one in only(found, Withhold) if one.reason == "edge-proof"]
    assert set(proofs) == {1}
    assert host.second(200)
    assert host.published() == []


def test_a_pulse_that_comes_late_as_the_dwell_ends_is_not_what_all_others_are_judged_by():
    """Seen on a busy host: fed first, it had every good one after it refused, and the receiver locked."""
    first_s = Host().feed().now_s - 1
    host = Host()
    host.second(first_s)
    host.shift_ns = -4 * NS_PER_MS
    late = host.second()
    host.shift_ns = 0
    assert reasons(late) == {"anchor-astray"}
    host.second(600)
    assert (host.mode, len(host.published())) == (Mode.VETTED, 600)
    assert accused(host.decisions) == []
    assert host.worst_ns() == 0


def test_an_unenrolled_receiver_whose_rate_is_not_the_quorum_s_is_refused():
    host = Host(enrolled=False)
    for _ in range(2000):
        host.shift_ns += 80 * NS_PER_US
        host.shift_ns = min(host.shift_ns, 90 * NS_PER_MS)
        host.second()
        if host.published():
            break
    assert host.published() == [] or host.worst_ns() <= host.published()[0].bound_ns


# ---- the system clock's steps ----------------------------------------------------------------------


def test_a_stamp_from_before_a_step_of_the_system_clock_is_not_published_after_it():
    """The pulse was stamped, the clock was stepped, then the label came: its stamp is worthless."""
    host = Host().feed()
    begin = host.now_s * NS_PER_S
    host.edge(begin)
    host.real_ns = 2 * NS_PER_S
    stamp = host.stamp(begin + 120 * NS_PER_MS)
    found = host.step(SerialBytes(*stamp, "gps0", burst(BEGIN_S + host.now_s)))
    assert "clock-step" in reasons(found)
    assert only(found, Publish) == []


def test_seconds_after_a_step_are_published_with_stamps_of_the_new_clock():
    host = Host().feed()
    host.real_ns = -7 * NS_PER_S
    found = host.second(30)
    assert "clock-step" in reasons(found)
    assert len(only(found, Publish)) >= 29
    assert all(one.sys_ns - one.utc_ns == -7 * NS_PER_S for one in only(found, Publish)[1:])
    assert host.mode is Mode.VETTED


# ---- leap seconds ----------------------------------------------------------------------------------


def test_a_leap_second_that_nobody_confirms_is_a_violation():
    host = Host().feed()
    host.label_s = -1
    found = host.second(70)
    assert reasons(found) >= {"label-continuity"}
    assert host.mode is Mode.LOCKED


def test_a_false_leap_that_was_announced_once_can_be_taken_back():
    """Or an honest receiver is locked at the end of the month for what was withdrawn weeks before."""
    host = Host().feed()
    leaps = host.bridge.vetting.witnesses.leap
    at_s = BEGIN_S + 31 * 86_400
    leaps.announce(1, at_s)
    host.ntp_leap = 1
    host.second(40)
    leaps.announce(0, None)
    host.ntp_leap = 0
    host.second(200)
    assert leaps.confirmed == []


def test_a_leap_table_without_leap_seconds_takes_back_what_was_said():
    host = Host().feed()
    leaps = host.bridge.vetting.witnesses.leap
    leaps.announce(1, BEGIN_S + 31 * 86_400)
    host.ntp_leap = 1
    host.second(40)
    host.command("leap-table", expires_s=BEGIN_S + 365 * 86_400, steps=[[1_483_228_800, 37]])
    host.second(40)
    assert leaps.confirmed == []


def test_the_rtc_does_not_count_a_leap_second_that_lies_ahead():
    policy = parse_policy(KDC)
    vetting = Vetting(policy, BUILD_S)
    vetting.witnesses.leap.confirmed.append(LeapSecond(BEGIN_S + 86_400, 1))
    vetting.witnesses.on_rtc(RtcTick(RAW_0, 0, 0, "rtc0", BEGIN_S))
    said = vetting.witnesses.rtc.interval(RAW_0, vetting.witnesses.rate)
    assert said is not None
    assert (said.lo_ns + said.hi_ns) // 2 == BEGIN_S * NS_PER_S


# ---- what the receiver says of itself ------------------------------------------------------------


def test_an_invalid_receiver_is_absent_not_lying():
    host = Host().feed()
    host.valid = False
    found = host.second(60)
    assert reasons(found) == {"receiver-invalid"}
    assert modes(found) == [Mode.HOLDOVER]
    host.valid = True
    assert len(only(host.second(20), Publish)) >= 17


def test_an_unconfirmed_leap_count_is_not_fed():
    host = Host(utc=False)
    host.second(200)
    assert reasons(host.decisions) == {"dwell", "utc-unconfirmed"}  # RMC is heard before PUBX,04
    assert host.published() == []


def test_an_attempt_that_falls_silent_begins_anew():
    host = Host()
    host.second(100)
    host.silent = True
    found = host.second(20)
    assert modes(found) == [Mode.COLD]
    host.silent = False
    host.second(121)
    assert modes(host.decisions) == [Mode.ACQUIRING, Mode.COLD, Mode.ACQUIRING, Mode.VETTED]


# ---- waking -----------------------------------------------------------------------------------------


def test_when_time_alone_changes_something_the_core_asks_to_be_woken():
    host = Host()
    assert host.bridge.vetting.deadline_ns() is None
    host.second()
    limits = host.policy.limits
    assert host.bridge.vetting.deadline_ns() == RAW_0 + limits.missing_after_ns
    host.feed()
    accepted = host.published()[-1].raw_ns
    assert host.bridge.vetting.deadline_ns() == accepted + limits.missing_after_ns
    host.shift_ns = 3 * NS_PER_MS
    host.second(10)
    assert host.mode is Mode.HOLDOVER
    # Only a rejection that lasts latches, so there is nothing to wake for before it has nearly lasted.
    assert host.bridge.vetting.deadline_ns() is None
    assert modes(host.second(850)) == []
    assert host.bridge.vetting.deadline_ns() == accepted + NS_PER_S - 3 * NS_PER_MS + limits.latch_after_ns
    assert modes(host.second(60)) == [Mode.LOCKED]
    assert host.bridge.vetting.deadline_ns() is None


def test_a_few_rejected_seconds_and_then_silence_do_not_latch():
    """An antenna that came off: the pulse wandered, then stopped. That is no lie that lasts."""
    host = Host().feed()
    host.shift_ns = 3 * NS_PER_MS
    host.second(10)
    host.silent = True
    assert modes(host.second(2000)) == []
    assert host.mode is Mode.HOLDOVER
    host.silent = False
    host.second(1)  # what lied before and lies again has lasted all the while
    assert modes(host.decisions)[-1] is Mode.LOCKED


def test_a_look_at_the_clock_without_an_rtc_says_nothing_of_it():
    vetting = Vetting(parse_policy(KDC), BUILD_S)
    assert vetting.witnesses.on_system(SystemClock(0, 0, 0, 0, 0, 0, 0, 37, "tsc", "b")) == []
    assert isinstance(vetting.witnesses.rtc, RtcWitness)


# ---- the order in which things come back ---------------------------------------------------------


@pytest.mark.parametrize("enrolled", [True, False])
def test_an_honest_receiver_that_is_back_before_the_servers_is_not_held_against_itself(enrolled):
    """After a power cut the first second comes before the first answer: that is a wait, not a lie."""
    host = Host(enrolled=enrolled).feed()
    new = host.restarted()
    new.now_s += 86_400
    new.shift_ns = 75 * NS_PER_MS  # what 0.9 ppm of the counter amount to in a day: well within its stability
    new.ntp_ns = 70 * NS_PER_MS
    new.ntp_silent = True
    new.second(40)
    new.ntp_silent = False
    new.second(2000)
    assert new.mode is Mode.VETTED


def test_a_receiver_that_returns_from_a_long_silence_before_the_servers_is_waited_for():
    host = far_away(75)
    host.ntp_silent = True
    host.silent = True
    host.second(1200)
    host.silent = False
    found = host.second(20)
    assert only(found, Publish) == []
    host.ntp_silent = False
    host.second(100)
    assert host.mode is not Mode.LOCKED
    assert len(host.published()) > 1
