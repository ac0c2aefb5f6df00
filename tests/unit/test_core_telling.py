"""What people are shown, to the nanosecond: the witnesses row by row, the budget, the diary."""

from typing import Any

import pytest

from refclock.core.gate.judge import Anchor, Judge
from refclock.core.rules.reasons import REASONS
from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.leap import LeapSecond
from refclock.core.seconds.timeline import Placed
from refclock.core.telling.diary import Diary
from refclock.core.telling.refusals import Refusals
from refclock.core.telling.rows import witness_rows
from refclock.core.telling.view import view
from refclock.core.trust.vetting import Vetting
from refclock.core.witness.ntp import Answer, Peer, Refusal
from refclock.core.witness.realm import Kdc
from refclock.model import Accuse, Decision, Mode, ModeChange, PhcReading, Publish, Request, RtcTick, Withhold
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire.report import Label
from tests.unit.test_core_host import BEGIN_S, BUILD_S, KDC

UTC = BEGIN_S * NS_PER_S
AT = 10**15
MS = NS_PER_MS
SURE = RawRate(0, 0, enrolled=True)
SILENT = {"age_ns": None, "lo_ns": None, "hi_ns": None, "state": "no opinion"}
CESIUM = 'profile = "kdc-cesium"\n[cesium]\n' + KDC
COMPANION = '[receiver]\nprotocol = "pps-only"\n[companion]\ndevice = "/dev/ttyS1"\nprotocol = "nmea"\n'


def made(text: str = KDC, judged: bool = True, rate: RawRate = SURE) -> Vetting:
    """A receiver that was right to 7 ms at ``AT``."""
    vetting = Vetting(parse_policy(text), BUILD_S)
    vetting.witnesses.rate = rate
    if judged:
        vetting.mode, vetting.judge = Mode.VETTED, Judge(vetting.policy, Anchor(AT, UTC, 7 * MS), rate)
        vetting.judge.gate.accept(AT, 0)
    return vetting


def said(lo_ms: int, hi_ms: int, at_ns: int = AT) -> Interval:
    """An opinion relative to true time."""
    return Interval(UTC + at_ns - AT + lo_ms * MS, UTC + at_ns - AT + hi_ms * MS, at_ns)


def row(vetting: Vetting, name: str, at_ns: int = AT) -> dict[str, Any]:
    """One witness's row, without its name."""
    (found,) = [one for one in witness_rows(vetting, at_ns) if one["name"] == name]
    return {key: value for key, value in found.items() if key != "name"}


def names(vetting: Vetting) -> list[object]:
    """Whose rows there are, in order."""
    return [one["name"] for one in witness_rows(vetting, AT)]


# ---- rows ------------------------------------------------------------------------------------------


def test_each_witness_has_its_row_those_of_a_few_only_where_they_are_configured():
    servers = [f"ntp:{one}:123" for one in "abcd"]
    assert names(made()) == ["ntp", *servers, "rtc"]
    text = '[phc]\ndevice = "/dev/ptp0"\n[chrony]\nchronyc = true\n'
    realm = '[realm]\nrealm = "EXAMPLE"\nkdcs = ["k1"]\n'
    full = made(CESIUM + text + realm)
    further = ["cesium", "phc", "chrony", "realm", "kdc:k1:88"]
    assert names(full) == ["ntp", *servers, "rtc", *further]
    silent = {one["name"]: one["detail"] for one in witness_rows(full, AT)}
    assert silent == {
        "ntp": "0 of 4 agree", **dict.fromkeys(servers, ""), "rtc": "not heard", "cesium": "silent",
        "phc": "not heard", "chrony": "not heard", "realm": "0 of 1 agree", "kdc:k1:88": "",
    }  # fmt: skip
    assert names(made(KDC + COMPANION)) == ["ntp", *servers, "rtc", "receiver2"]
    assert names(made(KDC.replace('servers = ["a", "b", "c", "d"]', ""))) == ["ntp", "rtc"]
    assert {one["state"] for one in witness_rows(full, AT)} == {"no opinion"}


@pytest.mark.parametrize(
    ("lo_ms", "hi_ms", "state"),
    [(-3, 5, "agrees"), (0, 5, "agrees"), (-5, 0, "agrees"), (1, 5, "disagrees"), (-5, -1, "disagrees")],
)
def test_a_witness_agrees_while_it_holds_what_the_last_second_leads_to(lo_ms, hi_ms, state):
    vetting = made()
    vetting.witnesses.quorum.interval = said(lo_ms, hi_ms)
    vetting.witnesses.quorum.agreeing = 3
    told = {
        "age_ns": None,
        "detail": "3 of 4 agree",
        "lo_ns": lo_ms * MS,
        "hi_ns": hi_ms * MS,
        "state": state,
    }
    assert row(vetting, "ntp") == told


def test_the_prediction_goes_on_from_the_last_accepted_second_by_the_judge_s_rate():
    fast = RawRate(10**9, 0, enrolled=True)  # 1000 ppm
    vetting = made(rate=fast)
    assert vetting.judge is not None
    vetting.judge.last_raw_ns, vetting.judge.last_si_ns = AT + NS_PER_S, UTC + NS_PER_S + 2 * MS
    vetting.witnesses.quorum.interval = said(0, 6, AT + 3 * NS_PER_S)
    told = row(vetting, "ntp", AT + 3 * NS_PER_S)
    assert (told["lo_ns"], told["hi_ns"]) == (-4 * MS, 2 * MS)


def test_before_the_first_feed_each_is_shown_about_its_own_middle():
    vetting = made(judged=False)
    vetting.witnesses.quorum.interval = said(1000, 1006)
    told = row(vetting, "ntp")
    assert (told["lo_ns"], told["hi_ns"], told["state"]) == (-3 * MS, 3 * MS, "agrees")


def test_a_quorum_that_is_too_wide_to_judge_by_says_so():
    vetting = made()
    vetting.witnesses.quorum.interval = said(-50, 50)
    assert row(vetting, "ntp")["detail"] == "0 of 4 agree"
    vetting.witnesses.quorum.interval = said(-50, 51)
    assert row(vetting, "ntp") == {
        **SILENT, "detail": "0 of 4 agree, but wider than E_q (quorum_error_us)"
    }  # fmt: skip


def test_a_server_s_row_has_its_narrowest_answer_its_age_and_what_is_against_it():
    vetting = made()
    peer = vetting.witnesses.quorum.peers["a:123"]
    peer.keep(Answer(said(-3, 5), 0), SURE)
    age_ns = vetting.limits.ntp_max_age_ns
    at_ns = AT + age_ns
    told = {"age_ns": age_ns, "lo_ns": -3 * MS - 1, "hi_ns": 5 * MS + 1, "state": "agrees", "detail": ""}
    assert row(vetting, "ntp:a:123", at_ns) == told
    assert row(vetting, "ntp:a:123", at_ns + 1) == {**SILENT, "age_ns": age_ns + 1, "detail": ""}
    peer.refusal = Refusal("ntp-mode", 1, 4)
    assert row(vetting, "ntp:a:123", at_ns) == {**told, "detail": "ntp-mode"}
    peer.falseticker = True
    assert row(vetting, "ntp:a:123", at_ns) == {**told, "detail": "falseticker", "state": "falseticker"}
    assert row(vetting, "ntp")["age_ns"] == 0


def test_the_battery_clock_s_row_says_why_it_is_no_witness():
    vetting = made()
    rtc = vetting.witnesses.rtc
    assert row(vetting, "rtc") == {**SILENT, "detail": "not heard"}
    vetting.witnesses.on_rtc(RtcTick(AT, 0, 0, "rtc0", BEGIN_S))
    told = {"age_ns": 0, "lo_ns": -2000 * MS, "hi_ns": 2000 * MS, "state": "agrees", "detail": ""}
    assert row(vetting, "rtc") == told
    assert row(vetting, "rtc", AT + 5)["age_ns"] == 5
    rtc.stepped_ns = 5
    assert row(vetting, "rtc") == {**SILENT, "age_ns": 0, "detail": "was set or jumped and is no witness"}
    rtc.follows_system = True
    detail = "follows the system clock and is no witness"
    assert row(vetting, "rtc") == {**SILENT, "age_ns": 0, "detail": detail}


def test_a_second_receiver_s_row():
    vetting = made(KDC + COMPANION)
    label = Label("nmea", "RMC", 0, 1, BEGIN_S, valid=True)
    vetting.witnesses.companion.hear(label, AT, 0, vetting.witnesses.leap)
    told = row(vetting, "receiver2", AT + NS_PER_S)
    assert (told["age_ns"], told["detail"], told["hi_ns"] - told["lo_ns"] > 0) == (NS_PER_S, "", True)
    late = row(vetting, "receiver2", AT + 5 * NS_PER_S)
    assert late == {**SILENT, "age_ns": 5 * NS_PER_S, "detail": "no valid label"}


def test_a_cesium_s_row_agrees_while_its_pulses_come_and_its_gate_admits():
    vetting = made(CESIUM)
    cesium = vetting.witnesses.cesium
    assert cesium is not None
    assert row(vetting, "cesium") == {**SILENT, "detail": "silent"}
    cesium.on_edge(Placed(AT, 5))
    told = {**SILENT, "age_ns": 2 * NS_PER_S, "detail": "its own pulse, edge to edge"}
    assert row(vetting, "cesium", AT + 2 * NS_PER_S) == {**told, "state": "agrees"}
    late = {**SILENT, "age_ns": 2 * NS_PER_S + 1, "detail": "silent"}
    assert row(vetting, "cesium", AT + 2 * NS_PER_S + 1) == late
    cesium.gate.accept(AT, 0)
    cesium.gate.reject(AT)
    assert row(vetting, "cesium", AT + 2 * NS_PER_S) == told


def test_a_network_card_s_row():
    vetting = made()
    phc = vetting.witnesses.further.phc
    assert "phc" not in names(vetting)
    phc.enroll(0, 0)
    phc.take(PhcReading(AT, 0, 5, "phc0", 10**9), SURE)
    assert row(vetting, "phc", AT + 7) == {
        **SILENT,
        "age_ns": 7,
        "detail": "has no date before the first feed",
    }
    phc.anchor(AT, UTC, 100, SURE)
    told = row(vetting, "phc")
    assert told == {"age_ns": 0, "lo_ns": -110, "hi_ns": 110, "state": "agrees", "detail": ""}
    phc.fault = "phc-step"
    assert row(vetting, "phc") == {**SILENT, "age_ns": 0, "detail": REASONS["phc-step"].words}


def test_the_rows_of_chrony_s_sources_and_of_the_realm_s_kdcs():
    vetting = made()
    further = vetting.witnesses.further
    source, kdc = Peer("192.0.2.1"), Kdc(Peer("k1:88"))
    for peer in (source, kdc.heard):
        peer.keep(Answer(said(-3, 5), 0), SURE)
    further.chrony.peers["192.0.2.1"], further.realm.kdcs["k1:88"] = source, kdc
    further.chrony._interval, further.chrony.agreeing = said(-3, 5), 1
    further.realm._interval, further.realm.agreeing = said(-30, 50), 1
    both = {"age_ns": 0, "state": "agrees"}
    assert row(vetting, "chrony") == {**both, "lo_ns": -3 * MS, "hi_ns": 5 * MS, "detail": "1 of 1 agree"}
    assert row(vetting, "realm") == {**both, "lo_ns": -30 * MS, "hi_ns": 50 * MS, "detail": "1 of 1 agree"}
    alone = {**both, "lo_ns": -3 * MS, "hi_ns": 5 * MS, "detail": ""}
    assert row(vetting, "chrony:192.0.2.1") == row(vetting, "kdc:k1:88") == alone


# ---- the view --------------------------------------------------------------------------------------


def seen(vetting: Vetting, at_ns: int = AT, system_ns: int | None = None) -> dict[str, Any]:
    """The view with an empty diary."""
    return view(vetting, Diary(), at_ns, system_ns)


def test_before_the_first_feed_there_is_nothing_to_bound():
    told = seen(made(judged=False))
    nothing: dict[str, Any] = {
        "bound_ns": None,
        "bound_parts": {},
        "dwell": None,
        "budget": None,
        "established": False,
    }
    assert {key: told[key] for key in nothing} == nothing
    assert told["established_by"] == []
    assert not {"alarm", "system_off_ns"} & set(told)
    assert (told["mode"], told["mode_reason"], told["mode_since_ns"]) == ("cold", "started", None)


def test_while_it_feeds_the_bound_is_the_last_second_s():
    vetting = made(rate=RawRate(17, 5_000_000, enrolled=True))
    vetting.witnesses.quorum.interval = said(-3, 5)
    told = seen(vetting, AT + NS_PER_S, UTC + NS_PER_S + 40)
    assert (told["bound_ns"], told["bound_parts"]) == (7 * MS, {"raw": 7 * MS})
    assert (told["system_off_ns"], told["alarm"]) == (40, False)
    assert (told["established"], told["established_by"]) == (True, ["receiver", "ntp"])
    assert (told["profile"], told["enrolled"], told["witnesses_needed"]) == ("kdc", True, 2)
    assert (told["raw_rate_ppt"], told["raw_rate_unc_ppt"]) == (17, 5_000_000)
    assert told["probes"] == vetting.probes.fields()
    vetting.mode = Mode.DEGRADED
    assert seen(vetting, AT + NS_PER_S)["bound_ns"] == 7 * MS
    assert "system_off_ns" not in seen(vetting, AT)


def test_the_system_clock_is_held_against_the_prediction_with_the_leap_seconds():
    vetting = made()
    vetting.witnesses.leap.confirmed.append(LeapSecond(BUILD_S, 1))
    assert seen(vetting, AT, UTC - NS_PER_S + 40)["system_off_ns"] == 40


def test_in_holdover_the_bound_grows_and_beyond_the_limit_it_is_an_alarm():
    """7 ms, growing at 5 ppm: 193 ms more than they were after 38,600 s."""
    vetting = made(KDC + "[limits]\nholdover_alarm_us = 200000\n")
    at_ns = AT + 38_600 * NS_PER_S
    for mode in (Mode.HOLDOVER, Mode.LOCKED, Mode.VETTED):
        vetting.mode = mode
        assert seen(vetting, at_ns)["bound_ns"] == (7 if mode is Mode.VETTED else 200) * MS
        assert seen(vetting, at_ns)["alarm"] is False
        assert seen(vetting, at_ns + 1)["alarm"] is (mode is Mode.HOLDOVER)


def test_during_the_dwell_its_time_is_shown_also_beside_a_gate_of_before_a_restart():
    vetting = made()
    assert seen(vetting)["dwell"] is None
    vetting.mode = Mode.ACQUIRING
    vetting.acquisition.started_ns = AT - 5
    assert seen(vetting)["dwell"] == {"elapsed_ns": 5, "needed_ns": 1800 * NS_PER_S}


def test_the_budget_has_what_is_left_of_gate_and_ledger():
    vetting = made()
    assert vetting.judge is not None
    vetting.judge.gate.accept(AT + NS_PER_S, MS // 2)
    vetting.judge.last_raw_ns, vetting.judge.last_si_ns = AT + NS_PER_S, UTC + NS_PER_S + MS // 2
    vetting.judge.reanchored = [(AT - 10, 7)]
    told = seen(vetting, AT + 2 * NS_PER_S)["budget"]
    earned_ns = 2 * NS_PER_S
    limits = vetting.limits
    masks = [(limits.mask1_offset_ns, limits.mask1_rate_ppt), (limits.mask2_offset_ns, limits.mask2_rate_ppt)]
    assert told == {
        "earned_ns": earned_ns, "frozen": False,
        "masks": [
            {
                "offset_ns": offset, "rate_ppt": rate,
                # From half a millisecond up; but for what the rate earned since.
                "up_ns": offset + 2 * rate // 1000 - MS // 2, "down_ns": offset + rate // 1000,
            }
            for offset, rate in masks
        ],
        "reanchored": [[10 + earned_ns, 7]],
        "reanchor_year_ns": limits.reanchor_year_ns,
        "reanchor_left_ns": limits.reanchor_year_ns - 7,
    }  # fmt: skip
    vetting.judge.gate.reject(AT + 2 * NS_PER_S)
    assert seen(vetting, AT + 3 * NS_PER_S)["budget"]["frozen"] is True


# ---- the diary -------------------------------------------------------------------------------------


def test_the_diary_keeps_the_latest_of_each_kind_and_counts_them():
    diary, vetting = Diary(), made()
    asked: list[int] = []

    def rows() -> list[dict[str, object]]:
        asked.append(1)
        return [{"name": "ntp"}]

    assert diary.counters == {"published": 0, "withheld": 0, "accused": 0}
    published = Publish(AT, UTC, UTC + 1, 0, 7)
    withheld = [Withhold(AT + at, "drift-mask", at, 1, UTC, 1) for at in (1, 2)] + [
        Withhold(AT, "dwell", 3, 4)
    ]
    accused = Accuse(AT + 3, "receiver", {"moved_ns": 5, "witnesses": ["raw"]})
    said_then: list[Decision] = [
        published,
        *withheld[:2],
        accused,
        ModeChange(AT + 4, Mode.VETTED, Mode.LOCKED, "why"),
        withheld[2],
    ]
    for one in said_then:
        diary.note(one, 99, rows)
    assert diary.counters == {"published": 1, "withheld": 3, "accused": 1, "drift-mask": 2, "dwell": 1}
    assert len(asked) == 2  # once for each group
    told = view(vetting, diary, AT + 10, None)
    assert (told["mode_reason"], told["mode_since_ns"]) == ("why", 6)
    assert told["last_publish"] == {
        "d": "publish", "raw": AT, "utc": UTC, "sys": UTC + 1, "leap": 0, "bound": 7
    }  # fmt: skip
    reason = REASONS["dwell"]
    assert told["last_withhold"] == {
        "d": "withhold", "raw": AT, "reason": "dwell", "value": 3, "limit": 4,
        "words": reason.words, "unit": reason.unit, "mend": reason.mend,
    }  # fmt: skip
    assert told["last_accusation"] == "receiver moved +5 ns against raw"
    reason = REASONS["drift-mask"]
    refusals = told["refusals"]
    assert isinstance(refusals, list)
    assert refusals[0] == {
        "reason": "drift-mask", "count": 2, "first_raw_ns": AT + 1, "first_real_ns": 99,
        "last_raw_ns": AT + 2, "last_real_ns": 99, "worst_value": 2, "limit": 1, "mask": 1, "utc_ns": UTC,
        "words": reason.words, "unit": reason.unit, "mend": reason.mend, "kind": "reject",
        "witnesses": [{"name": "ntp"}], "accused": "receiver moved +5 ns against raw",
    }  # fmt: skip


def test_an_accepted_second_closes_the_group_and_the_next_refusal_opens_another():
    diary = Diary()
    for one in (Withhold(AT, "quorum", 1, 1), Publish(AT, UTC, UTC, 0, 7), Withhold(AT, "quorum", 1, 1)):
        diary.note(one, 0, list)
    assert [one["count"] for one in diary.refusals.fields()] == [1, 1]


@pytest.mark.parametrize(("apart_ns", "groups"), [(600 * NS_PER_S, 1), (600 * NS_PER_S + 1, 2)])
def test_refusals_ten_minutes_apart_are_one_group_still(apart_ns, groups):
    refusals = Refusals()
    refusals.note(Withhold(AT, "quorum", 1, 1), 0, list)
    refusals.note(Withhold(AT + apart_ns, "quorum", 1, 1), 0, list)
    assert len(refusals.fields()) == groups


def test_of_equal_values_the_first_stays_the_worst():
    refusals = Refusals()
    for value, limit in ((5, 1), (-5, 2), (4, 3)):
        refusals.note(Withhold(AT, "quorum", value, limit), 0, list)
    assert [(one["worst_value"], one["limit"]) for one in refusals.fields()] == [(5, 1)]


def test_a_step_of_the_battery_clock_is_an_episode_that_somebody_may_be_named_for():
    refusals = Refusals()
    refusals.note(Withhold(AT, "quorum", 1, 1), 0, list)
    refusals.note(Withhold(AT, "rtc-step", 1, 1), 0, list)
    refusals.note(Withhold(AT, "dwell", 1, 1), 0, list)
    refusals.accuse(Accuse(AT, "rtc", {"moved_ns": 5}))
    assert [one["accused"] for one in refusals.fields()] == [None, "rtc moved +5 ns", None]


def test_each_decision_counts_and_what_is_asked_of_a_receiver_is_none():
    diary = Diary()
    for at_ns in (1, 2):
        diary.note(Publish(at_ns, UTC, UTC, 0, 7), 0, list)
        diary.note(Accuse(at_ns, "rtc", {"moved_ns": 5}), 0, list)
        diary.note(Request(at_ns, "gps0", b"?"), 0, list)
    assert diary.counters == {"published": 2, "withheld": 0, "accused": 2}
    assert (diary.mode_reason, diary.mode_since_ns) == ("started", None)


def test_an_alarm_of_the_system_clock_is_counted_and_withholds_nothing():
    diary = Diary()
    diary.note(Withhold(AT, "slew-left", 5, 1), 0, list)
    assert diary.counters == {"published": 0, "withheld": 0, "accused": 0, "slew-left": 1}
    assert diary.last_withhold is None
    diary.note(Publish(AT, UTC, UTC, 0, 7), 0, list)
    diary.note(Withhold(AT + 1, "slew-left", 5, 1), 0, list)
    assert [one["count"] for one in diary.refusals.fields()] == [2]


def test_the_latest_group_of_a_reason_is_the_one_that_goes_on():
    refusals = Refusals()
    for at_s in (0, 601, 602):
        refusals.note(Withhold(AT + at_s * NS_PER_S, "quorum", 1, 1), 0, list)
    assert [one["count"] for one in refusals.fields()] == [1, 2]


def test_thirty_two_groups_are_kept_and_the_oldest_of_equals_goes_first():
    refusals = Refusals()
    for number in range(33):
        refusals.note(Withhold(AT + number * 1000 * NS_PER_S, "quorum", 1, 1), 0, list)
    kept = [one["first_raw_ns"] for one in refusals.fields()]
    assert kept == [AT + number * 1000 * NS_PER_S for number in range(1, 33)]
