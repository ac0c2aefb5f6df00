"""What the daemon remembers across a restart, and how much of it is believed."""

from typing import Any

import pytest

from refclock.core.bridge import Bridge
from refclock.core.gate.judge import Anchor, Judge
from refclock.core.seconds.interval import RawRate
from refclock.core.seconds.leap import LeapSecond
from refclock.core.trust.memory import (
    ENROLLED,
    Identity,
    enroll,
    enroll_offline,
    raw_based,
    remember,
    restore,
    take_up,
)
from refclock.core.trust.vetting import Vetting
from refclock.model import Command, Mode, ModeChange, RtcTick
from refclock.policy import parse_policy
from refclock.units import NS_PER_S, PPT_PER_PPM

BUILD_S = 1_700_000_000
POLICY = parse_policy('[pps]\ndevice = "/dev/pps0"\n')
HERE = Identity("boot", "tsc", 70)
STABILITY_PPT = 2 * PPT_PER_PPM
RATES: dict[str, object] = {
    "raw_rate_ppt": -15, "raw_rate_unc_ppt": 7, "rtc_rate_ppt": 3, "rtc_rate_unc_ppt": 2,
    "phc_rate_ppt": 5, "phc_rate_unc_ppt": 6, "phase_low_ns": -8, "phase_high_ns": 9,
}  # fmt: skip
CALIBRATED: dict[str, object] = {"rtc_at_s": BUILD_S, "rtc_offset_ns": -77, "rtc_error_ns": 88}


def vetting(**kept: object) -> Vetting:
    """A start with a memory."""
    made = Vetting(POLICY, BUILD_S)
    restore(made, 0, kept)
    return made


def judge(rejecting: bool = False) -> Judge:
    """A judge that accepted a second, and may have refused the next."""
    made = Judge(POLICY, Anchor(5, 6, 7), RawRate(0, 0, enrolled=True))
    made.gate.accept(5, 0)
    if rejecting:
        made.gate.reject(6)
    return made


# ---- the whole of it -------------------------------------------------------------------------------


def test_a_memory_of_nothing():
    assert remember(Vetting(POLICY, BUILD_S), None, "") == {
        "version": 1, "floor_utc_ns": BUILD_S * NS_PER_S, "locked": False, "episodes_s": [],
        "probes": Vetting(POLICY, BUILD_S).probes.fields(),
    }  # fmt: skip


def test_all_that_is_remembered_is_known_again():
    kept = {
        "version": 1, "floor_utc_ns": (BUILD_S + 9) * NS_PER_S, "locked": False, "episodes_s": [4, 5],
        "probes": {"count": 3, "refused": 1, "worst_ns": 7, "variation_ns": 9, "last_utc_s": 8},
        "leaps": [[1_830_297_600, 1], [1_845_936_000, -1]], **RATES, **CALIBRATED,
    }  # fmt: skip
    assert remember(vetting(**kept), None, "") == kept


def test_the_floor_is_the_second_after_the_last_one_fed():
    made = Vetting(POLICY, BUILD_S)
    made.dates.fed_s = BUILD_S + 30
    assert remember(made, None, "")["floor_utc_ns"] == (BUILD_S + 31) * NS_PER_S


def test_the_gate_is_remembered_with_the_counter_it_was_counted_on():
    made = Vetting(POLICY, BUILD_S)
    made.judge = judge()
    assert "judge" not in remember(made, None, "")
    kept = remember(made, HERE, "")
    identity = {"boot_id": "boot", "clocksource": "tsc", "suspended_ms": 70}
    assert raw_based(kept) == {**identity, "judge": made.judge.memory()}
    assert "suspended_ms" not in remember(made, Identity("boot", "tsc"), "")
    made.judge = None
    assert raw_based(remember(made, HERE, "")) == identity


@pytest.mark.parametrize("change", [{}, {"stepped_ns": 5}, {"follows_system": True}])
def test_the_calibration_of_a_battery_clock_that_left_it_is_forgotten(change):
    made = vetting(**CALIBRATED)
    for name, value in change.items():
        setattr(made.witnesses.rtc, name, value)
    kept = remember(made, None, "")
    assert {name: kept[name] for name in CALIBRATED if name in kept} == ({} if change else CALIBRATED)


def test_a_provisional_rate_is_not_remembered():
    made = Vetting(POLICY, BUILD_S)
    made.witnesses.rate = RawRate(1, 2)
    assert not set(ENROLLED) & set(remember(made, None, ""))


@pytest.mark.parametrize("name", ["boot_id", "clocksource"])
def test_a_memory_that_does_not_say_which_counter_has_nothing_of_one(name):
    kept = {"boot_id": "boot", "clocksource": "tsc", "judge": {}, "floor_utc_ns": 5}
    assert raw_based(kept) == {"boot_id": "boot", "clocksource": "tsc", "judge": {}}
    assert raw_based({key: value for key, value in kept.items() if key != name}) == {}


# ---- what is believed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("raw_rate_ppt", -500_000_000, 500_000_000),
        ("raw_rate_unc_ppt", 0, 500_000_000),
        ("phase_low_ns", -2 * NS_PER_S, 9),
        ("phase_high_ns", -8, 2 * NS_PER_S),
        ("rtc_at_s", 0, 1 << 33),
        ("rtc_offset_ns", -(1 << 33) * NS_PER_S, (1 << 33) * NS_PER_S),
        ("rtc_error_ns", 0, (1 << 33) * NS_PER_S),
    ],
)
def test_a_number_beyond_its_range_is_none_nor_is_what_goes_with_it(name, low, high):
    whole = {**RATES, **CALIBRATED}
    (group,) = (
        group for group in (("raw_rate", "raw_rate_unc"), ("phase",), ("rtc_at", "rtc_offset", "rtc_error"))
        if name.startswith(group)
    )  # fmt: skip
    for value in (low, high):
        kept = remember(vetting(**{**whole, name: value}), None, "")
        assert kept[name] == value
    for other in (low - 1, high + 1, "5", True, None):
        kept = remember(vetting(**{**whole, name: other}), None, "")
        assert not any(one.startswith(group) for one in kept)
        assert {one for one in whole if not one.startswith(group)} <= set(kept)


def test_an_enrolled_counter_strays_by_its_stability_beside_what_was_measured():
    witnesses = vetting(**RATES).witnesses
    assert witnesses.rate == RawRate(-15, 7 + STABILITY_PPT, enrolled=True)
    assert witnesses.rtc.enrolled == (3, 2)
    assert witnesses.further.phc.enrolled == (5, 6)


@pytest.mark.parametrize(
    ("floor_ns", "floor_s"),
    [
        ((BUILD_S + 1) * NS_PER_S - 1, BUILD_S),
        ((BUILD_S + 1) * NS_PER_S, BUILD_S + 1),
        (1 << 63, (1 << 63) // NS_PER_S),
        ((1 << 63) + 1, BUILD_S),
        (5, BUILD_S),
    ],
)
def test_the_floor_rises_to_what_is_remembered(floor_ns, floor_s):
    assert vetting(floor_utc_ns=floor_ns).dates.floor_s == floor_s


def test_of_lists_only_what_has_the_right_shape():
    made = vetting(
        leaps=[[5, 1], [6, -1], [7, 0], [8, 2], [9], [10, 1, 1], ["11", 1], [12, True], 13, None],
        episodes_s=[1, "2", None, 3, [4]],
    )
    assert made.witnesses.leap.confirmed == [LeapSecond(5, 1), LeapSecond(6, -1)]
    assert made.episodes.starts_s == [1, 3]
    nothing: list[Any] = [{}, "12", 5, None]
    for other in nothing:
        made = vetting(leaps=other, episodes_s=other, probes=[other])
        assert made.witnesses.leap.confirmed == []
        assert made.episodes.starts_s == []


def test_a_gate_that_was_kept_waits_for_the_boot_to_be_known():
    whole = {"boot_id": "boot", "clocksource": "tsc", "judge": judge().memory()}
    assert vetting(**whole).unidentified
    assert not vetting(boot_id="boot", clocksource="tsc").unidentified
    assert not vetting(judge=judge().memory()).unidentified


# ---- locks -----------------------------------------------------------------------------------------


def told(**kept: object) -> list[tuple[Mode, str]]:
    """The mode entered by a start with a memory, and why."""
    found = restore(Vetting(POLICY, BUILD_S), 9, kept)
    assert all(isinstance(one, ModeChange) and one.raw_ns == 9 for one in found)
    return [(one.after, one.reason) for one in found if isinstance(one, ModeChange)]


def test_a_lock_survives_and_says_why():
    assert told(locked=False, lock_reason="x") == []
    assert told(locked="yes") == told(locked=1) == []
    assert told(locked=True, lock_reason="x") == [(Mode.LOCKED, "locked before the restart: x")]
    for nothing in (None, "", 5):
        assert told(locked=True, lock_reason=nothing) == [(Mode.LOCKED, "locked before the restart")]


def test_a_broken_seal_locks_and_says_so_rather_than_what_the_memory_does():
    reason = "the memory was tampered with: seal"
    assert told(tampered="seal") == [(Mode.LOCKED, reason)]
    assert told(tampered="seal", locked=True, lock_reason="x") == [(Mode.LOCKED, reason)]


def test_only_a_lock_has_a_reason_to_remember():
    made = Vetting(POLICY, BUILD_S)
    assert "lock_reason" not in remember(made, None, "dwell complete")
    made.mode = Mode.LOCKED
    for reason in ("locked before the restart: x", "x"):
        kept = remember(made, None, reason)
        assert (kept["locked"], kept["lock_reason"]) == (True, "x")
    assert remember(made, None, "locked before the restart")["lock_reason"] == ""


# ---- whose counter -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (HERE, ""),
        (Identity("other", "tsc", 70), "boot_id changed"),
        (Identity("other", "hpet", 0), "boot_id changed"),
        (Identity("boot", "hpet", 70), "clocksource changed"),
        (Identity("boot", "tsc"), ""),
        (Identity("boot", "tsc", 21), ""),
        (Identity("boot", "tsc", 20), "the machine was suspended for 50 ms"),
        (Identity("boot", "tsc", 119), ""),
        (Identity("boot", "tsc", 120), "the machine was suspended for -50 ms"),
    ],
)
def test_what_was_counted_goes_on_only_on_the_same_counter(before, reason):
    assert before.changed(HERE) == reason
    assert before.changed(Identity("boot", "tsc")) == (reason if "changed" in reason else "")
    kept: dict[str, object] = {"judge": judge().memory(), **before._asdict()}
    made = Vetting(POLICY, BUILD_S)
    made.witnesses.rate = RawRate(1, 2, enrolled=True)
    take_up(made, kept, HERE)
    assert (made.judge is not None) is (not reason)
    assert made.witnesses.rate.enrolled is (before.clocksource == "tsc")


def test_a_memory_that_names_no_clocksource_says_nothing_of_the_rate():
    made = vetting(**RATES)
    take_up(made, {"boot_id": "boot", "judge": judge().memory()}, HERE)
    assert made.judge is None
    assert made.witnesses.rate.enrolled


@pytest.mark.parametrize(
    ("suspended", "kept"), [(0, False), (-1, True), (1 << 63, False), ((1 << 63) + 1, True), ("x", True)]
)
def test_what_is_no_time_asleep_is_not_compared(suspended, kept):
    made = Vetting(POLICY, BUILD_S)
    take_up(made, {"judge": judge().memory(), **HERE._asdict(), "suspended_ms": suspended}, HERE)
    assert (made.judge is not None) is kept


def test_a_judge_that_is_there_already_is_not_replaced():
    made = Vetting(POLICY, BUILD_S)
    made.judge = mine = judge()
    take_up(made, {"judge": judge(rejecting=True).memory(), **HERE._asdict()}, HERE)
    assert made.judge is mine
    nothing: list[Any] = [{}, "x", None]
    for other in nothing:
        made = Vetting(POLICY, BUILD_S)
        take_up(made, {"judge": other, **HERE._asdict()}, HERE)
        assert made.judge is None


# ---- enrolment -------------------------------------------------------------------------------------


def test_an_enrolment_begins_an_acquisition_in_which_it_is_in_force():
    made = Vetting(POLICY, BUILD_S)
    made.mode, made.judge = Mode.VETTED, judge()
    found = enroll(made, 9, RATES)
    assert found == [ModeChange(9, Mode.VETTED, Mode.ACQUIRING, "enrolled")]
    assert made.judge is None
    assert made.witnesses.rate == RawRate(-15, 7 + STABILITY_PPT, enrolled=True)


def test_an_enrolment_brings_back_an_rtc_that_was_set_and_nothing_else_of_the_clock_s():
    made = vetting(**RATES)
    made.witnesses.on_rtc(RtcTick(1, 0, 0, "rtc0", BUILD_S))
    made.witnesses.rtc.stepped_ns = NS_PER_S
    enroll(made, 9, {name: RATES[name] for name in ("raw_rate_ppt", "raw_rate_unc_ppt")})
    assert made.witnesses.rtc.stepped_ns == 0
    assert made.witnesses.rtc.enrolled == (3, 2)  # what the operator did not measure anew stays


@pytest.mark.parametrize("without", ["raw_rate_ppt", "raw_rate_unc_ppt"])
def test_an_enrolment_without_the_counter_s_rate_is_none(without):
    made = Vetting(POLICY, BUILD_S)
    made.mode, made.judge = Mode.VETTED, judge()
    assert enroll(made, 9, {name: value for name, value in RATES.items() if name != without}) == []
    assert made.judge is not None
    assert made.witnesses.rtc.enrolled is None


def test_nothing_is_forgiven_by_an_enrolment():
    made = Vetting(POLICY, BUILD_S)
    made.mode, made.judge = Mode.HOLDOVER, judge(rejecting=True)
    assert enroll(made, 9, RATES) == []
    assert made.mode is Mode.HOLDOVER
    assert not made.witnesses.rate.enrolled


@pytest.mark.parametrize(
    ("frozen", "taken"), [(-1, True), (0, False), (5, False), (1 << 63, False), (True, True)]
)
def test_nor_by_one_without_the_daemon(frozen, taken):
    kept = {"locked": True, "judge": {"gate": {"frozen_ns": frozen}}}
    assert enroll_offline(kept, RATES) == ({"version": 1, "locked": True, **RATES} if taken else None)


def test_an_offline_enrolment_takes_what_was_measured_and_nothing_else():
    nothing: list[Any] = [{}, {"gate": 5}, {"gate": {}}, "x", None]
    for gate in nothing:
        assert enroll_offline({"judge": gate}, {**RATES, "locked": False}) == {"version": 1, **RATES}
    assert enroll_offline({"raw_rate_ppt": 1, "episodes_s": [3]}, RATES) == {
        "version": 1, "episodes_s": [3], **RATES,
    }  # fmt: skip


def _bridge(**args: object) -> tuple[Bridge, list[object]]:
    bridge = Bridge(parse_policy(""), BUILD_S)
    return bridge, list(bridge.step(Command(1, 1, 0, verb="restore", args=args)))


def test_a_tampered_memory_locks_with_its_reason_and_keeps_its_floor():
    bridge, found = _bridge(tampered="the state was deleted", floor_utc_ns=(BUILD_S + 5) * NS_PER_S)
    assert found == [
        ModeChange(1, Mode.COLD, Mode.LOCKED, "the memory was tampered with: the state was deleted")
    ]
    assert bridge.memory()["floor_utc_ns"] == (BUILD_S + 5) * NS_PER_S
    assert bridge.memory()["lock_reason"] == "the memory was tampered with: the state was deleted"


def test_the_reason_of_a_lock_survives_restarts_without_growing():
    kept: dict[str, object] = {"locked": True, "lock_reason": "rejected for 900 s"}
    for _ in range(3):
        bridge, found = _bridge(**kept)
        change = found[0]
        assert isinstance(change, ModeChange)
        assert change.reason == "locked before the restart: rejected for 900 s"
        kept = bridge.memory()
    assert _bridge(locked=True)[1] == [ModeChange(1, Mode.COLD, Mode.LOCKED, "locked before the restart")]


def test_an_enrolment_is_in_force_and_remembered():
    bridge = Bridge(parse_policy(""), BUILD_S)
    rates: dict[str, object] = {"raw_rate_ppt": -15, "raw_rate_unc_ppt": 7}
    rates |= {"rtc_rate_ppt": 3, "rtc_rate_unc_ppt": 2}
    bridge.step(Command(1, 1, 0, verb="enroll", args=rates))
    assert bridge.view(2)["enrolled"] is True
    assert rates.items() <= bridge.memory().items()
    again, _ = _bridge(**bridge.memory())
    assert rates.items() <= again.memory().items()


@pytest.mark.parametrize(
    "args", [{}, {"raw_rate_ppt": 1}, {"raw_rate_ppt": 10**9, "raw_rate_unc_ppt": 1},
             {"raw_rate_ppt": True, "raw_rate_unc_ppt": 1}, {"raw_rate_ppt": 1, "raw_rate_unc_ppt": -1}],
)  # fmt: skip
def test_rates_that_are_no_clocks_enroll_nothing(args):
    bridge = Bridge(parse_policy(""), BUILD_S)
    assert bridge.step(Command(1, 1, 0, verb="enroll", args=args)) == []
    assert bridge.view(2)["enrolled"] is False
    assert enroll_offline({}, args) is None


def test_an_offline_enrolment_drops_the_gate_unless_it_is_rejecting():
    rates = {"raw_rate_ppt": 1, "raw_rate_unc_ppt": 2}
    kept = {"locked": True, "judge": {"gate": {"frozen_ns": -1}}}
    assert enroll_offline(kept, rates) == {"version": 1, "locked": True, **rates}
    assert enroll_offline({"judge": {"gate": {"frozen_ns": 5}}}, rates) is None
